"""Models that give each item a vector and place people by their ratings."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told
from penchant.kernels import nmf, sgd
from penchant.kernels.csr import CSR
from penchant.kernels.products import row_products, sparse_dense
from penchant.kernels.ridge import concentration, place
from penchant.models.ratings import less, ratings_of, recalled, residuals
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, Epoch, OnEpoch, Recommender, Scores

Vectors = NDArray[np.float32]
Amounts = NDArray[np.float64]

WIDTH = 64
"""Vectors are filled up with zeros to a multiple of this, which descent goes through quickest."""
NARROW = 16
"""The same for the updates of `NMF`."""


class Placing(Recommender):
    """A model of ratings with a vector for each item, where ratings place whoever asks.

    Its scores are ``base_ + people . loadings_``. ``base_`` is NaN for items that nobody rated;
    ``people_`` holds where training ratings place people.
    """

    base_: Vectors
    loadings_: Vectors
    people_: Vectors

    @property
    def reads(self) -> frozenset[str]:
        """The ratings in the history; the user, of whom something is stored, without any."""
        return frozenset({"user", "history", "values"})

    @property
    def scores(self) -> str:
        """Scores are ratings."""
        return "rating"

    @abstractmethod
    def _placed(self, left: CSR) -> Vectors:
        """Return (q, d) where ratings less base, rows of ``left``, place people."""

    @abstractmethod
    def _told(self, left: CSR, person: Vectors, item: int) -> tuple[float, Amounts]:
        """Return the base of an item's score for who is at ``person``, and what each rating adds.

        ``left`` is the one row of the person's ratings less base, at least one.
        """

    def _people(self, queries: Queries) -> tuple[Vectors, CSR]:
        """Return where each asker is, and their ratings less base."""
        left = residuals(self._trained(), queries, self.base_)
        return recalled(self._placed(left), self.people_, queries, left), left

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _ratings(self, people: Vectors, items: Codes | None) -> Scores:
        if items is None:
            return self.base_ + people @ self.loadings_.T
        if items.ndim == 2:
            return self.base_[items] + row_products(people, self.loadings_, items)
        scores: Scores = self.base_[items] + people @ self.loadings_[items].T
        scores[:, items < 0] = np.nan
        return scores

    def user_vectors(self, queries: Queries) -> Vectors:
        """Return (q, d + 1) vectors: where each asker is, and a 1."""
        return _with_one(self._people(self._own(queries))[0])

    def item_vectors(self) -> Vectors:
        """Return (items, d + 1) vectors: what a person's meets, and the base."""
        self._trained()
        return np.column_stack([self.loadings_, self.base_])

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; from a base, each rating moves a score by an exact amount."""
        people, left = self._people(queries)
        scores = self._ratings(people, items)

        def tell(row: int, asked: Codes) -> Told:
            mine, person = left.rows(row, row + 1), people[row]
            if not mine.nnz:
                return Told.plain(self._ratings(person[None], asked)[0].astype(np.float64))
            each = [self._told(mine, person, item) for item in asked.tolist()]
            amounts = np.array([adds for _, adds in each]).reshape(len(each), mine.nnz)
            return Told.of(mine.indices, amounts, np.array([base for base, _ in each]))

        return Answered(scores, tell)


@dataclass(kw_only=True)
class SVD(Placing):
    """Biased matrix factorization: a rating is a mean, two biases and the product of two vectors.

    ``r(u, i) = mean + b(u) + b(i) + p(u) . q(i)``. Stochastic gradient descent learns all of it,
    step for step as ``SVD`` of the library Surprise (Funk 2006; Koren, Bell and Volinsky, "Matrix
    Factorization Techniques for Recommender Systems", IEEE Computer 2009). Its defaults are
    ``rate=0.005, start=0.1``; longer steps from a smaller start leave less of the start's noise.

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
    rate: float = hyper(0.01, "length of a step", above=0, search=(0.001, 0.05), log=True)
    penalty: float = hyper(0.02, "pull towards zero", at_least=0, search=(0.005, 0.5), log=True)
    start: float = hyper(0.03, "standard deviation of the random start", above=0,
                         search=(0.003, 0.3), log=True)  # fmt: skip
    directions: int = hyper(
        20, "components of the people's vectors that are not taken as noise", at_least=1,
        search=(2, 100), log=True,
    )  # fmt: skip

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        descent = _Descent(ratings, self.factors, self.start, rng)

        def keep(error: float) -> None:
            vectors, people = descent.vectors(), descent.people()
            with threadpool_limits(1, "blas"):  # On products this small more threads only wait.
                average, spread = sgd.prior(people, self.directions)
                self.base_ = descent.base(average)
                self.loadings_ = (vectors @ spread).astype(np.float32)
            self.noise_ = np.array(max(error, 1e-6))
            # Until the end everyone is average: placing them takes far longer than an epoch.
            self.people_ = np.zeros((len(data.users), self.loadings_.shape[1]), np.float32)

        _run(self, lambda: descent.epoch(self), keep, on_epoch)
        self.people_ = self._placed(less(ratings, self.base_))

    def _placed(self, left: CSR) -> Vectors:
        """Return (q, directions) where ratings less base, rows of ``left``, place people."""
        size = self.loadings_.shape[1]
        nowhere = np.zeros((left.shape[0], size), np.float32)
        return place(left, self.loadings_, float(self.noise_) * np.eye(size), nowhere)

    def _told(self, left: CSR, person: Vectors, item: int) -> tuple[float, Amounts]:
        # The posterior mean is linear in the ratings.
        x, target = _wide(self.loadings_, left.indices, item)
        matrix = x.T @ x + float(self.noise_) * np.eye(len(target))
        amounts = left.data.astype(np.float64) * (x @ np.linalg.solve(matrix, target))
        return float(self.base_[item]), amounts


@dataclass(kw_only=True)
class SVDpp(Placing):
    """SVD++: `SVD` in which what somebody rated tells of them, besides how they rated it.

    ``r(u, i) = mean + b(u) + b(i) + q(i) . (p(u) + |N(u)|^-1/2 sum of y(j) over N(u))``, with N(u)
    the items that the person rated (Koren, "Factorization Meets the Neighborhood", KDD 2008,
    eq. 15). It is learned by the steps of ``SVDpp`` of the library Surprise (whose defaults are
    ``rate=0.007, start=0.1``), without its loop over N(u) for every rating: ``kernels/sgd.py``.

    Whoever asks, met in training or not, is then placed as in `SVD`: the sum over N(u) is exact,
    and ``(p, b)`` is the posterior mean given the ratings, under the normal distribution that
    descent gave to people (docs/models/svdpp.md has the numbers).

    Reads the ratings in the history; without any, a known person's stored place, or the average
    person's answer. Items that nobody rated are NaN, and do not count as a part of N(u).

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.SVDpp(factors=8).fit(data)
    >>> model.score(data.queries(users=[0])).shape
    (1, 100)
    """

    factors: int = hyper(20, "length of the vectors", at_least=1, search=(5, 100), log=True)
    epochs: int = hyper(20, "passes over the ratings", at_least=1, search=(5, 50), log=True)
    rate: float = hyper(0.01, "length of a step", above=0, search=(0.001, 0.03), log=True)
    penalty: float = hyper(0.02, "pull towards zero", at_least=0, search=(0.005, 0.2), log=True)
    start: float = hyper(0.03, "standard deviation of the random start", above=0,
                         search=(0.003, 0.3), log=True)  # fmt: skip

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        descent = _Descent(ratings, self.factors, self.start, rng, implying=True)

        def keep(error: float) -> None:
            with threadpool_limits(1, "blas"):
                average, inverse = concentration(descent.people())
                self.base_ = descent.base(average)
            self.loadings_ = descent.vectors()
            self.implied_ = descent.implied[:, : self.factors].copy()
            self.ridge_ = max(error, 1e-6) * inverse
            self.people_ = np.zeros((len(data.users), self.factors + 1), np.float32)

        _run(self, lambda: descent.epoch(self), keep, on_epoch)
        self.people_ = self._placed(less(ratings, self.base_))

    def _placed(self, left: CSR) -> Vectors:
        """Return (q, factors + 1): ``p``, the sum over N(u) included, and the bias."""
        lengths = np.diff(left.indptr)
        each = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
        towards = np.zeros((left.shape[0], self.factors + 1), np.float32)
        towards[:, :-1] = sparse_dense(replace(left, data=each), self.implied_)
        return place(left, self.loadings_, self.ridge_, towards)

    def _told(self, left: CSR, person: Vectors, item: int) -> tuple[float, Amounts]:
        # A share holds what rating an item says of the person, through y, and what the rating
        # says, through the posterior mean. For a given N(u) both are linear.
        x, target = _wide(self.loadings_, left.indices, item)
        pull = np.linalg.solve(x.T @ x + self.ridge_, target)
        y = self.implied_[left.indices] / np.sqrt(left.nnz)
        amounts = left.data * (x @ pull) + y @ (self.ridge_ @ pull)[:-1]
        return float(self.base_[item]), amounts


@dataclass(kw_only=True)
class NMF(Placing):
    """Non-negative matrix factorization: a rating is a sum of themes, none of which counts against.

    ``r(u, i) = p(u) . q(i)`` with ``p`` and ``q`` at least 0, by the multiplicative updates, and
    with the defaults, of ``NMF`` of the library Surprise (Luo and others, "An efficient
    non-negative matrix-factorization-based approach to collaborative filtering", 2014). With
    ``biased`` it is added to the mean and two biases, which least squares find in turn.

    Whoever asks, met in training or not, is placed by their own ratings, among the items as
    training left them: the non-negative ``p`` that explains them and is near the average person's,
    a least-squares problem with one solution. That predicts better than the vectors of training
    (docs/models/nmf.md has the numbers).

    Reads the ratings in the history; without any, a known person's stored place, or the average
    person's answer. Items that nobody rated are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.NMF(factors=8).fit(data)
    >>> model.score(data.queries(users=[0])).shape
    (1, 100)
    """

    factors: int = hyper(15, "length of the vectors", at_least=1, search=(5, 60), log=True)
    epochs: int = hyper(50, "passes over the ratings", at_least=1, search=(10, 200), log=True)
    penalty: float = hyper(0.06, "pull of vectors towards zero, for each rating", at_least=0,
                           search=(0.005, 0.5), log=True)  # fmt: skip
    closeness: float = hyper(40.0, "pull of a person towards the average one, in ratings",
                             above=0, search=(2, 400), log=True)  # fmt: skip
    biased: bool = hyper(False, "add to the mean and biases, instead of to zero")
    bias_penalty: float = hyper(10.0, "ratings at the mean a bias starts from, if biased",
                                at_least=0, search=(0.5, 50), log=True)  # fmt: skip

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        if ratings.data.min() < 0:
            raise BadEvents(
                f"NMF needs ratings of 0 or more, and {data.name} has {ratings.data.min():g}: "
                "add a constant to all ratings, or use SVD"
            )
        by_item = ratings.transposed()
        mean = np.float32(ratings.data.mean(dtype=np.float64) if self.biased else 0)
        items, users = (_filled(rng.random((n, self.factors), np.float32), NARROW)
                        for n in by_item.shape)  # fmt: skip
        user_bias, item_bias = (np.zeros(n, np.float32) for n in ratings.shape)
        bias_penalty = self.bias_penalty if self.biased else None

        def step() -> float:
            nonlocal users, items, user_bias, item_bias
            moved, user_bias, error = nmf.half_epoch(
                ratings, users, items, user_bias, mean + item_bias,
                penalty=self.penalty, bias_penalty=bias_penalty,
            )  # fmt: skip
            items, item_bias, _ = nmf.half_epoch(
                by_item, items, moved if self.biased else users, item_bias, mean + user_bias,
                penalty=self.penalty, bias_penalty=bias_penalty,
            )  # fmt: skip
            users = moved
            return error

        def keep(error: float) -> None:
            active = np.diff(ratings.indptr) > 0
            people, vectors = users[active, : self.factors], items[:, : self.factors]
            if self.biased:
                people = np.column_stack([people, user_bias[active]])
                vectors = np.column_stack([vectors, np.ones(len(vectors), np.float32)])
            self.average_ = people.mean(axis=0, dtype=np.float64).astype(np.float32)
            self.loadings_ = np.ascontiguousarray(vectors)
            met = np.diff(by_item.indptr) > 0
            self.base_ = np.where(met, mean + item_bias, np.nan).astype(np.float32)
            self.people_ = np.tile(self.average_, (len(data.users), 1))

        _run(self, step, keep, on_epoch)
        self.people_ = self._placed(less(ratings, self.base_))

    def _placed(self, left: CSR) -> Vectors:
        """Return (q, factors) vectors of people, and with ``biased`` their biases besides."""
        size = len(self.average_)
        low = np.zeros(size)
        low[self.factors :] = -np.inf
        towards = np.tile(self.average_, (left.shape[0], 1))
        return place(left, self.loadings_, self.closeness * np.eye(size), towards, low)

    def _told(self, left: CSR, person: Vectors, item: int) -> tuple[float, Amounts]:
        # Themes that the ratings bring down to zero are left out; in the others the least squares
        # are linear in the ratings.
        free = person > 0
        free[self.factors :] = True
        x, target = (part[..., free] for part in _wide(self.loadings_, left.indices, item))
        average = self.average_[free].astype(np.float64)
        pull = np.linalg.solve(x.T @ x + self.closeness * np.eye(len(target)), target)
        base = float(self.base_[item]) + float(target @ average)
        return base, (left.data - x @ average) * (x @ pull)


class _Descent:
    """How far stochastic gradient descent has come."""

    def __init__(
        self,
        ratings: CSR,
        factors: int,
        start: float,
        rng: np.random.Generator,
        *,
        implying: bool = False,
    ) -> None:
        def some(n: int) -> Vectors:
            return _filled(start * rng.standard_normal((n, factors), np.float32), WIDTH)

        n_users, n_items = ratings.shape
        self.ratings, self.factors, self.epochs = ratings, factors, 0
        self.mean = float(ratings.data.mean(dtype=np.float64))
        # People last: those without ratings change nothing for the others.
        self.items, self.implied = some(n_items), some(n_items if implying else 0)
        self.users = some(n_users)
        self.user_bias = np.zeros(n_users, np.float32)
        self.item_bias = np.zeros(n_items, np.float32)

    def epoch(self, model: SVD | SVDpp) -> float:
        """Visit each rating once; return the mean squared error."""
        error = sgd.epoch(
            self.ratings, self.mean, self.users, self.items, self.user_bias, self.item_bias,
            rate=model.rate, penalty=model.penalty, implied=self.implied,
        )  # fmt: skip
        self.epochs += 1
        if not np.isfinite(error):
            least, most = self.ratings.data.min(), self.ratings.data.max()
            raise BadEvents(
                f"{model.name} diverged in epoch {self.epochs} on ratings from {least:g} to "
                f"{most:g}: lower {model.name}.rate ({model.rate:g}) or rescale the ratings"
            )
        return error

    def people(self) -> Vectors:
        """Return (people with ratings, f + 1): p and b."""
        active = np.diff(self.ratings.indptr) > 0
        return np.column_stack([self.users[active, : self.factors], self.user_bias[active]])

    def vectors(self) -> Vectors:
        """Return (items, f + 1): q and a 1."""
        return _with_one(self.items[:, : self.factors])

    def base(self, average: NDArray[np.float64]) -> Vectors:
        """Return (items,) what somebody with this (p, b) gives; NaN for items without ratings."""
        met = np.bincount(self.ratings.indices, minlength=len(self.items)) > 0
        base = self.mean + self.item_bias + self.vectors() @ average
        return np.where(met, base, np.nan).astype(np.float32)


def _run(
    model: SVD | SVDpp | NMF,
    step: Callable[[], float],
    keep: Callable[[float], None],
    on_epoch: OnEpoch | None,
) -> None:
    """Make the model's epochs: ``step`` gives the error, ``keep`` learns from where it led."""
    begun = time.perf_counter()
    for n in range(1, model.epochs + 1):
        error = step()
        if on_epoch is not None:
            keep(error)
            seconds = time.perf_counter() - begun
            if on_epoch(Epoch(n, model.epochs, error, seconds, model)):
                break
    keep(error)


def _filled(vectors: Vectors, width: int) -> Vectors:
    """Return the vectors with zeros on their right, up to a multiple of ``width``."""
    out = np.zeros((len(vectors), -(-vectors.shape[1] // width) * width), np.float32)
    out[:, : vectors.shape[1]] = vectors
    return out


def _with_one(vectors: Vectors) -> Vectors:
    return np.column_stack([vectors, np.ones(len(vectors), np.float32)])


def _wide(
    loadings: Vectors, rated: Codes, item: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the vectors of what was rated, and the item's, in 64 bits."""
    return loadings[rated].astype(np.float64), loadings[item].astype(np.float64)
