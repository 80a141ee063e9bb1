"""Rating biases: how far each item and each person is from the mean rating.

    r(u, i) = mean + b(u) + b(i)

minimising the squared error plus ``item_penalty sum b(i)^2 + user_penalty sum b(u)^2``, by
alternating least squares (Koren, "Factor in the Neighbors", TKDD 2010, section 2.2; the same
steps, from zero and items first, as ``BaselineOnly`` of the library Surprise).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels.csr import CSR

Floats = NDArray[np.float64]


def fit_biases(
    ratings: CSR, *, item_penalty: float, user_penalty: float, epochs: int
) -> tuple[float, Floats, Floats]:
    """Return the mean rating and the biases of items and users.

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
    users, items = ratings.shape
    mean = float(ratings.data.mean(dtype=np.float64)) if ratings.nnz else 0.0
    row = ratings.row_numbers()
    deviation = ratings.data.astype(np.float64) - mean
    counts = np.bincount(ratings.indices, minlength=items)
    shrunk = np.where(counts > 0, counts + item_penalty, np.nan)
    item_bias, user_bias = np.zeros(items), np.zeros(users)
    for _ in range(epochs):
        item_bias = np.bincount(ratings.indices, deviation - user_bias[row], items) / shrunk
        left = deviation - item_bias[ratings.indices]
        user_bias = _shrunk_means(left, row, np.diff(ratings.indptr), user_penalty)
    return mean, item_bias, user_bias


def shrunk_means(residuals: CSR, penalty: float) -> Floats:
    """Return (rows,) the sum of each row over the number of its entries plus ``penalty``.

    That is the bias of each person, met in training or not, when the rows are their ratings less
    the mean and the items' biases. A row without entries gives 0.
    """
    counts = np.diff(residuals.indptr)
    return _shrunk_means(residuals.data, residuals.row_numbers(), counts, penalty)


def _shrunk_means(
    values: NDArray[np.floating], row: NDArray[np.int32], counts: NDArray[np.int64], penalty: float
) -> Floats:
    totals = np.bincount(row, values, len(counts))
    return np.where(counts > 0, totals / np.where(counts > 0, counts + penalty, 1.0), 0.0)
