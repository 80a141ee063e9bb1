"""Data: the catalogue and the people, one of each, and erasing a person."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import polars as pl
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from penchant.errors import PenchantError
from penchant.identity import clean_id
from penchant.serving.pages.site import Site, Visit, pages, serving_now, told
from penchant.serving.routes.parameters import ItemId, UserId
from penchant.serving.service import Service
from penchant.store import erasure
from penchant.store.catalogue import Item
from penchant.store.log import person

ROWS = 50
"""Rows of a table on one page."""


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """Return the routes."""
    service = site.service
    store = service.store

    @get("/data", scope="admin", include_in_schema=False)
    async def items(request: Visit) -> Response[str]:
        search, after = _asked(request)
        found = await asyncio.to_thread(store.items.page, after, ROWS, search=search)
        rows = [
            {
                "id": one.item_id,
                "href": f"/data/items/{quote(one.item_id, safe='')}",
                "cells": [one.title or "", ", ".join(one.categories), _state(one, service.now())],
            }
            for one in found
        ]
        return site.page(
            request, "data_list.html", tab="items", here_tab="/data", heading="Catalogue",
            rows=rows, columns=["Item", "Title", "Categories", "State"], search=search or "",
            placeholder="Words of a title or id", next=_next("/data", search, rows),
        )  # fmt: skip

    @get("/data/users", scope="admin", include_in_schema=False)
    async def users(request: Visit) -> Response[str]:
        search, after = _asked(request)
        found = await asyncio.to_thread(store.users.page, after, ROWS, search=search)
        rows = [
            {
                "id": one.user_id,
                "href": f"/data/users/{quote(one.user_id, safe='')}",
                "cells": [_listed(one.attributes)],
            }
            for one in found
        ]
        return site.page(
            request, "data_list.html", tab="users", here_tab="/data/users", heading="People",
            rows=rows, columns=["Person", "What is known"], search=search or "",
            placeholder="Beginning of an id", next=_next("/data/users", search, rows),
        )  # fmt: skip

    @get("/data/items/{item_id:str}", scope="admin", include_in_schema=False)
    async def item(request: Visit, item_id: ItemId) -> Response[str]:
        item_id = clean_id(request.path_params["item_id"])
        found = await asyncio.to_thread(store.items.get, item_id)
        if found is None:
            raise NotFoundException(f"There is no item {item_id!r}.")
        return site.page(
            request, "data_item.html", tab="items", item=found, facts=_facts(found),
            alike=await _alike(service, item_id),
        )  # fmt: skip

    @get("/data/users/{user_id:str}", scope="admin", include_in_schema=False)
    async def user(request: Visit, user_id: UserId) -> Response[str]:
        user_id = clean_id(request.path_params["user_id"])
        erased = _told(request.query_params.get("erased"), service)
        shown = await asyncio.to_thread(_person, service, user_id)
        if shown is None and not erased:
            raise NotFoundException(f"Nothing is known of {user_id!r}.")
        return site.page(
            request, "data_user.html", tab="users", user_id=user_id, erased=erased,
            erase_href=f"/data/users/{quote(user_id, safe='')}/erase",
            pipeline_href=f"/pipeline?{urlencode({'user': user_id})}",
            **(shown or {"attributes": [], "events": [], "shown": []}),
        )  # fmt: skip

    @post(
        "/data/users/{user_id:str}/erase", scope="admin", form=True, status_code=303,
        include_in_schema=False,
    )  # fmt: skip
    async def erase(request: Visit, user_id: UserId) -> Response[Any]:
        user_id = clean_id(request.path_params["user_id"])
        here = f"/data/users/{quote(user_id, safe='')}"
        if str((await request.form()).get("typed", "")) != user_id:
            return Redirect(here, status_code=303)
        done = await asyncio.to_thread(erasure.erase, store, user_id, now=service.now())
        return Redirect(f"{here}?{urlencode({'erased': done.erasure_id})}", status_code=303)

    return pages([items, users, item, user, erase])


def _asked(request: Visit) -> tuple[str | None, str | None]:
    query = request.query_params
    return query.get("search", "")[:200] or None, query.get("after") or None


def _next(path: str, search: str | None, rows: list[dict[str, Any]]) -> str | None:
    if len(rows) < ROWS:
        return None
    return f"{path}?{urlencode({'search': search or '', 'after': rows[-1]['id']})}"


def _state(item: Item, now: int) -> str:
    if item.withdrawn:
        return "withdrawn"
    return "" if item.available(now) else "not available now"


def _listed(attributes: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in attributes.items())[:200]


def _facts(item: Item) -> list[tuple[str, str]]:
    facts = [("id", item.item_id), ("categories", ", ".join(item.categories))]
    facts += [(name, _plain(value)) for name, value in item.attributes.items()]
    times = {"shown from": item.available_from, "shown until": item.available_until}
    facts += [(name, told(time)) for name, time in times.items() if time is not None]
    return [*facts, ("added", told(item.created)), ("changed", told(item.updated))]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def _alike(service: Service, item_id: str) -> list[dict[str, str]]:
    found = await service.similar(item_id, 8, None)
    return [
        {"href": f"/data/items/{quote(one.item_id, safe='')}", "title": one.title or one.item_id}
        for one in found.items
    ]


def _told(erasure_id: str | None, service: Service) -> str:
    if erasure_id is None:
        return ""
    try:
        found = erasure.erasure(service.store, erasure_id)
    except PenchantError:
        return ""
    left = "nothing of them is left" if found.completed else (
        f"{len(found.models)} models that could have learned from them go at the next training"
    )  # fmt: skip
    return (
        f"Erased: {found.events:,} events and {found.recommendations:,} lists; {left}. "
        f"The erasure is {found.erasure_id}."
    )


def _person(service: Service, user_id: str) -> dict[str, Any] | None:
    store, who = service.store, person(user_id, None)
    known = store.users.get(user_id)
    if known is None:
        return None
    shelf = serving_now(service).shelf

    def titled(ids: list[str]) -> list[str]:
        codes = shelf.items.encode(pl.Series(ids, dtype=pl.String)).tolist()
        names = [shelf.titles[code] if code >= 0 else None for code in codes]
        return [name or one for name, one in zip(names, ids, strict=True)]

    events = store.events.page(who, None, ROWS)
    lists = store.shown.page(who, None, 20)
    shown = []
    for one in lists:
        ids = [entry[0] for entry in msgspec.json.decode(one.items)][: one.shown]
        shown.append({"time": told(one.time), "model": one.model or "–", "titles": titled(ids)})
    return {
        "attributes": [(name, _plain(value)) for name, value in known.attributes.items()],
        "events": [
            {
                "time": told(one.time),
                "kind": one.kind,
                "title": titled([one.item_id])[0] if one.item_id else "",
                "value": "" if one.value is None else f"{one.value:g}",
                "session": one.session_id,
            }
            for one in events
        ],
        "shown": shown,
    }
