"""A table of events, from anywhere, into the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from penchant.errors import BadEvents
from penchant.events import ROLES, Events, Reading, find_columns, plain
from penchant.store.bulk import OnRows, load
from penchant.store.history import history
from penchant.store.store import Store

ROW = "penchant row"
"""The column by which rows are told after some were left out."""

REFUSED = {
    "conflict": "another event with this event_id is stored",
    "erased": "the event was erased with its person",
}


@dataclass(frozen=True, eq=False)
class Ingested:
    """What became of a table's rows.

    Parameters
    ----------
    accepted, duplicates : how many are new, and how many the log held already.
    rejected : the others as they came, with columns ``line`` and ``reason`` before theirs.
    reading : what was understood of the table.
    """

    accepted: int
    duplicates: int
    rejected: pl.DataFrame
    reading: Reading


def ingest(
    store: Store,
    table: pl.DataFrame,
    *,
    now: int,
    source: str,
    event_id: str | None = None,
    context: Sequence[str] = (),
    first_row: int = 0,
    on_rows: OnRows | None = None,
    **columns: Any,
) -> Ingested:
    """Append a table's events to the log, each once, however often it is ingested.

    Rows that cannot be used never lose the others.

    Parameters
    ----------
    now : microseconds since 1970.
    source : what to call the table in messages.
    event_id : the column of the events' own ids; by default one whose name says so. See
        ``penchant.store.history.history`` for events without.
    context : further columns to keep.
    first_row : the number of the first row in ``rejected``.
    on_rows : called after each transaction with the number of rows that are done.
    columns : as for ``Events.from_frame``: user, item, value, time, kind, session, zone,
        time_format.

    Raises
    ------
    BadEvents : no user or item column, no times, or no row that can be used.
    """
    if event_id is None:
        event_id = next((name for name in table.columns if plain(name) == "eventid"), None)
    # Before a column of ours is among them: a message that lists them is about the file.
    find_columns(table.columns, {role: columns.get(role) for role in ROLES}, source)
    kept = [*context, ROW] if event_id is None else [*context, event_id, ROW]
    events = Events.from_frame(
        table.with_row_index(ROW), context=kept, bad="drop", source=source, first_row=first_row,
        **columns,
    )  # fmt: skip
    if "time" not in events.reading.columns:
        raise BadEvents(
            f"{source}: no time column found among {', '.join(table.columns)}; the log needs to "
            "know when. Name it: --time-column NAME on the command line, time='NAME' in Python"
        )
    ready = history(events, now=now, event_id=event_id, context=context)
    done = load(store, ready.rows, now=now, on_rows=on_rows)
    refused = done.refused.select("row", pl.col("code").replace_strict(REFUSED).alias("reason"))
    late = pl.concat([ready.rejected, refused])
    late = late.with_columns(events.frame[ROW].gather(late["row"]).alias("row"))
    out = pl.concat([events.reading.left_out, late]).sort("row")
    rows = table.drop("line", "reason", strict=False).select(pl.all().gather(out["row"]))
    told = out.select((pl.col("row") + first_row).alias("line"), "reason")
    rejected = told.hstack(rows)
    return Ingested(done.accepted, done.duplicates, rejected, events.reading)
