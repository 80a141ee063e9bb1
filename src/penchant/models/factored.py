"""What models with a vector for each item share: the score is its product with the asker's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.explanations import Explanation, Share
from penchant.kernels import als
from penchant.kernels.csr import CSR
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, Recommender, Scores, alike, column_scores

Amounts = NDArray[np.float64]


class Factored(Recommender):
    """A model with a vector for each item, and of people only what their history makes of them.

    Its scores are ``_vectors(history) . item_factors_``; the row of an item nobody met is NaN.
    """

    item_factors_: NDArray[np.float32]

    @abstractmethod
    def _vectors(self, x: CSR) -> Amounts:
        """Return (q, d) the vectors of those whose histories weigh x, of items with vectors only.

        A row without entries may hold anything.
        """

    @abstractmethod
    def _told(self, x: CSR, item: int) -> tuple[float, Amounts]:
        """Return an item's base, and what each entry of x, one history, adds to its score."""

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        people = self._people(queries)
        if items is None or items.ndim == 2:
            return column_scores(als.products(people, self.item_factors_), items)
        scores = als.products(people, self.item_factors_[items])
        scores[:, items < 0] = np.nan
        return scores

    def _people(self, queries: Queries) -> Amounts:
        x = self._evidence(queries)
        vectors = self._vectors(x)
        vectors[np.diff(x.indptr) == 0] = np.nan
        return vectors

    def _evidence(self, queries: Queries) -> CSR:
        """Return what the histories weigh, without items that have no vector."""
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        met = ~np.isnan(self.item_factors_[x.indices, 0])
        if met.all():
            return x
        return CSR.from_pairs(x.row_numbers()[met], x.indices[met], x.data[met], x.shape)

    def user_vectors(self, queries: Queries) -> NDArray[np.float32]:
        """Return (q, d) the vectors of who asks, from their histories; NaN without evidence."""
        return self._people(self._own(queries)).astype(np.float32)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return (items, d), NaN for items nobody met."""
        self._trained()
        return self.item_factors_

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: a base, and the exact amount that each item of the history adds."""
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        x = self._evidence(own)
        base, amounts = self._told(x, mine)
        ids = own.items.decode(x.indices)
        shares = [
            Share("history", one, float(amount)) for one, amount in zip(ids, amounts, strict=True)
        ]
        return self._explained(query, item, base, shares, score)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items whose vectors point most the same way (cosine)."""
        training = self._trained()
        lengths = np.linalg.norm(self.item_factors_, axis=1, keepdims=True)
        directions = self.item_factors_ / np.maximum(lengths, np.finfo(np.float32).tiny)
        return alike(training, items, k, lambda codes: directions[codes] @ directions.T, self.name)
