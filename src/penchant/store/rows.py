"""Many rows into a table at once, by the quickest way that each database has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl

TOGETHER = 20
"""Rows in a statement of SQLite: each row alone takes a third more time."""


def insert_sqlite(raw: Any, table: str, rows: pl.DataFrame) -> int:
    """Insert rows, except those whose keys are in the table; return how many were inserted.

    Parameters
    ----------
    raw : the driver's connection, in a transaction.
    rows : columns as in the table; columns that it lacks become null, or numbered.
    """
    names = [name for name in rows.columns if rows[name].null_count() < len(rows)]
    width = len(names)
    flat: list[Any] = [None] * (len(rows) * width)
    for at, name in enumerate(names):
        flat[at::width] = rows[name].to_list()
    before = raw.total_changes
    one = f"({', '.join('?' * width)})"
    whole = len(flat) - len(flat) % (TOGETHER * width or 1)
    for part, count in ((flat[:whole], TOGETHER), (flat[whole:], 1)):
        sql = (
            f"INSERT INTO {table} ({_listed(names)}) "
            f"VALUES {', '.join([one] * count)} ON CONFLICT DO NOTHING"
        )
        for start in range(0, len(part), count * width):
            raw.execute(sql, part[start : start + count * width])
    return int(raw.total_changes - before)


def copy_postgresql(raw: Any, table: str, rows: pl.DataFrame) -> None:
    """Copy rows to a table; a key that is in it already is an error.

    Parameters
    ----------
    raw : the driver's connection, in a transaction.
    rows : columns as in the table.
    """
    bits = (pl.col(column.name) for column in rows if column.dtype == pl.Binary)
    text = rows.with_columns(
        pl.concat_str(pl.lit("\\x"), one.bin.encode("hex")).alias(one.meta.output_name())
        for one in bits
    )
    # Text is quoted and null is not, by which COPY tells it from an empty text.
    lines = text.write_csv(include_header=False, quote_style="non_numeric")
    into = f"COPY {table} ({_listed(rows.columns)}) FROM STDIN (FORMAT csv)"
    with raw.cursor().copy(into) as copy:
        copy.write(lines)


@contextmanager
def unindexed(raw: Any, tables: Sequence[str]) -> Iterator[None]:
    """Drop the indexes of tables of SQLite, and build them again from what is in them then."""
    found = raw.execute(
        "SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    mine = [(name, sql) for name, sql, table in found if table in tables]
    for name, _ in mine:
        raw.execute(f'DROP INDEX "{name}"')
    yield
    for _, sql in mine:
        raw.execute(sql)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
