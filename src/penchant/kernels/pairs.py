"""Rows of events to one entry for each pair of person and item."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

ENTRIES_WORTH_A_POOL = 1 << 18
"""Below this many, one thread is done before a pool has started."""

SHORT = 32
"""Rows up to this long are quickest put in order one by one."""


def latest(
    indptr: NDArray[np.int64],
    item: NDArray[np.int32],
    kind: NDArray[np.int16],
    value: NDArray[np.float32],
    *,
    wanted: int,
    n_items: int,
) -> CSR:
    """Return people x items: the last value of each pair, of the rows of one kind.

    Linear in the number of rows. Rows with an item of -1 or a value of NaN are left out.

    Parameters
    ----------
    indptr : (people + 1,) where each person's rows begin; they stand in the order of time.
    item, kind, value : (rows,).
    wanted : the kind of row that counts.
    n_items : number of columns.
    """
    columns, values = np.empty(len(item), np.int32), np.empty(len(item), np.float32)
    ends = np.zeros(len(indptr), np.int64)
    run(
        _latest, indptr,
        indptr, item, kind, value, wanted, n_items, columns, values, ends[1:],
        least=ENTRIES_WORTH_A_POOL,
    )  # fmt: skip
    np.cumsum(ends, out=ends)
    if ends[-1] < len(item):
        kept = np.arange(ends[-1]) + np.repeat(indptr[:-1] - ends[:-1], np.diff(ends))
        columns, values = columns[kept], values[kept]
    return CSR(ends, columns, values, n_items)


@njit(nogil=True, cache=True)
def in_order(keys, spare, size, n_items):  # type: ignore[no-untyped-def]
    """Put the first ``size`` of ``keys`` in the order of their items, the upper 32 bits; stably.

    ``spare`` is room for as many keys. Digits of eight bits, the lowest first.
    """
    if size <= SHORT:
        for i in range(1, size):
            key = keys[i]
            j = i
            while j > 0 and keys[j - 1] > key:
                keys[j] = keys[j - 1]
                j -= 1
            keys[j] = key
        return
    counts = np.empty(256, np.int64)
    shift = 0
    while (n_items - 1) >> shift > 0:
        counts[:] = 0
        for i in range(size):
            counts[keys[i] >> (32 + shift) & 255] += 1
        before = 0
        for digit in range(256):
            before += counts[digit]
            counts[digit] = before - counts[digit]
        for i in range(size):
            digit = keys[i] >> (32 + shift) & 255
            spare[counts[digit]] = keys[i]
            counts[digit] += 1
        keys[:size] = spare[:size]
        shift += 8


@njit(nogil=True, cache=True)
def _latest(  # type: ignore[no-untyped-def]
    lo, hi, indptr, item, kind, value, wanted, n_items, columns, values, kept
):
    longest = 0
    for r in range(lo, hi):
        longest = max(longest, indptr[r + 1] - indptr[r])
    keys, spare = np.empty(longest, np.int64), np.empty(longest, np.int64)
    for r in range(lo, hi):
        first = indptr[r]
        size = 0
        ascending = True
        for n in range(first, indptr[r + 1]):
            if kind[n] == wanted and item[n] >= 0 and value[n] == value[n]:  # NaN is not itself
                keys[size] = np.int64(item[n]) << 32 | (n - first)
                ascending &= size == 0 or keys[size] > keys[size - 1]
                size += 1
        if not ascending:
            in_order(keys, spare, size, n_items)
        at = first
        for n in range(size):
            if n + 1 == size or keys[n] >> 32 != keys[n + 1] >> 32:
                columns[at] = keys[n] >> 32
                values[at] = value[first + (keys[n] & 0xFFFFFFFF)]
                at += 1
        kept[r] = at - first
