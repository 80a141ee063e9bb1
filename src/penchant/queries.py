"""Queries: what is known about who is asking. The unit of work, instead of a user id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.histories import Histories
from penchant.ids import IdMap

Codes = NDArray[np.int32]
Tastes = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Queries:
    """What is known about several askers, a row each. Make them with ``Dataset.queries``.

    Parameters
    ----------
    items, users : the maps that the codes in these queries belong to.
    histories : what each asker did.
    user : (q,) int32, the asker's code in ``users``; -1 for a stranger.
    seen : items that are not to be recommended again, by asker, as (indptr, codes); by default the
        whole history. It is never shortened when a history is.
    now : (q,) int64, microseconds since 1970 (UTC); -1 if time plays no part.
    context : one row an asker with the circumstances of the request, or None.
    user_features : one row an asker, columns as in the dataset's user table, or None.
    tastes : for each asker, weights over item feature names: ``{"Action": 1, "Sci-Fi": 1}``.
    """

    items: IdMap
    users: IdMap
    histories: Histories
    user: Codes
    seen: tuple[NDArray[np.int64], Codes] | None = None
    now: NDArray[np.int64] | None = None
    context: pl.DataFrame | None = None
    user_features: pl.DataFrame | None = None
    tastes: tuple[Tastes, ...] | None = None

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, which: int | slice | NDArray[np.integer]) -> Queries:
        """Return some of the queries; an integer gives one query, still as Queries."""
        if isinstance(which, (int, np.integer)):
            at = range(len(self))[int(which)]
            which = slice(at, at + 1)
        elif not isinstance(which, slice) and which.dtype == bool:
            which = np.flatnonzero(which)
        seen = None
        if self.seen is not None:
            rows = Histories.of(
                np.repeat(np.arange(len(self)), np.diff(self.seen[0])), self.seen[1],
                people=len(self),
            ).take(which)  # fmt: skip
            seen = rows.indptr, rows.item
        tastes = None
        if self.tastes is not None:
            tastes = tuple(self.tastes[n] for n in np.arange(len(self))[which])
        return replace(
            self,
            histories=self.histories.take(which),
            user=self.user[which],
            seen=seen,
            now=None if self.now is None else self.now[which],
            context=None if self.context is None else self.context[which],
            user_features=None if self.user_features is None else self.user_features[which],
            tastes=tastes,
        )

    def blocks(self, size: int) -> Iterator[tuple[int, Queries]]:
        """Yield (first row, queries) for consecutive blocks of at most ``size`` queries."""
        if size >= len(self):
            yield 0, self
            return
        for lo in range(0, len(self), size):
            yield lo, self[lo : lo + size]

    def already_seen(self) -> tuple[NDArray[np.int64], Codes]:
        """Return (indptr, item codes) of what each asker has seen."""
        if self.seen is not None:
            return self.seen
        return self.histories.indptr, self.histories.item

    def recoded(self, items: IdMap, users: IdMap) -> Queries:
        """Return the queries in the codes of other maps; what those do not know is left out.

        Events on unknown items disappear, unknown users become strangers (-1).
        """
        item_codes = self.items.recoding(items)
        user_codes = self.users.recoding(users)
        if item_codes is None and user_codes is None and self.items is items:
            return self
        histories, seen, user = self.histories, self.seen, self.user
        alike = self.items.leading(items) or 0  # so many codes are the same, if all else is unknown
        if item_codes is not None and histories.item.max(initial=-1) >= alike:
            histories = histories.recoded(item_codes)
        if item_codes is not None and seen is not None and seen[1].max(initial=-1) >= alike:
            rows = Histories.of(
                np.repeat(np.arange(len(self)), np.diff(seen[0])), seen[1], people=len(self)
            ).recoded(item_codes)
            seen = rows.indptr, rows.item
        if user_codes is not None:
            if len(user_codes):
                user = np.where(user >= 0, user_codes[user], -1).astype(np.int32)
            else:
                user = np.full(len(user), -1, np.int32)
        return replace(self, items=items, users=users, histories=histories, seen=seen, user=user)
