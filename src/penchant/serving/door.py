"""What every request passes on its way in and out: its id, its size, its line in the log."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from penchant.serving.access import Policy
from penchant.serving.failures import Refusal
from penchant.serving.limits import Body
from penchant.serving.logs import LOG, request_id, told
from penchant.serving.meters import Meters

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BATCHES = frozenset({"/v1/events", "/v1/items"})
"""Paths whose bodies may hold many rows."""

MERGE = "/v1/users/merge"
CLOSED = 499
"""The status in logs and meters of a request whose client went away before the answer."""


class Door:
    """Stands around a Litestar application: ``app.asgi_handler = Door(app.asgi_handler, ...)``."""

    def __init__(self, app: ASGIApp, policy: Policy, meters: Meters) -> None:
        self._app = app
        self._policy = policy
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        reply = _Reply(send, request_id(headers.get(b"x-request-id")), self._allowed(headers))
        scope["state"]["request_id"] = reply.request_id
        try:
            if reply.origin is not None and b"access-control-request-method" in headers:
                await reply.send_preflight()
                return
            refused = self._refused(scope, headers)
            if refused is None:
                await self._app(scope, self._body(scope, headers, receive), reply.send)
            else:
                await reply.send_refusal(refused)
        except Exception as error:
            scope["state"]["error"] = error  # while the answer was being sent: too late to tell
            raise
        finally:
            self._tell(scope, reply.status, time.perf_counter() - begun)

    def _allowed(self, headers: dict[bytes, str]) -> str | None:
        origin = headers.get(b"origin")
        return origin if origin in self._policy.origins else None

    def _refused(self, scope: HTTPScope, headers: dict[bytes, str]) -> Refusal | None:
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > self._policy.headers:
            return Refusal(
                "headers_too_large",
                f"The headers take {size:,} bytes; up to {self._policy.headers:,} are read.",
            )
        raw = scope["raw_path"].partition(b"?")[0]  # some servers leave the query in it
        if b"//" in raw:
            return Refusal("not_found", "The path has an empty part: is an id missing?")
        if b"%" in raw:
            try:
                scope["path"] = routed(raw)
            except UnicodeDecodeError:
                return Refusal("bad_request", "The path is not UTF-8, percent-encoded.")
        if scope["path"] == MERGE and scope["method"] != "POST":
            scope["path"] = "/v1/users/%6Derge"  # a user's id, as any other
        return None

    def _body(self, scope: HTTPScope, headers: dict[bytes, str], receive: Receive) -> Receive:
        most = self._policy.batch if scope["path"] in BATCHES else self._policy.body
        length = headers.get(b"content-length", "")
        declared = int(length) if length.isdecimal() else None
        return Body(receive, most, declared, self._policy.body_seconds)

    def _tell(self, scope: HTTPScope, status: int, seconds: float) -> None:
        route = str(scope.get("path_template") or "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._meters.count("penchant_http_requests_total", (method, route, str(status)))
        self._meters.observe("penchant_http_request_seconds", seconds, (route,))
        state: dict[str, Any] = scope["state"]
        key, error = state.get("key"), state.get("error")
        fields = {
            "request_id": state["request_id"],
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "key": None if key is None else key.key_id,
        }
        if error is None:
            told("request", fields)
        else:
            LOG.error("request failed", extra={"fields": fields}, exc_info=error)


class _Reply:
    """Sends an answer with what every answer carries, and notes its status."""

    def __init__(self, send: Send, request_id: str, origin: str | None) -> None:
        self._send = send
        self.request_id = request_id
        self.origin = origin
        self.status = CLOSED

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers(message)]
        await self._send(message)

    async def send_refusal(self, refused: Refusal) -> None:
        """Answer without asking the application."""
        body = refused.encoded()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        await self._answer(refused.status, headers | refused.headers, body)

    async def send_preflight(self) -> None:
        """Tell a browser that pages of an allowed origin may ask."""
        headers = {
            "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID",
            "Access-Control-Max-Age": "600",
        }
        await self._answer(HTTPStatus.NO_CONTENT, headers, b"")

    async def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        }
        await self.send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _headers(self, start: HTTPResponseStartEvent) -> list[tuple[bytes, bytes]]:
        given = {name for name, _ in start["headers"]}
        ours = [
            (b"x-request-id", self.request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        if b"cache-control" not in given:
            ours.append((b"cache-control", b"no-store"))
        if self.origin is not None:
            ours.append((b"access-control-allow-origin", self.origin.encode("latin-1")))
            ours.append((b"access-control-expose-headers", b"X-Request-ID, Retry-After"))
            ours.append((b"vary", b"Origin"))
        return ours


def routed(raw: bytes) -> str:
    """Return a path in which "/" only parts segments: "%" and "/" within one stay encoded.

    An id may hold both, and the route is met by the segments; ``Access.admit`` decodes what is
    left of them.

    >>> routed(b"/v1/items/a%2Fb%20c/similar")
    '/v1/items/a%2Fb c/similar'

    Raises
    ------
    UnicodeDecodeError : what is encoded is not UTF-8.
    """
    segments = (unquote_to_bytes(one).decode() for one in raw.split(b"/"))
    return "/".join(one.replace("%", "%25").replace("/", "%2F") for one in segments)
