"""Lists go out."""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from penchant.serving.service import Service
from penchant.serving.shapes import Ask, Listed


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @post("/v1/recommendations", status_code=200, scope="read", tags=["recommendations"])
    async def post_recommendations(data: JSONBody[Ask]) -> Listed:
        """Recommend items to a user, a session, or whoever has the history that is given."""
        return await service.recommend(data)

    return [post_recommendations]
