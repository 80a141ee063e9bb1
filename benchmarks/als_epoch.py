"""One epoch of implicit ALS: penchant, implicit and irspack on the same arrays, in turn.

Run it with the environment of ``requirements.txt``: ``.venv-bench/bin/python als_epoch.py``.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # As implicit asks for; the threads are its own.

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import markdown, record
from scipy.sparse import csr_matrix
from synthetic import power_law

from penchant.evaluation.metrics import NDCG
from penchant.histories import Histories
from penchant.kernels import als
from penchant.kernels.csr import CSR
from penchant.kernels.topk import top_k

ALPHA, L2, THREADS = 9.0, 15.0, 2
PEERS_STEPS, OUR_STEPS = 3, 2
"""Conjugate-gradient steps: each library's default. Ours are preconditioned."""
Factors = Callable[[], tuple[NDArray[np.float32], NDArray[np.float32]]]


def penchant_(train: CSR, factors: int) -> tuple[Callable[[], None], Factors]:
    # Theirs is alpha times ours, with the preference 1 + 1 / alpha for 1: see docs/models/als.md.
    by_user, by_item = als.halves(train, unobserved=1 / ALPHA, l2=L2 / (1 + ALPHA), nu=0.0)
    users = np.zeros((train.shape[0], factors), np.float32)
    items = np.random.default_rng(0).standard_normal((train.columns, factors), np.float32)
    items *= np.float32(0.1 / np.sqrt(factors))
    how: dict[str, Any] = {"steps": OUR_STEPS, "threads": THREADS}

    def epoch() -> None:
        als.half_epoch(users, items, by_user, **how)
        als.half_epoch(items, users, by_item, **how)

    # Compiled before it is timed, on rows that take part in nothing.
    few = by_user._replace(weights=train.rows(0, 1), ridge=by_user.ridge[:1])
    als.half_epoch(users[:1].copy(), items, few, **how)
    return epoch, lambda: (users, items)


def implicit_(train: CSR, factors: int) -> tuple[Callable[[], None], Factors]:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors, regularization=L2, alpha=1.0, num_threads=THREADS
    )
    rng = np.random.default_rng(0)
    shape = train.shape  # As its fit does from here on; c itself is its matrix.
    users = csr_matrix((1 + ALPHA * train.data, train.indices, train.indptr), shape=shape)
    items = users.T.tocsr()
    model.user_factors = rng.random((shape[0], factors), dtype=np.float32) * 0.01
    model.item_factors = rng.random((shape[1], factors), dtype=np.float32) * 0.01

    def epoch() -> None:
        model.solver(users, model.user_factors, model.item_factors, L2, num_threads=THREADS)
        model.solver(items, model.item_factors, model.user_factors, L2, num_threads=THREADS)

    return epoch, lambda: (model.user_factors, model.item_factors)


def irspack_(train: CSR, factors: int) -> tuple[Callable[[], None], Factors]:
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    matrix = csr_matrix((ALPHA * train.data, train.indices, train.indptr), shape=train.shape)
    trainer = IALSTrainer(
        matrix, n_components=factors, alpha0=1.0, reg=L2, nu=0.0, init_std=0.1,
        solver_type=SolverType.CG, max_cg_steps=PEERS_STEPS, ialspp_subspace_dimension=64,
        loss_type=LossType.ORIGINAL, random_seed=0, n_threads=THREADS,
        prediction_time_max_cg_steps=5, prediction_time_ialspp_iteration=1,
    )  # fmt: skip
    core = trainer.core_trainer
    return trainer.run_epoch, lambda: (np.asarray(core.user), np.asarray(core.item))


def quality(factors: Factors, train: CSR, truth: Histories) -> NDArray[np.float64]:
    """NDCG@10 of each person with held-out items, over all items not in their training row."""
    people = np.flatnonzero(truth.lengths > 0)
    users, items = factors()
    seen = [train.indices[train.indptr[p] : train.indptr[p + 1]] for p in people]
    ends = np.concatenate([[0], np.cumsum([len(s) for s in seen])]).astype(np.int64)
    scores = np.ascontiguousarray(users[people] @ items.T, dtype=np.float32)
    codes, _ = top_k(scores, 10, ends, np.concatenate(seen), np.zeros(0, bool))
    return NDCG(10).per_query(codes, truth.take(people))


def held_out(people: int = 4000) -> tuple[CSR, Histories]:
    """The synthetic pairs, less a random fifth of those of some people."""
    pairs = power_law()
    rng = np.random.default_rng(0)
    some = np.zeros(pairs.shape[0], bool)
    some[rng.choice(pairs.shape[0], people, replace=False)] = True
    held = some[pairs.users] & (rng.random(len(pairs.users)) < 0.2)
    train = CSR.from_pairs(pairs.users[~held], pairs.items[~held], None, pairs.shape)
    truth = Histories.of(pairs.users[held], pairs.items[held], people=pairs.shape[0])
    return train, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--factors", type=int, nargs="+", default=[64, 128])
    asked = parser.parse_args()
    train, truth = held_out()
    asked_about = np.count_nonzero(truth.lengths)
    libraries = {"penchant": penchant_, "implicit": implicit_, "irspack": irspack_}
    rows = []
    for factors in asked.factors:
        ready = {name: make(train, factors) for name, make in libraries.items()}
        cpu: dict[str, list[float]] = {name: [] for name in ready}
        wall: dict[str, list[float]] = {name: [] for name in ready}
        for _ in range(asked.epochs):
            for name, (epoch, _) in ready.items():
                clock, work = time.perf_counter(), time.process_time()
                epoch()
                cpu[name].append(time.process_time() - work)
                wall[name].append(time.perf_counter() - clock)
        found = {name: quality(last, train, truth) for name, (_, last) in ready.items()}
        for name in ready:
            apart = found[name] - found["penchant"]
            rows.append(
                {
                    "factors": factors,
                    "library": name,
                    "CPU s an epoch": round(float(np.median(cpu[name])), 3),
                    "fastest": round(min(cpu[name]), 3),
                    "wall s": round(float(np.median(wall[name])), 3),
                    "times penchant": round(
                        float(np.median(cpu[name]) / np.median(cpu["penchant"])), 2
                    ),
                    "NDCG@10": round(float(found[name].mean()), 4),
                    "less penchant's": round(float(apart.mean()), 4),
                    "± (95 %)": round(float(1.96 * apart.std() / np.sqrt(len(apart))), 4),
                }
            )
        print(markdown(rows[-len(ready) :]), flush=True)
    note = (
        f"Synthetic {train.shape[0]:,} x {train.columns:,} with {train.nnz:,} pairs in training; "
        f"alpha {ALPHA:g}, l2 {L2:g}, {PEERS_STEPS} conjugate-gradient steps, penchant's {OUR_STEPS} "
        f"preconditioned, {THREADS} threads each, "
        f"float32. Medians over {asked.epochs} epochs, the libraries taking turns; compilation and "
        f"transposing not counted. NDCG@10 after these epochs, of {asked_about:,} people"
        " with a random fifth held out, with each library's own user and item factors."
    )
    print(note)
    print(record("als_epoch", rows, note))


if __name__ == "__main__":
    main()
