"""How alike the rows of a sparse matrix are, keeping each row's nearest while computing.

Give it items by users for item neighbours, users by items for user neighbours. This is for ranking:
similarities for predicting ratings need means and co-rated pairs, and stand elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.symmetric import Scale, nearest_columns
from penchant.kernels.threads import run
from penchant.kernels.topk import push

Measure = Literal["dot", "cosine", "asymmetric", "tversky", "jaccard", "dice"]

STRIDE = 64
"""Sums that share one mark saying whether any of them was touched."""


class Alike(NamedTuple):
    """What makes row j like row i.

    With ``p(i, j)`` the sum of products of weights, ``n(i, j)`` the number of shared columns, n(i)
    the number of entries of a row and h the shrinkage in the denominator, as the tuned baselines in
    Dacrema, Cremonesi and Jannach, "Are we really making much progress?" (RecSys 2019), and in
    their published code:

    - ``dot``: ``p(i, j)``, for weights that are normalised already, as BM25's are; not shrunk
    - ``cosine``: ``p(i, j) / (|w(i)| |w(j)| + h)``
    - ``asymmetric``: ``p(i, j) / (|w(i)|^(2 - 2 alpha) |w(j)|^(2 alpha) + h)`` (Aiolli, "Efficient
      top-N recommendation for very large scale binary rated datasets", RecSys 2013)
    - ``tversky``, on which entries exist: ``n(i, j) / (n(i, j) + alpha (n(j) - n(i, j)) +
      beta (n(i) - n(i, j)) + h)`` (Tversky, "Features of similarity", 1977)
    - ``jaccard``: ``n(i, j) / (n(i) + n(j) - n(i, j) + h)``, tversky with alpha and beta 1
    - ``dice``: ``2 n(i, j) / (n(i) + n(j) + h)``, with both 1/2 (their code leaves out the 2)

    alpha is of j, the one that neighbours are found among.
    """

    measure: Measure
    shrinkage: float = 0.0
    alpha: float = 0.5
    beta: float = 0.5

    @property
    def counts(self) -> bool:
        """Whether only which entries exist matters."""
        return self.measure in ("tversky", "jaccard", "dice")

    def scale(self, own: NDArray[np.float32], others: NDArray[np.float32]) -> Scale:
        """Return the denominator for rows i and j of these ``sizes``."""
        flat_own, flat_others = np.zeros_like(own), np.zeros_like(others)
        h = np.float32(self.shrinkage)
        if self.measure == "dot":
            return Scale(flat_own, flat_others, flat_own, flat_others, np.float32(0), np.float32(1))
        if not self.counts:
            alpha = self.alpha if self.measure == "asymmetric" else 0.5
            i, j = own ** np.float32(2 - 2 * alpha), others ** np.float32(2 * alpha)
            return Scale(i, j, flat_own, flat_others, np.float32(0), h)
        usual = {"jaccard": (1.0, 1.0), "dice": (0.5, 0.5)}
        alpha, beta = usual.get(self.measure, (self.alpha, self.beta))
        if self.measure == "dice":
            h /= 2
        i, j = own * np.float32(beta), others * np.float32(alpha)
        return Scale(flat_own, flat_others, i, j, np.float32(1 - alpha - beta), h)


def neighbours(rows: CSR, k: int, alike: Alike) -> CSR:
    """Return each row's ``k`` most similar other rows.

    Parameters
    ----------
    rows : the matrix, such as items by users.
    k : how many neighbours to keep, at least 1; of equals those with more entries, then those with
        a lower row number.
    alike : what makes rows alike.

    Returns
    -------
    (n, n), the positive similarities of the nearest rows, never of a row with itself. Column i
    holds the neighbours of row i, so that row j says who takes j for one; the matrix need not be
    symmetric.
    """
    known = sizes(rows, alike.measure)
    return nearest_columns(_compared(rows, alike), k, alike.scale(known, known))


def nearest_to(asked: CSR, columns: CSR, others: NDArray[np.float32], k: int, alike: Alike) -> CSR:
    """Return the ``k`` rows of a matrix most similar to each of some other rows.

    Parameters
    ----------
    asked : (q, columns), which need not be rows of the matrix; one that is finds itself.
    columns : the transpose of the matrix.
    others : ``sizes`` of the matrix.
    k : how many to keep; of equals those with a lower row number.
    alike : what makes rows alike.

    Returns
    -------
    (q, rows of the matrix), the positive similarities of the nearest.
    """
    n = columns.columns
    k = max(min(k, n), 0)
    scale = alike.scale(sizes(asked, alike.measure), others)
    asked, columns = _compared(asked, alike), _compared(columns, alike)
    work = np.zeros(asked.nnz + 1, np.int64)
    np.cumsum(np.diff(columns.indptr)[asked.indices], out=work[1:])
    codes = np.full((asked.shape[0], k), -1, np.int32)
    values = np.zeros((asked.shape[0], k), np.float32)
    run(
        _nearest_to, work[asked.indptr], asked.indptr, asked.indices, asked.data, columns.indptr,
        columns.indices, columns.data, *scale, codes, values,
    )  # fmt: skip
    kept = codes >= 0
    indptr = np.zeros(asked.shape[0] + 1, np.int64)
    np.cumsum(kept.sum(axis=1), out=indptr[1:])
    # Best first within each row; transposing twice puts columns in order in linear time.
    return CSR(indptr, codes[kept], values[kept], n).transposed().transposed()


def _compared(matrix: CSR, alike: Alike) -> CSR:
    """Return what is compared of a matrix."""
    return replace(matrix, data=np.ones_like(matrix.data)) if alike.counts else matrix


def sizes(rows: CSR, measure: Measure) -> NDArray[np.float32]:
    """Return what a measure needs to know of each row: |w(i)| for the cosines, else n(i)."""
    if measure not in ("cosine", "asymmetric"):
        return np.diff(rows.indptr).astype(np.float32)
    squares = np.square(rows.data, dtype=np.float64)
    return np.sqrt(np.bincount(rows.row_numbers(), squares, rows.shape[0])).astype(np.float32)


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
def _nearest_to(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, t_indptr, t_indices, t_data,
    times_i, times_j, plus_i, plus_j, both, rest, codes, values,
):  # fmt: skip
    n = len(times_j)
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
                if p <= 0:
                    continue
                p /= times_i[i] * times_j[j] + plus_i[i] + plus_j[j] + both * p + rest
                if size < len(value) or p > value[0]:
                    size = push(value, code, size, p, j)
