"""Non-negative matrix factorization of the ratings that there are, by multiplicative updates.

    r(u, i) = p(u) . q(i)    or    mean + b(u) + b(i) + p(u) . q(i),    p and q at least 0

The updates are those of Luo, Zhou, Xia and Zhu, "An efficient non-negative matrix-factorization-
based approach to collaborative filtering for recommender systems" (IEEE Transactions on Industrial
Informatics 2014, eq. 11), as ``NMF`` of the library Surprise makes them; with n(u) the number of
the person's ratings, and the same for items::

    p(u) *= sum of r q(i) / (sum of prediction q(i) + penalty n(u) p(u))

Such a step goes down the gradient, just so far that nothing becomes negative. With biases r is
what they leave of the rating; where that is negative it stands below the line instead of above,
which is the same gradient.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

Vectors = NDArray[np.float32]

APART = 256
"""Floats left free around a vector that is written while others are read (see `als`)."""
WORTH_A_POOL = 1 << 24
"""Multiplications from which on threads are started: these take about 5 ms."""


def half_epoch(
    ratings: CSR,
    moved: Vectors,
    fixed: Vectors,
    bias: Vectors,
    other: Vectors,
    *,
    penalty: float,
    bias_penalty: float | None = None,
    threads: int | None = None,
) -> tuple[Vectors, Vectors, float]:
    """Return new vectors and biases of the rows, and how wrong the old ones were.

    Parameters
    ----------
    ratings : rows x columns, 0 or more: people x items, or the other way round.
    moved, fixed : (rows, f) and (columns, f) float32, 0 or more. It is quickest where f is a
        multiple of 16; columns of zeros stay zeros.
    bias : (rows,) float32 biases of the rows.
    other : (columns,) float32, what is predicted besides: the mean and the columns' biases, or 0.
    penalty : pull of the vectors towards zero.
    bias_penalty : ratings at the mean that a row's bias starts from; None leaves ``bias`` be.
    threads : how many threads; the result does not depend on it.

    Returns
    -------
    vectors, biases : as ``moved`` and ``bias``. A row without ratings has zeros. Biases come first,
        and the vectors are updated beside the new ones.
    error : mean squared error of the old vectors with the new biases.
    """
    vectors, errors = np.empty_like(moved), np.empty(len(moved))
    if threads is None and ratings.nnz * moved.shape[1] < WORTH_A_POOL:
        threads = 1
    entries = (ratings.indptr, ratings.indptr, ratings.indices, ratings.data, moved, fixed, other)
    if bias_penalty is not None:
        bias = np.empty_like(bias)
        run(_biases, *entries, np.float32(bias_penalty), bias, threads=threads)
    run(_half_epoch, *entries, bias, np.float32(penalty), vectors, errors, threads=threads)
    return vectors, bias, float(errors.sum()) / max(ratings.nnz, 1)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz", "afn"})
def _half_epoch(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, ratings, moved, fixed, other, bias, penalty, vectors, errors
):
    factors = moved.shape[1]
    room = np.zeros((2, factors + 2 * APART), np.float32)
    up, down = room[0][APART : APART + factors], room[1][APART : APART + factors]
    for row in range(lo, hi):
        p, own = moved[row], bias[row]
        first, last = indptr[row], indptr[row + 1]
        pull = penalty * np.float32(last - first)
        for k in range(factors):
            up[k] = 0
            down[k] = pull * p[k]
        error = 0.0
        for n in range(first, last):
            q, rest = fixed[indices[n]], ratings[n] - other[indices[n]] - own
            dot = np.float32(0)
            for k in range(factors):
                dot += p[k] * q[k]
            error += (rest - dot) ** 2
            above, below = max(rest, np.float32(0)), dot + max(-rest, np.float32(0))
            for k in range(factors):
                up[k] += above * q[k]
                down[k] += below * q[k]
        for k in range(factors):
            vectors[row, k] = p[k] * up[k] / down[k] if down[k] > 0 else 0
        errors[row] = error


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz", "afn"})
def _biases(lo, hi, indptr, indices, ratings, vectors, fixed, other, penalty, biases):  # type: ignore[no-untyped-def]
    for row in range(lo, hi):
        p = vectors[row]
        left = 0.0
        for n in range(indptr[row], indptr[row + 1]):
            i = indices[n]
            q, dot = fixed[i], np.float32(0)
            for k in range(len(p)):
                dot += p[k] * q[k]
            left += ratings[n] - other[i] - dot
        biases[row] = left / max(indptr[row + 1] - indptr[row] + penalty, np.float32(1e-30))
