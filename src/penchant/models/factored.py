"""What models with a vector for each item share: the score is its product with the asker's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.explanations import Told
from penchant.kernels import als, placement
from penchant.kernels.csr import CSR
from penchant.queries import Queries
from penchant.ranking import EVERYTHING, Recommendations, Rules, nearest
from penchant.recommender import Codes, Recommender, Scores, alike, column_scores

Amounts = NDArray[np.float64]


class ItemVectors(Recommender):
    """A model with a vector for each item: an item's score is its product with the asker's."""

    item_factors_: NDArray[np.float32]

    @abstractmethod
    def _people(self, queries: Queries) -> Amounts:
        """Return (q, d) the vectors of who asks; NaN without evidence."""

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._products(self._people(queries), items)

    def _products(self, people: Amounts, items: Codes | None) -> Scores:
        if items is None or items.ndim == 2:
            return column_scores(als.products(people, self.item_factors_), items)
        scores = als.products(people, self.item_factors_[items])
        scores[:, items < 0] = np.nan
        return scores

    def _evidence(self, queries: Queries) -> CSR:
        """Return what the histories weigh, without items that have no vector."""
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        met = ~np.isnan(self.item_factors_[x.indices, 0])
        if met.all():
            return x
        return CSR.from_pairs(x.row_numbers()[met], x.indices[met], x.data[met], x.shape)

    def user_vectors(self, queries: Queries) -> NDArray[np.float32]:
        """Return (q, d) the vectors of who asks; NaN without evidence."""
        return self._people(self._own(queries)).astype(np.float32)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return (items, d), NaN for items of which nothing is known."""
        self._trained()
        return self.item_factors_

    @property
    def recall(self) -> float:
        """All of the best items are found."""
        return 1.0

    def retrieve(self, queries: Queries, k: int, rules: Rules = EVERYTHING) -> tuple[Codes, Scores]:
        """Return the k best items of each query and their scores; few others are scored."""
        return nearest(
            queries, k, rules, factors=self.item_factors_, items=self._trained().items,
            vectors=lambda block: self._people(self._own(block)),
        )  # fmt: skip

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items whose vectors point most the same way (cosine)."""
        training = self._trained()
        factors = self.item_factors_  # may be mapped, and larger than what there is of memory
        lengths = np.sqrt(np.einsum("nf,nf->n", factors, factors, dtype=np.float64))
        lengths = np.maximum(lengths, np.finfo(np.float32).tiny)

        def cosines(codes: Codes) -> Scores:
            directions = factors[codes] / lengths[codes, None]
            found: Scores = (als.products(directions, factors) / lengths).astype(np.float32)
            return found

        return alike(training, items, k, cosines, self.name)


class Factored(ItemVectors):
    """A model with a vector for each item, and of people only how their history places them.

    A person's vector is linear in what they met: ``origin_ + z @ turn_``, where z is the sum of
    the vectors of what they met, by weight, over a length of the weights (`placement.sums`).
    """

    turn_: Amounts
    origin_: Amounts

    def _learn(self, met: CSR, items: NDArray[np.float32], people: NDArray[np.float32]) -> None:
        """Learn these item vectors, and to tell the people's vectors from what they met."""
        self.turn_, self.origin_ = placement.placement(met, items, people)
        known = np.bincount(met.indices, minlength=met.columns) > 0
        self.item_factors_ = np.where(known[:, None], items, np.float32(np.nan))

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    def _people(self, queries: Queries) -> Amounts:
        """Return (q, d) the vectors of who asks; NaN without evidence."""
        return self._placed(self._evidence(queries))

    def _placed(self, x: CSR) -> Amounts:
        vectors = self.origin_ + placement.sums(x, self.item_factors_) @ self.turn_
        vectors[np.diff(x.indptr) == 0] = np.nan
        return np.asarray(vectors)

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; on top of a base, each item of the history adds an exact amount."""
        x = self._evidence(queries)

        def tell(row: int, asked: Codes) -> Told:
            mine = x.rows(row, row + 1)
            targets = self.item_factors_[asked].astype(np.float64)
            amounts = (self.turn_ @ targets.T).T @ self.item_factors_[mine.indices].T
            amounts *= mine.data / placement.length(mine.data)
            base = targets @ self.origin_ if mine.nnz else None
            return Told.of(mine.indices, amounts, base)

        return Answered(self._products(self._placed(x), items), tell)
