"""X'X of a sparse matrix, and what LAPACK leaves of a symmetric one: one half at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

TILE = 32
"""Rows and columns that are copied across the diagonal at a time, so that both are in the cache."""


def lower_gram(columns: CSR, rows: CSR) -> NDArray[np.float32]:
    """Return X'X, dense (n, n) float32; 0 above the diagonal, where it would only be repeated.

    Parameters
    ----------
    columns, rows : X by columns and by rows; the same entries.
    """
    out = np.zeros((columns.shape[0], columns.shape[0]), np.float32)
    work = np.zeros(columns.nnz + 1, np.int64)
    np.cumsum(np.diff(rows.indptr)[columns.indices], out=work[1:])
    args = (columns.indptr, columns.indices, columns.data, rows.indptr, rows.indices, rows.data)
    run(_lower_gram, work[columns.indptr], *args, out, least=1 << 16)
    return out


def mirror(lower: NDArray[Any], factors: NDArray[Any] | None = None) -> None:
    """Make a symmetric matrix S whole, in place, from the half on and below its diagonal.

    Parameters
    ----------
    factors : (n,) what to multiply the columns of S by; by default 1.
    """
    n = len(lower)
    by = np.ones(n, lower.dtype) if factors is None else factors.astype(lower.dtype)
    tiles = -(-n // TILE)
    work = np.cumsum(np.arange(tiles + 1))
    run(_mirror, work, lower, by, least=1 << 6)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _lower_gram(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, other_indptr, other_indices, other_data, out
):
    for i in range(lo, hi):
        line = out[i]
        for e in range(indptr[i], indptr[i + 1]):
            u, w = indices[e], data[e]
            for f in range(other_indptr[u], other_indptr[u + 1]):
                j = other_indices[f]
                if j > i:
                    break
                line[j] += w * other_data[f]


@njit(nogil=True, cache=True)
def _mirror(lo, hi, a, by):  # type: ignore[no-untyped-def]
    n = len(a)
    for t in range(lo, hi):
        for u in range(t + 1):
            for i in range(t * TILE, min((t + 1) * TILE, n)):
                for j in range(u * TILE, min((u + 1) * TILE, i + 1)):
                    value = a[i, j]
                    a[i, j] = value * by[j]
                    a[j, i] = value * by[i]
