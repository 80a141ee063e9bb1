"""Try it: pick what you like, and see the list move and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from litestar import Response, get, post
from litestar.datastructures import FormMultiDict, MultiDict
from litestar.handlers import HTTPRouteHandler

from penchant.errors import PenchantError
from penchant.serving.current import Serving
from penchant.serving.pages.site import Site, Visit, hue, pages, serving_now
from penchant.serving.service import Service
from penchant.serving.shapes import Ask, Filters, Listed, Past, Recommended
from penchant.serving.shelf import Shelf

TILES = 24
"""Items of the catalogue on the page."""

MOST_LIKES = 200

_LIST = pl.List(pl.String)

LENGTHS = (5, 10, 20, 50)


class Tile(msgspec.Struct):
    """An item as it is shown: what it is called, what is said of it, its colour."""

    item_id: str
    title: str
    facts: str = ""
    hue: int = 0


class Entry(msgspec.Struct):
    """A line of a list; ``share`` is how long its bar is, in percent."""

    item_id: str
    rank: int
    title: str
    facts: str
    reason: str | None
    share: int


class Shown(msgspec.Struct):
    """A list with its heading and how long it took, in milliseconds."""

    heading: str
    took: str
    fallback: bool
    entries: list[Entry]
    empty_because: list[str]


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """Return the routes."""
    service = site.service

    @get("/", scope="read", include_in_schema=False)
    async def try_it(request: Visit) -> Response[str]:
        serving = serving_now(service)
        return site.page(
            request,
            "try.html",
            items=int(serving.shelf.open(service.now()).sum()),
            found=popular(serving, service.now()),
            found_heading="What many people like",
            words="",
            **await worked(service, request.query_params, every=site.admin(request)),
        )

    @get("/try/search", scope="read", include_in_schema=False)
    async def search(request: Visit) -> Response[str]:
        words = request.query_params.get("words", "")[:200]
        serving = serving_now(service)
        return site.page(
            request,
            "try_found.html",
            words=words,
            found_heading=f"Found for {words}" if words.strip() else "What many people like",
            found=found(service, serving, words),
        )

    @post("/try/work", scope="read", form=True, status_code=200, include_in_schema=False)
    async def work(request: Visit) -> Response[str]:
        form, admin = await request.form(), site.admin(request)
        shown = await worked(service, form, every=admin)
        return site.page(request, "try_work.html", **shown)

    return pages([try_it, search, work])


def popular(serving: Serving, now: int) -> list[Tile]:
    """Return what many people like."""
    shelf = serving.shelf
    scores = np.where(shelf.open(now), np.nan_to_num(serving.popular, nan=-1.0), -2.0)
    best = np.argsort(-scores, kind="stable")[:TILES]
    return tiles(shelf, best[scores[best] > -2.0].tolist())


def found(service: Service, serving: Serving, words: str) -> list[Tile]:
    """Return items whose title or id holds the words, the best known first."""
    if not words.strip():
        return popular(serving, service.now())
    ids = [one.item_id for one in service.store.items.page(limit=500, search=words)]
    codes = serving.shelf.known(ids)
    known = np.nan_to_num(serving.popular, nan=-1.0)[codes]
    return tiles(serving.shelf, codes[np.argsort(-known, kind="stable")][:TILES].tolist())


def tiles(shelf: Shelf, codes: Sequence[int]) -> list[Tile]:
    """Return items as they are shown."""
    ids = shelf.items.decode(codes)
    titles = shelf.titles.gather(list(codes)).to_list()
    categories = [msgspec.json.decode(c) for c in shelf.categories.gather(list(codes)).to_list()]
    return [
        Tile(one, title or one, " · ".join(own[:3]), hue(own[0]) if own else 40)
        for one, title, own in zip(ids, titles, categories, strict=True)
    ]


async def worked(
    service: Service, form: FormMultiDict | MultiDict[Any], *, every: bool
) -> dict[str, Any]:
    """Return what the working part of the page shows: what is liked, and lists for it.

    Parameters
    ----------
    every : whether any version of the model may be asked, as the key of an admin may.
    """
    likes = _likes(form)
    serving = serving_now(service)
    person = str(form.get("person", "")).strip()
    chosen = [str(one) for one in form.getall("category", [])]
    k, diversity = _number(form, "k", 10), _number(form, "diversity", 0.0)
    models = offered(service) if every else offered(service)[:1]
    known = {one["version"] for one in models}
    left, right = (
        v if (v := str(form.get(name, ""))) in known else "" for name in ("left", "right")
    )
    left = left or (serving.version or "")
    lists, trouble = [], ""
    for version in [left, right] if right and right != left else [left]:
        ask = Ask(
            user_id=person or None,
            history=[Past(item_id=one, event_type="like") for one in likes] or None,
            k=int(k) if k in LENGTHS else 10,
            diversity=min(max(diversity, 0.0), 1.0),
            filters=Filters(categories=chosen) if chosen else None,
            model=version if version != serving.version else None,
        )
        begun = time.perf_counter()
        try:
            answer = await service.recommend(ask)
        except PenchantError as e:
            trouble = str(e)
            continue
        heading = next((one["label"] for one in models if one["version"] == version), "Popular")
        lists.append(shown(answer, heading, time.perf_counter() - begun))
    return {
        "likes": tiles(serving.shelf, serving.shelf.known(likes).tolist()),
        "genres": genres(serving.shelf),
        "categories": chosen,
        "person": person,
        "diversity": diversity,
        "k": int(k),
        "models": models,
        "left": left,
        "right": right,
        "more": bool(person or right or diversity or k != 10),
        "lists": lists,
        "trouble": trouble,
    }


def _likes(form: FormMultiDict | MultiDict[Any]) -> list[str]:
    if form.get("clear"):
        return []
    likes = [str(one) for one in form.getall("like", [])]
    likes += [str(one) for one in form.getall("add", [])]
    gone = {str(one) for one in form.getall("remove", [])}
    return [one for one in dict.fromkeys(likes) if one not in gone][:MOST_LIKES]


def _number(form: FormMultiDict | MultiDict[Any], name: str, default: float) -> float:
    try:
        value = float(str(form.get(name, default)))
    except ValueError:
        return default
    return value if value == value else default


def offered(service: Service) -> list[dict[str, str]]:
    """Return the versions that can be compared, the one in use first."""
    used = service.store.models.in_use()
    now = used.version if used else None
    rows = [one for one in service.store.models.list() if one.state == "accepted"]
    rows.sort(key=lambda one: one.version != now)
    return [
        {
            "version": one.version,
            "label": f"{one.name} ({'in use' if one.version == now else one.version})",
        }
        for one in rows[:10]
    ]


def genres(shelf: Shelf) -> list[str]:
    """Return the categories most items have, by the alphabet."""
    words = shelf.categories.str.json_decode(dtype=_LIST).explode().drop_nulls()
    return sorted(words.value_counts(sort=True).head(20).to_series().to_list())


def shown(answer: Listed, heading: str, seconds: float) -> Shown:
    """Return a reply as a list on the page."""
    scores = [one.score for one in answer.items if one.score is not None]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return Shown(
        heading,
        f"{seconds * 1000:.0f}",
        answer.fallback,
        [_entry(one, low, high) for one in answer.items],
        answer.empty_because,
    )


def _entry(one: Recommended, low: float, high: float) -> Entry:
    share = 0.0 if one.score is None else (one.score - low) / (high - low) if high > low else 1.0
    reason = one.reason and one.reason[:1].upper() + one.reason[1:]
    facts = " · ".join(one.categories[:3])
    return Entry(
        one.item_id, one.rank, one.title or one.item_id, facts, reason, 12 + round(88 * share)
    )
