"""Rows that flow through a preparation, and what a step of it does to them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter, near
from penchant.ids import IdMap
from penchant.parameters import check

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.int32]
Role = Literal["user", "item"]

Learned = Mapping[str, pl.DataFrame]
"""What a step learned, as tables by name, so that it can be stored without executing anything."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Events column by column, ids as codes.

    Parameters
    ----------
    users, items : ids to codes; they may know more ids than occur.
    kinds : the names of the kinds.
    user, item : (rows,) int32 codes.
    kind : (rows,) int32, codes into ``kinds``.
    value : (rows,) float64, NaN if nothing was recorded.
    time : (rows,) int64, microseconds since 1970 (UTC), -1 if unknown.
    rest : one row an event: its session and circumstances.
    """

    users: IdMap
    items: IdMap
    kinds: tuple[str, ...]
    user: Codes
    item: Codes
    kind: Codes
    value: Floats
    time: NDArray[np.int64]
    rest: pl.DataFrame

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Rows:
        """Take the columns of ``Events.frame``."""
        users, items = IdMap.of(frame["user"]), IdMap.of(frame["item"])
        kinds = tuple(frame["kind"].unique().sort().to_list())
        return cls(
            users,
            items,
            kinds,
            users.encode(frame["user"]),
            items.encode(frame["item"]),
            frame["kind"].cast(pl.Enum(kinds)).to_physical().cast(pl.Int32).to_numpy(),
            frame["value"].to_numpy(),
            frame["time"].to_numpy(),
            frame.drop("user", "item", "kind", "value", "time"),
        )

    def frame(self) -> pl.DataFrame:
        """Return the columns as ``Events.frame`` has them."""
        named = pl.Series(self.kinds, dtype=pl.String)
        return pl.DataFrame(
            {
                "user": self.users.values.gather(self.user),
                "item": self.items.values.gather(self.item),
                "kind": named.gather(self.kind.astype(np.uint32)),
                "value": self.value,
                "time": self.time,
            }
        ).hstack(self.rest)

    def __len__(self) -> int:
        return len(self.user)

    def ids(self, role: Role) -> IdMap:
        """Return the map of the users or of the items."""
        return self.users if role == "user" else self.items

    def codes(self, role: Role) -> Codes:
        """Return (rows,) the codes of the users or of the items."""
        return self.user if role == "user" else self.item

    def counts(self, role: Role) -> NDArray[np.int64]:
        """Return the number of rows of each user or item code."""
        return np.bincount(self.codes(role), minlength=len(self.ids(role)))

    def active(self, role: Role) -> int:
        """Return how many users or items occur."""
        return int(np.count_nonzero(self.counts(role)))

    def where(self, keep: Mask) -> Rows:
        """Return only some rows, in their order."""
        if keep.all():
            return self
        columns = ("user", "item", "kind", "value", "time")
        kept = {name: getattr(self, name)[keep] for name in columns}
        return dataclasses.replace(self, **kept, rest=self.rest.filter(pl.Series(keep)))

    def pairs(self) -> NDArray[np.int64]:
        """Return (rows,) a number for the user and the item, larger for a larger user code."""
        return self.user * np.int64(len(self.items)) + self.item

    def looked_up(self, role: Role, table: pl.DataFrame, column: str, otherwise: float) -> Floats:
        """Return (rows,) what a learned table says of each row's user or item.

        Parameters
        ----------
        otherwise : for a user or item that the table does not hold.
        """
        ids = self.ids(role)
        at = ids.encode(table[role])
        by_code = np.full(len(ids), otherwise)
        by_code[at[at >= 0]] = table[column].to_numpy()[at >= 0]
        found: Floats = by_code[self.codes(role)]
        return found

    def of_kind(self, kind: str | None) -> Mask:
        """Return (rows,) whether a row is of a kind; None is any."""
        if kind is None:
            return np.ones(len(self), bool)
        if kind not in self.kinds:
            return np.zeros(len(self), bool)
        if len(self.kinds) == 1:
            return np.ones(len(self), bool)
        same: Mask = self.kind == self.kinds.index(kind)
        return same


@dataclass(frozen=True)
class Outcome:
    """What a step made of the rows.

    Parameters
    ----------
    rows : those that are left, in the order they came.
    why : a sentence: what went or changed, and by which rule.
    learned : tables by name, for replaying.
    changed : how many of the rows that are left have another value than before.
    """

    rows: Rows
    why: str
    learned: Learned = dataclasses.field(default_factory=dict)
    changed: int = 0


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """One step of a preparation: a plain value whose fields are its parameters.

    An author writes ``run``. The fields hold numbers, text, None, or tuples of these.

    Raises
    ------
    BadParameter : on construction, a parameter of another type or outside its range.
    """

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Apply the step, once it has learned from the rows what it needs.

        Parameters
        ----------
        learned : None in ``prepare``; in ``Preparation.replay`` the tables that were learned there,
            which are used as they are.
        """

    def wrong(self, name: str, must: str) -> BadParameter:
        """Return the error about a parameter; ``must`` goes on with "must ..."."""
        value = getattr(self, name)
        return BadParameter(f"{type(self).__name__}.{name} must {must}, got {value!r}")

    def listed(self, name: str) -> None:
        """Take a list where a tuple is meant."""
        if isinstance(getattr(self, name), list):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def existing(self, name: str, column: str, rows: Rows) -> str:
        """Return the name of a column that the rows have.

        Raises
        ------
        BadParameter : they have no such column; the message lists those there are.
        """
        columns = ["value", "time", *rows.rest.columns]
        if column not in columns:
            raise BadParameter(
                f"{type(self).__name__}.{name}: column {column!r} does not exist; the columns are "
                f"{', '.join(columns)}.{near(column, columns)} Further ones are kept where "
                "they are named as context: context=[NAME] in reading, or --context NAME"
            )
        return column

    def recorded(self, rows: Rows, kind: str | None, learned: Learned | None) -> tuple[str, Mask]:
        """Return the kind whose values are meant, and (rows,) whether a row records one.

        Values of several kinds (stars and seconds) are not of one scale, so one kind is meant.

        Raises
        ------
        BadParameter : no such kind; no kind named where several record values.
        """
        has = ~np.isnan(rows.value)
        if learned is not None:
            kind = str(learned["kind"].item())
            return kind, has & rows.of_kind(kind)
        counts = np.bincount(rows.kind[has], minlength=len(rows.kinds))
        with_values = [name for name, n in zip(rows.kinds, counts, strict=True) if n]
        if kind is None and len(with_values) == 1:
            kind = with_values[0]
        if kind is None or kind not in with_values:
            held = f"those that record values are {', '.join(with_values) or 'none'}"
            asked = "rows of several kinds record values: name one" if with_values else held
            if kind is not None:
                asked = f"no row of kind {kind!r} records a value"
            raise BadParameter(f"{type(self).__name__}.kind: {asked}; {held}")
        return kind, has & rows.of_kind(kind)


def table(**columns: Sequence[Any] | NDArray[Any]) -> pl.DataFrame:
    """Return a learned table from its columns; a single row for plain numbers."""
    return pl.DataFrame(columns)


def counted(n: int, one: str, many: str | None = None) -> str:
    """Return "1 row" or "1,234 rows"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
