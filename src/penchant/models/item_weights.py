"""What models that weigh the items of a history have in common: EASE and SLIM."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.explanations import Tell, Told
from penchant.kernels.csr import CSR
from penchant.kernels.placed import placed, placed_rows
from penchant.kernels.products import dense_sparse, sparse_dense, sparse_sparse
from penchant.models.factor_updates import some_rows
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, Recommender, Scores, alike, column_scores


@dataclass(kw_only=True)
class ItemWeights(Recommender):
    """A model whose scores are ``x B``: what a history weighs, times weights from item to item."""

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    @abstractmethod
    def _from_weights(self, x: CSR) -> Scores:
        """Return (q, items) scores of weighed histories; NaN for those of no item that is known."""

    @abstractmethod
    def item_weights(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return (items, history): the weight learned from each history item to each item."""

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each history item adds its weight times its learned weight."""
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        scores = self._from_weights(x)
        return Answered(column_scores(scores, items), by_weights(x, scores, self.item_weights))

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items that having met only this one speaks for most."""
        training = self._trained()

        def weights(codes: Codes) -> Scores:
            n = np.arange(len(codes))
            x = CSR.from_pairs(n, codes, None, (len(codes), len(training.items)))
            return self._from_weights(x)

        return alike(training, items, k, weights, self.name)


def by_weights(
    x: CSR, scores: Scores, item_weights: Callable[[Codes, Codes], NDArray[np.float64]]
) -> Tell:
    """Return what tells of (q, all items) scores ``x B``, where all is NaN or nothing for a row.

    Parameters
    ----------
    item_weights : from history and items to (items, history), the part of B.
    """
    silent = np.asarray(np.isnan(scores).all(axis=1))

    def tell(row: int, asked: Codes) -> Told:
        mine = x.rows(row, row + 1)
        amounts = item_weights(mine.indices, asked) * mine.data
        return Told.of(mine.indices, amounts, np.nan if silent[row] else 0.0)

    return tell


class Sparse(NamedTuple):
    """Weights of which most are 0.

    Parameters
    ----------
    weights : (items, items); row i holds what item i says of others, so that a history reads only
        its own rows.
    known : (items,) which items can be answered for, and can speak.
    """

    weights: CSR
    known: NDArray[np.bool_]

    def scores(self, x: CSR) -> Scores:
        """Return ``x B``, (q, items); NaN for unknown items, and where x holds no known one."""
        return silenced(sparse_sparse(x, self.weights), x, self.known)

    def to_items(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return (items, history) weights from ``history``; NaN to unknown items."""
        out = np.empty((len(items), len(history)))
        for n, j in enumerate(history):
            row = self.weights.rows(j, j + 1)
            at = np.minimum(np.searchsorted(row.indices, items), max(len(row.indices) - 1, 0))
            if len(row.indices):
                out[:, n] = np.where(row.indices[at] == items, row.data[at], 0)
            else:
                out[:, n] = 0
        out[~self.known[items]] = np.nan
        return out


class Dense(NamedTuple):
    """All weights between the items that are known.

    Parameters
    ----------
    weights : (known, known) float32; row i holds what item i says of others.
    place : (items,) int32, the row of an item; -1 for unknown ones.
    """

    weights: NDArray[np.float32]
    place: NDArray[np.int32]

    def scores(self, x: CSR) -> Scores:
        """Return what ``Sparse.scores`` does."""
        return placed_rows(x, self.weights, self.place)

    def to_items(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return what ``Sparse.to_items`` does."""
        return placed(history, items, self.weights, self.place)


class Woodbury(NamedTuple):
    """Weights in the terms of the rows that they were learned from.

    With K = (X X' + l2 I)^-1 and d = diag((X'X + l2 I)^-1), ``x B`` is
    ``x - (x - x X' K X) / (l2 d)``.

    Parameters
    ----------
    inverse : (rows, rows) float64, K.
    rows, columns : X, and its transpose.
    divisor : (items,) float32, l2 d; NaN for unknown items.
    """

    inverse: NDArray[np.float64]
    rows: CSR
    columns: CSR
    divisor: NDArray[np.float32]

    def scores(self, x: CSR) -> Scores:
        """Return what ``Sparse.scores`` does."""
        overlap = sparse_sparse(x, self.columns).astype(np.float64)
        through = dense_sparse((overlap @ self.inverse).astype(np.float32), self.rows)
        own = np.zeros_like(through)
        own[x.row_numbers(), x.indices] = x.data
        return silenced(own - (own - through) / self.divisor, x, ~np.isnan(self.divisor))

    def to_items(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return what ``Sparse.to_items`` does."""
        carried = sparse_dense(some_rows(self.columns, items), self.inverse)
        through = sparse_dense(some_rows(self.columns, history), np.ascontiguousarray(carried.T)).T
        out: NDArray[np.float64] = through / self.divisor[items].astype(np.float64)[:, None]
        out[items[:, None] == history] *= 0.0  # NaN stays
        return out


def silenced(scores: Scores, x: CSR, known: NDArray[np.bool_]) -> Scores:
    """Put NaN where an item is not known, and where a history holds none that is."""
    told = np.bincount(x.row_numbers()[known[x.indices]], minlength=len(scores))
    scores[told == 0] = np.nan
    if not known.all():
        scores[:, ~known] = np.nan
    return scores
