"""The shelf: the catalogue in the codes of the model, as arrays that every request reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.ids import IdMap
from penchant.kernels.csr import CSR
from penchant.serving.facts import Codes, Facts, Mask
from penchant.serving.shapes import Filters
from penchant.serving.texts import Texts
from penchant.store.catalogue import Item

ALWAYS = np.iinfo(np.int64).max

KEPT = 64
"""Masks of conditions that are kept; beyond that the oldest is dropped."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """What may be shown, and what is said of it. A change makes a new one.

    Parameters
    ----------
    items : the map of the codes; it begins with the model's own.
    listed : (n,) whether the catalogue has the item. The model may know others from events.
    withdrawn : (n,) whether the item must not be shown.
    opens, closes : (n,) int64 microseconds from which on, and before which, it may be.
    titles : (n,) text or null.
    categories : (n,) text, a JSON list.
    facts : categories and attributes, to filter by.
    """

    items: IdMap
    listed: Mask
    withdrawn: Mask
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    titles: pl.Series
    categories: pl.Series
    facts: Facts
    _masks: dict[bytes, Mask] = field(default_factory=dict)
    _open: list[tuple[int, int, Mask]] = field(default_factory=list)

    @classmethod
    def bare(cls, items: IdMap) -> Shelf:
        """Return a shelf of items of which nothing is known."""
        n = len(items)
        return cls(
            items,
            np.zeros(n, bool),
            np.zeros(n, bool),
            np.zeros(n, np.int64),
            np.full(n, ALWAYS),
            pl.repeat(None, n, dtype=pl.String, eager=True),
            pl.repeat("[]", n, dtype=pl.String, eager=True),
            Facts.none(),
        )

    def __len__(self) -> int:
        return len(self.items)

    def changed(self, changes: Sequence[Item]) -> Shelf:
        """Return the shelf after changes of items that are on it."""
        items = self.items
        codes = items.encode(pl.Series([one.item_id for one in changes], dtype=pl.String))
        listed, withdrawn = self.listed.copy(), self.withdrawn.copy()
        opens, closes = self.opens.copy(), self.closes.copy()
        listed[codes] = True
        withdrawn[codes] = [one.withdrawn for one in changes]
        opens[codes] = [one.available_from or 0 for one in changes]
        closes[codes] = [
            ALWAYS if one.available_until is None else one.available_until for one in changes
        ]
        titles = pl.Series([one.title for one in changes], dtype=pl.String)
        own = [msgspec.json.encode(one.categories).decode() for one in changes]
        where = np.arange(len(items))
        where[codes] = np.arange(len(items), len(items) + len(codes))
        return Shelf(
            items,
            listed,
            withdrawn,
            opens,
            closes,
            pl.concat([self.titles, titles]).gather(where),
            pl.concat([self.categories, pl.Series(own, dtype=pl.String)]).gather(where),
            self.facts.replaced(
                codes, [one.categories for one in changes], [one.attributes for one in changes]
            ),
        )

    def hiding(self, ids: Sequence[str]) -> Shelf:
        """Return the shelf with some items withdrawn."""
        withdrawn = self.withdrawn.copy()
        withdrawn[self.known(ids)] = True
        return replace(self, withdrawn=withdrawn, _open=[])

    def recoded(self, items: IdMap) -> Shelf:
        """Return the shelf in the codes of another map, which holds all that is listed here."""
        if items is self.items:
            return self
        codes, bare = items.encode(self.items.values), Shelf.bare(items)
        here = np.flatnonzero(codes >= 0)
        there = codes[here]
        for onto, of in (
            (bare.listed, self.listed), (bare.withdrawn, self.withdrawn),
            (bare.opens, self.opens), (bare.closes, self.closes),
        ):  # fmt: skip
            onto[there] = of[here]
        where = np.full(len(items), len(self))
        where[there] = here
        nothing = pl.Series([None], dtype=pl.String)
        facts = self.facts
        return replace(
            bare,
            titles=pl.concat([self.titles, nothing]).gather(where),
            categories=pl.concat([self.categories, pl.Series(["[]"])]).gather(where),
            facts=replace(facts, item=codes[facts.item], measured=codes[facts.measured]),
        )

    def open(self, now: int) -> Mask:
        """Return which items may be shown at a moment, as far as the catalogue says."""
        for since, until, mask in self._open:
            if since <= now < until:
                return mask
        mask = ~self.withdrawn & (self.opens <= now) & (now < self.closes)
        turns = np.concatenate([self.opens, self.closes])
        since = int(turns[turns <= now].max(initial=0))
        until = int(turns[turns > now].min(initial=ALWAYS))
        self._open[:] = [(since, until, mask)]
        return mask

    @cached_property
    def kinds(self) -> CSR:
        """What items are compared by where a list is to be varied: their categories and words."""
        return self.facts.weighed(len(self))

    def meeting(self, filters: Filters) -> Mask:
        """Return which items meet every condition."""
        key = msgspec.json.encode(filters)
        mask = self._masks.get(key)
        if mask is None:
            mask = np.logical_and.reduce([mask for _, mask in self.conditions(filters)])
            while len(self._masks) >= KEPT:
                self._masks.pop(next(iter(self._masks)), None)
            self._masks[key] = mask
        return mask

    def conditions(self, filters: Filters) -> list[tuple[str, Mask]]:
        """Return each condition's name and which items meet it."""
        n, found = len(self), [("", np.ones(len(self), bool))]
        if filters.categories is not None:
            found.append(("categories", self.facts.having(None, filters.categories, n)))
        if filters.not_categories is not None:
            found.append(("not_categories", ~self.facts.having(None, filters.not_categories, n)))
        for name, condition in (filters.attributes or {}).items():
            found.append((f"attributes.{name}", self.facts.meeting(name, condition, n)))
        if filters.items is not None:
            only = np.zeros(n, bool)
            only[self.known(filters.items)] = True
            found.append(("items", only))
        return found[1:] or found

    def ids(self, codes: Codes) -> list[str]:
        """Return the ids of codes."""
        return self._ids.at(codes)

    def called(self, code: int) -> str:
        """Return what a person calls an item: its title if there is one, else its id."""
        return self._titles.one(code) or self._ids.one(code)

    def told(self, codes: Codes) -> tuple[list[str | None], list[list[str]]]:
        """Return title and categories of each code; of -1 nothing."""
        titles = [title or None for title in self._titles.at(codes)]
        return titles, [_listed(one or "[]") for one in self._categories.at(codes)]

    @cached_property
    def _ids(self) -> Texts:
        return Texts.of(self.items.values)

    @cached_property
    def _titles(self) -> Texts:
        return Texts.of(self.titles)

    @cached_property
    def _categories(self) -> Texts:
        return Texts.of(self.categories)

    def known(self, ids: Sequence[str]) -> Codes:
        """Return the codes of those ids that are here."""
        codes = self.items.places(ids)
        return codes[codes >= 0]


_listed = msgspec.json.Decoder(list[str]).decode
