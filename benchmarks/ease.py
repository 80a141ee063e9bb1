"""EASE: the Gram matrix, its inverse, and the whole fit, each raced apart.

python benchmarks/ease.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import race
from inputs import Held, synthetic
from numpy.typing import NDArray
from scipy.linalg import lapack

import penchant as pt
from penchant.kernels.csr import CSR
from penchant.kernels.gram import lower_gram, mirror
from penchant.models.linear import RESOLVED, _inverse

L2 = 300.0
HALVES: dict[str, type] = {"LAPACK, 64 bits": np.float64, "LAPACK, 32 bits": np.float32}
NOTE = (
    f"EASE with l2 {L2:g}, two threads of BLAS for everyone. 'Gram': X'X, dense, from sparse X; "
    "penchant's is one half of it, all that is needed. 'Inverse': from the Gram matrix in 32 bits "
    "to a whole (X'X + l2 I)^-1; LAPACK is potrf and potri of a copy, and one half. 'Fit': from "
    "the interactions to the weights; irspack's DenseSLIM inverts by LU in 32 bits. RecTools' EASE "
    "is not raced: it multiplies by the transposed weights."
)


def weights(inverse: NDArray[Any]) -> NDArray[np.float32]:
    """Return what EASE recommends by: I - P / diag(P), column by column."""
    found = np.asarray(inverse / -np.diag(inverse), np.float32)
    np.fill_diagonal(found, 0)
    return found


def penchant_(lower: NDArray[np.float32]) -> NDArray[Any]:
    """Return the inverse as a fit finds it, whole."""
    single = lower.diagonal().max() <= RESOLVED * L2
    inverse = _inverse(lower.astype(np.float32 if single else np.float64), L2)
    mirror(inverse)
    return inverse


def lapack_(dtype: type, gram: NDArray[np.float32]) -> NDArray[Any]:
    """Return the lower half of the inverse, by LAPACK alone."""
    a = gram.astype(dtype, order="F")
    a[np.diag_indices_from(a)] += L2
    factor, invert = lapack.get_lapack_funcs(("potrf", "potri"), (a,))
    inverse, _ = invert(factor(a, lower=1, overwrite_a=1)[0], lower=1, overwrite_c=1)
    return inverse


def mirrored(lower: NDArray[Any]) -> NDArray[Any]:
    """Return a symmetric matrix of its lower triangle."""
    whole = np.tril(lower)
    whole += np.tril(lower, -1).T
    return whole


def whole_gram(columns: CSR, rows: CSR) -> NDArray[np.float32]:
    """Return X'X, both halves."""
    found = lower_gram(columns, rows)
    mirror(found)
    return found


def gram_sum(gram: NDArray[Any]) -> dict[str, float]:
    """Judge a Gram matrix: of ones it holds whole numbers, and their sum is exact."""
    return {"sum": float(np.asarray(gram).sum(dtype=np.float64))}


def irspack_(held: Held) -> race.Contestant:
    from irspack.recommenders import DenseSLIMRecommender

    x = held.matrix()
    return race.Contestant(
        lambda: DenseSLIMRecommender(x, reg=L2).learn(),
        lambda model: held.by_weights(np.asarray(model._W)),
    )


def lenskit_(held: Held) -> race.Contestant:
    import lenskit.data
    import pandas as pd
    from lenskit.knn import EASEScorer

    rows = pd.DataFrame({"user_id": held.users, "item_id": held.items})
    data = lenskit.data.from_interactions_df(rows)

    def fit() -> Any:
        model = EASEScorer(regularization=L2)
        model.train(data)
        return model

    def answer(model: Any) -> NDArray[np.int32]:
        order = np.argsort(model.items.ids())
        return held.by_weights(np.asarray(model.weights)[np.ix_(order, order)])

    return race.Contestant(fit, answer)


def races(size: str) -> Iterator[race.Race]:
    items = {"smoke": 150, "quick": 2000, "full": 10_000}[size]
    held = synthetic(size, items=items)
    x = held.train
    columns, matrix = x.transposed(), held.matrix()
    gram = whole_gram(columns, x)
    data = held.data
    yield race.Race(
        work=f"EASE, Gram of {x.columns:,} items",
        contestants={
            "penchant": lambda: race.Contestant(lambda: whole_gram(columns, x)),
            "scipy": lambda: race.Contestant(lambda: (matrix.T @ matrix).toarray()),
        },
        judge=gram_sum,
        exact=True,
    )
    yield race.Race(
        work=f"EASE, inverse of {x.columns:,} items",
        contestants={
            "penchant": lambda: race.Contestant(
                lambda: _inverse(gram.copy(), L2), lambda p: held.by_weights(weights(mirrored(p)))
            ),
            **{
                name: partial(
                    race.Contestant,
                    partial(lapack_, dtype, gram),
                    lambda p: held.by_weights(weights(mirrored(p))),
                )
                for name, dtype in HALVES.items()
            },
        },
        judge=held.ndcg,
        targets=dict.fromkeys(HALVES, 1 / 1.2),
        blas=race.THREADS,
        repeats=3,
    )
    yield race.Race(
        work=f"EASE, fit of {x.columns:,} items",
        contestants={
            "penchant": lambda: race.Contestant(lambda: pt.EASE(l2=L2).fit(data), held.recommended),
            "irspack": partial(irspack_, held),
            "LensKit": partial(lenskit_, held),
        },
        judge=held.ndcg,
        blas=race.THREADS,
        repeats=3,
    )


if __name__ == "__main__":
    race.main("ease", races, NOTE)
