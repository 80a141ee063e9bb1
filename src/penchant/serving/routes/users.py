"""People: what is known of them, exported, merged and erased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from penchant.errors import BadParameter, UnknownId
from penchant.identity import clean_id
from penchant.serving.cursors import after, cursor
from penchant.serving.failures import Refusal
from penchant.serving.moments import written
from penchant.serving.routes.parameters import Cursor, ErasureId, Limit, Search, UserId
from penchant.serving.routes.threads import threaded
from penchant.serving.service import Service
from penchant.serving.shapes import (
    Erasure,
    EventOut,
    EventPage,
    Export,
    Merge,
    Merged,
    UserIn,
    UserOut,
    UserPage,
)
from penchant.store import erasure as erasures
from penchant.store.catalogue import User
from penchant.store.log import Logged, person

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""
    return [*_known(service), *_owned(service)]


def _known(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes about what is known of users."""
    store, people = service.store, service.store.users

    @get("/v1/users", operation_id="listUsers", scope="admin", tags=["users"])
    @threaded
    def list_users(
        cursor: Cursor = None,
        limit: Limit = 50,
        search: Search = None,
    ) -> UserPage:
        """List users by id: those that were put, and those with events."""
        rows = people.page(after("users", cursor, str), limit + 1, search=search)
        return UserPage(users=[shown(row) for row in rows[:limit]], cursor=_next(rows, limit))

    @get("/v1/users/{user_id:str}", operation_id="getUser", scope="admin", tags=["users"])
    @threaded
    def get_user(user_id: UserId) -> UserOut:
        """Tell what is known of a user."""
        return shown(_found(people.get(clean_id(user_id)), user_id))

    @put("/v1/users/{user_id:str}", operation_id="putUser", scope="admin", tags=["users"])
    @threaded
    def put_user(user_id: UserId, data: JSONBody[UserIn]) -> UserOut:
        """Add a user, or replace all that is known of them."""
        row = User(user_id=user_id, attributes=data.attributes)
        try:
            people.put([row], now=service.now())
        except BadParameter as error:
            raise BadParameter(str(error).replace("users[0].", "")) from error
        return shown(_found(people.get(clean_id(user_id)), user_id))

    @get(
        "/v1/users/{user_id:str}/events",
        operation_id="listUserEvents",
        scope="admin",
        tags=["users"],
    )
    @threaded
    def list_events(user_id: UserId, cursor: Cursor = None, limit: Limit = 50) -> EventPage:
        """List a user's events, newest first."""
        who = person(_found(people.get(clean_id(user_id)), user_id).user_id, None)
        rows = store.events.page(who, after("events", cursor, int), limit + 1)
        return EventPage(
            events=[event(_read(row)) for row in rows[:limit]], cursor=_onward(rows, limit)
        )

    return [list_users, get_user, put_user, list_events]


def _owned(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes by which people get, join and erase what is theirs."""
    store = service.store

    @get(
        "/v1/users/{user_id:str}/export",
        operation_id="exportUser",
        scope="admin",
        tags=["users"],
        returns=Export,
    )
    @threaded
    def export(user_id: UserId) -> Response[bytes]:
        """Hand out everything that is stored about a user, and whoever was merged into them."""
        found = erasures.export(store, user_id)
        body = Export(
            user_id=found.user.user_id,
            attributes=found.user.attributes,
            merged=found.merged,
            events=[event(row) for row in found.events],
            recommendations=[_recommendation(row) for row in found.recommendations],
        )
        # Encoded here, in a thread of its own, for it may be long.
        return Response(_encode(body), media_type="application/json")

    @post(
        "/v1/users/merge",
        operation_id="mergeUsers",
        scope="admin",
        tags=["users"],
        status_code=200,
        fails=(409,),
    )
    @threaded
    def merge(data: JSONBody[Merge]) -> Merged:
        """Say that a session, or another user, is this user: before and from now on."""
        if (data.session_id is None) == (data.from_user_id is None):
            raise Refusal("invalid", "Give session_id or from_user_id, one of the two.", path="$")
        who = person(_cleaned(data.from_user_id), _cleaned(data.session_id))
        found = erasures.merge(store, who, person(clean_id(data.user_id), None), now=service.now())
        return Merged(user_id=found.person[1:], events=found.events)

    @delete(
        "/v1/users/{user_id:str}",
        operation_id="eraseUser",
        scope="admin",
        tags=["users"],
        status_code=202,
    )
    @threaded
    def erase(user_id: UserId) -> Erasure:
        """Erase a user and all that is stored about them; ask for the erasure when it is complete.

        Events and recommendations are gone when this answers, models that could have learned from
        them when a later model is in use.
        """
        return _erasure(erasures.erase(store, user_id, now=service.now()))

    @get("/v1/erasures/{erasure_id:str}", operation_id="getErasure", scope="admin", tags=["users"])
    @threaded
    def get_erasure(
        erasure_id: ErasureId,
    ) -> Erasure:
        """Tell how far an erasure has come."""
        return _erasure(erasures.erasure(store, clean_id(erasure_id)))

    return [export, merge, erase, get_erasure]


def shown(user: User) -> UserOut:
    """Return a user as they go over HTTP."""
    return UserOut(
        user_id=user.user_id,
        attributes=user.attributes,
        created=None if user.created is None else written(user.created),
        updated=None if user.updated is None else written(user.updated),
    )


def event(row: Mapping[str, Any]) -> EventOut:
    """Return an event of the log as it goes over HTTP; ``row`` holds the columns, JSON read."""
    who = row["person"]
    return EventOut(
        position=row["position"],
        event_id=row["event_id"],
        user_id=who[1:] if who[0] == "u" else None,
        session_id=row["session_id"],
        item_id=row["item_id"],
        event_type=row["kind"],
        value=row["value"],
        timestamp=written(row["time"]),
        received=written(row["received"]),
        recommendation_id=row["recommendation_id"],
        rank=row["rank"],
        items=row["items"],
        context=row["context"],
        properties=row["properties"],
    )


def _recommendation(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "time": written(row["time"])}


def _erasure(found: erasures.Erasure) -> Erasure:
    return Erasure(
        erasure_id=found.erasure_id,
        requested=written(found.requested),
        completed=None if found.completed is None else written(found.completed),
        events=found.events,
        recommendations=found.recommendations,
        models=found.models,
    )


def _cleaned(given: str | None) -> str | None:
    return None if given is None else clean_id(given)


def _found(user: User | None, user_id: str) -> User:
    if user is None:
        raise UnknownId(f"There is no user {user_id!r:.80}.")
    return user


def _next(rows: list[User], limit: int) -> str | None:
    return cursor("users", rows[limit - 1].user_id) if len(rows) > limit else None


def _onward(rows: list[Logged], limit: int) -> str | None:
    return cursor("events", rows[limit - 1].position) if len(rows) > limit else None


def _read(row: Logged) -> dict[str, Any]:
    texts = {"context": row.context, "properties": row.properties}
    found = {name: None if text is None else _decode(text) for name, text in texts.items()}
    return msgspec.structs.asdict(row) | found
