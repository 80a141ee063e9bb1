"""How often items were met each day, and from that what is popular and what is trending."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, func, select

from penchant.errors import BadParameter
from penchant.store.numbers import hold
from penchant.store.schema import daily, events, numbers
from penchant.times import DAY

if TYPE_CHECKING:
    from penchant.store.store import Store

Number = TypeVar("Number", int, float)

KNOWN_AS = (
    """(SELECT :person AS person UNION ALL SELECT person FROM merges WHERE "into" = :person)"""
)
"""A person and everyone merged into them, for statements: a list might be too long for one."""

PRIOR = 10.0
"""Events by which ``trending`` doubts a rise: one from 0 to 10 counts as a doubling."""

BEFORE = 4
"""How many times as long the days are that ``trending`` compares with."""

NOT_LIKED = ("hide",)
"""Kinds that are not counted unless they are asked for."""


def count_up(store: Store, limit: int = 5000) -> int:
    """Count events that have come since the last time; return how many: 0, none are left.

    Each event is counted once, however many processes call this: how far they came is moved in the
    transaction that counts. Impressions are not counted.

    Parameters
    ----------
    limit : events in one transaction, during which nothing else can be written to SQLite.
    """
    with store.reading() as connection:
        if store.numbers(connection).get("daily", 0) >= _last(connection):
            return 0
    with store.writing() as connection:
        after = hold(connection, "daily")
        some = select(events.c.position).where(events.c.position > after)
        some = some.order_by(events.c.position).limit(limit)
        upto, many = connection.execute(
            select(func.max(some.subquery().c.position), func.count())
        ).one()
        if upto is None:
            return 0
        connection.execute(_COUNT, {"after": after, "upto": upto})
        moved = sa.update(numbers).where(numbers.c.name == "daily").values(number=upto)
        connection.execute(moved)
        return int(many)


def uncount(connection: Connection, person: str) -> None:
    """Take events that are about to be deleted out of the counts, as far as they are counted.

    It keeps others from counting until the transaction ends.

    Parameters
    ----------
    person : whose they are, and of those merged into them.
    """
    connection.execute(_UNCOUNT, {"person": person, "upto": hold(connection, "daily")})
    connection.execute(_FORGET, {"person": person})


def popular(
    store: Store,
    days: int,
    kinds: Collection[str] | None,
    k: int,
    *,
    now: int,
    items: Collection[str] | None = None,
) -> list[tuple[str, int]]:
    """Return the items that were met most often, with how often; of equals, the smaller id first.

    Parameters
    ----------
    days : how many, today included. They are counted back from ``now``, or from the last day that
        has events if that is earlier, so that an old log has popular items too.
    kinds : of events that count; None: all but "hide".
    now : microseconds since 1970.
    items : ids that may be returned, best as a set; None: all, also items that the catalogue does
        not hold or has withdrawn.
    """
    with store.reading() as connection:
        last = _last_day(connection, now)
        found = _sums(connection, last - _checked(days) + 1, last, kinds)
    return _best({item: n for item, n in found.items() if items is None or item in items}, k)


def trending(
    store: Store,
    days: int,
    kinds: Collection[str] | None,
    k: int,
    *,
    now: int,
    items: Collection[str] | None = None,
) -> list[tuple[str, float]]:
    """Return the items whose share of all events has risen most, with by how much.

    The last ``days`` are compared with the four times as many before them. If an item had its
    share of then, it would now have e events; it has n. The score is ``(n + 10) / (e + 10)``: the
    expected ratio of n to e where n is Poisson with mean ``ratio * e`` and the ratio has the prior
    Gamma(10, 10), the Gamma-Poisson shrinker of DuMouchel (The American Statistician 53, 1999). So
    an item that went from 1 event to 3 does not beat one that went from 200 to 500.

    Parameters are those of ``popular``. Items without events in the last days are not returned.
    """
    with store.reading() as connection:
        last = _last_day(connection, now)
        first = last - _checked(days) + 1
        recent = _sums(connection, first, last, kinds)
        before = _sums(connection, first - BEFORE * days, first - 1, kinds)
    scale = sum(recent.values()) / (sum(before.values()) or 1)
    scores = {
        item: (n + PRIOR) / (before.get(item, 0) * scale + PRIOR)
        for item, n in recent.items()
        if items is None or item in items
    }
    return _best(scores, k)


def _checked(days: int) -> int:
    if not 1 <= days <= 3660:
        raise BadParameter(f"days is from 1 to 3660, got {days!r}")
    return days


def _last(connection: Connection) -> int:
    return int(connection.execute(select(func.max(events.c.position))).scalar() or 0)


def _last_day(connection: Connection, now: int) -> int:
    """Return today, or the last day that has counts if that is earlier; days since 1970."""
    last = connection.execute(select(func.max(daily.c.day))).scalar()
    return now // DAY if last is None else min(now // DAY, int(last))


def _sums(
    connection: Connection, first: int, last: int, kinds: Collection[str] | None
) -> dict[str, int]:
    """Return how often each item was met from one day to another, both included."""
    many = sa.cast(func.sum(daily.c["count"]), sa.BigInteger)
    wanted = daily.c.kind.not_in(NOT_LIKED) if kinds is None else daily.c.kind.in_(list(kinds))
    asked = (
        select(daily.c.item_id, many)
        .where(daily.c.day.between(first, last), wanted)
        .group_by(daily.c.item_id)
    )
    return {item_id: int(n) for item_id, n in connection.execute(asked)}


def _best(scores: Mapping[str, Number], k: int) -> list[tuple[str, Number]]:
    return heapq.nsmallest(k, scores.items(), key=lambda one: (-one[1], one[0]))


# Rounded down, before 1970 as well; the two databases divide towards zero.
_DAY = f"(time - ((time % {DAY}) + {DAY}) % {DAY}) / {DAY}"

_ADD = f"""
INSERT INTO daily (day, kind, item_id, count)
SELECT {_DAY}, kind, item_id, {{}}count(*) FROM events
WHERE {{}} AND position <= :upto AND item_id IS NOT NULL
GROUP BY 1, 2, 3
ON CONFLICT (day, kind, item_id) DO UPDATE SET count = daily.count + excluded.count
"""
_COUNT = sa.text(_ADD.format("", "position > :after"))
_UNCOUNT = sa.text(_ADD.format("-", f"person IN {KNOWN_AS}"))
_FORGET = sa.text(
    "DELETE FROM daily WHERE count <= 0 "
    f"AND day IN (SELECT {_DAY} FROM events WHERE person IN {KNOWN_AS})"
)
