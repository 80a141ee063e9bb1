"""Alternating least squares for implicit feedback: the problem, its loss, and conjugate gradients.

The objective is that of Rendle, Krichene, Zhang and Koren, "Revisiting the Performance of iALS on
Item Recommendation Benchmarks" (RecSys 2022), equations 1 to 3 and 13, with a weight for each
observed pair::

    sum over observed (u, i) of w_ui (1 - x_u . y_i)^2  +  unobserved * sum over all (x_u . y_i)^2
        +  sum over u of l2_u |x_u|^2  +  sum over i of l2_i |y_i|^2

    l2_u = l2 (sum of w_u)^nu,  and l2_i alike

(With ``of_all`` the penalty also grows with the pairs that were not observed, as in equation 13
there: ``l2 (sum of w_u + unobserved * number of columns met)^nu``.) For fixed ``y`` each row
``x_u`` solves ``A x = b`` with::

    A = unobserved Y'Y + l2_u I + sum over its pairs of w y y'      b = sum of w y

Three solvers improve all rows of one side: conjugate gradients (here), Cholesky (``als_exact``) and
subspace by subspace (``als_blocks``).

Conjugate gradients begin at a row's last value (Takacs, Pilaszy and Tikk, "Applications of the
Conjugate Gradient Method for Implicit Feedback Collaborative Filtering", RecSys 2011) and never
form A. A step costs the product with ``Y'Y``, (f, f), and one pass over the row's pairs. Scores are
the same in any orthogonal axes, so each half-epoch first turns both sides to the eigenvectors of
``Y'Y``: there it is diagonal, and its product costs nothing. There too the diagonal of A says much
of it, and dividing by it (Jacobi's preconditioner) saves a step in three. The part of it that the
pairs add is estimated, from the mean square of each coordinate over all pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.eights import ROWS, add, copy, dots, lined_up
from penchant.kernels.products import sparse_dense
from penchant.kernels.threads import run
from penchant.kernels.tiles import LANES

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
GATHERED = 1024
"""Rows up to this long copy their vectors side by side once, for all the steps: from memory that
is read in order a step costs up to a third less. Longer rows would only overflow the cache."""
CLOSE = 1e-4
"""A row takes no further step when its distance from the solution, squared, is estimated to be this
part of its length, both as its own A sees them: 1 in 100 is nothing beside what the other side
still moves in an epoch."""
LENGTH = 3
"""Of the longest column of a start; the others are as long as the roots of their singular values
say. It hardly matters: the first half-epoch sets the scale right."""
AT_ONCE = 1 << 13
"""Rows that go through BLAS at a time, so that little is held twice."""
FEW = 12
"""Rows whose products do not go through BLAS, for which the other side is made 64 bits wide."""

TINY = np.float32(1e-30)
APART = 256
"""Elements kept free around a scratch vector. A vectorised loop that writes to one array and reads
others first checks that they lie some 100 bytes apart, and else takes its scalar version, which
rounds otherwise: without a gap, where the allocator put the scratch would show in the last bits."""


class Half(NamedTuple):
    """Half of the problem: the rows to solve for while the columns stay. It is made once a fit.

    Parameters
    ----------
    weights : rows by columns, the weights w of the observed pairs, 0 or more.
    ridge : (rows,) float32, the penalty on each row, above 0.
    shares : (columns,) float32, the part of all weight that lies on each column.
    unobserved : the weight of every pair.
    """

    weights: CSR
    ridge: NDArray[np.float32]
    shares: NDArray[np.float32]
    unobserved: float


class Pull(NamedTuple):
    """What else draws the rows than their pairs: a quadratic form for all, and a vector for each.

    Parameters
    ----------
    gram : (f, f) float64, added to every row's A.
    right : (rows, f) float32, added to the row's b.
    """

    gram: NDArray[np.float64]
    right: NDArray[np.float32]


def halves(
    weights: CSR, *, unobserved: float, l2: float, nu: float, of_all: bool = False
) -> tuple[Half, Half]:
    """Return the problem by rows and by columns of ``weights``.

    ``of_all``: penalties grow with the weight of all pairs of a row, not of the observed alone.
    """
    sides = weights, weights.transposed()
    masses = [row_sums(side) for side in sides]
    made = []
    for side, mine, theirs in zip(sides, masses, masses[::-1], strict=True):
        others = unobserved * np.count_nonzero(theirs) if of_all else 0.0
        penalty = ridge(mine + others, l2=l2, nu=nu)
        shares = (theirs / max(theirs.sum(), 1e-300)).astype(np.float32)
        made.append(Half(side, penalty.astype(np.float32), shares, unobserved))
    return made[0], made[1]


def ridge(masses: NDArray[np.float64], *, l2: float, nu: float) -> NDArray[np.float64]:
    """Return (rows,) the penalty on rows that weigh ``masses``."""
    penalties: NDArray[np.float64] = l2 * masses**nu
    return penalties


def row_sums(matrix: CSR) -> NDArray[np.float64]:
    """Return (rows,) the sum of each row."""
    out = np.empty(matrix.shape[0])
    run(_row_sums, matrix.indptr, read_only(matrix.indptr), read_only(matrix.data), out)
    return out


def gram(
    factors: NDArray[np.float32], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return ``factors' factors``, (f, f), summed in 64 bits; each row counts ``weights`` times."""
    out = np.zeros((factors.shape[1],) * 2)
    for lo in range(0, len(factors), AT_ONCE):
        wide = factors[lo : lo + AT_ONCE].astype(np.float64)
        out += (wide if weights is None else wide * weights[lo : lo + AT_ONCE, None]).T @ wide
    return out


def _rough_gram(factors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``factors' factors``, summed in 32 bits, as precise as axes in 32 bits can be."""
    out = np.zeros((factors.shape[1],) * 2)
    for lo in range(0, len(factors), AT_ONCE):
        some = factors[lo : lo + AT_ONCE]
        out += some.T @ some
    return out


def start(by_row: Half, by_column: Half, drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (columns, f) vectors of columns to begin with: a rough singular value decomposition.

    Two rounds of subspace iteration (Halko, Martinsson and Tropp, "Finding structure with
    randomness", SIAM Review 53 (2011), algorithm 4.4) on the weights, each divided by the square
    roots of what its row and its column weigh, so that the popular do not hide the rest. It costs
    less than an epoch, and training begins where it would be after three.

    Parameters
    ----------
    drawn : (columns, f) float32, random numbers to start from.
    """
    r, c = (_inverse_roots(row_sums(half.weights)) for half in (by_row, by_column))
    y = drawn
    for _ in range(2):
        x = sparse_dense(by_row.weights, y * c)
        x *= r**2
        y = sparse_dense(by_column.weights, x) * c
        squares, axes = np.linalg.eigh(gram(y))
        part = np.maximum(squares / squares[-1], 0)
        there = part > 1e-6  # Other axes are rounding; the columns have the rank of the weights.
        scale = np.where(there, part**0.125 / np.sqrt(np.where(there, squares, 1)), 0)
        y = y @ (LENGTH * axes * scale).astype(np.float32)
    return y


def _inverse_roots(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    roots = np.sqrt(np.where(sums > 0, sums, np.inf))
    return (1 / roots).astype(np.float32)[:, None]


def half_epoch(
    solved: NDArray[np.float32],
    fixed: NDArray[np.float32],
    half: Half,
    *,
    steps: int = 2,
    close: float = CLOSE,
    pull: Pull | None = None,
    threads: int | None = None,
) -> None:
    """Improve the rows of ``solved`` in place, given the other side's factors.

    Both are turned to other axes, which changes no product of the two; a ``pull`` speaks of the
    axes they have when it is given.

    Parameters
    ----------
    solved : (rows, f) float32, each row the start of its conjugate gradients; zero is a fine start.
        A row without pairs becomes 0.
    fixed : (columns, f) float32; turned, otherwise as it was.
    steps : conjugate-gradient steps a row, at most.
    close : a row that is as close as this to its solution takes fewer; see ``CLOSE``.
    threads : how many threads; the result does not depend on it.
    """
    factors = fixed.shape[1]
    common = half.unobserved * _rough_gram(fixed)
    right = np.empty((0, factors), np.float32)
    if pull is not None:
        common += pull.gram
    diagonal, axes = np.linalg.eigh(common)
    turn = axes.astype(np.float32)
    if pull is not None:
        right = pull.right @ turn
    for lo in range(0, len(solved), AT_ONCE):
        solved[lo : lo + AT_ONCE] = solved[lo : lo + AT_ONCE] @ turn
    squares = np.zeros(factors)
    # A copy to read from: each vector fills lines of the cache, and registers.
    lined = lined_up(len(fixed), -(-factors // LANES) * LANES)
    for lo in range(0, len(fixed), AT_ONCE):
        turned = fixed[lo : lo + AT_ONCE] @ turn
        fixed[lo : lo + AT_ONCE] = lined[lo : lo + AT_ONCE, :factors] = turned
        squares += half.shares[lo : lo + AT_ONCE] @ turned**2
    run(
        _conjugate_gradients,
        half.weights.indptr,
        *entries(half.weights),
        read_only(half.ridge),
        diagonal.astype(np.float32),
        squares.astype(np.float32),
        read_only(right),
        lined,
        solved,
        steps,
        np.float32(close),
        threads=threads,
    )


def products(vectors: NDArray[np.float64], factors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``vectors @ factors.T``, (q, n), summed in 64 bits and rounded once to float32.

    Summed in 32 bits, a score near 0 would be wrong by more than the parts it is explained by.

    A few rows do not go through BLAS: it shares even 20 microseconds of work among its threads, and
    on cores that are busy waits milliseconds for the last of them. To make 100,000 vectors wide for
    it costs as much as their products with eight rows.
    """
    out = np.empty((len(vectors), len(factors)), np.float32)
    if len(vectors) <= FEW:
        threads = 1 if out.size * factors.shape[1] < 1 << 22 else None
        run(_products, len(factors), vectors, read_only(factors), out, threads=threads)
        return out
    for lo in range(0, len(factors), 1024):
        out[:, lo : lo + 1024] = vectors @ factors[lo : lo + 1024].T
    return out


def loss(
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    by_row: Half,
    by_column: Half,
    *,
    threads: int | None = None,
) -> float:
    """Return the objective, over all pairs and both penalties, divided by the number of pairs.

    The unobserved pairs cost nothing: ``sum (x . y)^2`` over all pairs is the inner product of the
    two Gram matrices.
    """
    weights = by_row.weights
    observed = np.empty(len(rows))
    run(
        _observed_loss,
        weights.indptr,
        *entries(weights),
        read_only(rows),
        read_only(columns),
        observed,
        threads=threads,
    )
    total = observed.sum() + by_row.unobserved * np.sum(gram(rows) * gram(columns))
    for side, half in ((rows, by_row), (columns, by_column)):
        total += half.ridge.astype(np.float64) @ np.einsum("rf,rf->r", side, side)
    return float(total / (len(rows) * len(columns)))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """View an array read-only: numba compiles a kernel again for arrays that may be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def entries(matrix: CSR) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return a matrix as kernels take it."""
    return read_only(matrix.indptr), read_only(matrix.indices), read_only(matrix.data)


@njit(nogil=True, cache=True)
def _row_sums(lo, hi, indptr, data, out):  # type: ignore[no-untyped-def]
    for row in range(lo, hi):
        total = 0.0
        for n in range(indptr[row], indptr[row + 1]):
            total += data[n]
        out[row] = total


@njit(nogil=True, cache=True, fastmath=FAST)
def _conjugate_gradients(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, weights, ridge, diagonal, squares, right, fixed, solved, steps, close
):
    factors, wide = solved.shape[1], fixed.shape[1]
    near = lined_up(GATHERED, wide)
    room = lined_up(6, wide + 2 * APART)
    residual = room[0][APART : APART + wide]
    direction = room[1][APART : APART + wide]
    image = room[2][APART : APART + wide]
    own = room[3][APART : APART + wide]
    inverse = room[4][APART : APART + wide]
    x = room[5][APART : APART + wide]
    own[:] = inverse[:] = 1
    at = np.zeros(GATHERED, np.int32)
    mine = np.zeros(GATHERED, np.float32)
    sums = np.zeros(GATHERED, np.float32)
    for row in range(lo, hi):
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            solved[row, :] = 0
            continue
        short = last - first <= GATHERED
        vectors = near if short else fixed
        mass = np.float32(0)
        for n in range(first, last):
            mass += weights[n]
        for k in range(factors):
            x[k] = solved[row, k]
            own[k] = diagonal[k] + ridge[row]
            inverse[k] = 1 / (own[k] + mass * squares[k])
        old = energy = np.float32(0)
        for step in range(steps + 1):
            # One pass for b - A x, where the row begins, and one for -A direction in each step. Of
            # the last step's only direction' A direction is needed, so no vector is added up.
            begin, final = step == 0, step == steps
            if not begin and old <= close * energy:
                break
            seen, into = (x, residual) if begin else (direction, image)
            curvature = np.float32(0)
            for k in range(wide):
                into[k] = -seen[k] * own[k]
                curvature -= seen[k] * into[k]
            for start in range(first, last, GATHERED):
                size = min(last - start, GATHERED)
                whole = (size + ROWS - 1) // ROWS * ROWS
                if begin or not short:
                    for n in range(size):
                        at[n] = indices[start + n]
                        mine[n] = weights[start + n]
                        if short:
                            copy(fixed, np.int64(at[n]), near, n)
                            at[n] = n
                    for n in range(size, whole):
                        at[n] = mine[n] = 0  # Some vector, which weighs nothing.
                for n in range(0, whole, ROWS):
                    dots(vectors, at, n, seen, sums)
                    if not final:
                        add(vectors, at, n, mine, np.float32(begin), sums, into)
                for n in range(whole):
                    curvature += mine[n] * sums[n] * sums[n]
            if begin:
                if len(right):
                    for k in range(factors):
                        residual[k] += right[row, k]
                for k in range(wide):
                    direction[k] = inverse[k] * residual[k]
                    old += direction[k] * residual[k]
                    energy += x[k] * x[k] / inverse[k]
                continue
            if min(old, curvature) < TINY:  # Solved; going on would divide rounding by rounding.
                break
            length = old / curvature
            for k in range(wide):
                x[k] += length * direction[k]
            if final:
                break
            new = np.float32(0)
            for k in range(wide):
                residual[k] += length * image[k]
                new += residual[k] * residual[k] * inverse[k]
            ratio = new / old
            for k in range(wide):
                direction[k] = inverse[k] * residual[k] + ratio * direction[k]
            old = new
        for k in range(factors):
            solved[row, k] = x[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def _observed_loss(lo, hi, indptr, indices, weights, rows, columns, out):  # type: ignore[no-untyped-def]
    for row in range(lo, hi):
        x = rows[row]
        total = 0.0
        for n in range(indptr[row], indptr[row + 1]):
            y = columns[indices[n]]
            s = np.float32(0)
            for k in range(len(x)):
                s += y[k] * x[k]
            total += weights[n] * (1 - s) ** 2
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
