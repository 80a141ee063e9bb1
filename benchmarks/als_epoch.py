"""One epoch of implicit ALS: users and items each solved for once.

python benchmarks/als_epoch.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import race
from inputs import Held, inputs
from scipy.sparse import csr_matrix

import penchant as pt
from penchant.kernels import als

ALPHA, L2, EPOCHS = 9.0, 15.0, 10
SAME: dict[str, float] = {"unobserved": 1 / ALPHA, "l2": L2 / (1 + ALPHA), "nu": 0.0}
"""The peers' problem in penchant's terms: their preference of 1 is 1 + 1 / ALPHA of ours."""
NOTE = (
    f"Confidence 1 + {ALPHA:g} for a met pair, l2 {L2:g}, float32; irspack's and implicit's 3 "
    "conjugate-gradient steps a row, penchant's default of 2 preconditioned. Medians over the "
    "epochs; transposing, and what each library starts from, is not counted. NDCG@10 after these "
    "epochs, with each library's own user and item factors."
)


def penchant_(held: Held, factors: int) -> race.Contestant:
    kept = pt.ALS(factors=factors, **SAME)
    by_user, by_item = als.halves(held.train, unobserved=kept.unobserved, l2=kept.l2, nu=kept.nu)
    users = np.zeros((held.train.shape[0], factors), np.float32)
    drawn = np.random.default_rng(0).standard_normal((held.train.columns, factors), np.float32)
    items = als.start(by_user, by_item, drawn)

    def epoch() -> tuple[np.ndarray, np.ndarray]:
        als.half_epoch(users, items, by_user, steps=kept.cg_steps)
        als.half_epoch(items, users, by_item, steps=kept.cg_steps)
        return users, items

    return race.Contestant(epoch, held.by_factors)


def implicit_(held: Held, factors: int) -> race.Contestant:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors, regularization=L2, alpha=1.0, num_threads=race.THREADS
    )
    rng = np.random.default_rng(0)
    users = held.matrix(1 + ALPHA)  # As its fit does from here on; c itself is its matrix.
    items = users.T.tocsr()
    model.user_factors = rng.random((users.shape[0], factors), dtype=np.float32) * 0.01
    model.item_factors = rng.random((users.shape[1], factors), dtype=np.float32) * 0.01

    def epoch() -> tuple[np.ndarray, np.ndarray]:
        x, y, threads = model.user_factors, model.item_factors, race.THREADS
        model.solver(users, x, y, L2, num_threads=threads)
        model.solver(items, y, x, L2, num_threads=threads)
        return x, y

    return race.Contestant(epoch, held.by_factors)


def irspack_(held: Held, factors: int, solver: str = "CG") -> race.Contestant:
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    matrix: csr_matrix = held.matrix(ALPHA)
    trainer = IALSTrainer(
        matrix, n_components=factors, alpha0=1.0, reg=L2, nu=0.0, init_std=0.1,
        solver_type=SolverType[solver], max_cg_steps=3, ialspp_subspace_dimension=64,
        loss_type=LossType.ORIGINAL, random_seed=0, n_threads=race.THREADS,
        prediction_time_max_cg_steps=5, prediction_time_ialspp_iteration=1,
    )  # fmt: skip

    def epoch() -> tuple[np.ndarray, np.ndarray]:
        trainer.run_epoch()
        return np.asarray(trainer.core_trainer.user), np.asarray(trainer.core_trainer.item)

    return race.Contestant(epoch, held.by_factors)


LIBRARIES: dict[str, Callable[[Held, int], race.Contestant]] = {
    "penchant": penchant_, "implicit": implicit_, "irspack": irspack_
}  # fmt: skip
TARGETS = {"implicit": 2.5, "irspack": 2.5}


def races(size: str) -> Iterator[race.Race]:
    for held in inputs(size):
        for factors in (8,) if size == "smoke" else (64, 128):
            yield race.Race(
                work=f"ALS epoch, {factors} factors, {held.name}",
                contestants={n: partial(make, held, factors) for n, make in LIBRARIES.items()},
                judge=held.ndcg,
                targets=TARGETS,
                repeats=EPOCHS,
            )


if __name__ == "__main__":
    race.main("als_epoch", races, NOTE)
