"""The gate: what a model has to pass before it may answer anybody, each check with its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from penchant.errors import BadArtifact, BadParameter
from penchant.evaluation.evaluator import Estimate, Evaluation
from penchant.evaluation.metrics import NDCG, Coverage
from penchant.queries import Queries
from penchant.recommender import Recommender, Scores

NEW, IN_USE, POPULARITY = "new", "in use", "popularity"
"""What the models are called in an evaluation."""

K = 10
"""Length of the lists that are judged."""

PERSONAL = frozenset({"user", "history", "user_features", "tastes"})
"""Evidence that makes one person's list another's."""

TIMED = 25
"""How many people are asked one by one, to see how long an answer takes."""


class Check(NamedTuple):
    """One thing that was looked at: its name, whether it was good, and a sentence with numbers."""

    name: str
    passed: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as the registry keeps them."""
        return {"check": self.name, "passed": self.passed, "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gate lets pass.

    Parameters
    ----------
    margin : how far the new model's NDCG@10 may lie below that of the model in use, and below
        popularity's. It is refused where all of the 95% interval of the paired difference lies
        lower than that: one-sided, an error in one of 40.
    people : with fewer people to ask, models cannot be told apart: popularity is the model then.
    answered : how much lower than of the model in use the share of people with a list may be.
    alike : the share of people with a history that may get one and the same list from a model that
        reads who asks.
    coverage : the new model's share of the catalogue, as a part of that of the model in use.
    seconds : how long half of the answers to one person may take.
    """

    margin: float = 0.0
    people: int = 50
    answered: float = 0.02
    alike: float = 0.95
    coverage: float = 0.2
    seconds: float = 0.1

    def __post_init__(self) -> None:
        for name in ("margin", "people", "answered", "alike", "coverage", "seconds"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise BadParameter(f"Limits.{name} must be a number of at least 0, got {value!r}")


def quality(found: Evaluation, held: str, limits: Limits) -> Iterator[Check]:
    """Compare the new model with the one in use (if it was asked), and with popularity.

    Parameters
    ----------
    held : how the model in use was measured, in words.
    """
    if IN_USE in found.models:
        yield _not_below(found, IN_USE, f"the model in use ({held})", limits.margin)
        yield _covers(found, limits.coverage)
    yield _not_below(found, POPULARITY, "popularity", limits.margin)


def _not_below(found: Evaluation, other: str, called: str, margin: float) -> Check:
    metric = NDCG(K)
    apart = found.difference(metric, NEW, other)
    new, old = found.value(metric, NEW), found.value(metric, other)
    worse = not np.isfinite(new) or apart.high < -margin
    verdict = _told(apart)
    if worse:
        verdict = "clearly worse" + (f" by more than the {margin:g} allowed" if margin else "")
    return Check(
        f"not below {other}",
        not worse,
        f"Over {len(found.asked):,} people NDCG@{K} is {new:.4f}, against {old:.4f} of {called}; "
        f"person by person {_interval(apart)}: {verdict}.",
    )


def _told(apart: Estimate) -> str:
    if apart.low > 0:
        return "clearly better"
    return "clearly worse, as far as is allowed" if apart.high < 0 else "no clear difference"


def _interval(apart: Estimate) -> str:
    return f"{apart.value:+.4f} (95% interval {apart.low:+.4f} to {apart.high:+.4f})"


def _covers(found: Evaluation, least: float) -> Check:
    new, old = (found.value(Coverage(K), name) for name in (NEW, IN_USE))
    return Check(
        "coverage",
        new >= least * old,
        f"{new:.1%} of the catalogue is in somebody's list, {old:.1%} with the model in use; "
        f"{least * old:.1%} is the least.",
    )


def soundness(
    model: Recommender, asked: Queries, before: Recommender | None, limits: Limits
) -> Iterator[Check]:
    """Look at what a model answers, before it answers anybody.

    Parameters
    ----------
    model : fitted on everything, and loaded back from where it was saved.
    asked : some people.
    before : the model in use, if there is one.
    """
    scores = model.score(asked)
    answered = _answered(scores)
    yield _answers(answered, None if before is None else _answered(before.score(asked)), limits)
    if PERSONAL & model.reads:
        yield _differs(model, asked, limits)
    if answered:
        yield _quick(model, asked, limits)


def _answered(scores: Scores) -> float:
    return float((~np.isnan(scores)).any(axis=1).mean())


def _answers(share: float, before: float | None, limits: Limits) -> Check:
    good = share > 0 and (before is None or share >= before - limits.answered)
    said = f"{share:.1%} of the people asked got an answer"
    if before is not None:
        said += f", {before:.1%} from the model in use; {limits.answered:.1%} less is allowed"
    return Check("answers", good, said + ".")


def _differs(model: Recommender, asked: Queries, limits: Limits) -> Check:
    """Whether those with a history get lists of their own, apart from what they have met."""
    known = asked[np.flatnonzero(asked.histories.lengths)]
    nothing = np.zeros(len(known) + 1, np.int64), np.zeros(0, np.int32)
    codes = model.recommend(replace(known, seen=nothing), K).codes
    _, times = np.unique(codes, axis=0, return_counts=True)
    share = float(times.max(initial=0)) / max(len(known), 1)
    return Check(
        "lists differ",
        len(known) < 2 or share <= limits.alike,
        f"The list that most got is that of {share:.1%} of {len(known):,} people with a history; "
        f"{limits.alike:.0%} is the most.",
    )


def _quick(model: Recommender, asked: Queries, limits: Limits) -> Check:
    model.recommend(asked[0], K)  # what is compiled or mapped only once
    took = []
    for row in range(min(len(asked), TIMED)):
        began = perf_counter()
        model.recommend(asked[row], K)
        took.append(perf_counter() - began)
    middle = float(np.median(took))
    return Check(
        "quick",
        middle <= limits.seconds,
        f"Half of {len(took)} answers to one person took {1000 * middle:.1f} ms or less; "
        f"{1000 * limits.seconds:g} ms is the most.",
    )


def same_answers(one: Recommender, other: Recommender, asked: Queries) -> None:
    """Raise BadArtifact unless two models answer alike, bit for bit."""
    if not np.array_equal(one.score(asked), other.score(asked), equal_nan=True):
        raise BadArtifact("read back from where it was saved, the model answers differently")
