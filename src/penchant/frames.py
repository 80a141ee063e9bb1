"""Tables from anywhere to polars: through the Arrow PyCapsule interface, or column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import BadEvents

Frame = Any
"""pandas, polars, pyarrow or DuckDB table, a mapping of columns, or a sequence of mappings."""

ABSENT = ("na", "n/a", "nan", "nat", "none", "null", "nil", "?", "-")
"""What people write where they know nothing, lower case; blanks around it do not matter."""


def to_polars(frame: Frame) -> pl.DataFrame:
    """Return ``frame`` as a polars frame; columns that polars has no type for stay Python objects.

    Missing entries (None, and what pandas and numpy write as NaN, NA or NaT) become null. The named
    levels of a pandas index become columns; DuckDB's UUIDs become 16 bytes.

    Raises
    ------
    BadEvents : not a table, columns of different lengths, or two columns of one name.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, Mapping):
        return _from_columns([(str(name), column) for name, column in frame.items()])
    if hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "fetchnumpy"):
        return _from_other(frame)
    if isinstance(frame, Sequence) and not isinstance(frame, (str, bytes)):
        return _from_records(frame)
    if isinstance(frame, (str, PurePath)):
        raise BadEvents(
            f"{type(frame).__name__} is not a table; if {str(frame)!r} is a file, "
            "penchant.datasets.read(path, items=path) reads a dataset, penchant.Events.read(path) "
            "interactions, penchant.datasets.table(path) a table of items or users"
        )
    raise BadEvents(
        f"{type(frame).__name__} is not a table: pass a pandas, polars, pyarrow or DuckDB frame, "
        "a mapping of columns, or a list of mappings"
    )


def _from_other(frame: Any) -> pl.DataFrame:
    """Read a frame of pandas, pyarrow, DuckDB, or of anything else that speaks Arrow."""
    if hasattr(frame, "reset_index"):
        kept = [n for n in frame.index.names if n is not None and n not in frame.columns]
        frame = frame.reset_index(kept) if kept else frame
    schema = getattr(getattr(frame, "schema", None), "names", ())  # pyarrow's
    names = [str(n) for n in schema or getattr(frame, "columns", ())]
    check_names(names)
    if hasattr(frame, "__arrow_c_stream__"):
        stream = frame
        if hasattr(frame, "fetchnumpy"):  # DuckDB: its objects do not bear being looked at closely
            stream = SimpleNamespace(__arrow_c_stream__=frame.__arrow_c_stream__)
        try:
            table = pl.DataFrame(stream)
        except (ImportError, AttributeError, TypeError, ValueError, pl.exceptions.PolarsError):
            # pandas without pyarrow, or a column of mixed objects that Arrow has no type for: we
            # take the columns one by one, and say which row is at fault where ids are read.
            pass
        else:
            # DuckDB sends its UUIDs as text.
            types = zip(names, map(str, getattr(frame, "types", ())), strict=False)
            ids = [n for n, t in types if t == "UUID" and table[n].dtype == pl.String]
            bare = pl.col(ids).str.replace_all("-", "", literal=True)
            return table.with_columns(bare.str.decode("hex")) if ids else table
    if hasattr(frame, "fetchnumpy"):
        return _from_columns(list(frame.fetchnumpy().items()))
    if not names or not hasattr(frame, "__getitem__"):
        raise BadEvents(f"{type(frame).__name__} is not a table that can be read")
    return _from_columns([(str(c), frame[c]) for c in frame.columns])


def _from_records(rows: Sequence[Any]) -> pl.DataFrame:
    names: dict[str, None] = {}
    for n, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise BadEvents(f"row {n} is not a mapping of column names to values: {row!r}")
        names.update(dict.fromkeys(row))
    return _from_columns([(str(name), [row.get(name) for row in rows]) for name in names])


def _from_columns(columns: list[tuple[str, Any]]) -> pl.DataFrame:
    check_names([name for name, _ in columns])
    made = [_series(name, values) for name, values in columns]
    lengths = {s.name: len(s) for s in made}
    if len(set(lengths.values())) > 1:
        raise BadEvents(f"columns of different lengths: {lengths}")
    return pl.DataFrame(made)


def check_names(names: list[str]) -> None:
    """Raise BadEvents if two columns have the same name."""
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise BadEvents(f"several columns are called {twice[0]!r}; rename all but one")


def _series(name: str, values: Any) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    values = values.to_numpy() if hasattr(values, "to_numpy") else values
    if isinstance(values, (str, bytes, Mapping, Set)) or not isinstance(values, Iterable):
        raise BadEvents(f"column {name!r} is no list of values, but {values!r}")
    if isinstance(values, np.ma.MaskedArray):  # DuckDB's way of saying null
        moments = values.dtype.kind == "M"
        values = (values.astype("datetime64[us]") if moments else values).tolist()
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise BadEvents(f"column {name!r} has {values.ndim} dimensions, not one")
        if values.dtype.kind == "M":
            return pl.Series(name, values.astype("datetime64[us]"))
        if values.dtype.kind in "biuf":
            # A copy: polars would go on looking at the caller's memory.
            return pl.Series(name, values.copy(), nan_to_null=True)
    plain = [None if _missing(x) else x for x in values]
    types = {type(x) for x in plain} - {type(None)}
    if types == {int, float}:
        return pl.Series(name, plain, dtype=pl.Float64, strict=False)
    if len(types) == 1 or bool not in types:  # among numbers polars would take True for 1
        try:
            return pl.Series(name, plain, strict=True)
        except (TypeError, OverflowError, UnicodeError, pl.exceptions.PolarsError):
            pass  # of several types, or none that polars has: they stay objects
    return pl.Series(name, plain, dtype=pl.Object)


def _missing(x: Any) -> bool:
    """None, NaN, and pandas' NA and NaT, without importing pandas."""
    return (
        x is None or type(x).__name__ in ("NAType", "NaTType") or (isinstance(x, float) and x != x)
    )


def nulls(dtype: Any, n: int) -> pl.Series:
    """Return a column of n nulls."""
    return pl.Series([None], dtype=dtype).new_from_index(0, n)


def blanked(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return a column with null where nothing stands, and where that is.

    Blank text is nothing, and so is NaN. Whole numbers that became floats because pandas had no
    other way to say that one is missing become integers again.
    """
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        column = column.set(column.str.strip_chars() == "", None)
    missing = column.is_null()
    if column.dtype.is_float():
        column = column.fill_nan(None)
        missing = column.is_null()
        found = column.drop_nulls()
        if missing.any() and bool(((found == found.round()) & (found.abs() < 2**53)).all()):
            column = column.cast(pl.Int64)
    return column, missing


def unsaid(column: pl.Series) -> pl.Series:
    """Return Boolean, whether a text is one of ``ABSENT``; False for what is no text."""
    found = pl.Series([False]).new_from_index(0, len(column))
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        return found
    words = column.str.strip_chars()
    short = (words.str.len_bytes() <= max(map(len, ABSENT))).fill_null(value=False).arg_true()
    said = words.gather(short).str.to_lowercase().is_in(list(ABSENT))
    return found.scatter(short.filter(said), True)


def numbers(column: pl.Series) -> pl.Series:
    """Return Float64, null where the entry is not a number."""
    if column.dtype == pl.Object:
        column = pl.Series([None if x is None else str(x) for x in column.to_list()])
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    if column.dtype == pl.Boolean or column.dtype.is_numeric() or column.dtype == pl.String:
        return column.cast(pl.Float64, strict=False)
    return nulls(pl.Float64, len(column))


def whole_numbers(column: pl.Series) -> pl.Series | None:
    """Return Int64 if every entry is a whole number as written, so that no digit is lost."""
    if column.dtype == pl.String:
        whole = column.str.strip_chars().cast(pl.Int64, strict=False)
        return whole if whole.null_count() == column.null_count() else None
    return column.cast(pl.Int64, strict=False) if column.dtype.is_integer() else None
