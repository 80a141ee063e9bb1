"""The versions of the model, and which is in use."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from penchant.identity import clean_id
from penchant.serving.moments import written
from penchant.serving.routes.threads import threaded
from penchant.serving.service import Service
from penchant.serving.shapes import Check, Interval, ModelList, ModelOut, Promote, Rollback
from penchant.store.registry import Model


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""
    models = service.store.models

    def listed() -> ModelList:
        current = models.in_use()
        version = None if current is None else current.version
        return ModelList(in_use=version, models=[shown(model, version) for model in models.list()])

    @get("/v1/models", operation_id="listModels", scope="admin", tags=["models"])
    @threaded
    def list_models() -> ModelList:
        """List the versions of the model, newest first."""
        return listed()

    @post(
        "/v1/models/promote",
        operation_id="promoteModel",
        scope="admin",
        tags=["models"],
        status_code=200,
        fails=(404, 409),
    )
    @threaded
    def promote(data: JSONBody[Promote], request: Request[Any, Any, Any]) -> ModelList:
        """Use a version from the next request on.

        With ``expected``, only if that version is in use now: of several who decide on the same
        grounds, one succeeds.
        """
        version = clean_id(data.version)
        models.promote(version, by=whose(request), expected=data.expected, now=service.now())
        return listed()

    @post(
        "/v1/models/rollback",
        operation_id="rollBackModel",
        scope="admin",
        tags=["models"],
        status_code=200,
        fails=(409,),
    )
    @threaded
    def roll_back(data: JSONBody[Rollback], request: Request[Any, Any, Any]) -> ModelList:
        """Use the version again that was in use before; the body is ``{}``."""
        models.roll_back(by=whose(request), now=service.now())
        return listed()

    return [list_models, promote, roll_back]


def shown(model: Model, in_use: str | None) -> ModelOut:
    """Return a version as it goes over HTTP."""
    return ModelOut(
        version=model.version,
        name=model.name,
        state=model.state,
        in_use=model.version == in_use,
        events=model.events,
        position=model.position,
        created=written(model.created),
        metrics=msgspec.convert(model.metrics, dict[str, Interval]),
        gate=msgspec.convert(model.gate, list[Check]),
    )


def whose(request: Request[Any, Any, Any]) -> str:
    """Return the name of the key that asks, for the history."""
    key = request.scope["state"].get("key")
    return "without a key" if key is None else str(key.name)
