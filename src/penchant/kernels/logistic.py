"""Logistic matrix factorization by least squares that are solved again and again.

Johnson, "Logistic Matrix Factorization for Implicit Feedback Data" (NIPS workshop 2014), equation
3, maximises, with s = x . y, of which two coordinates are biases::

    sum over met (u, i) of alpha w s  -  sum over all (u, i) of (1 + alpha w) ln(1 + e^s)

less a penalty, w being 0 for a pair not met. It climbs there by gradients. But for any t,

    ln(1 + e^s) <= ln(1 + e^t) + (s - t) / 2 + c(t) (s^2 - t^2)      c(t) = tanh(t / 2) / (4 t)

(Jaakkola and Jordan, "Bayesian parameter estimation via variational methods", Statistics and
Computing 2000), equal at t = s. Each met pair takes its own t, its present s; all others share one,
for which the bound is least at the root mean square of s. Then what is to be minimised for a row x
given the other side is quadratic, and the pairs that were not met enter by the Gram matrix alone,
as in ALS: no pair is left out, and none is sampled. With G = Y'Y, and m = sum of y::

    A = 2 c(t) G + l2 I + sum over met of 2 ((1 + alpha w) c(s) - c(t)) y y'
    b = -m / 2 + sum over met of alpha w / 2 y
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.als import gram
from penchant.kernels.csr import CSR
from penchant.kernels.threads import run

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
APART = 256
"""Elements kept free around a scratch vector; see als.APART."""
TINY = np.float32(1e-20)


def curvature(t: float) -> float:
    """Return c(t), how steeply the bound that touches at t bends."""
    t = max(abs(t), 1e-4)
    return float(np.tanh(t / 2) / (4 * t))


def spread(rows: NDArray[np.float32], columns: NDArray[np.float32], pairs: int) -> float:
    """Return the root mean square of the products of all rows and columns, ``pairs`` of them."""
    return float(np.sqrt(np.sum(gram(rows) * gram(columns)) / pairs))


def half_epoch(
    solved: NDArray[np.float32],
    fixed: NDArray[np.float32],
    weights: CSR,
    *,
    alpha: float,
    l2: float,
    t: float,
    held: int,
    steps: int = 3,
    threads: int | None = None,
) -> None:
    """Improve the rows of ``solved`` in place by conjugate gradients, given the other side.

    Parameters
    ----------
    solved, fixed : (rows, f) and (columns, f) float32.
    weights : rows by columns, the weights w of the met pairs. A row without any becomes 0.
    alpha : what a unit of weight counts for a pair.
    l2 : the penalty on squared lengths.
    t : where the bound touches that pairs not met share.
    held : the coordinate of ``solved`` that stays as it is: the one that carries the other side's
        bias.
    steps : conjugate-gradient steps a row.
    threads : how many threads; the result does not depend on it.
    """
    shared = 2 * curvature(t) * gram(fixed) + l2 * np.eye(fixed.shape[1])
    run(
        _half_epoch, weights.indptr, weights.indptr, weights.indices, weights.data, fixed, solved,
        shared.astype(np.float32), (-0.5 * fixed.sum(axis=0, dtype=np.float64)).astype(np.float32),
        np.float32(alpha), np.float32(curvature(t)), held, steps, threads=threads,
    )  # fmt: skip


def loss(
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    weights: CSR,
    *,
    alpha: float,
    l2: float,
    t: float,
    pairs: int,
    threads: int | None = None,
) -> float:
    """Return the bound of the objective, the penalty included, divided by the number of pairs.

    It is exact for the met pairs, and bounds the others by the one that touches at t.
    """
    met = np.empty(weights.shape[0])
    run(
        _met_loss, weights.indptr, weights.indptr, weights.indices, weights.data, rows, columns,
        alpha, t, curvature(t), met, threads=threads,
    )  # fmt: skip
    left, right = gram(rows), gram(columns)
    linear = rows.sum(axis=0, dtype=np.float64) @ columns.sum(axis=0, dtype=np.float64)
    total = met.sum() + pairs * (np.log1p(np.exp(-t)) + t / 2 - curvature(t) * t * t)
    total += linear / 2 + curvature(t) * np.sum(left * right)
    return float((total + l2 / 2 * (np.trace(left) + np.trace(right))) / pairs)


@njit(nogil=True, cache=True, fastmath=FAST)
def _half_epoch(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, weights, fixed, solved, shared, pull, alpha, bend, held, steps
):
    factors = fixed.shape[1]
    room = np.empty((4, factors + 2 * APART), np.float32)
    x = room[0][APART : APART + factors]
    residual = room[1][APART : APART + factors]
    direction = room[2][APART : APART + factors]
    image = room[3][APART : APART + factors]
    longest = 0
    for row in range(lo, hi):
        longest = max(longest, indptr[row + 1] - indptr[row])
    near = np.empty((longest, factors), np.float32)
    bends = np.empty(longest, np.float32)
    for row in range(lo, hi):
        first, many = indptr[row], indptr[row + 1] - indptr[row]
        if not many:
            solved[row] = 0
            continue
        for k in range(factors):
            x[k] = solved[row, k]
            residual[k] = pull[k]
        _less(residual, shared, x)
        for n in range(many):
            y, target = fixed[indices[first + n]], near[n]
            s = np.float32(0)
            for k in range(factors):
                target[k] = y[k]
                s += y[k] * x[k]
            w = alpha * weights[first + n]
            size = max(abs(s), np.float32(1e-3))
            own = np.float32(np.tanh(size / 2)) / (4 * size)
            bends[n] = 2 * ((1 + w) * own - bend)
            push = w / 2 - bends[n] * s
            for k in range(factors):
                residual[k] += push * target[k]
        residual[held] = np.float32(0)
        old = np.float32(0)
        for k in range(factors):
            direction[k] = residual[k]
            old += residual[k] * residual[k]
        for _ in range(steps):
            for k in range(factors):
                image[k] = 0
            _less(image, shared, direction)
            for n in range(many):
                y = near[n]
                s = np.float32(0)
                for k in range(factors):
                    s += y[k] * direction[k]
                s *= bends[n]
                for k in range(factors):
                    image[k] -= s * y[k]
            image[held] = np.float32(0)
            along = np.float32(0)
            for k in range(factors):
                along -= direction[k] * image[k]
            if min(old, along) < TINY:  # Solved; going on would divide rounding by rounding.
                break
            length = old / along
            new = np.float32(0)
            for k in range(factors):
                x[k] += length * direction[k]
                residual[k] += length * image[k]
                new += residual[k] * residual[k]
            ratio = new / old
            for k in range(factors):
                direction[k] = residual[k] + ratio * direction[k]
            old = new
        for k in range(factors):
            solved[row, k] = x[k]


@njit(nogil=True, cache=True, fastmath=FAST, forceinline=True)
def _less(out, symmetric, x):  # type: ignore[no-untyped-def]
    """Take ``symmetric @ x`` from ``out``, by rows."""
    for j in range(len(x)):
        line, step = symmetric[j], x[j]
        for k in range(len(x)):
            out[k] -= step * line[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def _met_loss(lo, hi, indptr, indices, weights, rows, columns, alpha, t, bend, out):  # type: ignore[no-untyped-def]
    """Per row, what its met pairs add to the bound as if nothing had been met."""
    for row in range(lo, hi):
        x = rows[row]
        total = 0.0
        for n in range(indptr[row], indptr[row + 1]):
            y = columns[indices[n]]
            s = 0.0
            for k in range(len(x)):
                s += x[k] * y[k]
            w = alpha * weights[n]
            exact = np.log1p(np.exp(-abs(s))) + max(s, 0.0)
            shared = np.log1p(np.exp(-t)) + t + (s - t) / 2 + bend * (s * s - t * t)
            total += (1 + w) * exact - w * s - shared
        out[row] = total
