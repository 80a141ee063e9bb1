"""Nearest neighbours, of items and of people, to rank and to predict ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.explanations import Told
from penchant.kernels import neighbours as of_ratings
from penchant.kernels import similarity as of_weights
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_sparse
from penchant.models.item_weights import Sparse, by_weights, silenced
from penchant.models.rating_neighbours import (
    SIMILARITIES,
    USUAL_SHRINKAGE,
    Form,
    Usual,
    compared_centre,
    compared_values,
    normalised,
    overall,
    plain,
    predicted,
    usual_items,
    usual_people,
)
from penchant.models.ratings import less, ratings_of
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, OnEpoch, Recommender, Scores, alike, column_scores
from penchant.training import Training

Target = Literal["rank", "rating"]
Similarity = Literal[
    "cosine", "asymmetric", "tversky", "jaccard", "dice", "dot", "adjusted_cosine", "msd",
    "pearson", "pearson_baseline",
]  # fmt: skip
Weighting = Literal["none", "tf_idf", "bm25"]


class _Settings(NamedTuple):
    """Hyper-parameters with the defaults of their target filled in."""

    k: int
    similarity: Any
    shrinkage: float
    weighting: Weighting


@dataclass(kw_only=True)
class _Neighbours(Recommender):
    """What neighbours among items and among people have in common."""

    target: Target = hyper("rank", "rank: an order of items; rating: predicted ratings")
    similarity: Similarity | None = hyper(
        None, "what alike means; to rank: asymmetric (default by items), dot (by people), cosine, "
        "tversky, jaccard, dice; for ratings: pearson_baseline (default), pearson, "
        "adjusted_cosine, cosine, msd",
    )  # fmt: skip
    alpha: float = hyper(
        0.6, "asymmetric, tversky: how much it tells against a neighbour to have much besides",
        at_least=0, at_most=2, search=(0.4, 1.0), when="_uses_alpha",
    )  # fmt: skip
    beta: float = hyper(
        0.4, "tversky: the same of the item or the person whose neighbours are looked for",
        at_least=0, at_most=2, search=(0.0, 1.0), when="_uses_beta",
    )  # fmt: skip
    k: int | None = hyper(
        None, "neighbours that count; default: 100 items or 75 people to rank, 40 for ratings",
        at_least=1, search=(10, 400), log=True,
    )  # fmt: skip
    shrinkage: float | None = hyper(
        None, "pulls poorly supported similarities to 0; default: 10 to rank; for ratings 100, "
        "with msd 10, with cosine 0",
        at_least=0, search=(0, 200),
    )  # fmt: skip
    weighting: Weighting | None = hyper(
        None, "to rank, weigh evidence before comparing, rare more: tf_idf (default by items), "
        "bm25 (by people), none",
    )  # fmt: skip
    form: Form = hyper(
        "baseline", "for ratings, what the mean of the neighbours is a mean of: basic: ratings; "
        "means, z_score, baseline: how they differ from what is usual",
    )  # fmt: skip
    min_support: int = hyper(
        1, "common ratings below which two are not alike, for ratings", at_least=1
    )
    min_k: int = hyper(1, "neighbours below which the usual is predicted, for ratings", at_least=1)
    _usual: ClassVar[tuple[int, of_weights.Measure, Weighting]]

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        self._settings()

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    @property
    def scores(self) -> str:
        """The ``target``."""
        return self.target

    @property
    def _uses_alpha(self) -> bool:
        ranks = self.target == "rank"
        return ranks and self._settings().similarity in ("asymmetric", "tversky")

    @property
    def _uses_beta(self) -> bool:
        return self.similarity == "tversky"

    def _settings(self) -> _Settings:
        """Return what counts for the target.

        Raises
        ------
        BadParameter : a value that the target cannot use.
        """
        predicts = self.target == "rating"
        allowed = SIMILARITIES if predicts else get_args(of_weights.Measure)
        usual_k, usual_similarity, usual_weighting = self._usual
        similarity = self.similarity or ("pearson_baseline" if predicts else usual_similarity)
        if similarity not in allowed:
            raise BadParameter(
                f"{self.name}.similarity must be one of {', '.join(allowed)} where target is "
                f"{self.target!r}, got {similarity!r}"
            )
        ranks, rates = ("weighting", "alpha", "beta"), ("form", "min_support", "min_k")
        for field in ranks if predicts else rates:
            value, usual = getattr(self, field), getattr(_Neighbours, field)
            if value != usual:
                raise BadParameter(
                    f"{self.name}.{field} must be {usual!r} where target is {self.target!r}, got "
                    f"{value!r}: it is for target {'rank' if predicts else 'rating'!r}"
                )
        if similarity == "asymmetric" and self.alpha > 1:
            raise BadParameter(
                f"{self.name}.alpha must be at most 1 where similarity is 'asymmetric', got "
                f"{self.alpha!r}"
            )
        k = self.k or (40 if predicts else usual_k)
        if self.min_k > k:
            raise BadParameter(f"{self.name}.min_k must be at most k, got {self.min_k} with k={k}")
        shrinkage, weighting = self.shrinkage, self.weighting or usual_weighting
        if shrinkage is None:
            shrinkage = USUAL_SHRINKAGE.get(similarity, 100.0) if predicts else 10.0
        return _Settings(k, similarity, shrinkage, weighting)

    def _alike_to_rank(self, unit: NDArray[np.float64]) -> of_weights.Alike:
        """Return what alike means for ranking, with the shrinkage in units of weighed evidence."""
        _, similarity, shrinkage, _ = self._settings()
        alike = of_weights.Alike(similarity, shrinkage, self.alpha, self.beta)
        return alike if alike.counts else alike._replace(shrinkage=shrinkage * unit.item())

    def _alike(self) -> of_ratings.Alike:
        """Return what alike means for ratings."""
        _, similarity, shrinkage, _ = self._settings()
        own = similarity in get_args(of_ratings.Measure)  # the others are cosines of what is left
        return of_ratings.Alike(similarity if own else "cosine", shrinkage, self.min_support)


@dataclass(kw_only=True)
class ItemKNN(_Neighbours):
    """An item's score comes from the items most like it in the asker's history.

    To rank, ``sum over j in N(i) of w(j) s(i, j)``, where w is what the history weighs and N(i) are
    the ``k`` items most like i (Deshpande and Karypis, "Item-Based Top-N Recommendation
    Algorithms", TOIS 2004). The similarities are those of `penchant.kernels.similarity`.

    For ratings, a mean over the ``k`` items most like i that the asker rated, weighted by
    ``s(i, j)``. The ``form`` says of what; m, d and b are the mean, the standard deviation and the
    baseline (``Biases``) of an item's ratings, and ``mean`` is ``sum s(i, j) x / sum s(i, j)``:

    - ``basic``: ``mean of r(j)`` (Surprise's ``KNNBasic``)
    - ``means``: ``m(i) + mean of r(j) - m(j)`` (``KNNWithMeans``)
    - ``z_score``: ``m(i) + d(i) mean of (r(j) - m(j)) / d(j)`` (``KNNWithZScore``)
    - ``baseline``: ``b(i) + mean of r(j) - b(j)`` (``KNNBaseline``; Koren, "Factor in the
      Neighbors", TKDD 2010, eq. 2 to 4)

    The similarities are those of `penchant.kernels.neighbours`; of each item, the ``keep`` best are
    stored. With fewer than ``min_k`` neighbours the mean adds nothing; the mean of all ratings is
    then what ``basic`` predicts.

    Reads the history and its values. Without evidence, ranking is NaN and a rating what is usual:
    b, m, or the mean of all ratings. Items that nobody met are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.ItemKNN().fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    >>> pt.ItemKNN(target="rating").fit(data).scores
    'rating'
    """

    keep: int | None = hyper(
        None, "neighbours to store of each item, for ratings; default: 500, all with shrinkage 0",
        at_least=1,
    )  # fmt: skip
    _usual = (100, "asymmetric", "tf_idf")

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        how = self._settings()
        if self.target == "rating":
            ratings = ratings_of(data, self)
            self.overall_ = overall(ratings)
            self.centre_, self.spread_ = usual_items(self.form, "items", ratings, self.overall_)
            base = self.centre_ if self.form == "baseline" else None
            centre = compared_centre(how.similarity, "items", ratings, base)
            compared = compared_values(how.similarity, "items", ratings, centre).transposed()
            # Of what is not shrunk, pairs with next to nothing in common are the most alike.
            keep = self.keep or (500 if how.shrinkage > 0 else len(data.items))
            self.neighbours_ = of_ratings.nearest(compared, k=keep, how=self._alike())
        else:
            rows = _evidence(data, self).transposed()
            weighed = _weighed(rows, rows, how.weighting)
            self.unit_ = _unit(rows, weighed)
            # Row j: the items that j speaks for, so that a history reads only its own rows.
            self.weights_ = of_weights.neighbours(weighed, how.k, self._alike_to_rank(self.unit_))
            self.met_ = np.diff(rows.indptr) > 0

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each similar item of the history adds something.

        To rank, its weight times its similarity; for ratings, its part in the weighted mean, which
        comes on top of what is usual for the item (with ``basic``, of the mean of all ratings).
        """
        if self.target == "rating":
            return self._answer_ratings(queries, items)
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        weights = Sparse(self.weights_, self.met_)
        scores = weights.scores(x)
        return Answered(column_scores(scores, items), by_weights(x, scores, weights.to_items))

    def _answer_ratings(self, queries: Queries, items: Codes | None) -> Answered:
        asked = _asked(items, len(self.centre_))
        values, usual, people = self._rated(queries)
        means = of_ratings.from_items(
            values, asked, self.neighbours_, k=self._settings().k, least=self.min_k
        )

        def tell(row: int, asked: Codes) -> Told:
            mine = values.rows(row, row + 1)
            base = usual.centre[asked].astype(np.float64) + float(people.centre[row])
            amounts = np.zeros((len(asked), mine.nnz))
            for adds, item in zip(amounts, asked, strict=True):
                at, pulls = self._pulls(mine, item)
                adds[at] = pulls * float(usual.spread[item])
            return Told.of(mine.indices, amounts, base)

        return Answered(predicted(means, asked, usual, people), tell)

    def _rated(self, queries: Queries) -> tuple[CSR, Usual, Usual]:
        """Return the askers' normalised ratings, and what is usual for items and askers."""
        usual = Usual(self.centre_, self.spread_)
        ratings = _known_ratings(self.training_, queries, self.centre_)
        people = usual_people(self.form, "items", ratings, self.centre_, self.overall_)
        return normalised(ratings, usual, people), usual, people

    def _pulls(self, values: CSR, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return which ratings an item's is predicted from, and what each adds."""
        near = self.neighbours_.rows(item, item + 1)
        _, at, there = np.intersect1d(values.indices, near.indices, return_indices=True)
        best = np.argsort(-near.data[there], kind="stable")[: self._settings().k]
        best = best if len(best) >= self.min_k else best[:0]
        at, weights = at[best], near.data[there[best]].astype(np.float64)
        return at, weights * values.data[at] / weights.sum()

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items most like each of some item ids."""
        training = self._trained()
        near = self.neighbours_ if self.target == "rating" else self.weights_.transposed()

        def similarities(codes: Codes) -> Scores:
            out = np.full((len(codes), len(training.items)), np.nan, np.float32)
            for row, code in zip(out, codes, strict=True):
                its = near.rows(code, code + 1)
                row[its.indices] = its.data
            return out

        return alike(training, items, k, similarities, self.name)


@dataclass(kw_only=True)
class UserKNN(_Neighbours):
    """An item's score comes from the people most like the asker who met it.

    To rank, ``sum over v in N(u) of s(u, v) w(v, i)``, where N(u) are the ``k`` people most like
    the asker and w is what their events weigh (Sarwar et al., "Analysis of Recommendation
    Algorithms for E-Commerce", EC 2000).

    For ratings, a mean over the ``k`` people most like the asker who rated i, weighted by
    ``s(u, v)``, in the forms of ``ItemKNN`` with people's m, d and b: ``means`` is
    ``m(u) + mean of r(v, i) - m(v)``, and so on (Herlocker et al., "An Algorithmic Framework for
    Performing Collaborative Filtering", SIGIR 1999; Surprise's neighbours by users).

    Similarities are as in ``ItemKNN``, and are computed when somebody asks: strangers are answered
    like anyone else. The model holds everyone's evidence, without their ids and in no order of
    theirs. Who was met in training is also their own neighbour, which adds nothing to items they
    have not met.

    Reads the history and its values. Without evidence, ranking is NaN and a rating what is usual:
    b, m, or the mean of all ratings. Items that nobody met are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.UserKNN(k=30).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    _usual = (75, "dot", "bm25")

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        how = self._settings()
        if self.target == "rating":
            ratings = ratings_of(data, self).by_content()
            self.overall_ = overall(ratings)
            usual = usual_items(self.form, "people", ratings, self.overall_)
            self.centre_ = usual.centre
            people = usual_people(self.form, "people", ratings, self.centre_, self.overall_)
            self.values_ = normalised(ratings, usual, people).transposed().data
            base = self.centre_ if self.form == "baseline" else None
            self.compared_ = compared_centre(how.similarity, "people", ratings, base)
            compared = compared_values(how.similarity, "people", ratings, self.compared_)
            self.raters_ = compared.transposed()
        else:
            self.rows_ = _evidence(data, self).by_content()
            weighed = _weighed(self.rows_, self.rows_, how.weighting)
            self.unit_ = _unit(self.rows_, weighed)
            self.columns_ = weighed.transposed()
            self.sizes_ = of_weights.sizes(weighed, how.similarity)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        how = self._settings()
        if self.target == "rating":
            asked = _asked(items, len(self.centre_))
            ratings = _known_ratings(self.training_, queries, self.centre_)
            people = usual_people(self.form, "people", ratings, self.centre_, self.overall_)
            means = of_ratings.from_people(
                compared_values(how.similarity, "people", ratings, self.compared_),
                asked, self.raters_, self.values_, how=self._alike(), k=how.k, least=self.min_k,
            )  # fmt: skip
            return predicted(means, asked, plain(self.centre_), people)
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        weighed = _weighed(x, self.rows_, how.weighting)
        alike = self._alike_to_rank(self.unit_)
        near = of_weights.nearest_to(weighed, self.columns_, self.sizes_, how.k, alike)
        met = np.diff(self.columns_.indptr) > 0
        return column_scores(silenced(sparse_sparse(near, self.rows_), x, met), items)


def _evidence(data: Dataset, model: Recommender) -> CSR:
    """Return users x items weights to learn from, of which there are some."""
    weights = data.weights()
    if not weights.nnz:
        raise BadEvents(f"{model.name} needs at least one interaction that weighs something")
    return weights


def _weighed(rows: CSR, like: CSR, weighting: Weighting) -> CSR:
    """Weigh rows by the rarity of their columns in ``like``."""
    if weighting == "tf_idf":
        return of_weights.tf_idf(rows, like)
    return of_weights.bm25(rows, like=like) if weighting == "bm25" else rows


def _unit(rows: CSR, weighed: CSR) -> NDArray[np.float64]:
    """Return (1,): how much larger weighing made squares, so that a shrinkage means the same."""
    raw, now = (
        np.square(one.data, dtype=np.float64).mean(keepdims=True) for one in (rows, weighed)
    )
    unit: NDArray[np.float64] = now / raw
    return unit


def _known_ratings(training: Training, queries: Queries, centre: NDArray[np.float32]) -> CSR:
    """Return askers x items: their last ratings, of items that somebody rated in training."""
    ratings = training.feedback.ratings(queries.histories, len(queries.items))
    return less(ratings, np.where(np.isnan(centre), centre, np.float32(0)))


def _asked(items: Codes | None, n_items: int) -> Codes:
    """Return the item codes asked for, (1, n) if they are the same for everyone."""
    every = np.arange(n_items, dtype=np.int32) if items is None else items
    return np.ascontiguousarray(every if every.ndim == 2 else every[None])
