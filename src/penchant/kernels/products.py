"""Products of sparse rows with dense and sparse matrices."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

Real = TypeVar("Real", np.float32, np.float64)

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
"""Fast-math flags that keep NaN and infinity meaningful."""


def sparse_dense(sparse: CSR, dense: NDArray[Real]) -> NDArray[Real]:
    """Return ``sparse @ dense``, (rows, columns of dense), reading only the rows needed."""
    out = np.zeros((sparse.shape[0], dense.shape[1]), dense.dtype)
    args = (sparse.indptr, sparse.indices, sparse.data, dense, out)
    threads = 1 if sparse.nnz * dense.shape[1] < 1 << 20 else None
    run(_sparse_dense, sparse.indptr, *args, threads=threads)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _sparse_dense(lo, hi, indptr, indices, data, dense, out):  # type: ignore[no-untyped-def]
    for r in range(lo, hi):
        row = out[r]
        for n in range(indptr[r], indptr[r + 1]):
            w = data[n]
            other = dense[indices[n]]
            for c in range(len(row)):
                row[c] += w * other[c]


def sparse_vector(sparse: CSR, vector: NDArray[Real]) -> NDArray[Real]:
    """Return ``sparse @ vector``, (rows,), added up in 64 bits."""
    out = np.empty(sparse.shape[0], vector.dtype)
    args = (sparse.indptr, sparse.indices, sparse.data, vector, out)
    run(_sparse_vector, sparse.indptr, *args, threads=1 if sparse.nnz < 1 << 22 else None)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _sparse_vector(lo, hi, indptr, indices, data, vector, out):  # type: ignore[no-untyped-def]
    for r in range(lo, hi):
        s = 0.0
        for n in range(indptr[r], indptr[r + 1]):
            s += data[n] * vector[np.uint32(indices[n])]
        out[r] = s


def dense_sparse(dense: NDArray[np.float32], sparse: CSR) -> NDArray[np.float32]:
    """Return ``dense @ sparse``, (rows of dense, columns of sparse) float32."""
    out = np.zeros((dense.shape[0], sparse.columns), np.float32)
    args = (np.ascontiguousarray(dense), sparse.indptr, sparse.indices, sparse.data, out)
    threads = 1 if dense.shape[0] * sparse.nnz < 1 << 20 else None
    run(_dense_sparse, dense.shape[0], *args, threads=threads)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _dense_sparse(lo, hi, dense, indptr, indices, data, out):  # type: ignore[no-untyped-def]
    for r in range(lo, hi):
        row = out[r]
        for s in range(len(indptr) - 1):
            w = dense[r, s]
            if w != 0:
                for n in range(indptr[s], indptr[s + 1]):
                    row[indices[n]] += w * data[n]


def row_products(
    left: NDArray[np.float32], right: NDArray[np.float32], columns: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return (q, m): row r of ``left`` times the rows ``columns[r]`` of ``right``; NaN for -1."""
    out = np.empty(columns.shape, np.float32)
    threads = 1 if out.size * left.shape[1] < 1 << 20 else None
    run(_row_products, len(left), left, right, columns, out, threads=threads)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _row_products(lo, hi, left, right, columns, out):  # type: ignore[no-untyped-def]
    for r in range(lo, hi):
        for c in range(columns.shape[1]):
            other = right[columns[r, c]]
            s = np.float32(0 if columns[r, c] >= 0 else np.nan)
            for k in range(left.shape[1]):
                s += left[r, k] * other[k]
            out[r, c] = s


def sparse_sparse(
    left: CSR,
    right: CSR,
    dtype: type[Real] = np.float32,  # type: ignore[assignment]  # a default of a type variable
) -> NDArray[Real]:
    """Return ``left @ right``, dense (rows of left, columns of right), added up in ``dtype``."""
    out = np.zeros((left.shape[0], right.columns), dtype)
    args = (left.indptr, left.indices, left.data, right.indptr, right.indices, right.data, out)
    run(_sparse_sparse, left.indptr, *args, threads=1 if left.nnz < 1 << 10 else None)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _sparse_sparse(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, other_indptr, other_indices, other_data, out
):
    for r in range(lo, hi):
        row = out[r]
        for n in range(indptr[r], indptr[r + 1]):
            s, w = indices[n], row.dtype.type(data[n])
            for m in range(other_indptr[s], other_indptr[s + 1]):
                row[other_indices[m]] += w * other_data[m]
