"""A small shop whose people like one of four groups of items, and models unfit for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import penchant as pt
from penchant.parameters import hyper
from penchant.recommender import Recommender
from penchant.serving.gate import Limits
from penchant.serving.training import Result, train
from penchant.store.catalogue import Item
from penchant.store.log import Event
from penchant.store.store import Store

DAY = 86400 * 10**6
NOW = 20_000 * DAY
PEOPLE, ITEMS, GROUPS = 120, 48, 4

FEW = Limits(people=20)
"""The gate with as few people as these shops have."""


def stock(store: Store) -> None:
    """Put the items; item n is of group n % 4."""
    rows = [
        Item(item_id=f"i{n}", title=f"Thing {n}", categories=[f"g{n % GROUPS}"])
        for n in range(ITEMS)
    ]
    store.items.put(rows, now=NOW)


def act(
    store: Store, day: int, each: int = 4, *, noise: bool = False, people: int = PEOPLE
) -> None:
    """Let everyone do something with items that are new to them, at any time of a day.

    Person n likes group n % 4; with ``noise`` all they do is random.
    """
    rng = np.random.default_rng(day)
    past = store.events.frame()
    met = {user: set(rows["item"]) for (user,), rows in past.group_by("user")}
    events = []
    for person in range(people):
        mine = [f"i{n}" for n in range(ITEMS) if noise or n % GROUPS == person % GROUPS]
        left = sorted(set(mine) - met.get(f"up{person}", set()))
        events += [
            Event(f"e{day}-{person}-{n}", f"up{person}", None, str(item), "view", None,
                  NOW + day * DAY + int(rng.integers(DAY)))
            for n, item in enumerate(rng.permutation(left)[:each])
        ]  # fmt: skip
    store.events.append(events, now=NOW + (day + 1) * DAY)


def ease() -> Recommender:
    """Return a model that is quickly fitted and answers everybody."""
    return pt.Fallback([pt.EASE(l2=5.0), pt.Popularity()])


def trained(store: Store, model: Recommender | None = None, **more: object) -> Result:
    """Train with what these shops need."""
    given = {"limits": FEW, "now": NOW + 1000 * DAY} | more
    return train(store, model=ease() if model is None else model, **given)


@dataclass(kw_only=True)
class Silent(Recommender):
    """Says nothing of anybody."""

    @property
    def reads(self):
        return frozenset({"history"})

    def _fit(self, data, rng, on_epoch):
        self.n_ = np.array(len(data.items))

    def _score(self, queries, items):
        width = int(self.n_) if items is None else items.shape[-1]
        return np.full((len(queries), width), np.nan, np.float32)


@dataclass(kw_only=True)
class Alike(Silent):
    """Has the same list for all, whatever it says it reads."""

    def _score(self, queries, items):
        scores = np.tile(np.arange(int(self.n_), dtype=np.float32), (len(queries), 1))
        return scores if items is None else pt.recommender.column_scores(scores, items)


@dataclass(kw_only=True)
class Forgetful(Silent):
    """Keeps what it learned where it is not saved."""

    name_of_it: str = hyper("forgetful", "what it is called")

    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self._kept = 1.0

    def _score(self, queries, items):
        scores = np.full((len(queries), int(self.n_)), getattr(self, "_kept", 0.0), np.float32)
        return scores if items is None else pt.recommender.column_scores(scores, items)
