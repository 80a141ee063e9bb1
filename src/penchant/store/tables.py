"""Tables that describe items and users, as rows of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from penchant.dataset import GENRES, TITLES
from penchant.errors import BadEvents
from penchant.events import NAMES, plain
from penchant.frames import blanked
from penchant.ids import as_column, as_ids
from penchant.store.catalogue import Item, User
from penchant.times import read_times

NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"

WINDOW = ("available_from", "available_until")


def items_of(table: pl.DataFrame, *, zone: str = "UTC") -> list[Item]:
    """Return the items that a table describes, in its order.

    The column of ids is found by name, else it is the first. A column of titles and one of
    categories (a list, or text separated by ``|``) are found by name; ``available_from``,
    ``available_until`` and ``withdrawn`` are what an item's fields are; all others are attributes.

    Parameters
    ----------
    zone : where times stand that name no zone.

    Raises
    ------
    BadEvents : no columns, an id that is missing or occurs twice, times that cannot be read.
    """
    ids, rest = _keyed(table, "item")
    lower = {name.lower(): name for name in reversed(rest.columns)}
    title = next((lower[name] for name in TITLES if name in lower), None)
    genres = next((lower[name] for name in GENRES if name in lower), None)
    fields: dict[str, list[Any]] = {"item_id": ids}
    if title is not None:
        fields["title"] = blanked(rest[title].cast(pl.String))[0].to_list()
    if genres is not None:
        fields["categories"] = [_listed(cell) for cell in rest[genres].to_list()]
    for name in WINDOW:
        if name in rest.columns:
            fields[name] = _moments(rest[name], zone).to_list()
    if "withdrawn" in rest.columns:
        fields["withdrawn"] = _flags(rest["withdrawn"]).to_list()
    fields["attributes"] = list(
        _facts(rest.drop(_named(title, genres, *WINDOW, "withdrawn"), strict=False))
    )
    return [
        Item(**dict(zip(fields, row, strict=True))) for row in zip(*fields.values(), strict=True)
    ]


def users_of(table: pl.DataFrame) -> list[User]:
    """Return the users that a table describes; all columns but the id are attributes.

    Raises
    ------
    BadEvents : no columns, an id that is missing or occurs twice.
    """
    ids, rest = _keyed(table, "user")
    return [User(user_id=one, attributes=told) for one, told in zip(ids, _facts(rest), strict=True)]


def _keyed(table: pl.DataFrame, role: str) -> tuple[list[str], pl.DataFrame]:
    """Return the ids as text, and the other columns."""
    if not table.columns:
        raise BadEvents(f"the {role} table has no columns")
    usual = [c for name in NAMES[role] for c in table.columns if plain(c) == name]
    key = next(iter([*usual, *table.columns]))
    what = f"the {role} table, column {key!r}"
    try:
        _, ids = as_ids(blanked(table[key])[0])
    except BadEvents as e:
        raise BadEvents(f"{what}: {e}") from None
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise BadEvents(f"{what} describes {as_column(key, twice)[0]!r} more than once")
    return as_column(key, ids).cast(pl.String).to_list(), table.drop(key)


def _named(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]


def _listed(cell: Any) -> list[str]:
    """Return the categories of a cell: each once, blanks left out."""
    parts = cell if isinstance(cell, list) else str("" if cell is None else cell).split("|")
    return list(dict.fromkeys(one.strip() for one in map(str, parts) if one.strip()))


def _moments(column: pl.Series, zone: str) -> pl.Series:
    """Return microseconds since 1970, null where nothing stands."""
    column, blank = blanked(column)
    if blank.all():
        return column.cast(pl.Int64, strict=False)
    micros = read_times(column, zone=zone, where=f"the item table, column {column.name!r}").micros
    wrong = micros.is_null() & ~blank
    if wrong.any():
        raise BadEvents(
            f"the item table, column {column.name!r}: {column.filter(wrong)[0]!r} is no time "
            f"(row {wrong.arg_true()[0]})"
        )
    return micros


def _flags(column: pl.Series) -> pl.Series:
    """Return whether each cell says yes."""
    words = column.cast(pl.String).str.to_lowercase().str.strip_chars()
    wrong = ~words.is_in(["true", "false", "1", "0", "yes", "no", ""]).fill_null(value=True)
    if wrong.any():
        raise BadEvents(
            f"the item table, column {column.name!r}: {column.filter(wrong)[0]!r} is neither "
            f"true nor false (row {wrong.arg_true()[0]})"
        )
    return words.is_in(["true", "1", "yes"]).fill_null(value=False)


def _facts(table: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield what the columns say of each row; what is empty says nothing."""
    moments = [c.name for c in table if c.dtype.is_temporal()]
    table = table.with_columns(pl.col(moments).cast(pl.String))
    columns = {c.name: _numbers(blanked(c)[0]).to_list() for c in table}
    for row in range(len(table)):
        told = {name: cells[row] for name, cells in columns.items()}
        yield {name: one for name, one in told.items() if one is not None and one != []}


def _numbers(column: pl.Series) -> pl.Series:
    """Return text that holds only numbers, as written by programs, as numbers: "007" stays."""
    if column.dtype != pl.String or not column.str.contains(NUMBER).all():
        return column
    return column.cast(pl.Float64)
