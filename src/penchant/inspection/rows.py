"""Rows as they are looked at: of events, a dataset, any frame or a file, however messy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.events import ROLES, Events, find_columns
from penchant.files import read_table
from penchant.frames import Frame, to_polars, unsaid
from penchant.ids import IdMap
from penchant.inspection.finding import Finding, Severity

ROW = "penchant row"
"""A column of row numbers, to know which rows of a table could be read."""

UNTIMED = 0.05
"""If more rows than this share have no time, reading without times loses less than dropping."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """Interactions in codes, beside the columns they came in.

    Parameters
    ----------
    name : what to call the source.
    columns : the source's column for each role.
    users, items : ids to codes, in ascending order of id, so that the order of rows is forgotten.
    user, item : (rows,) int32 codes.
    kind : (rows,) text.
    value : (rows,) float64, NaN if nothing was recorded.
    time : (rows,) int64 microseconds since 1970 (UTC), -1 if unknown.
    session : (rows,) ids, null where there is none.
    table : the source's columns for the same rows, as they stand.
    base : the expression that gives the events, if they need not be read.
    call : the beginning of the call that reads the source.
    options : the arguments that reading it needs.
    rejected : reason to number of rows that reading as it stands leaves out.
    untimed : why no time can be read, if the column is there.
    understood : sentences on how the source was read.
    """

    name: str
    columns: Mapping[str, str]
    users: IdMap
    items: IdMap
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    kind: pl.Series
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    session: pl.Series
    table: pl.DataFrame
    call: str
    base: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    untimed: str = ""
    understood: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def rated(self) -> NDArray[np.bool_]:
        """(rows,) whether the row is a rating with a value."""
        found: NDArray[np.bool_] = (self.kind == "rating").to_numpy() & ~np.isnan(self.value)
        return found

    @cached_property
    def timed(self) -> NDArray[np.bool_]:
        """(rows,) whether the time is known."""
        known: NDArray[np.bool_] = self.time >= 0
        return known

    @property
    def dated(self) -> bool:
        """Whether the rows are read with their times, if any is known."""
        return self.options.get("time") != "" and bool(self.timed.any())

    @cached_property
    def per_user(self) -> NDArray[np.int64]:
        """(users,) rows of each user."""
        return np.bincount(self.user, minlength=len(self.users))

    @cached_property
    def per_item(self) -> NDArray[np.int64]:
        """(items,) rows of each item."""
        return np.bincount(self.item, minlength=len(self.items))

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Each user and item that occur together: user * number of items + item, ascending."""
        pair = np.sort(self.user.astype(np.int64) * len(self.items) + self.item)
        return pair[np.r_[True, pair[1:] != pair[:-1]]]

    @property
    def extra(self) -> list[str]:
        """Names of the columns that hold neither users nor items nor values."""
        taken = {self.columns.get(role) for role in ("user", "item", "value")}
        return [c for c in self.table.columns if c not in taken]

    @property
    def read(self) -> bool:
        """Whether the rows were events already."""
        return bool(self.base)

    def reading(self, **more: Any) -> str:
        """Return the call that reads the source, with further arguments."""
        return f"{self.call}{_given({**self.options, **more})})"

    def reading_without(self, *columns: str) -> str:
        """Return the call that reads the source, but not some columns."""
        more: dict[str, Any] = {role: "" for role, c in self.columns.items() if c in columns}
        if self.read and self.options.get("context"):  # of tables, only what is named is read
            more["context"] = tuple(c for c in self.options["context"] if c not in columns)
        return self.reading(**more)

    def kept(self, condition: str) -> str:
        """Return the call that keeps the events for which a condition holds."""
        options = {"time": ""} if not self.timed.any() or not self.dated else {}
        if self.read:
            options = dict(self.options)
        return f"pt.Events.from_frame(events.frame.filter({condition}){_given(options)})"

    def dropping(self, column: str, among: Sequence[Any], **more: Any) -> str:
        """Return the call that leaves out the rows with one of these entries in a column."""
        named = {} if column == "value" else {"column": column}
        given = _given({**named, "among": tuple(among), **more}).removeprefix(", ")
        return f"pt.prepare(events, [pt.DropValues({given})])"

    def where(
        self,
        name: str,
        severity: Severity,
        rows: NDArray[np.bool_],
        sentence: str,
        **more: Any,
    ) -> Finding:
        """Return a finding about some rows: (rows,) whether it concerns each."""
        return Finding(
            name=name,
            severity=severity,
            sentence=sentence,
            rows=int(np.count_nonzero(rows)),
            users=int(np.count_nonzero(np.bincount(self.user[rows]))),
            items=int(np.count_nonzero(np.bincount(self.item[rows]))),
            **more,
        )


def rows_of(source: Events | Dataset | Frame | str | Path, columns: Mapping[str, Any]) -> Rows:
    """Return the rows of anything that can be read as interactions.

    Parameters
    ----------
    source : events, a dataset, a table of any kind, or the path of a file.
    columns : the column of each role, as for ``Events.from_frame``; for tables and files only.

    Raises
    ------
    BadEvents : no user or item column, ids of several types, or no row with a user and an item.
    BadParameter : columns are named for events or a dataset, which know theirs.
    """
    if isinstance(source, (Events, Dataset)):
        if columns:
            raise BadParameter(
                f"{', '.join(columns)}: the columns of {type(source).__name__} are known; they "
                "are named for tables and files"
            )
        return _rows_of_events(source)
    if isinstance(source, (str, Path)):
        table, first_line, notes = read_table(source)
        name, call = Path(source).name, f"pt.Events.read({quoted(str(source))}"
        return _rows_of_table(table, columns, name, call, first_line, notes)
    name, call = type(source).__name__, "pt.Events.from_frame(table"
    return _rows_of_table(to_polars(source), columns, name, call, 0, ())


def _rows_of_events(source: Events | Dataset) -> Rows:
    events = source if isinstance(source, Events) else source.events()
    frame, reading = events.frame, source.reading or events.reading
    absent = {"value": bool(frame["value"].is_nan().all()), "time": bool((frame["time"] < 0).all())}
    absent["session"] = frame["session"].null_count() == len(frame)
    columns = {role: role for role in ROLES if not absent.get(role, False)}
    context = tuple(c for c in frame.columns if c not in ROLES)
    options: dict[str, Any] = {role: "" for role, gone in absent.items() if gone}
    return _rows(
        frame,
        table=frame.drop([role for role, gone in absent.items() if gone]),
        name=events.reading.source,
        columns=columns,
        base="events" if isinstance(source, Events) else "data.events()",
        call="pt.Events.from_frame(events.frame",
        options=options | ({"context": context} if context else {}),
        understood=tuple(reading.lines()),
    )


def _rows_of_table(
    table: pl.DataFrame,
    given: Mapping[str, Any],
    name: str,
    call: str,
    first_row: int,
    notes: tuple[str, ...],
) -> Rows:
    """Read a table as strictly as can be, and the rest of its rows without their times."""
    roles = {role: given.get(role) for role in ROLES}
    columns = find_columns(table.columns, roles, name)
    if table.is_empty():
        raise BadEvents(f"{name} has columns {table.columns} but no rows")
    numbered = table.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
    options = {key: value for key, value in given.items() if value is not None}

    def events(**more: Any) -> Events:
        return Events.from_frame(
            numbered, **{**options, **more}, bad="drop", context=(ROW,), source=name,
            first_row=first_row,
        )  # fmt: skip

    untimed, strict = "", None
    try:
        strict = events()
    except BadEvents as e:
        if "time" not in columns:
            raise
        untimed = str(e)
    whole = strict
    if "time" in columns and (strict is None or len(strict) < len(table)):
        whole = events(time="")  # raises what is wrong besides the times
    assert whole is not None
    frame = whole.frame
    if whole is not strict:
        time = np.full(len(table), -1, np.int64)
        if strict is not None:
            time[strict.frame[ROW].to_numpy()] = strict.frame["time"].to_numpy()
        frame = frame.with_columns(pl.Series("time", time[frame[ROW].to_numpy()]))
    at = frame[ROW]
    untold = 1 - (0 if strict is None else len(strict)) / max(len(whole), 1)
    if "time" in columns and untold > UNTIMED:
        options["time"] = ""
        left = whole.reading.dropped
    else:
        left = (strict or whole).reading.dropped
    if left:
        options["bad"] = "drop"
    said = (strict or whole).reading
    return _rows(
        frame.drop(ROW),
        table=table if len(at) == len(table) else table[at],
        name=name,
        columns=columns,
        call=call,
        options=options,
        rejected=said.dropped,
        untimed=untimed,
        understood=(*replace(said, dropped={}).lines(), *notes),
    )


def _rows(frame: pl.DataFrame, **known: Any) -> Rows:
    users, items = IdMap.of(frame["user"]), IdMap.of(frame["item"])
    return Rows(
        users=users,
        items=items,
        user=users.encode(frame["user"]),
        item=items.encode(frame["item"]),
        kind=frame["kind"],
        value=frame["value"].to_numpy(),
        time=frame["time"].to_numpy(),
        session=frame["session"],
        **known,
    )


def _given(options: Mapping[str, Any]) -> str:
    return "".join(f", {name}={quoted(value)}" for name, value in options.items())


def quoted(value: Any) -> str:
    """Return a value as Python writes it, text between double quotes."""
    if isinstance(value, tuple):
        return f"({', '.join(map(quoted, value))}{',' * (len(value) == 1)})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def absent(column: pl.Series) -> NDArray[np.bool_]:
    """Return (rows,) whether nothing stands in a column: null, NaN, blank, or a word for it."""
    found = column.is_null()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        blank = (column.str.strip_chars() == "").fill_null(value=True)
        found = found | blank | unsaid(column)
    if column.dtype.is_float():
        found = found | column.is_nan().fill_null(value=True)
    return found.to_numpy()
