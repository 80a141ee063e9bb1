"""Many events at once: in short transactions beside live writers, or a first load in one.

The outcome is that of ``EventLog.append``; nothing here is done row by row in Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from penchant.store.numbers import driver
from penchant.store.rows import copy_postgresql, insert_sqlite, unindexed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from penchant.store.store import Store

TURN = 0.06
"""Seconds that a transaction should take: for so long live writers wait."""

FEWEST, MOST = 2_000, 20_000
"""Rows in a transaction: its end waits for the disk, however few they are."""

FIRST = 50_000, 5_000_000
"""Rows that are worth a first load, and that one may have: until it ends nobody else can write."""

COLUMNS = (
    "event_id", "person", "session_id", "item_id", "kind", "value", "time", "items", "context",
    "digest", "received",
)  # fmt: skip

STORED = {"event_id": pl.String, "digest": pl.Int64}

OnRows = Callable[[int], None]


@dataclass
class Loaded:
    """What became of the events of a load: as ``EventLog.append`` says, by number.

    Parameters
    ----------
    accepted, duplicates : how many.
    refused : columns ``row`` and ``code``: "conflict" or "erased".
    """

    accepted: int = 0
    duplicates: int = 0
    refused: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"row": pl.UInt32, "code": pl.String})
    )

    def refuse(self, rows: pl.DataFrame, code: str) -> None:
        """Add rows that were not taken."""
        more = rows.select("row", pl.lit(code).alias("code"))
        self.refused = pl.concat([self.refused, more])


def load(store: Store, rows: pl.DataFrame, *, now: int, on_rows: OnRows | None = None) -> Loaded:
    """Append many events, each once; stopped at any point and started again, it goes on.

    Into an empty SQLite store the rows go in one transaction, and the indexes are built last: when
    it is interrupted the store is empty. Else the rows go in transactions of about 60 ms, and other
    writers take turns with it.

    Parameters
    ----------
    rows : from ``history``.
    now : microseconds since 1970, when the events were received.
    on_rows : called after each transaction with the number of rows that are done.
    """
    done = Loaded()
    rows = rows.with_columns(pl.lit(now, pl.Int64).alias("received"))
    said = on_rows or (lambda _: None)
    start = 0
    if store.kind == "sqlite" and len(rows) >= FIRST[0]:
        start = min(len(rows), FIRST[1])
        with store.writing() as connection:
            if driver(connection).execute("SELECT 1 FROM events LIMIT 1").fetchone():
                start = 0
            else:
                _first(store, connection, rows[:start], done, said)
    size = min(FEWEST, MOST)
    while start < len(rows):
        part = rows[start : start + size]
        with store.writing() as connection:
            began = time.perf_counter()  # others' turns are not ours
            _put(store, connection, part, done)
        size = sized(size, time.perf_counter() - began)
        start += len(part)
        said(start)
    if store.kind == "postgresql":
        with store.writing() as connection:
            driver(connection).execute("ANALYZE events")
    return done


def sized(size: int, took: float) -> int:
    """Return how many rows the next transaction should have, by how long the last one took."""
    return round(min(max(size * min(TURN / took, 2.0), FEWEST), MOST))


def _first(
    store: Store, connection: Connection, rows: pl.DataFrame, done: Loaded, said: OnRows
) -> None:
    """Fill an empty log of SQLite: indexes are dropped, and built again at the end."""
    fresh = rows.unique("event_id", keep="first", maintain_order=True)
    if len(fresh) < len(rows):
        _known(rows, fresh.select(*STORED), len(rows) - len(fresh), done)
    with unindexed(driver(connection), ["events"]):
        for at in range(0, len(fresh), MOST):
            part = _allowed(store, connection, fresh[at : at + MOST], done)
            done.accepted += insert_sqlite(driver(connection), "events", part.select(COLUMNS))
            said(at)
    said(len(rows))


def _put(store: Store, connection: Connection, rows: pl.DataFrame, done: Loaded) -> None:
    """Append rows within a transaction."""
    raw = driver(connection)
    if store.kind == "postgresql":
        staged = rows
        _stage(raw, rows)
        store.events.lock(connection)
        rows = _allowed(store, connection, rows, done)
        if rows is not staged:
            _stage(raw, rows)
        added = _insert_postgresql(raw)
    else:
        rows = _allowed(store, connection, rows, done)
        added = insert_sqlite(raw, "events", rows.select(COLUMNS))
    done.accepted += added
    if added < len(rows):
        found = store.events.digests(connection, rows["event_id"])
        stored = {"event_id": list(found), "digest": list(found.values())}
        _known(rows, pl.DataFrame(stored, schema=STORED), len(rows) - added, done)


def _known(rows: pl.DataFrame, stored: pl.DataFrame, n: int, done: Loaded) -> None:
    """Count the ``n`` rows that were not inserted: those with another digest are conflicts."""
    other = rows.join(stored, on="event_id", suffix="_stored")
    other = other.filter(pl.col("digest") != pl.col("digest_stored"))
    done.refuse(other, "conflict")
    done.duplicates += n - len(other)


def _allowed(
    store: Store, connection: Connection, rows: pl.DataFrame, done: Loaded
) -> pl.DataFrame:
    """Return the rows without those that were erased, with persons as they are known now.

    If there are none such, these are the rows themselves.
    """
    erased = store.events.erased(connection, rows["event_id"])
    if erased:
        gone = rows["event_id"].is_in(list(erased))
        done.refuse(rows.filter(gone), "erased")
        rows = rows.filter(~gone)
    merged = store.events.merged(connection, rows["person"].unique())
    return rows.with_columns(pl.col("person").replace(merged)) if merged else rows


def _stage(raw: Any, rows: pl.DataFrame) -> None:
    """Copy rows to a table of this connection, in place of what it held."""
    raw.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS arriving ON COMMIT DELETE ROWS "
        f"AS SELECT {', '.join(COLUMNS)} FROM events WITH NO DATA"
    )
    raw.execute("TRUNCATE arriving")
    copy_postgresql(raw, "arriving", rows.select(COLUMNS))


def _insert_postgresql(raw: Any) -> int:
    """Insert what was copied and is not in the log, in that order; return how many."""
    names = ", ".join(COLUMNS)
    found = raw.execute(
        f"INSERT INTO events ({names}) SELECT {names} FROM arriving "
        "ORDER BY ctid ON CONFLICT DO NOTHING"
    )
    return int(found.rowcount)
