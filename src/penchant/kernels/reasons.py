"""What speaks most for items, among all that adds up to their scores."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.pairs import in_order

NOTHING, AGAINST, FOR = range(3)
"""No evidence at all; none in favour; some."""

LEAST = 0.1
"""What was liked is named if it carries at least this share of what speaks for an item."""


def strongest(
    amounts: NDArray[np.float64],
    others: NDArray[np.float64],
    liked: NDArray[np.bool_],
    tasted: NDArray[np.bool_],
) -> list[list[int]]:
    """Return what to name of each item's evidence.

    Six numbers an item: whether anything speaks for it; two places in ``amounts`` and two in
    ``others``, of what may be named; the place in ``others`` of the largest of all amounts. -1: no
    such.

    Parameters
    ----------
    amounts, others : (m, h) and (m, n) what each piece of evidence adds.
    liked, tasted : (h,) and (n,) which may be named.
    """
    found = np.empty((len(amounts), 6), np.int64)
    _strongest(amounts, others, liked, tasted, found)
    told: list[list[int]] = found.tolist()
    return told


@njit(nogil=True, cache=True)
def _strongest(amounts, others, liked, tasted, found):  # type: ignore[no-untyped-def]
    for row in range(len(found)):
        total, named, most = 0.0, 0.0, 0.0
        first = second = taste = next_taste = top = -1
        state = NOTHING
        mine, rest = amounts[row], others[row]
        for n in range(len(mine)):
            a = mine[n]
            if a != 0:
                state = max(state, AGAINST)
            if a > 0:
                total += a
                most = max(most, a)
                if liked[n]:
                    named += a
                    if first < 0 or a > mine[first]:
                        first, second = n, first
                    elif second < 0 or a > mine[second]:
                        second = n
        for n in range(len(rest)):
            a = rest[n]
            if a != 0:
                state = max(state, AGAINST)
            if a > 0:
                total += a
                if a > most:
                    most, top = a, n
                if tasted[n]:
                    if taste < 0 or a > rest[taste]:
                        taste, next_taste = n, taste
                    elif next_taste < 0 or a > rest[next_taste]:
                        next_taste = n
        if total > 0:
            state = FOR
        if named < LEAST * total:
            first = second = -1
        if taste >= 0 and first >= 0 and rest[taste] <= mine[first]:
            taste = next_taste = -1
        found[row, 0], found[row, 1], found[row, 2] = state, first, second
        found[row, 3], found[row, 4], found[row, 5] = taste, next_taste, top


def cited(
    indptr: NDArray[np.int64],
    item: NDArray[np.int32],
    good: NDArray[np.bool_],
    rated: NDArray[np.bool_],
    hidden: NDArray[np.bool_],
    value: NDArray[np.float32],
    limit: float | None,
) -> NDArray[np.bool_]:
    """Return (rows,) whether a reason may cite a row: it is good, and none after it is against.

    Parameters
    ----------
    indptr : (people + 1,) where each person's rows begin, in the order of time.
    good : whether the row weighs something.
    rated : whether it is a rating; one below ``limit`` is against its item, and so is a row that
        hides and is not good. Without a limit that is the mean of the person's ratings.
    """
    out = np.zeros(len(item), np.bool_)
    _cited(indptr, item, good, rated, hidden, value, np.nan if limit is None else limit, out)
    return out


@njit(nogil=True, cache=True)
def _cited(indptr, item, good, rated, hidden, value, limit, out):  # type: ignore[no-untyped-def]
    longest, highest = 0, 0
    for u in range(len(indptr) - 1):
        longest = max(longest, indptr[u + 1] - indptr[u])
    for n in range(len(item)):
        highest = max(highest, item[n])
    keys, spare = np.empty(longest, np.int64), np.empty(longest, np.int64)
    for u in range(len(indptr) - 1):
        start, end = indptr[u], indptr[u + 1]
        total, count = 0.0, 0
        for n in range(start, end):
            keys[n - start] = np.int64(item[n] + 1) << 32 | (n - start)
            if rated[n]:
                total += value[n]
                count += 1
        least = limit if limit == limit else total / max(count, 1) - 1e-6
        in_order(keys, spare, end - start, highest + 2)
        dropped = np.int64(-1)  # an item that a later row is against
        for at in range(end - start - 1, -1, -1):
            n = start + (keys[at] & 0xFFFFFFFF)
            against = (rated[n] and value[n] < least) or (hidden[n] and not good[n])
            if against:
                dropped = keys[at] >> 32
            out[n] = good[n] and dropped != keys[at] >> 32


def among(
    codes: NDArray[np.int32], item: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which of ``codes`` are the item of some wanted row."""
    if len(codes) > 1 and not (codes[1:] > codes[:-1]).all():
        return np.isin(codes, item[wanted])
    out = np.zeros(len(codes), np.bool_)
    _among(codes, item, wanted, out)
    return out


@njit(nogil=True, cache=True)
def _among(codes, item, wanted, out):  # type: ignore[no-untyped-def]
    for n in range(len(item)):
        if wanted[n]:
            lo, hi = 0, len(codes)
            while lo < hi:
                middle = (lo + hi) >> 1
                if codes[middle] < item[n]:
                    lo = middle + 1
                else:
                    hi = middle
            if lo < len(codes) and codes[lo] == item[n]:
                out[lo] = True
