"""An evaluation as a table: in a terminal, as plain text, in a notebook."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from penchant.evaluation.metrics import Metric, Ranking

if TYPE_CHECKING:
    from penchant.evaluation.evaluator import Estimate, Evaluation

WIDTH = 100
"""Columns of plain text."""

GAP = 3
"""What rich puts between two columns of a table."""

Row = tuple[str, bool, list[str]]
"""A label, whether it is a model's first line, and a text for each metric."""


def rows(result: Evaluation) -> list[Row]:
    """Return the lines of the table.

    A model has a line of values, one of intervals, and one of differences to the baseline; lines
    without anything to say are left out.
    """
    lines: list[Row] = []
    fine = [_decimals(result, metric) for metric in result.metrics]
    for model in result.models:
        cells = [result.cells[model, metric] for metric in result.metrics]
        values = [
            "-" if own.value != own.value else f"{own.value:.{d}f}"
            for (own, _), d in zip(cells, fine, strict=True)
        ]
        lines.append((model + " (baseline)" * (model == result.baseline), True, values))
        owns = [_interval(own, f".{d - 1}f") for (own, _), d in zip(cells, fine, strict=True)]
        aparts = [_interval(off, f"+.{d - 1}f") for (_, off), d in zip(cells, fine, strict=True)]
        for label, texts in (("95% interval", owns), (f"minus {result.baseline}", aparts)):
            if any(texts):
                lines.append((f"  {label}", False, texts))
    return lines


def remarks(result: Evaluation) -> list[str]:
    """Return what has to be said under the table: definitions, split, candidates, ties, notes."""
    said = [f"{metric.name}: {metric.definition}" for metric in result.metrics]
    if any(isinstance(m, Ranking) and m.relevant is None for m in result.metrics):
        said.append("relevant: every test interaction, unless said otherwise")
    said += result.description
    compared = "" if result.baseline is None else (
        f"; minus {result.baseline}: the interval of the paired difference, asker by asker"
    )  # fmt: skip
    said.append(
        f"intervals: {result.draws:,} resamples of the askers, seed {result.seed}{compared}"
    )
    return said + list(result.notes)


@dataclass(frozen=True)
class Shown:
    """An evaluation for rich: as many metrics side by side as the terminal has room for."""

    result: Evaluation

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the tables and the remarks."""
        lines = rows(self.result)
        for columns in _fitting(self.result.metrics, lines, options.max_width):
            grid = Table(box=SIMPLE_HEAD, pad_edge=False)
            grid.add_column("", no_wrap=True)
            for n in columns:
                grid.add_column(self.result.metrics[n].name, justify="right", no_wrap=True)
            for label, first, texts in lines:
                shown = [texts[n] for n in columns]
                if any(shown):
                    style = "bold" if first else "dim"
                    grid.add_row(Text(label, style), *(Text(t, style) for t in shown))
            yield grid
        for line in remarks(self.result):
            yield Padding(Text(line, "dim"), (0, 0, 0, 2))


def text(result: Evaluation) -> str:
    """Return the table and the remarks as plain text."""
    return plain(Shown(result))


def grid(rows: Sequence[Sequence[str]], said: str, *, prose: bool = False) -> RenderableType:
    """Return a head and lines of texts as a table, with a sentence below; labels stand first.

    ``prose``: the last column holds words, which go over several lines where there is no room.
    """
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for n, head in enumerate(rows[0]):
        words = prose and n == len(rows[0]) - 1
        made.add_column(head, justify="right" if n and not words else "left", no_wrap=not words)
    for line in rows[1:]:
        made.add_row(*map(Text, line))
    return Group(made, Padding(Text(said, "dim"), (0, 0, 0, 2)))


def plain(shown: RenderableType) -> str:
    """Return what rich would show as plain text."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, color_system=None).print(shown)
    # A rule of plain hyphens, since not every file and pipe can hold another.
    lines = out.getvalue().replace("─", "-").strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)


def html(result: Evaluation) -> str:
    """Return the table and the remarks for a notebook."""
    head = "".join(f"<th>{escape(metric.name)}</th>" for metric in result.metrics)
    body = ""
    for label, first, texts in rows(result):
        tag, style = ("th", "") if first else ("td", ' style="opacity:.6"')
        cells = "".join(f'<td style="text-align:right">{escape(t)}</td>' for t in texts)
        left = f'<{tag} style="text-align:left">{escape(label.strip())}</{tag}>'
        body += f"<tr{style}>{left}{cells}</tr>"
    said = "".join(f"<li>{escape(line)}</li>" for line in remarks(result))
    return (
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<ul style="opacity:.7;font-size:smaller">{said}</ul>'
    )


def _fitting(metrics: Sequence[Metric], lines: list[Row], width: int) -> Iterator[list[int]]:
    """Yield the numbers of the metrics that stand side by side in each table."""
    left = max(len(label) for label, _, _ in lines)
    used, columns = left, list[int]()
    for n, metric in enumerate(metrics):
        needs = GAP + max(len(metric.name), *(len(texts[n]) for _, _, texts in lines))
        if columns and used + needs > width:
            yield columns
            used, columns = left, []
        used += needs
        columns.append(n)
    yield columns


def _decimals(result: Evaluation, metric: Metric) -> int:
    values = [result.cells[model, metric][0].value for model in result.models]
    return 3 if any(abs(value) >= 2 for value in values) else 4


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low != estimate.low:
        return ""
    return f"{estimate.low:{form}}..{estimate.high:{form}}"
