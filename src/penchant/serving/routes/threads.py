"""Routes that wait for the store do so in a thread, so that others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def threaded(work: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return a route's function that works in a thread.

    Litestar's own ``sync_to_thread=True`` wraps the function again for each method of a path, and
    answers with a coroutine.
    """

    @wraps(work)
    async def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(work, *args, **kwargs)

    return waiting
