"""The log of events: appended to once, read in many ways, changed only by merging and erasing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
import polars as pl
import sqlalchemy as sa

from penchant.errors import BadParameter
from penchant.store.numbers import driver
from penchant.store.schema import events as table

if TYPE_CHECKING:
    from penchant.store.store import Store

APPENDING = 0x70656E63_00000002
"""PostgreSQL's advisory lock on the end of the log."""

COLUMNS = tuple(column.name for column in table.columns)
GIVEN = tuple(name for name in COLUMNS if name != "position")


class Event(msgspec.Struct, frozen=True):
    """Something that happened, ready for the log; ids are as ``clean_id`` leaves them.

    Parameters
    ----------
    event_id : the client's, or one from ``made_id``.
    person : from ``person``.
    time : microseconds since 1970 (UTC), when it happened.
    items : what an impression showed; such an event has no ``item_id``.
    context, properties : JSON text.
    digest : from ``digest``, of what the client sent.
    """

    event_id: str
    person: str
    session_id: str | None
    item_id: str | None
    kind: str
    value: float | None
    time: int
    recommendation_id: str | None = None
    rank: int | None = None
    items: list[str] | None = None
    context: str | None = None
    properties: str | None = None
    digest: int = 0


class Logged(Event, frozen=True, kw_only=True):
    """An event as it stands in the log; ``received`` in microseconds since 1970."""

    position: int
    received: int


class Rows(NamedTuple):
    """Histories of several people, as lists of equal length.

    By person, then oldest first. ``row`` is the place in ``people``; ``value`` NaN: none;
    ``time`` in microseconds.
    """

    row: list[int]
    item_id: list[str]
    kind: list[str]
    value: list[float]
    time: list[int]
    session_id: list[str | None]


def person(user_id: str | None, session_id: str | None) -> str:
    """Return the key of whoever acts: ``"u"`` and the user, or ``"s"`` and the session."""
    if user_id is not None:
        return "u" + user_id
    if session_id is not None:
        return "s" + session_id
    raise BadParameter("An event needs a user_id or a session_id; both are missing.")


def digest(*sent: object) -> int:
    """Return 64 bits that tell what was sent apart: any values that JSON can hold, in order."""
    found = hashlib.blake2b(msgspec.json.encode(sent), digest_size=8)
    return int.from_bytes(found.digest(), signed=True)


def tombstone(salt: bytes, event_id: str) -> bytes:
    """Return by what an erased event is known."""
    return hashlib.sha256(salt + event_id.encode()).digest()


class EventLog:
    """The events of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sqlite = store.kind == "sqlite"
        self._mark = "?" if self._sqlite else "%s"

    def lock(self, connection: sa.Connection) -> None:
        """Keep others from appending until the transaction ends.

        Whoever takes positions, rewrites persons or erases calls this first, so that positions
        come in the order of commits and nothing is appended behind their back. On SQLite a
        transaction that writes is alone anyway.
        """
        if not self._sqlite:
            driver(connection).execute(f"SELECT pg_advisory_xact_lock({APPENDING})")

    def append(
        self, events: Sequence[Event], *, now: int, connection: sa.Connection | None = None
    ) -> list[str]:
        """Append events, each once.

        Parameters
        ----------
        events : in the order of their positions.
        now : microseconds since 1970, when they were received.
        connection : from ``Store.writing``, to be one transaction with other writes.

        Returns
        -------
        For each event "accepted"; "duplicate": its id is known, with the same digest; "conflict":
        its id is known, with another digest, and the log stays as it was; "erased": its id was
        erased and stays so.
        """
        if not events:
            return []
        if connection is None:
            with self._store.writing() as connection:
                return self.append(events, now=now, connection=connection)
        self.lock(connection)
        ids = [e.event_id for e in events]
        known, erased = self.digests(connection, ids), self.erased(connection, ids)
        merged = self.merged(connection, (e.person for e in events))
        became, rows = [], []
        for e in events:
            was = known.get(e.event_id)
            if was is not None:
                became.append("duplicate" if was == e.digest else "conflict")
            elif e.event_id in erased:
                became.append("erased")
            else:
                known[e.event_id] = e.digest
                became.append("accepted")
                items = None if e.items is None else msgspec.json.encode(e.items).decode()
                rows.append((e.event_id, merged.get(e.person, e.person), e.session_id, e.item_id,
                             e.kind, e.value, e.time, now, e.recommendation_id, e.rank, items,
                             e.context, e.properties, e.digest))  # fmt: skip
        if rows:
            marks = ", ".join([self._mark] * len(GIVEN))
            insert = f"INSERT INTO events ({', '.join(GIVEN)}) VALUES ({marks})"
            driver(connection).cursor().executemany(insert, rows)
        return became

    def digests(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
        """Return the digests of those of ``ids`` that are in the log."""
        return self._of(connection, "SELECT event_id, digest FROM events WHERE event_id", ids)

    def merged(self, connection: sa.Connection, people: Iterable[str]) -> dict[str, str]:
        """Return as whom those of ``people`` are known who were merged."""
        return self._of(connection, 'SELECT person, "into" FROM merges WHERE person', people)

    def _of(self, connection: sa.Connection, sql: str, values: Iterable[str]) -> dict[str, Any]:
        given = list(dict.fromkeys(values))
        sql += " IN (SELECT value FROM json_each(?))" if self._sqlite else " = ANY(%s)"
        one = msgspec.json.encode(given).decode() if self._sqlite else given
        return dict(driver(connection).execute(sql, (one,)).fetchall())

    def erased(self, connection: sa.Connection, ids: Iterable[str]) -> set[str]:
        """Return those of ``ids`` whose events were erased."""
        raw = driver(connection)
        if not raw.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone():
            return set()
        hashes = {tombstone(self._store.salt, one): one for one in ids}
        if self._sqlite:
            look = "SELECT hash FROM tombstones WHERE hash = ?"
            rows = [row for h in hashes for row in raw.execute(look, (h,))]
        else:
            look = "SELECT hash FROM tombstones WHERE hash = ANY(%s)"
            rows = raw.execute(look, (list(hashes),)).fetchall()
        return {hashes[bytes(h)] for (h,) in rows}

    def history(
        self,
        people: Sequence[str],
        *,
        latest: int | None = None,
        connection: sa.Connection | None = None,
    ) -> Rows:
        """Return what people did, from the covering index alone; impressions are not in it.

        Parameters
        ----------
        people : keys from ``person``.
        latest : only so many of each, the newest; a robot may have millions.
        connection : from ``Store.reading``, to see what its other statements see.
        """
        if connection is None:
            with self._store.reading() as connection:
                return self.history(people, latest=latest, connection=connection)
        raw = driver(connection)
        places: list[int] = []
        rows: list[Any] = []
        if self._sqlite:  # no round trips to save; one by one they need no sorting
            for place, who in enumerate(people):
                found = raw.execute(ONE_HISTORY, (who, -1 if latest is None else latest)).fetchall()
                places += [place] * len(found)
                rows += reversed(found)
        else:
            given = (list(people), latest)
            rows = raw.execute(HISTORIES, given, binary=True).fetchall()
        if not rows:
            return Rows([], [], [], [], [], [])
        columns: list[list[Any]] = [list(column) for column in zip(*rows)]
        columns[-3] = [NAN if one is None else one for one in columns[-3]]
        return Rows(places, *columns) if self._sqlite else Rows(*columns)

    def last(self) -> int:
        """Return the last position; 0: the log is empty."""
        with self._store.reading() as connection:
            (last,) = driver(connection).execute("SELECT max(position) FROM events").fetchone()
        return last or 0

    def read(self, after: int, limit: int) -> tuple[pl.DataFrame, int]:
        """Read on from a position: all columns of the log, and where to go on from.

        Positions come in the order of commits, so whoever goes on from what this returned meets
        each event once and skips none, however late it was committed.
        """
        parts = [*self._frames(COLUMNS, f"position > {int(after)}", SCHEMA, limit)]
        frame = pl.concat(parts)
        return frame, frame["position"][-1] if len(frame) else after

    def frame(self, until: int | None = None) -> pl.DataFrame:
        """Return all that can be learned from, in the order of positions; no impressions.

        Parameters
        ----------
        until : the last position that may be in it.

        Returns
        -------
        user (the person), item, kind, value, time (microseconds), session, position.
        """
        which = "item_id IS NOT NULL" + ("" if until is None else f" AND position <= {int(until)}")
        return pl.concat([*self._frames(LEARNED_OF, which, LEARNED)])

    def page(self, person: str, before: int | None, limit: int) -> list[Logged]:
        """Return what a person did, the newest first, impressions too.

        Parameters
        ----------
        before : the position at which the page before ended; None: the first page.
        """
        mark = self._mark
        older = (
            f"AND (time, position) < (SELECT time, position FROM events WHERE position = {mark})"
        )
        with self._store.reading() as connection:
            rows = driver(connection).execute(
                f"SELECT {', '.join(COLUMNS)} FROM events WHERE person = {mark} "
                f"{'' if before is None else older} "
                f"ORDER BY time DESC, position DESC LIMIT {int(limit)}",
                (person,) if before is None else (person, before),
            )
            found = [dict(zip(COLUMNS, row)) for row in rows.fetchall()]
        for one in found:
            one["items"] = None if one["items"] is None else msgspec.json.decode(one["items"])
        return [Logged(**one) for one in found]

    def _frames(
        self, columns: Sequence[str], which: str, schema: Schema, limit: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """Go through the log by position, the first frame perhaps empty."""
        query = f"SELECT {', '.join(columns)} FROM events WHERE {which} ORDER BY position"
        query += "" if limit is None else f" LIMIT {int(limit)}"
        yield pl.DataFrame(schema=schema)
        with self._store.reading() as connection:
            cursor = driver(connection).cursor()
            if self._sqlite:
                cursor.execute(query)
                while rows := cursor.fetchmany(CHUNK):
                    named = zip(schema.items(), zip(*rows))
                    yield pl.DataFrame([pl.Series(n, v, dtype) for (n, dtype), v in named])
                return
            with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copied:
                lines = iter(copied)
                while text := b"".join(islice(lines, CHUNK)):
                    yield pl.read_csv(text, has_header=False, schema=schema)


Schema: TypeAlias = dict[str, pl.DataType]
NAN = float("nan")
CHUNK = 5000
"""Rows made into columns at a time: few enough to leave no work to the collector of garbage."""

SCHEMA: Schema = {
    column.name: pl.Float64()
    if isinstance(column.type, sa.Float)
    else pl.Int64()
    if isinstance(column.type, sa.Integer)
    else pl.String()
    for column in table.columns
}
LEARNED_OF = ("person", "item_id", "kind", "value", "time", "session_id", "position")
LEARNED: Schema = dict(
    zip(
        ("user", "item", "kind", "value", "time", "session", "position"),
        (SCHEMA[name] for name in LEARNED_OF),
    )
)

ONE_HISTORY = (
    "SELECT item_id, kind, value, time, session_id FROM events "
    "WHERE person = ? AND item_id IS NOT NULL ORDER BY time DESC, position DESC LIMIT ?"
)
HISTORIES = """
SELECT asked.number - 1, e.item_id, e.kind, e.value, e.time, e.session_id
FROM unnest(%s::text[]) WITH ORDINALITY AS asked (person, number)
CROSS JOIN LATERAL (
    SELECT item_id, kind, value, time, session_id, position FROM events
    WHERE person = asked.person COLLATE "C" AND item_id IS NOT NULL
    ORDER BY time DESC, position DESC LIMIT %s::bigint
) AS e
ORDER BY asked.number, e.time, e.position"""
