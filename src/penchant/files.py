"""Files to tables: text in its many shapes, JSON lines, Parquet and Arrow; read as they stand."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from pathlib import Path

import polars as pl

from penchant.errors import BadEvents
from penchant.frames import check_names

UNIT = "\x1f"
"""One character for the parser in place of ``::``; it does not occur in text."""

DAMAGE = (
    pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, EOFError, zlib.error,
)  # fmt: skip
"""What reading a damaged file raises; polars panics at some damage to Arrow files."""

_WHOLE = r"^(0|-?[1-9][0-9]*)$"


def read_table(path: str | Path) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    """Read a file: the table, the line of its first row, and notes on what was understood.

    The content decides, not the name: Parquet, Arrow, or text separated by commas, tabs,
    semicolons, ``|`` or ``::``, or one JSON object a line, in UTF-8, UTF-16 with its mark, or else
    Latin-1; any of them may be packed with gzip. Text stays text, except that a column of whole
    numbers written plainly becomes integers: "007" is not 7. A first line that holds only numbers
    is data, not a header.

    Returns
    -------
    The table, the number of its first row for messages (0 if rows are no lines), and the notes.

    Raises
    ------
    BadEvents : no such file, an empty file, a damaged one, or one that is no table.
    """
    path = Path(path)
    if path.is_dir():
        raise BadEvents(f"{path} is a folder: name a file, or use penchant.datasets.read")
    if not path.is_file():
        raise BadEvents(f"no such file: {path}")
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise BadEvents(f"{path} is empty")
    source: Path | io.BytesIO = path
    try:
        if head.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(path.read_bytes())
            head, source = raw[:8], io.BytesIO(raw)
        if head.startswith(b"PAR1"):
            return pl.read_parquet(source), 0, ()
        if head.startswith(b"ARROW1"):
            return pl.read_ipc(source), 0, ()
    except DAMAGE as e:
        raise BadEvents(f"{path} is damaged: {str(e).splitlines()[0]}") from e
    raw = source.getvalue() if isinstance(source, io.BytesIO) else path.read_bytes()
    text, notes = decoded(raw)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadEvents(f"{path} is neither text nor Parquet nor Arrow: line {line} holds a NUL")
    if text.lstrip().startswith("{"):
        return (*_read_objects(path.name, text), notes)
    table, first_line, more = _read_text(path.name, text)
    return table, first_line, notes + more


def decoded(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and a note if it had to be guessed."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace"), ()
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        # Every byte is a letter there; GroupLens' older files are written so.
        return raw.decode("latin-1"), ("the text is not UTF-8: it was read as Latin-1",)


def _read_text(name: str, text: str) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    if "\n" not in text:
        text = text.replace("\r", "\n")
    blank = re.match(r"[\r\n]*", text)
    skipped = blank[0].count("\n") if blank else 0
    text = text.strip("\r\n")
    if not text.strip():
        raise BadEvents(f"{name} is empty")
    first = text.split("\n", 1)[0].rstrip("\r")
    separator = max(("::", "\t", ",", ";", "|"), key=lambda s: (first.count(s), len(s)))
    if separator == "::":
        text, first, separator = text.replace("::", UNIT), first.replace("::", UNIT), UNIT
    quote = None if separator == UNIT else '"'
    cells = [c.strip() for c in next(csv.reader([first], delimiter=separator))]
    bare = all(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", c) for c in cells)
    try:
        table = pl.read_csv(
            io.BytesIO(text.encode()),
            separator=separator,
            has_header=not bare,
            infer_schema=False,
            quote_char=quote,
            truncate_ragged_lines=False,
        )
    except pl.exceptions.PolarsError as e:
        why = _ragged(text, separator, skipped, len(cells)) or str(e).splitlines()[0]
        raise BadEvents(f"{name} cannot be read as a table: {why}") from e
    notes: tuple[str, ...] = ()
    if bare:
        if len(cells) < 2:
            raise BadEvents(f"{name} has one column of numbers and no header; two ids are needed")
        names = ["user", "item", "rating", "timestamp"][: len(cells)]
        names += [f"column_{n + 1}" for n in range(len(names), len(cells))]
        table.columns = names
        notes = (f"no header: columns are taken as {', '.join(names)}",)
    else:
        check_names([c for c in cells if c])
    plain = [c for c in table.columns if _plainly_whole(table[c])]
    in_lines = len(table) + (not bare) == text.count("\n") + 1  # else a cell spans several
    first_line = (1 if bare else 2) + skipped if in_lines else 0
    return table.with_columns(pl.col(plain).cast(pl.Int64)), first_line, notes


def _read_objects(name: str, text: str) -> tuple[pl.DataFrame, int]:
    """Read one JSON object a line; return also the line of the first."""
    skipped = len(text) - len(text.lstrip())
    lines = text.strip().split("\n")
    try:
        table = pl.read_ndjson(io.StringIO(text.strip()), infer_schema_length=None)
    except pl.exceptions.PolarsError as e:
        for number, line in enumerate(lines, 1 + text.count("\n", 0, skipped)):
            try:
                one = json.loads(line)
            except ValueError as why:
                raise BadEvents(f"{name}, line {number} is not an object of JSON: {why}") from e
            if not isinstance(one, dict):
                raise BadEvents(
                    f"{name}, line {number} is not an object of JSON: {one!r:.40}"
                ) from e
        raise BadEvents(f"{name} cannot be read as JSON lines: {str(e).splitlines()[0]}") from e
    whole = len(table) == len(lines)  # else some lines are blank, or objects span several
    return table, 1 + text.count("\n", 0, skipped) if whole else 0


def _ragged(text: str, separator: str, skipped: int, width: int) -> str:
    """Say which line is at fault in a text that could not be read."""
    for number, line in enumerate(text.split("\n"), 1 + skipped):
        if separator != UNIT and line.count('"') % 2:
            return f"line {number} has a quote that is not closed, or one within a cell"
        found = len(next(csv.reader([line], delimiter=separator), []))
        if found > width:
            return f"line {number} has {found} cells, and the first line {width}"
    return ""


def _plainly_whole(column: pl.Series) -> bool:
    """Whether each entry is an integer that reads back as it was written, and fits."""
    found = column.drop_nulls()
    if not len(found) or not found.str.contains(_WHOLE).all():
        return False
    return found.cast(pl.Int64, strict=False).null_count() == 0
