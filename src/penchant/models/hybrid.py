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
from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.explanations import Explanation, Share, ShareKind
from penchant.kernels.turns import deal
from penchant.models.blending import LEARNERS, Scaled, inverse, learned, scaled
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import BLOCK_BYTES
from penchant.recommender import (
    Codes,
    Explains,
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
        return [self._part(m, queries) for m in range(len(self.parts_))]

    def _part(self, m: int, queries: Queries) -> Scaled:
        constants = (self.means_[m], self.spreads_[m]) if self.normalise == "fit" else ()
        fitted = self.training_.fitted
        return scaled(self.parts_[m].score(queries), self.normalise, fitted, *constants)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        sums = np.zeros((len(queries), len(queries.items)), np.float32)
        said = np.zeros(sums.shape, bool)
        total = np.zeros(len(queries))
        for m in np.flatnonzero(self.weights_).tolist():
            part = self._part(m, queries)
            weight = self.weights_[m] * part.answers
            sums += part.scores * weight[:, None].astype(np.float32)
            said |= part.known
            total += weight
        sums *= inverse(total)[:, None].astype(np.float32)
        sums[~said] = np.nan
        return sums if items is None else column_scores(sums, items)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code by the parts' own shares, brought to scale and weighted.

        A part that does not explain, or has nothing but a base to tell, is one share of its own.
        """
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        said = {m: self._part(m, own) for m in np.flatnonzero(self.weights_).tolist()}
        total = sum(self.weights_[m] for m, part in said.items() if part.answers[0])
        base, shares = 0.0, []
        for m, part in said.items():
            if not part.answers[0]:
                continue
            weight = float(self.weights_[m] / total)
            told = _explanation(self.parts_[m], query, item) if part.known[0, mine] else None
            if told is not None and told.shares:
                weight *= float(inverse(part.spread)[0])
                base += weight * (told.base - float(part.mean[0]))
                shares += [s._replace(amount=weight * s.amount) for s in told.shares]
            else:
                amount = weight * float(part.scores[0, mine])
                shares.append(Share("part", _names(self.parts_)[m], amount))
        return self._explained(query, item, base, _merged(shares), score)


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
        which = self._which(queries)
        width = len(queries.items) if items is None else items.shape[-1]
        scores = np.full((len(queries), width), np.nan, np.float32)
        for m in np.unique(which):
            rows = np.flatnonzero(which == m)
            some = items[rows] if items is not None and items.ndim == 2 else items
            scores[rows] = self.parts_[m].score(queries[rows], some)
        return scores

    def sources(self, queries: Queries, codes: Codes) -> tuple[NDArray[np.int16], tuple[str, ...]]:
        """Return which part answers each query, for every item of it."""
        which = self._which(self._own(queries)).astype(np.int16)
        return np.broadcast_to(which[:, None], codes.shape).copy(), _names(self.parts_)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code as the part does that answers."""
        m = int(self._which(self._own(query))[0])
        return _handed_on(self, m, query, item)


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

    def _answers(self, queries: Queries, items: Codes | None) -> tuple[Scores, NDArray[np.int16]]:
        """Return (q, n) scores, and the number of the part that each is from."""
        if self.scores == "rating":
            return self._filled(queries, items)
        scores = np.full((len(queries), len(queries.items)), np.nan, np.float32)
        which = np.zeros((len(queries), 1), np.int16)
        waiting = np.arange(len(queries))
        for m, part in enumerate(self.parts_):
            if not len(waiting):
                break
            found = part.score(queries[waiting])
            answers = ~np.isnan(found).all(axis=1)
            scores[waiting[answers]] = found[answers]
            which[waiting[answers]] = m
            waiting = waiting[~answers]
        scores = column_scores(scores, items)
        return scores, np.broadcast_to(which, scores.shape)

    def _filled(self, queries: Queries, items: Codes | None) -> tuple[Scores, NDArray[np.int16]]:
        """Ask each part for what those before it cannot say."""
        asked = np.arange(len(queries.items), dtype=np.int32) if items is None else items
        asked = np.broadcast_to(asked, (len(queries), asked.shape[-1]))
        scores = np.full(asked.shape, np.nan, np.float32)
        which = np.zeros(asked.shape, np.int16)
        for m, part in enumerate(self.parts_):
            unsaid = np.isnan(scores) & (asked >= 0)
            waiting = np.flatnonzero(unsaid.any(axis=1))
            if not len(waiting):
                break
            found = part.score(queries[waiting], asked[waiting])
            fresh = unsaid[waiting] & ~np.isnan(found)
            scores[waiting] = np.where(fresh, found, scores[waiting])
            which[waiting] = np.where(fresh, np.int16(m), which[waiting])
        return scores, which

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answers(queries, items)[0]

    def sources(self, queries: Queries, codes: Codes) -> tuple[NDArray[np.int16], tuple[str, ...]]:
        """Return which part answers each query, for each item of it."""
        own, onto = self._own(queries), queries.items.recoding(self._trained().items)
        mine = codes if onto is None else np.where(codes >= 0, onto[codes], np.int32(-1))
        return self._answers(own, mine)[1].copy(), _names(self.parts_)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code as the part does that answers."""
        mine = np.array([self._own_item(query, item)], np.int32)
        _, which = self._answers(self._own(query), mine)
        return _handed_on(self, int(which[0, 0]), query, item)


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

    def _turns(self, queries: Queries) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """Return (q, items) the turn at which each item is named, -1 for never, and by whom."""
        free = np.zeros((len(queries), len(queries.items)), bool)
        known = queries.histories.item >= 0
        free[queries.histories.person()[known], queries.histories.item[known]] = True
        free[:, self.training_.fitted :] = True
        orders = np.empty((len(self.parts_), *free.shape), np.int32)
        lengths = np.empty((len(self.parts_), len(queries)), np.int64)
        for m, part in enumerate(self.parts_):
            scores = part.score(queries)
            orders[m] = np.argsort(-scores, axis=1, kind="stable")  # NaN last
            lengths[m] = np.count_nonzero(~np.isnan(scores), axis=1)
        return deal(orders, lengths, free)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        turn, _ = self._turns(queries)
        scores = np.where(turn < 0, np.nan, 1 / (1.0 + np.maximum(turn, 0))).astype(np.float32)
        return scores if items is None else column_scores(scores, items)

    def sources(self, queries: Queries, codes: Codes) -> tuple[NDArray[np.int16], tuple[str, ...]]:
        """Return which part named each item."""
        _, who = self._turns(self._own(queries))
        recoding = queries.items.recoding(self._trained().items)
        mine = codes if recoding is None else np.where(codes >= 0, recoding[codes], -1)
        return np.take_along_axis(who, np.maximum(mine, 0).astype(np.int64), 1), _names(self.parts_)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code by the shares of the part that named it, brought to this score."""
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        _, who = self._turns(self._own(query))
        m = int(who[0, self._own_item(query, item)])
        told = _explanation(self.parts_[m], query, item)
        if told is None or not told.shares or not told.score > 0:
            share = Share("part", _names(self.parts_)[m], score)
            return self._explained(query, item, 0.0, (share,), score)
        scale = score / told.score
        shares = [share._replace(amount=share.amount * scale) for share in told.shares]
        return self._explained(query, item, told.base * scale, shares, score)


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


def _merged(shares: list[Share]) -> list[Share]:
    """Add up what several parts say of one piece of evidence; leave out what says nothing."""
    amounts: dict[tuple[ShareKind, Any], float] = {}
    for kind, one, amount in shares:
        amounts[kind, one] = amounts.get((kind, one), 0.0) + amount
    return [Share(kind, one, amount) for (kind, one), amount in amounts.items() if amount]


def _explanation(part: Recommender, query: Queries, item: int) -> Explanation | None:
    return part.explain(query, item) if isinstance(part, Explains) else None


def _handed_on(owner: Recommender, m: int, query: Queries, item: int) -> Explanation:
    """Return part m's explanation; one share under its name if it has none."""
    parts: list[Recommender] = owner.parts_  # type: ignore[attr-defined]
    told = _explanation(parts[m], query, item)
    if told is not None:
        return told
    score = float(owner.score(query, np.array([item], np.int32))[0, 0])
    shares = () if np.isnan(score) else (Share("part", _names(parts)[m], score),)
    return owner._explained(query, item, score if np.isnan(score) else 0.0, shares, score)
