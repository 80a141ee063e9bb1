"""Scores or vectors to short lists: Rules, select(), nearest() and Recommendations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from penchant.errors import BadParameter, Incompatible
from penchant.ids import IdMap, as_column
from penchant.kernels.als import products
from penchant.kernels.retrieval import best_products, catalogue, products_at
from penchant.kernels.topk import top_k
from penchant.queries import Queries

Codes = NDArray[np.int32]
Scores = NDArray[np.float32]

BLOCK_BYTES = 32 * 2**20
"""Scores held at a time."""

AT_ONCE = 8192
"""Vectors worked on at a time where scores are not held."""

FEW = 100
"""With fewer askers than this all scores are computed: sorting the items costs as much as that."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """What may be shown, as ids; ids the queries' items do not know have no effect.

    Parameters
    ----------
    exclude : ids nobody is shown, pinned or not; or, if ``per_query``, one list of ids an asker.
    only : ids to choose from (all by default); or one list of ids an asker.
    pins : ids shown first, in this order, whatever their score, seen or not, among ``only`` or not;
        or one list of ids an asker.
    per_query : whether the lists above hold one list for each asker.
    allow_seen : whether items an asker has seen may be shown again; those they hid never are.
    """

    exclude: Sequence[Any] = ()
    only: Sequence[Any] | None = None
    pins: Sequence[Any] = ()
    per_query: bool = False
    allow_seen: bool = False

    def check(self, n: int) -> None:
        """Raise BadParameter unless there is a list for each of ``n`` askers, if there is to be."""
        for given in (self.exclude, self.only, self.pins) if self.per_query else ():
            if given is not None and len(given) not in (0, n):
                raise BadParameter(f"Rules hold {len(given)} lists for {n} queries")

    def part(self, first: int, n: int) -> Rules:
        """Return the rules of askers ``first`` to ``first + n``."""
        if not self.per_query:
            return self
        some = slice(first, first + n)
        only = None if self.only is None else self.only[some]
        return replace(self, exclude=self.exclude[some], only=only, pins=self.pins[some])

    def allowed(self, items: IdMap, n: int) -> NDArray[np.bool_]:
        """Return which items may be shown: (0,) all, (items,) the same to all, (n, items) by asker.

        Excluded items are, if the rules are per query, in ``excluded`` instead.
        """
        if self.only is None and (self.per_query or not len(self.exclude)):
            return np.zeros(0, bool)
        if self.per_query and self.only is not None:
            masks = np.zeros((n, len(items)), bool)
            for row, ids in zip(masks, self._rows(self.only, n), strict=True):
                row[known(items, ids)] = True
            return masks
        mask = np.full(len(items), self.only is None)
        if self.only is not None:
            mask[known(items, self.only)] = True
        mask[known(items, self.exclude)] = False
        return mask

    def excluded(self, items: IdMap, n: int) -> list[Codes]:
        """Return the codes that each asker is not to be shown, if the rules are per query."""
        return [known(items, row) for row in self._rows(self.exclude, n)] if self.per_query else []

    def pinned(self, items: IdMap, n: int) -> list[Codes]:
        """Return the pinned codes of each asker, each once, none that is excluded."""
        rows = []
        for row, out in zip(self._rows(self.pins, n), self._rows(self.exclude, n), strict=True):
            codes = known(items, row)
            once = codes[np.sort(np.unique(codes, return_index=True)[1])]
            rows.append(once[~np.isin(once, known(items, out))])
        return rows if self.per_query else rows * n

    def _rows(self, given: Sequence[Any], n: int) -> Sequence[Sequence[Any]]:
        if not self.per_query:
            return [given]
        return given if len(given) else [()] * n


def known(items: IdMap, ids: Sequence[Any]) -> Codes:
    """Return the codes of the ids that the map knows."""
    codes = items.encode(ids)
    return codes[codes >= 0]


EVERYTHING = Rules()


@dataclass(frozen=True, eq=False)
class Recommendations:
    """Short lists in display order, a row an asker.

    Parameters
    ----------
    items : the map the codes belong to.
    asked : the ids of who asked; None for a stranger.
    codes : (q, k) int32, item codes; -1 past the end of a list.
    scores : (q, k) float32; NaN past the end and for pinned items without a score.
    source : (q, k) int16, which of ``sources`` proposed the item.
    sources : names of the models that proposed.
    propensity : (q, k) float32, the chance of this item at this rank given those above; NaN where
        the choice was not random.
    shown : a table with the title and genres of each item code, or None.
    why : a function from the number of a row and item codes to a sentence for each, or None.
    """

    items: IdMap
    asked: tuple[Any, ...]
    codes: Codes
    scores: NDArray[np.float32]
    source: NDArray[np.int16]
    sources: tuple[str, ...]
    propensity: NDArray[np.float32]
    shown: pl.DataFrame | None = None
    why: Callable[[int, Codes], list[str]] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def ids(self) -> list[list[Any]]:
        """Return, for each asker, the ids recommended, best first."""
        flat = self.items.decode(self.codes.ravel())
        k = self.codes.shape[1]
        return [[i for i in flat[r * k : (r + 1) * k] if i is not None] for r in range(len(self))]

    def to_frame(self, *, reasons: bool = True) -> pl.DataFrame:
        """Return a frame with user, rank, item, title and genres (if known), score, source, reason.

        A stranger's user is null; UUIDs become text.

        Parameters
        ----------
        reasons : whether to work out a sentence for each line; a list costs about as much as its
            scores, less if few ask.
        """
        rows, ranks = np.nonzero(self.codes >= 0)
        codes = self.codes[rows, ranks]
        asked = as_column("user", self.asked)
        columns: dict[str, Any] = {
            "user": asked.gather(rows),
            "rank": ranks.astype(np.int32) + 1,
            "item": as_column("item", self.items.decode(codes), self.items.kind),
        }
        if self.shown is not None:
            columns |= {name: self.shown[name].gather(codes) for name in self.shown.columns}
        columns["score"] = self.scores[rows, ranks]
        columns["source"] = pl.Series(
            [self.sources[s] for s in self.source[rows, ranks]], dtype=pl.String
        )
        if reasons and self.why is not None:
            lists = [(row, codes[codes >= 0]) for row, codes in enumerate(self.codes)]
            said = [line for row, list_ in lists if len(list_) for line in self.why(row, list_)]
            columns["reason"] = pl.Series(said, dtype=pl.String)
        return pl.DataFrame(columns)

    def first(self, k: int) -> Recommendations:
        """Return the first k of each list; the chances with which they were drawn stay true."""
        k = length(k, self.codes.shape[1])
        return replace(
            self,
            codes=self.codes[:, :k],
            scores=self.scores[:, :k],
            source=self.source[:, :k],
            propensity=self.propensity[:, :k],
        )

    def picked(self, places: NDArray[np.integer]) -> Recommendations:
        """Return lists made of some places of these, in this order, as a re-ranking chooses them.

        The propensity becomes NaN: another choice was made since.

        Parameters
        ----------
        places : (q, m) places in each list, from 0; -1 past the end of a new one.
        """
        there = places >= 0

        def taken(values: NDArray[Any], otherwise: float) -> NDArray[Any]:
            found = np.take_along_axis(values, np.maximum(places, 0), axis=1)
            return np.where(there, found, values.dtype.type(otherwise))

        return replace(
            self,
            codes=taken(self.codes, -1),
            scores=taken(self.scores, np.nan),
            source=taken(self.source, 0),
            propensity=np.full(places.shape, np.nan, np.float32),
        )

    def __repr__(self) -> str:
        return f"<Recommendations: up to {self.codes.shape[1]} items for {len(self):,} askers>"


def select(
    scores: Scores, queries: Queries, k: int, rules: Rules = EVERYTHING, *, source: str = ""
) -> Recommendations:
    """Return the k best allowed items of each row, ties by the lower code; NaN is never chosen.

    Parameters
    ----------
    scores : (q, items) float32 in the codes of ``queries.items``.
    k : length of the lists, at least 1; a list is shorter when fewer items may be shown.
    rules : what may be shown; seen items are not, unless the rules allow it.
    source : the name of who made the scores.
    """
    k = length(k, len(queries.items))
    if scores.shape != (len(queries), len(queries.items)):
        raise Incompatible(
            f"scores of shape {scores.shape} for {len(queries)} queries on "
            f"{len(queries.items)} items"
        )
    indptr, banned, pins = _kept_out(queries, rules)
    allowed = rules.allowed(queries.items, len(queries))
    codes, best = top_k(scores, k, indptr, banned, allowed)
    if pins.size:
        values = np.take_along_axis(scores, np.maximum(pins, 0), axis=1)
        codes, best = _pinned(codes, best, pins, values)
    return listed(codes, best, queries, source=source)


def nearest(
    queries: Queries,
    k: int,
    rules: Rules,
    *,
    vectors: Callable[[Queries], NDArray[np.float64]],
    factors: Scores,
    items: IdMap,
) -> tuple[Codes, Scores]:
    """Return the k best allowed items of each query, where a score is a product of two vectors.

    The answer is that of ``select`` on all scores, each summed in 64 bits and rounded to float32,
    as ``penchant.kernels.als.products`` does; but few of them are computed. With this a model whose
    ``_score`` makes such products has the capability ``Retrieves``::

        @property
        def recall(self) -> float:
            return 1.0

        def retrieve(self, queries, k, rules=EVERYTHING):
            return nearest(
                queries, k, rules, vectors=lambda block: self._vectors(self._own(block)),
                factors=self.item_factors_, items=self._trained().items,
            )

    Biases are one more column: of ones beside the vectors, of biases beside the factors.

    Parameters
    ----------
    queries, k, rules : as in ``recommend``.
    vectors : returns (q, f) float64 of a block of the queries; NaN: cannot say.
    factors : (n, f) float32; NaN: an item the model cannot say anything about.
    items : the map of the n codes.

    Returns
    -------
    (q, k) codes of ``queries.items``, -1 past the end of a list, and their scores.
    """
    k = length(k, len(queries.items))
    rules.check(len(queries))
    recoding = queries.items.recoding(items)
    shared = np.zeros(0, bool) if rules.per_query else rules.allowed(queries.items, len(queries))
    by_one = len(queries) <= FEW or (rules.per_query and rules.only is not None)
    size = max(1, BLOCK_BYTES // (4 * max(len(factors), 1))) if by_one else AT_ONCE
    if recoding is not None and not by_one:
        factors = np.where((recoding >= 0)[:, None], factors[recoding], np.float32(np.nan))
    parts = []
    with nullcontext() if by_one else threadpool_limits(1, "blas"):
        ready = None if by_one else catalogue(factors, shared)
        for first, block in queries.blocks(size):
            mine = rules.part(first, len(block))
            indptr, banned, pins = _kept_out(block, mine)
            x = vectors(block)
            if ready is not None:
                codes, best = best_products(x, ready, k, indptr, banned)
                values = products_at(x, factors, pins)
            else:
                allowed = mine.allowed(queries.items, len(block)) if rules.per_query else shared
                scores = queries.items.columns(products(x, factors), items)
                codes, best = top_k(scores, k, indptr, banned, allowed)
                values = np.take_along_axis(scores, np.maximum(pins, 0), axis=1)
            if pins.size:
                codes, best = _pinned(codes, best, pins, values)
            parts.append((codes, best))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([c for c, _ in parts]), np.concatenate([b for _, b in parts])


def listed(codes: Codes, scores: Scores, queries: Queries, *, source: str) -> Recommendations:
    """Return codes and scores, a row a query, as recommendations of one model."""
    strangers = queries.user < 0
    return Recommendations(
        items=queries.items,
        asked=tuple(queries.users.decode(np.where(strangers, -1, queries.user))),
        codes=codes,
        scores=scores,
        source=np.zeros(codes.shape, np.int16),
        sources=(source,),
        propensity=np.full(codes.shape, np.nan, np.float32),
    )


def length(k: int, most: int) -> int:
    """Return how long lists of k out of ``most`` are; BadParameter for a k that is no number."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise BadParameter(f"k must be a whole number of at least 1, got {k!r}")
    return min(int(k), max(most, 1))


def _kept_out(queries: Queries, rules: Rules) -> tuple[NDArray[np.int64], Codes, Codes]:
    """Return what each asker's scores do not bring into the list, as (indptr, codes), and the pins.

    That is the seen, the hidden, the excluded and the pinned. The pins are (q, m) codes, -1 past
    the end.
    """
    rules.check(len(queries))
    indptr, codes = queries.already_seen()
    if rules.allow_seen:
        hidden = queries.histories.where(queries.histories.hidden())
        indptr, codes = hidden.indptr, hidden.item
    pins = np.zeros((len(queries), 0), np.int32)
    if rules.per_query and len(rules.exclude):
        indptr, codes = _joined(indptr, codes, rules.excluded(queries.items, len(queries)))
    if len(rules.pins):
        rows = rules.pinned(queries.items, len(queries))
        indptr, codes = _joined(indptr, codes, rows)
        pins = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int32)
        for pinned, row in zip(pins, rows, strict=True):
            pinned[: len(row)] = row
    return indptr, codes, pins


def _joined(
    indptr: NDArray[np.int64], codes: Codes, more: list[Codes]
) -> tuple[NDArray[np.int64], Codes]:
    rows = [np.concatenate([codes[a:b], m]) for a, b, m in zip(indptr[:-1], indptr[1:], more)]
    ends = np.cumsum([0] + [len(r) for r in rows]).astype(np.int64)
    return ends, np.concatenate([*rows, np.zeros(0, np.int32)]).astype(np.int32)


def _pinned(codes: Codes, best: Scores, pins: Codes, values: Scores) -> tuple[Codes, Scores]:
    """Put (q, m) pinned codes and their scores before the others."""
    k = codes.shape[1]
    whole = np.concatenate([pins, codes], axis=1)
    scores = np.concatenate([np.where(pins >= 0, values, np.float32(np.nan)), best], axis=1)
    first = np.argsort(whole < 0, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(whole, first, axis=1), np.take_along_axis(scores, first, axis=1)


def joined(parts: list[Recommendations]) -> Recommendations:
    """Join the lists of consecutive blocks of queries."""
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        asked=tuple(one for p in parts for one in p.asked),
        codes=np.concatenate([p.codes for p in parts]),
        scores=np.concatenate([p.scores for p in parts]),
        source=np.concatenate([p.source for p in parts]),
        propensity=np.concatenate([p.propensity for p in parts]),
    )
