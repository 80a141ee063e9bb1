"""BPR from nothing to a given NDCG@10: whole fits, with all that belongs to them.

python benchmarks/bpr_quality.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import race
from inputs import Held, inputs

import penchant as pt

FACTORS = 64
RATES = {"implicit": (0.01, 0.01), "Cornac": (0.05, 0.01)}
"""Learning rate and penalty."""
LADDER = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30)
SHORT = (2, 4, 6, 10, 15)
NOTE = (
    f"Whole fits from the interactions on, {FACTORS} factors. penchant with its defaults, its step "
    "falling over the epochs it is given; implicit and Cornac at the rate and penalty, of 0.01 to "
    "0.1 and 0.001 to 0.05, with which they get furthest on ml-1m in 30 epochs. Each takes the "
    f"fewest epochs of {', '.join(map(str, LADDER))} (quick: {', '.join(map(str, SHORT))}) with "
    "which it reaches 99 % of the best NDCG@10 of either peer after any of them. penchant's fits "
    "are the same on any number of threads; Cornac's with a seed use one thread, and are here left "
    "without. Peers' fits end with a vector for everyone, so penchant's, which places who asks "
    "when they ask, is charged for everyone's too."
)


def penchant_(held: Held, factors: int, epochs: int) -> race.Contestant:
    data = held.data

    def fit() -> pt.Recommender:
        model = pt.BPR(factors=factors, epochs=epochs).fit(data, rng=0)
        model.user_vectors(data.queries())
        return model

    return race.Contestant(fit, held.recommended)


def implicit_(held: Held, factors: int, epochs: int) -> race.Contestant:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    x = held.matrix()
    rate, penalty = RATES["implicit"]

    def fit() -> Any:
        model = BayesianPersonalizedRanking(
            factors=factors, learning_rate=rate, regularization=penalty, iterations=epochs,
            num_threads=race.THREADS, random_state=0,
        )  # fmt: skip
        model.fit(x, show_progress=False)
        return model

    return race.Contestant(fit, lambda m: held.by_factors((m.user_factors, m.item_factors)))


def cornac_(held: Held, factors: int, epochs: int) -> race.Contestant:
    from cornac.data import Dataset
    from cornac.models import BPR

    ones = np.ones(len(held.users))
    rate, penalty = RATES["Cornac"]
    data = Dataset.from_uir(zip(held.users.tolist(), held.items.tolist(), ones, strict=True))
    # Its codes are in the order of appearance.
    users, items = (
        np.array([ids[n] for n in range(len(ids))]) for ids in (data.uid_map, data.iid_map)
    )

    def fit() -> Any:
        return BPR(
            k=factors, max_iter=epochs, learning_rate=rate, lambda_reg=penalty,
            num_threads=race.THREADS,
        ).fit(data)  # fmt: skip

    def answer(model: Any) -> np.ndarray:
        biases = np.ones((len(users), 1), np.float32)
        x = np.hstack([model.u_factors, biases])[users]
        y = np.hstack([model.i_factors, model.i_biases[:, None]])[items]
        return held.by_factors((x, y))

    return race.Contestant(fit, answer)


LIBRARIES: dict[str, Callable[[Held, int, int], race.Contestant]] = {
    "penchant": penchant_, "implicit": implicit_, "Cornac": cornac_
}  # fmt: skip


def races(size: str) -> Iterator[race.Race]:
    factors, ladder = (8, (1, 3)) if size == "smoke" else (FACTORS, LADDER)
    if size == "quick":
        ladder = SHORT
    for held in inputs(size):
        yield race.to_quality(
            f"BPR, {factors} factors, {held.name},",
            {name: partial(make, held, factors) for name, make in LIBRARIES.items()},
            held.ndcg,
            ladder,
            targets={"implicit": 3.0, "Cornac": 3.0},
            repeats=3,
        )


if __name__ == "__main__":
    race.main("bpr_quality", races, NOTE)
