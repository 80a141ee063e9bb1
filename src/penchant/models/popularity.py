"""Popularity: what most people went for. The baseline that everything has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Explanation
from penchant.feedback import duration
from penchant.ids import IdMap
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, OnEpoch, Recommender, Scores, column_scores


@dataclass(kw_only=True)
class Popularity(Recommender):
    """Score an item by the weight of all that people did with it.

    With ``half_life``, an event that old counts half (what is popular now). With ``by``, counts are
    kept for each value of a context column: ``n(i, c) + prior * n(i) / n``, where n(i, c) is the
    weight of item i in context c; a query without that context gets the overall counts.

    Reads nothing of a query, or its context with ``by``. Items nobody met are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Popularity().fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    half_life: str | None = hyper(None, "age at which an event counts half, such as '90d'")
    by: str | None = hyper(None, "context column to count within, such as 'device'")
    prior: float = hyper(10.0, "weight of the overall shares within a context", at_least=0)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if self.half_life is not None:
            duration(self.half_life)

    @property
    def reads(self) -> frozenset[str]:
        """Nothing, or the context."""
        return frozenset() if self.by is None else frozenset({"context"})

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        events = data.histories
        weights = data.feedback.row_weights(events, data.now()).astype(np.float64)
        if self.half_life is not None:
            age = np.where(events.time >= 0, data.until - events.time, 0)
            weights *= np.exp2(-age / duration(self.half_life))
        total = np.bincount(events.item, weights, len(data.items)).astype(np.float64)
        self.counts_ = _counts(total)
        if self.by is not None:
            if events.context is None or self.by not in events.context.columns:
                raise BadEvents(
                    f"Popularity.by is {self.by!r}, and the events have no such context column; "
                    f"read them with context=({self.by!r},)"
                )
            values = _written(events.context[self.by])
            self.contexts_ = IdMap.of(values.drop_nulls())
            known = values.is_not_null().to_numpy()
            where = self.contexts_.encode(values.filter(values.is_not_null()))
            cells = where.astype(np.int64) * len(data.items) + events.item[known]
            size = len(self.contexts_) * len(data.items)
            within = np.bincount(cells, weights[known], minlength=size)
            share = total / max(total.sum(), 1e-12)
            mixed = within.reshape(len(self.contexts_), len(data.items)) + self.prior * share
            self.within_ = np.where(total > 0, mixed, np.nan).astype(np.float32)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        scores = np.broadcast_to(self.counts_, (len(queries), len(self.counts_)))
        told = queries.context
        if self.by is not None and told is not None and self.by in told.columns:
            values = _written(told[self.by])
            at = np.full(len(queries), -1, np.int32)
            at[values.is_not_null().to_numpy()] = self.contexts_.encode(values.drop_nulls())
            if (at >= 0).any():
                scores = np.where(at[:, None] >= 0, self.within_[at], scores)
        if items is None:
            return np.ascontiguousarray(scores)
        return column_scores(scores, items)

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item: the base is the whole score, since nothing of the asker is read."""
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        return self._explained(query, item, score, (), score)


def _written(values: pl.Series) -> pl.Series:
    """Return values as text; 1.0 is 1, since whole numbers among missing ones come as floats."""
    text = values.cast(pl.String)
    return text.str.replace(r"\.0$", "") if values.dtype.is_float() else text


def _counts(total: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(total > 0, total, np.nan).astype(np.float32)
