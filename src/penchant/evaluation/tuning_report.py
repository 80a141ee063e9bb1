"""A tuning as one page of HTML: what was tried, how it went, and what each setting did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from penchant.evaluation.metrics import OfRatings
from penchant.evaluation.search import Trial, lower_is_better
from penchant.evaluation.space import Choice, Range
from penchant.evaluation.tuning import Contest, Tuning, shown
from penchant.page import bullets, figure, page

WIDTH, HEIGHT = 420, 200
LEFT, TOP, BOTTOM = 62, 10, 165
"""Where the field of a plot begins and ends, in units of the drawing."""


def report(found: Tuning | Contest, command: str | None = None) -> str:
    """Return a tuning as a self-contained page.

    Parameters
    ----------
    found : what ``tune`` returned.
    command : the line that fits the best model, shown at the end.
    """
    title = found.model.name if isinstance(found, Tuning) else f"{len(found.tunings)} models"
    body = [f"<h1>Tuning {escape(title)}</h1>", *parts(found)]
    if command is not None:
        body += ["<h2>Next</h2>", f"<p><code>{escape(command)}</code></p>"]
    return page(f"tuning {title}", body)


def parts(found: Tuning | Contest) -> list[str]:
    """Return plots and table as HTML; of several models, the table of all and then each."""
    if isinstance(found, Tuning):
        return [bullets(found.remarks()), *_plots(found)]
    each = [
        piece
        for name in found.order
        for piece in (f"<h2>{escape(name)}</h2>", *_plots(found.tunings[name]))
    ]
    return [bullets(found.remarks()), _models(found), *each]


def _plots(found: Tuning) -> list[str]:
    slices = "".join(_slice(found, name) for name in found.space)
    return [
        "<h3>How it went</h3>",
        _course(found),
        *(["<h3>What each setting did</h3>", f'<div class="side">{slices}</div>'] * bool(slices)),
        "<h3>The best</h3>",
        _leaders(found),
    ]


def _models(found: Contest) -> str:
    """Return a table of the models, best first."""
    head, *lines = found.rows()
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    rows = []
    for place, line in enumerate(lines):
        cells = [f"<td>{escape(cell)}</td>" for cell in line]
        best = ' class="best"' if place == 0 else ""
        rows.append(f"<tr{best}>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _course(found: Tuning) -> str:
    """Return a plot of every trial in order, and of the best so far."""
    valued = [t for t in found.trials if not math.isnan(t.value)]
    low, high, y = _height(found, valued)
    last = max(t.number for t in found.trials)

    def x(number: int) -> float:
        return LEFT + (WIDTH - LEFT - 10) * number / max(last, 1)

    best = np.minimum.accumulate if lower_is_better(found.metric) else np.maximum.accumulate
    done = [t for t in valued if t.state == "done"]
    tops = best([t.value for t in done])
    steps = [f"M{x(done[0].number):.1f} {y(tops[0]):.1f}"]
    for trial, top in zip(done[1:], tops[1:], strict=True):
        steps.append(f"H{x(trial.number):.1f}V{y(top):.1f}")
    drawn = _frame(low, high, y)
    drawn.append(
        f'<path d="{"".join(steps)}H{x(last):.1f}" fill="none" stroke="var(--mark)" '
        'stroke-width="2"/>'
    )
    drawn += [_dot(found, t, x(t.number), y(t.value)) for t in valued]
    drawn += _labels([(x(n), str(n)) for n in sorted({0, last // 2, last})])
    caption = (
        f"{found.metric.name} of each trial, and the best so far. Hollow: cut short. Trial 0 is "
        "the model as it was given. What is much worse than most stands at the edge."
    )
    said = f"{found.metric.name} by trial: from {found.trials[0].value:.4f} to {found.value:.4f}"
    return figure(drawn, WIDTH, HEIGHT, said, caption)


def _slice(found: Tuning, name: str) -> str:
    """Return a plot of the metric by one setting."""
    valued = [t for t in found.trials if not math.isnan(t.value)]
    low, high, y = _height(found, valued)
    one = found.space[name]
    drawn = _frame(low, high, y)
    if isinstance(one, Choice):
        room = (WIDTH - LEFT - 10) / len(one.options)
        places = {n: LEFT + room * (n + 0.5) for n in range(len(one.options))}
        drawn += _labels([(places[n], str(option)) for n, option in enumerate(one.options)])
        spots = [
            (t, places[one.options.index(t.settings[name])])
            for t in valued
            if t.settings[name] in one.options
        ]
    else:
        drawn += _labels([(_along(one, v), shown(float(v))) for v in _ends(one)])
        inside = [t for t in valued if one.holds(t.settings[name])]
        spots = [(t, _along(one, t.settings[name])) for t in inside]
    drawn += [_dot(found, t, x, y(t.value)) for t, x in spots]
    best = found.winner.settings[name]
    outside = len(valued) - len(spots)
    more = f" {outside} outside of the range." if outside else ""
    return figure(
        drawn, WIDTH, HEIGHT, f"{found.metric.name} by {name}: best at {shown(best)}",
        f"{name}, best at {shown(best)}.{more}",
    )  # fmt: skip


def _height(found: Tuning, valued: Sequence[Trial]) -> tuple[float, float, _Scale]:
    """Return the values at the bottom and top of a plot, and where a value is drawn.

    What is much worse than the middle is drawn at the edge, so that the good ones stay apart.
    """
    values = np.array([t.value for t in valued])
    best = found.value
    reach = 2.5 * float(np.median(np.abs(values - best))) or abs(best) * 0.01 or 1.0
    lower = lower_is_better(found.metric)
    worst = best + reach if lower else best - reach
    worst = min(worst, values.max()) if lower else max(worst, values.min())
    margin = 0.06 * abs(best - worst) or abs(best) * 0.01 or 1.0
    low, high = min(best, worst) - margin, max(best, worst) + margin
    return low, high, _Scale(low, high)


class _Scale:
    """From a value to a height in the drawing."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        """Return the height, at the edge for values outside."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return BOTTOM - (BOTTOM - TOP) * share


def _frame(low: float, high: float, y: _Scale) -> list[str]:
    drawn = []
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next(s for s in (step / 5, step / 2, step, 2 * step, 5 * step) if (high - low) / s <= 5)
    for value in step * np.arange(math.ceil(low / step), math.floor(high / step) + 1):
        at = y(value)
        drawn.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="var(--line)"/><text class="soft" x="{LEFT - 6}" y="{at + 4:.1f}" '
            f'text-anchor="end">{value:.4g}</text>'
        )
    return drawn


def _labels(texts: Sequence[tuple[float, str]]) -> list[str]:
    return [
        f'<text class="soft" x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{escape(t)}</text>'
        for x, t in texts
    ]


def _dot(found: Tuning, trial: Trial, x: float, y: float) -> str:
    best = trial.number == found.winner.number
    colour = "var(--mark)" if best else "var(--other)"
    look = f'fill="{colour}"' if trial.state == "done" else f'fill="none" stroke="{colour}"'
    told = ", ".join(f"{name} {shown(value)}" for name, value in trial.settings.items())
    told = f"trial {trial.number}: {trial.value:.4f}; {told}"
    size = 6 if best else 3.5
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {look}>'
        f"<title>{escape(told)}</title></circle>"
    )


def _along(one: Range, value: float) -> float:
    low, high, at = (math.log(v) if one.log else float(v) for v in (one.low, one.high, value))
    return LEFT + 8 + (WIDTH - LEFT - 26) * (at - low) / (high - low)


def _ends(one: Range) -> tuple[float, float, float]:
    middle = math.sqrt(one.low * one.high) if one.log else (one.low + one.high) / 2
    return one.low, round(middle) if one.whole else middle, one.high


def _leaders(found: Tuning) -> str:
    rating = isinstance(found.metric, OfRatings)
    heads = [*["answered"] * rating, *found.space]
    names = "".join(f'<th class="n">{escape(name)}</th>' for name in heads)
    rows = []
    for place, trial in enumerate(found.leaders()):
        cells = [f"<td>{trial.number}</td>", f'<td class="n">{trial.value:.4f}</td>']
        cells += [f'<td class="n">{trial.answered:.1%}</td>'] * rating
        cells += [f'<td class="n">{escape(shown(trial.settings[n]))}</td>' for n in found.space]
        cells.append(f'<td class="n">{trial.seconds:.2f}</td>')
        best = ' class="best"' if place == 0 else ""
        rows.append(f"<tr{best}>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr><th>trial</th><th class="n">'
        f'{escape(found.metric.name)}</th>{names}<th class="n">seconds</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
