"""Raw rows, from any frame or file, to validated Events, and what was understood of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from penchant.errors import BadEvents, BadParameter, near
from penchant.files import read_table
from penchant.frames import Frame, blanked, nulls, numbers, to_polars, unsaid
from penchant.ids import as_ids
from penchant.times import known_zone, read_times

Bad = Literal["raise", "drop"]

NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "customer", "customerid", "visitor", "visitorid", "person",
             "personid", "member", "memberid", "reviewer", "reviewerid"),
    "item": ("item", "itemid", "iid", "movie", "movieid", "film", "filmid", "product", "productid",
             "book", "bookid", "artist", "artistid", "track", "trackid", "song", "songid",
             "article", "articleid", "asin", "isbn", "sku", "gameid", "businessid"),
    "value": ("rating", "ratings", "stars", "score", "value", "overall", "weight", "count", "plays",
              "playcount", "quantity"),
    "time": ("timestamp", "time", "datetime", "date", "ts", "unixtime", "unixreviewtime",
             "createdat", "eventtime"),
    "kind": ("kind", "event", "eventtype", "action", "interaction", "type", "behavior",
             "behaviour"),
    "session": ("session", "sessionid"),
}  # fmt: skip
"""Column names that are recognised, lower case and without ``_``, ``-``, ``.`` and blanks."""

COUNTS = ("weight", "count", "plays", "playcount", "quantity")
"""Value columns that count something; rows without a kind are then "count", not "rating"."""

ROLES = tuple(NAMES)

FLOAT32 = float(np.finfo(np.float32).max)


def _none_left_out() -> pl.DataFrame:
    return pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})


@dataclass(frozen=True)
class Reading:
    """What was understood of a table: nothing is left out or changed without a line here.

    Parameters
    ----------
    source : a file name, or the type of the frame.
    columns : the source's column for each role that was found.
    rows : rows in the source.
    dropped : reason to number of rows left out (only with ``bad="drop"``).
    missing_values : rows kept that recorded no value (NaN).
    repeats : rows whose (user, item, kind) occurred before; they are kept.
    time_unit : "s", "ms", "us" or "ns", "text", "datetime" or "date"; None without times.
    notes : anything else worth saying.
    left_out : the rows that ``dropped`` counts: columns ``row`` (0 is the first) and ``reason``.
    """

    source: str
    columns: dict[str, str]
    rows: int
    dropped: dict[str, int] = field(default_factory=dict)
    missing_values: int = 0
    repeats: int = 0
    time_unit: str | None = None
    notes: tuple[str, ...] = ()
    left_out: pl.DataFrame = field(default_factory=_none_left_out, compare=False, repr=False)

    def lines(self) -> list[str]:
        """Return the reading as sentences for a person."""
        used = ", ".join(f"{role} = {name!r}" for role, name in self.columns.items())
        said = [f"{self.source}: {self.rows:,} rows; columns {used}"]
        if self.time_unit in ("s", "ms", "us", "ns"):
            said.append(f"times are numbers, read as {self.time_unit} since 1970 (UTC)")
        if self.dropped:
            why = ", ".join(f"{n:,} {reason}" for reason, n in self.dropped.items())
            said.append(f"left out {sum(self.dropped.values()):,} rows: {why}")
        if self.missing_values:
            said.append(f"{self.missing_values:,} rows record no value; they count as interactions")
        if self.repeats:
            said.append(f"{self.repeats:,} rows repeat a user, item and kind; they are kept")
        return said + list(self.notes)


@dataclass(frozen=True, eq=False)
class Events:
    """Validated interactions, in the order of the source.

    Parameters
    ----------
    frame : columns ``user`` and ``item`` (Int64, String, or Binary for UUIDs), ``kind`` (String),
        ``value`` (Float64, NaN if nothing was recorded), ``time`` (Int64, microseconds UTC since
        1970, -1 if unknown), ``session`` (any id or null), then any context columns.
    reading : what was understood of the source.

    Examples
    --------
    >>> table = {"user": [1, 1, 2], "item": ["a", "b", "a"], "rating": [5, 3, 4]}
    >>> events = Events.from_frame(table)
    >>> len(events), events.reading.columns["value"]
    (3, 'rating')
    """

    frame: pl.DataFrame
    reading: Reading

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def context_columns(self) -> list[str]:
        """Names of the columns that describe the circumstances of a row."""
        return [c for c in self.frame.columns if c not in ROLES]

    @classmethod
    def read(
        cls, path: str | Path, *, bad: Bad = "raise", context: Sequence[str] = (), **columns: Any
    ) -> Events:
        """Read a CSV, TSV, JSON lines, Parquet or Arrow file (see ``from_frame`` for arguments).

        A text file may be separated by commas, tabs, semicolons, ``|`` or ``::``. One whose first
        line holds only numbers has no header: its columns are then user, item, value and time. See
        ``penchant.files.read_table``.
        """
        path = Path(path)
        frame, first_line, notes = read_table(path)
        events = cls.from_frame(
            frame, bad=bad, context=context, source=path.name, first_row=first_line, **columns
        )
        return replace(events, reading=replace(events.reading, notes=events.reading.notes + notes))

    @classmethod
    def from_frame(
        cls,
        frame: Frame,
        *,
        user: str | None = None,
        item: str | None = None,
        value: str | None = None,
        time: str | None = None,
        kind: str | None = None,
        session: str | None = None,
        context: Sequence[str] = (),
        bad: Bad = "raise",
        zone: str = "UTC",
        time_format: str | None = None,
        source: str | None = None,
        first_row: int = 0,
    ) -> Events:
        """Validate a table of any kind.

        Parameters
        ----------
        frame : a pandas, polars, pyarrow or DuckDB table, a mapping of columns, or records.
        user, item, value, time, kind, session : the column for each role; by default found by name
            (see ``NAMES``). An empty string says that the table has none.
        context : names of further columns to keep, such as ("device",).
        bad : "raise" names the rows that cannot be used; "drop" leaves them out and counts them.
        zone : where times stand that name no zone, such as "Europe/Berlin".
        time_format : how times are written, such as "%d/%m/%Y %H:%M"; by default found out (see
            ``penchant.times.read_times``).
        source : what to call the table in messages.
        first_row : the number of the first row in messages.

        Raises
        ------
        BadEvents : no user or item column, no rows, rows that cannot be used, or dates that may
            have the day or the month first.
        BadParameter : ``bad``, ``context``, ``zone`` or ``time_format`` is something else.

        Notes
        -----
        What happens to a row that is not as it should be:

        - no user or item (missing, NaN, blank): cannot be used
        - a value that is no number, infinite, or too large for 32 bits: cannot be used
        - no value, NaN, or a word for nothing such as "NA", "null" or "?" (see
          ``penchant.frames.ABSENT``): kept, and counted in ``missing_values``
        - a time that is missing (such a word, too), unreadable or before 1970: cannot be used, if
          there is a time column
        - an id that is such a word: stays an id; noted
        - no kind, or a blank one: "rating", "count" or "view", as the value column says; noted
        - no session, or a blank one: kept, without a session
        - the same user, item and kind again: kept, and counted in ``repeats``

        A row that cannot be used raises, or is left out and counted with ``bad="drop"``.
        """
        if bad not in ("raise", "drop"):
            raise BadParameter(f"bad must be 'raise' or 'drop', got {bad!r}")
        if isinstance(context, str):
            raise BadParameter(f"context holds names of columns: write context=({context!r},)")
        source = source or type(frame).__name__
        table = to_polars(frame)
        given = {"user": user, "item": item, "value": value, "time": time}
        given |= {"kind": kind, "session": session}
        columns = find_columns(table.columns, given, source)
        for name in context:
            _existing(name, table.columns, source, "context")
            if name in ROLES:
                raise BadEvents(f"{source}: a context column cannot be called {name!r}; rename it")
        if not len(table):
            raise BadEvents(f"{source} has columns {table.columns} but no rows")
        known_zone(zone)
        return _Parser(table, columns, context, bad, zone, time_format, source, first_row).events()


def plain(name: str) -> str:
    """Return a column's name as ``NAMES`` writes it."""
    return re.sub(r"[\W_]+", "", name).lower()


def _existing(name: str, columns: list[str], source: str, role: str) -> str:
    if name not in columns:
        raise BadEvents(
            f"{source} has no column {name!r} for {role}; its columns are "
            f"{', '.join(columns)}.{near(name, columns)}"
        )
    return name


def find_columns(columns: list[str], given: dict[str, str | None], source: str) -> dict[str, str]:
    """Return the column for each role: the one given, else found by name (see ``NAMES``).

    Raises
    ------
    BadEvents : a given column does not exist, or no column for user or item can be found; the
        message lists the columns and how to name one.
    """
    if not columns:
        raise BadEvents(f"{source} has no columns")
    found = {r: _existing(c, columns, source, r) for r, c in given.items() if c}
    for role, name in found.items():
        first = next(r for r, n in found.items() if n == name)
        if first != role:
            raise BadEvents(f"{source}: column {name!r} cannot be both {first} and {role}")
    for role, names in NAMES.items():
        if role in found or given.get(role) == "":
            continue
        free = [c for c in columns if c not in found.values()]
        ranked = [(names.index(plain(c)), c) for c in free if plain(c) in names]
        if ranked:
            found[role] = min(ranked)[1]
    for role in ("user", "item"):
        if role not in found:
            raise BadEvents(
                f"{source}: no {role} column found among {', '.join(columns)}. "
                f"Name it: --{role}-column NAME on the command line, {role}='NAME' in Python; if "
                "these are a first row and no names, write a line of names above it"
            )
    return {role: found[role] for role in ROLES if role in found}


class _Parser:
    """One table on its way to Events; collects which rows cannot be used, and why."""

    def __init__(
        self,
        table: pl.DataFrame,
        columns: dict[str, str],
        context: Sequence[str],
        bad: Bad,
        zone: str,
        time_format: str | None,
        source: str,
        first_row: int,
    ) -> None:
        self.table, self.columns, self.context = table, columns, context
        self.bad, self.source, self.first_row = bad, source, first_row
        self.zone, self.time_format = zone, time_format
        self.keep = np.ones(len(table), bool)
        self.faults: dict[str, np.ndarray[Any, np.dtype[np.bool_]]] = {}
        self.reasons: list[str] = []  # of the faults, without what stands in one of the rows
        self.time_unit: str | None = None
        self.notes: list[str] = []

    def column(self, role: str) -> pl.Series | None:
        return self.table[self.columns[role]] if role in self.columns else None

    def fault(
        self,
        reason: str,
        where: pl.Series | np.ndarray[Any, Any],
        column: pl.Series | None = None,
    ) -> None:
        """Take rows out; the reason quotes what stands in one of them, if it has a column."""
        mask = np.asarray(where, dtype=bool) & self.keep
        if mask.any():
            self.reasons.append(reason)
            met = None if column is None else column.filter(pl.Series(mask))
            if met is not None:
                one = met.to_list()[0] if met.dtype.is_nested() else met.min()
                reason += f" ({_short(one)})"
            self.faults[reason] = mask
            self.keep &= ~mask

    def events(self) -> Events:
        users, items = self.ids("user"), self.ids("item")
        values, times = self.values(), self.times()
        if self.faults and self.bad == "raise":
            raise BadEvents(self.complaint())
        if not self.keep.any():
            raise BadEvents(f"{self.source}: no row can be used. {self.complaint()}")
        keep = pl.Series(self.keep)
        made = {
            "user": self.typed("user", users.filter(keep)),
            "item": self.typed("item", items.filter(keep)),
            "kind": self.kinds().filter(keep),
            "value": values.filter(keep),
            "time": times.filter(keep),
            "session": self.sessions().filter(keep),
        }
        made |= {c: self.circumstances(c).filter(keep) for c in self.context}
        frame = pl.DataFrame(made)
        reading = Reading(
            source=self.source,
            columns=self.columns,
            rows=len(self.table),
            dropped={reason: int(mask.sum()) for reason, mask in self.faults.items()},
            missing_values=int(frame["value"].is_nan().sum()) if "value" in self.columns else 0,
            repeats=len(frame) - _distinct(frame),
            time_unit=self.time_unit,
            notes=tuple(self.notes),
            left_out=self.left_out(),
        )
        return Events(frame, reading)

    def left_out(self) -> pl.DataFrame:
        parts = [
            pl.DataFrame({"row": pl.Series(mask).arg_true()}).with_columns(reason=pl.lit(reason))
            for reason, mask in zip(self.reasons, self.faults.values(), strict=True)
        ]
        return pl.concat([_none_left_out(), *parts]).sort("row")

    def complaint(self) -> str:
        told = []
        unit = "row" if self.first_row == 0 else "line"
        for reason, mask in self.faults.items():
            rows = np.flatnonzero(mask)
            shown = ", ".join(str(r + self.first_row) for r in rows[:5])
            more = ", …" if len(rows) > 5 else ""
            told.append(f"{len(rows):,} {reason} ({unit} {shown}{more})")
        mend = "Mend them"
        if self.bad == "raise":
            mend += (
                ", or have them left out and counted: without --strict on the command line, "
                "bad='drop' in Python"
            )
        return (
            f"{self.source}: {sum(int(m.sum()) for m in self.faults.values()):,} of "
            f"{len(self.table):,} rows cannot be used: {'; '.join(told)}. {mend}"
        )

    def ids(self, role: str) -> pl.Series:
        column, missing = blanked(self.table[self.columns[role]])
        self.fault(f"without {'a user' if role == 'user' else 'an item'}", missing)
        odd = column.filter(unsaid(column) & pl.Series(self.keep))
        if len(odd):
            self.notes.append(
                f"{len(odd):,} rows have {_words(odd)} for the {role}; it stays an id"
            )
        return column

    def recorded(self, role: str, column: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Return values or times as ``blanked`` does; words that say nothing are nothing too."""
        if column.dtype == pl.Object:
            column = pl.Series([None if x is None else str(x) for x in column.to_list()])
        column, blank = blanked(column)
        said = unsaid(column)
        if not said.any():
            return column, blank
        words = column.filter(said)
        self.notes.append(
            f"{len(words):,} rows say {_words(words)} for the {role}; read as nothing"
        )
        return column.set(said, None), blank | said

    def typed(self, role: str, column: pl.Series) -> pl.Series:
        try:
            return as_ids(column)[1]
        except BadEvents as e:
            raise BadEvents(f"{self.source}, column {self.columns[role]!r}: {e}") from None

    def kinds(self) -> pl.Series:
        name = self.columns.get("value")
        usual = "view" if name is None else "count" if plain(name) in COUNTS else "rating"
        column = self.column("kind")
        if column is None:
            return pl.Series([usual]).new_from_index(0, len(self.table))
        if column.dtype.is_nested() or column.dtype == pl.Object:
            raise BadEvents(
                f"{self.source}, column {self.columns['kind']!r}: kinds must be text, not "
                f"{column.dtype} (such as {column.drop_nulls().head(1).to_list()})"
            )
        kinds = column.cast(pl.String)
        absent = kinds.is_null() | (kinds.str.strip_chars() == "").fill_null(value=True)
        count = int((absent & pl.Series(self.keep)).sum())
        if count:
            self.notes.append(f"{count:,} rows name no kind; they count as {usual!r}")
        return kinds.zip_with(~absent, pl.Series([usual]).new_from_index(0, len(kinds)))

    def sessions(self) -> pl.Series:
        column = self.column("session")
        if column is None:
            return nulls(pl.Int64, len(self.table))
        column, missing = blanked(column)
        ids = self.typed("session", column.filter(~missing))
        place = pl.Series(np.cumsum(~missing.to_numpy()) - 1).zip_with(~missing, nulls(pl.Int64, 1))
        return ids.gather(place) if len(ids) else nulls(ids.dtype, len(column))

    def circumstances(self, name: str) -> pl.Series:
        column = self.table[name]
        if column.dtype == pl.Object:
            raise BadEvents(
                f"{self.source}, column {name!r}: values of several types, or of one that tables "
                f"have no type for, such as {column.drop_nulls().head(2).to_list()}"
            )
        return column

    def values(self) -> pl.Series:
        column = self.column("value")
        if column is None:
            return pl.Series(np.full(len(self.table), np.nan))
        column, blank = self.recorded("value", column)
        amounts = numbers(column)
        self.fault("with a value that is not a number", amounts.is_null() & ~blank, column)
        # Values are kept in 32 bits: what does not fit would become infinite.
        large = (amounts.abs() > FLOAT32).fill_null(value=False) & ~amounts.is_nan()
        self.fault("with an infinite or too large value", large, column)
        return amounts.fill_null(np.nan)

    def times(self) -> pl.Series:
        column = self.column("time")
        if column is None:
            return pl.Series(np.full(len(self.table), -1, np.int64))
        column, blank = self.recorded("time", column)
        self.fault("without a time", blank)
        where = f"{self.source}, column {self.columns['time']!r}"
        micros, self.time_unit, notes = read_times(
            column, zone=self.zone, time_format=self.time_format, where=where
        )
        self.notes += notes
        self.fault("with a time that cannot be read", micros.is_null(), column)
        self.fault("with a negative time", (micros < 0).fill_null(value=False))
        return micros.fill_null(-1)


def _short(one: Any) -> str:
    """Return what stands in a cell, as Python writes it, for a message."""
    said = repr(one)
    return said if len(said) <= 40 else f"{said[:39]}…"


def _words(column: pl.Series) -> str:
    """Return the different texts of a column, the most frequent first, three at most."""
    name = column.name
    found = column.value_counts().sort("count", name, descending=[True, False])[name].to_list()
    return ", ".join(map(repr, found[:3])) + ", …" * (len(found) > 3)


def _distinct(frame: pl.DataFrame) -> int:
    """Return how many (user, item, kind) there are.

    By sorting hashes of 64 bits: of 100 million rows two others are taken for one with a chance of
    1 in 4,000, and grouping the rows takes ten times as long and ten times the memory.
    """
    hashes = frame.select("user", "item", "kind").hash_rows(seed=0).to_numpy(writable=True)
    hashes.sort()
    return len(hashes) and 1 + int(np.count_nonzero(hashes[1:] != hashes[:-1]))
