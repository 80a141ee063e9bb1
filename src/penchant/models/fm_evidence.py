"""What BayesianFM reads: designs of training data, and what is told of those who ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadEvents
from penchant.features.encoding import Encoder
from penchant.feedback import Feedback, duration
from penchant.kernels.csr import CSR
from penchant.kernels.gibbs import Block
from penchant.kernels.placing import Told
from penchant.queries import Queries

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]


class Design(NamedTuple):
    """Features of people, items or circumstances, a row each, and the group of each feature."""

    matrix: CSR
    group: Ints

    def block(self, at: Codes) -> Block:
        """Return the design for events that row ``at[n]`` describes."""
        return Block(at, self.matrix.transposed(), self.group)


def design(ratings: CSR | None, features: CSR, groups: tuple[str, ...], *, rated: bool) -> Design:
    """Put beside each other who it is, whom or what they met, and other features.

    Parameters
    ----------
    ratings : row r holds whom or what r met; None where there is no "who".
    features : other features of the rows.
    groups : the name of each feature's group, those of a group together.
    rated : whether what a row met describes it: n of them, 1 / sqrt(n) each.
    """
    names = list(dict.fromkeys(groups))
    numbers = np.array([names.index(name) for name in groups], np.int64)
    if ratings is None:
        return Design(features, numbers)
    n, others = ratings.shape
    rows: list[NDArray[np.integer]] = [np.arange(n)]
    columns: list[NDArray[np.integer]] = [np.arange(n)]
    values: list[NDArray[np.float32]] = [np.ones(n, np.float32)]
    group = [np.zeros(n, np.int64)]
    if rated:
        who = ratings.row_numbers()
        rows.append(who)
        columns.append(ratings.indices + n)
        values.append((1 / np.sqrt(np.diff(ratings.indptr)[who])).astype(np.float32))
        group.append(np.ones(others, np.int64))
    width = sum(len(g) for g in group)
    rows.append(features.row_numbers())
    columns.append(features.indices + width)
    values.append(features.data)
    group.append(numbers + len(group))
    matrix = CSR.from_pairs(
        np.concatenate(rows), np.concatenate(columns), np.concatenate(values),
        (n, width + features.columns),
    )  # fmt: skip
    return Design(matrix, np.concatenate(group))


def unit_of(ratings: NDArray[np.float32]) -> float:
    """Return the power of two next to the spread of the ratings.

    The priors are meant for numbers of about one star's size. In these units 0 to 100 points are
    learned as well as 1 to 5 stars, and no digit is lost in taking ratings there and back.
    """
    spread = float(ratings.std(dtype=np.float64))
    return 2.0 ** round(np.log2(spread)) if spread > 0 else 1.0


def moods_of(session: Ints, sessions: int) -> Block:
    """Return what the ratings of each session have in common: a number, no vector."""
    # Ratings of no session share a row without a feature.
    at = np.where(session >= 0, session, sessions).astype(np.int32)
    every = np.arange(sessions)
    one_hot = CSR.from_pairs(every, every, None, (sessions, sessions + 1))
    return Block(at, one_hot, np.zeros(sessions, np.int64), crossed=False)


def encoder_of(
    table: pl.DataFrame | None, columns: tuple[str, ...], what: str, reader: str = "BayesianFM"
) -> Encoder:
    """Learn how the columns become features.

    Raises
    ------
    BadEvents : there is no such table, though columns of it are wanted.
    """
    if not columns:
        return Encoder.learn(pl.DataFrame(), ())
    if table is None:
        raise BadEvents(
            f"{reader} is to read {', '.join(map(repr, columns))} of the {what}, and the data "
            "has none"
        )
    return Encoder.learn(table, columns, scale="design")


def encoded(encoder: Encoder, table: pl.DataFrame | None, rows: int) -> CSR:
    """Return rows x features; nothing is known without a table."""
    if table is None or not encoder.names:
        return CSR.empty((rows, len(encoder.names)))
    return encoder.encode(table)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What several people rated, in which session and circumstances, and what is known of them.

    Parameters
    ----------
    ratings : people x items, the last rating of each pair.
    values : (ratings,) float32, those ratings, or their levels.
    times : (ratings,) when, in microseconds; -1 if unknown. Empty where it does not matter.
    session : (ratings,) the rating's session, numbered through all people; -1 if none.
    sessions : (people + 1,) the number of each person's first session.
    features, contexts : people's other features, and those of the ratings' circumstances.
    """

    ratings: CSR
    values: NDArray[np.float32]
    times: Ints
    session: Ints
    sessions: Ints
    features: CSR
    contexts: CSR

    @classmethod
    def of(
        cls,
        queries: Queries,
        feedback: Feedback,
        levels: NDArray[np.float32],
        people: Encoder,
        context: Encoder,
        session_gap: str | None,
    ) -> Evidence:
        """Gather it from queries, a person each.

        Parameters
        ----------
        levels : the ratings there are, in order; none if ratings are numbers.
        """
        histories = queries.histories
        ratings = feedback.ratings(histories, len(queries.items))
        rows = _last_rated(queries, ratings) if session_gap or context.names else None
        values, times = ratings.data, np.zeros(0, np.int64)
        if len(levels):
            middles = (levels[1:] + levels[:-1]) / 2
            values = np.searchsorted(middles, values).astype(np.float32)
        session, sessions = np.full(ratings.nnz, -1), np.zeros(len(queries) + 1, np.int64)
        if session_gap is not None and rows is not None:
            times = histories.time[rows]
            session, sessions = sessions_of(ratings, times, duration(session_gap))
        told = None if histories.context is None or rows is None else histories.context[rows]
        return cls(
            ratings, values, times, session, sessions,
            encoded(people, queries.user_features, len(queries)),
            encoded(context, told, ratings.nnz),
        )  # fmt: skip

    def arrays(self) -> Told:
        """Return it for the kernel."""
        return Told(
            self.ratings.indptr, self.ratings.indices, self.values, self.session, self.sessions,
            self.features.indptr, self.features.indices, self.features.data,
            self.contexts.indptr, self.contexts.indices, self.contexts.data,
        )  # fmt: skip


def sessions_of(ratings: CSR, times: Ints, gap: int) -> tuple[Ints, Ints]:
    """Cut each person's ratings where ``gap`` microseconds passed without one.

    Returns
    -------
    (ratings,) session numbers through all people, -1 without a time, and (people + 1,) the number
    of each person's first session.
    """
    person = ratings.row_numbers().astype(np.int64)
    session = np.full(ratings.nnz, -1)
    timed = np.flatnonzero(times >= 0)
    order = timed[np.lexsort((times[timed], person[timed]))]
    new = np.ones(len(order), bool)
    same = person[order[1:]] == person[order[:-1]]
    new[1:] = ~same | (times[order[1:]] - times[order[:-1]] > gap)
    session[order] = np.cumsum(new) - 1
    many = np.bincount(person[order[new]], minlength=ratings.shape[0])
    return session, np.concatenate([[0], np.cumsum(many)])


def session_now(told: Evidence, whose: Ints | slice, now: Ints, gap: int) -> Ints:
    """Return (q,) the session that goes on when somebody asks, or was to; -1 if none does.

    Parameters
    ----------
    whose : (q,) the person of each query, a row of ``told``.
    now : (q,) microseconds; a session goes on within ``gap`` of one of its ratings.
    """
    people = np.arange(told.ratings.shape[0])[whose]
    person = told.ratings.row_numbers().astype(np.int64)
    timed = np.flatnonzero(told.times >= 0)
    order = timed[np.lexsort((told.times[timed], person[timed]))]
    # Person and second in one number, to look them up together.
    keys = person[order] << 36 | told.times[order] // 10**6
    at = np.searchsorted(keys, people << 36 | np.maximum(now, 0) // 10**6)
    found, nearest = np.full(len(now), -1), np.full(len(now), gap + 1)
    for place in (at - 1, at, at + 1):
        there = np.clip(place, 0, max(len(order) - 1, 0))
        if not len(order):
            break
        rating = order[there]
        away = np.abs(told.times[rating] - now)
        closer = (person[rating] == people) & (now >= 0) & (away < nearest)
        found[closer], nearest[closer] = told.session[rating[closer]], away[closer]
    return found


def one_each(queries: Queries) -> tuple[Queries, Ints]:
    """Return queries of which no two have the same person and history, and (q,) which is whose."""
    h = queries.histories
    # A hash of each history: sums of products that wrap around.
    words = h.item.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    words ^= h.time.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    words ^= h.value.view(np.uint32).astype(np.uint64) * np.uint64(0x165667B19E3779F9)
    words ^= words >> np.uint64(29)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words, dtype=np.uint64)])
    total = before[h.indptr[1:]] - before[h.indptr[:-1]]
    key = np.stack([total, h.lengths.astype(np.uint64), queries.user.astype(np.uint64)], axis=1)
    if queries.user_features is not None:
        key = np.concatenate([key, queries.user_features.hash_rows().to_numpy()[:, None]], axis=1)
    _, first, whose = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return queries[first], whose.ravel()


def _last_rated(queries: Queries, ratings: CSR) -> Ints:
    """Return (ratings,) the rows of the histories that the last ratings stand in."""
    h = queries.histories
    rows = np.flatnonzero(h.rated() & (h.item >= 0))
    key = h.person()[rows] * ratings.columns + h.item[rows]
    order = np.argsort(key, kind="stable")
    last = np.append(key[order[1:]] != key[order[:-1]], True)[: len(order)]
    found: Ints = rows[order[last]]
    return found
