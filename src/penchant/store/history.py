"""Events of a table as rows of the log: ids as the store keeps them, digests, ids for events."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from penchant.errors import BadParameter
from penchant.events import Events
from penchant.frames import nulls
from penchant.identity import clean_id
from penchant.ids import as_column

AHEAD = 300 * 10**6
"""Microseconds by which an event may lie ahead of the clock here, as for those sent one by one."""

IMPRESSION = "impression"
KIND = 64
"""Characters that a kind may have, as for events sent one by one."""

PLAIN = r"^[ -~]{1,256}$"
"""Text that is an id as it stands; nearly all are."""

SLICE = 100_000
"""Rows whose texts are Python's at one time: they take ten times the room of polars'."""


class History(NamedTuple):
    """A table of events, ready for the log.

    Parameters
    ----------
    rows : columns ``row`` (the place among the events given), ``event_id``, ``person``,
        ``session_id``, ``item_id``, ``kind``, ``value``, ``time``, ``items``, ``context`` and
        ``digest`` as in the log; those of a person lie together, oldest first.
    rejected : columns ``row`` and ``reason``, of those that the log cannot keep.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame


def history(
    events: Events, *, now: int, event_id: str | None = None, context: Sequence[str] = ()
) -> History:
    """Make the rows of the log from validated events.

    Parameters
    ----------
    now : microseconds since 1970; what lies later is rejected.
    event_id : the context column that holds the events' own ids. An event without one gets an id
        made of what it says, and of how many before it say the same: whatever file it comes in
        again, and however much that file has grown, it is known; ten plays stay ten events, and
        what was erased stays so. These ids begin with a hash of the person, so that they come in
        the order in which rows are written: finding their places takes a third of the time.
    context : context columns to keep as JSON.

    Raises
    ------
    BadParameter : events without times.
    """
    frame = events.frame
    if not len(frame) or int(frame["time"].max()) < 0:  # type: ignore[arg-type]
        raise BadParameter(f"{events.reading.source} holds no times: a log of events needs them")
    checks = _Checks(len(frame))
    rows = pl.DataFrame(
        {
            "row": pl.int_range(len(frame), eager=True, dtype=pl.UInt32),
            "person": "u" + checks.ids("user", frame["user"]),
            "session_id": checks.ids("session", frame["session"]),
            "item_id": checks.ids("item", frame["item"]),
            "kind": checks.kinds(frame["kind"]),
            "value": frame["value"].fill_nan(None),
            "time": frame["time"],
            "context": checks.context(frame.select(context)),
            "event_id": nulls(pl.String, len(frame))
            if event_id is None
            else checks.ids("event", frame[event_id]),
        }
    )
    checks.fault("the time lies in the future", rows["time"] > now + AHEAD)
    rejected = checks.rejected()
    rows = rows.filter(checks.good)
    shown = rows["kind"] == IMPRESSION
    if shown.any():
        lists = pl.Series([_JSON.encode([one]).decode() for one in rows["item_id"].filter(shown)])
        at = shown.arg_true()
        items = nulls(pl.String, len(rows)).scatter(at, lists)
        rows = rows.with_columns(
            items.alias("items"), pl.when(~shown).then(pl.col("item_id")).alias("item_id")
        )
    else:
        rows = rows.with_columns(pl.lit(None, pl.String).alias("items"))
    return History(_identified(rows), rejected)


class _Checks:
    """Which rows the log cannot keep, and the first reason found for each."""

    def __init__(self, n: int) -> None:
        self.good = pl.Series([True]).new_from_index(0, n)
        self._found: list[tuple[str, pl.Series]] = []

    def fault(self, reason: str, where: pl.Series) -> None:
        where = where.fill_null(value=False) & self.good
        if where.any():
            self._found.append((reason, where.arg_true()))
            self.good &= ~where

    def ids(self, role: str, column: pl.Series) -> pl.Series:
        """Return ids as text, as ``clean_id`` leaves them."""
        if column.dtype != pl.String:
            column = as_column(role, column).cast(pl.String)
        odd = ~column.str.contains(PLAIN)
        if not odd.any():
            return column
        clean: dict[str, str | None] = {}
        for text in column.filter(odd).unique():
            try:
                clean[text] = clean_id(text)
            except BadParameter as e:
                clean[text] = None
                self.fault(f"{role}: {e}", column == text)
        return column.replace(clean)

    def kinds(self, column: pl.Series) -> pl.Series:
        kinds = self.ids("kind", column)
        self.fault(f"kind: longer than {KIND} characters", kinds.str.len_chars() > KIND)
        return kinds

    def context(self, frame: pl.DataFrame) -> pl.Series:
        """Return JSON objects of what the columns hold, null where they hold nothing."""
        if not frame.width:
            return nulls(pl.String, len(self.good))
        moments = [c.name for c in frame if c.dtype.is_temporal()]
        rows = frame.with_columns(pl.col(moments).cast(pl.String)).iter_rows(named=True)
        said = ({k: v for k, v in row.items() if v is not None} for row in rows)
        texts = [_JSON.encode(one).decode() if one else None for one in said]
        return pl.Series(texts, dtype=pl.String)

    def rejected(self) -> pl.DataFrame:
        parts = [pl.DataFrame({"row": at}).with_columns(reason=pl.lit(r)) for r, at in self._found]
        empty = pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})
        return pl.concat([empty, *parts]).sort("row")


_JSON = msgspec.json.Encoder()


def _identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Add digests, and ids where there are none; sort as ``history`` says."""
    digests = b"".join(map(_digests, rows.iter_slices(SLICE)))
    people = rows["person"].unique()
    marks = b"".join(blake2b(one.encode(), digest_size=4).digest() for one in people)
    known = pl.DataFrame({"person": people, "mark": np.frombuffer(marks, ">u4").astype(np.uint32)})
    rows = rows.with_columns(digest=np.frombuffer(digests, ">i8").astype(np.int64))
    rows = rows.join(known, on="person", how="left", maintain_order="left")
    rows = rows.sort("mark", "time", "row")
    unnamed = rows["event_id"].is_null()
    if unnamed.any():
        rows = rows.with_columns(
            pl.when(unnamed).then(_made(rows)).otherwise("event_id").alias("event_id")
        )
    return rows.drop("mark")


def _digests(rows: pl.DataFrame) -> bytes:
    """Return the eight bytes of ``digest`` of each row, as of an event sent over HTTP."""
    columns = ("person", "time", "session_id", "item_id", "kind", "value")
    given = [rows[name].to_list() for name in columns]
    shown = rows["items"].to_list()
    items = [None if text is None else msgspec.json.decode(text) for text in shown]
    encode = _JSON.encode
    return b"".join(
        blake2b(encode((*one, None, None, i, c, None)), digest_size=8).digest()
        for *one, i, c in zip(*given, items, rows["context"].to_list(), strict=True)
    )


def _made(rows: pl.DataFrame) -> pl.Series:
    """Return ids: the person's mark, the digest, and the number of the repeat if there is one."""
    numbers = np.empty(len(rows), [("mark", ">u4"), ("digest", ">i8")])
    numbers["mark"], numbers["digest"] = rows["mark"].to_numpy(), rows["digest"].to_numpy()
    text = numbers.tobytes().hex()
    ids = pl.Series([f"h{text[at : at + 24]}" for at in range(0, len(text), 24)])
    again = rows.select("digest", "mark").with_row_index("at").filter(ids.is_duplicated())
    again = again.with_columns(n=pl.int_range(pl.len()).over("digest", "mark")).filter(
        pl.col("n") > 0
    )
    named = ids.gather(again["at"]) + "-" + again["n"].cast(pl.String)
    return ids.scatter(again["at"], named) if len(again) else ids
