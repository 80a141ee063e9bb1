"""Requests to queries: who asks, and what they did, in the codes of the shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.queries import Queries
from penchant.recommender import Recommender
from penchant.serving.moments import moment
from penchant.serving.shapes import Ask
from penchant.serving.shelf import Shelf
from penchant.store.log import Rows, person

NOBODY = IdMap([])
NAN = float("nan")


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
