"""Item neighbours: the 100 most alike of every item, by cosine.

python benchmarks/item_knn.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import race
from inputs import Held, inputs
from scipy.sparse import csr_matrix

import penchant as pt

NOTE = (
    "The 100 nearest items of every item by cosine, not shrunk, from the interactions to the "
    "sparse matrix. A score is the sum over the history of those of whose items it is a "
    "neighbour, for every library: implicit's own recommend adds up the neighbours of the history "
    "instead."
)
K = 100


def penchant_(held: Held) -> race.Contestant:
    data = held.data
    return race.Contestant(
        lambda: pt.ItemKNN(k=K, similarity="cosine", weighting="none", shrinkage=0.0).fit(data),
        held.recommended,
    )


def implicit_(held: Held) -> race.Contestant:
    from implicit.nearest_neighbours import CosineRecommender

    x = held.matrix(dtype=np.float64)  # It computes in 64 bits alone.

    def fit() -> csr_matrix:
        model = CosineRecommender(K=K + 1, num_threads=race.THREADS)  # An item is its own nearest.
        model.fit(x, show_progress=False)
        return model.similarity

    def answer(similarity: csr_matrix) -> np.ndarray:
        others = similarity.copy()
        others.setdiag(0)
        return held.by_weights(others.T.tocsr())

    return race.Contestant(fit, answer)


def irspack_(held: Held) -> race.Contestant:
    from irspack.recommenders import CosineKNNRecommender

    x = held.matrix(dtype=np.float64)  # It computes in 64 bits alone.
    return race.Contestant(
        lambda: CosineKNNRecommender(x, normalize=True, top_k=K, n_threads=race.THREADS).learn(),
        lambda model: held.by_weights(model._W),
    )


def races(size: str) -> Iterator[race.Race]:
    libraries = {"penchant": penchant_, "implicit": implicit_, "irspack": irspack_}
    for held in inputs(size):
        yield race.Race(
            work=f"item kNN, cosine, {held.name}",
            contestants={name: partial(make, held) for name, make in libraries.items()},
            judge=held.ndcg,
            targets={"implicit": 2.0, "irspack": 2.0},
        )


if __name__ == "__main__":
    race.main("item_knn", races, NOTE)
