"""What a client can ask: each call as the request it sends and the reply it gets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, Required, TypedDict, TypeVar
from urllib.parse import quote

import msgspec

from penchant.identity import made_id
from penchant.serving.shapes import (
    Accepted,
    Erasure,
    EventPage,
    Explained,
    Export,
    ItemOut,
    ItemPage,
    Listed,
    Merged,
    ModelList,
    Ranked,
    Ready,
    RuleList,
    RuleOut,
    Stored,
    UserOut,
    UserPage,
    Valid,
)

T = TypeVar("T")
BATCH = 1000
"""Events, or items, sent at a time."""

PAGE = 200
"""Rows of a page."""


class EventFields(TypedDict, total=False):
    """An event; see docs/service/api.md. One of user_id and session_id is needed."""

    user_id: str
    session_id: str
    item_id: str
    event_type: str
    timestamp: str | float
    value: float
    event_id: str
    recommendation_id: str
    rank: int
    items: list[str]
    context: dict[str, Any]
    properties: dict[str, Any]


class AskFields(TypedDict, total=False):
    """A request for a list; see ``penchant.serving.shapes.Ask``."""

    user_id: str
    session_id: str
    history: list[dict[str, Any]]
    tastes: dict[str, float]
    k: int
    context: dict[str, Any]
    filters: dict[str, Any]
    exclude: list[str]
    boosts: list[dict[str, Any]]
    pins: list[dict[str, Any]]
    bury: list[str]
    diversity: float
    allow_seen: bool
    reasons: bool
    cursor: str
    model: str


class ItemFields(TypedDict, total=False):
    """What is known of an item; see ``penchant.serving.shapes.ItemIn``."""

    title: str
    categories: list[str]
    attributes: dict[str, Any]
    available_from: str | float
    available_until: str | float
    withdrawn: bool


class ItemRowFields(ItemFields, total=False):
    """An item of many."""

    item_id: Required[str]


class RuleFields(TypedDict, total=False):
    """A boost, pin or bury for everyone; see ``penchant.serving.shapes.RuleIn``."""

    action: Required[str]
    item_id: str
    category: str
    amount: float
    rank: int
    valid_from: str | float
    valid_until: str | float


class Call(NamedTuple, Generic[T]):
    """One request: what to send, what comes back, and whether a second try can do no harm.

    ``also`` are statuses, besides those of success, that come with the same reply.
    """

    method: str
    path: str
    returns: type[T]
    body: Any = None
    query: Mapping[str, Any] = {}
    again: bool = True
    also: tuple[int, ...] = ()

    def after(self, cursor: str) -> Call[T]:
        """Return the call for the next page."""
        return self._replace(query={**self.query, "cursor": cursor})


def batches(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield lists of at most ``BATCH`` rows."""
    rest = iter(rows)
    while part := list(islice(rest, BATCH)):
        yield part


def total(parts: Iterable[Accepted]) -> Accepted:
    """Return what became of consecutive batches, the rejected by their place in the whole."""
    whole = Accepted(accepted=0, duplicates=0, rejected=[], event_ids=[])
    for part in parts:
        first = len(whole.event_ids)
        whole.accepted += part.accepted
        whole.duplicates += part.duplicates
        whole.rejected += [msgspec.structs.replace(r, index=first + r.index) for r in part.rejected]
        whole.event_ids += part.event_ids
    return whole


def _part(one: str) -> str:
    """Return an id as one part of a path."""
    return quote(one, safe="")


def _query(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def events(sent: Iterable[EventFields]) -> Call[Accepted]:
    """Store events; one without an id gets one now, so that a second try is no repeat."""
    whole = [{"event_id": made_id(time.time_ns() // 1000), **event} for event in sent]
    return Call("POST", "/v1/events", Accepted, {"events": whole})


def recommend(ask: AskFields) -> Call[Listed]:
    """Make a list."""
    return Call("POST", "/v1/recommendations", Listed, ask)


def validate(ask: AskFields) -> Call[Valid]:
    """See whether a list could be made."""
    return Call("POST", "/v1/recommendations", Valid, {**ask, "validate_only": True})


def explain(item_id: str, ask: AskFields) -> Call[Explained]:
    """Say why, or why not."""
    return Call("POST", "/v1/explain", Explained, {**ask, "item_id": item_id})


def similar(item_id: str, k: int, categories: Sequence[str]) -> Call[Ranked]:
    """Find items like one."""
    query = _query(k=k, category=list(categories))
    return Call("GET", f"/v1/items/{_part(item_id)}/similar", Ranked, query=query)


def counted(which: str, k: int, days: int | None, categories: Sequence[str]) -> Call[Ranked]:
    """Find what is popular, or trending."""
    query = _query(k=k, days=days, category=list(categories))
    return Call("GET", f"/v1/{which}", Ranked, query=query)


def put_item(item_id: str, item: ItemFields) -> Call[ItemOut]:
    """Store an item."""
    return Call("PUT", f"/v1/items/{_part(item_id)}", ItemOut, item)


def put_items(items: Sequence[ItemRowFields]) -> Call[Stored]:
    """Store items, all of them or none."""
    return Call("POST", "/v1/items", Stored, {"items": items})


def item(item_id: str) -> Call[ItemOut]:
    """Look an item up."""
    return Call("GET", f"/v1/items/{_part(item_id)}", ItemOut)


def remove_item(item_id: str) -> Call[None]:
    """Take an item out."""
    return Call("DELETE", f"/v1/items/{_part(item_id)}", type(None))


def items(search: str | None) -> Call[ItemPage]:
    """List items."""
    return Call("GET", "/v1/items", ItemPage, query=_query(limit=PAGE, search=search))


def put_user(user_id: str, attributes: Mapping[str, Any]) -> Call[UserOut]:
    """Store a user."""
    return Call("PUT", f"/v1/users/{_part(user_id)}", UserOut, {"attributes": attributes})


def user(user_id: str) -> Call[UserOut]:
    """Look a user up."""
    return Call("GET", f"/v1/users/{_part(user_id)}", UserOut)


def users(search: str | None) -> Call[UserPage]:
    """List users."""
    return Call("GET", "/v1/users", UserPage, query=_query(limit=PAGE, search=search))


def user_events(user_id: str) -> Call[EventPage]:
    """List what a user did."""
    path = f"/v1/users/{_part(user_id)}/events"
    return Call("GET", path, EventPage, query=_query(limit=PAGE))


def merge(user_id: str, session_id: str | None, from_user_id: str | None) -> Call[Merged]:
    """Say who a session, or another user, is."""
    body = _query(user_id=user_id, session_id=session_id, from_user_id=from_user_id)
    return Call("POST", "/v1/users/merge", Merged, body)


def export(user_id: str) -> Call[Export]:
    """Hand out all that is stored about a user."""
    return Call("GET", f"/v1/users/{_part(user_id)}/export", Export)


def erase(user_id: str) -> Call[Erasure]:
    """Erase a user."""
    return Call("DELETE", f"/v1/users/{_part(user_id)}", Erasure)


def erasure(erasure_id: str) -> Call[Erasure]:
    """See how far an erasure has come."""
    return Call("GET", f"/v1/erasures/{_part(erasure_id)}", Erasure)


def models() -> Call[ModelList]:
    """List the versions of the model."""
    return Call("GET", "/v1/models", ModelList)


def promote(version: str, expected: str | None) -> Call[ModelList]:
    """Use a version."""
    body = _query(version=version, expected=expected)
    return Call("POST", "/v1/models/promote", ModelList, body, again=False)


def roll_back() -> Call[ModelList]:
    """Use the version before."""
    return Call("POST", "/v1/models/rollback", ModelList, {}, again=False)


def rules() -> Call[RuleList]:
    """List the rules."""
    return Call("GET", "/v1/rules", RuleList)


def add_rule(rule: RuleFields) -> Call[RuleOut]:
    """Store a rule; each time another."""
    return Call("POST", "/v1/rules", RuleOut, rule, again=False)


def remove_rule(rule_id: str) -> Call[None]:
    """Remove a rule."""
    return Call("DELETE", f"/v1/rules/{_part(rule_id)}", type(None))


def ready() -> Call[Ready]:
    """See whether the service can answer; that it cannot (503) is an answer."""
    return Call("GET", "/health/ready", Ready, also=(503,))
