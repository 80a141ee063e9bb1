"""Rows for a store, with what does not matter filled in; and rows as they are in it."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from penchant.store.log import Event
from penchant.store.shown import Shown


def event(event_id: str, person: str, item: str | None = "a", time: int = 5, **other) -> Event:
    session = person[1:] if person[0] == "s" else None
    return Event(event_id, person, session, item, "view", None, time, **other)


def listed(name: str, person: str, time: int = 5) -> Shown:
    return Shown(
        recommendation_id=name, person=person, time=time, model=None, fallback=False, shown=1,
        request='{"k":1}', items='[["a",1.0,"ALS",null,null]]',
    )  # fmt: skip


def rows(store, table: sa.Table) -> list:
    with store.reading() as connection:
        return list(connection.execute(sa.select(table)).all())


def until_someone_waits(store) -> None:
    """Return when a transaction waits for one that is open; on SQLite none can do otherwise."""
    end = time.monotonic() + 20
    while store.kind == "postgresql":
        with store.reading() as connection:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            if connection.exec_driver_sql(waiting).scalar():
                return
        if time.monotonic() > end:
            pytest.fail("nobody waits")
