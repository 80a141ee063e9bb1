"""A small shop to serve from, and when its tests happen."""

from __future__ import annotations

import penchant as pt
from penchant.serving.training import gathered
from penchant.store.catalogue import Item
from penchant.store.log import Event
from penchant.store.store import Store

NOW = 1_780_000_000 * 10**6
"""When these tests happen, in microseconds since 1970: May 2026."""


def fill(store: Store) -> None:
    """Put twelve items, fifteen people who like the even or the odd ones, and a model."""
    store.items.put(
        [
            Item(
                item_id=f"i{n:02}",
                title=f"Item {n}",
                categories=["even" if n % 2 == 0 else "odd"],
                attributes={"size": n, "made": "here"},
            )
            for n in range(12)
        ],
        now=NOW,
    )
    store.events.append(
        [
            Event(f"e{u}-{n}", f"uu{u:02}", f"s{u}", f"i{(u % 2 + 2 * (u + n)) % 12:02}", "view",
                  None, NOW - (60 - n) * 10**6)
            for u in range(15)
            for n in range(4)
        ],
        now=NOW,
    )  # fmt: skip
    learned = gathered(store, store.events.last())
    model = pt.Fallback([pt.EASE(l2=5.0), pt.Popularity()]).fit(learned)
    for _ in range(2):
        made = store.models.add(
            lambda path: pt.save(model, path),
            name="Fallback(EASE, Popularity)",
            position=store.events.last(),
            erasures=0,
            events=len(learned),
            metrics={"NDCG@10": {"mean": 0.3, "low": 0.2, "high": 0.4}},
            gate=[{"check": "not broken", "passed": True, "reason": "it answers"}],
            accepted=True,
            now=NOW,
        )
        store.models.promote(made.version, by="test", now=NOW)
