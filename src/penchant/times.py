"""Times as they stand in exports, to microseconds since 1970 (UTC), and what was understood."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from penchant.errors import BadEvents, BadParameter
from penchant.frames import nulls, numbers, whole_numbers

DAY = 86_400 * 10**6
"""Microseconds."""

UNITS = ((1e11, "s", 1e6), (1e14, "ms", 1e3), (1e17, "us", 1.0), (float("inf"), "ns", 1e-3))
"""Numbers below the first are in the unit that is named; times that to microseconds."""

LIKELY = (631_152_000 * 10**6, 4_102_444_800 * 10**6)
"""Microseconds at the beginning of 1990 and of 2100: times that people record are between."""

COMPACT = (("%Y%m%d", 19000101, 21001231), ("%Y%m%d%H%M%S", 19000101000000, 21001231235959))
"""Dates written as whole numbers; as seconds and milliseconds they would be of 1970 and of 2600."""

ZONED = ("%+", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
         "%Y-%m-%d", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p")  # fmt: skip
YEAR_LAST = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:,?[ T]+(.*))?$"
YEAR_FIRST = r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ]*(.*)$"


class Times(NamedTuple):
    """Times that were read.

    Parameters
    ----------
    micros : Int64, microseconds since 1970 (UTC); null where there is no time or none can be read.
    unit : "s", "ms", "us" or "ns" for numbers; "text", "datetime" or "date" as they are written.
    notes : what else was understood, in sentences.
    """

    micros: pl.Series
    unit: str
    notes: tuple[str, ...]


def read_times(
    column: pl.Series, *, zone: str = "UTC", time_format: str | None = None, where: str = "times"
) -> Times:
    """Read a column of times, whatever it holds.

    Parameters
    ----------
    column : datetimes, dates, numbers since 1970, text, or a mixture; null where nothing stands,
        as ``frames.blanked`` leaves it.
    zone : where clocks show the times that name no zone, such as "Europe/Berlin"; see
        ``known_zone``.
    time_format : how text is written, such as "%d/%m/%Y %H:%M" (chrono's strftime, as in polars).
    where : what to call the column in messages.

    Raises
    ------
    BadEvents : a type without a date; dates that may be day or month first.
    BadParameter : a format that cannot be used.

    Notes
    -----
    - Numbers are seconds, milli-, micro- or nanoseconds, by the size of their median. If that is
      between 1990 and 2100, those that are so in another unit only are read in that.
    - Whole numbers of which most are dates, such as 20240105, are dates; the rest cannot be read.
    - Text is ISO 8601, with or without a zone, or a date with the year last. Days above 12
      somewhere in the column tell whether 03/02/2024 is in February or in March; without any, the
      format must be given. With dots, the day is first.
    - A time without a zone is of ``zone``. If clocks are put back and show it twice, it is the
      first; if they are put forward and never show it, it cannot be read.
    """
    reader = _Reader(zone, where)
    if column.dtype.is_temporal() or column.dtype == pl.Boolean:
        return Times(reader.moments(column), "datetime", tuple(reader.notes))
    if column.dtype == pl.Object:
        column = pl.Series([None if one is None else str(one) for one in column.to_list()])
    if time_format is not None:
        micros = reader.formatted(column.cast(pl.String).str.strip_chars(), time_format)
        return Times(micros, "text", tuple(reader.notes))
    found = numbers(column)
    text = found.is_null() & column.is_not_null()
    exact = whole_numbers(column.set(text, None) if text.any() else column)
    found = found if exact is None else exact
    micros, unit = reader.scaled(found)
    if column.dtype == pl.String and text.any():
        words = reader.written(column.filter(text).str.strip_chars())
        micros = micros.scatter(text.arg_true(), words)
        counted = len(column) - column.null_count() - len(words)
        if words.null_count() < len(words):
            if counted:
                reader.notes.append(f"{counted:,} times are numbers, read as {unit}")
            unit = "text"
    return Times(micros, unit, tuple(reader.notes))


def known_zone(zone: str) -> None:
    """Raise BadParameter unless there is such a time zone."""
    what = f"zone is a time zone, such as 'Europe/Berlin' or 'UTC', got {zone!r}"
    if not isinstance(zone, str) or not zone:
        raise BadParameter(what)
    try:
        pl.Series([], dtype=pl.Datetime("us")).dt.replace_time_zone(zone)
    except pl.exceptions.PolarsError as e:
        raise BadParameter(what) from e


class _Reader:
    """Reads one column, and notes what is worth saying."""

    def __init__(self, zone: str, where: str) -> None:
        self.zone, self.where = zone, where
        self.notes: list[str] = []

    def moments(self, column: pl.Series) -> pl.Series:
        """Read datetimes and dates."""
        if column.dtype == pl.Date:
            column = column.cast(pl.Datetime("us"))
        if not isinstance(column.dtype, pl.Datetime):
            raise BadEvents(f"{self.where}: {column.dtype} says nothing about the date")
        if column.dtype.time_zone is not None:
            return column.dt.epoch("us")
        return self.placed(column.cast(pl.Datetime("us")))

    def placed(self, local: pl.Series) -> pl.Series:
        """Return microseconds of times that name no zone, and say so where it matters."""
        clocks = int((local.dt.epoch("us") % DAY != 0).sum())
        if clocks:
            self.notes.append(f"{clocks:,} times name no zone; they are taken to be {self.zone}")
        if self.zone == "UTC":
            return local.dt.epoch("us")
        first, last = (
            local.dt.replace_time_zone(self.zone, ambiguous=which, non_existent="null")
            for which in ("earliest", "latest")
        )
        twice = int((first != last).sum())
        if twice:
            self.notes.append(
                f"{twice:,} times came twice in {self.zone}, as clocks were put back; the first "
                "is taken"
            )
        return first.dt.epoch("us")

    def scaled(self, found: pl.Series) -> tuple[pl.Series, str]:
        """Read numbers by their size; return microseconds and the unit of most."""
        known = found.filter(found.is_finite().fill_null(value=False))
        if not len(known):
            return nulls(pl.Int64, len(found)), "s"
        dates = self.compact(found, known)
        if dates is not None:
            return dates, "date"
        middle = abs(known.quantile(0.5, interpolation="lower") or 0.0)
        unit, factor = next((u, f) for limit, u, f in UNITS if middle < limit)
        micros = _multiplied(found, factor)
        if LIKELY[0] <= middle * factor < LIKELY[1]:
            for _, other, by in UNITS:
                strays = _multiplied(found, by).is_between(*LIKELY).fill_null(value=False)
                if other != unit and strays.any():
                    micros = _multiplied(found, by).zip_with(strays, micros)
                    self.notes.append(
                        f"{int(strays.sum()):,} times are in {other} and others in {unit}; each "
                        "is read in its own unit"
                    )
        return micros, unit

    def compact(self, found: pl.Series, known: pl.Series) -> pl.Series | None:
        """Read whole numbers that are dates, such as 20240105, if most of them are.

        As seconds these are all of one month of 1970, so that one bad date must not decide.
        """
        for form, first, last in COMPACT:
            fits = found.is_between(first, last)
            if known.dtype == pl.Int64 and 2 * int(fits.sum()) > len(known):
                words = found.set(~fits, None).cast(pl.String)
                local = words.str.to_datetime(form, strict=False, time_unit="us")
                dates = found.filter(local.is_not_null())
                if 2 * len(dates) > len(known):
                    self.notes.append(f"times such as {dates[0]} are taken as dates, {form}")
                    return self.placed(local)
        return None

    def formatted(self, words: pl.Series, form: str) -> pl.Series:
        """Read text that is written in a given form."""
        if not isinstance(form, str):
            raise BadParameter(f"time_format is text like '%d/%m/%Y %H:%M', got {form!r}")
        zoned = re.search(r"%(\+|s|[:#]*z)", form) is not None
        try:
            read = words.str.to_datetime(
                form, strict=False, time_unit="us", time_zone="UTC" if zoned else None
            )
        except pl.exceptions.PolarsError as e:
            raise BadParameter(
                f"time_format is written like '%d/%m/%Y %H:%M', got {form!r} ({e})"
            ) from e
        if len(words) and read.null_count() == len(words):
            raise BadEvents(
                f"{self.where}: no time is written like {form!r} (time_format); one is "
                f"{words.drop_nulls().head(1).to_list()}"
            )
        return read.dt.epoch("us") if zoned else self.placed(read)

    def written(self, words: pl.Series) -> pl.Series:
        """Read text without blanks around it: ISO 8601, or dates with the year last."""
        aware, local = _iso(words)
        rest = aware.is_null() & local.is_null()
        if rest.any():
            left = words.filter(rest).str.replace(r"\s*(?:UTC|GMT|Z)$", "+00:00")
            left = left.str.replace(YEAR_FIRST, "$1-$2-$3 $4").str.strip_chars()
            more_aware, more_local = _iso(self.year_first(left))
            places = rest.arg_true()
            aware, local = aware.scatter(places, more_aware), local.scatter(places, more_local)
        return aware.dt.epoch("us").fill_null(self.placed(local))

    def year_first(self, words: pl.Series) -> pl.Series:
        """Write dates such as 13/02/2024 as 2024-02-13; leave the rest."""
        one, two, year, clock = (words.str.extract(YEAR_LAST, n) for n in (1, 2, 3, 4))
        if year.null_count() == len(words):
            return words
        a, b = one.cast(pl.Int64), two.cast(pl.Int64)
        unclear = ~words.str.contains(r"^\d+\.") & year.is_not_null()
        day_first = unclear & (a > 12) & (b <= 12)
        month_first = unclear & (b > 12) & (a <= 12)
        named = "name the form: time_format='%d/%m/%Y' in Python, --time-format on the command line"
        if day_first.any() and month_first.any():
            raise BadEvents(
                f"{self.where}: {words.filter(day_first)[0]!r} has the day first, "
                f"{words.filter(month_first)[0]!r} the month; mend one or the other, and {named}"
            )
        if not (day_first.any() or month_first.any()) and (unclear & (a != b)).any():
            raise BadEvents(
                f"{self.where}: {words.filter(unclear & (a != b))[0]!r} may have the day or the "
                f"month first, and no other date tells; {named} (or '%m/%d/%Y')"
            )
        swapped = unclear & month_first.any()
        day, month = two.zip_with(swapped, one), one.zip_with(swapped, two)
        if unclear.any():
            which = "month" if month_first.any() else "day"
            self.notes.append(f"dates such as {words.filter(unclear)[0]!r} have the {which} first")
        made = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
        made = made + (" " + clock).fill_null("")
        return made.zip_with(year.is_not_null(), words)


def _iso(words: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return datetimes in UTC of times that name a zone, and local ones of those that do not."""
    aware = _matched(words, ZONED, "UTC")
    return aware, _matched(words.set(aware.is_not_null(), None), NAIVE, None)


def _matched(words: pl.Series, forms: tuple[str, ...], zone: str | None) -> pl.Series:
    """Return each text read in the first form that fits it, null if none does."""
    found = nulls(pl.Datetime("us", zone), len(words))
    for form in forms:
        left = (found.is_null() & words.is_not_null()).arg_true()
        if len(left):
            some = words.gather(left).str
            read = some.to_datetime(form, strict=False, time_unit="us", time_zone=zone)
            found = found.scatter(left, read)
    return found


def _multiplied(found: pl.Series, factor: float) -> pl.Series:
    """Return Int64 products, null where they would not fit: beyond it, and for infinities."""
    fits = (found.abs() < (2**63 - 1) // max(int(factor), 1)).fill_null(value=False)
    if found.dtype == pl.Int64:
        made = found // 1000 if factor < 1 else found * int(factor)
    else:
        fits = fits & found.is_finite().fill_null(value=False)
        made = (found * factor).round().zip_with(fits, nulls(pl.Float64, 1)).cast(pl.Int64)
    return made.zip_with(fits, nulls(pl.Int64, 1))
