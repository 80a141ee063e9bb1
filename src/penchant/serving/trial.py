"""The new model, the one in use and popularity, asked for the latest events of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penchant import split as splits
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.evaluation.comparison import ASKERS
from penchant.evaluation.evaluator import Estimate, Evaluation, evaluate
from penchant.evaluation.metrics import NDCG, Coverage, Metric, Recall
from penchant.models.popularity import Popularity
from penchant.queries import Queries
from penchant.recommender import Recommender
from penchant.serving.gate import IN_USE, NEW, POPULARITY, K
from penchant.split import Part, Split

LATEST = 0.1
"""The share of all events that is held out: the latest, after one moment for everybody."""

OWN_LATEST = 0.2
"""The share of each person's events that is, where too few people act after one moment."""

METRICS: tuple[Metric, ...] = (NDCG(K), Recall(K), Coverage(K))

Say = Callable[[str], None]


class Questions(NamedTuple):
    """What models are asked, and whether the model in use has surely learned none of it."""

    split: Split
    part: Part
    unseen: bool

    @property
    def said(self) -> str:
        """What was held out, in words."""
        return (
            f"held out by {self.split.description}: {len(self.part.truth.item):,} events of "
            f"{len(self.part):,} people, {with_history(self.part.queries):,} of them with a history"
        )


def with_history(queries: Queries) -> int:
    """Return how many of those who ask have a history."""
    return int(np.count_nonzero(queries.histories.lengths))


def questions(data: Dataset, old: Recommender | None, people: int, rng: int) -> Questions | None:
    """Cut off the latest events, to ask for them.

    After one moment for everybody: after the last event that the model in use learned from, where
    enough people act then, so that it can be measured as it stands. Where too few people with a
    history act after one moment, each person's own latest events are held out.

    Parameters
    ----------
    old : the model in use.
    people : how many people with a history are needed.
    rng : seed of the sample of people, where there are more than 5,000.

    Returns
    -------
    None if there are too few people.
    """
    for split, unseen in _cuts(data, old):
        if with_history(split.test.queries) >= max(people, 1):
            test = split.test
            some = np.zeros(len(test), bool)
            some[np.random.default_rng(rng).permutation(len(test))[:ASKERS]] = True
            return Questions(split, test.where(some), unseen)
    return None


def _cuts(data: Dataset, old: Recommender | None) -> Iterator[tuple[Split, bool]]:
    times: NDArray[np.int64] = data.histories.time
    usual = int(np.quantile(times, 1 - LATEST, method="higher"))
    if old is not None and old.training_.until < times.max():
        at = max(usual, old.training_.until + 1)
        if at > times.min():
            yield splits.time(data, at=at), True
    if usual > times.min():
        yield splits.time(data, at=usual), False
    if (data.histories.lengths > 1).any():
        yield splits.last(data, fraction=OWN_LATEST), False


def rival(
    trial: Recommender, old: Recommender, asked: Questions, say: Say
) -> tuple[Recommender, str]:
    """Return what the new model is compared with, and how it was made, in words.

    That is the model in use: as it stands if it has learned none of the events held out, else one
    of its class and fields that learns from the same events as the new one.
    """
    if asked.unseen:
        return old, "as it stands, having learned none of these events"
    if repr(trial) == repr(old):
        return trial, "of the same settings and so the same once it learns from the same events"
    say("fitting one like that in use without them, too")
    try:
        again = replace(old).fit(asked.split.train, rng=old.training_.seed)  # type: ignore[type-var]
    except BadEvents as e:
        return old, f"as it stands, which favours it, since it cannot be fitted again ({e})"
    return again, "fitted again without these events"


def measured(trial: Recommender, old: Recommender | None, asked: Questions, rng: int) -> Evaluation:
    """Ask the models; popularity learns from the same events as the new one."""
    models = {NEW: trial} | ({} if old is None else {IN_USE: old})
    popularity = Popularity().fit(asked.split.train)
    models[POPULARITY] = popularity
    return evaluate(models, asked.split, METRICS, part=asked.part, baseline=popularity, rng=rng)


def plain(found: Evaluation) -> dict[str, Any]:
    """Return the metrics as the registry keeps them.

    For each metric, mean, low and high of the new model; the same under the name of each model it
    is compared with, and, after "above", of the paired difference. None: there is no such number.
    """
    others = [name for name in found.models if name != NEW]
    return {
        metric.name: _numbers(found.estimate(metric, NEW))
        | {name: _numbers(found.estimate(metric, name)) for name in others}
        | {f"above {name}": _numbers(found.difference(metric, NEW, name)) for name in others}
        for metric in METRICS
    }


def _numbers(found: Estimate) -> dict[str, float | None]:
    named = {"mean": found.value, "low": found.low, "high": found.high}
    return {name: value if np.isfinite(value) else None for name, value in named.items()}
