"""Rows that go because of one entry: outside of bounds, or among those that are named."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from penchant.parameters import hyper
from penchant.preparation.selecting import micros
from penchant.preparation.step import Learned, Mask, Outcome, Role, Rows, Step, counted, table

ROLES: tuple[Role, ...] = ("user", "item")


@dataclass(frozen=True, kw_only=True)
class DropValues(Step):
    """Leave out rows whose value is outside of bounds, or one of those that are named.

    Such as a 99 among stars, a user called "NA", or the instant of an import. Rows in which nothing
    stands stay (see ``DropMissing``). Doing it twice is the same as doing it once, and a replay
    does the same.

    Parameters
    ----------
    column : "value", "user", "item", "time", "session", or a column read as ``context``.
    low, high : the lowest and the highest number that stays, for values and columns of numbers;
        None: no bound on this side. For times, see ``Between``.
    among : entries that go: numbers, texts, ids; for times moments such as "2024-01-31T06:00:00"
        (UTC if no zone is said).
    kind : which rows; None: for the column "value" those of the only kind that records any, for
        others all.

    Raises
    ------
    Incompatible : ids of another type than the rows' ids.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": ["ann", "NA", "bo"], "item": ["a", "a", "b"], "rating": [4, 5, 99]}
    >>> steps = [DropValues(among=(99,)), DropValues(column="user", among=("NA",))]
    >>> pt.prepare(table, steps).events.frame["user"].to_list()
    ['ann']
    """

    column: str = hyper("value", "where to look")
    low: float | None = hyper(None, "the lowest number that stays")
    high: float | None = hyper(None, "the highest number that stays")
    among: tuple[float | str, ...] = hyper((), "entries that go")
    kind: str | None = hyper(None, "which rows")

    def __post_init__(self) -> None:
        """Check that something goes, that bounds are in order, and that entries can be met."""
        self.listed("among")
        super().__post_init__()
        bounded = self.low is not None or self.high is not None
        if not bounded and not self.among:
            raise self.wrong("among", "name what goes, or low or high be given")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise self.wrong("high", f"be at least low, {self.low!r}")
        if bounded and self.column in ("user", "item", "session", "time"):
            raise self.wrong(
                "low" if self.low is not None else "high", f"be None for {self.column}s"
            )
        for one in self.among:
            number = isinstance(one, (int, float)) and not isinstance(one, bool)
            if not isinstance(one, str) and not (number and math.isfinite(one)):
                raise self.wrong("among", "hold numbers or texts")
        texts = [isinstance(one, str) for one in self.among]
        if any(texts) and (self.column == "value" or not all(texts)):
            held = "numbers" if self.column == "value" else "numbers only, or texts only"
            raise self.wrong("among", f"hold {held}")
        if self.column == "time":
            self._moments()

    def _moments(self) -> list[int]:
        try:
            return [micros(str(one)) for one in self.among]
        except ValueError:
            raise self.wrong("among", "hold moments such as '2024-01-31T06:00:00'") from None

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Compare each entry with the bounds and the names."""
        if self.column == "value":
            kind, looked = self.recorded(rows, self.kind, learned)
            kept = learned or {"kind": table(kind=[kind])}
            masks = self._beyond(rows.value)
            masks[f"one of {_listed(self.among)}"] = np.isin(
                rows.value, np.array(self.among, float)
            )
        else:
            looked, kept = rows.of_kind(self.kind), learned or {}
            masks = self._of_column(rows)
        keep = np.ones(len(rows), bool)
        said = []
        for what, mask in masks.items():
            gone = mask & looked & keep
            keep &= ~gone
            if gone.any():
                said.append(f"{counted(int(gone.sum()), 'row')} with a {self.column} {what}")
        return Outcome(rows.where(keep), ", ".join(said) or "no row", kept)

    def _beyond(self, number: np.typing.NDArray[np.float64]) -> dict[str, Mask]:
        """Return what is beyond the bounds, by what is said of it; NaN is not."""
        masks: dict[str, Mask] = {}
        if self.low is not None:
            masks[f"below {self.low:g}"] = number < self.low
        if self.high is not None:
            masks[f"above {self.high:g}"] = number > self.high
        return masks

    def _of_column(self, rows: Rows) -> dict[str, Mask]:
        """Return which rows hold what goes, in a column other than that of values."""
        named = f"one of {_listed(self.among)}"
        for role in ROLES:
            if self.column == role:
                codes = rows.ids(role).encode(list(self.among))
                return {named: np.isin(rows.codes(role), codes[codes >= 0])}
        if self.column == "time":
            return {named: np.isin(rows.time, self._moments())}
        entries = rows.rest[self.existing("column", self.column, rows)]
        numeric = entries.dtype.is_numeric()
        if not numeric and (self.low is not None or self.high is not None):
            raise self.wrong("column", f"hold numbers, not {entries.dtype}, for low and high")
        texts = any(isinstance(one, str) for one in self.among)
        if entries.dtype.is_nested() or (self.among and texts == numeric):
            raise self.wrong("among", f"hold what {self.column!r} holds, {entries.dtype}")
        masks: dict[str, Mask] = {}
        if numeric:
            masks = self._beyond(entries.cast(pl.Float64).fill_null(np.nan).to_numpy())
        else:
            entries = entries.cast(pl.String)
        met = pl.Series(self.among, dtype=pl.Float64 if numeric else pl.String)
        compared = entries.cast(met.dtype).is_in(met.implode()).fill_null(value=False)
        return masks | {named: compared.to_numpy()}


def _listed(entries: tuple[float | str, ...]) -> str:
    """Return the first entries as they are written, and whether there are more."""
    return ", ".join(map(repr, entries[:5])) + ", …" * (len(entries) > 5)
