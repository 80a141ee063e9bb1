"""Models of ratings without vectors: what is usual for an item and for a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told
from penchant.kernels.biases import descend_biases, fit_biases, shrunk_means
from penchant.kernels.csr import CSR
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, OnEpoch, Recommender, Scores
from penchant.training import Training


@dataclass(kw_only=True)
class Biases(Recommender):
    """Predict the mean rating plus what is usual for the item and for the person.

    ``r(u, i) = mean + b(u) + b(i)``, from zero, in the steps of ``BaselineOnly`` of the library
    Surprise and with its defaults: by alternating least squares, items first (Koren, "Factor in the
    Neighbors", TKDD 2010, section 2.2), or by stochastic gradient descent (Koren, Bell and
    Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE Computer 2009). It
    orders items alike for everyone, best rated first.

    Reads the ratings in the history; without any, a known person's stored b(u), or 0 for a
    stranger. Items that nobody rated are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Biases().fit(data)
    >>> model.score(data.queries(users=[0])).shape
    (1, 100)
    """

    method: Literal["als", "sgd"] = hyper("als", "alternating least squares or gradient descent")
    item_penalty: float = hyper(10.0, "als: ratings at the mean an item starts from", at_least=0,
                                search=(0.5, 50), log=True)  # fmt: skip
    user_penalty: float = hyper(15.0, "als: ratings at the mean a person starts from", at_least=0,
                                search=(0.5, 50), log=True)  # fmt: skip
    rate: float = hyper(0.005, "sgd: length of a step", above=0, search=(0.001, 0.05), log=True)
    penalty: float = hyper(0.02, "sgd: pull towards zero", at_least=0, search=(0.005, 0.5),
                           log=True)  # fmt: skip
    epochs: int | None = hyper(
        None, "passes over the ratings; default: 10 for als, 20 for sgd", at_least=1,
        search=(5, 50), log=True,
    )  # fmt: skip

    @property
    def reads(self) -> frozenset[str]:
        """The ratings in the history; the user, of whom something is stored, without any."""
        return frozenset({"user", "history", "values"})

    @property
    def scores(self) -> str:
        """Scores are ratings."""
        return "rating"

    def _passes(self) -> int:
        return self.epochs or (10 if self.method == "als" else 20)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        if self.method == "als":
            mean, item_bias, _ = fit_biases(
                ratings, item_penalty=self.item_penalty,
                user_penalty=self.user_penalty, epochs=self._passes(),
            )  # fmt: skip
        else:
            mean, item_bias, people = descend_biases(
                ratings, rate=self.rate, penalty=self.penalty, epochs=self._passes()
            )
            if not np.isfinite(people).all():
                raise BadEvents(
                    f"Biases diverged on ratings from {ratings.data.min():g} to "
                    f"{ratings.data.max():g}: lower Biases.rate ({self.rate:g})"
                )
        self.base_ = (mean + item_bias).astype(np.float32)
        self.people_ = self._placed(less(ratings, self.base_))

    def _believed(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much of a person's mean residual is their bias, by the number of ratings."""
        if self.method == "als":
            return np.asarray(counts / np.maximum(counts + self.user_penalty, 1))
        # Each step leaves this part of what is missing. The ratings are in no order that matters,
        # so this is what descent would come to on average over their orders.
        left = 1 - self.rate * (1 + self.penalty)
        return np.asarray((1 - left ** (self._passes() * counts)) / (1 + self.penalty))

    def _placed(self, left: CSR) -> NDArray[np.float32]:
        """Return (q,) what is usual for each person of whom ``left`` holds ratings less base."""
        believed = self._believed(np.diff(left.indptr))
        return (shrunk_means(left, 0.0) * believed).astype(np.float32)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each rating adds its share of what is usual for the person."""
        left = residuals(self.training_, queries, self.base_)
        bias = recalled(self._placed(left), self.people_, queries, left)
        asked = self.base_ if items is None else np.append(self.base_, np.float32(np.nan))[items]

        def tell(row: int, asked: Codes) -> Told:
            mine = left.rows(row, row + 1)
            if not mine.nnz:
                return Told.plain((self.base_[asked] + bias[row]).astype(np.float64))
            base = self.base_[asked].astype(np.float64)
            adds = mine.data * self._believed(np.diff(mine.indptr)) / mine.nnz
            return Told.of(mine.indices, np.tile(adds, (len(asked), 1)), base)

        return Answered(bias[:, None] + asked, tell)


def ratings_of(data: Dataset, model: Recommender) -> CSR:
    """Return users x items ratings to learn from.

    Raises
    ------
    BadEvents : there are none.
    """
    ratings = data.ratings()
    if not ratings.nnz:
        raise BadEvents(
            f"{model.name} learns from ratings, and {data.name} has none: name the column that "
            "holds them (--value-column NAME on the command line, value= in Python), or use a "
            "model that ranks, such as EASE"
        )
    return ratings


def recalled(
    placed: NDArray[np.float32], stored: NDArray[np.float32], queries: Queries, left: CSR
) -> NDArray[np.float32]:
    """Return ``placed``, but what is ``stored`` for known people whose query brings no ratings."""
    silent = (np.diff(left.indptr) == 0) & (queries.user >= 0)
    if silent.any():
        placed[silent] = stored[queries.user[silent]]
    return placed


def residuals(training: Training, queries: Queries, base: NDArray[np.float32]) -> CSR:
    """Return askers x items: their last ratings less ``base``, where that is not NaN."""
    return less(training.feedback.ratings(queries.histories, len(queries.items)), base)


def rated(training: Training, queries: Queries, base: NDArray[np.floating]) -> CSR:
    """Return askers x items: their last ratings, where ``base`` is not NaN."""
    known = np.where(np.isnan(base), base, 0).astype(np.float32)
    return residuals(training, queries, known)


def less(ratings: CSR, base: NDArray[np.float32]) -> CSR:
    """Return people x items: their ratings less ``base``, where that is not NaN."""
    left = ratings.data - base[ratings.indices]
    known = ~np.isnan(left)
    if known.all():
        return replace(ratings, data=left)
    rows = ratings.row_numbers()[known]
    return CSR.from_pairs(rows, ratings.indices[known], left[known], ratings.shape)
