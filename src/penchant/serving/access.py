"""Who may ask for what: keys and their scopes, how often, from which pages."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from penchant.errors import near
from penchant.serving.failures import Refusal
from penchant.serving.limits import Buckets
from penchant.serving.moments import clock
from penchant.store.keys import Key, matching
from penchant.store.store import Store

COOKIE = "penchant_key"
"""The cookie in which a page of ours keeps a key."""

PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers by which a proxy tells that it asks for somebody else."""

WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets in.

    Parameters
    ----------
    loopback : whether only this machine can reach it; if not, nothing is answered without a key.
    hosts : names that the Host header may have, besides loopback's, while there are no keys.
    origins : whose pages may ask from a browser, such as "https://shop.example".
    per_second : requests of one key, or of one address without; None: as many as come.
    workers : processes that share the limit.
    body, batch : bytes of a body, and of one with many events or items.
    body_seconds : in which a body has to be here.
    headers : bytes of all headers together.
    """

    loopback: bool = True
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    per_second: float | None = None
    workers: int = 1
    body: int = 1_000_000
    batch: int = 8_000_000
    body_seconds: float = 15.0
    headers: int = 32_768


class Keyring:
    """The keys of a store, remembered until a key changes.

    The number that grows with each change of a key is read again for every request, after the
    request came: a key that was revoked before is never taken for good. On SQLite that is done in
    passing. On PostgreSQL it waits for the server: requests that wait at the same time share one
    reading.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = -1
        self._known: dict[str, Key] = {}
        self._running: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None
        # Threads of its own: whatever else the process is busy with does not delay a look.
        self._pool = ThreadPoolExecutor(1, "keys")

    async def known(self) -> Mapping[str, Key]:
        """Return all keys by id, as they are now; those revoked and expired are among them."""
        if self._store.kind == "sqlite":
            self._remember(self._store.glance("keys"))
            return self._known
        # A look that has begun may have missed what was committed since; the next one will not.
        if self._next is None:
            self._next = asyncio.ensure_future(self._after(self._running))
        await asyncio.shield(self._next)
        return self._known

    async def _after(self, running: asyncio.Future[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        await asyncio.get_running_loop().run_in_executor(self._pool, self._look)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()

    def _look(self) -> None:
        self._remember(self._store.numbers().get("keys", 0))

    def _remember(self, number: int) -> None:
        if number != self._number:
            self._known = {key.key_id: key for key in self._store.keys.list()}
            self._number = number


class Access:
    """Decides about each request that has met a route; ``admit`` is a guard for Litestar.

    A route names the scope it needs: ``@get(..., scope="read")``; ``scope=None`` is for everyone,
    and a route that names none is for admins. ``form=True`` takes bodies that are no JSON.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        now: Callable[[], int] = clock,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self.keys = Keyring(store)
        self._now, self._seconds = now, seconds
        self._buckets = Buckets()
        self._queries: dict[BaseRouteHandler, frozenset[str] | None] = {}

    def close(self) -> None:
        """End what looks after keys."""
        self.keys.close()

    async def admit(self, connection: ASGIConnection[Any, Any, Any, Any], _: object) -> None:
        """Let a request through, with its key in ``state["key"]``.

        Raises
        ------
        Refusal : no_key, bad_key, scope_missing, foreign_host, foreign_origin, not_json or
            too_many_requests.
        """
        scope = connection.scope
        method = str(scope["method"])  # type: ignore[typeddict-item]
        options = scope["route_handler"].opt
        if any("%" in str(value) for value in scope["path_params"].values()):
            # The parameters are Litestar's own copy, shared by all requests to this path.
            scope["path_params"] = {
                name: unquote(str(value)) for name, value in scope["path_params"].items()
            }
        if method == "OPTIONS":
            return
        if method in WRITING:
            self._check_origin(connection)
            if method != "DELETE" and not options.get("form"):
                _check_type(connection.headers.get("content-type", ""))
        if scope["query_string"]:
            self._check_query(connection)
        needed = options.get("scope", "admin")
        if needed is not None:
            await self.check(connection, needed)

    async def check(self, connection: ASGIConnection[Any, Any, Any, Any], needed: str) -> None:
        """See that a request may do what needs a scope, and not too often.

        Raises
        ------
        Refusal : no_key, bad_key, scope_missing, foreign_host or too_many_requests.
        """
        known, secret = await self.keys.known(), _secret(connection)
        key = None if secret is None else matching(known, secret, now=self._now())
        if key is None:
            self._limit(_address(connection), self.policy.per_second)
            self._check_open(connection, bool(known), secret is not None)
            return
        connection.scope["state"]["key"] = key
        self._limit(f"key {key.key_id}", key.per_second or self.policy.per_second)
        if needed not in key.scopes and "admin" not in key.scopes:
            told = " and ".join(key.scopes)
            raise Refusal("scope_missing", f"This needs the scope {needed}; the key has {told}.")

    def _check_open(
        self, connection: ASGIConnection[Any, Any, Any, Any], keys: bool, given: bool
    ) -> None:
        if keys and given:
            raise _unauthorised("bad_key", "The key is unknown, expired or revoked.")
        if keys or not self.policy.loopback:
            raise _unauthorised(
                "no_key", "This needs a key: Authorization: Bearer pk_... (penchant keys create)."
            )
        # A page on the web may have its own name point to this machine (DNS rebinding); the name
        # is then in the header.
        host = connection.headers.get("host", "")
        if _name(host) in self.policy.hosts:
            return
        passed = next((name for name in PASSED_ON if name in connection.headers), None)
        if passed is not None:  # a proxy on this machine asks for others, under our own name
            raise Refusal(
                "foreign_host",
                "The service has no keys, and is therefore for this machine only, but a proxy "
                f"passed this request on ({passed}): make a key (penchant keys create).",
            )
        if not local(host):
            raise Refusal(
                "foreign_host",
                f"The service has no keys, and is therefore for this machine only, not for "
                f"{host[:100]!r}.",
            )

    def _check_origin(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        origin = connection.headers.get("origin")
        if origin is None or origin in self.policy.origins:
            return
        if origin == "null" or urlsplit(origin).netloc != connection.headers.get("host"):
            raise Refusal(
                "foreign_origin",
                f"Pages of {origin[:100]!r} may not write here (penchant serve --cors allows it).",
            )

    def _check_query(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        handler = connection.route_handler
        if handler not in self._queries:
            self._queries[handler] = _queries(handler)
        known = self._queries[handler]
        for name in connection.query_params:
            if known is not None and name not in known:
                told = f"There is no parameter {name[:40]!r}.{near(name, known)}"
                raise Refusal("invalid", told, path=f"query.{name[:40]}")

    def _limit(self, caller: str, per_second: float | None) -> None:
        if per_second is None:
            return
        share = per_second / self.policy.workers
        wait = self._buckets.take(caller, share, self._seconds())
        if wait:
            seconds, of = math.ceil(wait), ""
            if self.policy.workers > 1:
                of = f" (a worker's share of {per_second:g})"
            raise Refusal(
                "too_many_requests",
                f"More than {share:g} requests a second{of}; try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is read as the type that its route takes, nothing converted.

    Litestar reads ``"5"`` as the number 5; here it is refused, with the path of the field.
    """

    async def json(self) -> Any:
        """Return the body as the route's type.

        Raises
        ------
        msgspec.DecodeError, msgspec.ValidationError : no JSON; another shape.
        Refusal : nested too deeply to be read.
        """
        wanted = self.scope["route_handler"].parsed_data_field
        return strictly(await self.body(), Any if wanted is None else wanted.annotation)


def strictly(body: bytes, shape: Any) -> Any:
    """Read a JSON body as a type.

    Raises
    ------
    msgspec.DecodeError, msgspec.ValidationError : no JSON; another shape.
    Refusal : not UTF-8, or nested too deeply to be read.
    """
    try:
        return _decoder(shape).decode(body)
    except RecursionError:
        raise Refusal("bad_json", "The body is nested too deeply to be read.", path="$") from None
    except UnicodeDecodeError as e:
        raise Refusal("bad_json", f"The body is not UTF-8: {e.reason}.", path="$") from None


def local(host: str) -> bool:
    """Return whether a Host header names this machine and nothing else."""
    name = _name(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _check_type(given: str) -> None:
    # A form on a foreign page can send every other type without asking first.
    if given.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("not_json", f"Content-Type must be application/json, got {given[:100]!r}.")


def _secret(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    given = connection.headers.get("authorization")
    if given is None:
        return _cookie(connection.headers.get("cookie", ""))
    kind, _, secret = given.partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise _unauthorised("bad_key", "The header is written Authorization: Bearer pk_...")
    return secret.strip()


def _cookie(given: str) -> str | None:
    if COOKIE not in given:
        return None
    try:
        found = SimpleCookie(given).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None else None


def _address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    client = connection.scope["client"]
    return f"address {client[0] if client else ''}"


def _unauthorised(code: str, message: str) -> Refusal:
    return Refusal(code, message, headers={"WWW-Authenticate": 'Bearer realm="penchant"'})


def _queries(handler: BaseRouteHandler) -> frozenset[str] | None:
    """Return the parameters that a route may be asked with; None: it is no route for clients."""
    if not isinstance(handler, HTTPRouteHandler) or not handler.resolve_include_in_schema():
        return None
    inside = {"data", "request", *re.findall(r"{(\w+)", "".join(handler.paths))}
    return frozenset(
        getattr(field.kwarg_definition, "name", None) or name
        for name, field in handler.parsed_fn_signature.parameters.items()
        if name not in inside
    )
