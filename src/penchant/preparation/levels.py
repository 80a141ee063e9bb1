"""Values by the level of their user or item: filling in what is missing, one scale for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from penchant.errors import Incompatible
from penchant.ids import IdMap
from penchant.parameters import hyper
from penchant.preparation.selecting import missing
from penchant.preparation.step import (
    Codes,
    Floats,
    Learned,
    Mask,
    Outcome,
    Role,
    Rows,
    Step,
    counted,
    table,
)

DAMPING = 5.0
"""Values at the overall level that count beside a user's or an item's own in its bias."""


@dataclass(frozen=True, kw_only=True)
class Impute(Step):
    """Fill in what is missing, from what is recorded in training.

    A filled-in value looks like a recorded one to every model, and says nothing that the recorded
    ones do not say. Leaving the row out (``DropMissing``), or leaving the value missing, is more
    often right: models that rank count the row either way.

    Nothing is missing after it, so doing it twice is the same as doing it once. On replay the
    levels learned in training are used; a user or item that is not among them has the overall one.

    Parameters
    ----------
    column : "value", or a column read as ``context``.
    by : "mean" or "median" of all; "mode", the most frequent entry (the lowest of several);
        "item" or "user", the mean of its own entries; "biases", the overall mean plus the item's
        and the user's deviation from it, each damped as if five more values were at the overall
        level; "constant".
    constant : the entry for ``by="constant"``.
    kind : which values, for column "value"; None: those of the only kind that records any.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 2, 3, 3], "item": ["a", "a", "a", "b"], "rating": [2, 4, None, 1]}
    >>> pt.prepare(table, [Impute(by="item")]).events.frame["value"].to_list()
    [2.0, 4.0, 3.0, 1.0]
    """

    column: str = hyper("value", "what to fill in")
    by: Literal["mean", "median", "mode", "item", "user", "biases", "constant"] = hyper(
        "mean", "what to fill it with"
    )
    constant: float | str | None = hyper(None, "the entry for by='constant'")
    kind: str | None = hyper(None, "which values")

    def __post_init__(self) -> None:
        """Check that there is a constant if one is needed, and only then."""
        super().__post_init__()
        if (self.by == "constant") != (self.constant is not None):
            raise self.wrong("constant", "be given with by='constant', and only then")
        if self.column == "value" and isinstance(self.constant, str):
            raise self.wrong("constant", "be a number for the column 'value'")
        if self.column != "value" and self.kind is not None:
            raise self.wrong("kind", f"be None for the column {self.column!r}")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Learn the levels and put them where nothing stands."""
        if self.column == "value":
            kind, has = self.recorded(rows, self.kind, learned)
            gaps = rows.of_kind(kind) & ~has
            kept = learned or {"kind": table(kind=[kind]), **self._learned(rows, rows.value, has)}
            value = rows.value.copy()
            value[gaps] = self._levels(rows.where(gaps), kept)
            made = replace(rows, value=value)
        else:
            entries = self._entries(rows)
            gaps = missing(rows, self.column)
            kept = learned or self._learned(rows, entries, ~gaps)
            with_gaps, at = rows.where(gaps), pl.Series(np.flatnonzero(gaps))
            level = kept["overall"]["level"]
            if _text(level) != _text(entries):
                raise Incompatible(
                    f"Impute.column: {self.column!r} holds {rows.rest.schema[self.column]}, and "
                    f"{level.dtype} was learned from, such as {level[0]!r}: cast it first"
                )
            if _text(entries):
                filled = entries.scatter(at, level.new_from_index(0, len(at)))
            else:
                filled = entries.cast(pl.Float64).scatter(at, self._levels(with_gaps, kept))
            made = replace(rows, rest=rows.rest.with_columns(filled.alias(self.column)))
        n = int(gaps.sum())
        return Outcome(
            made, f"{counted(n, 'entry', 'entries')} missing; {self._said(kept)}", kept, n
        )

    def _entries(self, rows: Rows) -> pl.Series:
        """Return a circumstance that can be filled in by the rule."""
        column = self.existing("column", self.column, rows)
        if column in ("time", "session"):
            raise self.wrong("column", "be 'value' or a circumstance: nobody knows another time")
        entries = rows.rest[column]
        if entries.dtype.is_nested():
            raise self.wrong("column", f"hold single entries, not {entries.dtype}")
        if _text(entries):
            if self.by not in ("mode", "constant"):
                raise self.wrong(
                    "by", f"be 'mode' or 'constant' for {column!r}, which is no number"
                )
            if self.by == "constant" and not isinstance(self.constant, str):
                raise self.wrong("constant", f"be a text for {column!r}")
            return entries.cast(pl.String)
        if isinstance(self.constant, str):
            raise self.wrong("constant", f"be a number for {column!r}")
        return entries

    def _learned(
        self, rows: Rows, entries: pl.Series | Floats, has: Mask
    ) -> dict[str, pl.DataFrame]:
        """Return the overall level, and those of users and items if the rule needs them."""
        if self.by == "constant":
            return {"overall": table(level=[self.constant])}
        recorded = pl.Series(entries).filter(pl.Series(has))
        if not len(recorded):
            raise self.wrong("column", "name a column with entries to learn from")
        if self.by == "mode":
            return {"overall": table(level=[recorded.mode().sort()[0]])}
        number = recorded.cast(pl.Float64)
        overall: Any = number.median() if self.by == "median" else number.mean()
        kept = {"overall": table(level=[overall])}
        known, values = rows.where(has), number.to_numpy()
        if self.by in ("item", "user"):
            role: Role = "item" if self.by == "item" else "user"
            kept[role] = _means(known, role, values)
        if self.by == "biases":
            left = values - overall
            kept["item"] = _means(known, "item", left, DAMPING)
            left = left - known.looked_up("item", kept["item"], "level", 0.0)
            kept["user"] = _means(known, "user", left, DAMPING)
        return kept

    def _levels(self, rows: Rows, kept: Learned) -> Floats:
        """Return (rows,) what the rule puts into each row."""
        overall = float(kept["overall"]["level"].item())
        if self.by == "biases":
            levels = np.full(len(rows), overall)
            levels += rows.looked_up("item", kept["item"], "level", 0.0)
            return levels + rows.looked_up("user", kept["user"], "level", 0.0)
        if self.by in ("item", "user"):
            role: Role = "item" if self.by == "item" else "user"
            return rows.looked_up(role, kept[role], "level", overall)
        return np.full(len(rows), overall)

    def _said(self, kept: Learned) -> str:
        level = kept["overall"]["level"].item()
        shown = f"{level:g}" if isinstance(level, (int, float)) else repr(level)
        if self.by in ("item", "user"):
            return f"filled with the mean of the {self.by} ({shown} for one that is not known)"
        if self.by == "biases":
            return f"filled with the mean, {shown}, plus what the item and the user deviate from it"
        return f"filled with the {self.by}, {shown}"


def _text(entries: pl.Series) -> bool:
    return not entries.dtype.is_numeric()


def _means(rows: Rows, role: Role, values: Floats, damping: float = 0.0) -> pl.DataFrame:
    """Return the mean value of each user or item that has one."""
    number = rows.counts(role)
    total = np.bincount(rows.codes(role), values, minlength=len(number))
    known = number > 0
    ids = rows.ids(role).values.filter(pl.Series(known))
    return pl.DataFrame({role: ids, "level": total[known] / (number[known] + damping)})


@dataclass(frozen=True, kw_only=True)
class Normalise(Step):
    """Put the values of all users, or all items, on one scale: (value - centre) / spread.

    ``Preparation.restore`` takes predictions back to the scale that was recorded. A user (or item)
    that was not in training has the overall centre and spread; one whose values are all the same
    has the spread 1. Missing values stay missing.

    Parameters
    ----------
    how : "centre": less the mean; "z_score": less the mean, by the standard deviation (of the
        values there are, without a correction); "min_max": less the lowest, by the distance of the
        highest from it.
    by : "user", "item", or "all" for one centre and one spread.
    kind : which values; None: those of the only kind that records any.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 1, 2, 2], "item": ["a", "b", "a", "b"], "rating": [1, 3, 4, 5]}
    >>> prepared = pt.prepare(table, [Normalise(how="centre", by="user")])
    >>> prepared.events.frame["value"].to_list()
    [-1.0, 1.0, -0.5, 0.5]
    """

    how: Literal["centre", "z_score", "min_max"] = hyper("z_score", "what is taken off and by what")
    by: Literal["all", "user", "item"] = hyper("user", "whose values have a level of their own")
    kind: str | None = hyper(None, "which values")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Learn centres and spreads and apply them."""
        kind, has = self.recorded(rows, self.kind, learned)
        meant = rows.where(has)
        kept = learned or {"kind": table(kind=[kind]), **self._learned(meant)}
        centre, spread = kept["overall"].row(0)
        centres: Floats | float = centre
        spreads: Floats | float = spread
        unknown = ""
        if self.by != "all":
            levels = kept[self.by]
            centres = meant.looked_up(self.by, levels, "centre", centre)
            spreads = meant.looked_up(self.by, levels, "spread", spread)
            new = (meant.counts(self.by) > 0).sum() - _known(meant, self.by, levels)
            unknown = f"; {counted(int(new), self.by)} not known, taken as all are" if new else ""
        value = rows.value.copy()
        value[has] = (meant.value - centres) / spreads
        changed = int((value[has] != meant.value).sum())
        why = f"{_HOW[self.how]} of {'all' if self.by == 'all' else f'each {self.by}'}{unknown}"
        return Outcome(replace(rows, value=value), why, kept, changed)

    def _learned(self, rows: Rows) -> dict[str, pl.DataFrame]:
        """Return the centre and spread of all values, and of each user's or item's."""
        everyone = np.zeros(len(rows), np.int32)
        centre, spread = self._levels(rows.value, everyone, 1)
        kept = {"overall": table(centre=centre, spread=spread)}
        if self.by != "all":
            number = rows.counts(self.by)
            centre, spread = self._levels(rows.value, rows.codes(self.by), len(number))
            known = number > 0
            ids = rows.ids(self.by).values.filter(pl.Series(known))
            kept[self.by] = pl.DataFrame(
                {self.by: ids, "centre": centre[known], "spread": spread[known]}
            )
        return kept

    def _levels(self, value: Floats, code: Codes, n: int) -> tuple[Floats, Floats]:
        """Return (n,) centres and (n,) spreads of the values of each code."""
        if self.how == "min_max":
            low, high = np.full(n, np.inf), np.full(n, -np.inf)
            np.minimum.at(low, code, value)
            np.maximum.at(high, code, value)
            return low, np.where(high > low, high - low, 1.0)
        number = np.maximum(np.bincount(code, minlength=n), 1)
        centre = np.bincount(code, value, minlength=n) / number
        if self.how == "centre":
            return centre, np.ones(n)
        variance = np.bincount(code, (value - centre[code]) ** 2, minlength=n) / number
        spread = np.sqrt(variance)
        # Values have 32 bits: what is smaller beside the centre than these tell is rounding.
        return centre, np.where(spread > 1e-8 * np.abs(centre), spread, 1.0)

    def undone(self, users: pl.Series, items: pl.Series, value: Floats, learned: Learned) -> Floats:
        """Return values on the scale that was recorded; the inverse of ``run``."""
        centre, spread = learned["overall"].row(0)
        if self.by == "all":
            whole: Floats = value * spread + centre
            return whole
        levels = learned[self.by]
        code = IdMap(levels[self.by]).encode(users if self.by == "user" else items)
        known = code >= 0
        centres = np.where(known, levels["centre"].to_numpy()[code], centre)
        spreads = np.where(known, levels["spread"].to_numpy()[code], spread)
        back: Floats = value * spreads + centres
        return back


_HOW = {
    "centre": "less the mean",
    "z_score": "less the mean, by the standard deviation",
    "min_max": "less the lowest, by the distance to the highest",
}


def _known(rows: Rows, role: Role, levels: pl.DataFrame) -> int:
    """Return how many of the users or items that occur have a level."""
    code = rows.ids(role).encode(levels[role])
    return int((rows.counts(role)[code[code >= 0]] > 0).sum())
