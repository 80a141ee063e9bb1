"""Popularity: what most people went for. The baseline that everything has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told
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

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; the base is the whole score, since nothing of the asker's history is read."""
        return based(self, queries, items)


@dataclass(kw_only=True)
class PopularityRecent(Recommender):
    """Score an item by the weight of what people did with it shortly before the query.

    ``score(i) = sum of the weights of the events on i in (now - window, now] + prior n(i) / n``,
    where n(i) / n is the item's share of everything in the training data: an item or a time without
    recent events is ranked by what was popular ever. With ``half_life``, an event that much older
    than now counts half.

    ``Popularity(half_life=)`` counts ages from the end of the training data, once, and gives the
    same answer whenever it is asked. Here time is the query's: a model may be asked about any
    moment, and events later than that moment count in the prior alone.

    Reads the time of the query; one without a time is asked at the end of the training data. Items
    nobody met are NaN. The model holds when each event was, without whose it was.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.PopularityRecent(window="30d").fit(data)
    >>> early, late = data.queries(likes=[[]], now=0), data.queries(likes=[[]])
    >>> model.recommend(early, k=1).ids() == model.recommend(late, k=1).ids()
    False
    """

    window: str = hyper("7d", "how long before the query an event counts, such as '7d' or '12h'")
    half_life: str | None = hyper(None, "age at which an event counts half, such as '2d'")
    prior: float = hyper(
        1.0, "weight of an item's share of all events", at_least=0, search=(0.1, 100), log=True
    )

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        for text in (self.window, self.half_life):
            if text is not None:
                duration(text)

    @property
    def reads(self) -> frozenset[str]:
        """The time of the query."""
        return frozenset({"time"})

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        events = data.histories
        weights = data.feedback.row_weights(events)  # not aged: age depends on who asks when
        if not (events.time >= 0).any():
            raise BadEvents("PopularityRecent needs to know when events were, and none has a time")
        aged = data.feedback.row_weights(events, data.now()).astype(np.float64)
        total = np.bincount(events.item, aged, len(data.items)).astype(np.float64)
        self.usual_ = _counts(total / max(total.sum(), 1e-12))
        known = np.flatnonzero((events.time >= 0) & (weights > 0))
        order = known[np.argsort(events.time[known], kind="stable")]
        self.times_, self.items_ = events.time[order], events.item[order]
        self.weights_ = weights[order]

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        until = self.training_.until
        now = np.full(len(queries), until) if queries.now is None else queries.now
        moments, which = np.unique(np.where(now >= 0, now, until), return_inverse=True)
        rows = np.empty((len(moments), len(self.usual_)), np.float32)
        for row, moment in zip(rows, moments, strict=True):
            row[:] = self._before(int(moment))
        return column_scores(rows[which], items)

    def _before(self, now: int) -> NDArray[np.float64]:
        """Return (items,) scores at one moment."""
        length = duration(self.window)
        lo, hi = np.searchsorted(self.times_, [now - length, now], side="right")
        weights = self.weights_[lo:hi].astype(np.float64)
        lives = [t for t in (self.half_life, self.training_.feedback.half_life) if t is not None]
        for life in lives:
            weights *= np.exp2((self.times_[lo:hi] - now) / duration(life))
        recent = np.bincount(self.items_[lo:hi], weights, len(self.usual_))
        scores: NDArray[np.float64] = recent + self.prior * self.usual_
        return scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; the base is the whole score, since nothing of the asker is read."""
        return based(self, queries, items)


def based(model: Recommender, queries: Queries, items: Codes | None) -> Answered:
    """Return scores that are a base each: nothing that somebody did adds to them."""

    def tell(row: int, asked: Codes) -> Told:
        return Told.plain(model._score(queries[row], asked)[0].astype(np.float64))

    return Answered(model._score(queries, items), tell)


def _written(values: pl.Series) -> pl.Series:
    """Return values as text; 1.0 is 1, since whole numbers among missing ones come as floats."""
    text = values.cast(pl.String)
    return text.str.replace(r"\.0$", "") if values.dtype.is_float() else text


def _counts(total: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(total > 0, total, np.nan).astype(np.float32)
