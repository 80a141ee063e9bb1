"""The one shape of every error, and which error means what.

``{"error": {"code", "message", "docs", "path"?}}``: a word for programs, a sentence for people,
where it is explained, and the field that is wrong.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from sqlalchemy import exc

from penchant.errors import (
    BadArtifact,
    BadStore,
    Conflict,
    MissingExtra,
    NotFitted,
    PenchantError,
    UnknownId,
)
from penchant.serving.shapes import Failure, Problem

DOCS = "docs/service/errors.md"
"""The page with a heading for each code."""

CODES = {
    "bad_json": 400,
    "bad_request": 400,
    "no_key": 401,
    "bad_key": 401,
    "scope_missing": 403,
    "foreign_host": 403,
    "foreign_origin": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "conflict": 409,
    "too_large": 413,
    "not_json": 415,
    "invalid": 422,
    "too_many_requests": 429,
    "headers_too_large": 431,
    "internal": 500,
    "no_model": 503,
    "store_down": 503,
}
"""Every code and its status."""

RETRY = "1"
"""Seconds after which what failed for now may be tried again."""

_PATH = re.compile(r" - at `(.*?)`$", re.DOTALL)
# What a message of the store begins with, if it is about a field of a body.
_FIELD = re.compile(
    r"(items|boosts)\[\d+\](\.\w+)*|"
    r"(title|context|categories|attributes|action|amount|rank|(available|valid)_\w+)\b(\.\w+)*"
)
_SOURCES = {"query": "query", "path": "path", "header": "header", "cookie": "cookie"}


class Refusal(PenchantError):
    """A request that is refused before, or instead of, being answered.

    Parameters
    ----------
    code : of ``CODES``.
    message : what is wrong, with the value, and what to do.
    path : the field, such as ``$.events[3].rank``.
    headers : to be sent with the reply.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        path: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CODES[self.code]

    def body(self) -> Failure:
        """Return what the reply holds."""
        problem = Problem(
            code=self.code, message=self.message, docs=f"{DOCS}#{self.code}", path=self.path
        )
        return Failure(error=problem)

    def encoded(self) -> bytes:
        """Return the body in JSON."""
        return _encode(self.body())


def refusal(error: Exception, request_id: str = "") -> Refusal:
    """Return what to tell the client about an error.

    Nothing that is not raised on purpose is told: the client gets the request's id, under which
    the log holds the rest.
    """
    if isinstance(error, Refusal):
        return error
    for kind, tell in _KINDS:
        if isinstance(error, kind):
            return tell(error)
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(error, psycopg.OperationalError):
        return _store_down(error)
    return Refusal("internal", f"Something went wrong here. The log tells more of {request_id}.")


def _from_litestar(error: Exception) -> Refusal:
    error = cast(HTTPException, error)
    status, headers = error.status_code, dict(error.headers or {})
    if status == 404:
        routed = error.detail != HTTPStatus.NOT_FOUND.phrase
        nothing = "There is nothing at this path; see /openapi.json."
        return Refusal("not_found", error.detail if routed else nothing)
    if status == 405:
        allowed = headers.get("allow", "")
        return Refusal(
            "method_not_allowed",
            f"This path takes {allowed}.",
            headers={"Allow": allowed},
        )
    if status == 413:
        return Refusal("too_large", "The body is larger than is taken here.")
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        return _from_fields(extra[0])
    if status in (401, 403):
        return Refusal("scope_missing", error.detail)
    if status < 500:
        return Refusal("bad_request", error.detail)
    return Refusal("internal", "Something went wrong here.")


def _from_fields(first: dict[str, Any]) -> Refusal:
    key, source = str(first.get("key", "")), str(getattr(first.get("source"), "value", "body"))
    if source == "body":
        return Refusal("bad_json", "The body is empty; it should be a JSON object.", path="$")
    return Refusal("invalid", f"{first.get('message')}.", path=f"{_SOURCES[source]}.{key}")


def _from_body(error: Exception) -> Refusal:
    text = str(error)
    found = _PATH.search(text)
    message = text[: found.start()] if found else text
    return Refusal("invalid", f"{message}.", path=found.group(1) if found else "$")


def _store_down(error: Exception) -> Refusal:
    return Refusal(
        "store_down",
        "The store does not answer; try again in a moment.",
        path="store",
        headers={"Retry-After": RETRY},
    )


def _no_model(error: Exception) -> Refusal:
    return Refusal(
        "no_model",
        "There is no model that can answer; train one (penchant train) or try again in a moment.",
        path="model",
        headers={"Retry-After": RETRY},
    )


def _hidden(error: Exception) -> Refusal:
    return Refusal("internal", "Something that the service needs is not installed; see the log.")


def _telling(code: str) -> Callable[[Exception], Refusal]:
    return lambda error: Refusal(code, str(error))


def _invalid(error: Exception) -> Refusal:
    text = str(error)
    found = _FIELD.match(text)
    return Refusal("invalid", text, path=None if found is None else f"$.{found.group()}")


# From the narrow to the wide: the first that fits tells.
_KINDS: tuple[tuple[type[Exception], Callable[[Exception], Refusal]], ...] = (
    (HTTPException, _from_litestar),
    (msgspec.ValidationError, _from_body),
    (msgspec.DecodeError, lambda error: Refusal("bad_json", f"{error}.", path="$")),
    (exc.OperationalError, _store_down),
    (exc.InterfaceError, _store_down),
    (exc.TimeoutError, _store_down),
    (sqlite3.OperationalError, _store_down),
    (BadStore, _store_down),
    (Conflict, _telling("conflict")),
    (UnknownId, _telling("not_found")),
    (NotFitted, _no_model),
    (BadArtifact, _no_model),
    (MissingExtra, _hidden),
    (PenchantError, _invalid),
)

_encode = msgspec.json.Encoder().encode


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Failure]:
    """Return the reply to a request that failed, and leave the error for the log."""
    told = refusal(error, str(request.scope["state"].get("request_id", "")))
    if told.status >= 500:
        request.scope["state"]["error"] = error
    return Response(
        told.body(), status_code=told.status, headers=told.headers, media_type="application/json"
    )


HANDLERS: ExceptionHandlersMap = {Exception: answer, HTTPException: answer}
"""What a Litestar application needs to answer in this shape, also where no route is met."""
