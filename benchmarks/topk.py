"""The 20 best of 40,981 items for each of 29,858 people, from vectors of 64 factors.

python benchmarks/topk.py
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import race
from inputs import SHAPES, held
from numpy.typing import NDArray
from synthetic import power_law

import penchant as pt
from penchant.kernels.retrieval import best_products, catalogue

K, BLOCK = 20, 512
SIZE = {
    "smoke": (300, 200, 8, 6000), "quick": (6000, 12_000, 64, 200_000),
    "full": (29_858, 40_981, 64, 1_100_000),
}  # fmt: skip
"""People, items, factors, interactions: those of Gowalla in full."""
NOTE = (
    "Vectors in, lists out, nothing left out of the lists. Random: standard normal, 32 bits. "
    "Trained: an ALS on made-up interactions of the same size. 'Product alone' is the bare sgemm "
    f"in blocks of {BLOCK} people, whose results nobody looks at: only who leaves products out "
    "makes lists for less. Measured: the mean score of the lists, summed in 64 bits."
)
Vectors = NDArray[np.float32]


def trained(size: str) -> tuple[Vectors, Vectors]:
    """Return vectors of people and items from an ALS."""
    people, items, factors, pairs = SIZE[size]
    drawn = power_law(people, items, pairs, groups=SHAPES["smoke"]["groups"] * 10)
    made = held("synthetic", drawn.users, drawn.items, people=0)
    model = pt.ALS(factors=factors, epochs=5).fit(made.data, rng=0)
    return model.user_vectors(made.data.queries()), model.item_vectors()


def race_of(work: str, users: Vectors, items: Vectors, *, target: float | None) -> race.Race:
    none, nobody, every = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, bool)

    def penchant_() -> race.Contestant:
        def lists() -> NDArray[np.int32]:
            found = best_products(
                users.astype(np.float64), catalogue(items, every), K, none, nobody
            )
            return found[0]

        return race.Contestant(lists)

    def implicit_() -> race.Contestant:
        from implicit.cpu.topk import topk

        return race.Contestant(lambda: topk(items, users, K, num_threads=race.THREADS)[0])

    def product() -> race.Contestant:
        out = np.empty((BLOCK, len(items)), np.float32)

        def multiply() -> NDArray[np.int32]:
            for lo in range(0, len(users), BLOCK):
                some = users[lo : lo + BLOCK]
                np.matmul(some, items.T, out=out[: len(some)])
            return np.zeros((len(users), 0), np.int32)

        return race.Contestant(multiply)

    def judge(lists: NDArray[np.int32]) -> dict[str, float]:
        if not lists.shape[1]:
            return {}
        total = 0.0
        for lo in range(0, len(lists), BLOCK):
            chosen = items[lists[lo : lo + BLOCK]].astype(np.float64)
            total += np.einsum("qf,qkf->", users[lo : lo + BLOCK].astype(np.float64), chosen)
        return {"mean score": float(total / lists.size)}

    return race.Race(
        work=f"top-{K} of {len(items):,} for {len(users):,}, {work}",
        contestants={"penchant": penchant_, "implicit": implicit_, "product alone": product},
        judge=judge,
        targets={} if target is None else {"implicit": target},
        tolerance=1e-4,
    )


def races(size: str) -> Iterator[race.Race]:
    people, items, factors, _ = SIZE[size]
    rng = np.random.default_rng(0)
    users, others = (rng.standard_normal((n, factors), np.float32) for n in (people, items))
    yield race_of("random factors", users, others, target=1.8)
    yield race_of("trained factors", *trained(size), target=1.8)


if __name__ == "__main__":
    race.main("topk", races, NOTE)
