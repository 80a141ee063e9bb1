"""Features counted from events: what a person or an item was like before a moment.

Everything here is **point-in-time correct**: a feature as of a moment t is counted from events that
happened strictly before t. Events at t itself are not among them, for nobody knows which of several
events with one time came first; nor are events without a time, of which nobody knows when they
came. What happens at or after t can therefore not change a feature as of t.

In all of them n events came before, of which some recorded a rating; events of kind "hide" count
for nothing.

==================  ==============================================================================
of a person         is
==================  ==============================================================================
user_count          how many events
user_mean           the mean of the ratings; null without
user_variance       their variance (divided by their number); null without
user_recency        days since the last event; null before the first
user_tenure         days since the first event; null before it
user_entropy        how mixed the taste is: the entropy, in nats, of the categories of the items met
==================  ==============================================================================

==================  ==============================================================================
of an item          is
==================  ==============================================================================
item_count          how many events
item_mean           the mean of the ratings; null without
item_bayes          (prior * m + sum of ratings) / (prior + number of ratings), m the mean of all
                    ratings of all items before; null before the first of them
item_popularity     the sum of the weights of the events by kind, halved every ``half_life``
item_age            days since its release, if a column says when that was, else since its first
                    event; null before that
==================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter, Incompatible, near
from penchant.features import quantities, terms
from penchant.feedback import Feedback, duration
from penchant.kernels.past import COLUMNS, DAY, entropies, moments
from penchant.kernels.threads import run

Ints = NDArray[np.int64]
Vector = NDArray[np.float64]


def of_users(
    data: Dataset, now: int | None = None, *, categories: str | None = None
) -> pl.DataFrame:
    """Return a row for each user code: what the person was like before ``now``.

    Parameters
    ----------
    data : whose events to count.
    now : microseconds since 1970 (UTC). By default after everything: then events without a time
        count too.
    categories : the column of the item table that ``user_entropy`` is about; by default its genres.

    Returns
    -------
    The user table, or one column "user" with the ids, and beside it the features.

    Raises
    ------
    BadParameter : a moment that is no whole number, no such column of categories.
    Incompatible : the user table has a column of a feature's name already.

    Examples
    --------
    >>> data = Dataset.of({"user": ["ann", "ann"], "item": [1, 2], "rating": [2, 5]})
    >>> of_users(data).select("user", "user_count", "user_mean").rows()
    [('ann', 2, 3.5)]
    """
    rows = _Rows.of(data, now).and_asking(data, now, user=np.arange(len(data.users)))
    features = _of_users(rows, data, categories)[len(data) :]
    return _beside(data.user_table, pl.DataFrame({"user": data.users.values}), features)


def of_items(
    data: Dataset,
    now: int | None = None,
    *,
    feedback: Feedback | None = None,
    prior: float = 10.0,
    released: str | None = None,
) -> pl.DataFrame:
    """Return a row for each item code: what the item was like before ``now``.

    Parameters
    ----------
    data, now : as for ``of_users``.
    feedback : what an event weighs in ``item_popularity``, and its half-life; each row counts by
        itself. By default that of the data, with a half-life of 30 days if it has none.
    prior : how many ratings the mean of all ratings counts for in ``item_bayes``.
    released : the column of the item table with the date from which ``item_age`` is counted.

    Returns
    -------
    The item table, or one column "item" with the ids, and beside it the features.

    Raises
    ------
    BadParameter : a moment that is no whole number, a prior that is not positive, or no such column
        of dates.
    Incompatible : the item table has a column of a feature's name already.

    Examples
    --------
    >>> data = Dataset.of({"user": [1, 2], "item": ["a", "a"], "rating": [2, 5]})
    >>> of_items(data, prior=1.0).select("item", "item_count", "item_bayes").rows()
    [('a', 2, 3.5)]
    """
    rows = _Rows.of(data, now, feedback).and_asking(data, now, item=np.arange(len(data.items)))
    features = _of_items(rows, data, prior, released)[len(data) :]
    return _beside(data.item_table, pl.DataFrame({"item": data.items.values}), features)


def before_each(
    data: Dataset,
    *,
    categories: str | None = None,
    feedback: Feedback | None = None,
    prior: float = 10.0,
    released: str | None = None,
) -> pl.DataFrame:
    """Return a row for each event: what its person and its item were like before it.

    This is what a model of events may learn from. A mean over all of a person's ratings, by
    contrast, holds the very rating that is to be predicted.

    Parameters
    ----------
    data, categories, feedback, prior, released : as for ``of_users`` and ``of_items``.

    Returns
    -------
    The features of persons and items; row e is event e of ``data.histories``, all null if it has no
    time.

    Raises
    ------
    BadEvents : no event has a time.
    BadParameter : an argument that is out of its range or names no column.

    Examples
    --------
    >>> data = Dataset.of({"user": [1, 1], "item": [7, 8], "rating": [2, 5], "time": [60, 120]})
    >>> before_each(data)["user_mean"].to_list()
    [None, 2.0]
    """
    if data.until < 0:
        raise BadEvents("no event has a time, so that nobody knows which came before which")
    rows = _Rows.of(data, 0, feedback)
    people, items = _of_users(rows, data, categories), _of_items(rows, data, prior, released)
    return people.hstack(items)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Events, and perhaps imaginary ones after them that ask what came before.

    ``counts`` says of which rows others know. The imaginary ones are no more than told.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: Ints
    value: Vector
    weight: Vector
    counts: NDArray[np.bool_]
    half_life: float

    @classmethod
    def of(cls, data: Dataset, now: int | None, feedback: Feedback | None = None) -> Self:
        """Return the events; those without a time count only where ``now`` is not set."""
        whole = isinstance(now, (int, np.integer)) and not isinstance(now, bool)
        if now is not None and not (whole and now >= 0):
            raise BadParameter(f"now is a whole number of microseconds since 1970, got {now!r}")
        h = data.histories
        feedback = feedback or replace(data.feedback, half_life=data.feedback.half_life or "30d")
        half_life = duration(feedback.half_life) if feedback.half_life else np.inf
        weight = replace(feedback, half_life=None).row_weights(h)
        return cls(
            h.person().astype(np.int32),
            h.item,
            h.time,
            np.where(h.rated(), h.value, np.nan).astype(np.float64),
            weight.astype(np.float64),
            ~h.hidden() & ((h.time >= 0) | (now is None)),
            float(half_life),
        )

    def and_asking(
        self,
        data: Dataset,
        now: int | None,
        *,
        user: NDArray[np.integer] | None = None,
        item: NDArray[np.integer] | None = None,
    ) -> Self:
        """Return the events, and an imaginary one at ``now`` for each of some users or items."""
        n = len(user if user is not None else item if item is not None else ())
        nobody = np.full(n, -1, np.int32)
        now = max(data.until, 0) + 1 if now is None else now
        return replace(
            self,
            user=np.append(self.user, nobody if user is None else user).astype(np.int32),
            item=np.append(self.item, nobody if item is None else item).astype(np.int32),
            time=np.append(self.time, np.full(n, now)),
            value=np.append(self.value, np.full(n, np.nan)),
            weight=np.append(self.weight, np.zeros(n)),
            counts=np.append(self.counts, np.zeros(n, bool)),
        )

    def before(self, group: NDArray[np.int32], groups: int) -> dict[str, Vector]:
        """Return what came before each row in its group; see ``kernels.past.moments``."""
        order, indptr = self.in_order(group, groups)
        found = np.empty((len(order), len(COLUMNS)))
        arrays = (self.time, self.value, self.weight, self.counts)
        run(moments, indptr, indptr, *(a[order] for a in arrays), self.half_life, found)
        out = np.full_like(found, np.nan)
        out[order] = found
        return dict(zip(COLUMNS, out.T, strict=True))

    def in_order(self, group: NDArray[np.int32], groups: int) -> tuple[Ints, Ints]:
        """Return the rows of known groups by group and time, and where each group begins."""
        order = np.lexsort((self.time, group))[np.count_nonzero(group < 0) :]
        indptr = np.zeros(groups + 1, np.int64)
        np.cumsum(np.bincount(group[order], minlength=groups), out=indptr[1:])
        return order, indptr


def _of_users(rows: _Rows, data: Dataset, categories: str | None) -> pl.DataFrame:
    found = rows.before(rows.user, len(data.users))
    features = {
        f"user_{name}": found[name] for name in ("count", "mean", "variance", "recency", "tenure")
    }
    column = _categories(data, categories)
    if column is not None:
        features["user_entropy"] = _entropy(rows, len(data.users), column)
    return _frame(features)


def _of_items(rows: _Rows, data: Dataset, prior: float, released: str | None) -> pl.DataFrame:
    if not isinstance(prior, (int, float, np.number)) or not 0 < prior < np.inf:
        raise BadParameter(f"prior must be a positive number of ratings, got {prior!r}")
    found = rows.before(rows.item, len(data.items))
    everything = rows.before(np.zeros(len(rows.item), np.int32), 1)["mean"]
    rated, total = found["rated"], found["rated"] * np.nan_to_num(found["mean"])
    age = found["tenure"]
    if released is not None:
        age = (rows.time / DAY) - np.append(_released(data, released), np.nan)[rows.item]
    return _frame(
        {
            "item_count": found["count"],
            "item_mean": found["mean"],
            "item_bayes": (prior * everything + total) / (prior + rated),
            "item_popularity": found["popularity"],
            "item_age": np.where(rows.time >= 0, age, np.nan),
        }
    )


def _frame(features: Mapping[str, Vector]) -> pl.DataFrame:
    counts = [name for name in features if name.endswith("_count")]
    return pl.DataFrame(features, nan_to_null=True).with_columns(pl.col(counts).cast(pl.Int64))


def _beside(table: pl.DataFrame | None, ids: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    table = ids if table is None else table
    for name in features.columns:
        if name in table.columns:
            raise Incompatible(f"the table has a column {name!r} already: rename it")
    return table.hstack(features)


def _categories(data: Dataset, name: str | None) -> pl.Series | None:
    """Return the column of the item table that holds the categories, if there is one."""
    table = data.item_table
    if name is None:
        shown = data.shown
        return shown["genres"] if shown is not None and "genres" in shown.columns else None
    if table is None or name not in table.columns:
        known = [] if table is None else table.columns
        raise BadParameter(f"categories: no column {name!r} of items.{near(name, known)}")
    if not terms.is_text(table.schema[name]):
        raise BadParameter(f"categories: column {name!r} holds {table.schema[name]}, not text")
    return table[name]


def _entropy(rows: _Rows, users: int, column: pl.Series) -> Vector:
    long = terms.values(column).unique(["row", "key"]).sort("row", "key")
    codes = long["key"].rank("dense").to_numpy().astype(np.int64) - 1
    by_item = np.zeros(len(column) + 1, np.int64)
    np.cumsum(np.bincount(long["row"].to_numpy(), minlength=len(column)), out=by_item[1:])
    order, indptr = rows.in_order(rows.user, users)
    found = np.empty(len(order))
    arrays = (rows.time, rows.item, rows.counts)
    several = int(codes.max(initial=-1)) + 1
    run(entropies, indptr, indptr, *(a[order] for a in arrays), by_item, codes, several, found)
    out = np.full(len(rows.user), np.nan)
    out[order] = found
    return out


def _released(data: Dataset, name: str) -> Vector:
    """Return (items,) days since 1970 on which each came out; NaN where nobody knows."""
    table = data.item_table
    if table is None or name not in table.columns:
        known = [] if table is None else table.columns
        raise BadParameter(f"released: no column {name!r} of items.{near(name, known)}")
    if not table.schema[name].is_temporal():
        raise BadParameter(f"released: column {name!r} holds {table.schema[name]}, not dates")
    return quantities.numbers(table[name])
