"""penchant compare: which model to use on a file, within a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli import reading as r
from penchant.cli import telling
from penchant.cli.running import on_step, output, pasted, working
from penchant.errors import BadParameter

if TYPE_CHECKING:
    from penchant.evaluation.comparison import Comparison


def compare(
    file: r.File,
    minutes: Annotated[float, typer.Option(help="How long it may take, about.")] = 1.0,
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the page with the results.")
    ] = Path("report.html"),
    count: Annotated[int, typer.Option("-k", "--count", help="How long the lists are.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of whatever is random.")] = 0,
    items: r.Items = None,
    liked: r.Liked = None,
    strict: r.Strict = False,
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:
    """Try several models on your file and say which one to use, in a minute.

    Part of the file is held out. The models learn from the rest and are asked for lists, which are
    compared with what people really went for. Models that predict ratings are compared with
    penchant evaluate.

    penchant compare ratings.csv --items movies.csv
    """
    from penchant.evaluation.comparison import compare as compared
    from penchant.evaluation.report import report as page

    if report.is_dir():
        raise BadParameter(f"--report {report} is a folder: name a file, such as report.html")
    if not report.absolute().parent.is_dir():
        raise BadParameter(f"--report {report}: there is no folder {report.absolute().parent}")
    console = output()

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=False)

    with working(f"Reading {file}"):
        data = r.read(
            file, items, user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone, liked=liked,
            strict=strict, say=say,
        )  # fmt: skip
    say(repr(data)[1:-1])
    with working("Comparing") as update:
        found = compared(data, minutes, k=count, rng=seed, on_step=on_step(update))
    for line in how(found):
        say(line)
    console.print()
    console.print(telling.leaderboard(found))
    console.print()
    for line in found.because:
        console.print(line, markup=False, style="bold" if line is found.because[0] else "")
    for one in found.examples:
        console.print()
        console.print(telling.somebody(one, f"Person {one.who}, {one.met:,} events known", 5))
    again = ["fit", file, "--model", found.best]
    again += r.given(
        items=items, liked=liked, user_column=user_column, item_column=item_column,
        value_column=value_column, time_column=time_column, time_format=time_format, zone=zone,
    )  # fmt: skip
    if found.best == "hybrid" and found.left_out:
        again += [w for part in found.models if part != "hybrid" for w in ("--part", part)]
    again += ["--seed", f"{seed}"] * (seed != 0)
    again += ["--strict"] * strict + ["--out", f"{Path(file).stem}.model"]
    command = pasted(again)
    report.write_text(page(found, r.understood(data), command), encoding="utf-8")
    console.print()
    say(f"Plots, and the whole of these lists, are in {report}. To fit {found.best} to everything:")
    console.print(command, markup=False, soft_wrap=True, style="bold")


def how(found: Comparison) -> list[str]:
    """Return what was held out and what was left out, in sentences."""
    said = [
        f"Held out: {found.split.description}, {len(found.split.test.truth.item):,} events of "
        f"{len(found.split.test):,} people.",
        *(f"{note[0].upper()}{note[1:]}." for note in (*found.split.notes, *found.notes)),
    ]
    return said + [f"Without {name}: {why}." for name, why in found.left_out.items()]
