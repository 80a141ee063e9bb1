"""The log of recommendations: what was shown, to whom, by which model and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    case,
    cast,
    func,
    select,
    tuple_,
    update,
)

from penchant.errors import UnknownId
from penchant.store.numbers import driver, placeholder
from penchant.store.schema import events, recommendations

if TYPE_CHECKING:
    from penchant.store.store import Store

MINUTE = 60 * 10**6
"""Microseconds."""

NOT_CLICKS = ("impression", "hide")
"""Kinds that follow a list without being an answer to it."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A list that was given out.

    Parameters
    ----------
    person : whom it was for, as ``log.person`` says; None: nobody in particular.
    time : microseconds since 1970.
    model : the version; None: no model was in use.
    fallback : whether the person was unknown to the model.
    shown : how many of ``items`` are the first page.
    request : JSON of what was asked.
    items : JSON, ``[[item_id, score, source, reason, propensity], ...]`` in display order.
    position : the place in the log of recommendations, set by it.
    """

    recommendation_id: str
    person: str | None
    time: int
    model: str | None
    fallback: bool
    shown: int
    request: str
    items: str
    experiment: str | None = None
    variant: str | None = None
    position: int = 0


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """An event that names a list: of which item, what kind, when (microseconds since 1970)."""

    item_id: str | None
    kind: str
    time: int
    rank: int | None


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lists given out in one minute.

    Parameters
    ----------
    minute : its beginning, microseconds since 1970.
    lists, items : lists given out, and items on their first pages.
    fallbacks : lists for people the model did not know.
    impressions : lists of which an event says that they were seen.
    clicks : items of lists that an event followed, of any kind but impression and hide; an item of
        a list counts once.
    clicked : lists of which at least one item was.
    """

    minute: int
    lists: int
    items: int
    fallbacks: int
    impressions: int
    clicks: int
    clicked: int


class RecommendationLog:
    """The lists that were given out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, rows: Sequence[Shown], *, connection: Connection | None = None) -> None:
        """Note lists. People who were merged into others are noted as those.

        Parameters
        ----------
        connection : from ``Store.writing``, to be one transaction with other writes.
        """
        if connection is None:
            with self._store.writing() as connection:
                self.add(rows, connection=connection)
        elif rows:
            driver(connection).cursor().executemany(
                _INSERT.replace("?", placeholder(connection)),
                [
                    (r.recommendation_id, r.person, r.person, r.time, r.model, r.experiment,
                     r.variant, r.fallback, r.shown, r.request, r.items)
                    for r in rows
                ],
            )  # fmt: skip

    def get(self, recommendation_id: str) -> Shown | None:
        """Return a list, or None."""
        asked = select(recommendations).where(
            recommendations.c.recommendation_id == recommendation_id
        )
        with self._store.reading() as connection:
            row = connection.execute(asked).first()
        return None if row is None else Shown(**row._mapping)

    def extend(
        self, recommendation_id: str, after: int, more: list[list[Any]], *, connection: Connection
    ) -> list[list[Any]]:
        """Add items to a list of ``after`` items; return all of it.

        A list that has become longer meanwhile stays as it is: the same page was asked for twice.

        Raises
        ------
        UnknownId : the list is gone.
        """
        there = recommendations.c.recommendation_id == recommendation_id
        asked = select(recommendations.c["items"]).where(there).with_for_update()
        found = connection.execute(asked).scalar()
        if found is None:
            raise UnknownId(f"there is no list {recommendation_id!r}: its person was erased")
        entries: list[list[Any]] = msgspec.json.decode(found)
        if len(entries) == after:
            entries += more
            text = msgspec.json.encode(entries).decode()
            connection.execute(update(recommendations).where(there).values(items=text))
        return entries

    def page(self, person: str, before: int | None = None, limit: int = 50) -> list[Shown]:
        """Return lists for a person, newest first.

        Parameters
        ----------
        before : the ``position`` that the page before ended with; if that list has been erased
            since, there is no further page.
        """
        table = recommendations.c
        asked = select(recommendations).where(table.person == person)
        if before is not None:
            at = select(table.time).where(table.position == before).scalar_subquery()
            asked = asked.where(tuple_(table.time, table.position) < tuple_(at, before))
        newest = asked.order_by(table.time.desc(), table.position.desc()).limit(limit)
        with self._store.reading() as connection:
            return [Shown(**row._mapping) for row in connection.execute(newest)]

    def latest(self, limit: int) -> list[tuple[str, int]]:
        """Return ``items`` and ``shown`` of the lists given out last, whoever they were for."""
        table = recommendations.c
        newest = select(table["items"], table.shown).order_by(table.position.desc()).limit(limit)
        with self._store.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(newest)]

    def followed(self, recommendation_id: str) -> list[Followed]:
        """Return the events that name a list, oldest first."""
        asked = (
            select(events.c.item_id, events.c.kind, events.c.time, events.c.rank)
            .where(events.c.recommendation_id == recommendation_id)
            .order_by(events.c.time, events.c.position)
        )
        with self._store.reading() as connection:
            return [Followed(**row._mapping) for row in connection.execute(asked)]

    def clicks(self, since: int, until: int) -> list[Minute]:
        """Return what became of the lists given out at ``since`` or later and before ``until``.

        By the minute in which a list was given out, not in which it was clicked, so that
        ``clicked / lists`` is a share. Minutes without lists are left out.
        """
        with self._store.reading() as connection:
            rows = connection.execute(_clicks(since, until)).all()
        return [Minute(**row._mapping) for row in rows]


_INSERT = """
INSERT INTO recommendations (recommendation_id, person, time, model, experiment, variant, fallback,
    shown, request, items)
VALUES (?, coalesce((SELECT "into" FROM merges WHERE person = ?), ?), ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _clicks(since: int, until: int) -> Select[Any]:
    """Return the statement; both tables are read from their indexes alone."""
    lists, follows = recommendations.c, events.c
    answer = case((follows.kind.not_in(NOT_CLICKS), follows.item_id))
    # One row a list: joined to its events, it would be counted as often as it has any.
    each = (
        select(
            (lists.time - lists.time % MINUTE).label("minute"),
            lists.shown,
            case((lists.fallback, 1), else_=0).label("fallback"),
            func.max(case((follows.kind == "impression", 1), else_=0)).label("seen"),
            func.count(answer.distinct()).label("clicks"),
        )
        .outerjoin(events, follows.recommendation_id == lists.recommendation_id)
        .where((lists.time >= since) & (lists.time < until))
        .group_by(lists.recommendation_id, lists.time, lists.shown, lists.fallback)
        .subquery()
    )
    return (
        select(
            each.c.minute,
            func.count().label("lists"),
            _sum(each.c.shown).label("items"),
            _sum(each.c.fallback).label("fallbacks"),
            _sum(each.c.seen).label("impressions"),
            _sum(each.c.clicks).label("clicks"),
            _sum(case((each.c.clicks > 0, 1), else_=0)).label("clicked"),
        )
        .group_by(each.c.minute)
        .order_by(each.c.minute)
    )


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    """Return a sum as a whole number; PostgreSQL makes a decimal one."""
    return cast(func.sum(column), BigInteger)
