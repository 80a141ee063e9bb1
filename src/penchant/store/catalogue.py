"""What is known of items and of users."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
from sqlalchemy import Connection, Row, func, select, text, update

from penchant.errors import BadParameter
from penchant.identity import clean_id
from penchant.store.numbers import bump
from penchant.store.schema import events, items, users
from penchant.store.upsert import upsert

if TYPE_CHECKING:
    from penchant.store.store import Store

FIELDS = ("item_id", "title", "categories")
"""What no attribute of an item may be called: these are columns of the frame to learn from."""

FACTS = 16_384
"""Bytes that the attributes of an item or user may take as JSON."""


class Item(msgspec.Struct, kw_only=True):
    """An item of the catalogue.

    Parameters
    ----------
    attributes : text, numbers, true or false, and lists of these, by name.
    available_from, available_until : microseconds since 1970; shown from the first on and before
        the second. None: always.
    withdrawn : not to be shown, whatever the times say.
    created, updated : microseconds since 1970. The catalogue sets these, and ``change``: the number
        of the change that last touched the item.
    """

    item_id: str
    title: str | None = None
    categories: list[str] = []
    attributes: dict[str, Any] = {}
    available_from: int | None = None
    available_until: int | None = None
    withdrawn: bool = False
    created: int = 0
    updated: int = 0
    change: int = 0

    def available(self, now: int) -> bool:
        """Return whether the item may be shown at a time, in microseconds since 1970."""
        begun = self.available_from is None or self.available_from <= now
        over = self.available_until is not None and self.available_until <= now
        return begun and not over and not self.withdrawn


class User(msgspec.Struct, kw_only=True):
    """A user; ``created`` and ``updated`` are None for one of whom only events are known."""

    user_id: str
    attributes: dict[str, Any] = {}
    created: int | None = None
    updated: int | None = None


class Catalogue:
    """The items of a store.

    Every change has a number, which all the items it touched carry. On both stores numbers come in
    the order of the commits, so that whoever asks for ``changes`` after the last number they saw
    misses none.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, rows: Sequence[Item], *, now: int) -> int:
        """Add items, or replace them whole, all or none; return the number of the change.

        An item that was removed is back. Of two rows with one id the later counts.

        Raises
        ------
        BadParameter : an id, category, attribute or time that cannot be; nothing is written.
        """
        ready = [_checked(row, n) for n, row in enumerate(rows)]
        with self._store.writing() as connection:
            return _put(connection, ready, now)

    def replace_all(self, rows: Sequence[Item], *, now: int) -> int:
        """Make these all the items there are; others are removed. Otherwise like ``put``."""
        ready = [_checked(row, n) for n, row in enumerate(rows)]
        with self._store.writing() as connection:
            number = _put(connection, ready, now)
            others = items.c.change.is_distinct_from(number) & ~items.c.removed
            connection.execute(update(items).where(others).values(_emptied(now, number)))
            return number

    def remove(self, item_id: str, *, now: int) -> bool:
        """Take an item out of the catalogue for good; return whether it was there.

        What was known of it is deleted. Its id stays, so that every worker hears that it is gone
        and a model that knows it does not bring it back; events about it stay as well.
        """
        there = (items.c.item_id == item_id) & ~items.c.removed
        with self._store.writing() as connection:
            if connection.execute(select(items.c.item_id).where(there)).first() is None:
                return False
            number = bump(connection, "items")
            done = connection.execute(update(items).where(there).values(_emptied(now, number)))
            return bool(done.rowcount)

    def get(self, item_id: str) -> Item | None:
        """Return an item, or None."""
        there = (items.c.item_id == item_id) & ~items.c.removed
        with self._store.reading() as connection:
            row = connection.execute(_ITEMS.where(there)).first()
        return None if row is None else _item(row)

    def page(
        self, after: str | None = None, limit: int = 50, *, search: str | None = None
    ) -> list[Item]:
        """Return some items by id, by code point.

        Parameters
        ----------
        after : the id that the page before ended with.
        search : words that the title or the id must hold, all of them, whatever their case and
            accents; parts of words count.
        """
        asked = _ITEMS.where(~items.c.removed)
        if after is not None:
            asked = asked.where(items.c.item_id > _sought(after))
        for word in folded(_sought(search or "")).split():
            asked = asked.where(items.c.words.contains(word, autoescape=True))
        with self._store.reading() as connection:
            rows = connection.execute(asked.order_by(items.c.item_id).limit(limit)).all()
        return [_item(row) for row in rows]

    def changes(self, after: int) -> list[Item]:
        """Return the items touched since a change, in the order of changes.

        Removed ones come as ``withdrawn`` and with nothing else.
        """
        asked = _ITEMS.where(items.c.change > after).order_by(items.c.change, items.c.item_id)
        with self._store.reading() as connection:
            return [_item(row) for row in connection.execute(asked)]

    def touched(self, after: int) -> int:
        """Return how many items ``changes`` would give."""
        asked = select(func.count()).select_from(items).where(items.c.change > after)
        with self._store.reading() as connection:
            return int(connection.execute(asked).scalar_one())

    def withdrawn(self, after: int) -> list[str]:
        """Return the ids of those among ``changes`` that are not to be shown: quickly told."""
        asked = select(items.c.item_id).where(items.c.change > after, items.c.withdrawn)
        with self._store.reading() as connection:
            return list(connection.execute(asked).scalars())

    def count(self) -> int:
        """Return how many items there are."""
        asked = select(func.count()).select_from(items).where(~items.c.removed)
        with self._store.reading() as connection:
            return int(connection.execute(asked).scalar_one())

    def frame(self) -> pl.DataFrame:
        """Return all items for training, by id, those included that are not to be shown now.

        Returns
        -------
        Columns ``item_id``, ``title``, ``categories`` (joined by "|") and one for each attribute,
        by name: numbers as Float64, the rest as text, lists joined by "|".
        """
        asked = _ITEMS.where(~items.c.removed).order_by(items.c.item_id)
        with self._store.reading() as connection:
            return framed([_item(row) for row in connection.execute(asked)])


def framed(rows: Sequence[Item]) -> pl.DataFrame:
    """Return items as a table, with the columns that ``Catalogue.frame`` has."""
    categories = ["|".join(row.categories) or None for row in rows]
    fields = {
        "item_id": pl.Series([row.item_id for row in rows], dtype=pl.String),
        "title": pl.Series([row.title for row in rows], dtype=pl.String),
        "categories": pl.Series(categories, dtype=pl.String),
    }
    names = sorted({name for row in rows for name in row.attributes})
    more = {name: _column([row.attributes.get(name) for row in rows]) for name in names}
    return pl.DataFrame(fields | more)


class People:
    """The users of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, rows: Sequence[User], *, now: int) -> None:
        """Add users, or replace what is known of them, all or none.

        Raises
        ------
        BadParameter : an id or attributes that cannot be; nothing is written.
        """
        ready = [
            {
                "user_id": _identified(row.user_id, f"users[{n}].user_id"),
                "attributes": facts(row.attributes, f"users[{n}].attributes"),
                "created": now,
                "updated": now,
            }
            for n, row in enumerate(rows)
        ]
        with self._store.writing() as connection:
            upsert(connection, users, ready, keep=["created"])

    def get(self, user_id: str) -> User | None:
        """Return a user that was put or has events, or None."""
        met = select(events.c.person).where(events.c.person == f"u{user_id}").limit(1)
        with self._store.reading() as connection:
            row = connection.execute(select(users).where(users.c.user_id == user_id)).first()
            if row is None:
                known = connection.execute(met).first() is not None
                return User(user_id=user_id) if known else None
        return _user(row)

    def page(
        self, after: str | None = None, limit: int = 50, *, search: str | None = None
    ) -> list[User]:
        """Return some users by id, by code point: those that were put, and those with events.

        Parameters
        ----------
        after : the id that the page before ended with.
        search : what the ids must begin with.
        """
        # No id in code point order lies between these and is of another beginning.
        low, after = _sought(search or ""), _sought(after or "")
        high = low + LAST
        put = select(users).where(users.c.user_id >= low, users.c.user_id <= high)
        put = put.where(users.c.user_id > after).order_by(users.c.user_id).limit(limit)
        begin = {"low": f"u{low}", "after": f"u{after}", "high": f"u{high}", "limit": limit}
        with self._store.reading() as connection:
            rows = connection.execute(put).all()
            met = connection.execute(_MET, begin).scalars().all()
        found = {person[1:]: User(user_id=person[1:]) for person in met}
        found |= {row.user_id: _user(row) for row in rows}
        return [found[user_id] for user_id in sorted(found)[:limit]]


LAST = "\U0010ffff"
"""The last code point there is, which no id ends with."""

_ITEMS = select(*(column for column in items.c if column.name != "words"))

# Everyone who has events, one look into the index each: DISTINCT would read all of it, and SQLite
# goes to the end of a recursion whatever limit stands outside.
_MET = text("""
WITH RECURSIVE met(person, n) AS (
    SELECT min(person), 1 FROM events
    WHERE person >= :low AND person > :after AND person <= :high
    UNION ALL
    SELECT (SELECT min(person) FROM events WHERE person > met.person AND person <= :high), n + 1
    FROM met WHERE met.person IS NOT NULL AND n < :limit
)
SELECT person FROM met WHERE person IS NOT NULL
""")


def folded(words: str) -> str:
    """Return text without case, accents and other marks, as it is searched."""
    apart = unicodedata.normalize("NFKD", words.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one)).casefold()


def facts(attributes: dict[str, Any], where: str) -> str:
    """Return attributes as the JSON that is stored.

    Raises
    ------
    BadParameter : a value other than text, finite numbers, true or false and lists of these; or
        more than 16 kB.
    """
    if not isinstance(attributes, dict):
        raise BadParameter(f"{where} is an object of names and values, got {attributes!r:.80}")
    for name, value in attributes.items():
        if not isinstance(name, str) or not name or "\x00" in name:
            raise BadParameter(f"{where} has the name {name!r:.80}; a name is text, not empty")
        for one in value if isinstance(value, list) else [value]:
            if not _plain(one):
                raise BadParameter(
                    f"{where}.{name} is {one!r:.80}; text, finite numbers, true or false and lists "
                    "of these are possible"
                )
    made = msgspec.json.encode(attributes)
    if len(made) > FACTS:
        raise BadParameter(f"{where} takes {len(made):,} bytes; at most {FACTS:,} are possible")
    return made.decode()


def _plain(one: object) -> bool:
    """Whether a value can be kept and comes back the same."""
    if isinstance(one, str):
        return _encodes(one)
    if isinstance(one, (bool, int)):
        return -(2**63) <= one < 2**63
    return isinstance(one, float) and one - one == 0


def _encodes(one: str) -> bool:
    """Whether text is valid Unicode without NUL, which PostgreSQL cannot hold."""
    try:
        return b"\x00" not in one.encode()
    except UnicodeEncodeError:
        return False


def _identified(one: object, where: str) -> str:
    try:
        return clean_id(one)
    except BadParameter as error:
        raise BadParameter(f"{where}: {error}") from error


def _sought(words: str) -> str:
    """Return what someone searches for, if a database can be asked for it."""
    if not _encodes(words):
        raise BadParameter(f"{words!r:.80} is not text that anything here could hold")
    return words


def _checked(row: Item, n: int) -> dict[str, Any]:
    """Return an item as the columns that hold it."""
    where = f"items[{n}]"
    field = next((name for name in FIELDS if name in row.attributes), None)
    if field is not None:
        raise BadParameter(
            f"{where}.attributes.{field}: {field} is a field of its own, beside them"
        )
    item_id = _identified(row.item_id, f"{where}.item_id")
    if row.title is not None and not _encodes(row.title):
        raise BadParameter(f"{where}.title is {row.title!r:.80}, which is not text")
    categories = [_identified(one, f"{where}.categories") for one in row.categories]
    begin, end = row.available_from, row.available_until
    if begin is not None and end is not None and end <= begin:
        raise BadParameter(
            f"{where}: available_until ({end}) is not after available_from ({begin}), so that "
            "the item would never be shown; use withdrawn for that"
        )
    return {
        "item_id": item_id,
        "title": row.title,
        "categories": msgspec.json.encode(list(dict.fromkeys(categories))).decode(),
        "attributes": facts(row.attributes, f"{where}.attributes"),
        "available_from": begin,
        "available_until": end,
        "withdrawn": row.withdrawn,
        "removed": False,
        "words": folded(f"{row.title or ''} {item_id}"),
    }


def _put(connection: Connection, ready: list[dict[str, Any]], now: int) -> int:
    # The row of the number is locked from here to the commit: numbers come in commit order.
    number = bump(connection, "items")
    stamped = {"created": now, "updated": now, "change": number}
    # In the order of ids, so that pages of the index are written one after the other.
    rows = sorted((row | stamped for row in ready), key=lambda row: str(row["item_id"]))
    upsert(connection, items, rows, keep=["created"])
    return number


def _emptied(now: int, number: int) -> dict[str, Any]:
    """Return what is left of an item that is removed."""
    return {
        "title": None,
        "categories": "[]",
        "attributes": "{}",
        "available_from": None,
        "available_until": None,
        "withdrawn": True,
        "removed": True,
        "words": "",
        "updated": now,
        "change": number,
    }


def _item(row: Row[Any]) -> Item:
    return Item(
        item_id=row.item_id,
        title=row.title,
        categories=_texts(row.categories),
        attributes=_object(row.attributes),
        available_from=row.available_from,
        available_until=row.available_until,
        withdrawn=row.withdrawn,
        created=row.created,
        updated=row.updated,
        change=row.change,
    )


def _user(row: Row[Any]) -> User:
    return User(
        user_id=row.user_id,
        attributes=_object(row.attributes),
        created=row.created,
        updated=row.updated,
    )


_texts = msgspec.json.Decoder(list[str]).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


def _column(values: list[Any]) -> pl.Series:
    """Return one attribute of all items: numbers if all are, text otherwise."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given):
        return pl.Series(values, dtype=pl.Float64, strict=False)
    return pl.Series(
        [None if value is None else _written(value) for value in values], dtype=pl.String
    )


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(map(_written, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
