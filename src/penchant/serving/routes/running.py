"""What a machine reads of a running service: its meters, and the description of its routes."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from penchant.serving import meters as measured
from penchant.serving.meters import Meters, Series
from penchant.serving.moments import SECOND
from penchant.serving.routes.threads import threaded
from penchant.serving.service import Service

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def handlers(
    service: Service, meters: Meters, described: Callable[[], bytes]
) -> list[HTTPRouteHandler]:
    """Return the routes; ``described`` gives the OpenAPI document, in JSON."""
    started = service.now() / SECOND

    @get("/metrics", operation_id="metrics", scope="read", tags=["service"], returns=str)
    @threaded
    def metrics() -> Response[str]:
        """Tell what is counted and timed, over all worker processes, in Prometheus' format."""
        model = service.store.models.in_use()
        created = 0.0 if model is None else model.created / SECOND
        series = [
            *meters.read(),
            Series("penchant_model_created_seconds", (), (created,)),
            Series("penchant_started_seconds", (), (started,)),
        ]
        return Response(measured.text(series), headers={"Content-Type": TEXT})

    @get("/openapi.json", scope=None, include_in_schema=False)
    @threaded
    def openapi() -> Response[bytes]:
        """Tell all routes, in OpenAPI 3.1."""
        return Response(described(), media_type="application/json")

    return [metrics, openapi]
