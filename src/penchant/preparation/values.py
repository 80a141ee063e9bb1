"""Values by their size: bounds for what lies far out, likes from stars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from penchant.parameters import hyper
from penchant.preparation.step import Learned, Mask, Outcome, Rows, Step, counted, table


@dataclass(frozen=True, kw_only=True)
class ClipValues(Step):
    """Move values beyond a bound onto it: fixed bounds, or quantiles (winsorising).

    With fixed bounds, doing it twice is the same as doing it once. On replay the bounds learned in
    training hold. For bounds that hold for one person's rows at request time too, see ``Feedback``.

    Parameters
    ----------
    low, high : fixed bounds; None: none on this side.
    quantiles : (low, high) shares of the values, such as (0.01, 0.99): bounds at these quantiles of
        the training values, interpolated linearly between neighbouring values.
    kind : which values; None: those of the only kind that records any.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 2, 3], "item": ["a", "a", "b"], "rating": [-7, 4, 99]}
    >>> pt.prepare(table, [ClipValues(low=1, high=5)]).events.frame["value"].to_list()
    [1.0, 4.0, 5.0]
    """

    low: float | None = hyper(None, "the lowest value that stays as it is")
    high: float | None = hyper(None, "the highest value that stays as it is")
    quantiles: tuple[float, float] | None = hyper(None, "bounds as shares of the values")
    kind: str | None = hyper(None, "which values")

    def __post_init__(self) -> None:
        """Check that there are bounds of one sort, and that they are in order."""
        self.listed("quantiles")
        super().__post_init__()
        fixed = self.low is not None or self.high is not None
        if fixed == (self.quantiles is not None):
            raise self.wrong("quantiles", "be given if neither low nor high is, and only then")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise self.wrong("high", f"be at least low, {self.low!r}")
        if self.quantiles is not None and not _shares(self.quantiles):
            raise self.wrong("quantiles", "be two shares in order, such as (0.01, 0.99)")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Clip to the bounds, having learned them if they are quantiles."""
        kind, has = self.recorded(rows, self.kind, learned)
        if learned is not None:
            low, high = _bounds(learned)
        elif self.quantiles is not None:
            low, high = np.quantile(rows.value[has], self.quantiles).tolist()
        else:
            low = -math.inf if self.low is None else float(self.low)
            high = math.inf if self.high is None else float(self.high)
        below, above = has & (rows.value < low), has & (rows.value > high)
        value = rows.value.copy()
        value[below], value[above] = low, high
        said = [
            f"{counted(int(where.sum()), 'value')} {moved} to {bound:g}"
            for where, moved, bound in ((below, "raised", low), (above, "lowered", high))
            if math.isfinite(bound)
        ]
        kept = learned or {"kind": table(kind=[kind]), "bounds": table(low=[low], high=[high])}
        return Outcome(
            replace(rows, value=value), ", ".join(said), kept, int(below.sum() + above.sum())
        )


def _shares(pair: tuple[float, ...]) -> bool:
    numbers = all(isinstance(q, (int, float)) and not isinstance(q, bool) for q in pair)
    return len(pair) == 2 and numbers and 0 <= pair[0] < pair[1] <= 1


def _bounds(learned: Learned) -> tuple[float, float]:
    low, high = learned["bounds"].row(0)
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class DropOutliers(Step):
    """Leave out rows whose value lies far from the middle half of the values (Tukey's fences).

    Beyond ``spread`` times the distance between the quartiles, below the lower or above the upper
    one. The fences are learned in training and hold on replay. Where most values are the same, the
    quartiles may be one number, and all others lie outside: look at the report.

    Parameters
    ----------
    spread : how many times the distance between the quartiles; 1.5 is Tukey's.
    kind : which values; None: those of the only kind that records any.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 2, 3, 4, 5], "item": list("aaabb"), "value": [10, 11, 12, 13, 900]}
    >>> pt.prepare(table, [DropOutliers()]).events.frame["value"].max()
    13.0
    """

    spread: float = hyper(1.5, "times the distance between the quartiles", above=0)
    kind: str | None = hyper(None, "which values")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Learn the fences and leave out what lies beyond them."""
        kind, has = self.recorded(rows, self.kind, learned)
        if learned is not None:
            low, high = _bounds(learned)
        else:
            lower, upper = np.quantile(rows.value[has], (0.25, 0.75)).tolist()
            far = self.spread * (upper - lower)
            low, high = lower - far, upper + far
        gone = has & ((rows.value < low) | (rows.value > high))
        kept = learned or {"kind": table(kind=[kind]), "bounds": table(low=[low], high=[high])}
        why = f"{counted(int(gone.sum()), 'row')} with a value below {low:g} or above {high:g}"
        return Outcome(rows.where(~gone), why, kept)


@dataclass(frozen=True, kw_only=True)
class Binarise(Step):
    """Make likes of values: what reaches a bound is a like, the rest goes or becomes a 0.

    For models that rank, ``Feedback(liked=4)`` does this without touching the table, in training
    and at request time alike. This step is for tables that leave, and for models of ratings.

    Parameters
    ----------
    at : the lowest value that is a like.
    below : "drop" leaves out the rows below, and those of the kind that record no value; what is
        left is of kind "like", with value 1. "zero" keeps the kind and gives values 1 and 0.
    kind : which values; None: those of the only kind that records any.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 2, 3], "item": ["a", "a", "b"], "rating": [2, 4, 5]}
    >>> pt.prepare(table, [Binarise(at=4)]).events.frame.select("user", "kind", "value").rows()
    [(2, 'like', 1.0), (3, 'like', 1.0)]
    """

    at: float = hyper(4.0, "the lowest value that is a like")
    below: Literal["drop", "zero"] = hyper("drop", "what becomes of the rest")
    kind: str | None = hyper(None, "which values")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Compare each value with the bound."""
        kind, has = self.recorded(rows, self.kind, learned)
        liked = has & (rows.value >= self.at)
        likes = counted(int(liked.sum()), "value")
        value = np.where(has, liked.astype(np.float64), rows.value)
        changed = has & (value != rows.value)
        kept = learned or {"kind": table(kind=[kind])}
        if self.below == "zero":
            why = (
                f"{likes} of {self.at:g} or more became 1, the other {has.sum() - liked.sum():,} 0"
            )
            return Outcome(replace(rows, value=value), why, kept, int(changed.sum()))
        stays = liked | ~rows.of_kind(kind)
        why = f"{likes} of {self.at:g} or more became likes, the other rows of kind {kind!r} went"
        made = _renamed(replace(rows, value=value), liked)
        return Outcome(made.where(stays), why, kept, int((changed & stays).sum()))


def _renamed(rows: Rows, liked: Mask) -> Rows:
    """Return the rows, some of them as likes."""
    kinds = rows.kinds if "like" in rows.kinds else (*rows.kinds, "like")
    code = np.int32(kinds.index("like"))
    return replace(rows, kinds=kinds, kind=np.where(liked, code, rows.kind).astype(np.int32))
