"""Made-up interactions of the size and shape of a real shop, for timing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Distinct (user, item) pairs, sorted by user, then item."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    shape: tuple[int, int]


def power_law(
    users: int = 40_000,
    items: int = 12_000,
    interactions: int = 4_550_000,
    groups: int = 40,
    seed: int = 1,
) -> Pairs:
    """Draw interactions with power-law users and items and a taste per group of users.

    Activity of a user and popularity of an item fall as a power of the rank (0.5 and 0.75). Each
    user belongs to one of ``groups`` tastes, which multiply an item's popularity by a log-normal
    factor: there is something to learn, so that two solvers' ranking quality can be compared.
    Repeated draws of a pair are merged: by default 3.98 million of 4.55 million remain.
    """
    rng = np.random.default_rng(seed)
    activity = np.arange(1, users + 1) ** -0.5
    events = rng.permutation(rng.multinomial(interactions, activity / activity.sum()))
    taste = rng.integers(groups, size=users)
    popularity = rng.permutation(np.arange(1, items + 1) ** -0.75)
    who = np.repeat(np.arange(users), events)
    what = np.empty(len(who), np.int64)
    for group in range(groups):
        weight = np.cumsum(popularity * rng.lognormal(sigma=1.0, size=items))
        mine = np.flatnonzero(taste[who] == group)
        what[mine] = np.searchsorted(weight, rng.random(len(mine)) * weight[-1], side="right")
    key = who * items + np.minimum(what, items - 1)
    del who, what
    key.sort()  # np.unique hashes, which takes ten times as long
    key = key[np.append(True, key[1:] != key[:-1])]
    return Pairs((key // items).astype(np.int32), (key % items).astype(np.int32), (users, items))
