"""prepare: steps in order, a report of what each did; and what they learned, for new rows."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import BadEvents, BadParameter, Incompatible
from penchant.events import FLOAT32, Events, Reading, find_columns
from penchant.frames import Frame, to_polars
from penchant.preparation import keeping
from penchant.preparation.dropping import ROLES
from penchant.preparation.levels import Normalise
from penchant.preparation.spelling import CleanIds
from penchant.preparation.step import Learned, Outcome, Role, Rows, Step, counted
from penchant.preparation.values import Binarise


def prepare(events: Events | Frame | str | Path, steps: Sequence[Step], **columns: Any) -> Prepared:
    """Apply steps to events, in order, and count what each of them leaves out and changes.

    The result does not depend on the order of the rows, except that sums and means may differ in
    their last digits; rows stay in the order they came.

    Parameters
    ----------
    events : events, any table of them, or the path of a file.
    steps : the steps, such as ``[Deduplicate(keep="last"), KCore(users=5, items=5)]``.
    columns : for a table or file, the arguments of ``Events.from_frame``.

    Returns
    -------
    The new events, a report with a row a step, and what was learned, to be replayed on new rows.

    Raises
    ------
    BadParameter : something that is no step, or a step that does not fit the events; the message
        names the step and the parameter.
    BadEvents : a step leaves no row, or makes a value too large to be kept.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 1, 2], "item": ["a", "a", "b"], "rating": [5, 3, 4]}
    >>> prepared = pt.prepare(table, [pt.Deduplicate(keep="mean")])
    >>> prepared.events.frame.select("user", "item", "value").rows()
    [(1, 'a', 4.0), (2, 'b', 4.0)]
    >>> prepared.report.select("step", "rows_before", "rows").rows()
    [("Deduplicate(keep='mean')", 3, 2)]
    """
    steps = tuple(steps) if isinstance(steps, Sequence) else (steps,)
    for step in steps:
        if not isinstance(step, Step):
            raise BadParameter(f"steps are values such as KCore(users=5, items=5), got {step!r}")
    return _flow(_events(events, columns), steps, None)


@dataclass(frozen=True, eq=False)
class Preparation:
    """Steps with what they learned from one table, to be replayed on others.

    Parameters
    ----------
    steps : in order.
    learned : what each of them learned, as tables by name.
    """

    steps: tuple[Step, ...]
    learned: tuple[Learned, ...]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(map(said, self.steps)) or 'no steps'}>"

    def replay(self, events: Events | Frame | str | Path, **columns: Any) -> Prepared:
        """Apply the steps to new events, with what was learned from the old ones.

        Bounds, levels, robots and the core are those that were learned; each step says what it does
        with a user or an item that is new. No row may be left. If the kind that a step is for
        does not occur, the report and the reading say so.

        Raises
        ------
        Incompatible : ids of another type than those learned from, or every step learned from a
            kind that does not occur.
        """
        return _flow(_events(events, columns), self.steps, self.learned)

    def restore(self, predictions: Frame) -> pl.DataFrame:
        """Return a table of predictions on the scale that was recorded, undoing ``Normalise``.

        Parameters
        ----------
        predictions : columns for user and item (found by name), and ``prediction``, as from
            ``penchant.predict``.

        Ids are taken as ``CleanIds`` took them; the table keeps its own spelling.

        Raises
        ------
        Incompatible : the values were binarised after they were normalised.
        BadEvents : no such columns.
        """
        table = to_polars(predictions)
        found = find_columns(table.columns, {}, "predictions")
        if "prediction" not in table.columns:
            raise BadEvents(f"predictions: no column 'prediction' among {', '.join(table.columns)}")
        if not (table.schema["prediction"].is_numeric() or table["prediction"].is_null().all()):
            raise BadEvents(
                f"predictions: column 'prediction' holds {table.schema['prediction']}, not numbers"
            )
        value = table["prediction"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        later: Step | None = None
        for n, (step, learned) in reversed(
            [*enumerate(zip(self.steps, self.learned, strict=True))]
        ):
            later = step if isinstance(step, Binarise) else later
            if isinstance(step, Normalise):
                if later is not None:
                    raise Incompatible(f"{said(later)} cannot be undone: 1 says no rating")
                users, items = (self._cleaned(table[found[r]], r, n) for r in ROLES)
                value = step.undone(users, items, value, learned)
        return table.with_columns(prediction=value)

    def _cleaned(self, ids: pl.Series, role: Role, end: int) -> pl.Series:
        """Return ids as they are spelt after the first steps."""
        for step, learned in zip(self.steps[:end], self.learned, strict=False):
            if isinstance(step, CleanIds) and role in learned:
                ids = step.spelt(ids, learned[role][role])
        return ids

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the steps and what they learned to a directory, whole or not at all.

        The events are not in it; ids of users are, where a step learned something of each.

        Parameters
        ----------
        path : the directory to make, in a folder that exists.
        overwrite : whether a preparation at ``path`` may be replaced. Nothing else ever is.

        Raises
        ------
        BadParameter : ``path`` is taken, or its folder does not exist.

        Examples
        --------
        >>> import penchant as pt, tempfile
        >>> table = {"user": [1, 2], "item": ["a", "b"], "rating": [1, 9]}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pt.prepare(table, [pt.ClipValues(high=5)]).save(f"{folder}/steps")
        ...     pt.Preparation.load(f"{folder}/steps").replay(table).events.frame["value"].to_list()
        [1.0, 5.0]
        """
        keeping.save(Path(path), self.steps, self.learned, overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, known: Sequence[type[Step]] = ()) -> Preparation:
        """Read what ``save`` wrote. Nothing in the files is executed or unpickled.

        Parameters
        ----------
        known : steps of your own that it may hold, besides those of penchant.

        Raises
        ------
        BadArtifact : no preparation, a newer or foreign one, or files that are damaged.
        """
        steps, learned = keeping.load(Path(path), known)
        return Preparation(steps, learned)


@dataclass(frozen=True, eq=False)
class Prepared(Preparation):
    """What a preparation made of events.

    Parameters
    ----------
    events : the new ones; their ``reading`` says what was done.
    report : a row a step: step, rows_before, rows, users_before, users, items_before, items,
        changed (rows with another value), why.
    """

    events: Events
    report: pl.DataFrame

    __repr__ = Preparation.__repr__

    def __str__(self) -> str:
        """Return the report, two lines a step."""
        lines = []
        for row in self.report.iter_rows(named=True):
            left = f"{row['rows']:,} of {counted(row['rows_before'], 'row')}"
            about = f"{counted(row['users'], 'user')}, {counted(row['items'], 'item')}"
            lines += [f"{row['step']}: {row['why']}", f"    leaves {left}, {about}"]
        return "\n".join(lines) or "no steps"


def said(step: Step) -> str:
    """Return a step as it is written, without the parameters that are None."""
    fields = [(f.name, getattr(step, f.name)) for f in dataclasses.fields(step)]
    inner = ", ".join(f"{name}={value!r}" for name, value in fields if value is not None)
    return f"{type(step).__name__}({inner})"


def _events(events: Events | Frame | str | Path, columns: dict[str, Any]) -> Events:
    if isinstance(events, (str, Path)):
        return Events.read(events, **columns)
    if not isinstance(events, Events):
        return Events.from_frame(events, **columns)
    if columns:
        raise BadParameter(f"Events have their columns already; got {', '.join(columns)}")
    return events


def _flow(events: Events, steps: tuple[Step, ...], learned: tuple[Learned, ...] | None) -> Prepared:
    """Run the steps one after the other, and look at the rows after each."""
    rows = Rows.of(events.frame)
    reading, kept, report = events.reading, [], []
    before = _counts(rows)
    idle = []
    for n, step in enumerate(steps):
        outcome = step.run(rows, None if learned is None else learned[n])
        _check(step, outcome, rows, learned is not None)
        absent = None if learned is None else _absent(step, learned[n], rows)
        if absent is not None:
            idle += [absent] if "kind" in outcome.learned else []
            outcome = replace(outcome, why=f"{outcome.why}; {absent}")
            reading = replace(reading, notes=(*reading.notes, f"{said(step)}: {absent}"))
        rows = outcome.rows
        after = _counts(rows)
        kept.append(outcome.learned)
        line: dict[str, Any] = {"step": said(step)}
        for name, count in after.items():
            line |= {f"{name}_before": before[name], name: count}
        report.append(line | {"changed": outcome.changed, "why": outcome.why})
        reading = _read_on(reading, step, outcome, before["rows"] - after["rows"])
        before = after
    if idle and len(idle) == len(steps):
        raise Incompatible(f"{reading.source}: none of the steps applies: {idle[0]}")
    numbers = ("rows", "users", "items")
    schema = {"step": pl.String} | {f"{n}{b}": pl.Int64 for n in numbers for b in ("_before", "")}
    table = pl.DataFrame(report, schema=schema | {"changed": pl.Int64, "why": pl.String})
    if "value" in reading.columns:
        reading = replace(reading, missing_values=int(np.isnan(rows.value).sum()))
    reading = replace(reading, repeats=_repeats(rows))
    return Prepared(steps, tuple(kept), Events(rows.frame(), reading), table)


def _absent(step: Step, learned: Learned, rows: Rows) -> str | None:
    """Return what is missing if a step is for a kind of which there are no rows."""
    kind = learned["kind"].item() if "kind" in learned else getattr(step, "kind", None)
    if kind is None or not len(rows) or rows.of_kind(kind).any():
        return None
    there = [name for name in rows.kinds if rows.of_kind(name).any()]
    return f"no row is of kind {kind!r}; there are {', '.join(map(repr, there))}"


def _counts(rows: Rows) -> dict[str, int]:
    return {"rows": len(rows), "users": rows.active("user"), "items": rows.active("item")}


def _check(step: Step, outcome: Outcome, rows: Rows, replayed: bool) -> None:
    if not len(outcome.rows) and not replayed:
        raise BadEvents(f"{said(step)} leaves none of {len(rows):,} rows: {outcome.why}")
    if outcome.changed and (np.abs(outcome.rows.value) > FLOAT32).any():
        raise BadEvents(f"{said(step)} makes values too large for 32 bits: clip them first")


def _read_on(reading: Reading, step: Step, outcome: Outcome, gone: int) -> Reading:
    """Return the reading with what the step left out and changed."""
    name = said(step)
    if gone:
        dropped = reading.dropped | {f"by {name}": reading.dropped.get(f"by {name}", 0) + gone}
        reading = replace(reading, dropped=dropped)
    if outcome.changed:
        note = f"{name} changed {counted(outcome.changed, 'row')}: {outcome.why}"
        reading = replace(reading, notes=(*reading.notes, note))
    return reading


def _repeats(rows: Rows) -> int:
    """Return how many rows have a user, item and kind that occurred before."""
    key = np.sort(rows.pairs() * len(rows.kinds) + rows.kind)
    return int((key[1:] == key[:-1]).sum())
