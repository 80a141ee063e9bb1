"""CoClustering: groups of people who rate groups of items alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.kernels.biases import shrunk_means
from penchant.kernels.co_clustering import cluster, move
from penchant.kernels.csr import CSR
from penchant.models.ratings import rated, ratings_of, recalled
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, OnEpoch, Recommender, Scores


@dataclass(kw_only=True)
class CoClustering(Recommender):
    """Predict the mean rating of two groups, of people and of items, and both means beside it.

    ``r(u, i) = A(g, h) + (mean(u) - A(g)) + (mean(i) - A(h))`` for a person of group g and an item
    of group h, where A are the mean ratings of both groups together and of each. From groups drawn
    at random, people and items move in turn to the group in which their squared error is least
    (George and Merugu, "A Scalable Collaborative Filtering Framework Based on Co-Clustering", ICDM
    2005, section 3; ``CoClustering`` of the library Surprise). The means of people and items start
    from ``shrinkage`` ratings at the mean of all, which predicts better than the plain means of the
    paper and of Surprise, ``shrinkage=0``.

    Whoever asks, met in training or not, is in the group in which the error of their ratings is
    least. Reads the ratings in the history; without any, a known person's stored mean and group, or
    the item's mean for a stranger. Items that nobody rated are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.CoClustering(user_groups=4, item_groups=4).fit(data)
    >>> model.score(data.queries(users=[0])).shape
    (1, 100)
    """

    user_groups: int = hyper(3, "groups of people", at_least=1, search=(2, 20), log=True)
    item_groups: int = hyper(3, "groups of items", at_least=1, search=(2, 20), log=True)
    shrinkage: float = hyper(5.0, "ratings at the mean of all that each mean starts from",
                             at_least=0, search=(0, 20))  # fmt: skip
    epochs: int = hyper(20, "how often people and items move, at most", at_least=1)

    @property
    def reads(self) -> frozenset[str]:
        """The ratings in the history; the user, whose mean and group are stored, without any."""
        return frozenset({"history", "values", "user"})

    @property
    def scores(self) -> str:
        """Scores are ratings."""
        return "rating"

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        sizes = self.user_groups, self.item_groups
        people, items = (
            rng.integers(size, size=n, dtype=np.int32)
            for size, n in zip(sizes, ratings.shape, strict=True)
        )
        self.mean_ = np.array(ratings.data.mean(dtype=np.float64))
        met = np.bincount(ratings.indices, minlength=len(items)) > 0
        self.means_ = np.where(met, self._means(ratings.transposed()), np.nan)
        _, left = self._centred(ratings)
        self.pulls_ = cluster(ratings, left, people, items, sizes, self.epochs)
        self.groups_ = items
        self.people_ = self._placed(ratings)

    def _means(self, ratings: CSR) -> NDArray[np.float64]:
        """Return the mean of each row, which starts from the mean of all."""
        mean = float(self.mean_)
        left = replace(ratings, data=(ratings.data - mean).astype(np.float32))
        return mean + shrunk_means(left, self.shrinkage)

    def _centred(self, ratings: CSR) -> tuple[NDArray[np.float64], CSR]:
        """Return the mean of each person, and the ratings less both means."""
        mean = self._means(ratings)
        left = ratings.data - mean[ratings.row_numbers()] - self.means_[ratings.indices]
        return mean, replace(ratings, data=left.astype(np.float32))

    def _placed(self, ratings: CSR) -> NDArray[np.float32]:
        """Return (q, item groups): what is added to the mean of an item of each group."""
        mean, left = self._centred(ratings)
        groups = np.zeros(len(mean), np.int32)
        move(left, self.groups_, self.pulls_, groups)
        placed = mean[:, None] + self.pulls_[groups]
        placed[np.diff(ratings.indptr) == 0] = 0.0
        return placed.astype(np.float32)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        ratings = rated(self.training_, queries, self.means_)
        placed = recalled(self._placed(ratings), self.people_, queries, ratings)
        if items is None:
            items = np.arange(len(self.means_), dtype=np.int32)
        # Code -1 meets the NaN at the end.
        means = np.append(self.means_, np.nan).astype(np.float32)[items]
        groups = np.broadcast_to(np.append(self.groups_, 0)[items], (len(placed), items.shape[-1]))
        return means + np.take_along_axis(placed, groups, axis=1)
