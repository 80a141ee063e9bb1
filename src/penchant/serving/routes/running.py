"""What a machine reads of a running service: its meters, and the description of its routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from penchant.serving import meters as measured
from penchant.serving.meters import Meters, Series
from penchant.serving.routes.threads import threaded

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def handlers(
    meters: Meters, gauges: Callable[[], list[Series]], described: Callable[[], bytes]
) -> list[HTTPRouteHandler]:
    """Return the routes.

    Parameters
    ----------
    gauges : tells the values of now.
    described : tells the OpenAPI document, in JSON.
    """

    @get("/metrics", operation_id="metrics", scope="read", tags=["service"])
    @threaded
    def metrics() -> Response[str]:
        """Tell what is counted and timed, over all worker processes, in Prometheus' format."""
        series = [*meters.read(), *gauges()]
        return Response(measured.text(series), headers={"Content-Type": TEXT})

    @get("/openapi.json", scope=None, include_in_schema=False)
    @threaded
    def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Tell all routes, in OpenAPI 3.1."""
        return Response(described(), media_type="application/json")

    return [metrics, openapi]
