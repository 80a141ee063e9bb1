"""Scores to short lists: Rules, select() and Recommendations. No model overrides this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter, Incompatible
from penchant.ids import IdMap, as_column
from penchant.kernels.topk import top_k
from penchant.queries import Queries

Codes = NDArray[np.int32]


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

    def masks(self, items: IdMap, first: int, n: int) -> tuple[list[Codes], NDArray[np.bool_]]:
        """Return the excluded codes of askers ``first`` to ``first + n``, and the allowed items.

        The allowed items are (0,) for all, (items,) shared or (n, items) an asker.
        """
        banned = [items.encode(row) for row in self._rows(self.exclude, first, n)]
        if self.only is None:
            return banned, np.zeros(0, bool)
        rows = self._rows(self.only, first, n)
        allowed = np.zeros((len(rows), len(items)), bool)
        for mask, row in zip(allowed, rows, strict=True):
            codes = items.encode(row)
            mask[codes[codes >= 0]] = True
        return banned, allowed if self.per_query else allowed[0]

    def pinned(self, items: IdMap, first: int, n: int) -> list[Codes]:
        """Return the pinned codes of each asker, each once, none that is excluded."""
        banned = [items.encode(row) for row in self._rows(self.exclude, first, n)]
        rows = []
        for row, out in zip(self._rows(self.pins, first, n), banned, strict=True):
            codes = items.encode(row)
            once = np.sort(np.unique(codes, return_index=True)[1])
            rows.append(codes[once][(codes[once] >= 0) & ~np.isin(codes[once], out)])
        return rows if self.per_query else rows * n

    def _rows(self, given: Sequence[Any], first: int, n: int) -> Sequence[Sequence[Any]]:
        if not self.per_query:
            return [given]
        if not len(given):
            return [()] * n
        if len(given) < first + n:
            raise BadParameter(f"Rules hold {len(given)} lists for {first + n} queries")
        return given[first : first + n]


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
    why : a function from (row, rank) to a sentence, or None.
    """

    items: IdMap
    asked: tuple[Any, ...]
    codes: Codes
    scores: NDArray[np.float32]
    source: NDArray[np.int16]
    sources: tuple[str, ...]
    propensity: NDArray[np.float32]
    shown: pl.DataFrame | None = None
    why: Callable[[int, int], str] | None = None

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
        reasons : whether to work out a sentence for each line; it costs about a score each.
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
            places = zip(rows.tolist(), ranks.tolist(), strict=True)
            columns["reason"] = pl.Series([self.why(r, n) for r, n in places], dtype=pl.String)
        return pl.DataFrame(columns)

    def __repr__(self) -> str:
        return f"<Recommendations: up to {self.codes.shape[1]} items for {len(self):,} askers>"


def select(
    scores: NDArray[np.float32],
    queries: Queries,
    k: int,
    rules: Rules = EVERYTHING,
    *,
    first: int = 0,
    source: str = "",
) -> Recommendations:
    """Return the k best allowed items of each row, ties by the lower code; NaN is never chosen.

    Parameters
    ----------
    scores : (q, items) float32 in the codes of ``queries.items``.
    k : length of the lists, at least 1; a list is shorter when fewer items may be shown.
    rules : what may be shown; seen items are not, unless the rules allow it.
    first : the number of the first query within the rules' lists.
    source : the name of who made the scores.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise BadParameter(f"k must be a whole number of at least 1, got {k!r}")
    if scores.shape != (len(queries), len(queries.items)):
        raise Incompatible(
            f"scores of shape {scores.shape} for {len(queries)} queries on "
            f"{len(queries.items)} items"
        )
    k = min(int(k), max(len(queries.items), 1))
    indptr, banned = _banned(queries, rules, first)
    pins, allowed = [], np.zeros(0, bool)
    if rules is not EVERYTHING:
        allowed = rules.masks(queries.items, first, len(queries))[1]
        if len(rules.pins):
            pins = rules.pinned(queries.items, first, len(queries))
            indptr, banned = _joined(indptr, banned, pins)
    codes, best = top_k(scores, k, indptr, banned, allowed)
    if pins:
        codes, best = _pinned(codes, best, pins, scores)
    strangers = queries.user < 0
    asked = queries.users.decode(np.where(strangers, -1, queries.user))
    return Recommendations(
        items=queries.items,
        asked=tuple(asked),
        codes=codes,
        scores=best,
        source=np.zeros(codes.shape, np.int16),
        sources=(source,),
        propensity=np.full(codes.shape, np.nan, np.float32),
    )


def _banned(queries: Queries, rules: Rules, first: int) -> tuple[NDArray[np.int64], Codes]:
    indptr, codes = queries.already_seen()
    if rules.allow_seen:
        hidden = queries.histories.where(queries.histories.hidden())
        indptr, codes = hidden.indptr, hidden.item
    if not len(rules.exclude):
        return indptr, codes
    rows = rules.masks(queries.items, first, len(queries))[0]
    return _joined(indptr, codes, rows if rules.per_query else rows * len(queries))


def _joined(
    indptr: NDArray[np.int64], codes: Codes, more: list[Codes]
) -> tuple[NDArray[np.int64], Codes]:
    rows = [np.concatenate([codes[a:b], m]) for a, b, m in zip(indptr[:-1], indptr[1:], more)]
    ends = np.cumsum([0] + [len(r) for r in rows]).astype(np.int64)
    return ends, np.concatenate([*rows, np.zeros(0, np.int32)]).astype(np.int32)


def _pinned(
    codes: Codes, best: NDArray[np.float32], pins: list[Codes], scores: NDArray[np.float32]
) -> tuple[Codes, NDArray[np.float32]]:
    k = codes.shape[1]
    codes, best = codes.copy(), best.copy()
    for r, row in enumerate(pins):
        row = row[:k]
        codes[r] = np.concatenate([row, codes[r]])[:k]
        best[r] = np.concatenate([scores[r, row], best[r]])[:k]
    return codes, best


def stacked(parts: list[Recommendations]) -> Recommendations:
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
