"""Models: the versions, what the gate said of them, and which one answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from penchant.errors import PenchantError
from penchant.serving.pages.site import Site, Visit, ago, number, pages, told
from penchant.serving.routes.models import whose
from penchant.serving.service import Service
from penchant.store.registry import Model

METRICS = 4
"""Metrics in the table and as charts, at most."""


def handlers(site: Site) -> list[HTTPRouteHandler]:
    """Return the routes."""
    service = site.service
    registry = service.store.models

    @get("/models", scope="read", include_in_schema=False)
    async def models(request: Visit) -> Response[str]:
        table = await asyncio.to_thread(shown, service)
        failure = await asyncio.to_thread(last_failure, service)
        return site.page(request, "models.html", failure=failure, said="", **table)

    async def moved(request: Visit, move: Callable[[], str]) -> Response[str]:
        try:
            said = await asyncio.to_thread(move)
        except PenchantError as e:
            said = str(e)
        table = await asyncio.to_thread(shown, service)
        return site.page(request, "models_table.html", said=said, **table)

    @post("/models/promote", scope="admin", form=True, status_code=200, include_in_schema=False)
    async def promote(request: Visit) -> Response[str]:
        form = await request.form()
        version = str(form.get("version", ""))

        def move() -> str:
            registry.promote(
                version,
                by=whose(request),
                now=service.now(),
                expected=str(form.get("expected", "")),
            )
            return f"{version} is in use from the next request on."

        return await moved(request, move)

    @post("/models/rollback", scope="admin", form=True, status_code=200, include_in_schema=False)
    async def roll_back(request: Visit) -> Response[str]:
        expected = str((await request.form()).get("expected", ""))

        def move() -> str:
            used = registry.in_use()
            if used is None or used.version != expected:
                return "Another model has come into use meanwhile. Look again, then decide."
            back = registry.roll_back(by=whose(request), now=service.now())
            return f"{back.version} is in use again."

        return await moved(request, move)

    return pages([models, promote, roll_back])


def shown(service: Service) -> dict[str, Any]:
    """Return what the table of versions shows."""
    registry = service.store.models
    rows, used, now = registry.list(), registry.in_use(), service.now()
    in_use = used.version if used is not None else ""
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))[:METRICS]
    return {
        "store": service.store.url,
        "in_use": in_use,
        "previous": _previous(service, in_use),
        "metrics": names,
        "rows": [
            {
                "version": row.version,
                "name": row.name,
                "state": row.state,
                "created": f"{ago(row.created, now)} ago",
                "events": f"{row.events:,}",
                "metrics": [_cell(row, name) for name in names],
                "gate": row.gate,
                "in_use": row.version == in_use,
                "promotable": row.state == "accepted" and row.version != in_use,
            }
            for row in rows
        ],
        "charts": [_chart(name, rows[::-1]) for name in names[:2]],
    }


def last_failure(service: Service) -> dict[str, str] | None:
    """Return when and why the last training failed, if it did."""
    last = next(iter(service.store.trainings.latest(1)), None)
    if last is None or last.state != "failed":
        return None
    return {"when": f"{told(last.started)} UTC", "why": last.reason or "nobody knows why"}


def _previous(service: Service, in_use: str) -> str | None:
    """Return a version that was in use before, if there is one whose files are there."""
    there = {row.version for row in service.store.models.list() if row.state == "accepted"}
    past = [one.version for one in service.store.models.history()]
    return next((one for one in reversed(past) if one != in_use and one in there), None)


def _cell(row: Model, name: str) -> dict[str, str]:
    found = row.metrics.get(name)
    if found is None:
        return {"mean": "–", "interval": ""}
    low, high = number(found["low"]), number(found["high"])
    return {"mean": number(found["mean"]), "interval": f"{low} to {high}"}


def _chart(name: str, rows: Sequence[Model]) -> dict[str, Any]:
    measured = [row for row in rows if name in row.metrics]
    found = [row.metrics[name] for row in measured]
    columns = [[one[part] for one in found] for part in ("mean", "low", "high")]
    last = f"{number(columns[0][-1])} at last" if found else "not measured yet"
    return {
        "name": name,
        "said": f"{name} of {len(found)} versions, {last}",
        "spec": {
            "x": "trained", "time": True, "points": True, "bands": [[3, 2]],
            "series": [{"label": name}, {"label": "low", "faint": True},
                       {"label": "high", "faint": True}],
            "data": [[row.created / 1e6 for row in measured], *columns],
        },
    }  # fmt: skip
