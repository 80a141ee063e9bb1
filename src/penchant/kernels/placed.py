"""Weights between those items that are known: rows of them added up, and some looked up."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.als import read_only
from penchant.kernels.csr import CSR
from penchant.kernels.products import FAST
from penchant.kernels.threads import run

STRIP = 1024
"""Columns that are added up at a time: their sums stay in the first cache, and what one history
read of a row is still near when the next of a batch reads it."""


def placed_rows(
    x: CSR, weights: NDArray[np.float32], place: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return (q, items): ``x B``, NaN for items that are not known and where x holds no known one.

    Parameters
    ----------
    x : (q, items).
    weights : (known, known), B.
    place : (items,) the row and column of an item in B; -1 for unknown ones.
    """
    whole = len(weights) == len(place)
    out = np.empty((len(x.indptr) - 1, len(place)), np.float32)
    sums = out if whole else np.empty((len(out), len(weights)), np.float32)
    args = (x.indptr, x.indices, x.data, read_only(weights), read_only(place), sums)
    run(_added, x.indptr, *args, threads=1 if x.nnz * len(weights) < 1 << 21 else None)
    if not whole:
        _spread(read_only(place), sums, out)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _added(lo, hi, indptr, indices, data, weights, place, sums):  # type: ignore[no-untyped-def]
    n = len(weights)
    rows = np.zeros(4, np.int64)
    w = np.zeros(4, np.float32)
    for start in range(0, n, STRIP):
        end = min(start + STRIP, n)
        for r in range(lo, hi):
            into = sums[r, start:end]
            into[:] = 0
            size = 0
            told = False
            for m in range(indptr[r], indptr[r + 1]):
                at = place[indices[m]]
                if at >= 0:
                    rows[size], w[size] = at, data[m]
                    size += 1
                    told = True
                if size == 4 or (size > 0 and m + 1 == indptr[r + 1]):
                    for k in range(size, 4):
                        rows[k], w[k] = rows[0], 0
                    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
                    a, b = weights[rows[0], start:end], weights[rows[1], start:end]
                    c, d = weights[rows[2], start:end], weights[rows[3], start:end]
                    for i in range(end - start):
                        into[i] += w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i]
                    size = 0
            if not told:
                into[:] = np.nan


@njit(nogil=True, cache=True)
def _spread(place, sums, out):  # type: ignore[no-untyped-def]
    for r in range(len(out)):
        for i in range(len(place)):
            out[r, i] = sums[r, place[i]] if place[i] >= 0 else np.nan


def placed(
    history: NDArray[np.int32],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    place: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return (items, history) weights: 0 from unknown items, NaN to them."""
    out = np.empty((len(items), len(history)))
    _placed(history, items, read_only(weights), read_only(place), out)
    return out


@njit(nogil=True, cache=True)
def _placed(history, items, weights, place, out):  # type: ignore[no-untyped-def]
    for j in range(len(history)):
        row = place[history[j]]
        for i in range(len(items)):
            to = place[items[i]]
            if to < 0:
                out[i, j] = np.nan
            else:
                out[i, j] = weights[row, to] if row >= 0 else 0.0
