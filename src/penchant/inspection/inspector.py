"""inspect: everything that is worth seeing before a model is fitted, as one value."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant import datasets
from penchant.dataset import Dataset
from penchant.errors import BadParameter
from penchant.events import Events
from penchant.frames import Frame
from penchant.inspection import shape
from penchant.inspection.described import undescribed
from penchant.inspection.entries import entries
from penchant.inspection.finding import SEVERITIES, Finding, percent
from penchant.inspection.habits import habits
from penchant.inspection.leaks import leaks
from penchant.inspection.mending import steps
from penchant.inspection.rows import quoted, rows_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspection:
    """What a first look at data shows. Printed, it is a page of text.

    Parameters
    ----------
    name : what the data is called.
    reading : the call that gives the ``events`` that the findings' calls speak of; "events" if that
        is what was inspected, "data.events()" for a dataset.
    options : the arguments that reading a table or file needs.
    understood : how the source was read, in sentences.
    rows, users, items : rows with a user and an item, and how many of either occur.
    density : share of all pairs of a user and an item that occur.
    kinds : kind of row to number of rows.
    missing : column to number of rows in which nothing stands there, for those with any.
    of_users, of_items : how rows are spread over users, and over items: the long tail.
    values : how what was recorded is spread, or None.
    times : when it was, or None.
    cold : what is new after a split by time, or None without times.
    repeats : rows whose user, item and kind occurred before.
    findings : what is odd, the worst first, and what to do about each.
    steps : the calls among them that are steps of ``prepare``, as text, in the order to do them.
    tables : "items" and "users" to the calls that give these tables, if they were not handed over.
    """

    name: str
    reading: str
    options: Mapping[str, Any]
    understood: tuple[str, ...]
    rows: int
    users: int
    items: int
    density: float
    kinds: Mapping[str, int]
    missing: Mapping[str, int]
    of_users: shape.Tail
    of_items: shape.Tail
    values: shape.Values | None
    times: shape.Times | None
    cold: shape.Cold | None
    repeats: shape.Repeats
    findings: tuple[Finding, ...]
    steps: tuple[str, ...] = ()
    tables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def first(self) -> tuple[str, ...]:
        """Lines that define the names in the findings' calls, but for what was handed over."""
        mends = [f.mend for f in self.findings if f.mend is not None]
        said = [] if self.reading == "events" or not self.findings else [f"events = {self.reading}"]
        for name, call in self.tables.items():
            if any(f"{name}[" in mend or f"{name}." in mend for mend in mends):
                said.append(f"{name} = {call}")
        return tuple(said)

    def numbers(self) -> list[tuple[str, str]]:
        """Return what was counted, as (what, how much) for people."""
        said = [
            ("rows", f"{self.rows:,}"),
            ("users", f"{self.users:,}"),
            ("items", f"{self.items:,}"),
            ("density", f"{self.density:.3%} of all pairs of a user and an item"),
        ]
        if len(self.kinds) > 1:
            said.append(("kinds", ", ".join(f"{k} {n:,}" for k, n in self.kinds.items())))
        if self.values is not None:
            v = self.values
            used = "" if v.used is None else f"; as if {v.used:.1f} of {v.different} were used"
            said.append(
                (
                    "values",
                    f"{v.lowest:g} to {v.highest:g}, mean {v.mean:.4g}, median {v.middle:g}{used}",
                )
            )
        if self.times is not None:
            said.append(("time", f"{_day(self.times.first)} to {_day(self.times.last)}"))
        for what, tail in (("user", self.of_users), ("item", self.of_items)):
            said.append(
                (
                    f"rows of {'a user' if what == 'user' else 'an item'}",
                    f"half have at most {tail.middle:g}, the busiest {int(tail.counts[-1]):,}; "
                    f"1% have {percent(tail.share(0.01))} of all, 20% {percent(tail.share(0.2))}; "
                    f"Gini {tail.gini:.2f}",
                )
            )
        if self.cold is not None:
            c = self.cold
            said.append(
                (
                    f"new after {_day(c.at)}",
                    f"{percent(c.users)} of users with {percent(c.by_users)} of the later rows, "
                    f"{percent(c.items)} of items with {percent(c.by_items)}",
                )
            )
        r = self.repeats
        if r.rows:
            said.append(
                (
                    "repeats",
                    f"{r.rows:,} rows repeat a user, item and kind; {r.exact:,} of them in "
                    "everything",
                )
            )
        if self.missing:
            said.append(("missing", ", ".join(f"{c} {n:,}" for c, n in self.missing.items())))
        return said

    def __str__(self) -> str:
        """Return a page of text: the numbers, and the findings with what to do."""
        wide = max(len(what) for what, _ in self.numbers())
        said = [f"{self.name}", *(f"{what:<{wide}}  {much}" for what, much in self.numbers())]
        for found in self.findings:
            said += ["", f"[{found.severity}] {found.name}: {found.sentence}"]
            if found.mend is not None:
                said.append(f"    {found.mend}")
        if not self.findings:
            said += ["", "Nothing odd was found."]
        elif self.first:
            said += ["", *self.first]
        return "\n".join(said)

    def __repr__(self) -> str:
        return (
            f"<Inspection of {self.name}: {self.rows:,} rows of {self.users:,} users on "
            f"{self.items:,} items, {len(self.findings)} findings>"
        )

    def to_frame(self) -> pl.DataFrame:
        """Return the findings as a frame: severity, name, about, rows, users, items, …."""
        names = ["severity", "name", "about", "rows", "users", "items", "sentence", "mend"]
        types = {n: pl.Int64 if n in ("rows", "users", "items") else pl.String for n in names}
        return pl.DataFrame([[getattr(f, n) for n in names] for f in self.findings], types,
                            orient="row")  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for JSON: all numbers, and the findings."""
        tails = {
            name: {
                "gini": tail.gini,
                "median": tail.middle,
                "most": int(tail.counts[-1]),
                "share of the top 1%": tail.share(0.01),
                "share of the top 20%": tail.share(0.2),
                "lorenz": tail.lorenz().tolist(),
            }
            for name, tail in (("users", self.of_users), ("items", self.of_items))
        }
        values, times = self.values, self.times
        return {
            "name": self.name,
            "reading": self.reading,
            "understood": list(self.understood),
            "rows": self.rows,
            "users": self.users,
            "items": self.items,
            "density": self.density,
            "kinds": dict(self.kinds),
            "missing": dict(self.missing),
            "tails": tails,
            "values": values and _plain(values),
            "times": times and _plain(times),
            "cold": self.cold and _plain(self.cold),
            "repeats": _plain(self.repeats),
            "steps": list(self.steps),
            "findings": [
                {k: list(map(str, v)) if k == "examples" else v for k, v in _plain(f).items()}
                for f in self.findings
            ],
        }


def _plain(value: Any) -> dict[str, Any]:
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    for name, one in fields.items():
        if isinstance(one, pl.DataFrame):
            days = [c for c, t in one.schema.items() if t == pl.Date]
            fields[name] = one.with_columns(pl.col(days).cast(pl.String)).to_dicts()
        elif isinstance(one, np.ndarray):
            fields[name] = one.tolist()
    return fields


def _day(micros: int) -> str:
    return str(np.datetime64(micros, "us").astype("datetime64[D]"))


def inspect(
    events: Events | Dataset | Frame | str | Path,
    *,
    items: Frame | str | Path | None = None,
    users: Frame | str | Path | None = None,
    at: float = 0.8,
    now: int | None = None,
    **columns: str | None,
) -> Inspection:
    """Look at data before anything is learned from it: its shape, what is odd, and what to do.

    A table or file is looked at as it stands: rows that reading would leave out are counted, and
    columns that would not be read are looked at too. Ten million rows take some seconds.

    Parameters
    ----------
    events : events, a dataset, a table of any kind, the path of a file, or a MovieLens folder.
    items, users : tables that describe items and users, or files with them; a dataset and a
        MovieLens folder have their own.
    at : the share of rows before the split by time that ``cold`` speaks of.
    now : microseconds since 1970 (UTC), after which a time is in the future; by default the clock.
    columns : the column of each role (user, item, value, time, kind, session) of a table or file;
        by default found by name, "" for none; and ``zone`` and ``time_format``, as for
        ``Events.from_frame``.

    Raises
    ------
    BadEvents : a table without a user or an item column, or without a row that has both.
    BadParameter : ``at`` is not between 0 and 1, ``now`` is no whole number, or columns are named
        for events or a dataset.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": ["ann", "ann", "ann ", "bob"], "item": [1, 2, 1, 1], "stars": [5, 3, 5, 4]}
    >>> found = pt.inspect(table).findings[0]
    >>> found.name
    'user ids spelt differently'
    >>> print(found.mend)
    pt.prepare(events, [pt.CleanIds(spelling="trimmed", of="user")])
    """
    if not isinstance(at, (int, float)) or not 0 < at < 1:
        raise BadParameter(f"at must be a share of rows between 0 and 1, got {at!r}")
    if now is not None and (isinstance(now, bool) or not isinstance(now, (int, np.integer))):
        raise BadParameter(f"now is a whole number of microseconds since 1970, got {now!r}")
    known: list[Any] = [None, None]
    calls = ["", ""]
    if isinstance(events, Dataset):
        known = [events.item_table, events.user_table]
        calls = ["data.item_table", "data.user_table"]
    elif isinstance(events, (str, Path)):
        calls = [f"pt.datasets.tables({quoted(str(events))})[{n}]" for n in (1, 2)]
        events, *known = datasets.tables(events)
    for n, given in enumerate((items, users)):
        if given is not None:
            path = isinstance(given, (str, Path))
            calls[n] = f"pt.datasets.table({quoted(str(given))})" if path else ""
    tables = [
        found if given is None else datasets.table(given)
        for given, found in zip((items, users), known, strict=True)
    ]
    rows = rows_of(events, {role: name for role, name in columns.items() if name is not None})
    moment = time.time_ns() // 1000 if now is None else now
    repeated = shape.repeated(rows)
    found = [
        *entries(rows, moment, repeated),
        *leaks(rows),
        *habits(rows),
        *undescribed(rows, tables[0], "item"),
        *undescribed(rows, tables[1], "user"),
    ]
    found.sort(key=lambda f: (SEVERITIES.index(f.severity), -f.rows, f.name, f.about))
    return Inspection(
        name=rows.name,
        reading=rows.base or rows.reading(),
        options={} if rows.read else dict(rows.options),
        understood=rows.understood,
        rows=len(rows),
        users=len(rows.users),
        items=len(rows.items),
        density=len(rows.pairs) / (len(rows.users) * len(rows.items)),
        kinds=shape.kinds_of(rows),
        missing=shape.missing_of(rows),
        of_users=shape.Tail(np.sort(rows.per_user)),
        of_items=shape.Tail(np.sort(rows.per_item)),
        values=shape.values_of(rows),
        times=shape.times_of(rows),
        cold=shape.cold_of(rows, at) if rows.dated else None,
        repeats=shape.repeats_of(repeated),
        findings=tuple(found),
        steps=steps(found, rows),
        tables={name: call for name, call in zip(("items", "users"), calls, strict=True) if call},
    )
