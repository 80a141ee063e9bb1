"""ALS from nothing to a given NDCG@10: whole fits, with all that belongs to them.

python benchmarks/als_quality.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from io import StringIO
from typing import Any

import race
from als_epoch import ALPHA, L2, SAME
from inputs import Held, inputs

import penchant as pt

NOTE = (
    f"Whole fits from the interactions on, 64 factors, confidence 1 + {ALPHA:g} for a met pair, "
    f"l2 {L2:g}; each library takes the fewest epochs (of 1, 2, 3, 4, 6, 8, 12, 16; quick: to 8) "
    "with which it reaches 99 % of the best NDCG@10 of any peer. Finding out is not timed. Peers' "
    "fits end with a vector for everyone, so penchant's, which solves for who asks when they ask, "
    "is charged for everyone's too; in the races of fits alone it is not."
)
LADDER = {"smoke": (1, 3), "quick": (1, 2, 3, 4, 6, 8), "full": (1, 2, 3, 4, 6, 8, 12, 16)}


def penchant_(held: Held, factors: int, epochs: int, everyone: bool = True) -> race.Contestant:
    data = held.data

    def fit() -> pt.Recommender:
        model = pt.ALS(factors=factors, epochs=epochs, **SAME).fit(data, rng=0)
        if everyone:
            model.user_vectors(data.queries())
        return model

    return race.Contestant(fit, held.recommended)


def implicit_(held: Held, factors: int, epochs: int) -> race.Contestant:
    from implicit.cpu.als import AlternatingLeastSquares

    matrix = held.matrix()

    def fit() -> Any:
        model = AlternatingLeastSquares(
            factors=factors, regularization=L2, alpha=1 + ALPHA, iterations=epochs,
            num_threads=race.THREADS, random_state=0,
        )  # fmt: skip
        model.fit(matrix, show_progress=False)
        return model

    return race.Contestant(fit, lambda m: held.by_factors((m.user_factors, m.item_factors)))


def irspack_(solver: str, held: Held, factors: int, epochs: int) -> race.Contestant:
    from irspack.recommenders import IALSRecommender

    matrix = held.matrix(ALPHA)

    def fit() -> Any:
        model = IALSRecommender(
            matrix, n_components=factors, alpha0=1.0, reg=L2, nu=0.0, n_threads=race.THREADS,
            solver_type=solver, loss_type="ORIGINAL", train_epochs=epochs, random_seed=0,
        )  # fmt: skip
        with redirect_stdout(StringIO()):  # It draws a bar, and cannot be told not to.
            return model.learn()

    return race.Contestant(
        fit, lambda m: held.by_factors((m.get_user_embedding(), m.get_item_embedding()))
    )


LIBRARIES: dict[str, Callable[[Held, int, int], race.Contestant]] = {
    "penchant": penchant_,
    "implicit": implicit_,
    "irspack": partial(irspack_, "CG"),
    "irspack, iALS++": partial(irspack_, "IALSPP"),
}
TARGETS = {"implicit": 3.0, "irspack": 3.0, "irspack, iALS++": 3.0}


def races(size: str) -> Iterator[race.Race]:
    factors = 8 if size == "smoke" else 64
    for held in inputs(size):
        whole = race.to_quality(
            f"ALS, {factors} factors, {held.name},",
            {name: partial(make, held, factors) for name, make in LIBRARIES.items()},
            held.ndcg,
            LADDER[size],
            targets=TARGETS,
        )
        yield whole
        epochs = int(whole.notes[race.OURS].split()[0])
        alone = partial(penchant_, held, factors, epochs, everyone=False)
        yield replace(
            whole,
            work=f"{whole.work}, fits alone",
            contestants={**whole.contestants, race.OURS: alone},
        )


if __name__ == "__main__":
    race.main("als_quality", races, NOTE)
