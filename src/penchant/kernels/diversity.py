"""Short lists out of longer ones, item by item: unlike those before, or few of a kind."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

Codes = NDArray[np.int32]

FEW = 1 << 16
"""Comparisons up to which one thread will do."""


def marginal(
    rows: CSR, at: Codes, amount: NDArray[np.float64], half: float, k: int
) -> NDArray[np.int32]:
    """Choose k candidates of each list by maximal marginal relevance, exactly as it is defined.

    The next is the one, of those left, with the largest ``(1 - a) / (1 + c / half) - a s``, where c
    is its place among the candidates and s its largest cosine with one that is chosen, 0 as long as
    none is; of equals the earlier.

    Parameters
    ----------
    rows : features; a row that is empty, all 0 or has a NaN is like nothing: its cosines are 0.
    at : (q, n) the row of each candidate, best first; -1 past the end of a list.
    amount : (q,) a, from 0 to 1.

    Returns
    -------
    (q, k) places among the candidates; -1 past the end.
    """
    places = np.full((len(at), k), -1, np.int32)
    args = (rows.indptr, rows.indices, rows.data, rows.columns, at, amount, float(half), places)
    run(_marginal, len(at), *args, threads=1 if at.size * k < FEW else None)
    return places


@njit(nogil=True, cache=True)
def _marginal(lo, hi, indptr, indices, data, columns, at, amount, half, places):  # type: ignore[no-untyped-def]
    n = at.shape[1]
    k = places.shape[1]
    chosen = np.zeros(columns)
    length = np.empty(n)
    alike = np.empty(n)
    left = np.empty(n, np.bool_)
    for r in range(lo, hi):
        a = amount[r]
        for c in range(n):
            left[c] = at[r, c] >= 0
            length[c] = 0.0
            alike[c] = 0.0
            if left[c]:
                squares = 0.0
                for e in range(indptr[at[r, c]], indptr[at[r, c] + 1]):
                    squares += np.float64(data[e]) * np.float64(data[e])
                length[c] = np.sqrt(squares)
        for t in range(k):
            top = -1
            worth = -np.inf
            for c in range(n):
                if left[c]:
                    value = (1 - a) / (1 + c / half) - a * alike[c]
                    if value > worth:
                        top = c
                        worth = value
            if top < 0:
                break
            places[r, t] = top
            left[top] = False
            known = length[top] > 0  # a NaN is not
            lo_e = indptr[at[r, top]]
            hi_e = indptr[at[r, top] + 1]
            if known:
                for e in range(lo_e, hi_e):
                    chosen[indices[e]] = data[e]
            for c in range(n):
                if left[c]:
                    cosine = 0.0
                    if known and length[c] > 0:
                        for e in range(indptr[at[r, c]], indptr[at[r, c] + 1]):
                            cosine += np.float64(data[e]) * chosen[indices[e]]
                        cosine /= length[c] * length[top]
                    if t == 0 or cosine > alike[c]:
                        alike[c] = cosine
            if known:
                for e in range(lo_e, hi_e):
                    chosen[indices[e]] = 0.0


def few_of_a_kind(rows: CSR, at: Codes, most: int, k: int) -> NDArray[np.int32]:
    """Choose the first k candidates of each list of whose groups no more than ``most`` came before.

    Parameters
    ----------
    rows : the groups of an item are the columns of its row; without any it is always chosen.
    at : (q, n) the row of each candidate, best first; -1 past the end of a list.

    Returns
    -------
    (q, k) places among the candidates; -1 past the end.
    """
    places = np.full((len(at), k), -1, np.int32)
    args = (rows.indptr, rows.indices, rows.columns, at, most, places)
    run(_few_of_a_kind, len(at), *args, threads=1 if at.size * k < FEW else None)
    return places


@njit(nogil=True, cache=True)
def _few_of_a_kind(lo, hi, indptr, indices, columns, at, most, places):  # type: ignore[no-untyped-def]
    count = np.zeros(columns, np.int64)
    for r in range(lo, hi):
        count[:] = 0
        t = 0
        for c in range(at.shape[1]):
            row = at[r, c]
            if t == places.shape[1] or row < 0:
                break
            room = True
            for e in range(indptr[row], indptr[row + 1]):
                room = room and count[indices[e]] < most
            if room:
                for e in range(indptr[row], indptr[row + 1]):
                    count[indices[e]] += 1
                places[r, t] = c
                t += 1
