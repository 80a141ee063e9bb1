"""Rows that go because of what stands in them: repeats, missing entries, other times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.parameters import hyper
from penchant.preparation.step import Floats, Learned, Mask, Outcome, Rows, Step, counted

Keep = Literal["first", "last", "mean", "sum", "max", "min", "all"]

_SAID = {
    "first": "the first by time was kept",
    "last": "the last by time was kept",
    "mean": "the last by time was kept, with the mean of their values",
    "sum": "the last by time was kept, with the sum of their values",
    "max": "the last by time was kept, with the largest of their values",
    "min": "the last by time was kept, with the smallest of their values",
}


@dataclass(frozen=True, kw_only=True)
class Deduplicate(Step):
    """Leave one row of each user, item and kind, or only take out what was delivered twice.

    Which row is earlier is a matter of time; where times tie or are unknown, of the value (none
    before the lowest), then of the session and the circumstances. So the order of the rows in a
    file does not matter; where a file without times is in order of time, give it a time column.

    Doing it twice is the same as doing it once. On replay the new rows are looked at by themselves.

    Parameters
    ----------
    keep : "first" or "last" by time; "mean", "sum", "max" or "min": the last, with that of the
        recorded values; "all": every repeat stays (ten plays are ten events), but of rows that
        agree in everything, a known time included, one.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 1], "item": ["a", "a"], "rating": [2, 5], "time": [10, 20]}
    >>> pt.prepare(table, [Deduplicate(keep="last")]).events.frame["value"].to_list()
    [5.0]
    """

    keep: Keep = hyper("last", "which row of a user, item and kind stays")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Find what repeats by sorting one number a row; only that is looked at further."""
        key = rows.pairs() * len(rows.kinds) + rows.kind
        order = np.argsort(key)
        key = key[order]
        same = key[1:] == key[:-1]
        repeated = np.zeros(len(rows), bool)
        repeated[1:] |= same
        repeated[:-1] |= same
        keys, places = key[repeated], order[repeated]
        keep = np.ones(len(rows), bool)
        if self.keep == "all":
            keep[_twice(rows, keys, places)] = False
            gone = counted(int((~keep).sum()), "row")
            return Outcome(rows.where(keep), f"{gone} agreed with another in everything")
        places = _by_time(rows, keys, places)
        first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
        last = np.r_[first[1:] - 1, len(keys) - 1][: len(first)]
        keep[places] = False
        stay = places[first if self.keep == "first" else last]
        keep[stay] = True
        value, changed = rows.value, 0
        if self.keep not in ("first", "last") and len(first):
            merged = _merged(self.keep, rows.value[places], first)
            was = rows.value[stay]
            changed = int(((merged != was) & ~(np.isnan(merged) & np.isnan(was))).sum())
            value = value.copy()
            value[stay] = merged
        gone = counted(len(keys) - len(first), "row")
        why = f"{gone} repeated a user, item and kind; of each, {_SAID[self.keep]}"
        if len(places) and (rows.time[places] < 0).all():
            why += " (no times are known: a higher value counts as later)"
        return Outcome(replace(rows, value=value).where(keep), why, changed=changed)


def _sorted(rows: Rows, keys: NDArray[np.int64], places: NDArray[np.intp]) -> pl.DataFrame:
    """Return the rows at ``places`` by key, time, value, session and circumstances."""
    rest = rows.rest[places]
    names = [f"rest {name}" for name in rest.columns]
    compared = pl.DataFrame(
        {
            "key": keys,
            "time": rows.time[places],
            "value": pl.Series(rows.value[places]).fill_nan(None),
        }
    ).hstack(rest.rename(dict(zip(rest.columns, names, strict=True))))
    by = [name for name, kind in compared.schema.items() if not kind.is_nested()]
    return compared.with_columns(place=places).sort(by, maintain_order=True)


def _by_time(rows: Rows, keys: NDArray[np.int64], places: NDArray[np.intp]) -> NDArray[np.intp]:
    found: NDArray[np.intp] = _sorted(rows, keys, places)["place"].to_numpy()
    return found


def _twice(rows: Rows, keys: NDArray[np.int64], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the places of rows that agree with an earlier one in everything."""
    timed = rows.time[places] >= 0
    ordered = _sorted(rows, keys[timed], places[timed])
    again = ~ordered.select(pl.struct(pl.exclude("place")).is_first_distinct()).to_series()
    found: NDArray[np.intp] = ordered["place"].filter(again).to_numpy()
    return found


def _merged(how: Keep, values: Floats, first: NDArray[np.intp]) -> Floats:
    """Return one value for each run of rows that begins at ``first``; NaN if none is recorded."""
    if how in ("max", "min"):
        extreme: Floats = (np.fmax if how == "max" else np.fmin).reduceat(values, first)
        return extreme
    has = ~np.isnan(values)
    number = np.add.reduceat(has.astype(np.int64), first)
    total = np.add.reduceat(np.where(has, values, 0.0), first)
    whole = total if how == "sum" else total / np.maximum(number, 1)
    return np.where(number > 0, whole, np.nan)


@dataclass(frozen=True, kw_only=True)
class DropMissing(Step):
    """Leave out rows in which something was not recorded.

    Missing is: a value that is NaN; a time or session that is not known; in other columns null, NaN
    or blank text. Doing it twice is the same as doing it once.

    Parameters
    ----------
    columns : "value", "time", "session" or columns read as ``context``.
    kind : only rows of this kind are looked at; None: all.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 2], "item": ["a", "a"], "rating": [2, None]}
    >>> len(pt.prepare(table, [DropMissing(columns=("value",))]).events)
    1
    """

    columns: tuple[str, ...] = hyper(("value",), "columns in which an entry must stand")
    kind: str | None = hyper(None, "only rows of this kind")

    def __post_init__(self) -> None:
        """Take a list of columns too."""
        self.listed("columns")
        super().__post_init__()
        if not self.columns or not all(isinstance(c, str) for c in self.columns):
            raise self.wrong("columns", "name one column or more")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Count what is missing column by column; a row without several counts for the first."""
        keep = np.ones(len(rows), bool)
        said = []
        looked = rows.of_kind(self.kind)
        for column in self.columns:
            gone = missing(rows, self.existing("columns", column, rows)) & looked & keep
            said.append(f"{counted(int(gone.sum()), 'row')} without a {column}")
            keep &= ~gone
        return Outcome(rows.where(keep), ", ".join(said))


def missing(rows: Rows, column: str) -> Mask:
    """Return (rows,) whether nothing stands in a column."""
    if column == "value":
        return np.isnan(rows.value)
    if column == "time":
        unknown: Mask = rows.time < 0
        return unknown
    found = rows.rest[column]
    gone = found.is_null()
    if found.dtype.is_float():
        gone |= found.is_nan().fill_null(value=False)
    if found.dtype == pl.String:
        gone |= (found.str.strip_chars() == "").fill_null(value=False)
    blank: Mask = gone.to_numpy()
    return blank


def micros(text: str) -> int:
    """Return microseconds since 1970 of a moment such as "2024-01-31"; UTC if it names no zone.

    Raises
    ------
    ValueError : it is none.
    """
    moment = datetime.fromisoformat(text)
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


@dataclass(frozen=True, kw_only=True)
class Between(Step):
    """Leave rows from one moment on and before another; rows without a time go.

    Doing it twice is the same as doing it once.

    Parameters
    ----------
    start : the first moment that stays, such as "2024-01-01" or "2024-01-01T06:00:00+02:00" (UTC if
        no zone is said); None: from the beginning.
    end : the first moment that goes; None: to the end.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 2], "item": ["a", "a"], "date": ["2023-12-31", "2024-01-01"]}
    >>> pt.prepare(table, [Between(start="2024-01-01")]).events.frame["user"].to_list()
    [2]
    """

    start: str | None = hyper(None, "the first moment that stays")
    end: str | None = hyper(None, "the first moment that goes")

    def __post_init__(self) -> None:
        """Take moments too, as text."""
        for name in ("start", "end"):
            moment = getattr(self, name)
            if isinstance(moment, datetime):
                object.__setattr__(self, name, moment.isoformat())
        super().__post_init__()
        start, end = self._micros("start"), self._micros("end")
        if start is None and end is None:
            raise self.wrong("start", "be a moment, or end")
        if start is not None and end is not None and start >= end:
            raise self.wrong("end", f"be later than start, {self.start!r}")

    def _micros(self, name: str) -> int | None:
        text: Any = getattr(self, name)
        if text is None:
            return None
        try:
            return micros(text)
        except ValueError:
            raise self.wrong(name, "be a moment such as '2024-01-31'") from None

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Compare each time with the two moments."""
        start, end = self._micros("start"), self._micros("end")
        unknown = rows.time < 0
        early = ~unknown & (rows.time < (-1 if start is None else start))
        late = np.zeros(len(rows), bool) if end is None else ~unknown & (rows.time >= end)
        said = [
            f"{counted(int(gone.sum()), 'row')} {why}"
            for gone, why in (
                (early, f"before {self.start}"),
                (late, f"at or after {self.end}"),
                (unknown, "without a time"),
            )
            if gone.any()
        ]
        return Outcome(rows.where(~(early | late | unknown)), ", ".join(said) or "no row")
