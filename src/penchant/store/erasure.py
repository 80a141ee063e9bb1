"""What the store holds about one person: all of it handed out, given to another, or erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from penchant.errors import BadParameter, BadStore, Conflict, UnknownId
from penchant.identity import clean_id, made_id
from penchant.store.catalogue import User
from penchant.store.daily import KNOWN_AS, uncount
from penchant.store.engine import PATIENCE, Turns
from penchant.store.log import tombstone
from penchant.store.numbers import bump
from penchant.store.schema import (
    erasures,
    events,
    merges,
    models,
    recommendations,
    tombstones,
    trainings,
    users,
)
from penchant.store.upsert import upsert
from penchant.times import DAY

if TYPE_CHECKING:
    from penchant.store.store import Store

BATCH = 1000
"""Rows that an export reads at a time."""

READERS = 1000
"""Milliseconds for which an erasure waits for others to finish reading SQLite's journal."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """How far the erasure of a person has come.

    Parameters
    ----------
    requested, completed : microseconds since 1970; ``completed`` None: something is left.
    events, recommendations : rows that were deleted, at once.
    models : versions that could have learned from the person and whose files are still there.
    """

    erasure_id: str
    requested: int
    completed: int | None
    events: int
    recommendations: int
    models: list[str]


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """As whom someone is known now, and what changed hands."""

    person: str
    events: int
    recommendations: int


@dataclass(frozen=True)
class Export:
    """Everything stored about a person.

    Parameters
    ----------
    user : what is known of the user; empty for one that is unknown.
    merged : who else they were, as ``log.person`` says.
    events, recommendations : rows by column, oldest first; read while they are gone through.
    """

    user: User
    merged: list[str]
    events: Iterator[dict[str, Any]]
    recommendations: Iterator[dict[str, Any]]


def merge(store: Store, person: str, into: str, *, now: int) -> Merged:
    """Make whoever acted as ``person`` known as ``into``, before and after.

    Events and recommendations of ``person`` become those of ``into``, later ones as they come.
    Attributes of a user who is merged go over, as far as ``into`` has no such attributes itself.
    Chains are followed: after a into b and b into c, all three are c. Doing it again changes
    nothing.

    Parameters
    ----------
    person, into : as ``log.person`` makes them; ``into`` is a user.

    Raises
    ------
    BadParameter : ``into`` is no user, the two are one, or ``into`` was itself merged into
        ``person``.
    Conflict : ``person`` is known as someone else already: a session belongs to one user.
    """
    if person[:1] not in ("u", "s") or into[:1] != "u":
        raise BadParameter("a session or a user is merged into a user, not into a session")
    with store.writing() as connection:
        store.events.lock(connection)
        target, known = _resolved(connection, into), _resolved(connection, person)
        if target == person:
            raise BadParameter(
                f"{_said(into)} is {_said(person)} already"
                if into != person
                else f"{_said(person)} cannot be merged into itself"
            )
        if known not in (person, target):
            raise Conflict(
                f"{_said(person)} is known as {_said(known)} and cannot be {_said(target)} too"
            )
        moved = [
            connection.execute(
                update(table).where(table.c.person == person).values(person=target)
            ).rowcount
            for table in (events, recommendations)
        ]
        if known == person:
            connection.execute(update(merges).where(merges.c.into == person).values(into=target))
            connection.execute(insert(merges).values(person=person, into=target, time=now))
            _hand_over(connection, person, target, now)
            bump(connection, "merges")
        return Merged(person=target, events=moved[0], recommendations=moved[1])


def export(store: Store, user_id: str) -> Export:
    """Return everything stored about a user, however much it is.

    What is written or erased while it is read may or may not be in it.
    """
    with store.reading() as connection:
        people = _people(connection, f"u{clean_id(user_id)}")
        row = connection.execute(select(users).where(users.c.user_id == people[0][1:])).first()
    user = User(user_id=people[0][1:])
    if row is not None:
        attributes = msgspec.json.decode(row.attributes)
        user = User(
            user_id=row.user_id, attributes=attributes, created=row.created, updated=row.updated
        )
    return Export(
        user, people[1:], _rows(store, events, people), _rows(store, recommendations, people)
    )


def erase(store: Store, user_id: str, *, now: int) -> Erasure:
    """Erase a user and everyone merged into them.

    Events, recommendations, attributes and merges are deleted at once, daily counts reduced by what
    had been counted, and every worker hears of it. The events sent again are answered "erased";
    others that come later under the same id are a new beginning. What takes longer is done by
    ``settle``, to be called soon: models that could have learned from the user, and what deleting
    leaves in the files of SQLite. The erasure is complete when that is gone too.

    Somebody unknown is erased at once, which is noted as well. Erasing the same user again, with
    nothing new to erase, returns what the last time returned, as far as it has come.

    A user who was merged into another *is* that other: both are erased.
    """
    asked = f"u{clean_id(user_id)}"
    with store.writing() as connection:
        store.events.lock(connection)
        found = _delete(store, connection, _resolved(connection, asked))
        who = tombstone(store.salt, asked)
        same = select(erasures).where(erasures.c.person_hash == who)
        earlier = connection.execute(same.order_by(erasures.c.number.desc()).limit(1)).first()
        if earlier is not None and not found.anything:
            return _erasure(store, connection, earlier)
        row = {
            "erasure_id": made_id(now),
            "person_hash": who,
            "requested": now,
            "number": bump(connection, "erasures"),
            "position": found.first,
            "events": found.events,
            "recommendations": found.recommendations,
            "completed": None if found.anything else now,
        }
        connection.execute(insert(erasures).values(row))
    return erasure(store, str(row["erasure_id"]))


def erasure(store: Store, erasure_id: str) -> Erasure:
    """Return how far an erasure has come.

    Raises
    ------
    UnknownId : there is none with this id.
    """
    with store.reading() as connection:
        row = connection.execute(
            select(erasures).where(erasures.c.erasure_id == erasure_id)
        ).first()
        if row is None:
            raise UnknownId(f"there is no erasure {erasure_id!r:.80}")
        return _erasure(store, connection, row)


def settle(store: Store, *, now: int) -> list[str]:
    """Delete models that learned from people erased since, and complete erasures.

    The one in use stays until another has been promoted. Call it after each erasure, after each
    promotion, when a training has ended in whatever way, and now and then. With no erasure to
    complete it costs nothing.

    Returns
    -------
    The versions that were deleted.

    Raises
    ------
    BadStore : the file of SQLite cannot be written anew, for want of room on the disk.
    """
    with store.reading() as connection:
        open_ = select(erasures).where(erasures.c.completed.is_(None))
        rows = connection.execute(open_).all()
        learned = {version for row in rows for version in _learned(store, connection, row)}
        old = (models.c.state == "saving") & (models.c.created < now - DAY)
        left = connection.execute(select(models.c.version).where(old)).scalars().all()
    retired = []
    for version in sorted(learned | set(left)):
        model = store.models.get(version)
        if model.state == "saving" and version not in left:
            continue  # someone is at it
        with suppress(Conflict):  # it is in use
            store.models.retire(version)
            retired.append(version)
    _complete(store, now)
    return retired


def outdated(store: Store) -> int | None:
    """Return when someone was last erased from whom the model in use could have learned.

    None: there is nobody. Another model has to be promoted before ``settle`` can complete that.
    """
    current = store.models.in_use()
    if current is None:
        return None
    with store.reading() as connection:
        rows = connection.execute(select(erasures).where(erasures.c.completed.is_(None))).all()
        stuck = [row for row in rows if current.version in _learned(store, connection, row)]
    return max((row.requested for row in stuck), default=None)


def _complete(store: Store, now: int) -> None:
    """Complete the erasures of which nothing is left."""
    still = erasures.c.completed.is_(None)
    with store.reading() as connection:
        rows = connection.execute(select(erasures).where(still)).all()
        done = [row.erasure_id for row in rows if not _left(store, connection, row, now)]
    if done and store.kind == "sqlite":
        _scrub(store, done, now)
    elif done:
        these = update(erasures).where(still, erasures.c.erasure_id.in_(done))
        with store.writing() as connection:
            connection.execute(these.values(completed=now))


def _scrub(store: Store, done: list[str], now: int) -> None:
    """Overwrite what was deleted in the files of SQLite, then complete erasures.

    Deleting leaves bytes behind: in free pages, in the gaps of pages that were split, in the
    journal. ``PRAGMA secure_delete`` reaches the first only; so the file is written anew and the
    journal emptied. Reading goes on meanwhile, writing waits: a second for each million events.
    Nothing is completed while someone reads for long, such as a training that begins.
    """
    still = (
        "FROM erasures WHERE completed IS NULL AND erasure_id IN (SELECT value FROM json_each(?))"
    )
    ids = msgspec.json.encode(done).decode()
    turns = Turns(Path(str(store.engine.url.database)))
    with turns.held(), closing(store.engine.raw_connection()) as raw:  # no further writer begins
        cursor = raw.cursor()
        if not cursor.execute(f"SELECT count(*) {still}", (ids,)).fetchone()[0]:
            return  # someone else was first
        if not _emptied(cursor):  # before the long work
            return
        try:
            cursor.execute("VACUUM")
        except sqlite3.Error as error:
            raise BadStore(
                f"{store.engine.url.database} cannot be written anew, so that erasures stay "
                f"incomplete: {error}. Twice its size is needed on the disk."
            ) from error
        if _emptied(cursor):
            where = still.removeprefix("FROM erasures ")
            cursor.execute(f"UPDATE erasures SET completed = ? {where}", (now, ids))


def _emptied(cursor: Any) -> bool:
    """Empty SQLite's journal; return whether that could be done."""
    cursor.execute(f"PRAGMA busy_timeout = {READERS}")
    try:
        return not cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")


def _left(store: Store, connection: Connection, row: Any, now: int) -> bool:
    """Return whether some model, or a training that runs, may still know the person."""
    if row.position is None:
        return False
    running = (trainings.c.state == "running") & (trainings.c.until > now)
    began = select(trainings.c.number).where(running, trainings.c.started <= row.requested)
    at_it = connection.execute(began.limit(1)).first() is not None
    return at_it or bool(_learned(store, connection, row))


def _learned(store: Store, connection: Connection, row: Any) -> list[str]:
    """Return the versions that read the log when the person was in it, and still have files."""
    if row.position is None:
        return []
    could_have = (models.c.position >= row.position) & (models.c.erasures < row.number)
    asked = select(models.c.version, models.c.state).where(could_have).order_by(models.c.version)
    return [
        version
        for version, state in connection.execute(asked)
        if state != "retired" or not store.models.gone(version)
    ]


def _erasure(store: Store, connection: Connection, row: Any) -> Erasure:
    return Erasure(
        erasure_id=row.erasure_id,
        requested=row.requested,
        completed=row.completed,
        events=row.events,
        recommendations=row.recommendations,
        models=_learned(store, connection, row),
    )


def _resolved(connection: Connection, person: str) -> str:
    """Return as whom a person is known; rows of ``merges`` never form chains."""
    into = select(merges.c.into).where(merges.c.person == person)
    return connection.execute(into).scalar() or person


def _people(connection: Connection, person: str) -> list[str]:
    """Return as whom a person is known, then all who were merged into that one."""
    target = _resolved(connection, person)
    others = select(merges.c.person).where(merges.c.into == target).order_by(merges.c.person)
    return [target, *connection.execute(others).scalars()]


def _said(person: str) -> str:
    return f"{'user' if person[0] == 'u' else 'session'} {person[1:]!r}"


def _hand_over(connection: Connection, person: str, target: str, now: int) -> None:
    """Give the attributes of a user to another who lacks them."""
    both = select(users).where(users.c.user_id.in_([person[1:], target[1:]]))
    known = {row.user_id: row for row in connection.execute(both)}
    old, new = known.get(person[1:]), known.get(target[1:])
    if person[0] != "u" or old is None:
        return
    attributes = msgspec.json.decode(old.attributes)
    if new is not None:
        attributes |= msgspec.json.decode(new.attributes)
    created = old.created if new is None else min(old.created, new.created)
    row = {
        "user_id": target[1:],
        "attributes": msgspec.json.encode(attributes).decode(),
        "created": created,
        "updated": now,
    }
    upsert(connection, users, [row])
    connection.execute(delete(users).where(users.c.user_id == person[1:]))


class _Deleted(NamedTuple):
    """How many rows of what were deleted, and the first position of the events."""

    first: int | None
    events: int
    recommendations: int
    others: int

    @property
    def anything(self) -> bool:
        return self.events + self.recommendations + self.others > 0


def _delete(store: Store, connection: Connection, person: str) -> _Deleted:
    """Delete all rows of a person and of everyone merged into them."""
    theirs = sa.text(f"person IN {KNOWN_AS}").bindparams(person=person)
    uncount(connection, person)
    first = connection.execute(select(func.min(events.c.position)).where(theirs)).scalar()
    ids = connection.execute(select(events.c.event_id).where(theirs)).scalars()
    buried = [{"hash": tombstone(store.salt, event_id)} for event_id in ids]
    upsert(connection, tombstones, buried)
    acted, shown = (
        connection.execute(delete(table).where(theirs)).rowcount
        for table in (events, recommendations)
    )
    known = connection.execute(delete(users).where(_USERS.bindparams(person=person))).rowcount
    merged = connection.execute(delete(merges).where(merges.c.into == person)).rowcount
    if merged:
        bump(connection, "merges")
    return _Deleted(first, acted, shown, known + merged)


_USERS = sa.text(
    f"user_id IN (SELECT substr(person, 2) FROM {KNOWN_AS} AS known WHERE person >= 'u')"
)


def _rows(store: Store, table: sa.Table, people: list[str]) -> Iterator[dict[str, Any]]:
    """Read all rows of some people, a batch at a time."""
    for person in people:
        place: tuple[int, int] | None = None
        while True:
            asked = select(table).where(table.c.person == person)
            if place is not None:
                asked = asked.where(tuple_(table.c.time, table.c.position) > tuple_(*place))
            asked = asked.order_by(table.c.time, table.c.position).limit(BATCH)
            with store.reading() as connection:
                batch = connection.execute(asked).all()
            yield from (_exported(row._asdict()) for row in batch)
            if len(batch) < BATCH:
                break
            place = (batch[-1].time, batch[-1].position)


def _exported(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its JSON read, and without what only the log needs."""
    held = ("items", "context", "properties", "request")
    return {
        name: msgspec.json.decode(value) if name in held and value is not None else value
        for name, value in row.items()
        if name != "digest"
    }
