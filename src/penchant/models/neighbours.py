"""Nearest neighbours, of items and of people, to rank and to predict ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.explanations import Explanation, Share
from penchant.kernels import neighbours as of_ratings
from penchant.kernels import similarity as of_weights
from penchant.kernels.biases import fit_biases, shrunk_means
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_sparse
from penchant.models.ratings import ratings_of, residuals
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import (
    Codes,
    OnEpoch,
    Recommender,
    Scores,
    Training,
    alike,
    column_scores,
)

Target = Literal["rank", "rating"]
Similarity = Literal[
    "cosine", "dot", "jaccard", "dice", "adjusted_cosine", "pearson", "pearson_baseline"
]
Weighting = Literal["none", "tf_idf", "bm25"]
Bias = NDArray[np.float32]

FOR_RATINGS = ("pearson_baseline", "pearson", "adjusted_cosine", "cosine")
ITEM_PENALTY, USER_PENALTY, EPOCHS = 10.0, 15.0, 10
"""Of the biases that predicted ratings start from: Surprise's, and the defaults of ``Biases``."""


@dataclass(kw_only=True)
class ItemKNN(Recommender):
    """An item's score comes from the items most like it in the asker's history.

    To rank, ``sum over j in N(i) of w(j) s(i, j)``, where w is what the history weighs and N(i) are
    the ``k`` items most like i (Deshpande and Karypis, "Item-Based Top-N Recommendation
    Algorithms", TOIS 2004). The similarities are those of `penchant.kernels.similarity`.

    For ratings, ``b(i) + sum s(i, j) (r(j) - b(j)) / sum s(i, j)`` over the ``k`` items most like i
    that the asker rated, with b the baseline of ``Biases`` (Koren, "Factor in the Neighbors", TKDD
    2010, eq. 2 to 4; ``KNNBaseline`` of the library Surprise). The similarities are those of
    `penchant.kernels.neighbours`; of each item, the ``keep`` best are stored.

    Reads the history and its values. Without evidence, ranking is NaN and ratings are baselines.
    Items that nobody met are NaN.

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

    target: Target = hyper("rank", "rank: an order of items; rating: predicted ratings")
    similarity: Similarity | None = hyper(
        None, "what alike means; to rank: cosine (default), dot, jaccard, dice; for ratings: "
        "pearson_baseline (default), pearson, adjusted_cosine, cosine",
    )  # fmt: skip
    k: int | None = hyper(
        None, "neighbours that count; default: 100 items to rank, 40 for ratings",
        at_least=1, search=(10, 400), log=True,
    )  # fmt: skip
    shrinkage: float | None = hyper(
        None, "pulls poorly supported similarities to 0; default: 10 to rank, 100 for ratings",
        at_least=0, search=(0, 200),
    )  # fmt: skip
    weighting: Weighting = hyper(
        "none", "weigh evidence by its rarity before comparing, to rank; bm25 wants dot"
    )
    keep: int = hyper(500, "neighbours to store of each item, for ratings", at_least=1)

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

    def _settings(self) -> _Settings:
        return _settings(self, usual_k=100)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        how = self._settings()
        if self.target == "rating":
            ratings = ratings_of(data, self)
            self.base_, left = _baselines(ratings)
            means = shrunk_means(ratings.transposed(), 0.0)
            compared = _compared("items", how.similarity, ratings, left, means).transposed()
            self.neighbours_ = of_ratings.nearest(compared, k=self.keep, shrinkage=how.shrinkage)
        else:
            rows = _evidence(data, self).transposed()
            weighed = _weighed(rows, rows, self.weighting)
            near = of_weights.neighbours(weighed, weighed.transposed(), *how)
            # Row j: the items that j speaks for, so that a history reads only its own rows.
            self.weights_ = near.transposed()
            self.met_ = np.diff(rows.indptr) > 0

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        if self.target == "rating":
            asked = _asked(items, len(self.base_))
            left, bias = _left(self.training_, queries, self.base_)
            pull = of_ratings.from_items(left, asked, self.neighbours_, self._settings().k)
            return _with_baselines(pull, asked, self.base_, bias)
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        return column_scores(_known(sparse_sparse(x, self.weights_), x, self.met_), items)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: what each similar item of the history adds.

        To rank, its weight times its similarity; for ratings, its part in the weighted mean of
        residuals, which comes on top of the baseline.
        """
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        if self.target == "rating":
            left, bias = _left(self._trained(), own, self.base_)
            base = float(self.base_[mine]) + float(bias[0])
            history, amounts = self._pulls(left, mine)
        else:
            base = 0.0
            x = self.training_.feedback.weigh(own.histories, len(own.items), own.now)
            rows = [self.weights_.rows(j, j + 1) for j in x.indices]
            history = x.indices
            amounts = x.data * np.array([row.data[row.indices == mine].sum() for row in rows])
        ids = own.items.decode(history)
        shares = [Share("history", i, float(a)) for i, a in zip(ids, amounts, strict=True) if a]
        return self._explained(query, item, base, shares, score)

    def _pulls(self, left: CSR, item: int) -> tuple[Codes, NDArray[np.float64]]:
        """Return the rated items that an item's rating is predicted from, and what each adds."""
        near = self.neighbours_.rows(item, item + 1)
        _, at, there = np.intersect1d(left.indices, near.indices, return_indices=True)
        best = np.argsort(-near.data[there], kind="stable")[: self._settings().k]
        at, weights = at[best], near.data[there[best]].astype(np.float64)
        return left.indices[at], weights * left.data[at] / weights.sum()

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
class UserKNN(Recommender):
    """An item's score comes from the people most like the asker who met it.

    To rank, ``sum over v in N(u) of s(u, v) w(v, i)``, where N(u) are the ``k`` people most like
    the asker and w is what their events weigh (Sarwar et al., "Analysis of Recommendation
    Algorithms for E-Commerce", EC 2000).

    For ratings, ``b(u, i) + sum s(u, v) (r(v, i) - b(v, i)) / sum s(u, v)`` over the ``k`` people
    most like the asker who rated i, with b the baseline of ``Biases`` (Herlocker et al., "An
    Algorithmic Framework for Performing Collaborative Filtering", SIGIR 1999, with Koren's
    baselines; ``KNNBaseline`` of the library Surprise, by users).

    Similarities are as in ``ItemKNN``, and are computed when somebody asks: strangers are answered
    like anyone else. The model holds everyone's evidence, without their ids and in no order of
    theirs. Who was met in training is also their own neighbour, which adds nothing to items they
    have not met.

    Reads the history and its values. Without evidence, ranking is NaN and ratings are baselines.
    Items that nobody met are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.UserKNN(k=30).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    target: Target = hyper("rank", "rank: an order of items; rating: predicted ratings")
    similarity: Similarity | None = hyper(
        None, "what alike means; to rank: cosine (default), dot, jaccard, dice; for ratings: "
        "pearson_baseline (default), pearson, adjusted_cosine, cosine",
    )  # fmt: skip
    k: int | None = hyper(
        None, "neighbours that count; default: 50 people to rank, 40 for ratings",
        at_least=1, search=(10, 400), log=True,
    )  # fmt: skip
    shrinkage: float | None = hyper(
        None, "pulls poorly supported similarities to 0; default: 10 to rank, 100 for ratings",
        at_least=0, search=(0, 200),
    )  # fmt: skip
    weighting: Weighting = hyper(
        "none", "weigh evidence by its rarity before comparing, to rank; bm25 wants dot"
    )

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

    def _settings(self) -> _Settings:
        return _settings(self, usual_k=50)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        how = self._settings()
        if self.target == "rating":
            ratings = ratings_of(data, self).by_content()
            self.base_, left = _baselines(ratings)
            self.means_ = shrunk_means(ratings.transposed(), 0.0)
            compared = _compared("people", how.similarity, ratings, left, self.means_)
            self.raters_ = compared.transposed()
            self.residuals_ = left.transposed().data
        else:
            self.rows_ = _evidence(data, self).by_content()
            weighed = _weighed(self.rows_, self.rows_, self.weighting)
            self.columns_ = weighed.transposed()
            self.sizes_ = of_weights.sizes(weighed, how.similarity)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        how = self._settings()
        if self.target == "rating":
            asked = _asked(items, len(self.base_))
            left, bias = _left(self.training_, queries, self.base_)
            rated = left.data + self.base_[left.indices] + bias[left.row_numbers()]
            ratings = replace(left, data=rated)
            compared = _compared("people", how.similarity, ratings, left, self.means_)
            pull = of_ratings.from_people(
                compared, asked, self.raters_, self.residuals_, shrinkage=how.shrinkage, k=how.k
            )
            return _with_baselines(pull, asked, self.base_, bias)
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        weighed = _weighed(x, self.rows_, self.weighting)
        near = of_weights.nearest_to(weighed, self.columns_, self.sizes_, *how)
        met = np.diff(self.columns_.indptr) > 0
        return column_scores(_known(sparse_sparse(near, self.rows_), x, met), items)


class _Settings(NamedTuple):
    """Hyper-parameters with the defaults of their target filled in."""

    k: int
    similarity: Any
    shrinkage: float


def _settings(model: ItemKNN | UserKNN, usual_k: int) -> _Settings:
    """Return what counts for the model's target.

    Raises
    ------
    BadParameter : a similarity or a weighting that the target cannot use.
    """
    predicts = model.target == "rating"
    allowed = FOR_RATINGS if predicts else get_args(of_weights.Measure)
    similarity = model.similarity or ("pearson_baseline" if predicts else "cosine")
    if similarity not in allowed:
        raise BadParameter(
            f"{model.name}.similarity must be one of {', '.join(allowed)} where target is "
            f"{model.target!r}, got {similarity!r}"
        )
    if predicts and model.weighting != "none":
        raise BadParameter(
            f"{model.name}.weighting must be 'none' where target is 'rating', "
            f"got {model.weighting!r}: ratings are compared as they are"
        )
    shrinkage = model.shrinkage
    if shrinkage is None:
        shrinkage = 100.0 if predicts else 10.0
    return _Settings(model.k or (40 if predicts else usual_k), similarity, shrinkage)


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


def _known(scores: Scores, x: CSR, met: NDArray[np.bool_]) -> Scores:
    """Put NaN where an item was never met, and where a history holds none that was."""
    says = np.bincount(x.row_numbers(), met[x.indices], x.shape[0])
    scores[says == 0] = np.nan
    scores[:, ~met] = np.nan
    return scores


def _baselines(ratings: CSR) -> tuple[Bias, CSR]:
    """Return mean plus bias of each item, and the ratings less that and less people's biases."""
    mean, item_bias, user_bias = fit_biases(
        ratings, item_penalty=ITEM_PENALTY, user_penalty=USER_PENALTY, epochs=EPOCHS
    )
    base = mean + item_bias
    left = ratings.data - base[ratings.indices] - user_bias[ratings.row_numbers()]
    return base.astype(np.float32), replace(ratings, data=left.astype(np.float32))


def _left(training: Training, queries: Queries, base: Bias) -> tuple[CSR, Bias]:
    """Return the askers' ratings less their baselines, and the askers' biases."""
    left = residuals(training, queries, base)
    bias = shrunk_means(left, USER_PENALTY).astype(np.float32)
    return replace(left, data=left.data - bias[left.row_numbers()]), bias


def _compared(
    what: Literal["items", "people"],
    similarity: Similarity,
    ratings: CSR,
    left: CSR,
    item_means: NDArray[np.float64],
) -> CSR:
    """Return people x items: the values whose cosine, over common columns, is the similarity.

    Pearson takes from ratings the mean of what is compared; adjusted cosine that of the other side
    (Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001,
    section 3.1, where items are compared); pearson_baseline both, as ``left`` has it.
    """
    if similarity == "pearson_baseline":
        return left
    if similarity == "cosine":
        return ratings
    if (similarity == "pearson") == (what == "items"):
        centre = item_means[ratings.indices]
    else:
        centre = shrunk_means(ratings, 0.0)[ratings.row_numbers()]
    return replace(ratings, data=(ratings.data - centre).astype(np.float32))


def _asked(items: Codes | None, n_items: int) -> Codes:
    """Return the item codes asked for, (1, n) if they are the same for everyone."""
    every = np.arange(n_items, dtype=np.int32) if items is None else items
    return np.ascontiguousarray(every if every.ndim == 2 else every[None])


def _with_baselines(pull: Scores, asked: Codes, base: Bias, bias: Bias) -> Scores:
    """Return ratings: baselines plus what neighbours add."""
    usual = np.where(asked >= 0, base[asked], np.float32(np.nan))
    scores: Scores = pull + usual + bias[:, None]
    return scores
