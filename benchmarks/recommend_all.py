"""Lists of 20 for everyone with a fitted model, nothing they have met: the whole call.

python benchmarks/recommend_all.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import race
from als_epoch import ALPHA, L2, SAME
from inputs import Held, synthetic

import penchant as pt

K, FACTORS = 20, 64
NOTE = (
    f"A fitted ALS of {FACTORS} factors and 5 epochs each, lists of {K} for everyone in one call, "
    "what they have met left out. penchant finds the vector of everyone anew, exactly, from their "
    "history; implicit does with recalculate_user=True, and else reads the one it was trained "
    "with, as irspack does. NDCG@10 is of the first 10."
)


def penchant_(held: Held, factors: int) -> race.Contestant:
    data = held.data
    model = pt.ALS(factors=factors, epochs=5, **SAME).fit(data, rng=0)
    return race.Contestant(lambda: model.recommend(data.queries(), K).codes, partial(first, held))


def implicit_(recalculate: bool, held: Held, factors: int) -> race.Contestant:
    from implicit.cpu.als import AlternatingLeastSquares

    x = held.matrix()
    model = AlternatingLeastSquares(
        factors=factors, regularization=L2, alpha=1 + ALPHA, iterations=5,
        num_threads=race.THREADS, random_state=0,
    )  # fmt: skip
    model.fit(x, show_progress=False)
    everyone = np.arange(x.shape[0])
    return race.Contestant(
        lambda: model.recommend(everyone, x, N=K, recalculate_user=recalculate)[0],
        partial(first, held),
    )


def irspack_(held: Held, factors: int) -> race.Contestant:
    from als_quality import irspack_ as fits
    from irspack.utils.id_mapping import retrieve_recommend_from_score

    model: Any = fits("CG", held, factors, 5).work()
    x = held.matrix()
    block = 2000

    def lists() -> np.ndarray:
        found = np.full((x.shape[0], K), -1, np.int32)
        for lo in range(0, x.shape[0], block):
            hi = min(lo + block, x.shape[0])
            scores = model.get_score_block(lo, hi)
            scores[x[lo:hi].nonzero()] = -np.inf
            rows = retrieve_recommend_from_score(scores, [], K, n_threads=race.THREADS)
            for row, one in enumerate(rows):
                found[lo + row, : len(one)] = [item for item, _ in one]
        return found

    return race.Contestant(lists, partial(first, held))


def first(held: Held, lists: np.ndarray) -> np.ndarray:
    """Return the lists of 10 of those who are judged."""
    return np.ascontiguousarray(lists[held.people, :10], np.int32)


def races(size: str) -> Iterator[race.Race]:
    factors = 8 if size == "smoke" else FACTORS
    held = synthetic(size)
    libraries = {
        "penchant": penchant_,
        "implicit": partial(implicit_, False),
        "implicit, users anew": partial(implicit_, True),
        "irspack": irspack_,
    }
    yield race.Race(
        work=f"lists of {K} for {held.train.shape[0]:,} of {held.train.columns:,}",
        contestants={name: partial(make, held, factors) for name, make in libraries.items()},
        judge=held.ndcg,
        repeats=3,
    )


if __name__ == "__main__":
    race.main("recommend_all", races, NOTE)
