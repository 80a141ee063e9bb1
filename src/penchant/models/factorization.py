"""ALS: matrix factorization of implicit feedback, with every asker folded in exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.explanations import Explanation, Share
from penchant.feedback import Feedback
from penchant.ids import IdMap
from penchant.kernels import als
from penchant.kernels.csr import CSR
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import (
    Codes,
    Epoch,
    OnEpoch,
    Recommender,
    Scores,
    Training,
    alike,
    column_scores,
)


@dataclass(kw_only=True)
class ALS(Recommender):
    """Factor the table of who met what into vectors, trusting what was met more than what was not.

    Minimises, over user vectors x_u and item vectors y_i,

        sum over all (u, i) of c_ui (p_ui - x_u . y_i)^2 + l2 (sum |x_u|^2 + sum |y_i|^2)

    where a met pair of weight w has p = 1 and c = 1 + alpha w, and every other pair p = 0 and c = 1
    (Hu, Koren and Volinsky 2008, equation 3). Users and items are solved for in turn, each by a few
    conjugate-gradient steps from where it was (Takacs, Pilaszy and Tikk 2011).

    Only item vectors are kept. Whoever asks, known or not, gets the vector that solves the problem
    exactly for their present history, so that the last click counts at once.

    Reads the history and its values. A history without evidence, and items nobody met, are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.ALS(factors=8, epochs=5).fit(data)
    >>> len(model.recommend(data.queries(likes=[[0, 4]]), k=3).ids()[0])
    3
    """

    factors: int = hyper(64, "length of the vectors", at_least=1, search=(16, 256), log=True)
    alpha: float = hyper(
        0.5, "what one interaction adds to the confidence in a pair", above=0,
        search=(0.1, 100), log=True,
    )  # fmt: skip
    l2: float = hyper(
        12.0, "regularisation: larger keeps vectors smaller", above=0, search=(0.5, 200), log=True
    )
    epochs: int = hyper(15, "times that users and items are each solved for", at_least=1)
    cg_steps: int = hyper(3, "conjugate-gradient steps for each row in each epoch", at_least=1)

    @classmethod
    def from_factors(
        cls,
        item_factors: ArrayLike,
        items: IdMap | Sequence[Any],
        *,
        alpha: float,
        l2: float,
        feedback: Feedback | None = None,
    ) -> Self:
        """Return a fitted model around item vectors that were trained elsewhere.

        Parameters
        ----------
        item_factors : (n, f) one vector an item; a row with a NaN is an item never met.
        items : the ids of the rows.
        alpha, l2 : as in the training, for folding in. Spark's ``regParam`` is multiplied by the
            length of the history there; give its product with a usual length.
        feedback : what a row of a history weighs; by default each counts 1.

        Raises
        ------
        BadParameter : vectors that are no table, or not one for each id.
        """
        vectors = np.array(item_factors, np.float32, ndmin=2, order="C")
        feedback = feedback or Feedback()
        names = items if isinstance(items, IdMap) else IdMap(items, spelling=feedback.ids)
        if vectors.ndim != 2 or not vectors.size or len(vectors) != len(names):
            raise BadParameter(
                f"item_factors must be one vector for each of {len(names):,} ids, "
                f"got shape {vectors.shape}"
            )
        model = cls(factors=vectors.shape[1], alpha=alpha, l2=l2)
        met = np.isfinite(vectors.sum(axis=1))
        model._keep(vectors, met)
        model._seal()
        model.training_ = Training(
            items=names,
            users=IdMap([], spelling=feedback.ids),
            feedback=feedback,
            scale=None,
            shown=None,
            until=-1,
            events=0,
            fingerprint="",
            seed=None,
        )
        return model

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        by_user = data.weights()
        if not by_user.nnz:
            raise BadEvents("ALS needs at least one interaction that weighs something")
        by_item = by_user.transposed()
        users = np.zeros((by_user.shape[0], self.factors), np.float32)
        items = rng.standard_normal((by_user.columns, self.factors), np.float32)
        items *= np.float32(0.1 / np.sqrt(self.factors))
        met = np.diff(by_item.indptr) > 0
        begun = perf_counter()
        sides = (users, items, by_user), (items, users, by_item)
        with threadpool_limits(1, "blas"):  # Its products are small; the kernels have threads.
            for number in range(1, self.epochs + 1):
                for solved, fixed, weights in sides:
                    als.half_epoch(
                        solved, fixed, weights, alpha=self.alpha, l2=self.l2, steps=self.cg_steps
                    )
                if on_epoch is not None:
                    loss = als.loss(users, items, by_user, alpha=self.alpha, l2=self.l2)
                    self._keep(items, met)
                    if on_epoch(Epoch(number, self.epochs, loss, perf_counter() - begun, self)):
                        break
        self._keep(items, met)

    def _keep(self, items: NDArray[np.float32], met: NDArray[np.bool_]) -> None:
        """Learn these item vectors; those of items never met are NaN."""
        self.gram_ = als.gram(items[met], self.l2)
        self.item_factors_ = np.where(met[:, None], items, np.float32(np.nan))

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        vectors = self._vectors(self._evidence(queries))
        if items is None or items.ndim == 2:
            return column_scores(als.products(vectors, self.item_factors_), items)
        scores = als.products(vectors, self.item_factors_[items])
        scores[:, items < 0] = np.nan
        return scores

    def _evidence(self, queries: Queries) -> CSR:
        """Return what the histories weigh, without items that have no vector."""
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        met = ~np.isnan(self.item_factors_[x.indices, 0])
        if met.all():
            return x
        return CSR.from_pairs(x.row_numbers()[met], x.indices[met], x.data[met], x.shape)

    def _vectors(self, x: CSR) -> NDArray[np.float64]:
        vectors = als.fold_in(x, self.item_factors_, self.gram_, alpha=self.alpha)
        vectors[np.diff(x.indptr) == 0] = np.nan
        return vectors

    def user_vectors(self, queries: Queries) -> NDArray[np.float32]:
        """Return (q, factors) the vectors of who asks, solved for; NaN without evidence."""
        return self._vectors(self._evidence(self._own(queries))).astype(np.float32)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return (items, factors), NaN for items nobody met."""
        self._trained()
        return self.item_factors_

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: what each item of the history adds.

        The asker's vector is A^-1 times the sum of c_j y_j over the history, so the score is the
        sum of c_j y_j . A^-1 y_i: each item adds its confidence times its likeness to item i, as
        this asker's A sees it (Hu, Koren and Volinsky 2008, section 5). A depends on the whole
        history; a share is what an item adds given the others.
        """
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        x, y = self._evidence(own), self.item_factors_
        seen = als.fold_in(x, y, self.gram_, alpha=self.alpha, right=y[mine : mine + 1])[0]
        confidence = 1 + self.alpha * x.data.astype(np.float64)
        amounts = confidence * np.einsum("jf,f->j", y[x.indices], seen)
        ids = own.items.decode(x.indices)
        shares = [
            Share("history", one, float(amount)) for one, amount in zip(ids, amounts, strict=True)
        ]
        return self._explained(query, item, 0.0, shares, score)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items whose vectors point most the same way (cosine)."""
        training = self._trained()
        lengths = np.linalg.norm(self.item_factors_, axis=1, keepdims=True)
        directions = self.item_factors_ / np.maximum(lengths, np.finfo(np.float32).tiny)
        return alike(training, items, k, lambda codes: directions[codes] @ directions.T, self.name)
