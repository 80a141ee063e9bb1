"""Requests to queries: who asks, and what they did, in the codes of the shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import replace

from penchant.errors import BadParameter
from penchant.histories import Histories
from penchant.identity import clean_id
from penchant.ids import IdMap
from penchant.queries import Queries
from penchant.recommender import Recommender
from penchant.serving.moments import moment
from penchant.serving.shapes import Ask, Shape
from penchant.serving.shelf import Shelf
from penchant.serving.taking import LARGEST
from penchant.store.log import Rows, person

NOBODY = IdMap([])
NAN = float("nan")

_encode = msgspec.json.Encoder().encode


def cleaned(ask: Ask) -> Ask:
    """Return a request with its ids in the form in which the store keeps them.

    Raises
    ------
    BadParameter : an id that cannot be; a boost of nothing, or of two things; too large a context.
    """
    size = len(_encode(ask.context)) if ask.context else 0
    if size > LARGEST:
        raise BadParameter(f"context: up to {LARGEST:,} bytes of JSON, got {size:,}")
    for n, boost in enumerate(ask.boosts or ()):
        if (boost.item_id is None) == (boost.category is None):
            raise BadParameter(f"boosts[{n}] is about an item_id or a category, one of the two")
    return replace(
        ask,
        **_clean(ask, "user_id", "session_id", "exclude", "bury"),
        history=ask.history and [replace(one, **_clean(one, "item_id")) for one in ask.history],
        filters=ask.filters
        and replace(ask.filters, **_clean(ask.filters, "categories", "not_categories", "items")),
        boosts=ask.boosts and [replace(b, **_clean(b, "item_id", "category")) for b in ask.boosts],
        pins=ask.pins and [replace(pin, **_clean(pin, "item_id")) for pin in ask.pins],
    )


def _clean(shape: Shape, *fields: str) -> dict[str, Any]:
    given = {name: getattr(shape, name) for name in fields}
    return {
        name: [clean_id(one) for one in value] if isinstance(value, list) else clean_id(value)
        for name, value in given.items()
        if value is not None
    }


class Askers(NamedTuple):
    """Whose histories a batch of requests reads."""

    people: list[str]
    asks: list[int]  # which request each of them belongs to

    @classmethod
    def of(cls, asks: Sequence[Ask]) -> Askers:
        """Return who asks: the user, and the session too where both are given."""
        people, owners = [], []
        for n, ask in enumerate(asks):
            if ask.user_id is not None:
                people.append(person(ask.user_id, None))
                owners.append(n)
            if ask.session_id is not None:
                people.append(person(None, ask.session_id))
                owners.append(n)
        return cls(people, owners)

    def known_as(self, names: Mapping[str, str]) -> Askers:
        """Return the same people under the names they have since they were merged, each once."""
        pairs = dict.fromkeys(
            (names.get(one, one), n) for one, n in zip(self.people, self.asks, strict=True)
        )
        return Askers([one for one, _ in pairs], [n for _, n in pairs])


class Told(NamedTuple):
    """What the store has of those who ask: ``rows.row`` is a place in ``asks``."""

    asks: list[int]
    rows: Rows


NOTHING = Told([], Rows([], [], [], [], [], []))


def queries(
    shelf: Shelf, model: Recommender | None, asks: Sequence[Ask], told: Told, now: int
) -> Queries:
    """Return what is known about who asks.

    A history is what the store has of the user and of the session, and what the request hands
    over, by time; rows of the request without a time come last, as of now.
    """
    rows = told.rows
    who = [told.asks[n] for n in rows.row]
    item, kind, value, time = rows.item_id, rows.kind, rows.value, rows.time
    if any(ask.history for ask in asks):
        item, kind, value, time = [*item], [*kind], [*value], [*time]
        for n, ask in enumerate(asks):
            for past in ask.history or ():
                who.append(n)
                item.append(past.item_id)
                kind.append(past.event_type)
                value.append(NAN if past.value is None else past.value)
                time.append(now if past.timestamp is None else moment(past.timestamp, "timestamp"))
    return Queries(
        items=shelf.items,
        users=NOBODY if model is None else model.training_.users,
        histories=_histories(shelf, len(asks), who, item, kind, value, time),
        user=_users(model, asks),
        now=np.full(len(asks), now, np.int64),
        context=_context(model, asks),
        tastes=tuple(a.tastes or {} for a in asks) if any(a.tastes for a in asks) else None,
    )


def _histories(
    shelf: Shelf,
    people: int,
    who: list[int],
    item: list[str],
    kind: list[str],
    value: list[float],
    time: list[int],
) -> Histories:
    if not item:
        return Histories.empty(people)
    kinds = {one: n for n, one in enumerate(dict.fromkeys(kind))}
    codes = shelf.items.places(item)
    known = codes >= 0
    return Histories.of(
        np.array(who, np.int32)[known],
        codes[known],
        people=people,
        kind=np.fromiter(map(kinds.__getitem__, kind), np.int16, len(kind))[known],
        value=np.array(value, np.float32)[known],
        time=np.array(time, np.int64)[known],
        kinds=tuple(kinds),
    )


def _users(model: Recommender | None, asks: Sequence[Ask]) -> np.ndarray:
    nobody = np.full(len(asks), -1, np.int32)
    if model is None or "user" not in model.reads or not len(model.training_.users):
        return nobody
    known = [n for n, ask in enumerate(asks) if ask.user_id is not None]
    names = [person(asks[n].user_id, None) for n in known]
    nobody[known] = model.training_.users.encode(names)
    return nobody


def _context(model: Recommender | None, asks: Sequence[Ask]) -> pl.DataFrame | None:
    if model is None or "context" not in model.reads or not any(ask.context for ask in asks):
        return None
    return pl.DataFrame([ask.context or {} for ask in asks], strict=False)
