"""Histories: what each of several people did, a row an event, in stable time order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.kernels.csr import CSR, stretches
from penchant.kernels.grouping import grouped

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histories:
    """Events grouped by person; within a person in time order, equal times in the order recorded.

    A training table is the histories of everyone in it; a request holds those of who is asking.

    Parameters
    ----------
    indptr : (people + 1,) int64, where each person's events begin.
    item : (events,) int32, item codes; -1 for an item that the map does not know.
    kind : (events,) int16, codes into ``kinds``.
    value : (events,) float32, what was recorded, NaN if nothing; never a weight.
    time : (events,) int64, microseconds since 1970 (UTC), -1 if unknown.
    session : (events,) int32, -1 if none.
    kinds : the names of the kinds.
    context : one row an event with its circumstances, or None.
    """

    indptr: Ints
    item: NDArray[np.int32]
    kind: NDArray[np.int16]
    value: NDArray[np.float32]
    time: Ints
    session: NDArray[np.int32]
    kinds: tuple[str, ...] = ()
    context: pl.DataFrame | None = None

    @classmethod
    def of(
        cls,
        person: NDArray[np.integer],
        item: NDArray[np.integer],
        *,
        people: int,
        kind: NDArray[np.integer] | None = None,
        value: NDArray[np.floating] | None = None,
        time: Ints | None = None,
        session: NDArray[np.integer] | None = None,
        kinds: tuple[str, ...] = ("view",),
        context: pl.DataFrame | None = None,
    ) -> Histories:
        """Group rows by person and sort them by time, stably."""
        n = len(item)
        times = np.zeros(0, np.int64) if time is None else np.asarray(time, np.int64)
        indptr, order = grouped(np.asarray(person, np.int32), times, people)
        return cls(
            indptr,
            np.asarray(item, np.int32)[order],
            (np.zeros(n, np.int16) if kind is None else np.asarray(kind, np.int16)[order]),
            (
                np.full(n, np.nan, np.float32)
                if value is None
                else np.asarray(value, np.float32)[order]
            ),
            np.full(n, -1, np.int64) if time is None else times[order],
            (np.full(n, -1, np.int32) if session is None else np.asarray(session, np.int32)[order]),
            kinds,
            context if context is None or isinstance(order, slice) else context[order],
        )

    @classmethod
    def empty(cls, people: int, kinds: tuple[str, ...] = ()) -> Histories:
        """Return ``people`` histories without events."""
        none = np.zeros(0, np.int64)
        return cls.of(none, none, people=people, kinds=kinds)

    @cached_property
    def weighed(self) -> list[tuple[Any, Any, NDArray[np.float32], CSR]]:
        """What the rows weigh, by each feedback and time that asked; see ``Feedback.weigh``."""
        return []

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Ints:
        """(people,) number of events of each."""
        return np.diff(self.indptr)

    def person(self) -> Ints:
        """(events,) which person each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def rated(self) -> NDArray[np.bool_]:
        """(events,) whether the row is a rating with a value."""
        if "rating" not in self.kinds:
            return np.zeros(len(self.item), bool)
        if len(self.kinds) == 1:
            return ~np.isnan(self.value)
        rated: NDArray[np.bool_] = (self.kind == self.kinds.index("rating")) & ~np.isnan(self.value)
        return rated

    def hidden(self) -> NDArray[np.bool_]:
        """(events,) whether the row says that the person wants to see no more of the item."""
        if "hide" not in self.kinds:
            return np.zeros(len(self.item), bool)
        hides: NDArray[np.bool_] = self.kind == self.kinds.index("hide")
        return hides

    def where(self, keep: NDArray[np.bool_]) -> Histories:
        """Return the same people with only the events where ``keep`` is true."""
        before = np.zeros(len(keep) + 1, np.int64)
        np.cumsum(keep, out=before[1:])
        return self._gathered(before[self.indptr], np.flatnonzero(keep))

    def shuffled(self, rng: np.random.Generator) -> Histories:
        """Return the same people, each one's events in random order."""
        return self._gathered(self.indptr, np.lexsort((rng.random(len(self.item)), self.person())))

    def take(self, people: slice | NDArray[np.integer]) -> Histories:
        """Return the histories of some people, by slice, places or mask, in the order asked for."""
        if not isinstance(people, slice) and np.asarray(people).dtype == bool:
            people = np.flatnonzero(people)
        if isinstance(people, slice):
            lo, hi, step = people.indices(len(self))
            if step == 1:
                hi = max(lo, hi)
                a, b = int(self.indptr[lo]), int(self.indptr[hi])
                return self._gathered(self.indptr[lo : hi + 1] - a, slice(a, b))
            people = np.arange(lo, hi, step)
        indptr = np.zeros(len(people) + 1, np.int64)
        np.cumsum(self.lengths[people], out=indptr[1:])
        return self._gathered(indptr, stretches(self.indptr[:-1][people], indptr))

    def _gathered(self, indptr: Ints, rows: slice | Ints) -> Histories:
        return Histories(
            indptr,
            self.item[rows],
            self.kind[rows],
            self.value[rows],
            self.time[rows],
            self.session[rows],
            self.kinds,
            None if self.context is None else self.context[rows],
        )

    def recoded(self, recoding: NDArray[np.int32]) -> Histories:
        """Return the events whose items ``recoding`` knows (old code to new code, or -1)."""
        if not len(recoding):
            return self.where(np.zeros(len(self.item), bool))
        new = np.where(self.item >= 0, recoding[self.item], -1).astype(np.int32)
        known = self.where(new >= 0)
        return Histories(
            known.indptr, new[new >= 0], known.kind, known.value, known.time, known.session,
            known.kinds, known.context,
        )  # fmt: skip
