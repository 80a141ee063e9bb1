"""Biased matrix factorization by stochastic gradient descent, SVD and SVD++.

    r(u, i) = mean + b(u) + b(i) + p(u) . q(i)
    r(u, i) = mean + b(u) + b(i) + (p(u) + |N(u)|^-1/2 sum of y(j) over N(u)) . q(i)

with N(u) what the person rated. One epoch visits each rating once, in the order of the matrix, and
makes the steps of Funk (2006) and Koren, Bell and Volinsky, "Matrix Factorization Techniques for
Recommender Systems" (IEEE Computer 2009, eq. 4 and 5), as ``SVD`` of the library Surprise does::

    e = r - prediction
    b(u) += rate (e - penalty b(u))               b(i) += rate (e - penalty b(i))
    p(u) += rate (e q(i) - penalty p(u))          q(i) += rate (e p(u) - penalty q(i))

and those of Koren, "Factorization Meets the Neighborhood" (KDD 2008, eq. 15 and 16), as ``SVDpp``
does: q(i) moves by p(u) and the sum, and for each rating every y(j) of the person moves::

    y(j) += rate (e |N(u)|^-1/2 q(i) - penalty y(j))

That is done without a loop over N(u) for each rating, and without approximating anything. All y(j)
of a person shrink by the same factor and move by the same vector, so that after all their ratings
each is ``left y(j) + shift``, with one shift for all. And p(u) and the sum move by the same step.
So it is enough to follow what they add up to, z, which moves twice as far: at the end half of
``z - left z(begun)`` is what p(u) moved by, and ``|N(u)|^-1/2`` times it is the shift.

Descent stops early, so that a person's vector depends on where it started and on how few steps
it took. The items' vectors are the mean of many people's pulls, and sound. So a person is placed
afterwards (see `ridge`) under a normal distribution of the vectors that descent found: `prior`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

APART = 256
"""Floats left free around a vector that is written while others are read."""


def epoch(
    ratings: CSR,
    mean: float,
    users: Vectors,
    items: Vectors,
    user_bias: Vectors,
    item_bias: Vectors,
    *,
    rate: float,
    penalty: float,
    implied: Vectors | None = None,
) -> float:
    """Visit each rating once, changing the factors and the biases in place.

    The visits are serial, in the order of the matrix: another order gives other numbers, so there
    are no threads.

    Parameters
    ----------
    ratings : users x items.
    mean : of all ratings.
    users, items : (users, f) and (items, f) float32 vectors. It is quickest where f is a multiple
        of 64, and zeros stay zeros: 100 factors and 28 zeros take two thirds of the time of 100.
    user_bias, item_bias : (users,) and (items,) float32.
    rate : length of a step.
    penalty : pull of everything towards 0.
    implied : (items, f) float32, the vectors y of SVD++; without them, or with (0, f), it is SVD.

    Returns
    -------
    The mean squared error, each rating's taken before its own step; not finite if descent diverged.
    """
    total = _epoch(
        ratings.indptr, ratings.indices, ratings.data, np.float32(mean),
        users, items, items[:0] if implied is None else implied, user_bias, item_bias,
        np.float32(rate), np.float32(penalty),
    )  # fmt: skip
    return float(total) / max(ratings.nnz, 1)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz", "afn"})
def _epoch(  # type: ignore[no-untyped-def]
    indptr, indices, ratings, mean, users, items, implied, user_bias, item_bias, rate, penalty
):
    factors = users.shape[1]
    kept = np.float32(1) - rate * penalty
    # What p and the sum of y add up to moves as each of them does, so twice as far.
    speed = np.float32(2 if len(implied) else 1)
    # A person's vector is worked on in a place of its own, far from the items'. Were the two to
    # touch in memory, the loops below would take another path there, and round otherwise.
    room = np.empty((2, factors + 2 * APART), np.float32)
    p, begun = room[0][APART : APART + factors], room[1][APART : APART + factors]
    total = 0.0
    for u in range(len(indptr) - 1):
        lo, hi = indptr[u], indptr[u + 1]
        if lo == hi:
            continue
        share = np.float32(1 / np.sqrt(hi - lo))
        for k in range(factors):
            p[k] = 0
        for n in range(lo, hi if len(implied) else lo):
            y = implied[indices[n]]
            for k in range(factors):
                p[k] += y[k]
        q = items[indices[lo]]
        dot = np.float32(0)
        for k in range(factors):
            p[k] = users[u, k] + share * p[k]
            begun[k] = p[k]
            dot += p[k] * q[k]
        b = user_bias[u]
        for n in range(lo, hi):
            i = indices[n]
            e = ratings[n] - mean - b - item_bias[i] - dot
            total += e * e
            step = rate * e
            b = kept * b + step
            item_bias[i] = kept * item_bias[i] + step
            # The step for this rating, and on the way the product for the next.
            q, following = items[i], items[indices[n + 1 if n + 1 < hi else lo]]
            longer = speed * step
            dot = np.float32(0)
            for k in range(factors):
                pk, qk = p[k], q[k]
                moved = kept * pk + longer * qk
                p[k] = moved
                q[k] = kept * qk + step * pk
                dot += moved * following[k]
        user_bias[u] = b
        if not len(implied):
            for k in range(factors):
                users[u, k] = p[k]
            continue
        left = np.float32(np.float64(kept) ** (hi - lo))
        for k in range(factors):
            p[k] = (p[k] - left * begun[k]) / 2
            users[u, k] = left * users[u, k] + p[k]
            p[k] *= share
        for n in range(lo, hi):
            y = implied[indices[n]]
            for k in range(factors):
                y[k] = left * y[k] + p[k]
    return total


def prior(people: Vectors, directions: int) -> tuple[Floats, Floats]:
    """Return the mean of some vectors, and the directions in which they spread most.

    Their distribution is taken as normal, and all but its largest principal components as noise:
    a vector is ``mean + spread z`` with ``z`` standard normal.

    Parameters
    ----------
    people : (people, f).
    directions : how many components to keep, at most.

    Returns
    -------
    mean : (f,).
    spread : (f, d), columns in descending length; ``d`` is the smaller of ``directions`` and f.
    """
    wide = people.astype(np.float64)
    mean = wide.mean(axis=0) if len(wide) else np.zeros(wide.shape[1])
    wide -= mean
    variances, axes = np.linalg.eigh(wide.T @ wide / max(len(wide), 1))
    variances, axes = variances[::-1][:directions], axes[:, ::-1][:, :directions]
    # An axis has no sign of its own; fix it, so that the result does not depend on the solver.
    axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)
    return mean, axes * np.sqrt(np.maximum(variances, 0.0))
