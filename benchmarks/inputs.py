"""What the races run on: interactions with some held out, the same arrays for every library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from record import found
from scipy.sparse import csr_matrix, issparse
from synthetic import power_law

import penchant as pt
from penchant.histories import Histories
from penchant.kernels.csr import CSR
from penchant.kernels.topk import top_k

SHAPES: dict[str, dict[str, Any]] = {
    "smoke": {"users": 300, "items": 150, "interactions": 9000, "groups": 4},
    "quick": {"users": 10_000, "items": 4_000, "interactions": 900_000},
    "full": {},
}
AT_ONCE = 2000
Lists = NDArray[np.int32]


@dataclass(frozen=True)
class Held:
    """Training pairs and what was held out of some people's. Ids are 0, 1, ... and so are codes.

    Parameters
    ----------
    name : what the tables call it.
    users, items : (pairs,) int32, training, sorted by user, then item.
    truth : row u holds what was held out of user u's.
    numbers : (items,) what each item was numbered in the source.
    """

    name: str
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    truth: Histories
    numbers: NDArray[np.int64]

    @cached_property
    def train(self) -> CSR:
        """(users, items) ones."""
        shape = int(self.users.max()) + 1, int(self.items.max()) + 1
        return CSR.from_pairs(self.users, self.items, None, shape)

    def matrix(self, value: float = 1.0, dtype: type = np.float32) -> csr_matrix:
        """Return the training pairs as peers read them."""
        x = self.train
        data = np.full(x.nnz, value, dtype)
        return csr_matrix((data, x.indices, x.indptr.astype(np.int32)), shape=x.shape)

    @cached_property
    def data(self) -> pt.Dataset:
        """The training pairs as penchant reads them."""
        data = pt.Dataset.of({"user": self.users, "item": self.items}, name=self.name)
        if not np.array_equal(data.histories.item, self.items):
            raise AssertionError("codes are not the ids")
        return data

    @cached_property
    def people(self) -> NDArray[np.int64]:
        """Who has something held out."""
        return np.flatnonzero(self.truth.lengths > 0)

    def ndcg(self, lists: Lists) -> dict[str, float]:
        """Judge (people, 10) lists, by one function for every library."""
        return {"NDCG@10": float(np.nanmean(pt.NDCG(10).per_query(lists, self.judged)))}

    @cached_property
    def judged(self) -> Histories:
        """The truth of those who have one."""
        return self.truth.take(self.people)

    def recommended(self, model: pt.Recommender) -> Lists:
        """Return a fitted model's lists of 10 for those who are judged."""
        lists: Lists = model.recommend(self.data.queries(users=self.people), 10).codes
        return lists

    def by_factors(self, factors: tuple[NDArray[Any], NDArray[Any]]) -> Lists:
        """Return the lists of vectors: users', items'."""
        users, items = factors
        return self._best(lambda some: users[some] @ items.T)

    def by_weights(self, weights: Any) -> Lists:
        """Return the lists of (items, items) weights, sparse or dense: x @ weights."""
        x = self.matrix()

        def scores(some: NDArray[np.int64]) -> NDArray[Any]:
            product = x[some] @ weights
            return product.toarray() if issparse(product) else np.asarray(product)

        return self._best(scores)

    def _best(self, scores: Callable[[NDArray[np.int64]], NDArray[Any]]) -> Lists:
        parts = []
        for lo in range(0, len(self.people), AT_ONCE):
            some = self.people[lo : lo + AT_ONCE]
            seen = [self.train.indices[slice(*self.train.indptr[[p, p + 1]])] for p in some]
            ends = np.concatenate([[0], np.cumsum([len(s) for s in seen])]).astype(np.int64)
            dense = np.ascontiguousarray(scores(some), np.float32)
            parts.append(top_k(dense, 10, ends, np.concatenate(seen), np.zeros(0, bool))[0])
        return np.concatenate(parts)


def held(name: str, users: NDArray[Any], items: NDArray[Any], people: int = 4000) -> Held:
    """Hold out a random fifth of the pairs of some people; renumber who and what is left."""
    rng = np.random.default_rng(0)
    n = int(users.max()) + 1
    some = np.zeros(n, bool)
    some[rng.choice(n, min(people, n), replace=False)] = True
    out = some[users] & (rng.random(len(users)) < 0.2)
    both = [users, items]
    met = [np.bincount(c[~out], minlength=int(c.max()) + 1) > 0 for c in both]
    known = met[0][users] & met[1][items]
    u, i = ((np.cumsum(m) - 1)[c].astype(np.int32) for m, c in zip(met, both, strict=True))
    order = np.lexsort((i[~out], u[~out]))
    truth = Histories.of(u[out & known], i[out & known], people=int(met[0].sum()))
    return Held(name, u[~out][order], i[~out][order], truth, np.flatnonzero(met[1]))


def synthetic(size: str, **shape: Any) -> Held:
    """Return made-up interactions: 4 million in full."""
    pairs = power_law(**SHAPES[size] | shape)
    return held("synthetic", pairs.users, pairs.items, people=1500 if size == "quick" else 4000)


def ml_1m() -> Held | None:
    """Return MovieLens 1M, who and what alone, if it is here."""
    folder = found("ml-1m")
    if folder is None:
        print("without ml-1m, as it is not here: put it into a folder and set PENCHANT_DATA=FOLDER")
        return None
    rows = pl.read_parquet(folder / "ratings.parquet", columns=["user_id", "movie_id"])
    return held("ml-1m", *(rows[name].to_numpy().astype(np.int64) for name in rows.columns))


def inputs(size: str) -> Iterator[Held]:
    """Yield what a race runs on at this size: synthetic, and in full also ml-1m."""
    yield synthetic(size)
    if size == "full" and (films := ml_1m()) is not None:
        yield films
