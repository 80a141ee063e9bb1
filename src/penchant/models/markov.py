"""What follows what: Markov chains and sequential rules, the baselines of sequence models."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told
from penchant.histories import Histories
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_sparse
from penchant.kernels.transitions import following
from penchant.models.factor_updates import counted
from penchant.models.item_weights import Sparse
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, OnEpoch, Recommender, Scores, alike, column_scores

Decay = Literal["reciprocal", "quadratic", "same"]


@dataclass(kw_only=True)
class _Rules(Recommender):
    """Counts of what follows what, backed off to popularity; the last events of an asker speak."""

    shrinkage: float = hyper(
        10.0, "events' worth of popularity in what follows an item", at_least=0,
        search=(1, 1000), log=True,
    )  # fmt: skip

    @property
    def reads(self) -> frozenset[str]:
        """The history, its order, and what was recorded in it: some events weigh nothing."""
        return frozenset({"history", "values", "order"})

    @property
    def counts(self) -> bool:
        """Whether learning in two steps gives what one fit on everything gives: it does."""
        return True

    @abstractmethod
    def _weights(self) -> NDArray[np.float64]:
        """Return (steps,) what an event weighs for the one that comes so many places later."""

    @abstractmethod
    def _voices(self) -> NDArray[np.float64]:
        """Return (events,) what the asker's last event weighs, the one before it, and so on."""

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        self._keep(*self._learned_from(data.histories, len(data.items)))
        if not self.met_.any():
            raise BadEvents(f"{self.name} needs at least one interaction that weighs something")

    def _learned_from(self, histories: Histories, n: int) -> tuple[CSR, NDArray[np.int64]]:
        """Return items x items counts of what follows what, and (items,) counts of events."""
        said = self._said(histories)
        rules = following(*_sequences(said), self._weights(), n)
        return rules, np.bincount(said.item, minlength=n)

    def _keep(self, rules: CSR, met: NDArray[np.int64]) -> None:
        self.rules_, self.met_ = rules, met
        self.followed_ = np.bincount(rules.row_numbers(), rules.data, len(met))

    def _said(self, histories: Histories) -> Histories:
        """Return the events that weigh something; how old they are does not matter."""
        weights = self.training_.feedback.row_weights(histories)
        return histories.where((weights > 0) & (histories.item >= 0))

    def updated(self, data: Dataset, queries: Queries, fresh: NDArray[np.int64]) -> Self:
        """Return a new model that also counted the last ``fresh[r]`` events of row r.

        What the rows counted for without those events is taken away, and what they count for with
        them is added: a fresh event may take back an earlier one.

        Raises
        ------
        BadParameter : ``fresh`` is not a number of events for each row.
        BadEvents : ``data`` does not know an item that this model knows.
        """
        fresh = counted(fresh, queries)
        known, n = self._trained(), len(data.items)
        asked = queries.recoded(data.items, data.users).histories
        place = np.arange(len(asked.item)) - np.repeat(asked.indptr[:-1], asked.lengths)
        before = asked.where(place < np.repeat(asked.lengths - fresh, asked.lengths))
        less, fewer = self._learned_from(before, n)
        more, others = self._learned_from(asked, n)
        code = known.items.recoding(data.items)
        code = np.arange(n, dtype=np.int32) if code is None else code
        if (code < 0).any():
            gone = known.items.decode(np.flatnonzero(code < 0)[:1])[0]
            raise BadEvents(f"the data to update {self.name} with does not know item {gone!r}")
        own = self.rules_
        parts = [
            (code[own.row_numbers()], code[own.indices], own.data),
            (less.row_numbers(), less.indices, -less.data),
            (more.row_numbers(), more.indices, more.data),
        ]
        rows, columns, values = (np.concatenate(one) for one in zip(*parts, strict=True))
        summed = CSR.from_pairs(rows, columns, values, (n, n))
        new = copy.copy(self)
        new._forget()
        real = summed.data > 1e-4  # less is rounding: the least weight is far above
        indptr = np.append(0, np.cumsum(real))[summed.indptr]
        met = others - fewer
        met[code] += self.met_
        new._keep(CSR(indptr, summed.indices[real], summed.data[real], n), met)
        new.training_ = replace(
            known,
            items=data.items,
            users=data.users,
            shown=data.shown,
            until=max(known.until, int(asked.time.max(initial=-1))),
            events=known.events + int(fresh.sum()),
        )
        new._seal()
        return new

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _spoken(self, queries: Queries) -> CSR:
        """Return (q, items): what the last events of each asker weigh, divided as rules are."""
        said = self._said(queries.histories)
        said = said.where(self.met_[said.item] > 0)
        if (said.session >= 0).any():  # of the session that the last event belongs to
            last = np.append(said.session, -1)[said.indptr[1:] - 1]
            said = said.where(said.session == np.repeat(last, said.lengths))
        voices = self._voices()
        back = np.repeat(said.indptr[1:], said.lengths) - 1 - np.arange(len(said.item))
        heard = back < len(voices)
        shape = (len(said), len(self.met_))
        person, item = said.person()[heard], said.item[heard]
        return CSR.from_pairs(person, item, voices[back[heard]], shape)

    def _from_voices(self, x: CSR) -> Scores:
        """Return (q, items) scores; NaN for who has said nothing and for items nobody met."""
        y = x.data * self._divisors(x.indices)
        scores = sparse_sparse(CSR(x.indptr, x.indices, y, x.columns), self.rules_)
        left = np.bincount(x.row_numbers(), y * self.shrinkage, x.shape[0])
        scores += left.astype(np.float32)[:, None] * self._usual()
        scores[np.diff(x.indptr) == 0] = np.nan
        scores[:, self.met_ == 0] = np.nan
        return scores

    def _divisors(self, item: Codes) -> NDArray[np.float32]:
        """(entries,) one over the weight of all that follows an item, and of the shrinkage."""
        whole = self.followed_[item] + self.shrinkage
        inverse = np.divide(1, whole, out=np.zeros(len(item)), where=whole > 0)
        return np.asarray(inverse, np.float32)

    def _usual(self) -> NDArray[np.float32]:
        """(items,) each item's share of all events."""
        usual: NDArray[np.float32] = (self.met_ / self.met_.sum()).astype(np.float32)
        return usual

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each of the asker's last items adds something."""
        x = self._spoken(queries)

        def tell(row: int, asked: Codes) -> Told:
            mine = x.rows(row, row + 1)
            backed = Sparse(self.rules_, self.met_ > 0).to_items(mine.indices, asked)
            backed += self.shrinkage * self._usual()[asked].astype(np.float64)[:, None]
            amounts = backed * (mine.data * self._divisors(mine.indices))
            return Told.of(mine.indices, amounts)

        return Answered(column_scores(self._from_voices(x), items), tell)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items that follow each of some item ids most often."""
        training = self._trained()

        def after(codes: Codes) -> Scores:
            met = np.flatnonzero(self.met_[codes] > 0)
            shape = (len(codes), len(self.met_))
            return self._from_voices(CSR.from_pairs(met, codes[met], None, shape))

        return alike(training, items, k, after, self.name)


def _sequences(h: Histories) -> tuple[NDArray[np.int64], Codes]:
    """Return where sequences begin, and their items: sessions, if there are any, or people."""
    if not (h.session >= 0).any():
        return h.indptr, h.item
    person = h.person()
    order = np.lexsort((h.session, person))
    person, session = person[order], h.session[order]
    new = (person[1:] != person[:-1]) | (session[1:] != session[:-1])
    cuts = np.concatenate([[0], np.flatnonzero(new) + 1, [len(order)]])
    return cuts, h.item[order]


@dataclass(kw_only=True)
class MarkovChain(_Rules):
    """An item's score is the chance that it comes next, after the asker's last event.

    ``score(i) = (n(j, i) + shrinkage p(i)) / (n(j) + shrinkage)``, where j is the asker's last
    item, n(j, i) counts how often i was the event right after j, n(j) is the sum of n(j, i) over
    all i, and p(i) is i's share of all events (a first-order chain as in Ludewig and Jannach,
    "Evaluation of session-based recommendation algorithms", UMUAI 2018, backed off to popularity).

    Where events have sessions, a sequence is a session; else it is a person's whole history, in the
    order of time and of the rows. Events that weigh nothing (``Feedback``) are left out first.

    Reads the history, its order and its values. Who has no history is NaN, as are items nobody met.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.Dataset.of({"user": [1, 1, 1, 2, 2], "item": ["a", "b", "c", "a", "b"]})
    >>> model = pt.MarkovChain().fit(data)
    >>> model.recommend(data.queries(likes=[["c", "a"]]), k=1).ids()
    [['b']]
    """

    def _weights(self) -> NDArray[np.float64]:
        return np.ones(1)

    def _voices(self) -> NDArray[np.float64]:
        return np.ones(1)


@dataclass(kw_only=True)
class SequentialRules(_Rules):
    """An item's score comes from the items that it tends to follow, near or far.

    With w(s) what an event weighs s places later, and v(j) what the asker's item j weighs by how
    far back it was met,

        r(j, i) = sum of w(s) over all i that stand s <= steps places after j
        score(i) = sum over j of v(j) (r(j, i) + shrinkage p(i)) / (r(j) + shrinkage)

    where r(j) is the sum of r(j, i) over all i, and p(i) is i's share of all events. With
    ``recent=1`` these are the sequential rules of Ludewig and Jannach, "Evaluation of session-based
    recommendation algorithms" (UMUAI 2018), backed off to popularity.

    Where events have sessions, a sequence is a session; else it is a person's whole history, in the
    order of time and of the rows. Events that weigh nothing (``Feedback``) are left out first.

    Reads the history, its order and its values. Who has no history is NaN, as are items nobody met.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.Dataset.of({"user": [1, 1, 1, 2, 2], "item": ["a", "b", "c", "a", "b"]})
    >>> model = pt.SequentialRules(shrinkage=1.0).fit(data)
    >>> model.recommend(data.queries(likes=[["a"]]), k=2).ids()
    [['b', 'c']]
    """

    steps: int = hyper(
        10, "how many places apart two events may stand", at_least=1, search=(1, 30), log=True
    )
    recent: int = hyper(
        10, "how many of the asker's last events speak", at_least=1, search=(1, 30), log=True
    )
    decay: Decay = hyper("reciprocal", "w(s): 1/s, 1/s^2, or 1 at any distance")

    def _weights(self) -> NDArray[np.float64]:
        return self._decayed(self.steps)

    def _voices(self) -> NDArray[np.float64]:
        return self._decayed(self.recent)

    def _decayed(self, length: int) -> NDArray[np.float64]:
        power = {"reciprocal": -1.0, "quadratic": -2.0, "same": 0.0}[self.decay]
        return np.power(np.arange(1, length + 1, dtype=np.float64), power)
