"""Several orders of items dealt out in turns."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.threads import run


def deal(
    orders: NDArray[np.int32], lengths: NDArray[np.int64], free: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """Let parts name items in turns, each its next best that nobody has named.

    Parameters
    ----------
    orders : (parts, q, n) int32, each part's items, best first.
    lengths : (parts, q) int64, how many of them the part names at all.
    free : (q, n) whether naming an item takes no turn.

    Returns
    -------
    turns : (q, n) int32, the turn at which each item is named, from 0; -1 for never. Part
        ``turn % parts`` names it; a part that has no more passes.
    parts : (q, n) int16, who named it; 0 for never.
    """
    turns = np.full(free.shape, -1, np.int32)
    who = np.zeros(free.shape, np.int16)
    threads = 1 if free.size < 1 << 18 else None
    run(_deal, len(free), orders, lengths, free, turns, who, threads=threads)
    return turns, who


@njit(nogil=True, cache=True)
def _deal(lo, hi, orders, lengths, free, turns, who):  # type: ignore[no-untyped-def]
    parts = len(orders)
    at = np.empty(parts, np.int64)
    for r in range(lo, hi):
        at[:] = 0
        left = lengths[:, r].sum()
        turn = 0
        while left > 0:
            m = turn % parts
            while at[m] < lengths[m, r]:
                item = orders[m, r, at[m]]
                at[m] += 1
                left -= 1
                if turns[r, item] < 0:
                    turns[r, item] = turn
                    who[r, item] = m
                    if not free[r, item]:
                        break
            turn += 1
