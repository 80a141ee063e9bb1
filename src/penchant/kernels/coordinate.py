"""Elastic nets by coordinate descent: every column of a matrix from its other columns.

For each column j of X the weights w of the others minimise

    1/2 |x_j - X w|^2 + l2/2 |w|^2 + l1 |w|_1     with w_j = 0, and w >= 0 if asked

(Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011, eq. 5.)
Everything is said in the Gram matrix G = X'X, as in Friedman, Hastie and Tibshirani,
"Regularization Paths for Generalized Linear Models via Coordinate Descent" (J. Stat. Softw. 2010,
section 2.2): with g = G_j - G w, the optimal w_i given the others is

    S(g_i + G_ii w_i, l1) / (G_ii + l2)     S: shrink towards 0 by l1

Few weights are not 0, so descent runs on a small working set, of which the Gram matrix is copied
into the cache, and g of all columns is brought up to date only when the set has converged. Then
the columns whose entry lowers the objective most join it, until none would by more than
``tolerance`` (working sets as in Johnson and Guestrin, "Blitz", ICML 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.gram import lower_gram, mirror
from penchant.kernels.products import FAST, sparse_sparse
from penchant.kernels.threads import run
from penchant.kernels.topk import push

APART = 256
"""Elements kept free around scratch vectors: see kernels/als.py."""
SWEEPS = 10_000
"""Passes over a working set before it is left as it is: only rounding can get that far."""
JOINING = 32
"""Columns that join the first working set; later at most as many as there are."""
ROUGH = np.float32(100)
"""How much larger a step may be for a working set to be left that more columns will join."""
STEP = np.float32(1e-5)
"""What is left of the first residual when conjugate gradients stop."""
ROUNDS = 1000
"""Conjugate gradients at most: only rounding can get that far."""
AT_ONCE = 1 << 24
"""Weights that are held densely at a time."""


def elastic_nets(
    gram: NDArray[np.float32] | CSR,
    l1: float,
    l2: float,
    *,
    positive: bool = True,
    k: int | None = None,
    tolerance: float = 1e-7,
    threads: int | None = None,
) -> CSR:
    """Return (n, n): row j holds the weights of the columns that column j is made of.

    Parameters
    ----------
    gram : (n, n) X'X, dense, or its entries that are not 0.
    l1, l2 : the penalties, of which at least l2 is positive.
    positive : whether weights must not be negative.
    k : only the k columns most like column j by the cosine may have a weight (fsSLIM, section
        IV.C of the paper).
    tolerance : stop when no step changes the objective by more than about this share of |x_j|^2.
    threads : how many threads; the result does not depend on it.
    """
    entries = _entries(gram)
    n = len(entries[-1])
    most = n if k is None else min(k, n)
    how = (np.float32(l1), np.float32(l2), positive, most, np.float32(tolerance))
    size = max(1, AT_ONCE // n)
    parts: list[tuple[NDArray[Any], ...]] = []
    for first in range(0, n, size):
        out = np.zeros((min(size, n - first), n), np.float32)
        run(_elastic_nets, len(out), first, *entries, *how, out, threads=threads)
        parts.append(_kept(out))
    return _joined(parts, n)


def ridges(
    gram: NDArray[np.float32] | CSR, l2: float, k: int, *, threads: int | None = None
) -> CSR:
    """Return what ``elastic_nets`` does with l1 = 0 and weights of either sign.

    Each column has all of its k weights, so nothing is gained by a working set: conjugate gradients
    solve for them, until STEP of the first residual is left.
    """
    entries = _entries(gram)
    n = len(entries[-1])
    codes = np.full((n, min(k, n - 1)), -1, np.int32)
    weights = np.zeros(codes.shape, np.float32)
    run(_ridges, n, *entries, np.float32(l2), codes, weights, threads=threads)
    kept = weights != 0
    indptr = np.append(np.int64(0), np.cumsum(kept.sum(axis=1)))
    return CSR(indptr, codes[kept], weights[kept], n)


def _entries(gram: NDArray[np.float32] | CSR) -> tuple[NDArray[Any], ...]:
    """Return a Gram matrix by rows, with its diagonal; a dense one has no column numbers."""
    if isinstance(gram, CSR):
        diagonal = np.zeros(gram.columns, np.float32)
        own = gram.row_numbers() == gram.indices
        diagonal[gram.indices[own]] = gram.data[own]
        return gram.indptr, gram.indices, gram.data, diagonal
    starts = np.arange(len(gram) + 1, dtype=np.int64) * len(gram)
    return starts, np.empty(0, np.int32), gram.reshape(-1), np.diag(gram).copy()


def gram_of(columns: CSR, rows: CSR) -> NDArray[np.float32] | CSR:
    """Return X'X: its entries that are not 0 where they are sure to take less memory, else dense.

    Parameters
    ----------
    columns, rows : X by columns and by rows; the same entries.
    """
    pairs = int((np.diff(rows.indptr) ** 2).sum())  # at most so many entries are not 0
    if 2 * pairs < rows.columns**2:  # an entry takes its column besides its value
        return sparse_gram(columns, rows)
    whole = lower_gram(columns, rows)
    mirror(whole)
    return whole


def sparse_gram(columns: CSR, rows: CSR) -> CSR:
    """Return the entries of X'X that are not 0, from X by columns and by rows."""
    n = len(columns.indptr) - 1
    size = max(1, AT_ONCE // max(n, 1))
    parts: list[tuple[NDArray[Any], ...]] = []
    for lo in range(0, n, size):
        dense = sparse_sparse(columns.rows(lo, min(lo + size, n)), rows)
        parts.append(_kept(dense))
    return _joined(parts, n)


def _kept(dense: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
    """Return the numbers of entries by row that are not 0, and their columns and values."""
    rows, columns = np.nonzero(dense)
    return np.bincount(rows, minlength=len(dense)), columns.astype(np.int32), dense[rows, columns]


def _joined(parts: list[tuple[NDArray[Any], ...]], n: int) -> CSR:
    """Return (n, n) entries of ``_kept``, of one block of rows after another."""
    counts, indices, data = (np.concatenate(part) for part in zip(*parts, strict=True))
    return CSR(np.append(np.int64(0), np.cumsum(counts)), indices, data, n)


@njit(nogil=True, cache=True, fastmath={"contract"}, forceinline=True)
def _add_row(total, a, row, indptr, indices, data):  # type: ignore[no-untyped-def]
    """Add a times a row of the Gram matrix, which is dense if it has no indices."""
    lo = indptr[row]
    if len(indices) == 0:
        line = data[lo : lo + len(total)]
        for c in range(len(total)):
            total[c] += a * line[c]
    else:
        for n in range(lo, indptr[row + 1]):
            total[indices[n]] += a * data[n]


@njit(nogil=True, cache=True, fastmath={"contract"}, forceinline=True)
def _copy_row(line, members, place, row, indptr, indices, data):  # type: ignore[no-untyped-def]
    """Copy the entries of a row of the Gram matrix that stand in the columns ``members``."""
    begin = indptr[row]
    if len(indices) == 0:
        for t in range(len(line)):
            line[t] = data[begin + members[t]]
    else:
        for t in range(len(line)):
            line[t] = 0
        for e in range(begin, indptr[row + 1]):
            t = place[indices[e]]
            if t >= 0:
                line[t] = data[e]


@njit(nogil=True, cache=True)
def _nearest(g, diagonal, j, k, allowed):  # type: ignore[no-untyped-def]
    """Allow the k other columns of the largest cosine with column j; return how many there are."""
    value, code = np.empty(k, np.float32), np.empty(k, np.int32)
    size = 0
    for i in range(len(g)):
        allowed[i] = False
        if i != j and g[i] > 0:
            cosine = g[i] / np.sqrt(diagonal[i])
            if size < k or cosine > value[0]:
                size = push(value, code, size, cosine, np.int32(i))
    for s in range(size):
        allowed[code[s]] = True
    return size


@njit(nogil=True, cache=True, fastmath=FAST)
def _gradients(q, b, diagonal, l2, room):  # type: ignore[no-untyped-def]
    """Solve (Q + l2 I) w = b by conjugate gradients on the scaled matrix, and return w."""
    k = len(b)
    w = room[0][APART : APART + k]
    residual = room[1][APART : APART + k]
    direction = room[2][APART : APART + k]
    image = room[3][APART : APART + k]
    size = np.float32(0)
    for t in range(k):
        w[t] = 0
        residual[t] = b[t]
        direction[t] = b[t] / (diagonal[t] + l2)
        size += residual[t] * direction[t]
    first = size
    for _ in range(ROUNDS):
        if size <= STEP * STEP * first:
            break
        bend = np.float32(0)
        for s in range(k):
            line = q[s]
            total = l2 * direction[s]
            for t in range(k):
                total += line[t] * direction[t]
            image[s] = total
            bend += total * direction[s]
        step = size / bend
        before = size
        size = np.float32(0)
        for t in range(k):
            w[t] += step * direction[t]
            residual[t] -= step * image[t]
            size += residual[t] * residual[t] / (diagonal[t] + l2)
        turn = size / before
        for t in range(k):
            direction[t] = residual[t] / (diagonal[t] + l2) + turn * direction[t]
    return w


@njit(nogil=True, cache=True, fastmath={"contract"})
def _ridges(lo, hi, indptr, indices, data, diagonal, l2, codes, weights):  # type: ignore[no-untyped-def]
    n, k = len(diagonal), codes.shape[1]
    g = np.empty(n + 2 * APART, np.float32)[APART : APART + n]
    allowed = np.empty(n, np.bool_)
    place = np.full(n, -1, np.int32)
    whole = np.empty((k, k), np.float32)
    room = np.empty((6, k + 2 * APART), np.float32)
    for j in range(lo, hi):
        g[:] = 0
        _add_row(g, np.float32(1), j, indptr, indices, data)
        size = _nearest(g, diagonal, j, k, allowed)
        members = codes[j, :size]
        own, b = room[4][APART : APART + size], room[5][APART : APART + size]
        q = whole[:size, :size]
        t = 0
        for i in range(n):
            if allowed[i]:
                members[t], place[i], own[t], b[t] = i, t, diagonal[i], g[i]
                t += 1
        for t in range(size):
            _copy_row(q[t], members, place, members[t], indptr, indices, data)
        w = _gradients(q, b, own, l2, room)
        for t in range(size):
            weights[j, t] = w[t]
            place[members[t]] = -1


@njit(nogil=True, cache=True, fastmath={"contract"})
def _descend(q, g, w, diagonal, l1, l2, positive, limit):  # type: ignore[no-untyped-def]
    """Minimise over the columns of a working set: its Gram matrix, g and weights."""
    size = len(w)
    for _ in range(SWEEPS):
        largest = np.float32(0)
        for s in range(size):
            curvature = diagonal[s] + l2
            z = g[s] + diagonal[s] * w[s]
            new = np.float32(0)
            if z > l1:
                new = (z - l1) / curvature
            elif z < -l1 and not positive:
                new = (z + l1) / curvature
            step = new - w[s]
            if step != 0:
                w[s] = new
                line = q[s]
                for t in range(size):
                    g[t] -= step * line[t]
                largest = max(largest, step * step * curvature)
        if largest <= limit:
            break


@njit(nogil=True, cache=True, fastmath={"contract"})
def _elastic_nets(  # type: ignore[no-untyped-def]
    lo, hi, first, indptr, indices, data, diagonal, l1, l2, positive, k, tolerance, out
):
    n = len(diagonal)
    g = np.empty(n + 2 * APART, np.float32)[APART : APART + n]
    place = np.full(n, -1, np.int32)
    allowed = np.ones(n, np.bool_)
    room = 4 * JOINING
    q = np.empty((room, room), np.float32)
    scratch = np.empty((4, room + 2 * APART), np.float32)
    members = np.empty(room, np.int32)
    for r in range(lo, hi):
        j = first + r
        limit = tolerance * diagonal[j]
        g[:] = 0
        _add_row(g, np.float32(1), j, indptr, indices, data)
        if k < n:
            _nearest(g, diagonal, j, k, allowed)
        size, settled = 0, True
        while True:
            joining = max(JOINING, size)
            gain, code = np.empty(joining, np.float32), np.empty(joining, np.int32)
            found = 0
            for i in range(n):
                z = g[i] if positive else abs(g[i])
                if z > l1 and place[i] < 0 and i != j and allowed[i]:
                    better = (z - l1) * (z - l1) / (diagonal[i] + l2)
                    if better > limit and (found < joining or better > gain[0]):
                        found = push(gain, code, found, better, np.int32(i))
            if found == 0 and settled:
                break
            settled = found < joining
            if size + found > room:
                room = 2 * (size + found)
                larger = np.empty((room, room), np.float32)
                larger[:size, :size] = q[:size, :size]
                q = larger
                scratch_new = np.empty((4, room + 2 * APART), np.float32)
                scratch_new[0, APART : APART + size] = scratch[0, APART : APART + size]
                scratch = scratch_new
                members_new = np.empty(room, np.int32)
                members_new[:size] = members[:size]
                members = members_new
            w = scratch[0, APART : APART + size + found]
            old = scratch[1, APART : APART + size + found]
            near = scratch[2, APART : APART + size + found]
            own = scratch[3, APART : APART + size + found]
            for s in range(found):
                members[size + s] = code[s]
                place[code[s]] = size + s
                w[size + s] = 0
            for s in range(size, size + found):
                line = q[s, : size + found]
                _copy_row(line, members, place, members[s], indptr, indices, data)
                for t in range(size):
                    q[t, s] = line[t]
            size += found
            for s in range(size):
                old[s] = w[s]
                near[s] = g[members[s]]
                own[s] = diagonal[members[s]]
            enough = limit if settled else limit * ROUGH
            _descend(q[:size, :size], near, w, own, l1, l2, positive, enough)
            for s in range(size):
                if w[s] != old[s]:
                    _add_row(g, old[s] - w[s], members[s], indptr, indices, data)
        for s in range(size):
            out[r, members[s]] = scratch[0, APART + s]
            place[members[s]] = -1
