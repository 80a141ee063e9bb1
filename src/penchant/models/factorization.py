"""ALS: matrix factorization of implicit feedback, with every asker folded in exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter, Incompatible
from penchant.explanations import Told, features_named
from penchant.features import Encoder
from penchant.feedback import Feedback
from penchant.ids import IdMap
from penchant.kernels import als, als_blocks, als_exact
from penchant.kernels.csr import CSR
from penchant.models.factor_features import Sharing, shared, sharing
from penchant.models.factor_updates import Before, New, improved, lengthened, some_rows
from penchant.models.factored import ItemVectors
from penchant.models.fm_evidence import encoded, encoder_of
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, Epoch, OnEpoch, settings
from penchant.split import seeded
from penchant.training import Training

Vectors = NDArray[np.float32]

KEPT = 1 << 19
"""At most so many numbers are kept of those who ask, so that their reasons take less."""

ROUNDS = 2
"""Times that an update improves items and folds in people: the second sees the new items."""


@dataclass(kw_only=True)
class ALS(ItemVectors):
    """Factor the table of who met what into vectors, trusting what was met more than what was not.

    Minimises, over user vectors x_u and item vectors y_i,

        sum over met (u, i) of w_ui (1 - x_u . y_i)^2  +  unobserved * sum over all (x_u . y_i)^2
            +  sum of l2_u |x_u|^2  +  sum of l2_i |y_i|^2

        l2_u = l2 (sum of w_u)^nu,  and l2_i alike

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
        0.5, "weight of every pair, met or not, where one interaction weighs 1", above=0,
        search=(0.01, 1), log=True,
    )  # fmt: skip
    l2: float = hyper(
        0.8, "regularisation: larger keeps vectors smaller", above=0, search=(0.2, 3), log=True
    )
    nu: float = hyper(
        0.5, "how much more the vectors of the frequent are kept small: 0 no more, 1 in proportion",
        at_least=0, at_most=2,
    )  # fmt: skip
    frequency: Literal["observed", "all"] = hyper(
        "observed", "what makes a user or item frequent: the weight of what was met, or of all"
        " their pairs (Rendle et al.)", search=(),
    )  # fmt: skip
    epochs: int = hyper(10, "times that users and items are each solved for", at_least=1)
    solver: Literal["cg", "cholesky", "blocks"] = hyper(
        "cg",
        "how rows are solved for: conjugate gradients, exactly, or block by block",
        search=(),
    )
    cg_steps: int = hyper(2, "conjugate-gradient steps for each row in each epoch", at_least=1)
    block: int = hyper(32, "factors in a block of the solver 'blocks'", at_least=1)
    item_columns: tuple[str, ...] = hyper((), "columns of the item table to read")
    user_columns: tuple[str, ...] = hyper((), "columns of the user table to read")
    feature_weight: float = hyper(
        10.0, "weight of each feature of an item or user, where one interaction weighs 1", above=0,
        search=(1, 100), log=True, when="item_columns",
    )  # fmt: skip

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
        try:
            vectors = np.array(item_factors, np.float32, ndmin=2, order="C")
        except (TypeError, ValueError) as e:
            raise BadParameter(f"item_factors must be a table of numbers: {e}") from None
        feedback = feedback or Feedback()
        names = items if isinstance(items, IdMap) else IdMap(items, spelling=feedback.ids)
        if vectors.ndim != 2 or not vectors.size or len(vectors) != len(names):
            raise BadParameter(
                f"item_factors must be one vector for each of {len(names):,} ids, "
                f"got shape {vectors.shape}"
            )
        model = cls(factors=vectors.shape[1], unobserved=unobserved, l2=l2, nu=nu)
        met = np.isfinite(vectors.sum(axis=1))
        nobody = np.zeros((0, vectors.shape[1]), np.float32)
        nothing = Encoder.learn(pl.DataFrame(), ()).table
        model.user_encoder_ = model.item_encoder_ = nothing
        model.user_features_ = model.item_features_ = nobody
        model.item_factors_ = np.where(met[:, None], vectors, np.float32(np.nan))
        model.user_gram_ = unobserved * als.gram(vectors[met])
        model.item_gram_ = model.spread_ = als.gram(nobody)
        model.sizes_ = np.array([0, np.count_nonzero(met)])
        model.item_weights_ = np.zeros(len(vectors))
        model._seal()
        model.training_ = Training(
            items=names,
            users=IdMap([], spelling=feedback.ids),
            fitted=len(names),
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
        """The history and what was recorded in it; features of who asks, if columns are named."""
        more = {"user_features"} if self.user_columns else set()
        return frozenset({"history", "values"} | more)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        self._learn(data, rng, on_epoch, self.epochs, None)

    def _learn(
        self,
        data: Dataset,
        rng: np.random.Generator,
        on_epoch: OnEpoch | None,
        epochs: int,
        start: Vectors | None,
    ) -> None:
        """Alternate between the sides, from item vectors ``start`` where they are not NaN."""
        weights = data.weights()
        if not weights.nnz:
            raise BadEvents("ALS needs at least one interaction that weighs something")
        users = np.zeros((weights.shape[0], self.factors), np.float32)
        halves = als.halves(
            weights, unobserved=self.unobserved, l2=self.l2, nu=self.nu,
            of_all=self.frequency == "all",
        )  # fmt: skip
        of_users = encoder_of(data.user_table, self.user_columns, "user table", self.name)
        of_items = encoder_of(data.item_table, self.item_columns, "item table", self.name)
        self.user_encoder_, self.item_encoder_ = of_users.table, of_items.table
        told = (
            encoded(of_users, data.user_table, len(users)),
            encoded(of_items, data.item_table, weights.columns),
        )
        begun = perf_counter()
        with threadpool_limits(1, "blas"):  # Its products are small; the kernels have threads.
            if start is None:
                drawn = rng.standard_normal((weights.columns, self.factors), np.float32)
                items = als.start(*halves, drawn)
            else:
                items = np.nan_to_num(start)
            by_feature = [one.transposed() for one in told]
            for number in range(1, epochs + 1):
                for side, (solved, fixed) in enumerate(((users, items), (items, users))):
                    pull = None
                    if told[side].columns:
                        pull = self._shared(solved, told[side], by_feature[side]).pull(told[side])
                    self._improve(solved, fixed, halves[side], pull)
                if on_epoch is not None:
                    loss = als.loss(users, items, *halves)
                    self._keep(users, items, halves, told, by_feature)
                    if on_epoch(Epoch(number, epochs, loss, perf_counter() - begun, self)):
                        break
            self._keep(users, items, halves, told, by_feature)

    def _improve(
        self, solved: Vectors, fixed: Vectors, half: als.Half, pull: als.Pull | None
    ) -> None:
        """Solve for one side, given the other.

        Raises
        ------
        BadParameter : the penalties are too small for 32 bits to solve with.
        """
        try:
            if self.solver == "cg":
                als.half_epoch(solved, fixed, half, steps=self.cg_steps, pull=pull)
            elif self.solver == "cholesky":
                als_exact.half_epoch(solved, fixed, half, pull=pull)
            else:
                als_blocks.half_epoch(solved, fixed, half, block=self.block, pull=pull)
            with np.errstate(invalid="ignore"):
                found = np.isfinite(solved.sum())
        except (ZeroDivisionError, np.linalg.LinAlgError):
            found = np.False_
        if not found:
            raise BadParameter(
                f"{self.name} found vectors that are not numbers with l2={self.l2:g} and "
                f"unobserved={self.unobserved:g}: raise {self.name}.l2"
            )

    def _shared(self, vectors: Vectors, told: CSR, by_feature: CSR) -> Sharing:
        """Return what the features of one side are, given its vectors."""
        how = {"weight": self.feature_weight, "l2": self.l2, "nu": self.nu}
        return shared(vectors, told, by_feature, **how)

    def _keep(
        self,
        users: Vectors,
        items: Vectors,
        halves: tuple[als.Half, als.Half],
        told: tuple[CSR, CSR],
        by_feature: list[CSR],
    ) -> None:
        """Learn from the vectors of both sides; items of which nothing is known are NaN."""
        weights = [als.row_sums(half.weights) for half in halves]
        self.sizes_ = np.array([np.count_nonzero(one) for one in weights])
        self.item_weights_ = weights[1]
        of_users, of_items = (
            self._shared(vectors, *features)
            for vectors, *features in zip((users, items), told, by_feature, strict=True)
        )
        self.user_features_, self.item_features_ = of_users.vectors, of_items.vectors
        self.user_gram_ = self.unobserved * als.gram(items) + of_users.gram()
        self.item_gram_ = self.unobserved * als.gram(users) + of_items.gram()
        self.spread_ = als.gram(users, weights[0])
        met = weights[1] > 0
        self.item_factors_ = np.where(met[:, None], items, np.float32(np.nan))
        cold = np.flatnonzero(~met & (np.diff(told[1].indptr) > 0))
        if len(cold):
            self.item_factors_[cold] = of_items.alone(of_items.right(some_rows(told[1], cold)))

    def _told(self, queries: Queries) -> CSR:
        """Return queries x features of who asks."""
        encoder = Encoder(self.user_encoder_)
        return encoded(encoder, queries.user_features, len(queries))

    def _people(self, queries: Queries) -> NDArray[np.float64]:
        """Return (q, f) the vectors of who asks; NaN for those of whom nothing is known."""
        return self._read(queries)[0]

    def _read(
        self, queries: Queries, kept: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], CSR, CSR]:
        """Return ``_people``, what their histories weigh, and queries x features of theirs.

        ``kept`` is as of ``als_exact.fold_in``.
        """
        x = self._evidence(queries)
        if not self.user_columns:
            vectors = self._folded(x, kept=kept)
            vectors[np.diff(x.indptr) == 0] = np.nan
            return vectors, x, CSR.empty((len(queries), 0))
        told, by = self._told(queries), self._sharing(self.user_features_)
        right = by.right(told)
        vectors = self._folded(x, right, kept)
        strange = np.flatnonzero(np.diff(x.indptr) == 0)
        if len(strange):
            vectors[strange] = by.alone(right[strange])
            vectors[strange[np.diff(told.indptr)[strange] == 0]] = np.nan
        return vectors, x, told

    def _sharing(self, features: Vectors) -> Sharing:
        return sharing(features, weight=self.feature_weight, l2=self.l2, nu=self.nu)

    def _ridge(self, weights: NDArray[np.float64], others: int) -> NDArray[np.float64]:
        """Return the penalty on vectors, from what was met in all and how many might have been."""
        unmet = self.unobserved * others if self.frequency == "all" else 0.0
        return als.ridge(weights + unmet, l2=self.l2, nu=self.nu)

    def _folded(
        self,
        x: CSR,
        right: NDArray[Any] | None = None,
        kept: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return (q, f), solved for from what the histories weigh."""
        ridge = self._ridge(als.row_sums(x), int(self.sizes_[1]))
        return als_exact.fold_in(
            x, self.item_factors_, self.user_gram_, ridge, right=right, kept=kept
        )

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each item of the history adds something.

        The asker's vector is A^-1 times the sum of w_j y_j over the history, so the score is the
        sum of w_j y_j . A^-1 y_i: each item adds its weight times its likeness to item i, as this
        asker's A sees it (Hu, Koren and Volinsky 2008, section 5). A depends on the whole history;
        a share is what an item adds given the others.
        """
        y, f = self.item_factors_, self.item_factors_.shape[1]
        few = len(queries) * f**2 <= KEPT
        factors = np.empty((len(queries) if few else 0, f, f))
        people, x, told = self._read(queries, factors if few else None)

        def tell(row: int, asked: Codes) -> Told:
            mine, features = x.rows(row, row + 1), told.rows(row, row + 1)
            right = y[asked].astype(np.float64)
            base = np.full(len(asked), 0.0 if mine.nnz or features.nnz else np.nan)
            if mine.nnz:
                through = als_exact.through(factors[row] if few else self._factor(mine), right)
            else:
                through = self._sharing(self.user_features_).alone(right)
            amounts = als_exact.products_with(through, y, mine.indices) * mine.data
            if not features.nnz:
                return Told.of(mine.indices, amounts, base)
            names, by = Encoder(self.user_encoder_).names, self._sharing(self.user_features_)
            others = through @ by.vectors[features.indices].T * (by.weight * features.data)
            own = features_named(names[k] for k in features.indices)
            return Told(base, mine.indices, amounts, own, others)

        return Answered(self._products(people, items), tell)

    def _factor(self, x: CSR) -> NDArray[np.float64]:
        """Return (f, f), whose lower triangle is the Cholesky factor of one history's A."""
        kept = np.empty((1, *self.user_gram_.shape))
        self._folded(x, kept=kept)
        factor: NDArray[np.float64] = kept[0]
        return factor

    @property
    def counts(self) -> bool:
        """Learning in two steps is near, but not the same as, one fit on everything."""
        return False

    def updated(self, data: Dataset, queries: Queries, fresh: NDArray[np.int64]) -> Self:
        """Return a new model that also learned the last ``fresh[r]`` events of row r.

        Items that were met anew get better vectors from the vectors of those who met them, while
        what was known of them counts on (``factor_updates.improved`` has the formula); new items
        get their first. People are folded in with the better items, and all is done once more.
        Items of ``data`` that nobody met are known by their features, if columns are read. Nothing
        is stored of people: whoever is new is answered by any model.

        What many events would change as a whole stays as it is: use ``refitted`` from time to time.

        Raises
        ------
        BadParameter : ``fresh`` is not a number of events for each row.
        Incompatible : the model was made of vectors alone (``from_factors``), which say nothing of
            how items were met.
        """
        training = self._trained()
        if not self.sizes_[0]:
            raise Incompatible(
                f"{self.name}.from_factors knows nothing of the people its vectors were learned "
                "from, which an update needs: fit on data instead"
            )
        told = New.of(queries, fresh, training.items.extended(data.items.values))
        model = type(self)(**settings(self))
        for name, value in self._learned():
            setattr(model, name, value)
        users = training.users.extended(data.users.values)
        model.training_ = told.remembered(training, users, data)
        with threadpool_limits(1, "blas"):
            model._take_up(told, data)
        model._seal()
        return model

    def _take_up(self, told: New, data: Dataset) -> None:
        """Learn new events, given what was learned before them."""
        fresh = self.training_.feedback.weigh(told.events, len(told.items), told.queries.now)
        by_item = fresh.transposed()
        met = np.flatnonzero(np.diff(by_item.indptr))
        events = some_rows(by_item, met)
        self.item_factors_ = lengthened(self.item_factors_, len(told.items), np.nan)
        self.item_weights_ = lengthened(self.item_weights_, len(told.items), 0)
        had = self.item_weights_[met]
        old = np.where(had[:, None] > 0, self.item_factors_[met], np.float32(0))
        right = np.zeros(old.shape)
        if self.item_columns:
            by = self._sharing(self.item_features_)
            right[had == 0] = by.right(self._item_rows(data, met[had == 0]))
            cold = np.flatnonzero(np.isnan(self.item_factors_[:, 0]))
            features = self._item_rows(data, cold)
            known = np.diff(features.indptr) > 0
            self.item_factors_[cold[known]] = by.alone(by.right(features))[known]
        self.item_weights_[met] += als.row_sums(events)
        ridge = self._ridge(self.item_weights_[met], int(self.sizes_[0]))
        before = Before(old, had, ridge, right)
        spread = self.spread_ / (self.item_weights_.sum() - events.data.sum(dtype=np.float64))
        others = self.user_gram_ - self.unobserved * als.gram(old)
        for _ in range(ROUNDS):
            people = np.nan_to_num(self._people(told.queries)).astype(np.float32)
            better = improved(before, events, people, self.item_gram_, spread)
            self.item_factors_[met] = better
            self.user_gram_ = others + self.unobserved * als.gram(better)
        self.item_gram_ = self.item_gram_ + self.unobserved * als.gram(people[told.newcomers])
        self.spread_ = self.spread_ + als.gram(people, als.row_sums(fresh))
        newcomers = np.count_nonzero(np.diff(fresh.indptr)[told.newcomers])
        self.sizes_ = np.array([self.sizes_[0] + newcomers, np.count_nonzero(self.item_weights_)])

    def _item_rows(self, data: Dataset, items: NDArray[np.int64]) -> CSR:
        """Return items x features of some items, as the table of ``data`` describes them."""
        encoder, at = Encoder(self.item_encoder_), self.training_.items.recoding(data.items)
        rows = pl.Series(items if at is None else at[items])
        table = data.item_table
        if table is not None:
            table = table.select(pl.all().gather(rows.replace(-1, None)))
        return encoded(encoder, table, len(items))

    def refitted(
        self,
        data: Dataset,
        *,
        epochs: int = 3,
        rng: int | np.random.Generator | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Return a new model, fitted on ``data``, starting from this one's item vectors.

        ``fit`` always starts from scratch. A start that is near saves most epochs where the data
        grew by a part; items this model does not know begin at 0.

        Parameters
        ----------
        epochs : times that users and items are each solved for, in place of the field's.
        rng, on_epoch : as of ``fit``.

        Raises
        ------
        BadParameter : no epoch; a ``rng`` that is none.
        """
        training = self._trained()
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 1:
            raise BadParameter(f"epochs must be a whole number of at least 1, got {epochs!r}")
        generator = seeded(rng)
        seed = None if isinstance(rng, np.random.Generator) else int(rng or 0)
        model = type(self)(**settings(self))
        model.training_ = Training.of(data, seed)
        at = data.items.recoding(training.items)
        start = self.item_factors_
        if at is not None:
            start = np.where(at[:, None] >= 0, start[at], np.float32(np.nan))
        model._learn(data, generator, on_epoch, epochs, start)
        model._seal()
        return model
