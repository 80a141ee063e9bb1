"""Rating biases: how far each item and each person is from the mean rating.

    r(u, i) = mean + b(u) + b(i)

minimising the squared error plus a penalty on the squared biases, by alternating least squares
(Koren, "Factor in the Neighbors", TKDD 2010, section 2.2) or by stochastic gradient descent (Koren,
Bell and Volinsky, IEEE Computer 2009): both from zero and in the steps of ``BaselineOnly`` of the
library Surprise.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR

Floats = NDArray[np.float64]

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
"""Fast mathematics that still knows NaN and infinity."""


def fit_biases(
    ratings: CSR, *, item_penalty: float, user_penalty: float, epochs: int
) -> tuple[float, Floats, Floats]:
    """Return the mean rating and the biases of items and users, by alternating least squares.

    Parameters
    ----------
    ratings : users x items.
    item_penalty, user_penalty : not negative; how many ratings at the mean each bias starts from.
    epochs : how often to solve for the items, then for the users.

    Returns
    -------
    mean : 0 if there are no ratings.
    item_bias : (items,), NaN for an item without ratings.
    user_bias : (users,), 0 for a user without ratings.
    """
    return _fitted(_alternate, ratings, float(item_penalty), float(user_penalty), epochs)


def descend_biases(
    ratings: CSR, *, rate: float, penalty: float, epochs: int
) -> tuple[float, Floats, Floats]:
    """Return the mean rating and the biases of items and users, by gradient descent.

    Each rating moves both of its biases, ``b += rate (error - penalty b)``, person by person and
    items ascending.

    Parameters
    ----------
    ratings : users x items.
    rate, penalty : the length of a step, and the pull towards zero in it.
    epochs : passes over the ratings.

    Returns
    -------
    As `fit_biases`; numbers that are not finite if the rate is too high.
    """
    return _fitted(_descend, ratings, float(rate), float(penalty), epochs)


def _fitted(
    kernel: object, ratings: CSR, one: float, other: float, epochs: int
) -> tuple[float, Floats, Floats]:
    users, items = ratings.shape
    mean = float(ratings.data.mean(dtype=np.float64)) if ratings.nnz else 0.0
    item_bias, user_bias = np.zeros(items), np.zeros(users)
    counts = np.bincount(ratings.indices, minlength=items)
    kernel(  # type: ignore[operator]
        ratings.indptr, ratings.indices, ratings.data, counts, mean, one, other, epochs,
        item_bias, user_bias,
    )  # fmt: skip
    item_bias[counts == 0] = np.nan
    return mean, item_bias, user_bias


@njit(nogil=True, cache=True, fastmath=FAST)
def _alternate(  # type: ignore[no-untyped-def]
    indptr, indices, data, counts, mean, item_penalty, user_penalty, epochs, item_bias, user_bias
):
    users, items = len(user_bias), len(item_bias)
    of_items, of_users = np.zeros(items), np.zeros(users)  # sums of deviations from the mean
    for u in range(users):
        total = 0.0
        for n in range(indptr[u], indptr[u + 1]):
            total += data[n] - mean
            of_items[indices[n]] += data[n] - mean
        of_users[u] = total
    raters = np.zeros(items)  # sums of the biases of who rated each item
    for _ in range(epochs):
        for i in range(items):
            if counts[i] > 0:
                item_bias[i] = (of_items[i] - raters[i]) / (counts[i] + item_penalty)
        raters[:] = 0.0
        for u in range(users):
            a, b = indptr[u], indptr[u + 1]
            if a == b:
                continue
            rated = 0.0
            for n in range(a, b):
                rated += item_bias[indices[n]]
            bias = (of_users[u] - rated) / (b - a + user_penalty)
            user_bias[u] = bias
            for n in range(a, b):
                raters[indices[n]] += bias


@njit(nogil=True, cache=True, fastmath=FAST)
def _descend(  # type: ignore[no-untyped-def]
    indptr, indices, data, counts, mean, rate, penalty, epochs, item_bias, user_bias
):
    kept = 1.0 - rate * penalty
    for _ in range(epochs):
        for u in range(len(user_bias)):
            person = user_bias[u]
            for n in range(indptr[u], indptr[u + 1]):
                item = item_bias[indices[n]]
                left = data[n] - mean - item
                item_bias[indices[n]] = kept * item + rate * (left - person)
                # In this form a step waits for one product of the step before, not for two.
                person = (kept - rate) * person + rate * left
            user_bias[u] = person


def shrunk_means(residuals: CSR, penalty: float) -> Floats:
    """Return (rows,) the sum of each row over the number of its entries plus ``penalty``.

    That is the bias of each person, met in training or not, when the rows are their ratings less
    the mean and the items' biases. A row without entries gives 0.
    """
    means = np.zeros(residuals.shape[0])
    _shrunk_means(residuals.indptr, residuals.data, float(penalty), means)
    return means


@njit(nogil=True, cache=True, fastmath=FAST)
def _shrunk_means(indptr, data, penalty, means):  # type: ignore[no-untyped-def]
    for r in range(len(means)):
        a, b = indptr[r], indptr[r + 1]
        total = 0.0
        for n in range(a, b):
            total += np.float64(data[n])
        if b > a:
            means[r] = total / (b - a + penalty)
