"""Alternating least squares for implicit feedback: half-epochs, exact fold-in, and the loss.

The objective is that of Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback
Datasets" (ICDM 2008), equation 3, with the plain L2 penalty::

    sum over all (u, i) of c_ui (p_ui - x_u . y_i)^2  +  l2 (sum |x_u|^2 + sum |y_i|^2)

where an observed pair of weight w has preference p = 1 and confidence c = 1 + alpha w, and any
other pair has p = 0 and c = 1. (The library ``implicit`` takes c itself as its matrix, so it solves
the same problem when it is given 1 + alpha w and its own ``alpha`` is 1.) For fixed ``y`` each row
``x_u`` solves ``A x = b`` with::

    A = Y'Y + l2 I + sum over its pairs of alpha w y y'      b = sum of (1 + alpha w) y

Training improves x by a few conjugate-gradient steps from its last value (Takacs, Pilaszy and Tikk,
"Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative Filtering",
RecSys 2011) and never forms A; folding in an unseen row forms A in 64 bits and solves exactly.

What a step of these gradients costs is the product with ``Y'Y``, (f, f), and one pass over the
row's pairs. Scores are the same in any orthogonal axes, and conjugate gradients take the same
steps, so each half-epoch first turns both sides to the eigenvectors of ``Y'Y``: there it is
diagonal, and its product costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
GATHERED = 512
"""Rows up to this long copy their vectors side by side once, for all the steps: from memory that
is read in order a step costs up to a third less. Longer rows would only overflow the cache."""
AT_ONCE = 1 << 16
"""Rows that go through BLAS at a time, so that little is held twice."""
FEW = 4
"""Rows whose products do not go through BLAS."""

TINY = np.float32(1e-30)
APART = 256
"""Elements kept free around a scratch vector. A vectorised loop that writes to one array and reads
others first checks that they lie some 100 bytes apart, and else takes its scalar version, which
rounds otherwise: without a gap, where the allocator put the scratch would show in the last bits."""


def gram(factors: NDArray[np.float32], l2: float) -> NDArray[np.float64]:
    """Return ``factors' factors + l2 I``, (f, f), summed in 64 bits."""
    out = l2 * np.eye(factors.shape[1])
    for lo in range(0, len(factors), AT_ONCE):
        wide = factors[lo : lo + AT_ONCE].astype(np.float64)
        out += wide.T @ wide
    return out


def half_epoch(
    solved: NDArray[np.float32],
    fixed: NDArray[np.float32],
    weights: CSR,
    *,
    alpha: float,
    l2: float,
    steps: int = 3,
    threads: int | None = None,
) -> None:
    """Improve the rows of ``solved`` in place, given the other side's factors.

    Both are turned to other axes, which changes no product of the two.

    Parameters
    ----------
    solved : (rows, f) float32, each row the start of its conjugate gradients; zero is a fine start.
    fixed : (columns, f) float32; turned, otherwise as it was.
    weights : rows by columns, the weights w of the observed pairs, 0 or more. A row without pairs
        becomes 0.
    alpha : what a unit of weight adds to the confidence of a pair.
    l2 : the penalty, above 0.
    steps : conjugate-gradient steps a row.
    threads : how many threads; the result does not depend on it.
    """
    diagonal, axes = np.linalg.eigh(gram(fixed, l2))
    for side in (solved, fixed):
        for lo in range(0, len(side), AT_ONCE):
            side[lo : lo + AT_ONCE] = side[lo : lo + AT_ONCE] @ axes.astype(np.float32)
    run(
        _conjugate_gradients,
        weights.indptr,
        *_entries(weights),
        _read_only(np.arange(GATHERED, dtype=np.int32)),
        np.float32(alpha),
        diagonal.astype(np.float32),
        fixed,
        solved,
        steps,
        threads=threads,
    )


def fold_in(
    histories: CSR,
    fixed: NDArray[np.float32],
    regularised: NDArray[np.float64],
    *,
    alpha: float,
    right: NDArray[np.float32] | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Solve exactly for the vectors of rows, seen in training or not.

    A is formed and factored (Cholesky) in 64 bits: its condition number is about the largest
    eigenvalue of ``Y'Y`` over ``l2``, often beyond what 32 bits resolve.

    Parameters
    ----------
    histories : rows by columns, the weights of each row's pairs, 0 or more.
    fixed : (columns, f) float32.
    regularised : ``gram(fixed, l2)``, so that it is computed once and not per request.
    alpha : as in training.
    right : (rows, f) float32, solve ``A x = right`` instead of ``A x = b``.
    threads : how many threads; the result does not depend on it.

    Returns
    -------
    (rows, f) float64; 0 where the history is empty and b therefore 0. Not finite where A is not
    positive definite, which an ``l2`` that is not vanishing rules out.
    """
    solved = np.empty((histories.shape[0], fixed.shape[1]))
    # Forming A costs f^2 / 2 a pair, factoring it f^3 / 6.
    work = histories.indptr + np.arange(len(solved) + 1) * (fixed.shape[1] // 3)
    if threads is None and work[-1] * fixed.shape[1] < 1 << 20:
        threads = 1  # Sooner done than other threads are started.
    run(
        _cholesky,
        work,
        *_entries(histories),
        np.float64(alpha),
        _read_only(regularised),
        _read_only(fixed),
        _read_only(np.empty((0, 0), np.float32) if right is None else right),
        solved,
        threads=threads,
    )
    return solved


def products(vectors: NDArray[np.float64], factors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``vectors @ factors.T``, (q, n), summed in 64 bits and rounded once to float32.

    Summed in 32 bits, a score near 0 would be wrong by more than the parts it is explained by.

    A few rows do not go through BLAS: it shares even 20 microseconds of work among its threads, and
    on cores that are busy waits milliseconds for the last of them.
    """
    out = np.empty((len(vectors), len(factors)), np.float32)
    if len(vectors) <= FEW:
        threads = 1 if out.size * factors.shape[1] < 1 << 22 else None
        run(_products, len(factors), vectors, _read_only(factors), out, threads=threads)
        return out
    for lo in range(0, len(factors), 1024):
        out[:, lo : lo + 1024] = vectors @ factors[lo : lo + 1024].T
    return out


def loss(
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    weights: CSR,
    *,
    alpha: float,
    l2: float,
    threads: int | None = None,
) -> float:
    """Return the objective, over all pairs and both penalties, divided by the number of pairs.

    The unobserved pairs cost nothing: ``sum (x . y)^2`` over all pairs is the inner product of the
    two Gram matrices.
    """
    observed = np.empty(len(rows))
    run(
        _observed_loss,
        weights.indptr,
        *_entries(weights),
        np.float32(alpha),
        rows,
        columns,
        observed,
        threads=threads,
    )
    left, right = gram(rows, 0.0), gram(columns, 0.0)
    total = observed.sum() + np.sum(left * right) + l2 * (np.trace(left) + np.trace(right))
    return float(total / (len(rows) * len(columns)))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """View an array read-only: numba compiles a kernel again for arrays that may be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def _entries(matrix: CSR) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return _read_only(matrix.indptr), _read_only(matrix.indices), _read_only(matrix.data)


@njit(nogil=True, cache=True, fastmath=FAST)
def _conjugate_gradients(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, weights, in_order, alpha, diagonal, fixed, solved, steps
):
    factors = fixed.shape[1]
    near = np.empty((GATHERED, factors), np.float32)
    room = np.empty((3, factors + 2 * APART), np.float32)
    residual = room[0][APART : APART + factors]
    direction = room[1][APART : APART + factors]
    image = room[2][APART : APART + factors]
    for row in range(lo, hi):
        x = solved[row]
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            x[:] = 0
            continue
        vectors, at = fixed, indices[first:last]
        if len(at) <= GATHERED:
            for n in range(len(at)):
                source, target = fixed[at[n]], near[n]
                for k in range(factors):
                    target[k] = source[k]
            vectors, at = near, in_order[: len(at)]
        old = np.float32(0)
        for step in range(steps + 1):
            # One call for b - A x, where the row begins, and for -A direction, in each step.
            begin = step == 0
            into = residual if begin else image
            _residual(
                x if begin else direction,
                vectors, at, weights[first:last], alpha, diagonal, np.float32(begin), into,
            )  # fmt: skip
            if begin:
                for k in range(factors):
                    direction[k] = residual[k]
                    old += residual[k] * residual[k]
                continue
            curvature = np.float32(0)
            for k in range(factors):
                curvature -= direction[k] * image[k]
            if min(old, curvature) < TINY:  # Solved; going on would divide rounding by rounding.
                break
            length = old / curvature
            new = np.float32(0)
            for k in range(factors):
                x[k] += length * direction[k]
                residual[k] += length * image[k]
                new += residual[k] * residual[k]
            ratio = new / old
            for k in range(factors):
                direction[k] = residual[k] + ratio * direction[k]
            old = new


# Inlined by force: compiled apart, a helper exists in two copies, optimised differently, and which
# of them runs (and so the last bits) depends on whether the code came from numba's cache.
@njit(nogil=True, cache=True, fastmath=FAST, forceinline=True)
def _residual(x, vectors, at, weights, alpha, diagonal, preference, out):  # type: ignore[no-untyped-def]
    """Write ``b - A x`` into ``out``; with preference 0, b is 0 and this is ``-A x``.

    Four vectors share each pass over x and out, which halves the loads and the stores.
    """
    factors = len(x)
    for k in range(factors):
        out[k] = -x[k] * diagonal[k]
    whole = len(at) - len(at) % 4
    for n in range(0, whole, 4):
        y0, y1, y2, y3 = vectors[at[n]], vectors[at[n + 1]], vectors[at[n + 2]], vectors[at[n + 3]]
        s0 = s1 = s2 = s3 = np.float32(0)
        for k in range(factors):
            s0 += y0[k] * x[k]
            s1 += y1[k] * x[k]
            s2 += y2[k] * x[k]
            s3 += y3[k] * x[k]
        s0 = preference + alpha * weights[n] * (preference - s0)
        s1 = preference + alpha * weights[n + 1] * (preference - s1)
        s2 = preference + alpha * weights[n + 2] * (preference - s2)
        s3 = preference + alpha * weights[n + 3] * (preference - s3)
        for k in range(factors):
            out[k] += s0 * y0[k] + s1 * y1[k] + s2 * y2[k] + s3 * y3[k]
    for n in range(whole, len(at)):
        y = vectors[at[n]]
        s = np.float32(0)
        for k in range(factors):
            s += y[k] * x[k]
        s = preference + alpha * weights[n] * (preference - s)
        for k in range(factors):
            out[k] += s * y[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def _cholesky(lo, hi, indptr, indices, weights, alpha, gram, fixed, right, solved):  # type: ignore[no-untyped-def]
    factors = fixed.shape[1]
    x = np.empty(factors + 2 * APART)[APART : APART + factors]
    a = np.empty(factors**2 + 2 * APART)[APART : APART + factors**2]
    a = a.reshape((factors, factors))  # The lower triangle of A, then of its factor L.
    near = np.zeros((4, factors))
    extra = np.zeros(4)
    for row in range(lo, hi):
        first, last = indptr[row], indptr[row + 1]
        if first == last and not len(right):
            solved[row] = 0
            continue
        for i in range(factors):
            x[i] = right[row, i] if len(right) else 0
            for k in range(i + 1):
                a[i, k] = gram[i, k]
        for begin in range(first, last, 4):
            for n in range(4):
                extra[n] = 0  # A vector left from before counts nothing.
                if begin + n < last:
                    extra[n] = alpha * weights[begin + n]
                    confidence = 0 if len(right) else 1 + extra[n]
                    for k in range(factors):
                        near[n, k] = fixed[indices[begin + n], k]
                        x[k] += confidence * near[n, k]
            y0, y1, y2, y3 = near[0], near[1], near[2], near[3]
            for i in range(factors):
                s0, s1 = extra[0] * y0[i], extra[1] * y1[i]
                s2, s3 = extra[2] * y2[i], extra[3] * y3[i]
                into = a[i]
                for k in range(i + 1):
                    into[k] += s0 * y0[k] + s1 * y1[k] + s2 * y2[k] + s3 * y3[k]
        for i in range(factors):  # A = L L', L replacing A; and L z = b, z replacing b.
            into = a[i]
            for j in range(i):
                left = a[j]
                s = into[j]
                for k in range(j):
                    s -= into[k] * left[k]
                into[j] = s / left[j]
            s, z = into[i], x[i]
            for k in range(i):
                s -= into[k] * into[k]
                z -= into[k] * x[k]
            into[i] = np.sqrt(s)
            x[i] = z / into[i]
        for i in range(factors - 1, -1, -1):  # L' x = z, in axpy form: L is read by rows.
            left = a[i]
            x[i] /= left[i]
            for k in range(i):
                x[k] -= x[i] * left[k]
        for k in range(factors):
            solved[row, k] = x[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def _observed_loss(lo, hi, indptr, indices, weights, alpha, rows, columns, out):  # type: ignore[no-untyped-def]
    """Per row, what its observed pairs add to ``sum (x . y)^2`` over all pairs."""
    for row in range(lo, hi):
        x = rows[row]
        total = 0.0
        for n in range(indptr[row], indptr[row + 1]):
            y = columns[indices[n]]
            s = np.float32(0)
            for k in range(len(x)):
                s += y[k] * x[k]
            # (1 + alpha w) (1 - s)^2 - s^2
            total += alpha * weights[n] * (1 - s) ** 2 + 1 - 2 * s
        out[row] = total


@njit(nogil=True, cache=True, fastmath=FAST)
def _products(lo, hi, vectors, factors, out):  # type: ignore[no-untyped-def]
    for i in range(lo, hi):
        y = factors[i]
        for r in range(len(vectors)):
            x = vectors[r]
            s = 0.0
            for k in range(len(x)):
                s += x[k] * y[k]
            out[r, i] = s
