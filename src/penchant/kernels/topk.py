"""The k best scores of each row, with seen and disallowed items left out."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.threads import run

STRIDE = 64
"""Scores compared with the worst kept one at a time, in one vectorised pass."""

ALONE = 1 << 18
"""Below this many scores, starting threads costs more than they save."""


def top_k(
    scores: NDArray[np.float32],
    k: int,
    banned_indptr: NDArray[np.int64],
    banned: NDArray[np.int32],
    allowed: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the ``k`` best items of each row, best first, ties broken by the lower code.

    Parameters
    ----------
    scores : (q, n) float32; NaN is never chosen; an infinity is a score like
        any other. Not written to.
    k : how many to keep.
    banned_indptr : (q + 1,) int64, where each row's banned items begin in ``banned``; or (0,) for
        none at all.
    banned : int32 codes that may not be chosen, in any order, repeats allowed; codes outside
        ``0 <= code < n``, such as -1, are ignored.
    allowed : (n,) for every row, (q, n) row by row, or (0,) to allow all items.

    Returns
    -------
    codes : (q, k) int32, padded with -1.
    values : (q, k) float32, their scores, padded with NaN.
    """
    q, n = scores.shape
    codes = np.full((q, k), -1, np.int32)
    values = np.full((q, k), np.nan, np.float32)
    if k == 0 or q == 0:
        return codes, values
    mask = allowed.reshape(-1, n) if allowed.size else np.empty((0, 0), np.bool_)
    run(
        _top_k,
        q,
        np.ascontiguousarray(scores),
        banned_indptr,
        banned,
        np.ascontiguousarray(mask),
        codes,
        values,
        threads=1 if scores.size < ALONE else None,
    )
    return codes, values


@njit(nogil=True, cache=True)
def _top_k(lo, hi, scores, indptr, banned, allowed, codes, values):  # type: ignore[no-untyped-def]
    n = scores.shape[1]
    k = codes.shape[1]
    out = np.zeros(n, np.bool_)  # the row's banned items; wiped after each row
    bans = len(indptr) > 0
    masks = allowed.shape[0]
    for r in range(lo, hi):
        row = scores[r]
        code = codes[r]
        value = values[r]
        if bans:
            for b in range(indptr[r], indptr[r + 1]):
                if 0 <= banned[b] < n:
                    out[banned[b]] = True
        m = r if masks > 1 else 0
        size = 0
        for j in range(0, n, STRIDE):
            end = min(j + STRIDE, n)
            # Most strides hold nothing better than the worst kept, and that is quickly seen.
            if size == k and end - j == STRIDE and not _above(row[j:end], value[0]):
                continue
            for i in range(j, end):
                s = row[i]
                if s != s or (size == k and s <= value[0]):
                    continue
                if out[i] or (masks > 0 and not allowed[m, i]):
                    continue
                size = push(value, code, size, s, i)
        in_order(value, code, size)
        if bans:
            for b in range(indptr[r], indptr[r + 1]):
                if 0 <= banned[b] < n:
                    out[banned[b]] = False


@njit(nogil=True, cache=True)
def _above(stride, worst):  # type: ignore[no-untyped-def]
    """Whether any of a stride's scores is above ``worst``; a NaN is not.

    A loop of constant length without a branch, in a function of its own: so it is vectorised.
    """
    any_above = 0
    for i in range(STRIDE):
        any_above |= stride[i] > worst
    return any_above != 0


@njit(nogil=True, cache=True)
def push(value, code, size, s, c):  # type: ignore[no-untyped-def]
    """Add a score to a heap with the worst on top, and return its new size.

    ``value`` and ``code`` hold the best so far in their first ``size`` places; of equal scores the
    higher code is the worse. When the heap is full, ``(s, c)`` must be better than its top.
    """
    if size == len(value):
        sift(value, code, size, s, c)
        return size
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if value[up] < s or (value[up] == s and code[up] > c):
            break
        value[at] = value[up]
        code[at] = code[up]
        at = up
    value[at] = s
    code[at] = c
    return size + 1


@njit(nogil=True, cache=True)
def in_order(value, code, size):  # type: ignore[no-untyped-def]
    """Put a heap in order, best first: the worst is taken off and put behind the rest, in turn."""
    for last in range(size - 1, 0, -1):
        s, c = value[last], code[last]
        value[last], code[last] = value[0], code[0]
        sift(value, code, last, s, c)


@njit(nogil=True, cache=True)
def sift(value, code, size, s, c):  # type: ignore[no-untyped-def]
    """Put ``(s, c)`` in the place of the heap's top and restore the heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            value[right] < value[child]
            or (value[right] == value[child] and code[right] > code[child])
        ):
            child = right
        if value[child] > s or (value[child] == s and code[child] < c):
            break
        value[at] = value[child]
        code[at] = code[child]
        at = child
    value[at] = s
    code[at] = c


@njit(nogil=True, cache=True)
def kth_largest(values, size, k, scratch):  # type: ignore[no-untyped-def]
    """Return the k-th largest of the first ``size`` values, which stay (Hoare's quickselect)."""
    for m in range(size):
        scratch[m] = values[m]
    lo, hi = 0, size - 1
    while lo < hi:
        pivot = scratch[(lo + hi) >> 1]
        i, j = lo, hi
        while i <= j:
            while scratch[i] > pivot:
                i += 1
            while scratch[j] < pivot:
                j -= 1
            if i <= j:
                scratch[i], scratch[j] = scratch[j], scratch[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            hi = j
        elif k - 1 >= i:
            lo = i
        else:
            break
    return scratch[k - 1]
