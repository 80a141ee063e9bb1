"""ALS: matrix factorization of implicit feedback, with every asker folded in exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.explanations import Explanation, Share
from penchant.feedback import Feedback
from penchant.ids import IdMap
from penchant.kernels import als, als_blocks, als_exact
from penchant.kernels.csr import CSR
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import EVERYTHING, Recommendations, Rules, nearest
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

Vectors = NDArray[np.float32]


@dataclass(kw_only=True)
class ALS(Recommender):
    """Factor the table of who met what into vectors, trusting what was met more than what was not.

    Minimises, over user vectors x_u and item vectors y_i,

        sum over met (u, i) of w_ui (1 - x_u . y_i)^2  +  unobserved * sum over all (x_u . y_i)^2
            +  sum of l2_u |x_u|^2  +  sum of l2_i |y_i|^2

        l2_u = l2 (sum of w_u  +  unobserved * number of items)^nu,  and l2_i alike

    where w is what the events of a pair weigh (``Feedback``): implicit feedback as in Hu, Koren and
    Volinsky (ICDM 2008), with the regularisation of Rendle, Krichene, Zhang and Koren, "Revisiting
    the performance of iALS on item recommendation benchmarks" (RecSys 2022). Users and items are
    solved for in turn, by ``solver``: a few preconditioned conjugate-gradient steps from where a
    row was (Takacs, Pilaszy and Tikk 2011), exactly (Cholesky), or block by block (iALS++).

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
    unobserved: float = hyper(
        0.1, "weight of every pair, met or not, where one interaction weighs 1", above=0,
        search=(0.003, 1), log=True,
    )  # fmt: skip
    l2: float = hyper(
        0.01, "regularisation: larger keeps vectors smaller", above=0, search=(0.001, 0.3), log=True
    )
    nu: float = hyper(
        1.0, "how much more the vector of a frequent user or item is kept small; 0: no more",
        at_least=0, at_most=2, search=(0, 1),
    )  # fmt: skip
    epochs: int = hyper(15, "times that users and items are each solved for", at_least=1)
    solver: Literal["cg", "cholesky", "blocks"] = hyper(
        "cg", "how rows are solved for: conjugate gradients, exactly, or block by block"
    )
    cg_steps: int = hyper(2, "conjugate-gradient steps for each row in each epoch", at_least=1)
    block: int = hyper(32, "factors in a block of the solver 'blocks'", at_least=1)

    @classmethod
    def from_factors(
        cls,
        item_factors: ArrayLike,
        items: IdMap | Sequence[Any],
        *,
        unobserved: float,
        l2: float,
        nu: float = 0.0,
        feedback: Feedback | None = None,
    ) -> Self:
        """Return a fitted model around item vectors that were trained elsewhere.

        Parameters
        ----------
        item_factors : (n, f) one vector an item; a row with a NaN is an item never met.
        items : the ids of the rows.
        unobserved, l2, nu : as in the training, for folding in. A library whose confidence is
            ``1 + alpha w`` and whose penalty is ``l2`` has ``unobserved=1 / alpha`` and
            ``l2 / alpha``; one that multiplies the penalty by the length of the history, such as
            Spark, comes near ``nu=1``.
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
        model = cls(factors=vectors.shape[1], unobserved=unobserved, l2=l2, nu=nu)
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
        weights = data.weights()
        if not weights.nnz:
            raise BadEvents("ALS needs at least one interaction that weighs something")
        users = np.zeros((weights.shape[0], self.factors), np.float32)
        items = rng.standard_normal((weights.columns, self.factors), np.float32)
        items *= np.float32(0.1 / np.sqrt(self.factors))
        by_user, by_item = als.halves(weights, unobserved=self.unobserved, l2=self.l2, nu=self.nu)
        met = np.diff(by_item.weights.indptr) > 0
        begun = perf_counter()
        sides = (users, items, by_user), (items, users, by_item)
        with threadpool_limits(1, "blas"):  # Its products are small; the kernels have threads.
            for number in range(1, self.epochs + 1):
                for solved, fixed, half in sides:
                    self._improve(solved, fixed, half)
                if on_epoch is not None:
                    loss = als.loss(users, items, by_user, by_item)
                    self._keep(items, met)
                    if on_epoch(Epoch(number, self.epochs, loss, perf_counter() - begun, self)):
                        break
        self._keep(items, met)

    def _improve(self, solved: Vectors, fixed: Vectors, half: als.Half) -> None:
        """Solve for one side, given the other."""
        if self.solver == "cg":
            als.half_epoch(solved, fixed, half, steps=self.cg_steps)
        elif self.solver == "cholesky":
            als_exact.half_epoch(solved, fixed, half)
        else:
            als_blocks.half_epoch(solved, fixed, half, block=self.block)

    def _keep(self, items: Vectors, met: NDArray[np.bool_]) -> None:
        """Learn these item vectors; those of items never met are NaN."""
        self.gram_ = self.unobserved * als.gram(items[met])
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
        vectors = als_exact.fold_in(x, self.item_factors_, self.gram_, self._ridge(x))
        vectors[np.diff(x.indptr) == 0] = np.nan
        return vectors

    def _ridge(self, x: CSR) -> NDArray[np.float64]:
        """Return the penalty on the vectors of those whose histories weigh x."""
        items = np.count_nonzero(~np.isnan(self.item_factors_[:, 0]))
        return als.ridge(als.row_sums(x), items, unobserved=self.unobserved, l2=self.l2, nu=self.nu)

    def user_vectors(self, queries: Queries) -> NDArray[np.float32]:
        """Return (q, factors) the vectors of who asks, solved for; NaN without evidence."""
        return self._vectors(self._evidence(self._own(queries))).astype(np.float32)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return (items, factors), NaN for items nobody met."""
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
            vectors=lambda block: self._vectors(self._evidence(self._own(block))),
        )  # fmt: skip

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: what each item of the history adds.

        The asker's vector is A^-1 times the sum of w_j y_j over the history, so the score is the
        sum of w_j y_j . A^-1 y_i: each item adds its weight times its likeness to item i, as this
        asker's A sees it (Hu, Koren and Volinsky 2008, section 5). A depends on the whole history;
        a share is what an item adds given the others.
        """
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        x, y = self._evidence(own), self.item_factors_
        through = als_exact.fold_in(
            x, y, self.gram_, self._ridge(x), right=y[mine : mine + 1], pairs_pull=False
        )[0]
        amounts = x.data * np.einsum("jf,f->j", y[x.indices], through)
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
