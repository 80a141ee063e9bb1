"""How ALS takes up new events: item vectors improved, what they stood for kept as a prior."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadParameter
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.kernels import als_exact
from penchant.kernels.csr import CSR, stretches
from penchant.kernels.products import sparse_dense
from penchant.queries import Queries
from penchant.training import Training

Vectors = NDArray[np.float32]


def counted(fresh: NDArray[np.int64], queries: Queries) -> NDArray[np.int64]:
    """Return how many of each row's events are new, last ones first, if it can be so many.

    Raises
    ------
    BadParameter : ``fresh`` is not a whole number of events for each row.
    """
    fresh, lengths = np.asarray(fresh), queries.histories.lengths
    if fresh.shape != lengths.shape:
        raise BadParameter(f"fresh has shape {fresh.shape} for {len(lengths):,} queries")
    wrong = np.flatnonzero((fresh < 0) | (fresh > lengths) | (fresh != np.floor(fresh)))
    if len(wrong):
        r = wrong[0]
        raise BadParameter(f"fresh[{r}] is {fresh[r]}; row {r} has {lengths[r]:,} events")
    return fresh.astype(np.int64)


class New(NamedTuple):
    """Who met something new, and what.

    Parameters
    ----------
    items : the codes that all of this speaks.
    queries : those who met something new, with all they met.
    events : the new events alone, of the same people.
    newcomers : (people,) whether somebody has nothing but new events.
    """

    items: IdMap
    queries: Queries
    events: Histories
    newcomers: NDArray[np.bool_]

    @classmethod
    def of(cls, queries: Queries, fresh: NDArray[np.int64], items: IdMap) -> New:
        """Take the last ``fresh[r]`` events of each row for new.

        Raises
        ------
        BadParameter : ``fresh`` is not a number of events for each row.
        """
        fresh = counted(fresh, queries)
        who = np.flatnonzero(fresh)
        asked = queries[who]
        h, new = asked.histories, fresh[who]
        place = np.arange(len(h.item)) - np.repeat(h.indptr[:-1], h.lengths)
        events = h.where(place >= np.repeat(h.lengths - new, h.lengths))
        at = queries.items.recoding(items)
        if at is not None:
            events = events.recoded(at)
        return cls(items, asked.recoded(items, queries.users), events, new == h.lengths)

    def remembered(self, training: Training, users: IdMap, data: Dataset) -> Training:
        """Return what is to be remembered of the data when these events are learned, too."""
        at, shown = self.items.recoding(data.items), data.shown
        if at is not None and shown is not None:
            shown = shown.select(pl.all().gather(pl.Series(at).replace(-1, None)))
        return replace(
            training,
            items=self.items,
            users=users,
            fitted=len(self.items),
            shown=shown,
            until=max(training.until, int(self.events.time.max(initial=-1))),
            events=training.events + len(self.events.item),
            fingerprint=data.fingerprint(),
        )


class Before(NamedTuple):
    """What is known of some items before they are improved.

    Parameters
    ----------
    vectors : (n, f) float32, 0 for new items.
    masses : (n,) the weight of all their earlier events; 0 for new items.
    ridge : (n,) the penalty on each.
    right : (n, f), what else draws them: new items by their features.
    """

    vectors: Vectors
    masses: NDArray[np.float64]
    ridge: NDArray[np.float64]
    right: NDArray[np.float64]


def improved(
    before: Before,
    fresh: CSR,
    people: Vectors,
    common: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> Vectors:
    """Return (n, f) better vectors of items, from new events.

    An item's vector y was where its part of the objective is least, a quadratic form of which the
    people it was met by are forgotten. They are taken to be like those of all events together: with
    W the weight of its earlier events and S the mean of x x' over all earlier events, near the old
    vector the form is::

        (z - y)' (common + ridge I + W S) (z - y)

    To this the new events add ``w (1 - x_u . z)^2`` each, and the sum is least at::

        z = y + (common + ridge I + W S + sum of w x_u x_u')^-1  sum of w (1 - x_u . y) x_u

    which is recursive least squares with the mean curvature for the item's own. For a new item W
    and y are 0, and z is what a half-epoch gives.

    Parameters
    ----------
    fresh : (n, people), the weights of the new events.
    people : (people, f) the vectors of those who met the items.
    common : (f, f), what every item's A holds: ``unobserved * X'X``, and more from features.
    spread : (f, f), S.
    """
    rows = fresh.row_numbers()
    told = np.einsum("ef,ef->e", before.vectors[rows], people[fresh.indices])
    missing = CSR(fresh.indptr, fresh.indices, fresh.data * (1 - told), fresh.columns)
    right = before.right + sparse_dense(missing, people)
    # W S = sum over its axes of W e e': the earlier events stand as f made-up people.
    lengths, axes = np.linalg.eigh(spread)
    made_up = (axes * np.sqrt(np.maximum(lengths, 0))).T.astype(np.float32)
    fixed = np.concatenate([people, made_up])
    change = als_exact.fold_in(
        _with_dense(fresh, before.masses, len(made_up)), fixed, common, before.ridge,
        right=right, pairs_pull=False,
    )  # fmt: skip
    return (before.vectors + change).astype(np.float32)


def _with_dense(sparse: CSR, values: NDArray[np.float64], more: int) -> CSR:
    """Return the rows with ``more`` columns beside them, in each of which row n holds values[n]."""
    rows, columns = sparse.shape
    counts = np.diff(sparse.indptr)
    indptr = np.append(np.int64(0), np.cumsum(counts + more))
    indices = np.empty(indptr[-1], np.int32)
    data = np.empty(indptr[-1], np.float32)
    own = stretches(indptr[:-1], sparse.indptr)
    indices[own], data[own] = sparse.indices, sparse.data
    other = (indptr[1:, None] - more + np.arange(more)).ravel()
    indices[other] = np.tile(np.arange(columns, columns + more), rows)
    data[other] = np.repeat(values, more)
    return CSR(indptr, indices, data, columns + more)


def some_rows(matrix: CSR, which: NDArray[np.integer]) -> CSR:
    """Return some rows, in the order asked for."""
    indptr = np.append(np.int64(0), np.cumsum(np.diff(matrix.indptr)[which]))
    at = stretches(matrix.indptr[:-1][which], indptr)
    return CSR(indptr, matrix.indices[at], matrix.data[at], matrix.columns)


def lengthened(array: NDArray[Any], rows: int, value: float) -> NDArray[Any]:
    """Return a copy with rows of ``value`` after the others."""
    more = np.full((rows - len(array), *array.shape[1:]), value, array.dtype)
    return np.concatenate([array, more])
