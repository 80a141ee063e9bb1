"""The first singular vectors of a sparse matrix, by iteration on a random subspace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr
from threadpoolctl import threadpool_limits

from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_dense


def singular_vectors(
    rows: CSR, columns: CSR, rank: int, rng: np.random.Generator, rounds: int = 8
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (columns of the matrix, rank) orthonormal vectors, the largest first."""
    n = rows.columns
    width = min(rank + max(10, rank // 4), n, rows.shape[0])
    basis = rng.standard_normal((n, width)).astype(np.float32)
    with threadpool_limits(1, "blas"):
        for _ in range(rounds):
            basis = sparse_dense(columns, sparse_dense(rows, basis))
            basis, _ = qr(basis, mode="economic", overwrite_a=True)
            basis = np.ascontiguousarray(basis)
        image = sparse_dense(rows, basis).astype(np.float64)
        values, turn = eigh(image.T @ image)
        turned = basis.astype(np.float64) @ turn[:, ::-1][:, :rank]
    squares = np.clip(values[::-1][:rank], 0, None)
    return np.ascontiguousarray(turned), squares
