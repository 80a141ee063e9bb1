"""Overview: what the service does now, over all its workers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from numpy.typing import ArrayLike

from penchant.serving.meters import TIMES, Meters, Series
from penchant.serving.pages.site import Site, Visit, ago, pages, serving_now
from penchant.serving.service import Service

EVERY = 5.0
"""Seconds between two looks at the meters."""

KEPT = 720
"""Looks that are kept: an hour."""

MINUTE = 60 * 10**6
LISTS = "/v1/recommendations"
SAMPLE = 1000
"""Lists that coverage is counted over."""


class Look(NamedTuple):
    """The meters at one moment: when (seconds), and what had been counted since the start."""

    time: float
    lists: float
    fallbacks: float
    events: float
    failed: float
    times: tuple[float, ...]


class Past:
    """The meters of the last hour, looked at every few seconds."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._looks: deque[Look] = deque(maxlen=KEPT)

    def look(self, now: int) -> list[Look]:
        """Look at the meters, unless that was done just now; return all looks, oldest first."""
        if not self._looks or now / 1e6 - self._looks[-1].time >= EVERY / 2:
            self._looks.append(seen(self._meters.read(), now / 1e6))
        return list(self._looks)


def seen(series: Sequence[Series], time: float) -> Look:
    """Return what the page needs of all series."""
    lists, fallbacks, events, failed = 0.0, 0.0, 0.0, 0.0
    times = np.zeros(len(TIMES) + 2)
    for name, labels, values in series:
        if name == "penchant_recommendations_total":
            lists += values[0]
            fallbacks += values[0] if labels[0] == "true" else 0.0
        elif name == "penchant_events_total" and labels[0] == "accepted":
            events += values[0]
        elif name == "penchant_http_requests_total" and labels[2].startswith("5"):
            failed += values[0]
        elif name == "penchant_http_request_seconds" and labels[0] == LISTS:
            times += values
    return Look(time, lists, fallbacks, events, failed, tuple(times.tolist()))


def quantile(buckets: ArrayLike, q: float) -> float | None:
    """Return a quantile in milliseconds, a straight line within its bucket; None without times."""
    counts = np.asarray(buckets, float)
    total = counts.sum()
    if total <= 0:
        return None
    ends = np.array([0.0, *TIMES, TIMES[-1]])
    place = int(np.searchsorted(np.cumsum(counts), q * total))
    before = counts[:place].sum()
    share = (q * total - before) / counts[place]
    return float(ends[place] + share * (ends[place + 1] - ends[place])) * 1e3


def handlers(site: Site, past: Past) -> list[HTTPRouteHandler]:
    """Return the routes."""
    service = site.service

    @get("/overview", scope="read", include_in_schema=False)
    async def overview(request: Visit) -> Response[str]:
        shown = await asyncio.to_thread(live, service, past)
        return site.page(request, "overview.html", **shown)

    @get("/overview/live", scope="read", include_in_schema=False)
    async def refreshed(request: Visit) -> Response[str]:
        shown = await asyncio.to_thread(live, service, past)
        return site.page(request, "overview_live.html", **shown)

    return pages([overview, refreshed])


def live(service: Service, past: Past) -> dict[str, Any]:
    """Return figures and charts of the last hour."""
    now, store = service.now(), service.store
    looks = past.look(now)
    first = next((one for one in looks if one.time >= looks[-1].time - 60), looks[0])
    last = looks[-1]
    minutes = (last.time - first.time) / 60
    since = np.subtract(last.times, first.times)[:-1]
    counted = since if since.sum() else np.array(last.times)[:-1]
    followed = store.shown.clicks(now - 60 * MINUTE, now)
    items, clicks = sum(m.items for m in followed), sum(m.clicks for m in followed)
    lists = last.lists - looks[0].lists or last.lists
    fallbacks = (
        (last.fallbacks - looks[0].fallbacks) if last.lists > looks[0].lists else last.fallbacks
    )
    model = store.models.in_use()
    covered, catalogue = coverage(service)
    p50, p99 = quantile(counted, 0.5), quantile(counted, 0.99)
    figures = [
        _figure("Lists a minute", _rate(last.lists - first.lists, minutes)),
        _figure("Events a minute", _rate(last.events - first.events, minutes)),
        _figure("Time of a list, median", _short(p50), "ms"),
        _figure("Time of a list, 99 %", _short(p99), "ms"),
        _figure("Answered by the fallback", _percent(fallbacks, lists)),
        _figure("Click-through", _percent(clicks, items), "of items shown"),
        _figure(
            f"Coverage, last {SAMPLE:,} lists", _percent(covered, catalogue), "of the catalogue"
        ),
        _figure("Model", ago(model.created, now) if model else "none", "old" if model else ""),
        _figure("Errors since the start", f"{last.failed:,.0f}"),
    ]
    return {
        "store": store.url,
        "model": model,
        "figures": figures,
        "charts": [*_rates(looks), _followed(followed)],
    }


def coverage(service: Service) -> tuple[int, int]:
    """Return how many items the last lists showed, and how many there are to show."""
    met: set[str] = set()
    for text, shown in service.store.shown.latest(SAMPLE):
        met.update(entry[0] for entry in msgspec.json.decode(text)[:shown])
    return len(met), int(serving_now(service).shelf.open(service.now()).sum())


def _figure(name: str, value: str, unit: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "unit": unit}


def _rate(count: float, minutes: float) -> str:
    return f"{count / minutes:,.0f}" if minutes > 0 else "–"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _rates(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Return events and lists a minute, and times of lists, between one look and the next."""
    pairs = list(pairwise(looks))
    at = [b.time for _, b in pairs]
    per = [(b.time - a.time) / 60 for a, b in pairs]
    lists = [(b.lists - a.lists) / m for (a, b), m in zip(pairs, per, strict=True)]
    events = [(b.events - a.events) / m for (a, b), m in zip(pairs, per, strict=True)]
    times = [np.subtract(b.times, a.times)[:-1] for a, b in pairs]
    return [
        _chart("Lists and events a minute", at, {"lists": lists, "events": events}, ""),
        _chart(
            "Time of a list",
            at,
            {f"{q:.0%}": [quantile(one, q) for one in times] for q in (0.5, 0.99)},
            " ms",
        ),
    ]


def _followed(minutes: Sequence[Any]) -> dict[str, Any]:
    return _chart(
        "Click-through and fallback",
        [one.minute / 1e6 for one in minutes],
        {
            "click-through, %": [100 * one.clicks / max(one.items, 1) for one in minutes],
            "fallback, %": [100 * one.fallbacks / max(one.lists, 1) for one in minutes],
        },
        " %",
    )


def _chart(
    name: str, at: Sequence[float], lines: Mapping[str, Sequence[float | None]], unit: str
) -> dict[str, Any]:
    told = {label: next((v for v in reversed(line) if v is not None), None)
            for label, line in lines.items()}  # fmt: skip
    said = ", ".join(f"{label} {_short(value)}{unit}" for label, value in told.items())
    return {
        "name": name,
        "said": f"{name} over the last hour; at last: {said}",
        "spec": {
            "x": "time", "time": True, "zero": True, "unit": unit,
            "series": [{"label": label} for label in lines],
            "data": [list(at), *(list(line) for line in lines.values())],
        },
    }  # fmt: skip
