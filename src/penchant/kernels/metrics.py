"""Where relevant items stand in lists, and how far a mean over queries can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.threads import run

ALONE = 1 << 18
"""With fewer relevant items than this, starting threads costs more than they save."""


class Standings(NamedTuple):
    """Where the relevant items stand in each list: every accuracy metric follows from this.

    Parameters
    ----------
    relevant : (q,) int64, how many relevant items each query has.
    hits : (q,) float64, how many of them are in the list.
    first : (q,) float64, the rank of the best, from 1; infinity without one.
    precisions : (q,) float64, the sum over the hits of the precision at their rank.
    gains : (q,) float64, the sum over the hits of ``1 / log2(1 + rank)``.
    """

    relevant: NDArray[np.int64]
    hits: NDArray[np.float64]
    first: NDArray[np.float64]
    precisions: NDArray[np.float64]
    gains: NDArray[np.float64]

    def where(self, some: NDArray[np.bool_]) -> Standings:
        """Return those of some of the lists."""
        return Standings(
            self.relevant[some],
            self.hits[some],
            self.first[some],
            self.precisions[some],
            self.gains[some],
        )


def standings(
    codes: NDArray[np.int32], indptr: NDArray[np.int64], truth: NDArray[np.int32]
) -> Standings:
    """Find the relevant items in each list.

    Parameters
    ----------
    codes : (q, k) int32 item codes, best first, padded with -1. An item that comes twice in a list
        is a hit once, at its better rank.
    indptr : (q + 1,) int64, where each query's truth begins in ``truth``.
    truth : int32 codes of relevant items, in any order. A repeated code counts once. Each -1 is an
        item that exists but has no code, so that it is relevant and can never be a hit.
    """
    q, k = codes.shape
    found = Standings(
        np.zeros(q, np.int64), np.zeros(q), np.full(q, np.inf), np.zeros(q), np.zeros(q)
    )
    highest = max(codes.max(initial=-1), truth.max(initial=-1))
    run(
        _standings,
        np.asarray(indptr, np.int64),
        codes,
        indptr,
        truth,
        int(highest) + 2,
        1 / np.arange(1, k + 1),
        discounts(k),
        *found,
        least=ALONE,
    )
    return found


def discounts(k: int) -> NDArray[np.float64]:
    """Return ``1 / log2(1 + rank)`` for the ranks 1 to k."""
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


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
def _standings(  # type: ignore[no-untyped-def]
    lo, hi, codes, indptr, truth, n, inverse, discount, relevant, hits, first, precisions, gains
):
    wanted = np.zeros(n, np.uint8)  # the last is of -1, which is never a hit
    for q in range(lo, hi):
        there = np.int64(0)
        for e in range(indptr[q], indptr[q + 1]):
            c = truth[e]
            if c < 0:
                there += 1
            else:
                there += 1 - wanted[c]
                wanted[c] = 1
        count = precision = gain = 0.0
        best = np.inf
        for r in range(codes.shape[1]):
            c = codes[q, r]
            # Hits are rare and hard to foresee: sums cost less than branches.
            hit = np.float64(wanted[c])
            wanted[c] = 0
            count += hit
            precision += hit * count * inverse[r]
            gain += hit * discount[r]
            if hit != 0 and best == np.inf:
                best = r + 1.0
        for e in range(indptr[q], indptr[q + 1]):
            wanted[truth[e]] = 0
        relevant[q] = there
        hits[q] = count
        first[q] = best
        precisions[q] = precision
        gains[q] = gain


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
