"""Predicted ratings for pairs of user and item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadParameter, Incompatible
from penchant.events import ROLES, Events, find_columns
from penchant.frames import to_polars
from penchant.histories import Histories
from penchant.ids import IdMap, as_column
from penchant.kernels.csr import stretches
from penchant.kernels.pairs import order_of
from penchant.queries import Queries
from penchant.ranking import BLOCK_BYTES
from penchant.recommender import Bounds, Recommender, Scores

Codes = NDArray[np.int32]

SPREAD = 2
"""Who asks about this many times more items than another is not asked for in their block."""


def predict(
    model: Recommender, pairs: Any, data: Dataset | None = None, *, level: float | None = None
) -> pl.DataFrame:
    """Predict ratings: a frame with user, item and prediction, clipped to the training scale.

    Parameters
    ----------
    model : a fitted model with ``scores="rating"``.
    pairs : a table with user and item columns (found by name), or a sequence of (user, item). A
        model that reads the time or the context is asked for each pair by itself, with the table's
        time column (found by name) as now, and its further columns but a rating as context.
    data : where the users' histories are; without it, and of whom it does not know, the model
        answers from what it stored.
    level : the chance, between 0 and 1, that a rating lies within its bounds; asks for the columns
        low and high of a model that has ``bounds``.

    Returns
    -------
    One row a pair, in order; prediction is NaN where the model cannot say. UUIDs become text.

    Raises
    ------
    BadParameter : the model ranks, and does not predict ratings; pairs that are no pairs; or a
        level that is no chance, or asked of a model without bounds.
    BadEvents : a table without a user or an item column, or a missing id.
    Incompatible : the model reads the users' histories and no data was given, or the ids are of
        another type than the model's.
    """
    if not isinstance(model, Recommender):
        raise BadParameter(f"a model is a fitted value such as SVD().fit(data), got {model!r}")
    if data is not None and not isinstance(data, Dataset):
        raise BadParameter(f"data is a Dataset, such as Dataset.of(table), got {data!r}")
    if model.scores != "rating":
        raise BadParameter(
            f"{model.name} scores {model.scores}, not ratings: its scores only order items"
        )
    if level is not None and not isinstance(model, Bounds):
        raise BadParameter(f"{model.name} has no bounds to tell; BayesianFM has: leave out level")
    training = model._trained()
    if data is None and "user" not in model.reads:
        raise Incompatible(
            f"{model.name} answers from a person's own ratings, and keeps none: pass data="
        )
    table = _table(pairs)
    found = find_columns(table.columns, {}, "pairs")
    asked_users, asked_items = table[found["user"]], table[found["item"]]
    users, user = _codes(training.users, None if data is None else data.users, asked_users)
    items, item = _codes(training.items, None if data is None else data.items, asked_items)
    askers = _Askers(users, items, data, user, *_circumstances(model, table, found))

    def said(queries: Queries, codes: Codes) -> tuple[Scores, ...]:
        scores = model.score(queries, codes)
        if level is None or not isinstance(model, Bounds):
            return (scores,)
        return (scores, *model.bounds(queries, codes, level=level))

    predictions = _predicted(said, item, askers, 1 if level is None else 3)
    if training.scale is not None:
        predictions = np.clip(predictions, *training.scale)
    names = ("prediction", "low", "high")
    return pl.DataFrame(
        [
            as_column("user", asked_users),
            as_column("item", asked_items),
            *(pl.Series(n, p) for n, p in zip(names, predictions, strict=False)),
        ]
    )


def _codes(known: IdMap, met: IdMap | None, asked: pl.Series) -> tuple[IdMap, Codes]:
    """Return a map and the codes in it: of the data, with what only the model knows at its end."""
    ids = known if met is None else met
    codes = ids.encode(asked)
    others = asked.filter(pl.Series(codes < 0))
    if met is not None and len(others) and (known.encode(others) >= 0).any():
        ids = met.extended(others)
        codes = ids.encode(asked)
    return ids, codes


def _table(pairs: Any) -> pl.DataFrame:
    if isinstance(pairs, Sequence) and all(isinstance(p, (tuple, list)) for p in pairs[:1]):
        wrong = next((p for p in pairs if not isinstance(p, (tuple, list)) or len(p) != 2), None)
        if wrong is not None:
            raise BadParameter(f"pairs are (user, item), got {wrong!r}")
        pairs = {"user": [u for u, _ in pairs], "item": [i for _, i in pairs]}
    return to_polars(pairs)


def _circumstances(
    model: Recommender, table: pl.DataFrame, found: dict[str, str]
) -> tuple[NDArray[np.int64] | None, pl.DataFrame | None]:
    """Return the time and the context of each pair, where the table tells and the model reads."""
    timed = "time" in model.reads and "time" in found
    known = {*ROLES, *(found.get(role) for role in ("user", "item", "value", "time"))}
    told = [c for c in table.columns if c not in known] if "context" in model.reads else []
    if not len(table) or not (timed or told):
        return None, None
    events = Events.from_frame(
        table, time=found["time"] if timed else "", value="", kind="", session="",
        context=tuple(told), source="pairs",
    ).frame  # fmt: skip
    return (
        events["time"].to_numpy() if timed else None,
        events.select(told) if told else None,
    )


@dataclass(frozen=True)
class _Askers:
    """Who asks for each pair, and when and where, if that counts."""

    users: IdMap
    items: IdMap
    data: Dataset | None
    user: Codes
    now: NDArray[np.int64] | None
    context: pl.DataFrame | None

    def groups(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pairs in an order that has those of one asker together, and each one's number.

        Without circumstances an asker is a person, else a pair.
        """
        n = len(self.user)
        if self.now is not None or self.context is not None:
            return np.arange(n), np.ones(n, np.int64)
        order = order_of(self.user + 1, len(self.users) + 1)
        if not n:
            return order, np.zeros(0, np.int64)
        people = self.user[order]
        ends = np.append(np.flatnonzero(people[1:] != people[:-1]) + 1, n)
        return order, np.diff(ends, prepend=0)

    def queries(self, pairs: NDArray[np.int64]) -> Queries:
        """Return the askers of some pairs."""
        user, data, n = self.user[pairs], self.data, len(pairs)
        context = None if self.context is None else self.context[pairs]
        now = None if self.now is None else self.now[pairs]
        if data is None:
            return Queries(self.items, self.users, Histories.empty(n), user, None, now, context)
        known = (user >= 0) & (user < len(data.users))
        histories = data.histories.take(np.where(known, user, 0))
        if not known.all():
            histories = histories.where(known[histories.person()])
        told = data.user_table
        if told is not None:
            told = told.select(
                pl.all().gather(pl.Series(np.where(known, user, -1)).replace(-1, None))
            )
        now = np.full(n, data.until) if now is None else now
        return Queries(
            self.items, self.users, histories, user, now=now, context=context, user_features=told
        )


def _predicted(
    said: Callable[[Queries, Codes], tuple[Scores, ...]], item: Codes, askers: _Askers, rows: int
) -> Scores:
    """Ask once for each asker, whose pairs stand side by side in a row of codes.

    Returns (rows, pairs): what ``said`` gives, a row for each of its arrays.
    """
    order, counts = askers.groups()
    # Those with the most pairs come first, so that the rows of a block are about equally long.
    ranked = np.argsort(-counts, kind="stable")
    starts, counts = (np.cumsum(counts) - counts)[ranked], counts[ranked]
    predictions = np.full((rows, len(item)), np.nan, np.float32)
    lo = 0
    while lo < len(counts):
        width = int(counts[lo])
        size = max(1, BLOCK_BYTES // (4 * max(width, len(askers.items))))
        hi = min(lo + size, int(np.searchsorted(-counts, -(width // SPREAD), side="right")))
        ends = np.append(0, np.cumsum(counts[lo:hi]))
        lines = order[stretches(starts[lo:hi], ends)]
        place = stretches(np.zeros(hi - lo, np.int64), ends)
        at = np.repeat(np.arange(hi - lo), counts[lo:hi])
        codes = np.full((hi - lo, width), -1, np.int32)
        codes[at, place] = item[lines]
        asked = askers.queries(order[starts[lo:hi]])
        for row, found in zip(predictions, said(asked, codes), strict=True):
            row[lines] = found[at, place]
        lo = hi
    return predictions
