"""Alternating least squares, subspace by subspace: iALS++.

Rendle, Krichene, Zhang and Koren, "iALS++: Speeding up Matrix Factorization with Subspace
Optimization" (2021), algorithm 2. A row's coordinates are solved for a block at a time, the others
staying where they are (a Newton step, exact because the loss is quadratic)::

    g = (A x - b) of the block      H = A of the block by itself      x of the block -= H^-1 g

with A and b as in ``als``. What the row's pairs are predicted to be is kept and brought up to date
after each block, so that g costs no pass over the other coordinates.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.als import APART, FAST, Half, Pull, entries, gram, read_only
from penchant.kernels.als_exact import solve
from penchant.kernels.threads import run


def half_epoch(
    solved: NDArray[np.float32],
    fixed: NDArray[np.float32],
    half: Half,
    *,
    block: int = 32,
    pull: Pull | None = None,
    threads: int | None = None,
) -> None:
    """Improve the rows of ``solved`` in place, given the other side's factors.

    Arguments as in ``als.half_epoch``, but for ``block``, the number of factors in a subspace.
    """
    common = half.unobserved * gram(fixed)
    right = np.empty((0, fixed.shape[1]), np.float32)
    if pull is not None:
        common, right = common + pull.gram, pull.right
    run(
        _blocks,
        half.weights.indptr,
        *entries(half.weights),
        read_only(half.ridge),
        common.astype(np.float32),
        read_only(right),
        read_only(fixed),
        solved,
        min(block, fixed.shape[1]),
        threads=threads,
    )


@njit(nogil=True, cache=True, fastmath=FAST)
def _blocks(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, weights, ridge, common, right, fixed, solved, block
):
    factors = fixed.shape[1]
    longest = 0
    for row in range(lo, hi):
        longest = max(longest, indptr[row + 1] - indptr[row])
    missing = np.empty(longest + 2 * APART, np.float32)[APART : APART + longest]
    room = np.empty((block + 1, max(block, 16) + 2 * APART), np.float32)
    h = room[:block, APART : APART + block]  # The lower triangle of H, then of its factor.
    g = room[block, APART : APART + block]
    for row in range(lo, hi):
        x = solved[row]
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            x[:] = 0
            continue
        for n in range(last - first):  # 1 less what is predicted.
            y = fixed[indices[first + n]]
            s = np.float32(1)
            for k in range(factors):
                s -= y[k] * x[k]
            missing[n] = s
        for at in range(0, factors, block):
            size = min(block, factors - at)
            for i in range(size):
                g[i] = -ridge[row] * x[at + i]
                if len(right):
                    g[i] += right[row, at + i]
                from_all = np.float32(0)
                for k in range(factors):
                    from_all += common[at + i, k] * x[k]
                g[i] -= from_all
                for k in range(i + 1):
                    h[i, k] = common[at + i, at + k]
                h[i, i] += ridge[row]
            for n in range(last - first):
                w, y = weights[first + n], fixed[indices[first + n]][at : at + size]
                for i in range(size):
                    s = w * y[i]
                    g[i] += s * missing[n]
                    into = h[i]
                    for k in range(i + 1):
                        into[k] += s * y[k]
            solve(h, g, size)
            for k in range(size):
                x[at + k] += g[k]
            for n in range(last - first):
                y = fixed[indices[first + n]][at : at + size]
                s = np.float32(0)
                for k in range(size):
                    s += y[k] * g[k]
                missing[n] -= s
