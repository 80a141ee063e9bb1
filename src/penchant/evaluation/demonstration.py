"""What `penchant demo` shows, as values: the classic models on films, and where a hybrid pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penchant import split as splits
from penchant.dataset import Dataset, describe
from penchant.datasets import movielens
from penchant.evaluation.comparison import (
    HYBRID,
    POPULARITY,
    Comparison,
    Example,
    OnStep,
    compare,
    example,
)
from penchant.evaluation.metrics import NDCG
from penchant.histories import Histories
from penchant.lookup import Titles
from penchant.models.hybrid import Weighted
from penchant.ranking import EVERYTHING, Rules
from penchant.split import Part, Split

TERMS = (
    "MovieLens is by GroupLens, University of Minnesota, for non-commercial research use; penchant "
    "is not endorsed by them. F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens "
    "Datasets: History and Context. ACM TiiS 5, 4. https://doi.org/10.1145/2827872"
)

PERSON = 42
FILMS = ("Toy Story", "Babe", "The Matrix")
TASTES = ("Sci-Fi", "Comedy")


@dataclass(frozen=True, eq=False)
class Situation:
    """Questions that most models cannot answer.

    Parameters
    ----------
    name : what kind of question.
    about : what was asked, in a sentence.
    asked : how many people were asked.
    scores : each model's NDCG; NaN for a model without a list for anybody.
    chance : the expected NDCG of a list drawn at random.
    """

    name: str
    about: str
    asked: int
    scores: Mapping[str, float]
    chance: float


def films() -> Dataset:
    """Return MovieLens latest-small with titles and genres, without tags.

    Many tags were written after the films of the test were seen, often by the very people who are
    asked about: a model that reads them would know part of the answers.
    """
    data = movielens()
    assert data.item_table is not None
    return replace(data, item_table=data.item_table.drop("tags"))


def about(data: Dataset) -> list[str]:
    """Say what the data is, in sentences."""
    found = describe(data)
    ratings = data.histories.value
    span = np.array([found["first"], found["last"]], "datetime64[us]").astype("datetime64[Y]")
    middle = int(np.median(data.histories.lengths))
    return [
        f"{data.name}: {found['events']:,} ratings of {found['items']:,} films by "
        f"{found['users']:,} people, from {span[0]} to {span[1]}, {np.min(ratings):g} to "
        f"{np.max(ratings):g} stars. Of all pairs of a person and a film, {found['density']:.1%} "
        f"are rated. Half of the people rated {middle} films or fewer.",
    ]


def latest_fifth(data: Dataset) -> tuple[Split, int]:
    """Hold out each person's latest fifth.

    Returns
    -------
    The split, and how many people a cut at one moment for all would leave with a history and
    something to find.
    """
    at_once = splits.time(data, fraction=0.2).test
    left = int(np.count_nonzero(at_once.queries.histories.lengths))
    return splits.last(data, fraction=0.2), left


def scored(split: Split, on_step: OnStep | None = None) -> Comparison:
    """Fit the models to the earlier ratings and ask them for the later ones."""
    return compare(split.train, None, split=split, on_step=on_step)


def weights(found: Comparison) -> dict[str, float]:
    """Return the weight that the hybrid learned for each of its parts."""
    learned = found.models[HYBRID]
    assert isinstance(learned, Weighted)
    parts = [name for name in found.models if name != HYBRID]
    return dict(zip(parts, learned.weights_.tolist(), strict=True))


def without_history(found: Comparison, k: int = 10) -> Situation:
    """Ask the same questions with everybody's history hidden from the models.

    What people had met is still left out of their lists, so that the scores compare with those of
    the leaderboard.
    """
    part = found.split.test
    asked = replace(
        part.queries,
        histories=Histories.empty(len(part), part.queries.histories.kinds),
        user=np.full(len(part), -1, np.int32),
        seen=part.queries.already_seen(),
        user_features=None,
    )
    return _situation(
        "people without history",
        f"the same {len(part):,} people, their history hidden from the models",
        found, Part(asked, part.truth), EVERYTHING, k,
    )  # fmt: skip


def without_ratings(found: Comparison, k: int = 10) -> Situation:
    """Ask who will like the items that nobody in the training part had met."""
    train, test = found.split.train, found.split.test
    new = np.setdiff1d(np.arange(len(train.items)), train.histories.item)
    truth = test.truth.where(np.isin(test.truth.item, new))
    part = Part(test.queries, truth).where(truth.lengths > 0)
    return _situation(
        "items without ratings",
        f"{len(part):,} people, each to find among {len(new):,} films nobody had rated before the "
        f"{len(truth.item):,} that they rated later",
        found, part, Rules(only=train.items.decode(new)), k,
    )  # fmt: skip


def _situation(
    name: str, about: str, found: Comparison, part: Part, rules: Rules, k: int
) -> Situation:
    scores = {}
    for model_name, model in found.models.items():
        codes = model.recommend(part.queries, k, rules).codes
        answered = (codes >= 0).any()
        scores[model_name] = (
            float(NDCG(k).per_query(codes, part.truth).mean()) if answered else np.nan
        )
    items = len(part.queries.items)
    choice = np.full(len(part), items if rules.only is None else len(rules.only))
    if rules.only is None:
        choice -= np.diff(part.queries.already_seen()[0])
    return Situation(name, about, len(part), scores, _by_chance(part, choice, k))


def _by_chance(part: Part, choice: np.ndarray[Any, Any], k: int) -> float:
    """Return the expected NDCG of k items drawn from ``choice`` candidates each."""
    relevant = np.array([len(np.unique(row)) for row in _rows(part.truth)])
    gains = 1 / np.log2(np.arange(2, k + 2))
    best = gains.cumsum()[np.minimum(relevant, k) - 1]
    return float((relevant / choice * gains.sum() / best).mean())


def _rows(histories: Histories) -> list[np.ndarray[Any, Any]]:
    return np.split(histories.item, histories.indptr[1:-1])


def hybrid_against_its_parts(found: Comparison) -> tuple[str, ...]:
    """Say how the hybrid does against popularity and against its best part, in sentences."""
    result, metric = found.evaluation, found.evaluation.metrics[0]
    parts = [name for name in found.models if name not in (HYBRID, POPULARITY)]
    best = max(parts, key=lambda name: result.value(metric, name))
    above, apart = (result.difference(metric, HYBRID, name) for name in (POPULARITY, best))
    clear = "" if above.low > 0 or above.high < 0 else "no clear difference: "
    said = [
        f"The hybrid is {_apart(above.value)} popularity "
        f"({clear}95% interval {above.low:+.4f} to {above.high:+.4f})."
    ]
    interval = f"{apart.low:+.4f} to {apart.high:+.4f}"
    if apart.low > 0:
        said.append(f"It is {_apart(apart.value)} {best}, its best part ({interval}).")
    elif apart.high < 0:
        said.append(
            f"A part wins: it is {_apart(apart.value)} {best} ({interval}). If every person has a "
            f"history and every item ratings, use {best} alone."
        )
    else:
        said.append(
            f"It is level with {best}, its best part ({interval}): with a history and rated items "
            f"alone, {best} will do. The two rows below are what the hybrid is for."
        )
    return tuple(said)


def _apart(value: float) -> str:
    return f"{abs(value):.4f} {'above' if value >= 0 else 'below'}"


def somebody(found: Comparison, person: Any = PERSON, k: int = 10) -> Example:
    """Return one person of the test, and their list from the hybrid."""
    part = found.split.test
    row = int(np.flatnonzero(part.queries.user == part.queries.users.code(person))[0])
    truth = part.truth.take(slice(row, row + 1)).item
    return example(found.models[HYBRID], part.queries[row], k, truth)


def newcomer_by_films(found: Comparison, titles: tuple[str, ...] = FILMS, k: int = 10) -> Example:
    """Return the list of a person of whom only the titles of some films are known."""
    train = found.split.train
    shown = train.shown
    finder = Titles(train.items, None if shown is None else shown["title"])
    likes = [[finder.find(title).item for title in titles]]
    return example(found.models[HYBRID], train.queries(likes=likes), k)


def newcomer_by_tastes(found: Comparison, tastes: tuple[str, ...] = TASTES, k: int = 10) -> Example:
    """Return the list of a person who said only which genres they like."""
    asked = found.split.train.queries(tastes=[dict.fromkeys(tastes, 1.0)])
    return example(found.models[HYBRID], asked, k)
