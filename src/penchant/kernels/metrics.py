"""Which recommended items were relevant, and how far a mean over queries can be trusted."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.threads import run


def hits(
    codes: NDArray[np.int32], indptr: NDArray[np.int64], truth: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Mark the relevant items in each list; every accuracy metric at any K follows from this.

    Parameters
    ----------
    codes : (q, k) int32 item codes, best first, padded with -1. An item that comes twice in a list
        is a hit once, at its better rank.
    indptr : (q + 1,) int64, where each query's truth begins in ``truth``.
    truth : int32 codes of relevant items, in any order. A repeated code counts once. Each -1 is an
        item that exists but has no code, so that it is relevant and can never be a hit.

    Returns
    -------
    found : (q, k) bool.
    relevant : (q,) int32, how many relevant items each query has.
    """
    found = np.zeros(codes.shape, np.bool_)
    relevant = np.zeros(len(codes), np.int32)
    highest = max(codes.max(initial=-1), truth.max(initial=-1))
    run(_hits, len(codes), codes, indptr, truth, int(highest) + 1, found, relevant)
    return found, relevant


def resampled_sums(values: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Sum the columns over rows drawn with replacement, many times (the bootstrap).

    Every column sees the same rows in a draw, so differences between columns of the result are
    those of paired resamples.

    Parameters
    ----------
    values : (q, m) float64, without NaN.
    draws : how many times to draw ``q`` rows.
    seed : 0 to 2**64 - 1. Draw ``b`` depends on the seed and ``b`` only.

    Returns
    -------
    (draws, m) float64.
    """
    sums = np.zeros((draws, values.shape[1]))
    if len(values):
        run(_resample, draws, np.ascontiguousarray(values), np.uint64(seed), sums)
    return sums


@njit(nogil=True, cache=True)
def _hits(lo, hi, codes, indptr, truth, n, found, relevant):  # type: ignore[no-untyped-def]
    wanted = np.zeros(n, np.bool_)
    for q in range(lo, hi):
        for e in range(indptr[q], indptr[q + 1]):
            c = truth[e]
            if c < 0:
                relevant[q] += 1
            elif not wanted[c]:
                wanted[c] = True
                relevant[q] += 1
        for rank in range(codes.shape[1]):
            c = codes[q, rank]
            if c >= 0 and wanted[c]:
                found[q, rank] = True
                wanted[c] = False
        for e in range(indptr[q], indptr[q + 1]):
            if truth[e] >= 0:
                wanted[truth[e]] = False


@njit(nogil=True, cache=True)
def _resample(lo, hi, values, seed, sums):  # type: ignore[no-untyped-def]
    rows, columns = values.shape
    for b in range(lo, hi):
        state = _mix(seed ^ _mix(np.uint64(b)))
        for _ in range(rows):
            state += np.uint64(0x9E3779B97F4A7C15)
            # The upper half of the hash, scaled to 0 <= r < rows without a division.
            r = ((_mix(state) >> np.uint64(32)) * np.uint64(rows)) >> np.uint64(32)
            for c in range(columns):
                sums[b, c] += values[r, c]


@njit(nogil=True, cache=True)
def _mix(x):  # type: ignore[no-untyped-def]
    """Finish as SplitMix64 does (Steele, Lea and Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
