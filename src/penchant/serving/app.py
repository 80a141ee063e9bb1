"""The application: the routes of one worker process around one ``Service``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from litestar import Litestar

from penchant.recommender import Recommender
from penchant.serving import failures
from penchant.serving.moments import clock
from penchant.serving.routes import events, health, recommendations
from penchant.serving.service import Service
from penchant.store.store import Store

LARGEST_BODY = 8 * 2**20
"""Bytes of a request's body."""


def create_app(
    store: Store,
    *,
    known: Sequence[type[Recommender]] = (),
    now: Callable[[], int] = clock,
) -> Litestar:
    """Return the application over an open store, which stays the caller's to close.

    Parameters
    ----------
    known : classes of your own that a saved model may name.
    now : the clock, in microseconds since 1970 (UTC).
    """
    service = Service(store, known=known, now=now)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    app = Litestar(
        [
            *events.handlers(service),
            *recommendations.handlers(service),
            *health.handlers(service),
        ],
        exception_handlers=failures.HANDLERS,
        lifespan=[lifespan],
        request_max_body_size=LARGEST_BODY,
    )
    app.state.service = service
    return app
