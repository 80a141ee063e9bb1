"""Alternating least squares, exactly: A formed and factored (Cholesky), in training and after.

A half-epoch works in 32 bits, as the factors are. Folding in works in 64: the condition number of A
is about the largest eigenvalue of ``Y'Y`` over the penalty, often beyond what 32 bits resolve. See
``als`` for A and b.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.als import APART, FAST, Half, Pull, entries, gram, read_only
from penchant.kernels.csr import CSR
from penchant.kernels.threads import run


def half_epoch(
    solved: NDArray[np.float32],
    fixed: NDArray[np.float32],
    half: Half,
    *,
    pull: Pull | None = None,
    threads: int | None = None,
) -> None:
    """Solve for the rows of ``solved`` in place, given the other side's factors.

    Arguments as in ``als.half_epoch``; what stood in ``solved`` does not matter.
    """
    common = half.unobserved * gram(fixed)
    right = np.empty((0, fixed.shape[1]), np.float32)
    if pull is not None:
        common, right = common + pull.gram, pull.right
    none = np.empty((0, 0, 0), np.float32)
    given = common.astype(np.float32), half.ridge, right, True
    _solve(half.weights, fixed, *given, solved, none, threads)
    solved[np.diff(half.weights.indptr) == 0] = 0


def fold_in(
    histories: CSR,
    fixed: NDArray[np.float32],
    common: NDArray[np.float64],
    ridge: NDArray[np.float64],
    *,
    right: NDArray[np.floating] | None = None,
    pairs_pull: bool = True,
    kept: NDArray[np.float64] | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Solve exactly for the vectors of rows, seen in training or not.

    Parameters
    ----------
    histories : rows by columns, the weights of each row's pairs, 0 or more.
    fixed : (columns, f) float32.
    common : (f, f) float64, what every A holds: ``unobserved * gram(fixed)``, so that it is
        computed once and not per request.
    ridge : (rows,) float64, the penalty on each row.
    right : (rows, f), added to b in 64 bits.
    pairs_pull : whether the pairs count in b, too; else they only count in A.
    kept : (rows, f, f), where to put the lower triangles of the Cholesky factors of each A.
    threads : how many threads; the result does not depend on it.

    Returns
    -------
    (rows, f) float64; 0 where b is. Not finite where A is not positive definite, which a penalty
    that is not vanishing rules out.
    """
    solved = np.empty((histories.shape[0], fixed.shape[1]))
    work = int(histories.nnz + len(solved) * (fixed.shape[1] // 3))
    if threads is None and work * fixed.shape[1] < 1 << 20:
        threads = 1  # Sooner done than other threads are started.
    right = np.empty((0, fixed.shape[1])) if right is None else right.astype(np.float64)
    kept = np.empty((0, 0, 0)) if kept is None else kept
    _solve(histories, fixed, common, ridge, right, pairs_pull, solved, kept, threads)
    return solved


def through(factor: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (m, f): A^-1 times each of (m, f) vectors, from the lower Cholesky factor of A."""
    solved = right.copy()
    _through(factor, solved)
    return solved


@njit(nogil=True, cache=True, fastmath=FAST)
def _through(factor, solved):  # type: ignore[no-untyped-def]
    size = solved.shape[1]
    for i in range(size):
        left = factor[i]
        for n in range(len(solved)):
            b = solved[n]
            z = b[i]
            for k in range(i):
                z -= left[k] * b[k]
            b[i] = z / left[i]
    for i in range(size - 1, -1, -1):
        left = factor[i]
        for n in range(len(solved)):
            b = solved[n]
            b[i] /= left[i]
            for k in range(i):
                b[k] -= b[i] * left[k]


def products_with(
    vectors: NDArray[np.float64], fixed: NDArray[np.float32], rows: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return (m, h): (m, f) vectors times rows of (n, f)."""
    out = np.empty((len(vectors), len(rows)))
    _products_with(vectors, read_only(fixed), rows, out)
    return out


@njit(nogil=True, cache=True, fastmath=FAST)
def _products_with(vectors, fixed, rows, out):  # type: ignore[no-untyped-def]
    for n in range(len(rows)):
        y = fixed[rows[n]]
        for m in range(len(vectors)):
            x = vectors[m]
            s = 0.0
            for k in range(len(x)):
                s += x[k] * y[k]
            out[m, n] = s


def _solve(
    weights: CSR,
    fixed: NDArray[np.float32],
    common: NDArray[np.floating],
    ridge: NDArray[np.floating],
    right: NDArray[np.floating],
    pairs_pull: bool,
    solved: NDArray[np.floating],
    kept: NDArray[np.floating],
    threads: int | None,
) -> None:
    # Forming A costs f^2 / 2 a pair, factoring it f^3 / 6.
    work = weights.indptr + np.arange(len(solved) + 1) * (fixed.shape[1] // 3)
    given = read_only(common), read_only(ridge), read_only(right), pairs_pull, read_only(fixed)
    run(_cholesky, work, *entries(weights), *given, solved, kept, threads=threads)


@njit(nogil=True, cache=True, fastmath=FAST)
def _cholesky(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, weights, common, ridge, right, pairs_pull, fixed, solved, kept
):
    factors = fixed.shape[1]
    x = np.empty(factors + 2 * APART, solved.dtype)[APART : APART + factors]
    a = np.empty(factors**2 + 2 * APART, solved.dtype)[APART : APART + factors**2]
    a = a.reshape((factors, factors))  # The lower triangle of A, then of its factor L.
    near = np.zeros((4, factors), solved.dtype)
    extra = np.zeros(4, solved.dtype)
    for row in range(lo, hi):
        first, last = indptr[row], indptr[row + 1]
        if first == last and not len(right):
            solved[row] = 0
            continue
        for i in range(factors):
            x[i] = right[row, i] if len(right) else 0
            for k in range(i + 1):
                a[i, k] = common[i, k]
            a[i, i] += ridge[row]
        for begin in range(first, last, 4):
            for n in range(4):
                extra[n] = 0  # A vector left from before counts nothing.
                if begin + n < last:
                    extra[n] = weights[begin + n]
                    in_b = extra[n] if pairs_pull else 0
                    for k in range(factors):
                        near[n, k] = fixed[indices[begin + n], k]
                        x[k] += in_b * near[n, k]
            y0, y1, y2, y3 = near[0], near[1], near[2], near[3]
            for i in range(factors):
                s0, s1 = extra[0] * y0[i], extra[1] * y1[i]
                s2, s3 = extra[2] * y2[i], extra[3] * y3[i]
                into = a[i]
                for k in range(i + 1):
                    into[k] += s0 * y0[k] + s1 * y1[k] + s2 * y2[k] + s3 * y3[k]
        solve(a, x, factors)
        for k in range(factors):
            solved[row, k] = x[k]
        if len(kept):
            for i in range(factors):
                for k in range(i + 1):
                    kept[row, i, k] = a[i, k]


@njit(nogil=True, cache=True, fastmath=FAST, forceinline=True)
def solve(a, b, size):  # type: ignore[no-untyped-def]
    """Replace b by A^-1 b, and the lower triangle of A by its Cholesky factor."""
    for i in range(size):  # A = L L', L replacing A; and L z = b, z replacing b.
        into = a[i]
        for j in range(i):
            left = a[j]
            s = into[j]
            for k in range(j):
                s -= into[k] * left[k]
            into[j] = s / left[j]
        s, z = into[i], b[i]
        for k in range(i):
            s -= into[k] * into[k]
            z -= into[k] * b[k]
        into[i] = np.sqrt(s)
        b[i] = z / into[i]
    for i in range(size - 1, -1, -1):  # L' x = z, in axpy form: L is read by rows.
        left = a[i]
        b[i] /= left[i]
        for k in range(i):
            b[k] -= b[i] * left[k]
