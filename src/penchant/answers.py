"""Answers: scores, and what is behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penchant.errors import Incompatible
from penchant.explanations import Explanations, Tell, Told
from penchant.kernels.reasons import among
from penchant.queries import Queries

if TYPE_CHECKING:
    from penchant.recommender import Recommender

Codes = NDArray[np.int32]
Scores = NDArray[np.float32]


class Answered(NamedTuple):
    """What ``_answer`` returns, in the model's own codes.

    Parameters
    ----------
    scores : what ``_score`` returns.
    tell : from the number of a query and (m,) item codes to what adds up to their scores. It holds
        what the model made of who asks, not the scores.
    source : of a composite that ``Sources``: (q, n), or (q, 1) if it is the same for all items, the
        number of the part that a score is from.
    """

    scores: Scores
    tell: Tell | None = None
    source: NDArray[np.int16] | None = None


@dataclass(frozen=True, eq=False)
class Behind:
    """What is behind the scores of some queries, in the codes of the queries."""

    model: Recommender
    queries: Queries
    tell: Tell | None

    def told(self, row: int, items: Codes) -> Told:
        """Return what adds up to one row's scores of (m,) items.

        Raises
        ------
        Incompatible : the model cannot explain its scores.
        """
        if self.tell is None:
            raise Incompatible(f"{self.model.name} cannot explain its scores")
        own, theirs = self.model.training_.items, self.queries.items
        onto = theirs.recoding(own)
        if onto is None:
            return self.tell(row, items)
        mine = onto[items]
        known = mine >= 0
        found = self.tell(row, mine[known])
        back = own.recoding(theirs)
        base = np.full(len(items), np.nan)
        amounts, others = (np.zeros((len(items), one.shape[1])) for one in found[2::2])
        base[known], amounts[known], others[known] = found.base, found.amounts, found.others
        history = found.history if back is None else back[found.history]
        return Told(base, history, amounts, found.names, others)

    def explain(
        self, row: int, items: Codes, scores: NDArray[np.floating] | None = None
    ) -> Explanations:
        """Explain one row's scores of (m,) items, or what is told of them.

        Raises
        ------
        Incompatible : the model cannot explain its scores.
        """
        told = self.told(row, items)
        known, training = self.queries.items, self.model.training_
        histories = self.queries.histories
        mine = slice(*histories.indptr[row : row + 2].tolist())
        liked = among(told.history, histories.item[mine], self._cited[mine])
        same = known.recoding(training.items) is None
        return Explanations(
            told,
            told.sums() if scores is None else scores,
            items,
            liked,
            known,
            training.title,
            training.called if same else lambda code: training.title(known.decode([code])[0]),
        )

    @cached_property
    def _cited(self) -> NDArray[np.bool_]:
        """Which rows of the histories a sentence may call liked."""
        return self.model.training_.feedback.cited(self.queries.histories, self.queries.now)


@dataclass(frozen=True, eq=False)
class Answer:
    """Scores, and what is behind them.

    Parameters
    ----------
    scores : (q, n) float32, as ``score`` returns them.
    items : None, or the codes that were asked for, a column each.
    source : (q, n) or (q, 1) int16, which of ``sources`` a score is from; None: all from the first.
    sources : names of the models that scores are from.
    behind : what explanations are made of; it does not hold the scores.
    """

    scores: Scores
    items: Codes | None
    source: NDArray[np.int16] | None
    sources: tuple[str, ...]
    behind: Behind

    def explain(self, row: int, columns: Sequence[int] | Codes) -> Explanations:
        """Explain one query's scores in several columns, which are item codes if all were asked.

        Raises
        ------
        Incompatible : the model cannot explain its scores.
        """
        at = np.asarray(columns, np.int32)
        mine = self.items if self.items is None or self.items.ndim == 1 else self.items[row]
        return self.behind.explain(row, at if mine is None else mine[at], self.scores[row, at])

    def sourced(self, columns: Codes) -> NDArray[np.int16]:
        """Return (q, k) numbers into ``sources``, for (q, k) columns of the scores."""
        if self.source is None:
            return np.zeros(columns.shape, np.int16)
        if self.source.shape[1] == 1:
            return np.broadcast_to(self.source, columns.shape).copy()
        return np.take_along_axis(self.source, np.maximum(columns, 0).astype(np.int64), axis=1)
