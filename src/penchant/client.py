"""Client: the service from Python, waiting or not.

::

    from penchant import Client

    with Client("http://127.0.0.1:8000", key="pk_...") as service:
        service.send_events([{"user_id": "ann", "item_id": "1", "event_type": "view"}])
        for one in service.recommend(user_id="ann", k=5).items:
            print(one.rank, one.title, one.reason)

Replies are the types of ``penchant.serving.shapes``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Generic, NamedTuple, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from penchant.errors import MissingExtra, ServiceError
from penchant.identity import made_id

try:
    import httpx
    import msgspec

    from penchant.serving import shapes
    from penchant.serving.shapes import (
        Accepted,
        Erasure,
        Explained,
        Export,
        ItemOut,
        ItemPage,
        Listed,
        Merged,
        ModelList,
        Ranked,
        Ready,
        UserOut,
    )
except ImportError as e:
    raise MissingExtra("penchant.Client", "httpx and msgspec", "client") from e

T = TypeVar("T")
BATCH = 1000
"""Events sent at a time."""

LONGEST_WAIT = 30.0
"""Seconds between two tries, at most."""


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


class Call(NamedTuple, Generic[T]):
    """One request: what to send, what comes back, and whether a second try can do no harm."""

    method: str
    path: str
    returns: type[T]
    body: Any = None
    query: Mapping[str, Any] = {}
    again: bool = True


def _id(one: str) -> str:
    return quote(one, safe="")


def _events(events: Iterable[EventFields]) -> Call[Accepted]:
    """Return the call; an event without an id gets one now, so that a second try is no repeat."""
    whole = [{"event_id": made_id(time.time_ns() // 1000), **event} for event in events]
    return Call("POST", "/v1/events", Accepted, {"events": whole})


def _recommend(ask: AskFields) -> Call[Listed]:
    return Call("POST", "/v1/recommendations", Listed, ask)


def _explain(item_id: str, ask: AskFields) -> Call[Explained]:
    return Call("POST", "/v1/explain", Explained, {"item_id": item_id, **ask})


def _similar(item_id: str, k: int) -> Call[Ranked]:
    return Call("GET", f"/v1/items/{_id(item_id)}/similar", Ranked, query={"k": k})


def _popular(which: str, k: int, category: str | None) -> Call[Ranked]:
    chosen = {} if category is None else {"category": category}
    return Call("GET", f"/v1/{which}", Ranked, query={"k": k, **chosen})


def _put_item(item_id: str, item: ItemFields) -> Call[ItemOut]:
    return Call("PUT", f"/v1/items/{_id(item_id)}", ItemOut, item)


def _item(item_id: str) -> Call[ItemOut]:
    return Call("GET", f"/v1/items/{_id(item_id)}", ItemOut)


def _remove_item(item_id: str) -> Call[None]:
    return Call("DELETE", f"/v1/items/{_id(item_id)}", type(None))


def _items(search: str | None, cursor: str | None) -> Call[ItemPage]:
    query = {"search": search, "cursor": cursor}
    return Call("GET", "/v1/items", ItemPage, query={k: v for k, v in query.items() if v})


def _put_user(user_id: str, attributes: Mapping[str, Any]) -> Call[UserOut]:
    return Call("PUT", f"/v1/users/{_id(user_id)}", UserOut, {"attributes": attributes})


def _merge(session_id: str, user_id: str) -> Call[Merged]:
    return Call("POST", "/v1/users/merge", Merged, {"session_id": session_id, "user_id": user_id})


def _export(user_id: str) -> Call[Export]:
    return Call("GET", f"/v1/users/{_id(user_id)}/export", Export)


def _erase(user_id: str) -> Call[Erasure]:
    return Call("DELETE", f"/v1/users/{_id(user_id)}", Erasure)


def _erasure(erasure_id: str) -> Call[Erasure]:
    return Call("GET", f"/v1/erasures/{_id(erasure_id)}", Erasure)


def _promote(version: str, expected: str | None) -> Call[ModelList]:
    body = {"version": version, "expected": expected}
    return Call("POST", "/v1/models/promote", ModelList, body, again=False)


_MODELS = Call("GET", "/v1/models", ModelList)
_ROLL_BACK = Call("POST", "/v1/models/rollback", ModelList, {}, again=False)
_READY = Call("GET", "/health/ready", Ready)


class _Common:
    """What both clients share: where to, with which key, how often, and what an answer means."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 5.0, retries: int = 4
    ) -> None:
        self.retries = retries
        self._options: dict[str, Any] = {
            "base_url": url,
            "timeout": timeout,
            "headers": {} if key is None else {"Authorization": f"Bearer {key}"},
        }

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"method": call.method, "url": call.path, "params": call.query}
        if call.body is not None:
            made["content"] = msgspec.json.encode(call.body)
            made["headers"] = {"Content-Type": "application/json"}
        return made

    def _outcome(self, call: Call[T], reply: httpx.Response | None, failed: Exception | None) -> T:
        """Return the last reply as its type, or raise ServiceError."""
        if reply is None:
            raise ServiceError(
                f"{call.method} {self._options['base_url']}{call.path}: {failed!r}. Does the "
                "service run there?"
            ) from failed
        if reply.is_success:
            if call.returns is type(None):
                return None
            try:
                return msgspec.json.decode(reply.content, type=call.returns)
            except msgspec.DecodeError as e:
                raise ServiceError(
                    f"{call.method} {call.path}: not a reply of this service: {e}",
                    status=reply.status_code,
                ) from None
        request_id = reply.headers.get("x-request-id")
        try:
            told = msgspec.json.decode(reply.content, type=shapes.Failure).error
        except msgspec.DecodeError:
            raise ServiceError(
                f"{call.method} {call.path}: HTTP {reply.status_code}",
                status=reply.status_code,
                request_id=request_id,
            ) from None
        where = f" ({told.path})" if told.path else ""
        raise ServiceError(
            f"{told.message}{where}",
            status=reply.status_code,
            code=told.code,
            request_id=request_id,
        )

    def _pause(self, call: Call[Any], tried: int, reply: httpx.Response | None) -> float | None:
        """Return the seconds to wait before the next try; None: there is none.

        The waits double from a tenth of a second, each drawn between half and all of it, so that
        clients that failed together do not come back together.
        """
        passing = reply is None or reply.status_code in (429, 502, 503, 504)
        if not passing or tried >= self.retries or not (call.again or _refused(reply)):
            return None
        asked = 0.0 if reply is None else _seconds(reply.headers.get("retry-after"))
        doubling: float = 0.1 * 2**tried * random.uniform(0.5, 1.0)
        return min(max(asked, doubling), LONGEST_WAIT)


def _refused(reply: httpx.Response | None) -> bool:
    """Whether the service says that it did nothing."""
    return reply is not None and reply.status_code == 429


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 0.0


class Client(_Common):
    """The service, each method waiting for its reply. Safe to use from several threads.

    Parameters
    ----------
    url : where the service is, such as ``"http://127.0.0.1:8000"``.
    key : a key with the scopes that the calls need; None where the service has no keys.
    timeout : seconds to wait for one reply.
    retries : how often to try again when the service cannot be reached, is busy (429) or is not
        ready (502 to 504). What must not happen twice is sent once.

    Raises
    ------
    ServiceError : from every method: the service refused (``status``, ``code``, ``request_id``) or
        cannot be reached (``status`` None).
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 5.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(url, key, timeout=timeout, retries=retries)
        self._http = httpx.Client(transport=transport, **self._options)
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, call: Call[T]) -> T:
        reply: httpx.Response | None = None
        failed: Exception | None = None
        for tried in range(self.retries + 1):
            try:
                reply, failed = self._http.request(**self._request(call)), None
            except httpx.TransportError as e:
                reply, failed = None, e
            pause = self._pause(call, tried, reply)
            if pause is None:
                break
            self._wait(pause)
        return self._outcome(call, reply, failed)

    def send_event(self, **event: Unpack[EventFields]) -> Accepted:
        """Send one event; it is durable when this returns."""
        return self._send(_events([event]))

    def send_events(self, events: Iterable[EventFields]) -> Accepted:
        """Send events, a thousand at a time; return the sums and all that was rejected.

        An event without an ``event_id`` gets one, so that trying again never counts it twice.
        """
        return _sum(self._send(_events(part)) for part in _batches(events))

    def recommend(self, **ask: Unpack[AskFields]) -> Listed:
        """Return a list for a user, a session, a history, or somebody unknown."""
        return self._send(_recommend(ask))

    def explain(self, item_id: str, **ask: Unpack[AskFields]) -> Explained:
        """Return why an item is, or is not, in the list of the same request."""
        return self._send(_explain(item_id, ask))

    def similar(self, item_id: str, k: int = 10) -> Ranked:
        """Return the items most like one."""
        return self._send(_similar(item_id, k))

    def popular(self, k: int = 10, category: str | None = None) -> Ranked:
        """Return what is met most."""
        return self._send(_popular("popular", k, category))

    def trending(self, k: int = 10, category: str | None = None) -> Ranked:
        """Return what is met more than it used to be."""
        return self._send(_popular("trending", k, category))

    def put_item(self, item_id: str, **item: Unpack[ItemFields]) -> ItemOut:
        """Add an item to the catalogue, or replace what is known of it."""
        return self._send(_put_item(item_id, item))

    def item(self, item_id: str) -> ItemOut:
        """Return an item."""
        return self._send(_item(item_id))

    def remove_item(self, item_id: str) -> None:
        """Take an item out: it is not shown again."""
        self._send(_remove_item(item_id))

    def items(self, search: str | None = None) -> Iterator[ItemOut]:
        """Yield the items of the catalogue by id, or those with these words."""
        cursor = None
        while True:
            page = self._send(_items(search, cursor))
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> UserOut:
        """Store what is known of a user."""
        return self._send(_put_user(user_id, attributes))

    def merge(self, session_id: str, user_id: str) -> Merged:
        """Say that a session was this user: what it did is theirs, and what it will do."""
        return self._send(_merge(session_id, user_id))

    def export(self, user_id: str) -> Export:
        """Return everything that is stored about a person."""
        return self._send(_export(user_id))

    def erase(self, user_id: str) -> Erasure:
        """Erase a person; ask ``erasure`` when it is complete."""
        return self._send(_erase(user_id))

    def erasure(self, erasure_id: str) -> Erasure:
        """Return how far an erasure has come."""
        return self._send(_erasure(erasure_id))

    def models(self) -> ModelList:
        """Return the versions of the model, newest first."""
        return self._send(_MODELS)

    def promote(self, version: str, expected: str | None = None) -> ModelList:
        """Use a version; with ``expected``, only if that one is in use now."""
        return self._send(_promote(version, expected))

    def roll_back(self) -> ModelList:
        """Use the version that was in use before."""
        return self._send(_ROLL_BACK)

    def ready(self) -> Ready:
        """Return whether the service can answer."""
        return self._send(_READY)


class AsyncClient(_Common):
    """``Client`` for asyncio: the same methods, awaited."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 5.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(url, key, timeout=timeout, retries=retries)
        self._http = httpx.AsyncClient(transport=transport, **self._options)
        self._wait = wait

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, call: Call[T]) -> T:
        reply: httpx.Response | None = None
        failed: Exception | None = None
        for tried in range(self.retries + 1):
            try:
                reply, failed = await self._http.request(**self._request(call)), None
            except httpx.TransportError as e:
                reply, failed = None, e
            pause = self._pause(call, tried, reply)
            if pause is None:
                break
            await self._wait(pause)
        return self._outcome(call, reply, failed)

    async def send_event(self, **event: Unpack[EventFields]) -> Accepted:
        """As ``Client.send_event``."""
        return await self._send(_events([event]))

    async def send_events(self, events: Iterable[EventFields]) -> Accepted:
        """As ``Client.send_events``."""
        return _sum([await self._send(_events(part)) for part in _batches(events)])

    async def recommend(self, **ask: Unpack[AskFields]) -> Listed:
        """As ``Client.recommend``."""
        return await self._send(_recommend(ask))

    async def explain(self, item_id: str, **ask: Unpack[AskFields]) -> Explained:
        """As ``Client.explain``."""
        return await self._send(_explain(item_id, ask))

    async def similar(self, item_id: str, k: int = 10) -> Ranked:
        """As ``Client.similar``."""
        return await self._send(_similar(item_id, k))

    async def popular(self, k: int = 10, category: str | None = None) -> Ranked:
        """As ``Client.popular``."""
        return await self._send(_popular("popular", k, category))

    async def trending(self, k: int = 10, category: str | None = None) -> Ranked:
        """As ``Client.trending``."""
        return await self._send(_popular("trending", k, category))

    async def put_item(self, item_id: str, **item: Unpack[ItemFields]) -> ItemOut:
        """As ``Client.put_item``."""
        return await self._send(_put_item(item_id, item))

    async def item(self, item_id: str) -> ItemOut:
        """As ``Client.item``."""
        return await self._send(_item(item_id))

    async def remove_item(self, item_id: str) -> None:
        """As ``Client.remove_item``."""
        await self._send(_remove_item(item_id))

    async def items(self, search: str | None = None) -> AsyncIterator[ItemOut]:
        """As ``Client.items``."""
        cursor = None
        while True:
            page = await self._send(_items(search, cursor))
            for one in page.items:
                yield one
            cursor = page.cursor
            if cursor is None:
                return

    async def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> UserOut:
        """As ``Client.put_user``."""
        return await self._send(_put_user(user_id, attributes))

    async def merge(self, session_id: str, user_id: str) -> Merged:
        """As ``Client.merge``."""
        return await self._send(_merge(session_id, user_id))

    async def export(self, user_id: str) -> Export:
        """As ``Client.export``."""
        return await self._send(_export(user_id))

    async def erase(self, user_id: str) -> Erasure:
        """As ``Client.erase``."""
        return await self._send(_erase(user_id))

    async def erasure(self, erasure_id: str) -> Erasure:
        """As ``Client.erasure``."""
        return await self._send(_erasure(erasure_id))

    async def models(self) -> ModelList:
        """As ``Client.models``."""
        return await self._send(_MODELS)

    async def promote(self, version: str, expected: str | None = None) -> ModelList:
        """As ``Client.promote``."""
        return await self._send(_promote(version, expected))

    async def roll_back(self) -> ModelList:
        """As ``Client.roll_back``."""
        return await self._send(_ROLL_BACK)

    async def ready(self) -> Ready:
        """As ``Client.ready``."""
        return await self._send(_READY)


def _batches(events: Iterable[EventFields]) -> Iterator[list[EventFields]]:
    """Yield lists of at most ``BATCH`` events."""
    rest = iter(events)
    while part := list(islice(rest, BATCH)):
        yield part


def _sum(parts: Iterable[Accepted]) -> Accepted:
    """Return what became of consecutive batches, the rejected by their place in the whole."""
    whole = Accepted(accepted=0, duplicates=0, rejected=[], event_ids=[])
    for part in parts:
        first = len(whole.event_ids)
        whole.accepted += part.accepted
        whole.duplicates += part.duplicates
        whole.rejected += [msgspec.structs.replace(r, index=first + r.index) for r in part.rejected]
        whole.event_ids += part.event_ids
    return whole
