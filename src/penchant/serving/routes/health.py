"""Whether the service lives, and whether it can answer."""

from __future__ import annotations

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from penchant.serving.service import Service
from penchant.serving.shapes import Alive, Ready


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes; they need no key."""

    @get("/health/live", scope=None, operation_id="live", tags=["service"])
    async def live() -> Alive:
        """Say that this process answers."""
        return Alive(status="ok")

    @get(
        "/health/ready",
        scope=None,
        operation_id="ready",
        tags=["service"],
        also={503: Ready},
    )
    async def ready() -> Response[Ready]:
        """Say whether requests can be answered, and what keeps them from it."""
        found = await service.ready()
        return Response(found, status_code=200 if found.status == "ok" else 503)

    return [live, ready]
