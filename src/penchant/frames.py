"""Tables from anywhere to polars: through the Arrow PyCapsule interface, or column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import BadEvents

Frame = Any
"""pandas, polars, pyarrow or DuckDB table, a mapping of columns, or a sequence of mappings."""


def to_polars(frame: Frame) -> pl.DataFrame:
    """Return ``frame`` as a polars frame; columns that polars has no type for stay Python objects.

    Raises
    ------
    BadEvents : not a table, or columns of different lengths.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, Mapping):
        return _from_columns({str(name): _values(column) for name, column in frame.items()})
    if hasattr(frame, "__arrow_c_stream__"):
        try:
            return pl.DataFrame(frame)
        except (ImportError, TypeError, ValueError, pl.exceptions.PolarsError):
            # pandas without pyarrow, or a column of mixed objects that Arrow has no type for: we
            # take the columns one by one, and say which row is at fault where ids are read.
            if hasattr(frame, "fetchnumpy"):
                return _from_columns(dict(frame.fetchnumpy()))
    if hasattr(frame, "columns") and hasattr(frame, "__getitem__"):
        return _from_columns({str(c): _values(frame[c]) for c in frame.columns})
    if isinstance(frame, Sequence) and not isinstance(frame, (str, bytes)):
        return _from_records(frame)
    raise BadEvents(
        f"{type(frame).__name__} is not a table: pass a pandas, polars, pyarrow or DuckDB frame, "
        "a mapping of columns, or a list of mappings"
    )


def _from_records(rows: Sequence[Any]) -> pl.DataFrame:
    names: dict[str, None] = {}
    for n, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise BadEvents(f"row {n} is not a mapping of column names to values: {row!r}")
        names.update(dict.fromkeys(map(str, row)))
    return _from_columns({name: [row.get(name) for row in rows] for name in names})


def _values(column: Any) -> Any:
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _from_columns(columns: Mapping[str, Any]) -> pl.DataFrame:
    made = [_series(name, values) for name, values in columns.items()]
    lengths = {s.name: len(s) for s in made}
    if len(set(lengths.values())) > 1:
        raise BadEvents(f"columns of different lengths: {lengths}")
    return pl.DataFrame(made)


def _series(name: str, values: Any) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    if isinstance(values, np.ma.MaskedArray):  # DuckDB's way of saying null
        values = np.where(np.ma.getmaskarray(values), None, values.data.astype(object))
    if isinstance(values, np.ndarray) and values.dtype.kind in "biufM":
        return pl.Series(name, values)
    plain = [None if _missing(x) else x for x in values]
    try:
        return pl.Series(name, plain, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series(name, plain, dtype=pl.Object)


def _missing(x: Any) -> bool:
    """None, NaN, and pandas' NA and NaT, without importing pandas."""
    return (
        x is None or type(x).__name__ in ("NAType", "NaTType") or (isinstance(x, float) and x != x)
    )
