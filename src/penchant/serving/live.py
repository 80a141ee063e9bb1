"""What a worker answers from: the model in use and the catalogue, exchanged while it serves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from penchant import artifact
from penchant.errors import PenchantError
from penchant.ids import IdMap
from penchant.models.hybrid import Fallback
from penchant.models.onboarding import onboarded, onboards
from penchant.queries import Queries
from penchant.recommender import Recommender, Scores
from penchant.serving.shelf import Shelf
from penchant.serving.standing import Standing
from penchant.store.catalogue import Item
from penchant.store.rules import Rule
from penchant.store.store import Store

log = logging.getLogger("penchant.serving")


@dataclass(frozen=True, eq=False)
class Serving:
    """All that a list is made from. It never changes: another one takes its place.

    Parameters
    ----------
    model : the model in use; None before the first.
    version : its version in the registry.
    shelf : the catalogue, in codes that begin with the model's.
    """

    model: Recommender | None
    version: str | None
    shelf: Shelf
    rules: tuple[Rule, ...] = ()
    counts: Scores | None = None
    _standing: list[Standing] = field(default_factory=list)

    @cached_property
    def proposers(self) -> tuple[Recommender, ...]:
        """Who is asked for scores, each for those whom the ones before it cannot answer."""
        if isinstance(self.model, Fallback) and self.model.scores != "rating":
            return tuple(self.model.parts_)
        return () if self.model is None else (self.model,)


    def popular(self) -> Scores:
        """Return (items,) how often each was met lately: what is shown where no model answers."""
        return np.zeros(len(self.shelf), np.float32) if self.counts is None else self.counts

    def standing(self, now: int) -> Standing:
        """Return the rules that hold now."""
        for one in self._standing:
            if one.since <= now < one.until:
                return one
        self._standing[:] = [Standing.of(self.rules, self.shelf, now)]
        return self._standing[0]


class Live:
    """Holds the ``Serving`` of this process, and keeps it as the store says.

    Parameters
    ----------
    known : classes of your own that a saved model may name.
    """

    def __init__(self, store: Store, *, known: Sequence[type[Recommender]] = ()) -> None:
        self.store, self.known = store, known
        self.failure: str | None = None
        self._lock = threading.Lock()
        self._numbers: Mapping[str, int] = {}
        self._serving = Serving(None, None, Shelf.bare(IdMap(pl.Series([], dtype=pl.String))))
        numbers = store.numbers()
        self._take_items(numbers)
        self._take_model(numbers)

    def current(self, numbers: Mapping[str, int] | None = None) -> Serving:
        """Return what to answer from, after whatever changed by ``numbers`` of the store."""
        if numbers is None:
            numbers = self.store.numbers()
        if self._behind(numbers, "items"):
            self._take_items(numbers)
        if self._behind(numbers, "promotions"):
            self._take_model(numbers)
        return self._serving

    def _behind(self, numbers: Mapping[str, int], name: str) -> bool:
        return numbers.get(name, 0) > self._numbers.get(name, 0)

    def _take_items(self, numbers: Mapping[str, int]) -> None:
        with self._lock:
            seen = self._numbers.get("items", 0)
            if numbers.get("items", 0) <= seen:
                return
            changes = self.store.items.changes(seen)
            if changes:
                self._serving = _with_changes(self._serving, changes)
            self._numbers = {**self._numbers, "items": numbers["items"]}

    def _take_model(self, numbers: Mapping[str, int]) -> None:
        with self._lock:
            if not self._behind(numbers, "promotions"):
                return
            self._numbers = {**self._numbers, "promotions": numbers["promotions"]}
            row = self.store.models.in_use()
            if row is None or row.version == self._serving.version:
                return
            try:
                self._serving = self._loaded(row.version)
                self.failure = None
            except (PenchantError, OSError) as e:
                self.failure = f"{row.version}: {e}"
                log.error("model %s cannot be used: %s", row.version, e)

    def _loaded(self, version: str) -> Serving:
        path = self.store.models.path(version)
        model = artifact.load(path, known=self.known, verify=False)
        shelf = self._serving.shelf
        items = model.training_.items.extended(shelf.items.values)
        return Serving(model, version, shelf.recoded(items))


def _with_changes(serving: Serving, changes: Sequence[Item]) -> Serving:
    shelf, model = serving.shelf, serving.model
    ids = pl.Series([one.item_id for one in changes], dtype=pl.String)
    if model is not None and onboards(model):
        model = onboarded(model, described(model, changes))
        items = model.training_.items.extended(shelf.items.values).extended(ids)
        return replace(serving, model=model, shelf=shelf.recoded(items).changed(items, changes))
    return replace(serving, shelf=shelf.changed(shelf.items.extended(ids), changes))
