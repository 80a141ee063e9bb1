"""What lists are made from at one moment: a model, the catalogue, the merchant's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from penchant.ids import IdMap
from penchant.models.onboarding import onboarded, onboards
from penchant.recommender import Recommender, Scores
from penchant.serving.shelf import Shelf
from penchant.serving.standing import Standing
from penchant.store.catalogue import Item, framed
from penchant.store.rules import Rule
from penchant.store.store import Store


@dataclass(frozen=True, eq=False)
class Serving:
    """All that a list is made from. It never changes: another one takes its place.

    Parameters
    ----------
    model : the model in use; None before the first.
    version : its version in the registry.
    shelf : the catalogue, in codes that begin with the model's.
    rules : the merchant's, those included that do not hold now.
    counts : columns ``item_id`` and ``count``: how often people went for it.
    """

    model: Recommender | None
    version: str | None
    shelf: Shelf
    rules: tuple[Rule, ...] = ()
    counts: pl.DataFrame = field(default_factory=lambda: counted(()))
    _standing: list[Standing] = field(default_factory=list)

    @cached_property
    def popular(self) -> Scores:
        """(items,) how often people went for each."""
        counts = np.zeros(len(self.shelf), np.float32)
        codes = self.shelf.items.encode(self.counts["item_id"])
        counts[codes[codes >= 0]] = self.counts["count"].to_numpy()[codes >= 0]
        return counts

    def standing(self, now: int) -> Standing:
        """Return the rules that hold now."""
        for one in self._standing:
            if one.since <= now < one.until:
                return one
        self._standing[:] = [Standing.of(self.rules, self.shelf, now)]
        return self._standing[0]

    def changed(self, changes: Sequence[Item]) -> Serving:
        """Return what to answer from after changes of the catalogue.

        Items that the model's fit did not know are taken up by their content. What else changes
        about those it knew shows in titles and filters now, and in scores after the next training.
        """
        ids = pl.Series([one.item_id for one in changes], dtype=pl.String)
        model = self.model
        if model is not None and onboards(model):
            known = model.training_.items.encode(ids).tolist()
            fitted = model.training_.fitted
            new = [
                one
                for one, code in zip(changes, known, strict=True)
                if not (0 <= code < fitted or one.withdrawn)
            ]
            model = onboarded(model, framed(new)) if new else model
        items = _longer(model, self.shelf.items, ids)
        return self._with(model=model, shelf=self.shelf.recoded(items).changed(changes))

    def hiding(self, ids: Sequence[str]) -> Serving:
        """Return the same without some items."""
        return self._with(shelf=self.shelf.hiding(ids))

    def ruled(self, rules: Sequence[Rule]) -> Serving:
        """Return the same with other rules."""
        return self._with(rules=tuple(rules))

    def counting(self, counts: pl.DataFrame) -> Serving:
        """Return the same with other counts of what people went for.

        Events may precede the catalogue: what only they know is an item, too.
        """
        items = self.shelf.items.extended(counts["item_id"])
        return self._with(counts=counts, shelf=self.shelf.recoded(items))

    def answering(self, model: Recommender, version: str, store: Store) -> Serving:
        """Return the same catalogue and rules with another model.

        It takes up what the catalogue has and its fit did not know.
        """
        if onboards(model):
            listed = self.shelf.items.values.filter(pl.Series(self.shelf.listed))
            missing = listed.filter(pl.Series(model.training_.items.encode(listed) < 0))
            table = store.items.frame() if len(missing) else framed([])
            table = table.filter(pl.col("item_id").is_in(missing.implode()))
            model = onboarded(model, table) if len(table) else model
        items = _longer(model, self.shelf.items)
        return self._with(model=model, version=version, shelf=self.shelf.recoded(items))

    def _with(self, **other: Any) -> Serving:
        return replace(self, _standing=[], **other)


def counted(found: Sequence[tuple[str, int]]) -> pl.DataFrame:
    """Return counts as a table."""
    return pl.DataFrame(found, {"item_id": pl.String, "count": pl.Int64}, orient="row")


def _longer(model: Recommender | None, shelf: IdMap, more: pl.Series | None = None) -> IdMap:
    """Return the map that begins with the model's and goes on with what else there is."""
    items = shelf if model is None else model.training_.items.extended(shelf.values)
    items = items if more is None else items.extended(more)
    return shelf if items == shelf else items
