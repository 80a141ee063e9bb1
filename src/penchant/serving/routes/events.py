"""Events come in."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from penchant.serving.service import Service
from penchant.serving.shapes import Accepted, EventBatch, EventIn


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @post(
        "/v1/events",
        status_code=200,
        operation_id="postEvents",
        scope="ingest",
        tags=["events"],
        body=EventIn | EventBatch,
    )
    async def post_events(request: Request[Any, Any, Any]) -> Accepted:
        """Store an event, or up to 10,000 in ``{"events": [...]}``.

        Each is taken or rejected by itself. Those accepted are durable when the answer comes. The
        same ``event_id`` again is a duplicate without effect.
        """
        return await service.take(await request.body())

    return [post_events]
