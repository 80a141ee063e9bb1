"""The modules of examples/shop, and a store with what they put there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from litestar.testing import TestClient

import penchant as pt
from penchant.serving.app import create_app
from penchant.serving.training import gathered
from penchant.store.store import Store
from small_shop import NOW

EXAMPLE = Path(__file__).parents[1] / "examples" / "shop"
SERVICE = "http://127.0.0.1:8000"


def modules() -> tuple[ModuleType, ModuleType]:
    """Return shop and visits, imported as the scripts import each other."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        import shop
        import visits
    finally:
        sys.path.remove(str(EXAMPLE))
    return shop, visits


def fill(store: Store, visitors: int = 120) -> None:
    """Put the products and some visits, through the service, and two models."""
    _, visits = modules()
    with TestClient(create_app(store, now=lambda: NOW), base_url=SERVICE) as asked:
        service = pt.Client(SERVICE, transport=asked._transport)
        assert service.put_items(visits.catalogue()) == 45
        taken = service.send_events(visits.visits(visitors, NOW / 10**6))
        assert not taken.rejected
        assert taken.accepted > 6 * visitors
    learned = gathered(store, store.events.last())
    model = pt.Fallback([pt.EASE(l2=5.0), pt.Popularity()]).fit(learned)
    for _ in range(2):
        made = store.models.add(
            lambda folder: pt.save(model, folder), name="Fallback(EASE, Popularity)",
            position=store.events.last(), erasures=0, events=len(learned),
            metrics={"NDCG@10": {"mean": 0.358, "low": 0.329, "high": 0.388}},
            gate=[{"check": "answers", "passed": True,
                   "reason": "100.0% of the people asked got an answer"}],
            accepted=True, now=NOW,
        )  # fmt: skip
        store.models.promote(made.version, by="test", now=NOW)
