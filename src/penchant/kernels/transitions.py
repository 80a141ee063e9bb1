"""Which items follow which in sequences, counted by how far apart they stand."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

STRIDE = 64
"""Sums that share one mark saying whether any of them was touched."""


def following(
    indptr: NDArray[np.int64], item: NDArray[np.int32], weights: NDArray[np.float64], n_items: int
) -> CSR:
    """Return items x items: entry (j, i) is the sum of ``weights[s - 1]`` over i s places after j.

    Work grows with events times steps, memory with the pairs that occur. The sums are made in
    64 bits, in the order of the events.

    Parameters
    ----------
    indptr : (sequences + 1,) where each sequence begins.
    item : (events,) codes from 0 to ``n_items``.
    weights : (steps,) positive; pairs further apart do not count.
    """
    places = CSR(np.arange(len(item) + 1), item, np.empty(len(item), np.float32), n_items)
    by_item = places.transposed()
    ends = np.repeat(indptr[1:], np.diff(indptr))
    counts = np.zeros(n_items + 1, np.int64)
    rows = (by_item.indptr, by_item.indices, ends, item, weights)
    none = np.empty(0, np.int32), np.empty(0, np.float32)
    run(_following, by_item.indptr, *rows, counts[1:], *none)
    found = np.cumsum(counts)
    columns, values = np.empty(found[-1], np.int32), np.empty(found[-1], np.float32)
    run(_following, by_item.indptr, *rows, found[:-1], columns, values)
    return CSR(found, columns, values, n_items)


@njit(nogil=True, cache=True)
def _following(  # type: ignore[no-untyped-def]
    lo, hi, starts, places, ends, item, weights, found, columns, values
):
    """Count each row's entries in ``found``; or write them, from there on, if there is room."""
    writes = len(columns) > 0
    n = len(found)
    sums = np.zeros(n, np.float64)
    touched = np.zeros(n // STRIDE + 1, np.bool_)
    for j in range(lo, hi):
        for p in range(starts[j], starts[j + 1]):
            e = np.int64(places[p])
            for s in range(min(len(weights), ends[e] - 1 - e)):
                i = item[e + 1 + s]
                sums[i] += weights[s]
                touched[i // STRIDE] = True
        at = found[j] if writes else 0
        for t in range(len(touched)):
            if not touched[t]:
                continue
            touched[t] = False
            for i in range(t * STRIDE, min((t + 1) * STRIDE, n)):
                if sums[i] > 0:
                    if writes:
                        columns[at], values[at] = i, sums[i]
                    sums[i] = 0
                    at += 1
        if not writes:
            found[j] = at
