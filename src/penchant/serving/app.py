"""The application: the routes of one worker process around one ``Service``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache

import msgspec
from litestar import Litestar

from penchant.recommender import Recommender
from penchant.serving import failures, pages
from penchant.serving.access import Access, Policy, StrictRequest
from penchant.serving.door import Door
from penchant.serving.meters import Meters
from penchant.serving.moments import clock
from penchant.serving.openapi import document
from penchant.serving.routes import (
    events,
    health,
    items,
    models,
    recommendations,
    rules,
    running,
    users,
)
from penchant.serving.service import Service
from penchant.store.store import Store


def create_app(
    store: Store,
    *,
    known: Sequence[type[Recommender]] = (),
    now: Callable[[], int] = clock,
    policy: Policy | None = None,
    meters: Meters | None = None,
) -> Litestar:
    """Return the application over an open store, which stays the caller's to close.

    Parameters
    ----------
    known : classes of your own that a saved model may name.
    now : the clock, in microseconds since 1970 (UTC).
    policy : who is let in, how often and with how much; None: as ``Policy`` has it.
    meters : where to count, shared with other workers; None: for this process alone.
    """
    meters = meters or Meters()
    service = Service(store, known=known, now=now, meters=meters)
    access = Access(store, policy or Policy(), now=now)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        tending = asyncio.create_task(service.tend())
        try:
            yield
        finally:
            tending.cancel()
            await asyncio.to_thread(service.close)
            access.close()

    @cache
    def described() -> bytes:
        return msgspec.json.encode(document(app))

    app = Litestar(
        [
            *events.handlers(service),
            *recommendations.handlers(service),
            *items.handlers(service),
            *users.handlers(service),
            *models.handlers(service),
            *rules.handlers(service),
            *health.handlers(service),
            *running.handlers(service, meters, described),
            *pages.handlers(service, meters),
        ],
        guards=[access.admit],
        request_class=StrictRequest,
        exception_handlers=failures.HANDLERS,
        lifespan=[lifespan],
        request_max_body_size=None,  # the door sees to it
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = Door(app.asgi_handler, access.policy, meters)
    app.state.service = service
    return app
