"""ALS with features of items, so that new items have vectors too.

python benchmarks/side_features.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import race
from als_epoch import ALPHA, L2, SAME
from inputs import Held, ml_1m, synthetic
from numpy.typing import NDArray
from record import local_data
from scipy.sparse import coo_matrix

import penchant as pt

EPOCHS, WEIGHT = 10, 5.0
NOTE = (
    f"Collective factorization, 64 factors, {EPOCHS} epochs, whole fits: confidence 1 + {ALPHA:g}, "
    f"l2 {L2:g}, each entry of the items' features weighs {WEIGHT:g} where a pair that was not met "
    "weighs 1. ml-1m: 18 genres; synthetic: 20 features drawn at random, for their cost alone. "
    "cmfrec's CMF_implicit in 32 bits, with conjugate gradients and without the matrices that it "
    "prepares for predictions, as its documentation advises for speed. irspack's features are "
    "linear in the vectors, which is another model."
)
Features = list[list[str]]


def genres(held: Held) -> Features:
    """Return each film's."""
    lines = (local_data("ml-1m") / "movies.dat").read_text("latin-1").splitlines()
    known = {int(line.split("::")[0]): line.split("::")[2].split("|") for line in lines}
    return [known[number] for number in held.numbers.tolist()]


def drawn(held: Held) -> Features:
    """Return one to three of twenty for each item."""
    rng = np.random.default_rng(0)
    return [
        [f"f{n}" for n in rng.choice(20, rng.integers(1, 4), replace=False)]
        for _ in range(held.train.columns)
    ]


def penchant_(held: Held, features: Features, factors: int) -> race.Contestant:
    table = pl.DataFrame({"item": np.arange(len(features), dtype=np.int32), "of": features})
    data = pt.Dataset.of({"user": held.users, "item": held.items}, items=table)
    model = pt.ALS(
        factors=factors, epochs=EPOCHS, item_columns=("of",), feature_weight=WEIGHT / ALPHA, **SAME
    )
    return race.Contestant(lambda: model.fit(data, rng=0), held.recommended)


def cmfrec_(held: Held, features: Features, factors: int) -> race.Contestant:
    from cmfrec import CMF_implicit

    matrix: coo_matrix = held.matrix().tocoo()
    names = sorted({name for one in features for name in one})
    told = np.array([[name in one for name in names] for one in features], np.float32)

    def fit() -> Any:
        return CMF_implicit(
            k=factors, lambda_=L2, alpha=ALPHA, w_main=1.0, w_item=WEIGHT, niter=EPOCHS,
            center_I=False, use_cg=True, finalize_chol=False, precompute_for_predictions=False,
            use_float=True, produce_dicts=False, nthreads=race.THREADS, random_state=1,
        ).fit(matrix, I=told)  # fmt: skip

    def answer(model: Any) -> NDArray[np.int32]:
        return held.by_factors((model.A_, model.B_))

    return race.Contestant(fit, answer)


def races(size: str) -> Iterator[race.Race]:
    held = ml_1m() if size == "full" else synthetic(size)
    if held is None:
        return
    features = genres(held) if size == "full" else drawn(held)
    factors = 8 if size == "smoke" else 64
    yield race.Race(
        work=f"ALS with item features, {factors} factors, {held.name}",
        contestants={
            "penchant": partial(penchant_, held, features, factors),
            "cmfrec": partial(cmfrec_, held, features, factors),
        },
        judge=held.ndcg,
        repeats=3,
    )


if __name__ == "__main__":
    race.main("side_features", races, NOTE)
