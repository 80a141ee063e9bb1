"""A comparison as one page of HTML: no network, no scripts, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from penchant.evaluation.comparison import POPULARITY, Comparison, Example
from penchant.evaluation.tables import remarks
from penchant.page import bullets, figure, histogram, page, paragraphs, ticks


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
        f'<div class="verdict">{paragraphs(found.because)}</div>',
        "<h2>Leaderboard</h2>",
        _intervals(found),
        _leaderboard(found),
        _notes(found),
        "<h2>Three people, and what they would be shown</h2>",
        '<div class="side">' + "".join(map(_person, found.examples)) + "</div>",
        "<h2>The data</h2>",
        bullets(understood),
        _shape(found),
        "<h2>How it was measured</h2>",
        bullets(remarks(found.evaluation)),
    ]
    if command is not None:
        body += ["<h2>Next</h2>", f"<p><code>{escape(command)}</code></p>"]
    return page(data, body)


def measured(name: str, value: float | None) -> str:
    """Return a metric's value as a leaderboard shows it."""
    if value is None:
        return "–"
    if name.startswith("Coverage"):
        return f"{value:.1%}"
    return f"{value:.4f}" if name.startswith("Recall") else f"{value:.2f}"


def _notes(found: Comparison) -> str:
    said = [f"{name} is not here: {why}" for name, why in found.left_out.items()]
    return bullets([*found.notes, *said]) if said or found.notes else ""


def _intervals(found: Comparison) -> str:
    """Return a plot of each model's NDCG: a dot, and a line over its interval."""
    rows = list(found.to_frame().iter_rows(named=True))
    left, right, height = 105, 400, 26
    marks = ticks(max(r["ndcg"] if r["ndcg_high"] is None else r["ndcg_high"] for r in rows))

    def x(value: float) -> float:
        return left + (right - left) * value / marks[-1]

    bottom = 8 + height * len(rows)
    drawn = [
        f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="4" y2="{bottom}" stroke="var(--line)"/>'
        f'<text class="soft" x="{x(t):.1f}" y="{bottom + 18}" text-anchor="middle">{t:.3g}</text>'
        for t in marks
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
    caption = (
        f"{metric}: how much of what people went for next stands high in their list. Lines hold "
        "95% of resamples of the people asked; two that overlap may still differ clearly person by "
        f"person, as the column “minus {POPULARITY}” says."
    )
    return figure(drawn, 420, bottom + 26, f"{metric} by model: {said}", caption)


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
        + histogram(train.histories.lengths, "people", "events of a person")
        + histogram(per_item, "items", "events on an item")
        + "</div>"
    )
