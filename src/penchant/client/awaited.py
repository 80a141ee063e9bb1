"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar, Unpack

import httpx

from penchant.client import calls
from penchant.client.calls import Call
from penchant.client.sending import Sender
from penchant.serving import shapes

T = TypeVar("T")


class AsyncClient(Sender):
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

    async def _pages(self, call: Call[T]) -> AsyncIterator[T]:
        while True:
            page: Any = await self._send(call)
            yield page
            if page.cursor is None:
                return
            call = call.after(page.cursor)

    async def send_event(self, **event: Unpack[calls.EventFields]) -> shapes.Accepted:
        """As ``Client.send_event``."""
        return await self._send(calls.events([event]))

    async def send_events(self, events: Iterable[calls.EventFields]) -> shapes.Accepted:
        """As ``Client.send_events``."""
        return calls.total([await self._send(calls.events(part)) for part in calls.batches(events)])

    async def recommend(self, **ask: Unpack[calls.AskFields]) -> shapes.Listed:
        """As ``Client.recommend``."""
        return await self._send(calls.recommend(ask))

    async def validate(self, **ask: Unpack[calls.AskFields]) -> shapes.Valid:
        """As ``Client.validate``."""
        return await self._send(calls.validate(ask))

    async def explain(self, item_id: str, **ask: Unpack[calls.AskFields]) -> shapes.Explained:
        """As ``Client.explain``."""
        return await self._send(calls.explain(item_id, ask))

    async def similar(
        self, item_id: str, k: int = 10, categories: Sequence[str] = ()
    ) -> shapes.Ranked:
        """As ``Client.similar``."""
        return await self._send(calls.similar(item_id, k, categories))

    async def popular(
        self, k: int = 10, days: int | None = None, categories: Sequence[str] = ()
    ) -> shapes.Ranked:
        """As ``Client.popular``."""
        return await self._send(calls.counted("popular", k, days, categories))

    async def trending(
        self, k: int = 10, days: int | None = None, categories: Sequence[str] = ()
    ) -> shapes.Ranked:
        """As ``Client.trending``."""
        return await self._send(calls.counted("trending", k, days, categories))

    async def put_item(self, item_id: str, **item: Unpack[calls.ItemFields]) -> shapes.ItemOut:
        """As ``Client.put_item``."""
        return await self._send(calls.put_item(item_id, item))

    async def put_items(self, items: Iterable[calls.ItemRowFields]) -> int:
        """As ``Client.put_items``."""
        return sum(
            [(await self._send(calls.put_items(part))).items for part in calls.batches(items)]
        )

    async def item(self, item_id: str) -> shapes.ItemOut:
        """As ``Client.item``."""
        return await self._send(calls.item(item_id))

    async def remove_item(self, item_id: str) -> None:
        """As ``Client.remove_item``."""
        await self._send(calls.remove_item(item_id))

    async def items(self, search: str | None = None) -> AsyncIterator[shapes.ItemOut]:
        """As ``Client.items``."""
        async for page in self._pages(calls.items(search)):
            for one in page.items:
                yield one

    async def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> shapes.UserOut:
        """As ``Client.put_user``."""
        return await self._send(calls.put_user(user_id, attributes))

    async def user(self, user_id: str) -> shapes.UserOut:
        """As ``Client.user``."""
        return await self._send(calls.user(user_id))

    async def users(self, search: str | None = None) -> AsyncIterator[shapes.UserOut]:
        """As ``Client.users``."""
        async for page in self._pages(calls.users(search)):
            for one in page.users:
                yield one

    async def user_events(self, user_id: str) -> AsyncIterator[shapes.EventOut]:
        """As ``Client.user_events``."""
        async for page in self._pages(calls.user_events(user_id)):
            for one in page.events:
                yield one

    async def merge(
        self, user_id: str, *, session_id: str | None = None, from_user_id: str | None = None
    ) -> shapes.Merged:
        """As ``Client.merge``."""
        return await self._send(calls.merge(user_id, session_id, from_user_id))

    async def export(self, user_id: str) -> shapes.Export:
        """As ``Client.export``."""
        return await self._send(calls.export(user_id))

    async def erase(self, user_id: str) -> shapes.Erasure:
        """As ``Client.erase``."""
        return await self._send(calls.erase(user_id))

    async def erasure(self, erasure_id: str) -> shapes.Erasure:
        """As ``Client.erasure``."""
        return await self._send(calls.erasure(erasure_id))

    async def models(self) -> shapes.ModelList:
        """As ``Client.models``."""
        return await self._send(calls.models())

    async def promote(self, version: str, expected: str | None = None) -> shapes.ModelList:
        """As ``Client.promote``."""
        return await self._send(calls.promote(version, expected))

    async def roll_back(self) -> shapes.ModelList:
        """As ``Client.roll_back``."""
        return await self._send(calls.roll_back())

    async def rules(self) -> list[shapes.RuleOut]:
        """As ``Client.rules``."""
        return (await self._send(calls.rules())).rules

    async def add_rule(self, **rule: Unpack[calls.RuleFields]) -> shapes.RuleOut:
        """As ``Client.add_rule``."""
        return await self._send(calls.add_rule(rule))

    async def remove_rule(self, rule_id: str) -> None:
        """As ``Client.remove_rule``."""
        await self._send(calls.remove_rule(rule_id))

    async def ready(self) -> shapes.Ready:
        """As ``Client.ready``."""
        return await self._send(calls.ready())
