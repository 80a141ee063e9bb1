"""RP3beta: where a walk of three steps ends, popular items held back.

python benchmarks/rp3beta.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import race
from inputs import Held, inputs

import penchant as pt

NOTE = (
    "RP3beta with alpha 1 and beta 0.4, the 100 largest weights of each item, from the "
    "interactions to the sparse matrix."
)
K, BETA = 100, 0.4


def penchant_(held: Held) -> race.Contestant:
    data = held.data
    return race.Contestant(
        lambda: pt.RP3beta(k=K, alpha=1.0, beta=BETA).fit(data), held.recommended
    )


def irspack_(held: Held) -> race.Contestant:
    from irspack.recommenders import RP3betaRecommender

    x = held.matrix(dtype=np.float64)  # It computes in 64 bits alone.
    return race.Contestant(
        lambda: RP3betaRecommender(
            x, alpha=1.0, beta=BETA, top_k=K, n_threads=race.THREADS
        ).learn(),
        lambda model: held.by_weights(model._W),
    )


def races(size: str) -> Iterator[race.Race]:
    for held in inputs(size):
        yield race.Race(
            work=f"RP3beta, {held.name}",
            contestants={
                "penchant": partial(penchant_, held),
                "irspack": partial(irspack_, held),
            },
            judge=held.ndcg,
            targets={"irspack": 2.0},
        )


if __name__ == "__main__":
    race.main("rp3beta", races, NOTE)
