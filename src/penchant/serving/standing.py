"""Standing rules in codes: what the merchant boosts, buries and pins at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.serving.facts import Codes, Mask
from penchant.serving.shelf import ALWAYS, Shelf
from penchant.store.rules import Rule


@dataclass(frozen=True, eq=False)
class Standing:
    """The rules that hold from ``since`` on and before ``until``, in microseconds.

    Parameters
    ----------
    boosts : (items,) float32, in spreads of a person's scores; or None.
    buried : (items,) which come last; or None.
    pins : rank (from 1) and code of each item that has its place.
    """

    since: int
    until: int
    boosts: NDArray[np.float32] | None
    buried: Mask | None
    pins: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, rules: Sequence[Rule], shelf: Shelf, now: int) -> Standing:
        """Return the rules that hold now."""
        turns = [t for r in rules for t in (r.valid_from, r.valid_until) if t is not None]
        holding = [rule for rule in rules if rule.holds(now)]
        boosts, buried = np.zeros(len(shelf), np.float32), np.zeros(len(shelf), bool)
        pins: dict[int, int] = {}
        for rule in holding:
            codes = targets(shelf, rule.item_id, rule.category)
            if rule.amount is not None:
                boosts[codes] += rule.amount
            elif rule.action == "bury":
                buried[codes] = True
            elif len(codes) and rule.rank is not None:
                pins[rule.rank] = int(codes[0])  # of two for one rank, the later
        return cls(
            since=max((t for t in turns if t <= now), default=0),
            until=min((t for t in turns if t > now), default=int(ALWAYS)),
            boosts=boosts if boosts.any() else None,
            buried=buried if buried.any() else None,
            pins=tuple(sorted(pins.items())),
        )


def targets(shelf: Shelf, item_id: str | None, category: str | None) -> Codes:
    """Return the codes of an item, or of those in a category."""
    if item_id is not None:
        return shelf.known([item_id])
    if category is None:
        return np.zeros(0, np.int32)
    return np.flatnonzero(shelf.facts.having(None, [category], len(shelf))).astype(np.int32)
