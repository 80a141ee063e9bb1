"""Lists go out, and why they are as they are."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter

from penchant.identity import clean_id
from penchant.serving.failures import Refusal
from penchant.serving.routes.parameters import Cursor, ItemId
from penchant.serving.service import Service
from penchant.serving.shapes import Ask, ExplainAsk, Explained, Filters, Listed, Ranked, Valid

Some = Annotated[str | None, QueryParameter(min_length=1, max_length=256)]
Asked = Annotated[str, QueryParameter(name="item_id", min_length=1, max_length=256)]
Length = Annotated[int, QueryParameter(ge=1, le=100, description="items of a list")]
Days = Annotated[int, QueryParameter(ge=1, le=3650, description="days that count, today included")]
Categories = Annotated[
    list[str] | None, QueryParameter(name="category", max_items=100, description="any of these")
]
Flag = Annotated[bool, QueryParameter()]
Variety = Annotated[
    float, QueryParameter(ge=0, le=1, description="0: none, 1: as varied as can be")
]


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(
        "/v1/recommendations",
        operation_id="getRecommendations",
        fails=(404,),  # the list that a cursor goes on with
        scope="read",
        tags=["recommendations"],
    )
    async def get_recommendations(
        user_id: Some = None,
        session_id: Some = None,
        k: Length = 10,
        categories: Categories = None,
        diversity: Variety = 0.0,
        allow_seen: Flag = False,
        reasons: Flag = True,
        cursor: Cursor = None,
    ) -> Listed:
        """Recommend items to a user or a session. POST takes more."""
        ask = Ask(
            user_id=user_id,
            session_id=session_id,
            k=k,
            filters=None if categories is None else Filters(categories=categories),
            diversity=diversity,
            allow_seen=allow_seen,
            reasons=reasons,
            cursor=cursor,
        )
        return await service.recommend(ask)

    @post(
        "/v1/recommendations",
        operation_id="postRecommendations",
        fails=(404, 409),  # another model
        status_code=200,
        scope="read",
        tags=["recommendations"],
    )
    async def post_recommendations(
        request: Request[Any, Any, Any], data: JSONBody[Ask]
    ) -> Listed | Valid:
        """Recommend items to a user, a session, or whoever has the history that is given.

        What is given of user, session and history is joined. Someone unknown gets what many like,
        and ``fallback`` is true. With ``validate_only`` nothing is recommended: the reply says what
        is odd about the request.
        """
        _may_choose(request, data)
        return await (service.validate(data) if data.validate_only else service.recommend(data))

    @get(
        "/v1/items/{item_id:str}/similar",
        operation_id="getSimilar",
        scope="read",
        tags=["recommendations"],
    )
    async def get_similar(item_id: ItemId, k: Length = 10, categories: Categories = None) -> Ranked:
        """Tell which items are most like one."""
        return await service.similar(clean_id(item_id), k, categories)

    @get("/v1/popular", operation_id="getPopular", scope="read", tags=["recommendations"])
    async def get_popular(days: Days = 30, k: Length = 10, categories: Categories = None) -> Ranked:
        """Tell what people went for most in the last days; the score is how often."""
        return await service.popular(days, k, categories)

    @get("/v1/trending", operation_id="getTrending", scope="read", tags=["recommendations"])
    async def get_trending(days: Days = 7, k: Length = 10, categories: Categories = None) -> Ranked:
        """Tell what people go for more than before; the score is how many times as much."""
        return await service.trending(days, k, categories)

    @get("/v1/explain", operation_id="getExplanation", scope="read", tags=["recommendations"])
    async def get_explanation(
        item: Asked,
        user_id: Some = None,
        session_id: Some = None,
        k: Length = 10,
        categories: Categories = None,
    ) -> Explained:
        """Say why an item is, or is not, in the list that someone would get."""
        filters = None if categories is None else Filters(categories=categories)
        ask = Ask(user_id=user_id, session_id=session_id, k=k, filters=filters)
        return await service.explain(ask, clean_id(item))

    @post(
        "/v1/explain",
        operation_id="postExplanation",
        fails=(404, 409),  # another model
        status_code=200,
        scope="read",
        tags=["recommendations"],
    )
    async def post_explanation(
        request: Request[Any, Any, Any], data: JSONBody[ExplainAsk]
    ) -> Explained:
        """Say why an item is, or is not, in the list that the same request would get."""
        _may_choose(request, data)
        return await service.explain(data, data.item_id)

    return [
        get_recommendations,
        post_recommendations,
        get_similar,
        get_popular,
        get_trending,
        get_explanation,
        post_explanation,
    ]


def _may_choose(request: Request[Any, Any, Any], ask: Ask) -> None:
    """Raise Refusal if another model is asked for with a key that is not an admin's."""
    key = request.scope["state"].get("key")
    if ask.model is not None and key is not None and "admin" not in key.scopes:
        raise Refusal("scope_missing", "Choosing a model needs the scope admin.", path="$.model")
