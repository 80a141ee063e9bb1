"""Predicted ratings for pairs of user and item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadParameter, Incompatible
from penchant.events import find_columns
from penchant.frames import to_polars
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.queries import Queries
from penchant.recommender import Recommender

Codes = NDArray[np.int32]


def predict(model: Recommender, pairs: Any, data: Dataset | None = None) -> pl.DataFrame:
    """Predict ratings: a frame with user, item and prediction, clipped to the training scale.

    Parameters
    ----------
    model : a fitted model with ``scores="rating"``.
    pairs : a table with user and item columns (found by name), or a sequence of (user, item).
    data : where the users' histories are; without it the model answers from what it stored.

    Returns
    -------
    One row a pair, in order; prediction is NaN where the model cannot say.

    Raises
    ------
    BadParameter : the model ranks, and does not predict ratings.
    Incompatible : the model reads the users' histories and no data was given.
    """
    if model.scores != "rating":
        raise BadParameter(
            f"{model.name} scores {model.scores}, not ratings: its scores only order items"
        )
    training = model._trained()
    if data is None and "user" not in model.reads:
        raise Incompatible(
            f"{model.name} answers from a person's own ratings, and keeps none: pass data="
        )
    if isinstance(pairs, Sequence) and len(pairs) and isinstance(pairs[0], tuple):
        pairs = {"user": [u for u, _ in pairs], "item": [i for _, i in pairs]}
    table = to_polars(pairs)
    columns = find_columns(table.columns, {}, "pairs")
    asked_users, asked_items = table[columns["user"]], table[columns["item"]]
    users = training.users if data is None else data.users
    items = training.items if data is None else data.items
    user, item = users.encode(asked_users), items.encode(asked_items)
    # One query for each person, whose pairs stand side by side in a row of codes.
    people, row = np.unique(user, return_inverse=True)
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=len(people))
    place = np.empty(len(row), np.int64)
    place[order] = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    codes = np.full((len(people), counts.max(initial=0)), -1, np.int32)
    codes[row, place] = item
    queries = _askers(people, users, items, data)
    predictions = model.score(queries, codes)[row, place]
    if training.scale is not None:
        predictions = np.clip(predictions, *training.scale)
    return pl.DataFrame({"user": asked_users, "item": asked_items, "prediction": predictions})


def _askers(people: Codes, users: IdMap, items: IdMap, data: Dataset | None) -> Queries:
    if data is None:
        return Queries(items, users, Histories.empty(len(people)), people.astype(np.int32))
    known = people >= 0
    histories = data.histories.take(np.maximum(people, 0))
    histories = histories.where(known[histories.person()])
    return Queries(
        items, users, histories, people.astype(np.int32), now=np.full(len(people), data.until)
    )
