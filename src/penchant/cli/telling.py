"""How results look on a terminal: leaderboards, lists with reasons, plain frames."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from penchant.cli.running import Format, output

if TYPE_CHECKING:
    import polars as pl

    from penchant.evaluation.comparison import Comparison, Example


def show(frame: pl.DataFrame, form: Format) -> None:
    """Print a frame to standard output: as a table or list for people, as CSV or as JSON."""
    if form != "table":
        sys.stdout.write(text(frame, form))
    elif "rank" in frame.columns:
        output().print(ranked(frame))
    else:
        output().print(table(frame))


def text(frame: pl.DataFrame, form: Literal["csv", "json"]) -> str:
    """Return a frame for programs."""
    if form == "csv":
        return frame.write_csv()
    records = [{k: _plain(v) for k, v in row.items()} for row in frame.to_dicts()]
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _plain(value: Any) -> Any:
    """NaN is no JSON: null says the same."""
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def table(frame: pl.DataFrame) -> Table:
    """Return a frame as a table for people."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in frame.columns:
        number = frame.schema[name].is_numeric()
        made.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in frame.iter_rows():
        made.add_row(*(Text(_cell(value)) for value in row))
    return made


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if value == value else "–"
    return "" if value is None else str(value)


def ranked(frame: pl.DataFrame, *, ids: bool = True) -> RenderableType:
    """Return a ranked list: a line for what it is, a line for why."""
    lines = Table.grid(padding=(0, 1), expand=True)
    lines.add_column(justify="right", no_wrap=True)
    lines.add_column(ratio=1)
    lines.add_column(justify="right", no_wrap=True)
    for row in frame.iter_rows(named=True):
        name = Text(str(row.get("title") or row["item"]), "bold")
        if ids and row.get("title"):
            name.append(f"  id {row['item']}", "not bold dim")
        genres = row.get("genres")
        if genres:
            name.append("  " + str(genres).replace("|", ", "), "not bold")
        lines.add_row(f"{row['rank']}.", name, _score(row["score"]))
        if row.get("reason"):
            lines.add_row("", Text(row["reason"], "dim"), "")
    return lines


def _score(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def leaderboard(found: Comparison) -> Table:
    """Return the models with their scores, the best first."""
    from penchant.evaluation.comparison import POPULARITY
    from penchant.evaluation.report import measured

    board = found.to_frame()
    main, *others = found.evaluation.metrics
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    made.add_column("")
    heads = [*_heads([main.name]), "minus popularity\n(95% interval)"]
    heads += [*_heads(m.name for m in others), "fit,\nCPU s"]
    for head in heads:
        made.add_column(head, justify="right", no_wrap=True)
    for row in board.iter_rows(named=True):
        above = "the baseline" if row["model"] == POPULARITY else "–"
        if row["above_low"] is not None:
            above = f"{row['above_low']:+.3f} to {row['above_high']:+.3f}"
        cells = [row["model"], f"{row['ndcg']:.4f}", above]
        cells += [measured(m.name, row[m.name]) for m in others]
        cells.append(f"{row['seconds']:.2f}")
        made.add_row(*cells, style="bold green" if row["model"] == found.best else "")
    return made


def _heads(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield name.replace("@", "\n@")


def somebody(one: Example, about: str, first: int | None = None) -> RenderableType:
    """Return a person: what they liked, and their list (or its first lines) with reasons."""
    parts: list[RenderableType] = [Text(about, "bold")]
    if one.liked:
        parts.append(Padding(Text(f"liked {'; '.join(one.liked)}"), (0, 0, 0, 2)))
    parts.append(Padding(ranked(one.list.head(first or len(one.list)), ids=False), (0, 0, 0, 2)))
    return Group(*parts)
