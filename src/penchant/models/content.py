"""ContentBased: what an item is like, against what a person went for or says they like."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told, features_named
from penchant.features import Encoder, Weighting, find
from penchant.ids import IdMap
from penchant.kernels.csr import CSR, stretches
from penchant.kernels.products import sparse_sparse
from penchant.kernels.profiles import agreement, likings
from penchant.models.onboarding import taken_up
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, OnEpoch, Recommender, Scores, alike, column_scores

Vector = NDArray[np.float64]


@dataclass(kw_only=True)
class ContentBased(Recommender):
    """Score an item by how like it is to a profile of the person, in features of its description.

    Row x_i of item i holds its features (``penchant.features.Encoder``): TF-IDF of text, and
    vectors as they are. It has length 1, or less if some column says nothing of it: little known,
    little liked. With the weights w_j of a history and the weights v_f a person gives to features
    (their tastes),

        h = sum_j w_j x_j          t = sum_f v_f e_f
        p = h / |h| + tastes * t / |t|
        score(i) = p . x_i / |p|

    which is Rocchio's profile without its negative part (Lops, de Gemmis and Semeraro, Recommender
    Systems Handbook 2011, chapter 3) and, for an item described in every column, the cosine.

    Reads the history with its values, and the tastes. Answers for every item that the item table
    describes, met or not, and for new ones (``with_items``); other items are NaN, and so is
    everything for a person of whom nothing is known.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.ContentBased().fit(data)
    >>> asked = data.queries(tastes=[{"Sci-Fi": 1}])
    >>> model.recommend(asked, k=2).to_frame()["genres"].to_list()
    ['Sci-Fi', 'Sci-Fi']
    """

    columns: Mapping[str, float] | None = hyper(
        None, "columns of the item table and their weights; by default all text and vectors, alike"
    )
    weighting: Weighting = hyper("tfidf", "what a word or value weighs in an item")
    ngrams: int = hyper(1, "longest run of words that is a feature", at_least=1, search=(1, 3))
    tastes: float = hyper(1.0, "weight of named tastes against the history", above=0)

    @property
    def reads(self) -> frozenset[str]:
        """The history, what was recorded in it, and the tastes."""
        return frozenset({"history", "values", "tastes"})

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        table = data.item_table
        if table is None:
            raise BadEvents("ContentBased needs a table of items: pass items= with the events")
        columns = self.columns
        if columns is None:
            table = table.drop([c for c in table.columns if table[c].equals(data.items.values)])
        encoder = Encoder.learn(table, columns, weighting=self.weighting, ngrams=(1, self.ngrams))
        found = encoder.features(table)
        if not found.names:
            raise BadEvents(
                "the item table has no text and no vectors to learn from; its columns are "
                f"{', '.join(table.columns)}"
            )
        self.encoder_ = encoder.table
        self.items_ = found.matrix
        self.by_feature_ = found.matrix.transposed()
        self.names_ = IdMap(found.names)
        self.called_, self.numbers_ = found.called()

    def with_items(self, items: pl.DataFrame) -> Self:
        """Return a new model that also answers for items it was not fitted on.

        Words weigh what they weighed in the fit, and those not met there say nothing. Scores of the
        items known so far are unchanged, but for these: a row about a known item replaces what was
        known of it, so its scores change, and the profiles of people who met it.

        Parameters
        ----------
        items : a row an item, columns as in the item table of the fit, of which some may lack.

        Raises
        ------
        BadEvents : ids of another type, that are missing or occur twice; a title of another type.
        BadParameter : a column that holds something else than in the fit.
        """
        found = taken_up(self._trained(), items)
        new = copy.copy(self)
        new.training_ = found.training
        rows = Encoder(self.encoder_).encode(found.table)
        new.items_ = self.items_.with_rows(found.codes, rows)
        new.by_feature_ = self.by_feature_.with_columns(found.codes, rows)
        new._seal()
        return new

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _tastes(self, queries: Queries) -> CSR:
        shape = (len(queries), self.items_.columns)
        if not queries.tastes:
            return CSR.empty(shape)
        named = [find(row, self.called_, self.numbers_) for row in queries.tastes]
        row = np.repeat(np.arange(len(named)), [len(numbers) for numbers, _ in named])
        feature = np.concatenate([numbers for numbers, _ in named])
        weight = np.concatenate([weights for _, weights in named])
        told = weight != 0  # a taste that weighs nothing says nothing
        return CSR.from_pairs(row[told], feature[told], weight[told], shape)

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each history item and each taste adds something."""
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        named = self._tastes(queries)
        found = likings(x, named, self.items_, self.by_feature_, self.tastes)
        scores, by_history, by_tastes, known = found

        def tell(row: int, asked: Codes) -> Told:
            mine, tastes = x.rows(row, row + 1), named.rows(row, row + 1)
            alike = agreement(mine.indices, asked, self.items_) * (mine.data * by_history[row])
            described = self.items_.indptr[asked + 1] > self.items_.indptr[asked]
            base = np.where(described & known[row], 0.0, np.nan)
            if not tastes.nnz:
                return Told.of(mine.indices, alike, base)
            agreed = self._having(asked, tastes.indices) * (tastes.data * by_tastes[row])
            names = features_named(self.names_.decode(tastes.indices))
            return Told(base, mine.indices, alike, names, agreed)

        return Answered(column_scores(scores, items), tell)

    def _having(self, items: Codes, features: Codes) -> NDArray[np.float64]:
        """Return (items, features) how much items have of some features."""
        out = np.zeros((len(items), len(features)))
        for n, f in enumerate(features):
            column = self.by_feature_.rows(f, f + 1)
            has = np.isin(items, column.indices)
            out[has, n] = column.data[np.searchsorted(column.indices, items[has])]
        return out

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items whose features are most like those of each item."""
        training = self._trained()

        def likeness(codes: Codes) -> Scores:
            liked = np.diff(self.items_.indptr)
            shape = (len(codes), self.items_.columns)
            row = np.repeat(np.arange(len(codes)), liked[codes])
            indptr = np.append(np.int64(0), np.cumsum(liked[codes]))
            at = stretches(self.items_.indptr[codes], indptr)
            own = CSR.from_pairs(row, self.items_.indices[at], self.items_.data[at], shape)
            scores = sparse_sparse(own, self.by_feature_)
            scores[liked[codes] == 0] = np.nan
            scores[:, liked == 0] = np.nan
            return scores

        return alike(training, items, k, likeness, self.name)
