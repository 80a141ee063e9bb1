"""Models that give each item a vector and place people by their ratings."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Explanation
from penchant.kernels import sgd
from penchant.kernels.csr import CSR
from penchant.models.ratings import less, ratings_of, recalled, residuals, shares_of
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, Epoch, OnEpoch, Recommender, Scores

WIDTH = 64
"""Vectors are filled up with zeros to a multiple of this, which descent goes through quickest."""


@dataclass(kw_only=True)
class SVD(Recommender):
    """Biased matrix factorization: a rating is a mean, two biases and the product of two vectors.

    ``r(u, i) = mean + b(u) + b(i) + p(u) . q(i)``. Stochastic gradient descent learns all of it,
    step for step as ``SVD`` of the library Surprise and with its defaults (Funk 2006; Koren, Bell
    and Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE Computer 2009).

    Of people, the model keeps how they are distributed: the mean of ``(p, b)`` and its
    ``directions`` largest principal components. Whoever asks, met in training or not, is then
    placed by their own ratings: the posterior mean under that normal distribution, with the error
    left by the descent as noise, which is a ridge regression. That predicts better than the
    vectors that descent itself gives to people, reacts to the last rating, and adds up to shares
    (docs/models/svd.md has the numbers). Where their training ratings place people is stored.

    Reads the ratings in the history; without any, a known person's stored place, or the average
    person's answer. Items that nobody rated are NaN: their factors would be the random start.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.SVD(factors=20).fit(data)
    >>> model.score(data.queries(users=[0])).shape
    (1, 100)
    """

    factors: int = hyper(100, "length of the vectors", at_least=1, search=(10, 200), log=True)
    epochs: int = hyper(20, "passes over the ratings", at_least=1, search=(5, 100), log=True)
    rate: float = hyper(0.005, "length of a step", above=0, search=(0.001, 0.05), log=True)
    penalty: float = hyper(0.02, "pull towards zero", at_least=0, search=(0.005, 0.5), log=True)
    start: float = hyper(0.1, "standard deviation of the random start", above=0)
    directions: int = hyper(
        20, "components of the people's vectors that are not taken as noise", at_least=1,
        search=(2, 100), log=True,
    )  # fmt: skip

    @property
    def reads(self) -> frozenset[str]:
        """The ratings in the history; the user, of whom something is stored, without any."""
        return frozenset({"user", "history", "values"})

    @property
    def scores(self) -> str:
        """Scores are ratings."""
        return "rating"

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        n_users, n_items = ratings.shape
        mean = float(ratings.data.mean(dtype=np.float64))
        items, users = self._vectors(n_items, rng), self._vectors(n_users, rng)
        user_bias, item_bias = np.zeros(n_users, np.float32), np.zeros(n_items, np.float32)
        begun = time.perf_counter()
        for n in range(1, self.epochs + 1):
            error = sgd.epoch(
                ratings, mean, users, items, user_bias, item_bias,
                rate=self.rate, penalty=self.penalty,
            )  # fmt: skip
            if not np.isfinite(error):
                raise BadEvents(
                    f"SVD diverged in epoch {n} on ratings from {ratings.data.min():g} to "
                    f"{ratings.data.max():g}: lower SVD.rate ({self.rate:g}) or rescale the ratings"
                )
            if on_epoch is not None:
                self._keep(ratings, mean, users, items, user_bias, item_bias, error)
                seconds = time.perf_counter() - begun
                if on_epoch(Epoch(n, self.epochs, error, seconds, self)):
                    break
        self._keep(ratings, mean, users, items, user_bias, item_bias, error)
        self.people_ = self._placed(less(ratings, self.base_))

    def _keep(
        self,
        ratings: CSR,
        mean: float,
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        user_bias: NDArray[np.float32],
        item_bias: NDArray[np.float32],
        error: float,
    ) -> None:
        """Learn from how far descent has come."""
        active = np.diff(ratings.indptr) > 0
        people = np.column_stack([users[active, : self.factors], user_bias[active]])
        with_bias = np.column_stack([items[:, : self.factors], np.ones(len(items))])
        with threadpool_limits(1, "blas"):  # On products this small more threads only wait.
            average, spread = sgd.prior(people, self.directions)
            base = mean + item_bias + with_bias @ average
            self.loadings_ = (with_bias @ spread).astype(np.float32)
        met = np.bincount(ratings.indices, minlength=len(items)) > 0
        self.base_ = np.where(met, base, np.nan).astype(np.float32)
        self.noise_ = np.array(max(error, 1e-6))
        # Until the end everyone is average: placing them takes far longer than an epoch.
        self.people_ = np.zeros((len(users), self.loadings_.shape[1]), np.float32)

    def _placed(self, left: CSR) -> NDArray[np.float32]:
        """Return (q, directions) where ratings less base, rows of ``left``, place people."""
        return sgd.fold_in(left, self.loadings_, float(self.noise_))

    def _vectors(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return n random vectors, with zeros on their right."""
        vectors = np.zeros((n, -(-self.factors // WIDTH) * WIDTH), np.float32)
        vectors[:, : self.factors] = self.start * rng.standard_normal((n, self.factors), np.float32)
        return vectors

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        left = residuals(self.training_, queries, self.base_)
        people = recalled(self._placed(left), self.people_, queries, left)
        if items is None:
            return self.base_ + people @ self.loadings_.T
        if items.ndim == 1:
            scores = self.base_[items] + people @ self.loadings_[items].T
        else:
            scores = self.base_[items]
            for person, row, asked in zip(people, scores, items, strict=True):
                row += self.loadings_[asked] @ person
        scores[np.broadcast_to(items < 0, scores.shape)] = np.nan
        return scores

    def user_vectors(self, queries: Queries) -> NDArray[np.float32]:
        """Return (q, d + 1) vectors: where each asker's ratings place them, and a 1."""
        own = self._own(queries)
        left = residuals(self._trained(), own, self.base_)
        people = recalled(self._placed(left), self.people_, own, left)
        return np.column_stack([people, np.ones(len(people), np.float32)])

    def item_vectors(self) -> NDArray[np.float32]:
        """Return (items, d + 1) vectors: loadings, and the average person's rating."""
        self._trained()
        return np.column_stack([self.loadings_, self.base_])

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: the average person's rating, and what each rating moves it by.

        The posterior mean is linear in the ratings, so its shares are exact.
        """
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        left = residuals(self._trained(), own, self.base_)
        if np.isnan(score) or not left.nnz:
            return self._explained(query, item, score, (), score)
        base = float(self.base_[mine])
        x = self.loadings_[left.indices].astype(np.float64)
        matrix = x.T @ x + float(self.noise_) * np.eye(x.shape[1])
        amounts = left.data * (x @ np.linalg.solve(matrix, self.loadings_[mine].astype(np.float64)))
        return self._explained(query, item, base, shares_of(own, left.indices, amounts), score)
