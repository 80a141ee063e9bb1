"""What models that weigh the items of a history have in common: EASE and SLIM."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.explanations import Explanation, Share
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_sparse
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
    def item_weights(self, history: NDArray[np.int32], item: int) -> NDArray[np.float64]:
        """Return (history,) float64: the learned weight from each history item to ``item``."""

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        return column_scores(self._from_weights(x), items)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: each history item adds its weight times its learned weight."""
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        x = self.training_.feedback.weigh(own.histories, len(own.items), own.now)
        amounts = x.data * self.item_weights(x.indices, mine)
        ids = own.items.decode(x.indices)
        shares = [Share("history", one, float(a)) for one, a in zip(ids, amounts, strict=True)]
        return self._explained(query, item, 0.0, shares, score)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items that having met only this one speaks for most."""
        training = self._trained()

        def weights(codes: Codes) -> Scores:
            n = np.arange(len(codes))
            x = CSR.from_pairs(n, codes, None, (len(codes), len(training.items)))
            return self._from_weights(x)

        return alike(training, items, k, weights, self.name)


def silenced(scores: Scores, x: CSR, known: NDArray[np.bool_]) -> Scores:
    """Put NaN where an item is not known, and where a history holds none that is."""
    told = np.bincount(x.row_numbers()[known[x.indices]], minlength=len(scores))
    scores[told == 0] = np.nan
    scores[:, ~known] = np.nan
    return scores


def sparse_scores(x: CSR, weights: CSR, known: NDArray[np.bool_]) -> Scores:
    """Return ``x B`` where row i of B holds the weights from item i to others."""
    return silenced(sparse_sparse(x, weights), x, known)


def sparse_weights(
    weights: CSR, known: NDArray[np.bool_], history: NDArray[np.int32], item: int
) -> NDArray[np.float64]:
    """Return what ``ItemWeights.item_weights`` does, of weights as in ``sparse_scores``."""
    if not known[item]:
        return np.full(len(history), np.nan)
    rows = [weights.rows(j, j + 1) for j in history]
    return np.array([row.data[row.indices == item].sum() for row in rows], np.float64)
