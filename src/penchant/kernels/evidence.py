"""What rows weigh, one by one and as pairs of a person and an item.

Rows of one person are worked on alone and in one order, so that a person's rows weigh the same, bit
for bit, in a table of millions and by themselves.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.pairs import ENTRIES_WORTH_A_POOL, in_order, packed
from penchant.kernels.threads import run

COUNTS, TAKES_BACK = 0, 1
"""Roles of a row."""

SUM, LAST, MOST = 0, 1, 2
"""What the rows of one pair come to."""

WEIGHT, LOW, HIGH, LEAST, GROWTH, ROLE = range(6)
"""Columns of the table of kinds; LEAST is NaN without a threshold."""

LINEAR, LOG = 1, 2
"""Growth with the value; 0 is none."""

HEAVIEST = 1e30
"""No row weighs more, so that sums stay finite in 32 bits."""


def weighed(
    indptr: NDArray[np.int64],
    item: NDArray[np.int32],
    kind: NDArray[np.int16],
    value: NDArray[np.float32],
    time: NDArray[np.int64],
    *,
    now: NDArray[np.int64],
    table: NDArray[np.float64],
    halving: float,
    repeats: int,
    cap: float,
    n_items: int,
) -> tuple[NDArray[np.float32], CSR]:
    """Return each row's part of what its pair comes to, and people x items: what pairs come to.

    Pairs that come to nothing are left out, as are rows with an item of -1.

    Parameters
    ----------
    indptr : (people + 1,) where each person's rows begin; they stand in the order of time.
    item, kind, value, time : (rows,); a value of NaN is none, a time below 0 unknown.
    now : (people,) microseconds; rows without a time, or later than that, do not age.
    table : (kinds, 6), see ``WEIGHT`` and what follows.
    halving : microseconds in which a row loses half its weight; infinite: none does.
    repeats : ``SUM``, ``LAST`` or ``MOST``.
    cap : what a pair comes to at most.
    n_items : number of columns.
    """
    amount, role = np.empty(len(item), np.float32), np.empty(len(item), np.int8)
    columns, sums = np.empty(len(item), np.int32), np.empty(len(item), np.float32)
    lengths = np.empty(len(indptr) - 1, np.int64)
    run(
        _weigh, indptr,
        indptr, item, kind, value, time, now, table, halving, repeats, cap, n_items,
        amount, role, columns, sums, lengths,
        least=ENTRIES_WORTH_A_POOL,
    )  # fmt: skip
    return amount, packed(indptr, lengths, columns, sums, n_items)


@njit(nogil=True, cache=True)
def _weigh(  # type: ignore[no-untyped-def]
    lo, hi, indptr, item, kind, value, time, now, table, halving, repeats, cap, n_items,
    amount, role, columns, sums, kept,
):  # fmt: skip
    longest = 0
    for u in range(lo, hi):
        longest = max(longest, indptr[u + 1] - indptr[u])
    keys, spare = np.empty(longest, np.int64), np.empty(longest, np.int64)
    for u in range(lo, hi):
        start, size = indptr[u], 0
        ascending = True
        for n in range(start, indptr[u + 1]):
            k = kind[n]
            amount[n] = _alone(value[n], now[u], time[n], table, k, halving)
            role[n] = table[k, ROLE]
            if item[n] >= 0:
                keys[size] = np.int64(item[n]) << 32 | (n - start)
                ascending &= size == 0 or keys[size] > keys[size - 1]
                size += 1
        if not ascending:
            in_order(keys, spare, size, n_items)
        first, at = 0, start
        while first < size:
            end = first + 1
            while end < size and keys[end] >> 32 == keys[first] >> 32:
                end += 1
            total = _pair(keys, first, end, start, role, amount, repeats, cap)
            if total > 0:
                columns[at], sums[at] = keys[first] >> 32, total
                at += 1
            first = end
        kept[u] = at - start


@njit(nogil=True, cache=True)
def _alone(value, now, time, table, k, halving):  # type: ignore[no-untyped-def]
    """Return what a row weighs by itself."""
    v = np.float64(value)
    if v < table[k, LOW]:  # NaN stays
        v = table[k, LOW]
    if v > table[k, HIGH]:
        v = table[k, HIGH]
    weight = table[k, WEIGHT]
    if table[k, LEAST] == table[k, LEAST] and not v >= table[k, LEAST]:
        weight = 0.0
    if table[k, GROWTH] > 0 and v == v:  # no value: one of whatever is counted
        counted = max(v, np.float64(0.0))
        weight *= counted if table[k, GROWTH] == LINEAR else np.log2(1.0 + counted)
    since = now - time
    if since > 0 and time >= 0:
        weight *= 0.5 ** (since / halving)
    return min(weight, HEAVIEST)


@njit(nogil=True, cache=True)
def _pair(keys, first, end, start, role, amount, repeats, cap):  # type: ignore[no-untyped-def]
    """Return what one pair comes to, and leave in ``amount`` each row's part of it."""
    since, best = first, first  # rows before ``since`` do not count; only ``best`` may
    for at in range(first, end):
        n = start + (keys[at] & 0xFFFFFFFF)
        if role[n] == TAKES_BACK:
            since = best = at
        if repeats == LAST or amount[n] > amount[start + (keys[best] & 0xFFFFFFFF)]:
            best = at
    total = 0.0
    for at in range(first, end):
        n = start + (keys[at] & 0xFFFFFFFF)
        if at < since or (repeats != SUM and at != best):
            amount[n] = 0.0
        elif total + amount[n] > cap:
            amount[n] = cap - total
        total += amount[n]
    return total
