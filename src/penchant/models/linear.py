"""EASE: a linear item-to-item model in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.kernels.csr import CSR
from penchant.kernels.products import dense_sparse, sparse_dense, sparse_sparse
from penchant.models.item_weights import ItemWeights
from penchant.parameters import hyper
from penchant.recommender import OnEpoch, Scores


@dataclass(kw_only=True)
class EASE(ItemWeights):
    """Embarrassingly shallow autoencoder: each item's score is a weighted sum over the history.

    With X the users x items weights, P = (X'X + l2 I)^-1 and d = diag(P), the item-to-item weights
    are B = I - P / d (column j divided by d_j), so that B_jj = 0, and a history x scores x B
    (Steck 2019, equations 8 and 9).

    P is found on the side that takes less memory. With few users, Woodbury's identity gives
    P = (I - X' K X) / l2 with K = (X X' + l2 I)^-1, and the model keeps K, in 64 bits, and X: rows
    of X are then part of the model, without the ids of whom they belong to and in no order of
    theirs. Otherwise it keeps B, in 32 bits. Both give the same scores, to 1e-4 of the largest.

    Reads the history and its values. Items nobody met, and histories of no other, give NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.EASE(l2=50.0).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    l2: float = hyper(
        300.0, "regularisation: larger trusts popular items more", above=0,
        search=(10, 3000), log=True,
    )  # fmt: skip

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        x = data.weights()
        if not x.nnz:
            raise BadEvents("EASE needs at least one interaction that weighs something")
        met = np.bincount(x.indices, minlength=x.columns) > 0
        active = np.flatnonzero(np.diff(x.indptr) > 0)
        if 2 * len(active) ** 2 < np.count_nonzero(met) ** 2:
            rows = _rows(x, active).by_content()
            columns = rows.transposed()
            inverse = _inverse(sparse_sparse(rows, columns), self.l2)
            d = (1 - _quadratic(inverse, columns)) / self.l2
            self.by_user_ = inverse  # in 64 bits: P is a small difference at small l2
            self.rows_, self.columns_ = rows, columns
            self.diagonal_ = np.where(met, d, np.nan).astype(np.float32)
        else:
            known = np.flatnonzero(met)
            code = np.cumsum(met) - 1
            dense = CSR(x.indptr, code[x.indices].astype(np.int32), x.data, len(known))
            inverse = _inverse(sparse_sparse(dense.transposed(), dense), self.l2)
            inverse /= -np.diag(inverse).copy()
            np.fill_diagonal(inverse, 0)
            self.weights_ = np.ascontiguousarray(inverse, dtype=np.float32)
            self.place_ = np.where(met, code, -1).astype(np.int32)

    def _from_weights(self, x: CSR) -> Scores:
        """Return (q, items) scores of weighed histories; NaN for those of no item that was met."""
        by_items = hasattr(self, "weights_")
        scores = self._by_items(x) if by_items else self._by_users(x)
        met = self.place_ >= 0 if by_items else ~np.isnan(self.diagonal_)
        told = np.bincount(x.row_numbers()[met[x.indices]], minlength=len(scores))
        scores[told == 0] = np.nan
        return scores

    def _by_items(self, x: CSR) -> Scores:
        known = self.place_[x.indices] >= 0
        rows = x.row_numbers()[known]
        shape = (x.shape[0], len(self.weights_))
        met = CSR.from_pairs(rows, self.place_[x.indices[known]], x.data[known], shape)
        found = sparse_dense(met, self.weights_)
        if found.shape[1] == len(self.place_):
            return found
        scores = np.full((x.shape[0], len(self.place_)), np.nan, np.float32)
        scores[:, self.place_ >= 0] = found
        return scores

    def _by_users(self, x: CSR) -> Scores:
        overlap = sparse_sparse(x, self.columns_).astype(np.float64)
        through = dense_sparse((overlap @ self.by_user_).astype(np.float32), self.rows_)
        own = np.zeros_like(through)
        own[x.row_numbers(), x.indices] = x.data
        # x B = x - (x P) / d, and x P = (x - x X' K X) / l2.
        scores: Scores = own - (own - through) / (np.float32(self.l2) * self.diagonal_)
        return scores

    def item_weights(self, history: NDArray[np.int32], item: int) -> NDArray[np.float64]:
        """Return (history,) float64: the learned weight from each history item to ``item``."""
        if hasattr(self, "weights_"):
            place, to = self.place_[history], self.place_[item]
            if to < 0:
                return np.full(len(history), np.nan)
            weights = self.weights_[np.maximum(place, 0), to].astype(np.float64)
            return np.where(place >= 0, weights, 0.0)
        column = self.columns_.rows(item, item + 1)
        carried = column.data.astype(np.float64) @ self.by_user_[column.indices]
        met = [self.columns_.rows(i, i + 1) for i in history]
        through = np.array([c.data.astype(np.float64) @ carried[c.indices] for c in met])
        weights = through / (self.l2 * float(self.diagonal_[item]))
        return np.where(history == item, 0.0, weights)


def _rows(x: CSR, which: NDArray[np.int64]) -> CSR:
    """Rows ``which`` of x, of which the others are empty."""
    indptr = np.concatenate([x.indptr[which], x.indptr[-1:]])
    return CSR(indptr, x.indices, x.data, x.columns)


def _inverse(symmetric: NDArray[np.float32], l2: float) -> NDArray[np.float64]:
    """Return (symmetric + l2 I)^-1 by Cholesky."""
    a = symmetric.astype(np.float64, order="F")
    a[np.diag_indices_from(a)] += l2
    factor, info = lapack.dpotrf(a, lower=1, overwrite_a=1)
    if info == 0:
        factor, info = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if info != 0:
        raise BadEvents(f"the Gram matrix is not positive definite at l2={l2:g}; raise EASE.l2")
    inverse: NDArray[np.float64] = factor
    for lo in range(0, len(inverse), 512):  # in place: the matrix may be most of the memory
        hi = lo + 512
        inverse[lo:hi, hi:] = inverse[hi:, lo:hi].T
        corner = np.tril(inverse[lo:hi, lo:hi])
        inverse[lo:hi, lo:hi] = corner + np.tril(corner, -1).T
    return inverse


def _quadratic(inverse: NDArray[np.float64], columns: CSR) -> NDArray[np.float64]:
    """Return x_j' K x_j for each column x_j of X, given as rows of ``columns``."""
    out = np.zeros(columns.shape[0])
    for j in np.flatnonzero(np.diff(columns.indptr)):
        a, b = columns.indptr[j], columns.indptr[j + 1]
        at, w = columns.indices[a:b], columns.data[a:b].astype(np.float64)
        out[j] = w @ inverse[np.ix_(at, at)] @ w
    return out
