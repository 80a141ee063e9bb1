"""penchant inspect: what is in a file, what is odd about it, and what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from penchant.cli import reading as r
from penchant.cli.running import FormatOption, note, output, pasted, working
from penchant.cli.telling import show
from penchant.errors import BadEvents, BadParameter

if TYPE_CHECKING:
    from penchant.inspection.finding import Finding
    from penchant.inspection.inspector import Inspection

COLOURS = {"high": "bold red", "medium": "bold yellow", "low": "bold dim"}
BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH = 12
"""Letters of the longest bar."""


def inspect(
    file: r.File,
    items: r.Items = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            show_default=False,
            help="Write the same, with plots, as a page that needs no network.",
        ),
    ] = None,
    form: FormatOption = "table",
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:
    """Look at a file before anything is learned from it: its shape, and what is odd.

    Each finding comes with the call that does something about it. Rows that cannot be used are
    looked at, too, and so are columns that would not be read.

    penchant inspect ratings.csv --items movies.csv --html inspection.html
    """
    from penchant import datasets
    from penchant.inspection.inspector import inspect as inspected
    from penchant.inspection.report import report

    if html is not None and not html.absolute().parent.is_dir():
        raise BadParameter(f"--html {html}: there is no folder {html.absolute().parent}")
    columns: Any = {
        "user": user_column,
        "item": item_column,
        "value": value_column,
        "time": time_column,
    }
    source: Any = file
    asked: Any = {"time_format": time_format, "zone": zone}
    if not Path(file).exists():
        if file not in ("movielens", "planted"):
            raise BadEvents(
                f"no such file or folder: {file} (the packaged data are called movielens and "
                "planted)"
            )
        source = datasets.movielens() if file == "movielens" else datasets.planted()
    with working(f"Inspecting {file}"):
        found = inspected(source, items=items, **columns, **asked)
    if form == "json":
        text = json.dumps(found.to_json(), ensure_ascii=False, indent=1, allow_nan=False)
        sys.stdout.write(f"{text}\n")
    elif form == "csv":
        show(found.to_frame(), form)
    else:
        _tell(found, file, items, columns, asked)
    if html is not None:
        html.write_text(report(found), encoding="utf-8")
        note(f"The same with plots is in {html}")


def _tell(
    found: Inspection,
    file: str,
    items: Path | None,
    columns: dict[str, str | None],
    asked: dict[str, Any],
) -> None:
    console = output()
    for line in found.understood:
        console.print(Text(line, "dim"))
    console.print()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    for what, much in found.numbers():
        grid.add_row(Text(what, "bold"), Text(much))
    console.print(grid)
    console.print()
    console.print(_plots(found))
    for one in found.findings:
        console.print()
        console.print(_finding(one))
    console.print()
    if not found.findings:
        console.print("Nothing odd was found.", style="bold")
    elif found.first:
        console.print(Text("The calls need import penchant as pt, and", "dim"))
        for line in found.first:
            console.print(Padding(Text(line, "cyan"), (0, 0, 0, 2)))
    given = {f"{role}_column": name for role, name in columns.items()}
    untimed = found.options.get("time") == ""
    given |= {"time_column": ""} if untimed else {}
    if untimed and columns["time"] != "":
        words = ["compare", file, *r.given(items=items, **asked, **given)]
        console.print(Text("On the command line, models are compared without times by", "dim"))
        console.print(Padding(Text(pasted(words), "cyan"), (0, 0, 0, 2)))
    if found.steps and Path(file).exists():
        words = ["prepare", file, *r.given(**asked, **given)]
        words += [word for step in found.steps for word in ("--step", step)]
        console.print(Text("On the command line, all steps above are done by", "dim"))
        line = pasted([*words, "--out", "clean.parquet"])
        console.print(Text(line, "cyan"), soft_wrap=True)


def _finding(one: Finding) -> RenderableType:
    head = Text.assemble(
        (one.severity, COLOURS[one.severity]), "  ", (one.name, "bold"), "  ",
        (one.much, "dim"),
    )  # fmt: skip
    parts: list[RenderableType] = [head, Padding(Text(one.sentence), (0, 0, 0, 2))]
    if one.mend is not None:
        parts.append(Padding(Text(one.mend, "cyan"), (0, 0, 0, 2)))
    return Group(*parts)


def _plots(found: Inspection) -> RenderableType:
    """Return small plots: users, items and values as bars, time as a line of blocks."""
    from penchant.page import doubling

    plots = [
        _bars("users by rows", *doubling(found.of_users.counts)),
        _bars("items by rows", *doubling(found.of_items.counts)),
    ]
    if found.values is not None and len(found.values.frame) <= 20:
        shown = found.values.frame
        plots.append(_bars("rows by value", shown["value"].to_list(), shown["rows"].to_list()))
    parts: list[RenderableType] = [Columns(plots, padding=(0, 3))]
    if found.times is not None:
        frame = found.times.frame
        first, last = frame["start"][0], frame["start"][-1]
        parts += [Text(), Text(f"rows by {found.times.unit}, {first} to {last}", "bold")]
        parts.append(Text(_line(frame["rows"].to_list()), "green"))
    return Group(*parts)


def _bars(title: str, labels: list[str], heights: list[int]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    longest = max([*heights, 1])
    for label, height in zip(labels, heights, strict=True):
        eighths = -(-8 * WIDTH * height // longest)
        bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        grid.add_row(Text(label, "dim"), Text.assemble((bar, "green"), f" {height:,}"))
    return Group(Text(title, "bold"), grid)


def _line(heights: list[int]) -> str:
    """Return a line of blocks, at most 70 of them; an empty one only where nothing happened."""
    size = -(-len(heights) // 70)
    sums = [sum(heights[n : n + size]) for n in range(0, len(heights), size)]
    longest = max([*sums, 1])
    return "".join(BLOCKS[-(-8 * n // longest)] for n in sums)
