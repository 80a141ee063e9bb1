"""Events as they arrive: read one by one, so that a bad one never loses the good ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from penchant.errors import BadParameter, PenchantError
from penchant.identity import clean_id, made_id
from penchant.serving.moments import SECOND, moment, written
from penchant.serving.shapes import Accepted, EventIn, Rejected
from penchant.store.log import Event, digest, person

AHEAD = 300 * SECOND
"""How far a client's clock may be ahead of ours."""

MOST = 10_000
"""Events in a batch."""

LARGEST = 16_384
"""Bytes of an event's context, and of its properties."""

DEEPEST = 32
"""Levels of objects and lists in each: whoever reads them later must not run out of stack."""

IMPRESSION = "impression"

REFUSED = {
    "conflict": "another event with this event_id is stored; a new event needs an id of its own",
    "erased": "the event was erased with its person",
}


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


class Refused(PenchantError, ValueError):
    """Why an event is not taken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Taken:
    """What was read of a body: events to store, and where they stood; those that are no events."""

    events: list[Event]
    places: list[int]
    rejected: list[Rejected]

    def accepted(self, outcome: list[str]) -> Accepted:
        """Return the reply, given what became of each event in the log."""
        ids: list[str | None] = [None] * (len(self.events) + len(self.rejected))
        refused = list(self.rejected)
        for event, place, said in zip(self.events, self.places, outcome, strict=True):
            if said in REFUSED:
                refused.append(Rejected(index=place, code=said, message=REFUSED[said]))
            else:
                ids[place] = event.event_id
        return Accepted(
            accepted=outcome.count("accepted"),
            duplicates=outcome.count("duplicate"),
            rejected=sorted(refused, key=lambda one: one.index),
            event_ids=ids,
        )


_batch = msgspec.json.Decoder(_Batch)
_one = msgspec.json.Decoder(EventIn)
_json = msgspec.json.Encoder()


def taken(body: bytes, now: int) -> Taken:
    """Read a body: an event, or ``{"events": [...]}``.

    Raises
    ------
    msgspec.DecodeError : no JSON at all.
    msgspec.ValidationError : neither an event nor a batch.
    BadParameter : more events than are taken at once.
    """
    try:
        rows = _batch.decode(body).events
    except msgspec.ValidationError:
        rows = None
    except RecursionError:
        raise msgspec.DecodeError("The body is nested too deeply to be read") from None
    if rows is None:
        return _read([body], now, "$")
    if len(rows) > MOST:
        raise BadParameter(f"up to {MOST:,} events are taken at once, got {len(rows):,}")
    return _read(rows, now, "$.events[{}]")


def _read(rows: list[Any], now: int, where: str) -> Taken:
    events, places, rejected = [], [], []
    for place, row in enumerate(rows):
        at = where.format(place)
        try:
            events.append(_event(_one.decode(row), now))
            places.append(place)
        except Refused as e:
            rejected.append(Rejected(index=place, code=e.code, message=f"{at}.{e}"))
        except msgspec.ValidationError as e:
            message = str(e)
            told = message.replace("`$", f"`{at}") if "`$" in message else f"{message} - at `{at}`"
            rejected.append(Rejected(index=place, code="invalid", message=told))
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            rejected.append(Rejected(index=place, code="bad_json", message=f"{at}: {e}"))
        except RecursionError:
            told = f"{at} is nested too deeply to be read"
            rejected.append(Rejected(index=place, code="bad_json", message=told))
    return Taken(events, places, rejected)


def _event(row: EventIn, now: int) -> Event:
    user = _told("user_id", row.user_id, clean_id)
    session = _told("session_id", row.session_id, clean_id)
    if user is None and session is None:
        raise Refused("invalid", "user_id: an event needs a user_id or a session_id, or both")
    item = _told("item_id", row.item_id, clean_id)
    items = None
    if row.event_type == IMPRESSION:
        items = row.items if row.items is not None else [] if item is None else [item]
        if not items:
            raise Refused("invalid", "items: an impression names the items that were on the screen")
        items = [_told("items", one, clean_id) for one in items]
        item = None
    elif item is None:
        raise Refused("invalid", f"item_id: an event of type {row.event_type!r} needs an item_id")
    elif row.items is not None:
        raise Refused("invalid", "items: only an impression has items; another event, an item_id")
    time = now if row.timestamp is None else _told("timestamp", row.timestamp, _moment)
    if time > now + AHEAD:
        raise Refused(
            "in_the_future",
            f"timestamp: {written(time)} is more than {AHEAD // SECOND // 60} minutes from now "
            f"({written(now)}): the clock that wrote it is wrong",
        )
    told = {
        "session_id": session,
        "item_id": item,
        "kind": _told("event_type", row.event_type, clean_id),
        "value": row.value,
        "recommendation_id": _told("recommendation_id", row.recommendation_id, clean_id),
        "rank": row.rank,
        "items": items,
        "context": _facts("context", row.context),
        "properties": _facts("properties", row.properties),
    }
    who = person(user, session)
    return Event(
        event_id=_told("event_id", row.event_id, clean_id) or made_id(now),
        person=who,
        time=time,
        digest=digest(who, None if row.timestamp is None else time, *told.values()),
        **told,
    )


def _moment(given: str | float) -> int:
    return moment(given, "the time")


def _told(field: str, value: Any, read: Callable[[Any], Any]) -> Any:
    """Return a field as it is stored; whatever is wrong with it is said with its name."""
    if value is None:
        return None
    try:
        return read(value)
    except BadParameter as e:
        raise Refused("invalid", f"{field}: {e}") from None


def _facts(field: str, given: dict[str, Any] | None) -> str | None:
    if given is None:
        return None
    if not shallow(given, DEEPEST):
        raise Refused("invalid", f"{field}: up to {DEEPEST} levels of objects and lists")
    text = _json.encode(given)
    if len(text) > LARGEST:
        raise Refused("too_large", f"{field}: up to {LARGEST:,} bytes of JSON, got {len(text):,}")
    return text.decode()


def shallow(value: object, levels: int) -> bool:
    """Return whether objects and lists are nested in no more than so many levels."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return True
    return levels > 0 and all(shallow(one, levels - 1) for one in value)
