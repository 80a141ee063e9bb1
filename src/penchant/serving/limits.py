"""Who may ask how often, and how large a request may be."""

from __future__ import annotations

import asyncio
from typing import cast

from litestar.types import HTTPReceiveMessage, Receive

from penchant.serving.failures import Refusal

MOST = 10_000
"""Callers that are remembered; beyond these the one that asked longest ago is forgotten."""


class Buckets:
    """A token bucket for each caller: as many requests a second, and one second's worth at once.

    A bucket is one number: the time at which it will be full again.
    """

    def __init__(self, most: int = MOST) -> None:
        self._full: dict[str, float] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._full)

    def take(self, caller: str, per_second: float, now: float) -> float:
        """Take one token; return 0, or the seconds to wait if there is none.

        Parameters
        ----------
        per_second : tokens that come each second, above 0.
        now : seconds on any clock that does not go back.
        """
        full = max(self._full.pop(caller, now), now)
        # A slow bucket holds one token, another what comes in a second.
        wait = full - now - (max(1.0, per_second) - 1.0) / per_second
        if wait > 1e-9:
            self._full[caller] = full
            return wait
        self._full[caller] = full + 1.0 / per_second
        if len(self._full) > self._most:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        # Those that are full again count for nothing; then whoever asked longest ago.
        for caller in [caller for caller, full in self._full.items() if full <= now]:
            del self._full[caller]
        while len(self._full) > self._most:
            del self._full[next(iter(self._full))]


class Body:
    """Reads a request's body when it is first asked for: whole, bounded, within a time.

    Parameters
    ----------
    most : bytes.
    declared : the length that the client announced, if it did.
    seconds : in which all of it has to be here; a client that sends a byte now and then would
        otherwise hold memory for as long as it likes.

    Raises
    ------
    Refusal : too_large, too_slow; bad_request if the client goes away meanwhile.
    """

    def __init__(self, receive: Receive, most: int, declared: int | None, seconds: float) -> None:
        self._receive = receive
        self._most = most
        self._declared = declared
        self._seconds = seconds
        self._read = False

    async def __call__(self) -> HTTPReceiveMessage:
        """Return the whole body as one message, and then whatever comes after it."""
        if self._read:
            return cast(HTTPReceiveMessage, await self._receive())
        self._read = True
        if self._declared is not None and self._declared > self._most:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._whole()
        except TimeoutError:
            raise Refusal(
                "too_slow",
                f"The body was not here after {self._seconds:g} seconds.",
                headers={"Connection": "close"},
            ) from None

    async def _whole(self) -> HTTPReceiveMessage:
        parts: list[bytes] = []
        size = 0
        while True:
            message = cast(HTTPReceiveMessage, await self._receive())
            if message["type"] == "http.disconnect":
                raise Refusal("bad_request", "The body ended before it was whole.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most:
                raise self._too_large()
            if not message.get("more_body", False):
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}

    def _too_large(self) -> Refusal:
        return Refusal(
            "too_large",
            f"The body is larger than {self._most:,} bytes; send it in parts.",
            headers={"Connection": "close"},
        )
