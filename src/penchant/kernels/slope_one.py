"""Slope One: how much higher one item is rated than another, by those who rated both.

    deviation(i, j) = mean over who rated i and j of (r(i) - r(j))

(Lemire and Maclachlan, "Slope One Predictors for Online Rating-Based Collaborative Filtering", SDM
2005, section 3.3.)
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run


def deviations(ratings: CSR) -> NDArray[np.float32]:
    """Return (items, items) deviations; NaN where nobody rated both, and on the diagonal.

    To the bit, ``deviation(i, j) = -deviation(j, i)``. Costs a step for each two ratings of a
    person, and 4 bytes for each two items.

    Parameters
    ----------
    ratings : people x items.
    """
    items = ratings.shape[1]
    raters = ratings.transposed()
    pairs = np.zeros(ratings.nnz + 1, np.int64)
    np.cumsum(np.diff(ratings.indptr)[raters.indices], out=pairs[1:])
    out = np.zeros((items, items), np.float32)
    run(
        _deviations, pairs[raters.indptr],
        raters.indptr, raters.indices, raters.data,
        ratings.indptr, ratings.indices, ratings.data, out,
    )  # fmt: skip
    return out


def lifts(
    ratings: CSR, items: NDArray[np.int32], deviation: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the mean deviation of each item asked for from those that each asker rated.

    Items that were rated by nobody in common with the item asked for do not count.

    Parameters
    ----------
    ratings : askers x items; only where they stand matters.
    items : (askers, n) or (1, n) for all alike; -1 gives NaN.
    deviation : from `deviations`.

    Returns
    -------
    (askers, n) float32; NaN if no deviation is known.
    """
    out = np.zeros((ratings.shape[0], items.shape[1]), np.float32)
    run(
        _lifts, ratings.indptr * items.shape[1],
        ratings.indptr, ratings.indices, items, deviation, out,
        least=1 << 20,
    )  # fmt: skip
    return out


@njit(nogil=True, cache=True)
def _deviations(  # type: ignore[no-untyped-def]
    lo, hi, t_indptr, raters, theirs, indptr, indices, data, out
):
    counts = np.zeros(len(out), np.int32)
    for i in range(lo, hi):
        row = out[i]
        for n in range(t_indptr[i], t_indptr[i + 1]):
            person, rating = raters[n], theirs[n]
            for m in range(indptr[person], indptr[person + 1]):
                row[indices[m]] += rating - data[m]
                counts[indices[m]] += 1
        counts[i] = 0
        for j in range(len(row)):
            row[j] = row[j] / np.float32(counts[j]) if counts[j] > 0 else np.float32(np.nan)
            counts[j] = 0


@njit(nogil=True, cache=True)
def _lifts(lo, hi, indptr, indices, items, deviation, out):  # type: ignore[no-untyped-def]
    width = items.shape[1]
    sums, counts = np.empty(width), np.empty(width, np.int32)
    for r in range(lo, hi):
        asked = items[min(r, len(items) - 1)]
        sums[:] = 0.0
        counts[:] = 0
        for n in range(indptr[r], indptr[r + 1]):
            row = deviation[indices[n]]  # its deviations from the others: the wrong way round
            for t in range(width):
                if asked[t] >= 0 and row[asked[t]] == row[asked[t]]:
                    sums[t] -= row[asked[t]]
                    counts[t] += 1
        for t in range(width):
            out[r, t] = sums[t] / counts[t] if counts[t] > 0 else np.nan
