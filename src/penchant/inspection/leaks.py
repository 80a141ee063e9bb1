"""Columns that give the value away: by being filled in or not, by agreeing, or by what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.inspection.entries import off_scale
from penchant.inspection.finding import Finding, percent
from penchant.inspection.rows import Rows, absent

APART = 0.1
"""How far the area under the curve must be from 1/2 before a flag is said to tell the value."""

TIED = 0.3
"""Cramér's V from which a flag is said to tell the value, in whatever direction."""

SURE = 6.0
"""Standard errors from chance, below which nothing is said."""

FAR = 0.05
"""Share of the variance of values from which a flag alone makes scores wrong."""

LITTLE = 0.005
"""Share of the variance of values below which a flag gets nobody far."""

KNOWN = 0.8
"""Share of the variance of values from which a column is said to determine them."""

COLUMNS = 12
"""Columns of one type that are compared with one another, at most."""

BINS = 32
"""Numbers with more different values than this are put into so many bins of equal size."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Separation:
    """How well a flag on rows tells their values.

    Parameters
    ----------
    area : the chance that a value with the flag is higher than one without, ties counting half
        (AUC; Mann and Whitney 1947).
    tied : Cramér's V of the flag and the value (in bins, if there are many values), without what
        is expected by chance (Bergsma 2013).
    sure : standard errors between the area and 1/2, or of the square of ``tied`` from 0, whichever
        is more, had the flag nothing to do with the value.
    explained : share of the values' variance that lies between the two groups (eta squared).
    means : mean value of the rows with the flag, and of those without.
    deviation : standard deviation of the values: the error of guessing their mean.
    least, most : (value, share of rows with the flag) where it is rarest, and most frequent, among
        values (or bins, by their lowest value) with at least 1 % of the rows.
    """

    area: float
    tied: float
    sure: float
    explained: float
    means: tuple[float, float]
    deviation: float
    least: tuple[float, float]
    most: tuple[float, float]

    @property
    def tells(self) -> bool:
        """Whether the flag tells the value, and not by chance."""
        return self.sure >= SURE and (abs(self.area - 0.5) >= APART or self.tied >= TIED)


class Target:
    """Values, sorted into groups once, for many columns to be held against.

    Parameters
    ----------
    value : (rows,) float64, without NaN.
    """

    def __init__(self, value: Floats) -> None:
        self.values, self.place = np.unique(value, return_inverse=True)
        self.total = np.bincount(self.place, minlength=len(self.values)).astype(np.float64)
        self.mean = float(value.mean()) if len(value) else 0.0
        self.variance = float(value.var()) if len(value) else 0.0
        self.value = value
        # The bin of each value: by itself if there are few, else as many rows in each bin.
        before = (np.cumsum(self.total) - self.total / 2) / len(value)
        few = len(self.values) <= BINS
        self.bin = np.arange(len(self.values)) if few else (before * BINS).astype(np.int64)

    def separated(self, flag: Mask) -> Separation | None:
        """Return how well a flag tells the value, or None if all rows are alike."""
        total, n = self.total, len(self.value)
        having = np.bincount(self.place[flag], minlength=len(total)).astype(np.float64)
        m = float(having.sum())
        if len(total) < 2 or m in (0.0, n):
            return None
        others = total - having
        area = float(having @ (np.cumsum(others) - others / 2)) / (m * (n - m))
        ties = float((total**3 - total).sum()) / (n * (n - 1.0))
        error = float(np.sqrt((n + 1 - ties) / (12 * m * (n - m))))
        means = float(having @ self.values) / m, float(others @ self.values) / (n - m)
        in_bin, had = np.bincount(self.bin, total), np.bincount(self.bin, having)
        lowest = np.full(len(in_bin), np.inf)
        np.minimum.at(lowest, self.bin, self.values)
        used = in_bin > 0
        in_bin, had, lowest = in_bin[used], had[used], lowest[used]
        rate, free = m / n, max(len(in_bin) - 1, 1)
        chi = float(((had - rate * in_bin) ** 2 / in_bin).sum()) / (rate * (1 - rate))
        shares = np.where(in_bin >= 0.01 * n, had / in_bin, np.nan)
        ends = int(np.nanargmin(shares)), int(np.nanargmax(shares))
        least, most = ((float(lowest[e]), float(shares[e])) for e in ends)
        return Separation(
            area=area,
            tied=float(np.sqrt(max(chi - free, 0.0) / n)),
            sure=max(abs(area - 0.5) / error, (chi - free) / np.sqrt(2 * free)),
            explained=rate * (1 - rate) * (means[0] - means[1]) ** 2 / self.variance,
            means=means,
            deviation=float(np.sqrt(self.variance)),
            least=least,
            most=most,
        )

    def explained(self, group: NDArray[np.int64]) -> float:
        """Return the share of the variance between groups, less what as many would have by chance.

        1 - (1 - eta squared) (n - 1) / (n - k), for k groups (epsilon squared; Kelley 1935).
        """
        number = np.bincount(group)
        used = number > 0
        k, n = int(np.count_nonzero(used)), len(group)
        if k >= n or k < 2:
            return 0.0
        total = np.bincount(group, self.value - self.mean)
        between = float((total[used] ** 2 / number[used]).sum()) / n / self.variance
        return 1 - (1 - between) * (n - 1) / (n - k)


def leaks(rows: Rows) -> Iterator[Finding]:
    """Yield the columns that tell what was recorded, which nobody knows beforehand."""
    known = ~np.isnan(rows.value)
    if (odd := off_scale(rows)) is not None:  # a few 99s among stars hold most of the variance
        known &= ~(rows.rated & np.isin(rows.value, odd[0]))
    if np.count_nonzero(known) < 2 or np.ptp(rows.value[known]) == 0:
        return
    target = Target(rows.value[known])
    for column in rows.extra:
        missing = absent(rows.table[column])
        found = target.separated(~missing[known])
        if found is not None and found.tells:
            yield _flagged(rows, (column,), missing & known, found)
    yield from _agreements(rows, known, target)
    yield from _determining(rows, known, target)


def _flagged(rows: Rows, about: tuple[str, ...], flag: Mask, found: Separation) -> Finding:
    """Return the finding about a column that is known or not, or about two that agree or not."""
    what = rows.columns["value"]
    left = found.deviation * np.sqrt(1 - found.explained)
    name = f"{'missing' if len(about) == 1 else 'agreement'} gives the value away"
    does, so, not_so = (
        ("is known", "it is known", "it is missing")
        if len(about) == 1
        else ("agree", "they agree", "they differ")
    )
    far = (
        f"Knowing only this, one guesses {what} with an error (RMSE) of {left:.3f}, not "
        f"{found.deviation:.3f}: a model that reads it, or a split that is made with it, learns "
        "what nobody knows beforehand."
        if found.explained >= LITTLE
        else "It concerns too few rows to get far with it, but no chance made it so: find out why."
    )
    return rows.where(
        name,
        "high" if found.explained >= FAR else "medium" if found.explained >= LITTLE else "low",
        flag,
        f"{' and '.join(about)} {does} in {percent(found.least[1])} of the rows with {what} "
        f"{found.least[0]:g}, and in {percent(found.most[1])} of those with {found.most[0]:g}; "
        f"{what} is {found.means[0]:.2f} on average where {so}, and {found.means[1]:.2f} "
        f"where {not_so} (AUC {found.area:.2f}). {far}{_unread(rows, *about)}",
        about=" and ".join(about),
        mend=rows.reading_without(*about),
    )


def _unread(rows: Rows, *columns: str) -> str:
    """Return what reading does with columns that have no role."""
    if rows.read or set(columns) & set(rows.columns.values()):
        return ""
    return " Reading leaves it out, unless it is named as context."


def _agreements(rows: Rows, known: Mask, target: Target) -> Iterator[Finding]:
    """Two columns of one type that are equal for some values, and differ for others."""
    by_type: dict[str, list[str]] = {}
    for column in rows.extra:
        kind = rows.table.schema[column]
        if kind.is_numeric() or kind.is_temporal():
            by_type.setdefault(str(kind), []).append(column)
    for columns in by_type.values():
        for one, two in combinations(columns[:COLUMNS], 2):
            first, second = rows.table[one], rows.table[two]
            both = ~(absent(first) | absent(second)) & known
            same = (first == second).fill_null(value=False).to_numpy()
            if not both.any():
                continue
            part = target if both.sum() == known.sum() else Target(rows.value[both])
            found = part.separated(same[both]) if part.variance > 0 else None
            if found is not None and found.tells:
                yield _flagged(rows, (one, two), both & same, found)


def _determining(rows: Rows, known: Mask, target: Target) -> Iterator[Finding]:
    """Columns after which there is little left to predict."""
    taken = {c for role, c in rows.columns.items() if role != "session"}
    for column in rows.extra:
        if column in taken:
            continue
        group = _groups(rows.table[column])
        if group is None:
            continue
        filled = ~absent(rows.table[column]) & known
        part = target if filled.sum() == known.sum() else Target(rows.value[filled])
        explained = part.explained(group[filled]) if part.variance > 0 else 0.0
        if explained < KNOWN:
            continue
        what = rows.columns["value"]
        yield rows.where(
            "a column determines the value",
            "high",
            filled,
            f"{column} explains {percent(explained)} of the variance of {what}: one is made from "
            "the other. Where it is not known before the event, a model that reads it predicts "
            f"what it was told.{_unread(rows, column)}",
            about=column,
            mend=rows.reading_without(column),
        )


def _groups(column: pl.Series) -> NDArray[np.int64] | None:
    """Return (rows,) the group of each entry, or None for free text, lists and the like."""
    if column.dtype.is_numeric() and not column.dtype.is_decimal():
        number = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        found = number[~np.isnan(number)]
        if not len(found):
            return None
        # Quantiles leave the values that most rows have in bins of their own.
        edges = np.unique(np.quantile(found, np.linspace(0, 1, 2 * BINS + 1), method="lower"))
        place = np.searchsorted(edges, number, side="right")
        return np.where(np.isnan(number), 0, place).astype(np.int64)
    if column.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        return None
    different = column.n_unique()
    if different < 2 or different > len(column) / 10:  # by its number of groups alone
        return None
    codes = column.cast(pl.String).cast(pl.Categorical).to_physical()
    return (codes.cast(pl.Int64) + 1).fill_null(0).to_numpy()
