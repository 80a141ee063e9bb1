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
    lengths = np.zeros(len(indptr) - 1, np.int64)
    run(
        _latest, indptr,
        indptr, item, kind, value, wanted, n_items, columns, values, lengths,
        least=ENTRIES_WORTH_A_POOL,
    )  # fmt: skip
    return packed(indptr, lengths, columns, values, n_items)


def packed(
    indptr: NDArray[np.int64],
    lengths: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    n_items: int,
) -> CSR:
    """Return the matrix whose row r is the first ``lengths[r]`` entries from ``indptr[r]`` on.

    The entries are moved within their arrays: a list of their places would take as much again.
    """
    ends = np.zeros(len(indptr), np.int64)
    np.cumsum(lengths, out=ends[1:])
    size = int(ends[-1])
    if size < len(columns):
        _move_up(indptr, ends, columns, values)
        columns, values = columns[:size], values[:size]
        if 4 * size < 3 * (indptr[-1] - indptr[0]):  # What they leave free is worth a copy.
            columns, values = columns.copy(), values.copy()
    return CSR(ends, columns, values, n_items)


def order_of(codes: NDArray[np.int32], n_codes: int) -> NDArray[np.int64]:
    """Return the order that sorts ``codes``, each from 0 to ``n_codes``; equal ones stay in place.

    Linear in their number, which is below 2**32.
    """
    keys = codes.astype(np.int64) << 32 | np.arange(len(codes))
    in_order(keys, np.empty_like(keys), len(keys), n_codes)
    return keys & 0xFFFFFFFF


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
        for digit in range(256):
            counts[digit] = 0
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
        for i in range(size):
            keys[i] = spare[i]
        shift += 8


@njit(nogil=True, cache=True)
def _move_up(starts, ends, columns, values):  # type: ignore[no-untyped-def]
    for r in range(len(ends) - 1):
        apart = starts[r] - ends[r]
        if apart > 0:
            for n in range(ends[r], ends[r + 1]):
                columns[n], values[n] = columns[n + apart], values[n + apart]


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
