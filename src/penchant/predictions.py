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
from penchant.ids import IdMap, as_column
from penchant.queries import Queries
from penchant.recommender import BLOCK_BYTES, Recommender

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
    One row a pair, in order; prediction is NaN where the model cannot say. UUIDs become text.

    Raises
    ------
    BadParameter : the model ranks, and does not predict ratings; or pairs that are no pairs.
    BadEvents : a table without a user or an item column, or a missing id.
    Incompatible : the model reads the users' histories and no data was given, or the ids are of
        another type than the model's.
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
    asked_users, asked_items = _columns(pairs)
    users = training.users if data is None else data.users
    items = training.items if data is None else data.items
    user, item = users.encode(asked_users), items.encode(asked_items)
    predictions = _predicted(model, user, item, users, items, data)
    if training.scale is not None:
        predictions = np.clip(predictions, *training.scale)
    return pl.DataFrame(
        [
            as_column("user", asked_users),
            as_column("item", asked_items),
            pl.Series("prediction", predictions),
        ]
    )


def _columns(pairs: Any) -> tuple[pl.Series, pl.Series]:
    if isinstance(pairs, Sequence) and all(isinstance(p, (tuple, list)) for p in pairs[:1]):
        wrong = next((p for p in pairs if not isinstance(p, (tuple, list)) or len(p) != 2), None)
        if wrong is not None:
            raise BadParameter(f"pairs are (user, item), got {wrong!r}")
        pairs = {"user": [u for u, _ in pairs], "item": [i for _, i in pairs]}
    table = to_polars(pairs)
    found = find_columns(table.columns, {}, "pairs")
    return table[found["user"]], table[found["item"]]


def _predicted(
    model: Recommender,
    user: Codes,
    item: Codes,
    users: IdMap,
    items: IdMap,
    data: Dataset | None,
) -> NDArray[np.float32]:
    """Ask once for each person, whose pairs stand side by side in a row of codes."""
    people, row, counts = np.unique(user, return_inverse=True, return_counts=True)
    # Those with the most pairs come first, so that the rows of a block are about equally long.
    rank = np.empty(len(people), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(people))
    order = np.argsort(rank[row], kind="stable")
    people, counts = people[np.argsort(rank)], np.sort(counts)[::-1]
    ends = np.concatenate([[0], np.cumsum(counts)])
    predictions = np.full(len(user), np.nan, np.float32)
    lo = 0
    while lo < len(people):
        width = int(counts[lo])
        hi = min(len(people), lo + max(1, BLOCK_BYTES // (4 * max(width, len(items)))))
        lines = order[ends[lo] : ends[hi]]
        at = np.repeat(np.arange(hi - lo), counts[lo:hi])
        place = np.arange(len(lines)) - (ends[lo:hi] - ends[lo])[at]
        codes = np.full((hi - lo, width), -1, np.int32)
        codes[at, place] = item[lines]
        asked = _askers(people[lo:hi], users, items, data)
        predictions[lines] = model.score(asked, codes)[at, place]
        lo = hi
    return predictions


def _askers(people: Codes, users: IdMap, items: IdMap, data: Dataset | None) -> Queries:
    if data is None:
        return Queries(items, users, Histories.empty(len(people)), people)
    known = people >= 0
    histories = data.histories.take(np.maximum(people, 0))
    told = data.user_table
    if told is not None:
        told = told.select(pl.all().gather(pl.Series(people).replace(-1, None)))
    return Queries(
        items, users, histories.where(known[histories.person()]), people,
        now=np.full(len(people), data.until), user_features=told,
    )  # fmt: skip
