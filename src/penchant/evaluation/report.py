"""A comparison as one page of HTML: no network, no scripts, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10

import numpy as np

from penchant.evaluation.comparison import POPULARITY, Comparison, Example
from penchant.evaluation.tables import remarks

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5d6873; --line: #d9dee3; --page: #fff;
  --card: #f5f7f8; --mark: #00756a; --other: #8b97a2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaed; --soft: #9ba7b1; --line: #38424b;
  --page: #14181b; --card: #1d2327; --mark: #4cc7b8; --other: #76828d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; color: var(--ink);
  background: var(--page); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p, ul, ol { margin: .4rem 0; } ul, ol { padding-left: 1.5rem; } ol li { margin: .35rem 0; }
.verdict { background: var(--card); border-left: 4px solid var(--mark); padding: .8rem 1rem; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
figure { margin: 1rem 0; } svg { display: block; width: 100%; max-width: 34rem; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .35rem .4rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .n { text-align: right; }
td.n { white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.best td { font-weight: 600; } td:first-child { white-space: nowrap; }
.side { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
code { background: var(--card); padding: .15rem .35rem; overflow-wrap: anywhere; }
"""


def report(found: Comparison, understood: Sequence[str] = (), command: str | None = None) -> str:
    """Return a comparison as a self-contained page.

    Parameters
    ----------
    found : what ``compare`` returned.
    understood : what was understood of the data, in sentences.
    command : the line that fits the model to use, shown at the end.
    """
    data = found.split.train.name
    body = [
        f"<h1>Which model for {escape(data)}?</h1>",
        f'<div class="verdict">{_paragraphs(found.because)}</div>',
        "<h2>Leaderboard</h2>",
        _intervals(found),
        _leaderboard(found),
        _notes(found),
        "<h2>Three people, and what they would be shown</h2>",
        '<div class="side">' + "".join(map(_person, found.examples)) + "</div>",
        "<h2>The data</h2>",
        _list(understood),
        _shape(found),
        "<h2>How it was measured</h2>",
        _list(remarks(found.evaluation)),
    ]
    if command is not None:
        body += ["<h2>Next</h2>", f"<p><code>{escape(command)}</code></p>"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>penchant: {escape(data)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def measured(name: str, value: float | None) -> str:
    """Return a metric's value as a leaderboard shows it."""
    if value is None:
        return "–"
    if name.startswith("Coverage"):
        return f"{value:.1%}"
    return f"{value:.4f}" if name.startswith("Recall") else f"{value:.2f}"


def _paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p>{escape(s)}</p>" for s in sentences)


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(s)}</li>" for s in sentences) + "</ul>"


def _notes(found: Comparison) -> str:
    said = [f"{name} is not here: {why}" for name, why in found.left_out.items()]
    return _list([*found.notes, *said]) if said or found.notes else ""


def _intervals(found: Comparison) -> str:
    """Return a plot of each model's NDCG: a dot, and a line over its interval."""
    rows = list(found.to_frame().iter_rows(named=True))
    left, right, height = 105, 400, 26
    ticks = _ticks(max(r["ndcg"] if r["ndcg_high"] is None else r["ndcg_high"] for r in rows))

    def x(value: float) -> float:
        return left + (right - left) * value / ticks[-1]

    bottom = 8 + height * len(rows)
    drawn = [
        f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="4" y2="{bottom}" stroke="var(--line)"/>'
        f'<text class="soft" x="{x(t):.1f}" y="{bottom + 18}" text-anchor="middle">{t:.3g}</text>'
        for t in ticks
    ]
    for n, row in enumerate(rows):
        y = 8 + height * n + height / 2
        colour = "var(--mark)" if row["model"] == found.best else "var(--other)"
        drawn.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(row["model"])}</text>'
            f'<circle cx="{x(row["ndcg"]):.1f}" cy="{y}" r="5" fill="{colour}"/>'
        )
        if row["ndcg_low"] is not None:
            drawn.append(
                f'<line x1="{x(row["ndcg_low"]):.1f}" x2="{x(row["ndcg_high"]):.1f}" '
                f'y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
            )
    said = "; ".join(f"{row['model']} {row['ndcg']:.4f}" for row in rows)
    metric = found.evaluation.metrics[0].name
    return (
        f'<figure><svg viewBox="0 0 420 {bottom + 26}" role="img" '
        f'aria-label="{escape(metric)} by model: {escape(said)}">{"".join(drawn)}</svg>'
        f"<figcaption>{escape(metric)}: how much of what people went for next stands high in their "
        "list. Lines hold 95% of resamples of the people asked; two that overlap may still differ "
        f"clearly person by person, as the column “minus {POPULARITY}” says.</figcaption></figure>"
    )


def _ticks(top: float) -> list[float]:
    """Return round numbers from 0 to at least ``top``, at most seven."""
    if not top > 0:
        return [0.0, 1.0]
    step = 10.0 ** floor(log10(top))
    step = next(s for s in (step / 10, step / 5, step / 2, step, 2 * step) if ceil(top / s) <= 6)
    return [n * step for n in range(ceil(top / step) + 1)]


def _leaderboard(found: Comparison) -> str:
    board = found.to_frame()
    extra = [c for c in board.columns if "@" in c]
    head = ["model", found.evaluation.metrics[0].name, f"minus {POPULARITY}", *extra]
    head.append("fit, CPU\u00a0s")
    rows = []
    for row in board.iter_rows(named=True):
        cells = [f"<td>{escape(row['model'])}</td>", f'<td class="n">{row["ndcg"]:.4f}</td>']
        cells.append(
            '<td class="n">–</td>'
            if row["above_low"] is None
            else f'<td class="n">{row["above_low"]:+.4f} to {row["above_high"]:+.4f}</td>'
        )
        cells += [f'<td class="n">{measured(c, row[c])}</td>' for c in extra]
        cells.append(f'<td class="n">{row["seconds"]:.2f}</td>')
        best = ' class="best"' if row["model"] == found.best else ""
        rows.append(f"<tr{best}>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr><th>{head[0]}</th>'
        + "".join(f'<th class="n">{escape(h)}</th>' for h in head[1:])
        + f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _person(one: Example) -> str:
    """Return a person and their list, a line of what and a line of why for each item."""
    rows = []
    for row in one.list.iter_rows(named=True):
        genres = str(row.get("genres") or "").replace("|", ", ")
        name = f"<b>{escape(str(row.get('title') or row['item']))}</b>"
        reason = escape(row.get("reason") or "")
        rows.append(f'<li>{name} <span class="soft">{escape(genres)}<br>{reason}</span></li>')
    liked = "; ".join(one.liked) or "nothing that is known"
    later = f"Of these {len(rows)}, {len(one.later)} were met later, in the part held out."
    return (
        f"<section><h3>Person {escape(str(one.who))}, {one.met:,} events known</h3>"
        f"<p>Liked {escape(liked)}.</p><ol>{''.join(rows)}</ol>"
        f'<p class="soft">{later}</p></section>'
    )


def _shape(found: Comparison) -> str:
    """Return two small plots: how much is known of people, and of items."""
    train = found.split.train
    per_item = np.bincount(train.histories.item, minlength=len(train.items))
    return (
        '<div class="side">'
        + _histogram(train.histories.lengths, "people", "events of a person")
        + _histogram(per_item, "items", "events on an item")
        + "</div>"
    )


def _histogram(counts: np.ndarray[tuple[int], np.dtype[np.int64]], what: str, of: str) -> str:
    """Return a histogram with bins 0, 1, 2-3, 4-7, …: counts have long tails."""
    bins = np.floor(np.log2(np.maximum(counts, 1))).astype(int) + (counts > 0)
    heights = np.bincount(bins)
    labels = ["0", "1"] + [f"{2**n}–{2 ** (n + 1) - 1}" for n in range(1, len(heights))]
    first = int(np.argmax(heights > 0))
    step, top, bottom = 320 / max(len(heights) - first, 1), max(int(heights.max()), 1), 120
    drawn = []
    for n in range(first, len(heights)):
        x, tall = step * (n - first), 100 * int(heights[n]) / top
        drawn.append(
            f'<rect x="{x + 2:.1f}" width="{step - 4:.1f}" y="{bottom - tall:.1f}" '
            f'height="{tall:.1f}" fill="var(--other)"><title>{heights[n]:,} {what} with '
            f"{labels[n]}</title></rect>"
        )
        if (n - first) % max(1, ceil((len(heights) - first) / 6)) == 0:
            drawn.append(
                f'<text class="soft" x="{x + step / 2:.1f}" y="{bottom + 16}" '
                f'text-anchor="middle">{labels[n]}</text>'
            )
    middle = int(np.median(counts[counts > 0])) if (counts > 0).any() else 0
    said = f"{what} by {of}: half have at most {middle:,}"
    return (
        f'<figure><svg viewBox="0 0 320 140" role="img" aria-label="{said}">{"".join(drawn)}</svg>'
        f"<figcaption>{said[0].upper()}{said[1:]}.</figcaption></figure>"
    )
