"""SLIM: every item from a few others, by elastic nets.

python benchmarks/slim.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import race
from inputs import Held, ml_1m, synthetic

import penchant as pt

L1, L2 = 5.0, 500.0
NOTE = (
    f"SLIM with l1 {L1:g} and l2 {L2:g}, weights not negative, to each library's own tolerance: "
    "irspack's 1e-4 of the largest change of a weight, at most 100 iterations; penchant's 1e-7 of "
    "the objective. Both minimise the same objective."
)


def penchant_(held: Held) -> race.Contestant:
    data = held.data
    return race.Contestant(lambda: pt.SLIM(l1=L1, l2=L2).fit(data), held.recommended)


def irspack_(held: Held) -> race.Contestant:
    from irspack.recommenders import SLIMRecommender

    x = held.matrix(dtype=np.float64)
    # Its penalties are per person, and one is a share of the other.
    alpha, share = (L1 + L2) / x.shape[0], L1 / (L1 + L2)
    return race.Contestant(
        lambda: SLIMRecommender(x, alpha=alpha, l1_ratio=share, n_threads=race.THREADS).learn(),
        lambda model: held.by_weights(model._W),
    )


def races(size: str) -> Iterator[race.Race]:
    if size == "full":
        held = ml_1m()
        if held is None:
            return
    else:
        held = synthetic(size, **({"items": 1500, "users": 5000} if size == "quick" else {}))
    yield race.Race(
        work=f"SLIM, {held.name}",
        contestants={"penchant": partial(penchant_, held), "irspack": partial(irspack_, held)},
        judge=held.ndcg,
        targets={"irspack": 2.0},
    )


if __name__ == "__main__":
    race.main("slim", races, NOTE)
