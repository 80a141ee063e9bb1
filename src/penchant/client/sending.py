"""What both clients share: where to, with which key, how often, and what an answer means."""

from __future__ import annotations

import random
from typing import Any, TypeVar

import httpx
import msgspec

from penchant.client.calls import Call
from penchant.errors import ServiceError
from penchant.serving.shapes import Failure

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds between two tries, at most."""


class Sender:
    """Makes requests of calls, and results of replies; who sends them waits in its own way."""

    def __init__(self, url: str, key: str | None, *, timeout: float, retries: int) -> None:
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
        asked = f"{call.method} {call.path}"
        if reply is None:
            raise ServiceError(
                f"{call.method} {self._options['base_url']}{call.path}: {failed!r}. Does the "
                "service run there?"
            ) from failed
        if not reply.is_success and reply.status_code not in call.also:
            raise _refusal(asked, reply)
        if call.returns is type(None):
            return None
        try:
            return msgspec.json.decode(reply.content, type=call.returns)
        except msgspec.DecodeError as e:
            raise ServiceError(
                f"{asked}: not a reply of this service: {e}", status=reply.status_code
            ) from None

    def _pause(self, call: Call[Any], tried: int, reply: httpx.Response | None) -> float | None:
        """Return the seconds to wait before the next try; None: there is none.

        The waits double from a tenth of a second, each drawn between half and all of it, so that
        clients that failed together do not come back together.
        """
        status = None if reply is None else reply.status_code
        passing = status in (None, 429, 502, 503, 504) and status not in call.also
        # 429 says that nothing was done.
        if not passing or tried >= self.retries or not (call.again or status == 429):
            return None
        asked = 0.0 if reply is None else _seconds(reply.headers.get("retry-after"))
        doubling: float = 0.1 * 2**tried * random.uniform(0.5, 1.0)
        return min(max(asked, doubling), LONGEST_WAIT)


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 0.0


def _refusal(asked: str, reply: httpx.Response) -> ServiceError:
    """Return the error that a reply tells of."""
    request_id = reply.headers.get("x-request-id")
    try:
        told = msgspec.json.decode(reply.content, type=Failure).error
    except msgspec.DecodeError:
        return ServiceError(
            f"{asked}: HTTP {reply.status_code}", status=reply.status_code, request_id=request_id
        )
    where = f" ({told.path})" if told.path else ""
    return ServiceError(
        f"{told.message}{where}", status=reply.status_code, code=told.code, request_id=request_id
    )
