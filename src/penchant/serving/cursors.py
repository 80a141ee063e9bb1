"""Cursors: where a list goes on. For clients they are words without a meaning."""

from __future__ import annotations

import base64
from typing import Any, TypeVar

import msgspec

from penchant.identity import clean_id
from penchant.serving.failures import Refusal

T = TypeVar("T", str, int)


def cursor(what: str, at: str | int) -> str:
    """Return the cursor of a list of ``what`` that ended with ``at``."""
    return base64.urlsafe_b64encode(msgspec.json.encode([what, at])).decode().rstrip("=")


def after(what: str, given: str | None, kind: type[T]) -> T | None:
    """Return where a cursor goes on; None: there is none, the list begins.

    Raises
    ------
    Refusal : invalid; it is not a cursor of such a list.
    """
    if given is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
        name, at = msgspec.json.decode(raw, type=tuple[str, Any])
        if name == what and isinstance(at, kind) and _possible(at):
            return at
    except (ValueError, RecursionError):  # no base64, no JSON, no id: no cursor
        pass
    raise Refusal(
        "invalid",
        f"{given[:40]!r} is not a cursor of this list; take it from the reply before, or begin "
        "without one.",
        path="query.cursor",
    )


def _possible(at: str | int) -> bool:
    """Return whether a store can be asked for what comes after, whoever made the cursor up."""
    return clean_id(at) == at if isinstance(at, str) else 0 <= at < 2**63
