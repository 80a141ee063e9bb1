"""Numbers, dates and vectors of a table's columns, as arrays; what is missing is NaN."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter

Vector = NDArray[np.float64]

DAY = 86_400 * 10**6
"""Microseconds."""

FLOAT32 = float(np.finfo(np.float32).max)


def is_vector(dtype: pl.DataType) -> bool:
    """Whether a column holds arrays or lists of numbers."""
    return isinstance(dtype, (pl.Array, pl.List)) and dtype.inner.is_numeric()


def numbers(column: pl.Series) -> Vector:
    """Return (rows,) float64; dates and times are days since 1970; not finite in float32: NaN."""
    if column.dtype == pl.Date:
        column = column.to_physical()
    elif isinstance(column.dtype, pl.Datetime):
        column = column.dt.timestamp("us").cast(pl.Float64) / DAY
    found = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.where(np.abs(found) <= FLOAT32, found, np.nan)


def vectors(column: pl.Series) -> Vector:
    """Return (rows, dimensions) float64; where anything is missing or not finite, all is NaN.

    Raises
    ------
    BadParameter : rows of different lengths.
    """
    lists = column.cast(pl.List(pl.Float64))
    there = lists.drop_nulls()
    sizes = there.list.len().unique().sort().to_list()
    if len(sizes) > 1:
        raise BadParameter(
            f"column {column.name!r} holds lists of {sizes[0]} to {sizes[-1]} numbers; the vectors "
            "of a column have one length (if they are codes of something, cast them to strings)"
        )
    found = np.full((len(column), sizes[0] if sizes else 0), np.nan)
    if sizes and sizes[0]:
        flat = there.explode().fill_null(np.nan).to_numpy()
        found[lists.is_not_null().to_numpy()] = flat.reshape(-1, sizes[0])
    found[~(np.abs(found) <= FLOAT32).all(axis=1)] = np.nan
    return found


def edges(known: Vector, bins: int) -> Vector:
    """Return where the second and each later of at most ``bins`` equally full bins begins."""
    cuts = np.unique(np.quantile(known, np.arange(1, bins) / bins))
    later: Vector = cuts[cuts > known.min()]
    return later


def spans(starts: Vector, dates: bool) -> list[str]:
    """Return what to call the bins that ``starts`` (edges) separate: "18 to 25", "65 and above"."""
    shown = [str(np.datetime64(int(at), "D")) if dates else f"{at:g}" for at in starts]
    if not shown:
        return ["any"]
    between = [f"{a} to {b}" for a, b in pairwise(shown)]
    return [f"below {shown[0]}", *between, f"{shown[-1]} and above"]
