"""What goes over HTTP: every request and reply, with the limits of each field.

Ids are text of 1 to 256 characters. Times are ISO 8601 with a zone, or seconds since 1970; replies
hold ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

# Python's $ lets a newline follow.
PLAIN = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$(?!\n)"}
"""Text that can be an id, for JSON Schema."""

Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=PLAIN["pattern"],
        description="1 to 256 characters",
    ),
]
# Ids of events are looked at when they are stored, once, and with a better message.
SentId = Annotated[
    str,
    Meta(min_length=1, max_length=256, description="1 to 256 characters", extra_json_schema=PLAIN),
]
Time = str | int | float
Ids = Annotated[list[Id], Meta(max_length=1000)]
# Models reckon in 32 bits: what does not fit would be infinite there.
Value = Annotated[float, Meta(ge=-3e38, le=3e38)]
Facts = Annotated[dict[str, Any], Meta(description="a JSON object, up to 16 kB")]
Fact = str | bool | int | float
Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=1)], Fact | list[Fact]],
    Meta(description="text, numbers, true or false, or lists of these, by name; up to 16 kB"),
]
Scope = Literal["ingest", "read", "admin"]


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request body: fields that are not known are errors, not ignored."""


class Reply(msgspec.Struct, kw_only=True):
    """A reply body."""


class Problem(Reply, kw_only=True, omit_defaults=True):
    """What went wrong: a word for programs, a sentence for people, where it is explained."""

    code: str
    message: str
    docs: str
    path: str | None = None  # of the field, such as ``$.events[3].user_id``


class Failure(Reply, kw_only=True):
    """The one shape of every error."""

    error: Problem


# Events


class EventIn(Shape, kw_only=True):
    """Something that happened. ``user_id`` or ``session_id`` is needed, or both."""

    item_id: SentId | None = None
    event_type: Annotated[str, Meta(min_length=1, max_length=64)] = "view"
    user_id: SentId | None = None
    session_id: SentId | None = None
    timestamp: Time | None = None
    value: Value | None = None
    event_id: SentId | None = None
    recommendation_id: SentId | None = None
    rank: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    # Of an impression: what was on the screen.
    items: Annotated[list[SentId], Meta(max_length=1000)] | None = None
    context: Facts | None = None
    properties: Facts | None = None


class EventBatch(Shape, kw_only=True):
    """Up to 10,000 events."""

    events: Annotated[list[EventIn], Meta(max_length=10_000)]


class Rejected(Reply, kw_only=True):
    """An event that was not taken, by its place in the batch."""

    index: int
    code: str
    message: str


class Accepted(Reply, kw_only=True):
    """What became of the events; those accepted are durable."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    event_ids: list[str | None]  # of each event, those we made too; null: rejected


# Recommendations


class Past(Shape, kw_only=True):
    """One row of a history handed over with a request."""

    item_id: Id
    event_type: Annotated[str, Meta(min_length=1, max_length=64)] = "view"
    value: Value | None = None
    timestamp: Time | None = None


class Condition(Shape, kw_only=True):
    """What an attribute must be: any of, none of, at least, at most."""

    any: list[str | float | bool] | None = None
    none: list[str | float | bool] | None = None
    min: float | None = None
    max: float | None = None


class Filters(Shape, kw_only=True):
    """What may be shown; every condition must hold."""

    categories: Ids | None = None  # at least one of them
    not_categories: Ids | None = None  # none of them
    attributes: Annotated[dict[str, Condition], Meta(max_length=20)] | None = None
    items: Ids | None = None  # only these


class Boost(Shape, kw_only=True):
    """Raises (or, below 0, lowers) an item or a category, in spreads of the person's scores."""

    amount: Annotated[float, Meta(ge=-10, le=10)]
    item_id: Id | None = None
    category: Id | None = None


class Pin(Shape, kw_only=True):
    """Puts an item at a rank."""

    item_id: Id
    rank: Annotated[int, Meta(ge=1, le=100)]


class Ask(Shape, kw_only=True):
    """Who asks for what. None of user, session and history: an unknown person."""

    user_id: Id | None = None
    session_id: Id | None = None
    history: Annotated[list[Past], Meta(max_length=1000)] | None = None
    tastes: Annotated[dict[str, float], Meta(max_length=50)] | None = None
    k: Annotated[int, Meta(ge=1, le=100)] = 10
    context: Facts | None = None
    filters: Filters | None = None
    exclude: Ids | None = None
    boosts: Annotated[list[Boost], Meta(max_length=50)] | None = None
    pins: Annotated[list[Pin], Meta(max_length=20)] | None = None
    bury: Ids | None = None
    diversity: Annotated[float, Meta(ge=0, le=1)] = 0.0
    allow_seen: bool = False
    reasons: bool = True
    validate_only: bool = False
    cursor: str | None = None
    model: str | None = None  # another version than the one in use: scope admin


class Recommended(Reply, kw_only=True):
    """An item of a list."""

    item_id: str
    rank: int
    score: float | None
    source: str
    reason: str | None = None
    title: str | None = None
    categories: list[str] = []
    propensity: float | None = None


class Listed(Reply, kw_only=True):
    """A list; ``empty_because`` says, for a list that came out short, what left nothing over."""

    recommendation_id: str
    model: str | None
    fallback: bool
    items: list[Recommended]
    cursor: str | None = None
    experiment: str | None = None
    variant: str | None = None
    empty_because: list[str] = []


class Valid(Reply, kw_only=True):
    """A request that would have been answered."""

    valid: bool
    fallback: bool
    notes: list[str]


class Ranked(Reply, kw_only=True):
    """Items with a score: similar, popular or trending ones."""

    model: str | None
    items: list[Recommended]


class ExplainAsk(Ask, kw_only=True):
    """Why an item is, or is not, in the list that the same request would get."""

    item_id: Id


class Because(Reply, kw_only=True):
    """One piece of evidence and what it adds to the score."""

    kind: str
    id: str
    title: str | None
    amount: float


class Stage(Reply, kw_only=True):
    """What became of the item in one stage."""

    stage: Literal["known", "retrieve", "filter", "rules", "rank", "rerank", "page"]
    kept: bool
    why: str


class Explained(Reply, kw_only=True):
    """Why, and why not."""

    item_id: str
    title: str | None
    recommended: bool
    rank: int | None
    score: float | None
    sentence: str
    base: float
    shares: list[Because]
    stages: list[Stage]
    model: str | None


# The catalogue and people


class ItemIn(Shape, kw_only=True):
    """What is known of an item. Times: shown only from, and until."""

    title: Annotated[str, Meta(max_length=1000)] | None = None
    categories: Annotated[list[Id], Meta(max_length=100)] = []
    attributes: Attributes = {}
    available_from: Time | None = None
    available_until: Time | None = None
    withdrawn: bool = False


class ItemOut(Reply, kw_only=True):
    """An item of the catalogue."""

    item_id: str
    title: str | None
    categories: list[str]
    attributes: dict[str, Any]
    available_from: str | None
    available_until: str | None
    withdrawn: bool
    created: str
    updated: str


class ItemRow(ItemIn, kw_only=True):
    """An item of a batch."""

    item_id: Id


class ItemBatch(Shape, kw_only=True):
    """Up to 1,000 items to put."""

    items: Annotated[list[ItemRow], Meta(max_length=1000)]


class Stored(Reply, kw_only=True):
    """How many items were put."""

    items: int


class UserIn(Shape, kw_only=True):
    """What is known of a user."""

    attributes: Attributes = {}


class UserOut(Reply, kw_only=True):
    """A user."""

    user_id: str
    attributes: dict[str, Any]
    created: str | None
    updated: str | None


class ItemPage(Reply, kw_only=True):
    """Some items, by id; ``cursor`` goes on."""

    items: list[ItemOut]
    cursor: str | None


class UserPage(Reply, kw_only=True):
    """Some users, by id; ``cursor`` goes on."""

    users: list[UserOut]
    cursor: str | None


class EventOut(Reply, kw_only=True):
    """An event as it is stored."""

    position: int
    event_id: str
    user_id: str | None
    session_id: str | None
    item_id: str | None
    event_type: str
    value: float | None
    timestamp: str
    received: str
    recommendation_id: str | None
    rank: int | None
    items: list[str] | None
    context: dict[str, Any] | None
    properties: dict[str, Any] | None


class EventPage(Reply, kw_only=True):
    """Some events, newest first; ``cursor`` goes on."""

    events: list[EventOut]
    cursor: str | None


class Merge(Shape, kw_only=True):
    """An anonymous session (or user) turns out to be this user."""

    user_id: Id
    session_id: Id | None = None
    from_user_id: Id | None = None


class Merged(Reply, kw_only=True):
    """How many events changed hands."""

    user_id: str
    events: int


class Erasure(Reply, kw_only=True):
    """How far the erasure of a person has come; ``completed``: nothing of them is left."""

    erasure_id: str
    requested: str
    completed: str | None
    events: int
    recommendations: int
    models: list[str]  # versions that could have learned from them, and are not gone yet


class Export(Reply, kw_only=True):
    """Everything stored about a person."""

    user_id: str
    attributes: dict[str, Any]
    merged: list[str]
    events: list[EventOut]
    recommendations: list[dict[str, Any]]


# Models, rules, keys


class Interval(Reply, kw_only=True):
    """A metric with its 95 % interval; null: there is no such number."""

    mean: float | None
    low: float | None
    high: float | None


class Check(Reply, kw_only=True):
    """One check of the gate."""

    check: str
    passed: bool
    reason: str


class ModelOut(Reply, kw_only=True):
    """A version of the model."""

    version: str
    name: str
    state: str
    in_use: bool
    events: int
    position: int
    created: str
    metrics: dict[str, Interval]
    gate: list[Check]


class ModelList(Reply, kw_only=True):
    """Versions, newest first."""

    in_use: str | None
    models: list[ModelOut]


class Promote(Shape, kw_only=True):
    """Which version to use; ``expected`` is the one thought to be in use (409 if it is not)."""

    version: Id
    expected: str | None = None


class Rollback(Shape, kw_only=True):
    """Nothing needs to be said to go back: ``{}``."""


class RuleIn(Shape, kw_only=True):
    """A boost, pin or bury that holds for everyone, for a time."""

    action: Literal["boost", "pin", "bury"]
    item_id: Id | None = None
    category: Id | None = None
    amount: Annotated[float, Meta(ge=-10, le=10)] | None = None
    rank: Annotated[int, Meta(ge=1, le=100)] | None = None
    valid_from: Time | None = None
    valid_until: Time | None = None


class RuleOut(Reply, kw_only=True):
    """A rule that is stored."""

    rule_id: str
    action: str
    item_id: str | None
    category: str | None
    amount: float | None
    rank: int | None
    valid_from: str | None
    valid_until: str | None
    created: str


class RuleList(Reply, kw_only=True):
    """The rules."""

    rules: list[RuleOut]


class Alive(Reply, kw_only=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(Reply, kw_only=True):
    """Whether requests can be answered, part by part."""

    status: Literal["ok", "failing"]
    parts: dict[str, str]  # "ok" or what is wrong, by part: store, model
