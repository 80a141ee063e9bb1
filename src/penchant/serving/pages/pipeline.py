"""Pipeline: one list, stage by stage and item by item."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from penchant.errors import PenchantError
from penchant.serving.pages.site import Site, Visit, number, pages, serving_now
from penchant.serving.pages.trying import genres
from penchant.serving.shapes import Ask, Filters, Past
from penchant.serving.stages import Trace, Traced

TOP = 20
"""Items of each part that are shown."""

KEPT = ("shown", "pinned")


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """Return the routes."""
    service = site.service

    @get("/pipeline", scope="admin", include_in_schema=False)
    async def pipeline(request: Visit) -> Response[str]:
        query = request.query_params
        given = {name: query.get(name, "").strip() for name in ("user", "session", "category")}
        likes = query.get("likes", "")
        liked = [one.strip() for one in likes.split(",") if one.strip()]
        diversity = _share(query.get("diversity", "0"))
        made: dict[str, Any] = {**given, "stages": [], "columns": [], "rows": []}
        trouble = ""
        if given["user"] or given["session"] or liked:
            ask = Ask(
                user_id=given["user"] or None,
                session_id=given["session"] or None,
                history=[Past(item_id=one, event_type="like") for one in liked] or None,
                diversity=diversity,
                filters=Filters(categories=[given["category"]]) if given["category"] else None,
            )
            try:
                made |= shown(await service.trace(ask, top=TOP))
            except PenchantError as e:
                trouble = str(e)
        return site.page(
            request, "pipeline.html", likes=likes, diversity=diversity, trouble=trouble,
            genres=genres(serving_now(service).shelf), **made,
        )  # fmt: skip

    return pages([pipeline])


def _share(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def shown(trace: Trace) -> dict[str, Any]:
    """Return the stages as columns of items, and the items as rows of a table."""
    by_id = {one.item_id: one for one in trace.items}
    stages = []
    for n, part in enumerate(trace.proposed):
        said = "proposes" if part.weight is None else f"proposes, with weight {part.weight:.2f}"
        entries = [
            _entry(by_id[i], rank, by_id[i].parts[n]) for rank, i in enumerate(part.items, 1)
        ]
        stages.append({"name": part.name, "said": said, "entries": entries})
    gone = [one for one in trace.items if one.fate not in (*KEPT, "outranked", "no score")]
    out = ", ".join(f"{name} {count:,}" for name, count in trace.filtered.items())
    stages.append(
        {
            "name": "Filtered",
            "said": f"taken out of the catalogue: {out}; of those proposed, "
            + ("these:" if gone else "none."),
            "entries": [{**_entry(one, None, None), "gone": one.fate} for one in gone],
        }
    )
    final = sorted((one for one in trace.items if one.rank), key=lambda one: one.rank or 0)
    source = f"{trace.source}{', the fallback' if trace.fallback else ''}"
    stages.append(
        {
            "name": "The list",
            "said": f"from {source}, with boosts, variety and pins",
            "entries": [_moved(one) for one in final],
        }
    )
    return {
        "stages": stages,
        "columns": [*(part.name for part in trace.proposed), "Score", "With boosts", "Place"],
        "rows": [
            {
                "item_id": one.item_id,
                "title": one.title or one.item_id,
                "rank": one.rank,
                "fate": one.fate,
                "cells": [*map(number, (*one.parts, one.score, one.value)), one.place or "–"],
            }
            for one in trace.items
        ],
    }


def _entry(one: Traced, rank: int | None, score: float | None) -> dict[str, Any]:
    return {
        "item_id": one.item_id,
        "title": one.title or one.item_id,
        "rank": rank,
        "score": "" if score is None else number(score),
        "gone": "" if one.fate in (*KEPT, "outranked") else one.fate,
    }


def _moved(one: Traced) -> dict[str, Any]:
    """Return a line of the list, with where it would stand by its value alone."""
    from_place = one.place is not None and one.place != one.rank
    entry = _entry(one, one.rank, one.value)
    return {
        **entry,
        "score": f"{entry['score']} (was {one.place})" if from_place else entry["score"],
    }
