"""Where ratings place people among items that have vectors: ridge regression, one person a row.

Someone's place is the vector v that their ratings make likely, of all that a normal distribution of
people allows: the minimum of::

    sum over the person's ratings of (residual - x . v)^2  +  (v - towards)' ridge (v - towards)

with x the rated items' vectors, whose exact solution is that of::

    (X'X + ridge) v = X' residuals + ridge towards

With ``ridge`` the inverse covariance of people times the variance of the errors, it is the
posterior mean (Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3). Under lower
bounds the minimum is unique as well, and coordinate descent finds it (Wright, "Coordinate descent
algorithms", Mathematical Programming 2015).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

APART = 256
"""Numbers left free around a vector that is written while others are read (see `als`)."""
SIDE_BY_SIDE = 256
"""Ratings whose vectors are copied next to each other at a time: they fit into the cache."""
SETTLED = 1e-10
"""Coordinate descent ends when a sweep changes no number by more than this, and at the latest
after so many sweeps:"""
SWEEPS = 10_000
WORTH_A_POOL = 1 << 25
"""Multiplications from which on threads are started: these take about 5 ms."""


def place(
    residuals: CSR,
    loadings: Vectors,
    ridge: Floats,
    towards: Vectors,
    low: Floats | None = None,
    *,
    threads: int | None = None,
) -> Vectors:
    """Return (rows, d) vectors, where each row's residuals place it.

    Parameters
    ----------
    residuals : people x items, each rating less what a vector of zeros would predict.
    loadings : (items, d) float32 vectors.
    ridge : (d, d) float64, symmetric and positive definite.
    towards : (rows, d) float32, where people are of whom there is nothing else.
    low : (d,) float64 lower bounds, -inf for none; by default there are none.
    threads : how many threads; the result does not depend on it.
    """
    out = np.empty(towards.shape, np.float32)
    bounds = np.full(len(ridge), -np.inf) if low is None else low
    if threads is None and residuals.nnz * ridge.size < WORTH_A_POOL:
        threads = 1
    entries = (residuals.indptr, residuals.indices, residuals.data)
    args = [a.view() for a in (*entries, loadings, ridge, towards, bounds)]
    for array in args:
        array.flags.writeable = False  # Numba compiles again for arrays that may be written to.
    run(_place, residuals.indptr, *args, out, threads=threads)
    return out


def concentration(people: Vectors) -> tuple[Floats, Floats]:
    """Return the mean of some vectors, and the inverse of their covariance.

    Directions in which they hardly differ, which few people leave many of, are given a millionth
    of the largest variance.

    Parameters
    ----------
    people : (people, d), at least one.

    Returns
    -------
    mean : (d,).
    inverse : (d, d), symmetric.
    """
    wide = people.astype(np.float64)
    mean = wide.mean(axis=0)
    wide -= mean
    variances, axes = np.linalg.eigh(wide.T @ wide / len(wide))
    floor = max(1e-6 * variances[-1], 1e-12)
    inverse = (axes / np.maximum(variances, floor)) @ axes.T
    return mean, (inverse + inverse.T) / 2


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz", "afn"})
def _place(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, residuals, loadings, ridge, towards, low, out
):
    size = loadings.shape[1]
    across = np.zeros((size + 3, SIDE_BY_SIDE))
    a = np.zeros((size, size + 3))
    x = np.empty(size + 2 * APART)[APART : APART + size]
    bounded = low.max() > -np.inf
    for row in range(lo, hi):
        if indptr[row] == indptr[row + 1]:
            for k in range(size):
                out[row, k] = towards[row, k]
            continue
        for i in range(size):
            x[i] = 0
            for k in range(size):
                a[i, k] = ridge[i, k]
                x[i] += ridge[i, k] * towards[row, k]
        for begin in range(indptr[row], indptr[row + 1], SIDE_BY_SIDE):
            count = min(SIDE_BY_SIDE, indptr[row + 1] - begin)
            for n in range(count):
                vector, residual = loadings[indices[begin + n]], residuals[begin + n]
                for k in range(size):
                    x[k] += residual * vector[k]
                for k in range(size):
                    across[k, n] = vector[k]
            # X'X, its upper triangle and a little more: four sums share each load of x0.
            for i in range(size):
                x0 = across[i]
                for j in range(i, size, 4):
                    y0, y1, y2, y3 = across[j], across[j + 1], across[j + 2], across[j + 3]
                    s0 = s1 = s2 = s3 = 0.0
                    for n in range(count):
                        s0 += x0[n] * y0[n]
                        s1 += x0[n] * y1[n]
                        s2 += x0[n] * y2[n]
                        s3 += x0[n] * y3[n]
                    a[i, j] += s0
                    a[i, j + 1] += s1
                    a[i, j + 2] += s2
                    a[i, j + 3] += s3
        if bounded:
            matrix, right = a.copy(), x.copy()
        for j in range(size):  # A = U'U, U replacing A; and U'z = x, z replacing x.
            top = a[j]
            inverse = 1 / np.sqrt(top[j])
            for k in range(j, size):
                top[k] *= inverse
            x[j] *= inverse
            for i in range(j + 1, size):
                s, into = top[i], a[i]
                x[i] -= s * x[j]
                for k in range(i, size):
                    into[k] -= s * top[k]
        for j in range(size - 1, -1, -1):  # U v = z
            s = x[j]
            for k in range(j + 1, size):
                s -= a[j, k] * x[k]
            x[j] = s / a[j, j]
        if bounded:
            _bound(matrix, right, low, x)
        for k in range(size):
            out[row, k] = x[k]


# Inlined by force: see `als`, where a helper compiled apart would round otherwise.
@njit(nogil=True, cache=True, fastmath={"contract", "arcp", "nsz"}, forceinline=True)
def _bound(matrix, right, low, x):  # type: ignore[no-untyped-def]
    """Move x, which solves ``matrix x = right``, to the minimum that the bounds allow."""
    size = len(x)
    within = True
    for i in range(size):
        within = within and x[i] >= low[i]
        x[i] = max(x[i], low[i])
        for k in range(i):
            matrix[i, k] = matrix[k, i]
    for _ in range(0 if within else SWEEPS):
        change = 0.0
        for i in range(size):
            gradient = right[i]
            for k in range(size):
                gradient -= matrix[i, k] * x[k]
            new = max(x[i] + gradient / matrix[i, i], low[i])
            change = max(change, abs(new - x[i]))
            x[i] = new
        if change < SETTLED:
            break
