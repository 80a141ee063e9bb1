"""Recommendations to Recommendations: unlike items, and few of a kind.

Plain functions on the result. They choose a short list out of a longer one, so ask the model for
more than you need. What comes later overrules what came before: pins go in last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from penchant.errors import BadParameter, Incompatible
from penchant.kernels.csr import CSR
from penchant.kernels.diversity import few_of_a_kind, marginal
from penchant.ranking import Recommendations, length

Codes = NDArray[np.int32]

HALF = 10
"""So many places down a list, an item is worth half of the first."""


def diversified(
    recommendations: Recommendations,
    amount: float | NDArray[np.floating[Any]],
    *,
    features: CSR | ArrayLike,
    k: int = 10,
) -> Recommendations:
    """Choose k of each list that are good and unlike each other, by maximal marginal relevance.

    One item after the other is chosen (Carbonell and Goldstein, SIGIR 1998), of those left the one
    with the largest::

        (1 - amount) * relevance(i) - amount * max over chosen j of cosine(i, j)

    The relevance of the item at place 1, 2, 3, ... is 1 / (1 + (place - 1) / 10): 1 for the first,
    a half for the eleventh. Going by places, not by scores, an amount means the same for every
    model and for any number of candidates, and a list whose order is not that of its scores keeps
    it. With amount 0 a list stays as it is; with 1 only the first item is chosen for its place.

    Parameters
    ----------
    recommendations : lists of candidates, best first, longer than k; 100 are plenty for 10.
    amount : from 0 to 1, for everyone or (q,) for each list.
    features : what items are compared by: a row for each code of ``recommendations.items``, as CSR
        (``penchant.features.tfidf(table).matrix``) or as a table of numbers (vectors). An item of
        which nothing is known is like no other.
    k : length of the lists, at most that of the candidates.

    Returns
    -------
    Lists in the order in which items were chosen, with their scores, sources and reasons; the
    propensity is NaN, since the choice is not the one whose chance was told.

    Raises
    ------
    BadParameter : an amount outside 0 to 1, or not one for each list; k below 1.
    Incompatible : features of another number of items.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> recs = pt.EASE(l2=50.0).fit(data).recommend(data.queries(users=[7]), k=100)
    >>> genres = pt.features.tfidf(data.item_table, ["genres"]).matrix
    >>> recs.first(4).to_frame()["genres"].to_list()
    ['Sci-Fi', 'Sci-Fi', 'Sci-Fi', 'Sci-Fi']
    >>> varied = pt.rerank.diversified(recs, 0.5, features=genres, k=4)
    >>> varied.to_frame()["genres"].n_unique()
    4
    """
    amounts = np.broadcast_to(_amounts(amount, len(recommendations)), len(recommendations))
    rows, at = _rows(features, recommendations)
    places = marginal(rows, at, amounts, HALF, length(k, recommendations.codes.shape[1]))
    return recommendations.picked(places)


def capped(
    recommendations: Recommendations,
    most: int,
    *,
    groups: CSR | pl.Series | NDArray[Any],
    k: int = 10,
) -> Recommendations:
    """Choose the k best of each list of which no more than ``most`` are of one group.

    Items stay in their order, and those for which there is no room are left out; a list is shorter
    than k when its candidates run out.

    Parameters
    ----------
    recommendations : lists of candidates, best first, longer than k.
    most : how many of a group (a category, a brand, a seller) a list may hold.
    groups : of each code of ``recommendations.items``: one label, null for none; or a CSR with a
        row an item, whose columns are the groups it is in.
    k : length of the lists, at most that of the candidates.

    Raises
    ------
    BadParameter : ``most`` or k below 1.
    Incompatible : groups of another number of items.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> recs = pt.EASE(l2=50.0).fit(data).recommend(data.queries(users=[7]), k=100)
    >>> few = pt.rerank.capped(recs, 2, groups=data.item_table["genres"], k=6)
    >>> few.to_frame()["genres"].value_counts()["count"].max()
    2
    """
    if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 1:
        raise BadParameter(f"most must be a whole number of at least 1, got {most!r}")
    if isinstance(groups, CSR):
        rows, at = _rows(groups, recommendations)
    else:
        rows, at = _labelled(groups, recommendations)
    places = few_of_a_kind(rows, at, int(most), length(k, recommendations.codes.shape[1]))
    return recommendations.picked(places)


def _amounts(amount: float | NDArray[np.floating[Any]], q: int) -> NDArray[np.float64]:
    try:
        amounts = np.asarray(amount, np.float64)
    except (TypeError, ValueError):
        raise BadParameter(f"amount must be a number from 0 to 1, got {amount!r}") from None
    if amounts.shape not in ((), (q,)):
        raise BadParameter(f"amount has shape {amounts.shape}; one, or one for each of {q} lists")
    outside = amounts[~((amounts >= 0) & (amounts <= 1))]
    if outside.size:
        raise BadParameter(f"amount must be a number from 0 to 1, got {outside[0]}")
    return amounts


def _check_items(n: int, recommendations: Recommendations, what: str) -> None:
    if n != len(recommendations.items):
        raise Incompatible(
            f"{what} are of {n:,} items, and the lists are in the codes of "
            f"{len(recommendations.items):,}: they need a row for each, in that order"
        )


def _rows(features: CSR | ArrayLike, recommendations: Recommendations) -> tuple[CSR, Codes]:
    """Return rows of features, and (q, n) which of them is each candidate's, -1 past the end."""
    codes = recommendations.codes
    if isinstance(features, CSR):
        _check_items(features.shape[0], recommendations, "features")
        return features, codes
    table = np.asarray(features)
    if table.ndim != 2 or table.dtype.kind not in "fiub":
        raise Incompatible(
            f"features are a CSR or a table of numbers with a row an item, got {table.dtype} of "
            f"shape {table.shape}"
        )
    _check_items(len(table), recommendations, "features")
    there, width = codes >= 0, table.shape[1]
    vectors = table[codes[there]].astype(np.float32)
    indptr = np.arange(len(vectors) + 1, dtype=np.int64) * width
    indices = np.tile(np.arange(width, dtype=np.int32), len(vectors))
    return CSR(indptr, indices, vectors.ravel(), width), _numbered(there)


def _labelled(
    groups: pl.Series | NDArray[Any], recommendations: Recommendations
) -> tuple[CSR, Codes]:
    """Return a row for each candidate with its one group, or none; and which is whose."""
    labels = groups if isinstance(groups, pl.Series) else pl.Series(groups)
    _check_items(len(labels), recommendations, "groups")
    there = recommendations.codes >= 0
    met = labels.gather(recommendations.codes[there])
    numbers = met.rank("dense")
    grouped = met.is_not_null().to_numpy()
    indptr = np.append(np.int64(0), np.cumsum(grouped, dtype=np.int64))
    indices = numbers.drop_nulls().to_numpy().astype(np.int32) - np.int32(1)
    columns = int(indices.max(initial=-1)) + 1
    return CSR(indptr, indices, np.ones(len(indices), np.float32), columns), _numbered(there)


def _numbered(there: NDArray[np.bool_]) -> Codes:
    """Return (q, n) a number for each candidate that is there, row by row; -1 for the others."""
    at = np.full(there.shape, -1, np.int32)
    at[there] = np.arange(np.count_nonzero(there), dtype=np.int32)
    return at
