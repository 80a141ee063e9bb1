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
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_sparse
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

    def _liking(self, profile: CSR) -> Scores:
        scores = sparse_sparse(profile, self.by_feature_)
        scores[np.diff(profile.indptr) == 0] = np.nan
        scores[:, np.diff(self.items_.indptr) == 0] = np.nan
        return scores

    def _profile(self, queries: Queries) -> tuple[CSR, Vector, Vector]:
        """Return the profiles, and what history and tastes were multiplied by in each of them."""
        n = len(queries)
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        entry, liked, amount = self._entries(x)
        history = CSR.from_pairs(x.row_numbers()[entry], liked, amount, (n, self.items_.columns))
        tastes = self._tastes(queries)
        by_history, by_tastes = (
            _inverse(_lengths(history)),
            self.tastes * _inverse(_lengths(tastes)),
        )
        amounts = (
            history.data * by_history[history.row_numbers()],
            tastes.data * by_tastes[tastes.row_numbers()],
        )
        both = CSR.from_pairs(
            np.concatenate([history.row_numbers(), tastes.row_numbers()]),
            np.concatenate([history.indices, tastes.indices]),
            np.concatenate(amounts),
            history.shape,
        )
        total = _inverse(_lengths(both))
        data = (both.data * total[both.row_numbers()]).astype(np.float32)
        profile = CSR(both.indptr, both.indices, data, both.columns)
        return profile, by_history * total, by_tastes * total

    def _entries(self, x: CSR) -> tuple[NDArray[np.int64], Codes, Vector]:
        """Return (entry, feature, amount) for each feature of each entry of x."""
        counts = np.diff(self.items_.indptr)[x.indices]
        entry = np.repeat(np.arange(x.nnz), counts)
        first = self.items_.indptr[x.indices] - (np.cumsum(counts) - counts)
        at = np.arange(len(entry)) + first[entry]
        amount = x.data[entry].astype(np.float64) * self.items_.data[at]
        return entry, self.items_.indices[at], amount

    def _tastes(self, queries: Queries) -> CSR:
        shape = (len(queries), self.items_.columns)
        if not queries.tastes:
            return CSR.from_pairs([], [], [], shape)
        named = [find(row, self.called_, self.numbers_) for row in queries.tastes]
        row = np.repeat(np.arange(len(named)), [len(numbers) for numbers, _ in named])
        feature = np.concatenate([numbers for numbers, _ in named])
        weight = np.concatenate([weights for _, weights in named])
        told = weight != 0  # a taste that weighs nothing says nothing
        return CSR.from_pairs(row[told], feature[told], weight[told], shape)

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each history item and each taste adds something."""
        profile, by_history, by_tastes = self._profile(queries)
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        named = self._tastes(queries)

        def tell(row: int, asked: Codes) -> Told:
            mine, tastes = x.rows(row, row + 1), named.rows(row, row + 1)
            features = np.zeros((len(asked), self.items_.columns))
            for one, item in zip(features, asked, strict=True):
                its = self.items_.rows(item, item + 1)
                one[its.indices] = its.data
            entry, liked, amount = self._entries(mine)
            terms = amount * features[:, liked]
            starts = np.searchsorted(entry, np.arange(mine.nnz + 1))
            sums = np.cumsum(np.pad(terms, ((0, 0), (1, 0))), axis=1)[:, starts]
            alike = np.diff(sums, axis=1) * by_history[row]
            agreed = tastes.data * features[:, tastes.indices] * by_tastes[row]
            known = (np.diff(self.items_.indptr)[asked] > 0) & (
                by_history[row] + by_tastes[row] > 0
            )
            names = features_named(self.names_.decode(tastes.indices))
            return Told(np.where(known, 0.0, np.nan), mine.indices, alike, names, agreed)

        return Answered(column_scores(self._liking(profile), items), tell)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items whose features are most like those of each item."""
        training = self._trained()

        def likeness(codes: Codes) -> Scores:
            x = CSR.from_pairs(
                np.arange(len(codes)), codes, None, (len(codes), len(training.items))
            )
            entry, features, amount = self._entries(x)
            rows = CSR.from_pairs(entry, features, amount, (len(codes), self.items_.columns))
            return self._liking(rows)

        return alike(training, items, k, likeness, self.name)


def _lengths(rows: CSR) -> Vector:
    squares = rows.data.astype(np.float64) ** 2
    return np.sqrt(np.bincount(rows.row_numbers(), squares, minlength=rows.shape[0]))


def _inverse(lengths: Vector) -> Vector:
    return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
