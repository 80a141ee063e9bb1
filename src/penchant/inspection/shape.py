"""The shape of data: the long tail, values, time, strangers and repeats, as numbers to plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.inspection.rows import Rows, absent

DAY = 86_400_000_000
"""Microseconds in a day."""

FEW = 60
"""Up to so many different values are shown one by one."""


@dataclass(frozen=True, eq=False)
class Tail:
    """How unevenly rows are spread over users, or over items.

    Parameters
    ----------
    counts : (n,) rows of each, ascending; those without rows are not among them.
    """

    counts: NDArray[np.int64]

    @cached_property
    def gini(self) -> float:
        """The Gini coefficient: 0 if all have equally many rows, near 1 if one has them all.

        sum_i (2 i - n - 1) x_i / (n sum_i x_i) over ascending x_1 .. x_n; half the mean absolute
        difference divided by the mean (Gini 1912).
        """
        n = len(self.counts)
        place = 2 * np.arange(1, n + 1) - n - 1
        return float(place @ self.counts) / max(n * int(self.counts.sum()), 1)

    @property
    def middle(self) -> float:
        """The median number of rows."""
        return float(np.median(self.counts))

    def share(self, top: float) -> float:
        """Return the share of rows that the busiest have; ``top`` is their share, at least one."""
        first = max(1, round(top * len(self.counts)))
        return float(self.counts[-first:].sum() / self.counts.sum())

    def lorenz(self, points: int = 100) -> NDArray[np.float64]:
        """Return (k, 2): shares of the least busy, and the shares of rows that they have."""
        total = np.concatenate([[0], np.cumsum(self.counts)])
        at = np.unique(np.round(np.linspace(0, len(self.counts), points + 1)).astype(np.int64))
        return np.column_stack([at / len(self.counts), total[at] / total[-1]])


@dataclass(frozen=True, eq=False)
class Values:
    """How what was recorded is spread.

    Parameters
    ----------
    frame : columns ``value`` (text: a value, or a range of them), ``rows`` and ``share``;
        ascending.
    known : rows with a value.
    different : how many different values occur.
    lowest, highest, mean, deviation, middle : of the values; the middle is the median.
    used : exp of the entropy of the shares: as how many values used equally often they are; None
        for ranges of values.
    """

    frame: pl.DataFrame
    known: int
    different: int
    lowest: float
    highest: float
    mean: float
    deviation: float
    middle: float
    used: float | None


@dataclass(frozen=True, eq=False)
class Times:
    """When things happened (UTC).

    Parameters
    ----------
    unit : what a bar stands for: "day", "week", "month" or "year".
    frame : columns ``start`` (date) and ``rows``, ascending, without gaps.
    outside : rows before the first or after the last of them: stray times, at most 0.2 %.
    hours : (24,) rows of each hour of the day; None if times are known to the day only.
    first, last : microseconds since 1970.
    """

    unit: str
    frame: pl.DataFrame
    outside: int
    hours: NDArray[np.int64] | None
    first: int
    last: int


@dataclass(frozen=True)
class Cold:
    """What a model fitted on the earlier rows meets for the first time in the later ones.

    Parameters
    ----------
    at : microseconds since 1970 of the first later row.
    rows : how many rows are later.
    users, items : share of the later rows' users, and items, that occur in no earlier row.
    by_users, by_items : share of the later rows that are theirs.
    """

    at: int
    rows: int
    users: float
    items: float
    by_users: float
    by_items: float


@dataclass(frozen=True)
class Repeats:
    """Rows whose user, item and kind occurred before; each group's first row is not among them.

    Parameters
    ----------
    rows : all of them.
    exact : those that say nothing new: all that the source says of them occurred before.
    other : rows of a user, item and kind with several values.
    """

    rows: int
    exact: int
    other: int


def values_of(rows: Rows) -> Values | None:
    """Return how values are spread, or None if nothing was recorded."""
    value = rows.value[~np.isnan(rows.value)]
    if not len(value):
        return None
    found, count = np.unique(value, return_counts=True)
    share = count / len(value)
    used = None
    labels: list[str]
    if len(found) <= FEW:
        labels, heights = [f"{one:g}" for one in found], count
        used = float(np.exp(-float(share @ np.log(share))))
    else:
        labels, heights = _ranges(found, count)
    frame = pl.DataFrame({"value": labels, "rows": heights, "share": heights / len(value)})
    return Values(
        frame=frame,
        known=len(value),
        different=len(found),
        lowest=float(found[0]),
        highest=float(found[-1]),
        mean=float(share @ found),
        deviation=float(np.sqrt(max(float(share @ (found - share @ found) ** 2), 0.0))),
        middle=float(np.median(value)),
        used=used,
    )


def _ranges(
    found: NDArray[np.float64], count: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return ranges that hold many values: doubling if all are at least 1, else equally wide."""
    if found[0] >= 1:
        edges = 2.0 ** np.arange(int(np.log2(found[-1])) + 2)
    else:
        edges = np.linspace(found[0], found[-1], 21)
    place = np.clip(np.searchsorted(edges, found, side="right") - 1, 0, len(edges) - 2)
    heights = np.bincount(place, count, minlength=len(edges) - 1).astype(np.int64)
    return [f"{a:.4g}–{b:.4g}" for a, b in pairwise(edges)], heights


def times_of(rows: Rows) -> Times | None:
    """Return how rows are spread over time, or None if no time is known."""
    known = rows.time[rows.timed]
    if not len(known):
        return None
    first, last = int(known.min()), int(known.max())
    low, high = _shown(known)
    span = (high - low) / DAY
    unit, every = next(
        (unit, every)
        for limit, unit, every in (
            (62, "day", "1d"), (430, "week", "1w"), (3700, "month", "1mo"), (np.inf, "year", "1y"),
        )
        if span <= limit
    )  # fmt: skip
    inside = (known >= low) & (known <= high)
    start = pl.Series("start", known[inside] // DAY).cast(pl.Int32).cast(pl.Date)
    counted = start.dt.truncate(every).value_counts(name="rows").sort("start")
    frame = counted.upsample("start", every=every).with_columns(pl.col("rows").fill_null(0))
    hour = np.bincount(known % DAY // (DAY // 24), minlength=24)
    return Times(
        unit=unit,
        frame=frame,
        outside=int(len(known) - np.count_nonzero(inside)),
        hours=None if (known % DAY == 0).all() else hour,
        first=first,
        last=last,
    )


def _shown(known: NDArray[np.int64]) -> tuple[int, int]:
    """Return first and last time to plot: without one row in a thousand, if they are far off."""
    first, last, edge = int(known.min()), int(known.max()), len(known) // 1000
    ends = [edge, len(known) - 1 - edge]
    low, high = (int(t) for t in np.partition(known, ends)[ends])
    return (low, high) if last - first > 3 * (high - low) else (first, last)


def cold_of(rows: Rows, at: float) -> Cold | None:
    """Return how much of the latest rows is new; ``at`` is the share of rows that come before.

    Rows at the same instant are not torn apart: they are all later. None without enough times.
    """
    known = np.flatnonzero(rows.timed)
    time = rows.time[known]
    if len(known) < 2:
        return None
    cut = int(np.partition(time, int(at * len(time)))[int(at * len(time))])
    late = time >= cut
    if late.all():
        return None
    shares = []
    for code, ids in ((rows.user[known], rows.users), (rows.item[known], rows.items)):
        before = np.bincount(code[~late], minlength=len(ids)) > 0
        after = np.bincount(code[late], minlength=len(ids))
        new = ~before & (after > 0)
        shares += [np.count_nonzero(new) / np.count_nonzero(after), after[new].sum() / after.sum()]
    users, by_users, items, by_items = map(float, shares)
    return Cold(cut, int(np.count_nonzero(late)), users, items, by_users, by_items)


def repeated(rows: Rows) -> pl.DataFrame:
    """Return the rows whose user, item and kind occur more than once.

    Columns: ``row``; ``pair``, a number for each user, item and kind; ``copy``, one for all rows
    that agree in every column of the source as well (but for numbers of rows); ``other``, whether
    the pair has several values.
    """
    kind = rows.kind.cast(pl.Enum(rows.kind.unique().sort())).to_physical().to_numpy()
    pair = rows.user.astype(np.int64) * len(rows.items) + rows.item
    pair = pair * (int(kind.max(initial=0)) + 1) + kind
    order = np.argsort(pair)
    same = pair[order[1:]] == pair[order[:-1]]
    several = np.zeros(len(rows), np.bool_)
    several[order[1:][same]] = several[order[:-1][same]] = True
    at = np.flatnonzero(several)
    frame = pl.DataFrame({"row": at, "pair": pair[at], "value": rows.value[at]})
    told = frame.select("pair", "value").with_columns(time=rows.time[at])
    for column in rows.extra if len(at) else ():
        series = rows.table[column]
        plain = series.dtype != pl.Object and not series.dtype.is_nested()
        if plain and series.n_unique() < len(series):  # else it numbers the rows
            told = told.with_columns(series[at].alias(f"column {column}"))
    return frame.with_columns(
        copy=told.hash_rows(),
        other=pl.col("value").fill_nan(None).drop_nulls().n_unique().over("pair") > 1,
    )


def repeats_of(found: pl.DataFrame) -> Repeats:
    """Return how many rows repeat others, from what ``repeated`` found."""
    return Repeats(
        rows=len(found) - found["pair"].n_unique(),
        exact=len(found) - found["copy"].n_unique(),
        other=int(found["other"].sum()),
    )


def missing_of(rows: Rows) -> Mapping[str, int]:
    """Return column to number of rows in which nothing stands there, for those with any."""
    counts = {c: int(absent(rows.table[c]).sum()) for c in rows.table.columns}
    return {name: n for name, n in counts.items() if n}


def kinds_of(rows: Rows) -> Mapping[str, int]:
    """Return kind to number of rows, the most frequent first."""
    counted: list[dict[str, Any]] = (
        rows.kind.alias("kind").value_counts().sort("count", "kind", descending=[True, False])
    ).to_dicts()
    return {row["kind"]: row["count"] for row in counted}
