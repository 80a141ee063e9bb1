"""The pages of the service, a file each: they ask the same functions as the routes."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from penchant.serving.meters import Meters
from penchant.serving.pages import models, overview, pipeline, stored, trying
from penchant.serving.pages.site import Site
from penchant.serving.service import Service


def handlers(service: Service, meters: Meters) -> list[ControllerRouterHandler]:
    """Return the routes of all pages."""
    site = Site(service)
    return [
        *site.handlers(),
        *trying.handlers(site),
        *overview.handlers(site, overview.Past(meters)),
        *pipeline.handlers(site),
        *models.handlers(site),
        *stored.handlers(site),
    ]
