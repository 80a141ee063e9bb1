"""Lists that are for nobody in particular: what is like an item, popular, or on the rise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import UnknownId
from penchant.recommender import Recommender, Similar
from penchant.serving.current import Serving
from penchant.serving.facts import Codes, Mask
from penchant.serving.moments import SECOND
from penchant.serving.shapes import Ranked, Recommended
from penchant.serving.shelf import Shelf
from penchant.store import daily
from penchant.store.store import Store

KEPT = 5 * SECOND
"""How long counts are used again."""


def similar(
    serving: Serving, item_id: str, k: int, categories: Sequence[str] | None, now: int
) -> Ranked:
    """Return the items most like one, by the first part of the model that knows it.

    Raises
    ------
    UnknownId : neither the catalogue nor the model knows the item.
    """
    shelf = serving.shelf
    if not len(shelf.known([item_id])):
        raise UnknownId(f"there is no item {item_id!r}: neither the catalogue nor the model has it")
    may = _may(shelf, categories, now)
    for model in () if serving.model is None else _parts(serving.model):
        if not isinstance(model, Similar) or item_id not in model.training_.items:
            continue
        items = model.training_.items
        most = len(items) if categories else min(len(items), k + int((~may).sum()))
        found = model.similar([item_id], most)
        ids = pl.Series(found.ids()[0], dtype=pl.String)
        scores = found.scores[0, : len(ids)]
        ranked = _ranked(serving, shelf.items.encode(ids), scores, may, k, model.name)
        if ranked.items:
            return ranked
    return Ranked(model=serving.version, items=[])


def _parts(model: Recommender) -> Iterator[Recommender]:
    """Yield a model, its parts, and theirs."""
    yield model
    for part in getattr(model, "parts_", ()):
        yield from _parts(part)


@dataclass(frozen=True, eq=False)
class _Counts:
    until: int
    shelf: Shelf
    codes: Codes
    scores: NDArray[np.float64]


@dataclass
class Counts:
    """What people go for, counted in the store and kept for some seconds."""

    store: Store
    _kept: dict[tuple[str, int], _Counts] = field(default_factory=dict)

    def popular(
        self, serving: Serving, days: int, k: int, categories: Sequence[str] | None, now: int
    ) -> Ranked:
        """Return what was met most often in the last days."""
        return self._best(daily.popular, "popular", serving, days, k, categories, now)

    def trending(
        self, serving: Serving, days: int, k: int, categories: Sequence[str] | None, now: int
    ) -> Ranked:
        """Return what is met more often than it was before."""
        return self._best(daily.trending, "trending", serving, days, k, categories, now)

    def _best(
        self,
        count: Callable[..., Sequence[tuple[str, float]]],
        name: str,
        serving: Serving,
        days: int,
        k: int,
        categories: Sequence[str] | None,
        now: int,
    ) -> Ranked:
        shelf, kept = serving.shelf, self._kept.get((name, days))
        if kept is None or kept.until <= now or kept.shelf is not shelf:
            found = count(self.store, days, None, max(len(shelf), 1), now=now)
            ids = pl.Series([one for one, _ in found], dtype=pl.String)
            scores = np.array([score for _, score in found], np.float64)
            kept = _Counts(now + KEPT, shelf, shelf.items.encode(ids), scores)
            # Old ones are let go: days may be anything.
            self._kept = {key: one for key, one in self._kept.items() if one.until > now}
            self._kept[name, days] = kept
        return _ranked(serving, kept.codes, kept.scores, _may(shelf, categories, now), k, name)


def _may(shelf: Shelf, categories: Sequence[str] | None, now: int) -> Mask:
    may = shelf.open(now)
    return may & shelf.facts.having(None, categories, len(shelf)) if categories else may


def _ranked(
    serving: Serving,
    codes: Codes,
    scores: NDArray[np.floating],
    may: Mask,
    k: int,
    source: str,
) -> Ranked:
    """Return the first k of those that may be shown."""
    known = np.flatnonzero(codes >= 0)
    kept = known[may[codes[known]]][:k]
    some = codes[kept]
    ids = serving.shelf.ids(some)
    rows = zip(ids, scores[kept].tolist(), *serving.shelf.told(some), strict=True)
    return Ranked(
        model=serving.version,
        items=[
            Recommended(
                item_id=item_id, rank=rank, score=score, source=source, title=title,
                categories=categories,
            )
            for rank, (item_id, score, title, categories) in enumerate(rows, 1)
        ],
    )  # fmt: skip
