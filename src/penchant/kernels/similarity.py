"""How alike the rows of a sparse matrix are, keeping each row's nearest while computing.

Give it items by users for item neighbours, users by items for user neighbours. This is for ranking:
similarities for predicting ratings need means and co-rated pairs, and stand elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run
from penchant.kernels.topk import push

Measure = Literal["dot", "cosine", "jaccard", "dice"]
"""What to make of the sum of products; the order is the kernel's switch."""

STRIDE = 64
"""Sums that share one mark saying whether any of them was touched."""


def neighbours(rows: CSR, columns: CSR, k: int, measure: Measure, shrinkage: float = 0.0) -> CSR:
    """Return each row's ``k`` most similar other rows.

    With ``p(i, j)`` the sum of products of weights, ``n(i, j)`` the number of shared columns, and a
    shrinkage ``h`` in the denominator, as the tuned baselines in Dacrema, Cremonesi and Jannach,
    "Are we really making much progress?" (RecSys 2019), and its published code:

    - ``dot``: ``p(i, j)``, for weights that are normalised already, as BM25's are; not shrunk
    - ``cosine``: ``p(i, j) / (|w(i)| |w(j)| + h)``
    - ``jaccard``, on which entries exist: ``n(i, j) / (n(i) + n(j) - n(i, j) + h)``
    - ``dice``, likewise: ``2 n(i, j) / (n(i) + n(j) + h)`` (their code leaves out the 2)

    Parameters
    ----------
    rows : the matrix, such as items by users.
    columns : its transpose.
    k : how many neighbours to keep; ties go to the lower row number.
    measure : one of the four above.
    shrinkage : ``h``, not negative; pulls similarities with little support towards 0.

    Returns
    -------
    (n, n), the positive similarities of the nearest rows, never of a row with itself. Row ``i``
    holds the neighbours of ``i``; the matrix need not be symmetric.
    """
    return _found(rows, columns, sizes(rows, measure), k, measure, shrinkage, among=True)


def nearest_to(
    asked: CSR,
    columns: CSR,
    others: NDArray[np.float32],
    k: int,
    measure: Measure,
    shrinkage: float = 0.0,
) -> CSR:
    """Return the ``k`` rows of a matrix most similar to each of some other rows.

    Parameters
    ----------
    asked : (q, columns), which need not be rows of the matrix; one that is finds itself.
    columns : the transpose of the matrix.
    others : ``sizes`` of the matrix.
    k, measure, shrinkage : as in `neighbours`.

    Returns
    -------
    (q, rows of the matrix), the positive similarities of the nearest.
    """
    return _found(asked, columns, others, k, measure, shrinkage, among=False)


def sizes(rows: CSR, measure: Measure) -> NDArray[np.float32]:
    """Return what a measure needs to know of each row alone: |w(i)| for cosine, else n(i)."""
    if measure != "cosine":
        return np.diff(rows.indptr).astype(np.float32)
    squares = np.square(rows.data, dtype=np.float64)
    return np.sqrt(np.bincount(rows.row_numbers(), squares, rows.shape[0])).astype(np.float32)


def _found(
    rows: CSR,
    columns: CSR,
    others: NDArray[np.float32],
    k: int,
    measure: Measure,
    shrinkage: float,
    *,
    among: bool,
) -> CSR:
    n = columns.columns
    k = max(min(k, n - 1 if among else n), 0)
    own = others if among else sizes(rows, measure)
    if measure in ("jaccard", "dice"):
        rows = replace(rows, data=np.ones_like(rows.data))
        columns = replace(columns, data=np.ones_like(columns.data))
    work = np.zeros(rows.nnz + 1, np.int64)
    np.cumsum(np.diff(columns.indptr)[rows.indices], out=work[1:])
    codes = np.full((rows.shape[0], k), -1, np.int32)
    values = np.zeros((rows.shape[0], k), np.float32)
    run(
        _neighbours,
        work[rows.indptr],
        rows.indptr,
        rows.indices,
        rows.data,
        columns.indptr,
        columns.indices,
        columns.data,
        own,
        others,
        among,
        get_args(Measure).index(measure),
        np.float32(shrinkage),
        codes,
        values,
    )
    kept = codes >= 0
    indptr = np.zeros(rows.shape[0] + 1, np.int64)
    np.cumsum(kept.sum(axis=1), out=indptr[1:])
    # Best first within each row; transposing twice puts columns in order in linear time.
    return CSR(indptr, codes[kept], values[kept], n).transposed().transposed()


def tf_idf(rows: CSR, like: CSR | None = None) -> CSR:
    """Weigh entries by the rarity of their column: ``sqrt(w) max(0, ln(N / (1 + n(u))))``.

    As ``implicit`` 0.7 does (``nearest_neighbours.tfidf_weight``), where a row is a document and a
    column a term: for items by users, a user who likes everything says little. ``N`` is the number
    of rows and ``n(u)`` the entries in column ``u``. (The maximum is ours: without it a column
    with an entry in every row gets a negative weight.)

    Parameters
    ----------
    rows : weights that are not negative.
    like : the matrix to count in; by default ``rows`` itself.
    """
    return replace(rows, data=(np.sqrt(rows.data) * _rarity(rows, like)).astype(np.float32))


def bm25(rows: CSR, k1: float = 100.0, b: float = 0.8, like: CSR | None = None) -> CSR:
    """Weigh entries by Okapi BM25, as ``implicit`` 0.7 does (``nearest_neighbours.bm25_weight``).

    ``w (k1 + 1) / (k1 (1 - b + b s(i) / mean(s)) + w) max(0, ln(N / (1 + n(u))))``, where ``s(i)``
    is the sum of row ``i`` and the mean is over all rows, empty ones included. Rows with many
    entries are damped by ``b``, large weights by a small ``k1``. The rest as in `tf_idf`.

    Parameters
    ----------
    rows : weights that are not negative; a row is a document, a column a term.
    k1 : saturation, positive.
    b : length normalisation, 0 to 1.
    like : the matrix to count in, and to take the mean of; by default ``rows`` itself.
    """
    numbers = rows.row_numbers()
    sums = np.bincount(numbers, rows.data, rows.shape[0])
    known = rows if like is None else like
    mean = float(known.data.sum(dtype=np.float64)) / max(known.shape[0], 1)
    length = 1.0 - b + b * sums / (mean or 1.0)
    saturated = rows.data * (k1 + 1.0) / (k1 * length[numbers] + rows.data)
    return replace(rows, data=(saturated * _rarity(rows, like)).astype(np.float32))


def _rarity(rows: CSR, like: CSR | None) -> NDArray[np.float64]:
    """(entries,) inverse document frequency of each entry's column."""
    known = rows if like is None else like
    frequency = np.bincount(known.indices, minlength=known.columns)
    idf: NDArray[np.float64] = np.log(max(known.shape[0], 1)) - np.log1p(frequency)
    return np.maximum(idf, 0.0)[rows.indices]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _neighbours(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, t_indptr, t_indices, t_data,
    own, sizes, among, measure, h, codes, values,
):  # fmt: skip
    n = len(sizes)
    sums = np.zeros(n, np.float32)
    touched = np.zeros(n // STRIDE + 1, np.bool_)
    for i in range(lo, hi):
        code = codes[i]
        value = values[i]
        for e in range(indptr[i], indptr[i + 1]):
            u = indices[e]
            w = data[e]
            for f in range(t_indptr[u], t_indptr[u + 1]):
                c = np.uint32(t_indices[f])  # unsigned: spares a test for negative indices
                sums[c] += w * t_data[f]
                touched[c // np.uint32(STRIDE)] = True
        size = 0
        for t in range(len(touched)):
            if not touched[t]:
                continue
            touched[t] = False
            for j in range(t * STRIDE, min((t + 1) * STRIDE, n)):
                p = sums[j]
                sums[j] = 0
                if p <= 0 or (among and j == i):
                    continue
                if measure == 1:
                    p /= own[i] * sizes[j] + h
                elif measure == 2:
                    p /= own[i] + sizes[j] - p + h
                elif measure == 3:
                    p = 2 * p / (own[i] + sizes[j] + h)
                if size < len(value) or p > value[0]:
                    size = push(value, code, size, p, j)
