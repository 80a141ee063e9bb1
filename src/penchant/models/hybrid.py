"""Recommenders made of recommenders: Weighted, Switching, Mixed and Fallback (Burke 2002).

A composite asks its parts with ``part.score`` alone, so a part may be anything that keeps the
contract, another composite included. Fitting a composite fits copies of its parts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penchant import split
from penchant.answers import Answer, Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.explanations import Tell, Told
from penchant.kernels.turns import deal
from penchant.models.blending import (
    LEARNERS,
    Scaled,
    Term,
    add_scaled,
    blended,
    inverse,
    learned,
    scaled,
)
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import BLOCK_BYTES
from penchant.recommender import (
    Codes,
    OnEpoch,
    Recommender,
    Scores,
    column_scores,
)


@dataclass(kw_only=True)
class Weighted(Recommender):
    """A weighted sum of what the parts score, each brought to a common scale.

    With z_m = (s_m - mean_m) / spread_m, the score of part m brought to scale,

        score(i) = sum_m w_m z_m(i) / sum_m w_m

    over the parts that answer the asker at all. An item that one of these does not know counts as
    that part's mean; an item that none knows is NaN. Mean and spread (standard deviation) are those
    of the part's scores for this asker over all items of the fit, or constants found in ``fit``.

    Without ``weights`` they are learned in ``fit``: each person's latest events (random ones, if
    there are no times) are held out, the parts are fitted on the rest, weights are found that serve
    the held-out events best (by NDCG@10, or by squared error if the score is a rating; see
    ``penchant.models.blending.learned``), and then the parts are fitted on everything.

    ``scores`` is "rating" if every part's is and ``normalise`` is "none", else "rank". Reads what
    the parts read.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[0.7, 0.3]).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    parts: Sequence[Recommender] = field(kw_only=False)
    weights: Sequence[float] | None = hyper(None, "weight of each part; None learns them in fit")
    normalise: Literal["query", "fit", "none"] = hyper(
        "query", "mean and spread of a part: for each query, constants found in fit, or not at all"
    )
    holdout: float = hyper(
        0.1, "fraction of each person's events on which weights are learned", above=0, at_most=0.5
    )

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        _check(self, self.parts)
        given = self.weights
        if given is None:
            return
        numbers = [w for w in given if isinstance(w, (int, float, np.number)) and 0 <= w < np.inf]
        if len(given) != len(self.parts) or len(numbers) < len(given) or not sum(numbers) > 0:
            raise BadParameter(
                f"Weighted.weights must be {len(self.parts)} numbers of at least 0, one for each "
                f"part, and not all 0, got {given!r}"
            )

    @property
    def reads(self) -> frozenset[str]:
        """Whatever a part reads."""
        return _reads(self.parts)

    @property
    def scores(self) -> str:
        """What the parts' scores mean, if they all mean the same and stay as they are."""
        return _meaning(self.parts) if self.normalise == "none" else "rank"

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        seeds = _seeds(self.parts, rng)
        if self.weights is None:
            # Without times the last rows are no later than the others: they may be the weakest,
            # where a file is sorted by strength.
            timed = data.until >= 0
            rows = data if timed else replace(data, histories=data.histories.shuffled(rng))
            enough = data.histories.lengths.max(initial=0) >= 2
            held = split.last(rows, fraction=self.holdout) if enough else None
            if held is None or not len(held.test):
                raise BadEvents(
                    "Weighted learns its weights from people with two events or more, whose last "
                    "is on an item they had not met, and there are none: pass weights="
                )
            self.parts_ = _fitted(self.parts, held.train, seeds, on_epoch)
            self._find_constants(held.train, rng)
            rating = self.scores == "rating"
            self.weights_ = learned(held.test, self._scaled, len(self.parts), rng, rating=rating)
        else:
            self.weights_ = np.array(self.weights, np.float64) / np.sum(self.weights)
        self.parts_ = _fitted(self.parts, data, seeds, on_epoch)
        self._find_constants(data, rng)

    def _find_constants(self, data: Dataset, rng: np.random.Generator) -> None:
        """Find each part's mean and spread over people and items."""
        if self.normalise != "fit":
            return
        some = rng.permutation(np.flatnonzero(data.histories.lengths))[:LEARNERS]
        asked = data.queries()[np.sort(some)]
        sums = np.zeros((len(self.parts_), 3))  # how many, their sum, the sum of their squares
        for _, block in asked.blocks(max(1, BLOCK_BYTES // (4 * max(len(data.items), 1)))):
            for row, part in zip(sums, self.parts_, strict=True):
                scores = part.score(block)
                known = scores[~np.isnan(scores)].astype(np.float64)
                row += np.array([len(known), known.sum(), known @ known])
        count, total, squares = sums.T
        self.means_ = total * inverse(count)
        self.spreads_ = np.sqrt(np.maximum(squares * inverse(count) - self.means_**2, 0))

    def _scaled(self, queries: Queries) -> list[Scaled]:
        how = self.normalise, self.training_.fitted
        parts = enumerate(self.parts_)
        return [scaled(part.score(queries), *how, self._constants(m)) for m, part in parts]

    def _constants(self, m: int) -> tuple[float, float] | None:
        """Return mean and spread of a part, if they are those of the fit."""
        fixed = self.normalise == "fit"
        return (float(self.means_[m]), float(self.spreads_[m])) if fixed else None

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; the parts' own shares add up, brought to scale and weighted.

        A part that does not explain, or has nothing but a base to tell, is one share of its own.
        """
        shape = len(queries), len(queries.items)
        sums, said = np.zeros(shape, np.float32), np.zeros(shape, bool)
        total, terms, names = np.zeros(len(queries)), [], _names(self.parts_)
        for m in np.flatnonzero(self.weights_).tolist():
            answer, weight = self.parts_[m].answer(queries), float(self.weights_[m])
            how = self.normalise, self.training_.fitted, self._constants(m)
            scale = add_scaled(answer.scores, *how, onto=(sums, said), weight=weight)
            own = np.where(scale.answers, weight, 0.0)
            total += own
            part = names[m], _telling(names[m], answer), answer.behind.tell is not None
            terms.append(Term(*part, own, scale.mean, scale.spread, scale.usual))
        sums *= inverse(total)[:, None].astype(np.float32)
        sums[~said] = np.nan

        def tell(row: int, asked: Codes) -> Told:
            return blended([term for term in terms if term.weight[row]], row, asked, total[row])

        return Answered(column_scores(sums, items), tell)


@dataclass(kw_only=True)
class Switching(Recommender):
    """One part for short histories, another for longer ones.

    Part n answers a person whose history holds at least ``at[n - 1]`` items that weigh something,
    and fewer than ``at[n]``; part 0 answers those below ``at[0]``. Its scores are handed on as they
    are, NaN included.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Switching([pt.Popularity(), pt.EASE()], at=[3]).fit(data)
    >>> model.recommend(data.queries(likes=[[5]]), k=1).to_frame()["source"].to_list()
    ['Popularity']
    """

    parts: Sequence[Recommender] = field(kw_only=False)
    at: Sequence[int] = hyper((1,), "length of history from which the next part answers")

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        _check(self, self.parts)
        whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in self.at)
        if (
            not whole
            or len(self.at) != len(self.parts) - 1
            or [*self.at] != sorted({*self.at, 0})[1:]
        ):
            raise BadParameter(
                f"Switching.at must be {len(self.parts) - 1} increasing whole numbers of at least "
                f"1, for {len(self.parts)} parts, got {self.at!r}"
            )

    @property
    def reads(self) -> frozenset[str]:
        """Whatever a part reads, and the history with its values, whose length decides."""
        return _reads(self.parts) | {"history", "values"}

    @property
    def scores(self) -> str:
        """What the parts' scores mean, if they all mean the same."""
        return _meaning(self.parts)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        self.parts_ = _fitted(self.parts, data, _seeds(self.parts, rng), on_epoch)

    def _which(self, queries: Queries) -> NDArray[np.int64]:
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        return np.searchsorted(np.array(self.at), np.diff(x.indptr), side="right")

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each query as the part does that it falls to."""
        which = self._which(queries)
        width = len(queries.items) if items is None else items.shape[-1]
        scores = np.full((len(queries), width), np.nan, np.float32)
        tells: dict[int, Tell] = {}
        place = np.zeros(len(queries), np.int64)
        for m in np.unique(which).tolist():
            rows = np.flatnonzero(which == m)
            place[rows] = np.arange(len(rows))
            some = items[rows] if items is not None and items.ndim == 2 else items
            answer = self.parts_[m].answer(queries[rows], some)
            scores[rows] = answer.scores
            tells[m] = _telling(_names(self.parts_)[m], answer)

        def tell(row: int, asked: Codes) -> Told:
            return tells[int(which[row])](int(place[row]), asked)

        return Answered(scores, tell, which[:, None].astype(np.int16))

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the parts."""
        return _names(self.parts_)


@dataclass(kw_only=True)
class Fallback(Recommender):
    """The first part that can answer does.

    To rank, one part answers a person: the first that has a score for any item of the catalogue.
    Its scores are handed on as they are: an item that it does not know stays NaN. If every part
    predicts ratings, which are on one scale, each item is answered by the first part that can.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Fallback([pt.EASE(), pt.ContentBased(), pt.Popularity()]).fit(data)
    >>> lists = model.recommend(data.queries(likes=[[5], []], tastes=[{}, {"Drama": 1}]), k=1)
    >>> lists.to_frame()["source"].to_list()
    ['EASE', 'ContentBased']
    """

    parts: Sequence[Recommender] = field(kw_only=False)

    def __post_init__(self) -> None:
        """Check the parts."""
        super().__post_init__()
        _check(self, self.parts)

    @property
    def reads(self) -> frozenset[str]:
        """Whatever a part reads."""
        return _reads(self.parts)

    @property
    def scores(self) -> str:
        """What the parts' scores mean, if they all mean the same."""
        return _meaning(self.parts)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        self.parts_ = _fitted(self.parts, data, _seeds(self.parts, rng), on_epoch)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each query, or of ratings each item, as the part does that answers."""
        if self.scores == "rating":
            return self._filled(queries, items)
        answer = self.parts_[0].answer(queries)
        scores, which = answer.scores, np.zeros((len(queries), 1), np.int16)
        tells, place = [_telling(_names(self.parts_)[0], answer)], np.arange(len(queries))
        for m, part in enumerate(self.parts_[1:], start=1):
            waiting = np.flatnonzero(np.isnan(scores).all(axis=1))
            if not len(waiting):
                break
            answer = part.answer(queries[waiting])
            tells.append(_telling(_names(self.parts_)[m], answer))
            answers = ~np.isnan(answer.scores).all(axis=1)
            found = waiting[answers]
            scores[found], which[found] = answer.scores[answers], m
            place[found] = np.flatnonzero(answers)
        scores = column_scores(scores, items)

        def tell(row: int, asked: Codes) -> Told:
            return tells[int(which[row, 0])](int(place[row]), asked)

        return Answered(scores, tell, which)

    def _filled(self, queries: Queries, items: Codes | None) -> Answered:
        """Ask each part for what those before it cannot say."""
        asked = np.arange(len(queries.items), dtype=np.int32) if items is None else items
        asked = np.broadcast_to(asked, (len(queries), asked.shape[-1]))
        scores = np.full(asked.shape, np.nan, np.float32)
        which = np.zeros(asked.shape, np.int16)
        tells = []
        for m, part in enumerate(self.parts_):
            unsaid = np.isnan(scores) & (asked >= 0)
            waiting = np.flatnonzero(unsaid.any(axis=1))
            if not len(waiting):
                break
            answer = part.answer(queries[waiting], asked[waiting])
            fresh = unsaid[waiting] & ~np.isnan(answer.scores)
            scores[waiting] = np.where(fresh, answer.scores, scores[waiting])
            which[waiting] = np.where(fresh, np.int16(m), which[waiting])
            tells.append((waiting, _telling(_names(self.parts_)[m], answer)))

        def tell(row: int, asked: Codes) -> Told:
            unsaid = np.ones(len(asked), bool)
            each = []
            for waiting, part in tells:
                at = int(np.searchsorted(waiting, row))
                if at < len(waiting) and waiting[at] == row:
                    told = part(at, asked)
                    known = unsaid & ~np.isnan(told.sums())
                    each.append(told.times(1.0, known))
                    unsaid &= ~known
            each.append(Told.plain(np.where(unsaid, np.nan, 0.0)))
            return Told.added(each)

        return Answered(scores, tell, which)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the parts."""
        return _names(self.parts_)


@dataclass(kw_only=True)
class Mixed(Recommender):
    """The parts take turns, each naming its best item that nobody has named yet.

    An item named at turn t = 0, 1, ... scores 1 / (1 + t), and the part that named it is its
    source. What the person has met takes no turn, nor does an item that was taken up after the fit
    (``penchant.onboarded``): it shares the turn of the item after it.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Mixed([pt.EASE(), pt.ContentBased()]).fit(data)
    >>> model.recommend(data.queries(users=[0]), k=2).to_frame()["source"].to_list()
    ['EASE', 'ContentBased']
    """

    parts: Sequence[Recommender] = field(kw_only=False)

    def __post_init__(self) -> None:
        """Check the parts."""
        super().__post_init__()
        _check(self, self.parts)

    @property
    def reads(self) -> frozenset[str]:
        """Whatever a part reads, and the history, whose items take no turn."""
        return _reads(self.parts) | {"history"}

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        self.parts_ = _fitted(self.parts, data, _seeds(self.parts, rng), on_epoch)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; the shares of the part that named an item are brought to the item's score."""
        free = np.zeros((len(queries), len(queries.items)), bool)
        known = queries.histories.item >= 0
        free[queries.histories.person()[known], queries.histories.item[known]] = True
        free[:, self.training_.fitted :] = True
        orders = np.empty((len(self.parts_), *free.shape), np.int32)
        lengths = np.empty((len(self.parts_), len(queries)), np.int64)
        tells, names = [], _names(self.parts_)
        for m, part in enumerate(self.parts_):
            answer = part.answer(queries)
            orders[m] = np.argsort(-answer.scores, axis=1, kind="stable")  # NaN last
            lengths[m] = np.count_nonzero(~np.isnan(answer.scores), axis=1)
            tells.append((names[m], answer.behind.tell is not None, _telling(names[m], answer)))
        turn, who = deal(orders, lengths, free)
        scores = np.where(turn < 0, np.nan, 1 / (1.0 + np.maximum(turn, 0))).astype(np.float32)

        def tell(row: int, asked: Codes) -> Told:
            score = scores[row, asked].astype(np.float64)
            each = [Told.plain(np.where(np.isnan(score), np.nan, 0.0))]
            for m, (name, explains, part) in enumerate(tells):
                mine = (who[row, asked] == m) & ~np.isnan(score)
                told = part(row, asked)
                sums = told.sums()
                carried = mine & (sums > 0) & explains
                carried &= told.amounts.any(axis=1) | told.others.any(axis=1)
                factors = np.divide(score, sums, out=np.zeros_like(sums), where=carried)
                each.append(told.times(factors, carried))
                if (mine & ~carried).any():
                    each.append(Told.plain(np.where(mine & ~carried, score, 0.0), name))
            return Told.added(each)

        some = None if items is None else np.broadcast_to(items, (len(who), items.shape[-1]))
        source = who if some is None else np.take_along_axis(who, np.maximum(some, 0), axis=1)
        return Answered(column_scores(scores, items), tell, source)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the parts."""
        return _names(self.parts_)


def _check(owner: Recommender, parts: Any) -> None:
    name = type(owner).__name__
    if not isinstance(parts, Sequence) or not parts:
        raise BadParameter(f"{name}.parts must be a list of models, got {parts!r}")
    for part in parts:
        if not isinstance(part, Recommender):
            made = f"; write {part.__name__}()" if isinstance(part, type) else ""
            raise BadParameter(f"{name}.parts must hold models, got {part!r}{made}")


def _fitted(
    parts: Sequence[Recommender], data: Dataset, seeds: Iterable[int], on_epoch: OnEpoch | None
) -> list[Recommender]:
    """Fit copies of the parts: those handed to a composite stay as they are."""
    return [
        copy.copy(part).fit(data, rng=seed, on_epoch=on_epoch)
        for part, seed in zip(parts, seeds, strict=True)
    ]


def _seeds(parts: Sequence[Recommender], rng: np.random.Generator) -> list[int]:
    seeds: list[int] = rng.integers(2**31, size=len(parts)).tolist()
    return seeds


def _reads(parts: Sequence[Recommender]) -> frozenset[str]:
    return frozenset().union(*(part.reads for part in parts))


def _meaning(parts: Sequence[Recommender]) -> str:
    found = {part.scores for part in parts}
    return found.pop() if len(found) == 1 else "rank"


def _names(parts: Sequence[Recommender]) -> tuple[str, ...]:
    """Names of the parts; the second EASE is "EASE 2"."""
    names = [part.name for part in parts]
    times = [names[: n + 1].count(name) for n, name in enumerate(names)]
    return tuple(
        name if time == 1 else f"{name} {time}" for name, time in zip(names, times, strict=True)
    )


def _telling(name: str, answer: Answer) -> Tell:
    """Return what tells of a part's scores: one share under its name if it cannot explain."""
    behind = answer.behind
    if behind.tell is not None:
        return behind.told

    def tell(row: int, asked: Codes) -> Told:
        scores = behind.model.score(behind.queries[row], asked)[0]
        return Told.plain(scores.astype(np.float64), name)

    return tell
