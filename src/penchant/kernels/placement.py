"""Placing people by what they met: the linear map that is best over a training table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
AT_ONCE = 1 << 16
"""Rows regressed at a time, so that little is held in 64 bits."""
SHRINK = 0.1
"""Ridge of the regression that places people, in mean variances of what it goes by."""

Floats = NDArray[np.float64]


def sums(x: CSR, vectors: NDArray[np.float32], threads: int | None = None) -> Floats:
    """Return (rows, f) the sum over a row's entries of ``w y``, less the more there are.

    It is divided by ``(sum of w)^(1/2) (sum of w^2)^(1/4)``: where every weight is the same, that
    is the weight times the number of entries to the power 3/4, whatever the weight. Training pulls
    long histories' vectors to a mean more than a sum, and short ones' the other way.
    """
    out = np.zeros((x.shape[0], vectors.shape[1]))
    if threads is None and x.nnz * vectors.shape[1] < 1 << 20:
        threads = 1
    args = (_read_only(a) for a in (x.indptr, x.indices, x.data, vectors))
    run(_sums, x.indptr, *args, out, threads=threads)
    return out


def length(weights: NDArray[np.float32]) -> float:
    """Return what `sums` divides a row of these weights by."""
    wide = weights.astype(np.float64)
    return float(np.sqrt(wide.sum() * np.sqrt(wide @ wide)))


def placement(
    x: CSR, items: NDArray[np.float32], people: NDArray[np.float32]
) -> tuple[Floats, Floats]:
    """Return the linear map from `sums` to people's vectors that is best over a table.

    It is a ridge regression with an intercept, over the rows that have entries.

    Parameters
    ----------
    x : users x items, what they met.
    items, people : (items, d) and (users, d) their vectors.

    Returns
    -------
    turn : (d, d).
    origin : (d,) so that ``origin + sums @ turn`` is close to the people's vectors.
    """
    size = items.shape[1]
    square, across = np.zeros((size + 1, size + 1)), np.zeros((size + 1, size))
    for lo in range(0, x.shape[0], AT_ONCE):
        rows = x.rows(lo, min(lo + AT_ONCE, x.shape[0]))
        some = np.diff(rows.indptr) > 0
        told = np.column_stack([sums(rows, items), np.ones(rows.shape[0])])[some]
        square += told.T @ told
        across += told.T @ people[lo : lo + AT_ONCE][some]
    square[np.diag_indices(size)] += SHRINK * np.trace(square[:size, :size]) / size
    solved = np.linalg.solve(square, across)
    return solved[:size], solved[size]


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """View an array read-only; see als._read_only."""
    view = array.view()
    view.flags.writeable = False
    return view


@njit(nogil=True, cache=True, fastmath=FAST)
def _sums(lo, hi, indptr, indices, weights, vectors, out):  # type: ignore[no-untyped-def]
    for r in range(lo, hi):
        total, squares = 0.0, 0.0
        into = out[r]
        for n in range(indptr[r], indptr[r + 1]):
            w = np.float64(weights[n])
            total += w
            squares += w * w
            y = vectors[indices[n]]
            for k in range(len(into)):
                into[k] += w * y[k]
        if total > 0:
            length = np.sqrt(total * np.sqrt(squares))
            for k in range(len(into)):
                into[k] /= length
