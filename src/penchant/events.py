"""Raw rows, from any frame or file, to validated Events, and what was understood of them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from penchant.errors import BadEvents, BadParameter, near
from penchant.frames import Frame, to_polars
from penchant.ids import as_ids

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
    time_unit : "s", "ms", "us", "ns", "text" or "datetime"; None without times.
    notes : anything else worth saying.
    """

    source: str
    columns: dict[str, str]
    rows: int
    dropped: dict[str, int] = field(default_factory=dict)
    missing_values: int = 0
    repeats: int = 0
    time_unit: str | None = None
    notes: tuple[str, ...] = ()

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
        cls, path: str | Path, *, bad: Bad = "raise", context: tuple[str, ...] = (), **columns: Any
    ) -> Events:
        """Read a CSV, TSV, Parquet or Arrow file (see ``from_frame`` for the arguments).

        A text file may be separated by commas, tabs, semicolons, ``|`` or ``::``. One whose first
        line holds only numbers has no header: its columns are then user, item, value and time.
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
        context: tuple[str, ...] = (),
        bad: Bad = "raise",
        source: str | None = None,
        first_row: int = 0,
    ) -> Events:
        """Validate a table of any kind.

        Parameters
        ----------
        frame : a pandas, polars, pyarrow or DuckDB table, a mapping of columns, or records.
        user, item, value, time, kind, session : the column for each role; by default found by name
            (see ``NAMES``). An empty string says that the table has none.
        context : further columns to keep, such as the device.
        bad : "raise" names the rows that cannot be used; "drop" leaves them out and counts them.
        source : what to call the table in messages.
        first_row : the number of the first row in messages.

        Raises
        ------
        BadEvents : no user or item column, no rows, or rows that cannot be used.
        """
        if bad not in ("raise", "drop"):
            raise BadParameter(f"bad must be 'raise' or 'drop', got {bad!r}")
        source = source or type(frame).__name__
        table = to_polars(frame)
        given = {"user": user, "item": item, "value": value, "time": time}
        given |= {"kind": kind, "session": session}
        columns = find_columns(table.columns, given, source)
        for name in context:
            _existing(name, table.columns, source, "context")
        if not len(table):
            raise BadEvents(f"{source} has columns {table.columns} but no rows")
        return _Parser(table, columns, context, bad, source, first_row).events()


def _plain(name: str) -> str:
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
    found = {r: _existing(c, columns, source, r) for r, c in given.items() if c}
    for role, names in NAMES.items():
        if role in found or given.get(role) == "":
            continue
        free = [c for c in columns if c not in found.values()]
        ranked = [(names.index(_plain(c)), c) for c in free if _plain(c) in names]
        if ranked:
            found[role] = min(ranked)[1]
    for role in ("user", "item"):
        if role not in found:
            raise BadEvents(
                f"{source}: no {role} column found among {', '.join(columns)}. "
                f"Name it: --{role}-column NAME on the command line, {role}='NAME' in Python"
            )
    return {role: found[role] for role in ROLES if role in found}


class _Parser:
    """One table on its way to Events; collects which rows cannot be used, and why."""

    def __init__(
        self,
        table: pl.DataFrame,
        columns: dict[str, str],
        context: tuple[str, ...],
        bad: Bad,
        source: str,
        first_row: int,
    ) -> None:
        self.table, self.columns, self.context = table, columns, context
        self.bad, self.source, self.first_row = bad, source, first_row
        self.keep = np.ones(len(table), bool)
        self.faults: dict[str, np.ndarray[Any, np.dtype[np.bool_]]] = {}
        self.time_unit: str | None = None

    def column(self, role: str) -> pl.Series | None:
        return self.table[self.columns[role]] if role in self.columns else None

    def fault(self, reason: str, where: pl.Series | np.ndarray[Any, Any]) -> None:
        mask = np.asarray(where, dtype=bool) & self.keep
        if mask.any():
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
        made |= {c: self.table[c].filter(keep) for c in self.context}
        frame = pl.DataFrame(made)
        reading = Reading(
            source=self.source,
            columns=self.columns,
            rows=len(self.table),
            dropped={reason: int(mask.sum()) for reason, mask in self.faults.items()},
            missing_values=int(frame["value"].is_nan().sum()) if "value" in self.columns else 0,
            repeats=len(frame) - frame.select("user", "item", "kind").n_unique(),
            time_unit=self.time_unit,
        )
        return Events(frame, reading)

    def complaint(self) -> str:
        told = []
        unit = "row" if self.first_row == 0 else "line"
        for reason, mask in self.faults.items():
            rows = np.flatnonzero(mask)
            shown = ", ".join(str(r + self.first_row) for r in rows[:5])
            more = ", …" if len(rows) > 5 else ""
            told.append(f"{len(rows):,} {reason} ({unit} {shown}{more})")
        return (
            f"{self.source}: {sum(int(m.sum()) for m in self.faults.values()):,} of "
            f"{len(self.table):,} rows cannot be used: {'; '.join(told)}. Mend them, or leave "
            "them out with bad='drop' (they are counted)"
        )

    def ids(self, role: str) -> pl.Series:
        column = self.table[self.columns[role]]
        missing = column.is_null()
        if column.dtype == pl.String:
            missing = missing | (column.str.strip_chars() == "").fill_null(value=True)
        elif column.dtype.is_float():
            # A missing integer makes pandas turn the whole column into floats: undo that.
            missing = missing | column.is_nan().fill_null(value=True)
            whole = column.filter(~missing)
            if bool(((whole == whole.round()) & (whole.abs() < 2**53)).all()) and missing.any():
                column = column.fill_nan(None).cast(pl.Int64)
        self.fault(f"without {'a user' if role == 'user' else 'an item'}", missing)
        return column

    def typed(self, role: str, column: pl.Series) -> pl.Series:
        try:
            return as_ids(column)[1]
        except BadEvents as e:
            raise BadEvents(f"{self.source}, column {self.columns[role]!r}: {e}") from None

    def kinds(self) -> pl.Series:
        column = self.column("kind")
        if column is None:
            name = self.columns.get("value")
            usual = "view" if name is None else "count" if _plain(name) in COUNTS else "rating"
            return pl.Series([usual]).new_from_index(0, len(self.table))
        usual = "rating" if "value" in self.columns else "view"
        return column.cast(pl.String).fill_null(usual)

    def sessions(self) -> pl.Series:
        column = self.column("session")
        return pl.Series([None] * len(self.table), dtype=pl.Int64) if column is None else column

    def values(self) -> pl.Series:
        column = self.column("value")
        if column is None:
            return pl.Series(np.full(len(self.table), np.nan))
        numbers = _numbers(column)
        blank = column.is_null()
        if column.dtype == pl.String:
            blank = blank | (column.str.strip_chars() == "").fill_null(value=True)
        self.fault("with a value that is not a number", numbers.is_null() & ~blank)
        self.fault("with an infinite value", numbers.is_infinite().fill_null(value=False))
        return numbers.fill_null(np.nan)

    def times(self) -> pl.Series:
        column = self.column("time")
        if column is None:
            return pl.Series(np.full(len(self.table), -1, np.int64))
        self.fault("without a time", column.is_null())
        if column.dtype.is_temporal():
            self.time_unit = "datetime"
            micros = _micros(column)
        else:
            numbers = _numbers(column)
            if numbers.null_count() > len(numbers) // 2 and column.dtype == pl.String:
                self.time_unit = "text"
                micros = _micros(_parsed(column))
            else:
                self.fault("with an infinite time", numbers.is_infinite().fill_null(value=False))
                whole = _integers(column)
                micros = self.scaled(numbers if whole is None else whole)
        self.fault("with a time that cannot be read", micros.is_null())
        self.fault("with a negative time", (micros < 0).fill_null(value=False))
        return micros.fill_null(-1)

    def scaled(self, numbers: pl.Series) -> pl.Series:
        """Seconds, milli-, micro- or nanoseconds, by the size of the median."""
        middle = numbers.filter(pl.Series(self.keep)).drop_nulls().median()
        size = abs(float(middle)) if isinstance(middle, (int, float)) else 0.0
        self.time_unit, factor = next(
            (unit, f)
            for limit, unit, f in (
                (1e11, "s", 1e6), (1e14, "ms", 1e3), (1e17, "us", 1.0), (np.inf, "ns", 1e-3),
            )
            if size < limit
        )  # fmt: skip
        if numbers.dtype == pl.Int64:
            return numbers * int(factor) if factor >= 1 else numbers // 1000
        finite = numbers.is_finite().fill_null(value=False)
        scaled = (numbers * factor).round()
        return scaled.zip_with(finite & (scaled.abs() < 2**62), _nulls(scaled)).cast(pl.Int64)


def _nulls(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, len(like))


def _numbers(column: pl.Series) -> pl.Series:
    """Float64, null where the entry is not a number."""
    if column.dtype == pl.Object:
        column = pl.Series([None if x is None else str(x) for x in column.to_list()])
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    if column.dtype == pl.Boolean or column.dtype.is_numeric() or column.dtype == pl.String:
        return column.cast(pl.Float64, strict=False)
    return _nulls(pl.Series([0.0])).new_from_index(0, len(column))


def _integers(column: pl.Series) -> pl.Series | None:
    """Int64 if every entry is a whole number as written, so that no digit is lost."""
    if column.dtype == pl.String:
        whole = column.str.strip_chars().cast(pl.Int64, strict=False)
        return whole if whole.null_count() == column.null_count() else None
    return column.cast(pl.Int64, strict=False) if column.dtype.is_integer() else None


def _parsed(column: pl.Series) -> pl.Series:
    """Text as times: ISO 8601 with or without a zone (UTC if none), or a date."""
    text = column.str.strip_chars()
    zoned = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")
    best = zoned
    for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        more = text.str.to_datetime(form, strict=False, time_unit="us")
        best = best.fill_null(more.dt.replace_time_zone("UTC"))
    return best


def _micros(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if not isinstance(column.dtype, pl.Datetime):
        raise BadEvents(f"a time column of type {column.dtype} says nothing about the date")
    return column.dt.epoch("us")


def read_table(path: Path) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    """Read a file as it stands: the table, the number of its first row, and notes.

    Text stays text, except that a column of whole numbers written plainly becomes integers: "007"
    is not 7.

    Raises
    ------
    BadEvents : no such file, an empty file, or one that is neither text nor Parquet nor Arrow.
    """
    if not path.is_file():
        raise BadEvents(f"no such file: {path}")
    if path.stat().st_size == 0:
        raise BadEvents(f"{path} is empty")
    head = path.read_bytes()[:8]
    try:
        if head.startswith(b"PAR1"):
            return pl.read_parquet(path), 0, ()
        if head.startswith(b"ARROW1"):
            return pl.read_ipc(path), 0, ()
    except (pl.exceptions.PolarsError, OSError) as e:
        raise BadEvents(f"{path} is damaged: {e}") from None
    raw = path.read_bytes()
    if b"\0" in raw[:4096]:
        raise BadEvents(f"{path} is neither text nor Parquet nor Arrow")
    return _read_text(path.name, _decoded(raw))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # every byte is a letter there; GroupLens' older files


def _read_text(name: str, text: str) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    first = text.lstrip("\r\n").split("\n", 1)[0].rstrip("\r")
    if not first.strip():
        raise BadEvents(f"{name} is empty")
    separator = max(("::", "\t", ",", ";", "|"), key=lambda s: (first.count(s), len(s)))
    if separator == "::":
        # One character for the parser; the unit separator does not occur in text.
        text, separator = text.replace("::", "\x1f"), "\x1f"
    cells = [c.strip().strip('"') for c in first.replace("::", "\x1f").split(separator)]
    bare = all(re.fullmatch(r"-?\d+(\.\d+)?", c) for c in cells)
    try:
        table = pl.read_csv(
            io.BytesIO(text.encode()),
            separator=separator,
            has_header=not bare,
            infer_schema=False,
            quote_char='"' if separator != "\x1f" else None,
            truncate_ragged_lines=False,
        )
    except pl.exceptions.PolarsError as e:
        raise BadEvents(f"{name} cannot be read as a table: {str(e).splitlines()[0]}") from None
    notes: tuple[str, ...] = ()
    if bare:
        if len(cells) < 2:
            raise BadEvents(f"{name} has one column of numbers and no header; two ids are needed")
        names = ["user", "item", "rating", "timestamp"][: len(cells)]
        names += [f"column_{n + 1}" for n in range(len(names), len(cells))]
        table.columns = names
        notes = (f"no header: columns are taken as {', '.join(names)}",)
    plain = [c for c in table.columns if _plainly_whole(table[c])]
    return table.with_columns(pl.col(plain).cast(pl.Int64)), 1 if bare else 2, notes


def _plainly_whole(column: pl.Series) -> bool:
    """Whether each entry is an integer that reads back as it was written, and fits."""
    found = column.drop_nulls()
    return len(found) > 0 and bool(found.str.contains(r"^(0|-?[1-9]\d{0,17})$").all())
