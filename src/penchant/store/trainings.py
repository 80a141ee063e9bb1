"""Trainings: each attempt at a model, and that there is only one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import sqlalchemy as sa

from penchant.errors import Conflict
from penchant.store.schema import trainings as table

if TYPE_CHECKING:
    from penchant.store.store import Store

STARTING = 0x70656E63_00000003
"""PostgreSQL's advisory lock on who may train."""

LEASE = 90_000_000
"""Microseconds without a sign of life after which a training is taken for dead."""

DIED = "its process ended without a word, or its machine did"

Ended = Literal["accepted", "refused", "failed"]
State = Ended | Literal["running"]


class Training(msgspec.Struct, frozen=True):
    """One attempt.

    Parameters
    ----------
    started, finished : microseconds since 1970 (UTC); not finished: it runs.
    until : when it is taken for dead, unless it gives a sign of life before.
    by : who began it: "command line", "schedule".
    version : of the model in the registry.
    reason : why it failed, or the model was refused.
    """

    number: int
    started: int
    until: int
    finished: int | None
    state: State
    by: str
    version: str | None
    reason: str | None


class Trainings:
    """The attempts, and the lease that the one that runs holds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, *, by: str, now: int) -> int:
        """Begin a training and return its number.

        Raises
        ------
        Conflict : another one runs, in whatever process or machine.
        """
        with self._store.writing() as connection:
            if self._store.kind == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({STARTING})")
            connection.execute(
                table.update()
                .where(table.c.state == "running", table.c.until <= now)
                .values(state="failed", finished=table.c.until, reason=DIED)
            )
            other = connection.execute(
                sa.select(table.c.number, table.c.by).where(table.c.state == "running")
            ).first()
            if other is not None:
                raise Conflict(
                    f"training {other.number}, begun by {other.by}, still runs; one runs at a time"
                )
            made = table.insert().values(started=now, until=now + LEASE, state="running", by=by)
            return int(connection.execute(made.returning(table.c.number)).scalar_one())

    def alive(self, number: int, *, now: int) -> bool:
        """Give a sign of life; False: the training was taken for dead, and must end."""
        return self._change(number, until=now + LEASE)

    def end(
        self,
        number: int,
        state: Ended,
        *,
        now: int,
        version: str | None = None,
        reason: str | None = None,
    ) -> bool:
        """Say how a training ended; False: that was said before, and stays."""
        return self._change(number, state=state, finished=now, version=version, reason=reason)

    def _change(self, number: int, **values: int | str | None) -> bool:
        running = table.update().where(table.c.number == number, table.c.state == "running")
        with self._store.writing() as connection:
            return connection.execute(running.values(**values)).rowcount == 1

    def latest(self, limit: int = 50) -> list[Training]:
        """Return the attempts, the last one first."""
        asked = sa.select(table).order_by(table.c.number.desc()).limit(limit)
        with self._store.reading() as connection:
            return [Training(*row) for row in connection.execute(asked)]
