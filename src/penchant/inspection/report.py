"""An inspection as one page of HTML: no network, no scripts, light and dark, wide and narrow."""

from __future__ import annotations

from html import escape

from penchant.inspection.finding import Finding, percent
from penchant.inspection.inspector import Inspection
from penchant.inspection.shape import Tail, Times, Values
from penchant.page import bars, bullets, figure, histogram, page

LABELS = {"day": 10, "week": 10, "month": 7, "year": 4}
"""How many letters of a date a bar is labelled with."""


def report(found: Inspection) -> str:
    """Return an inspection as a self-contained page."""
    body = [
        f"<h1>What is in {escape(found.name)}?</h1>",
        f'<div class="verdict"><p>{escape(verdict(found))}</p></div>',
        _numbers(found),
        "<h2>What is odd, and what to do</h2>",
        *map(_finding, found.findings),
    ]
    if not found.findings:
        body.append("<p>Nothing that is looked for was found.</p>")
    elif found.first:
        body.append("<p>The calls above need <code>import penchant as pt</code> and</p>")
        body += [f"<p><code>{escape(line)}</code></p>" for line in found.first]
    body += [
        "<h2>The long tail</h2>",
        '<div class="side">',
        _lorenz(found.of_users, found.of_items),
        "<div>"
        + histogram(found.of_users.counts, "users", "rows of a user")
        + histogram(found.of_items.counts, "items", "rows on an item")
        + "</div></div>",
    ]
    plots = [] if found.values is None else [_values(found.values)]
    plots += [] if found.times is None else _times(found.times)
    if plots:
        body += ["<h2>Values and time</h2>", '<div class="side">', *plots, "</div>"]
    body += ["<h2>How it was read</h2>", bullets(found.understood)]
    return page(found.name, body)


def verdict(found: Inspection) -> str:
    """Return the data in one sentence, and how much is odd in another."""
    said = (
        f"{found.rows:,} rows of {found.users:,} users on {found.items:,} items, "
        f"{found.density:.3%} of all pairs. "
    )
    if not found.findings:
        return said + "Nothing odd was found."
    count = {s: sum(f.severity == s for f in found.findings) for s in ("high", "medium", "low")}
    told = (
        (count["high"], "makes results wrong", "make results wrong"),
        (count["medium"], "should be looked at", "should be looked at"),
        (count["low"], "is worth knowing", "are worth knowing"),
    )
    parts = [f"{n} {one if n == 1 else many}" for n, one, many in told if n]
    return f"{said}Findings: {', '.join(parts)}."


def _numbers(found: Inspection) -> str:
    rows = "".join(
        f"<tr><td>{escape(what)}</td><td>{escape(much)}</td></tr>" for what, much in found.numbers()
    )
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>'


def _finding(one: Finding) -> str:
    mend = "" if one.mend is None else f"<p><code>{escape(one.mend)}</code></p>"
    return (
        f'<section><h3><span class="{one.severity}">{one.severity}</span> {escape(one.name)} '
        f'<span class="soft">{escape(one.much)}</span></h3>'
        f"<p>{escape(one.sentence)}</p>{mend}</section>"
    )


def _lorenz(users: Tail, items: Tail) -> str:
    """Return the Lorenz curves of users and items, and the diagonal of perfect equality."""
    left, top, size = 48, 8, 262

    def x(share: float) -> float:
        return left + size * share

    def y(share: float) -> float:
        return top + size * (1 - share)

    drawn = [
        f'<line x1="{x(0)}" y1="{y(t):.1f}" x2="{x(1)}" y2="{y(t):.1f}" stroke="var(--line)"/>'
        f'<text class="soft" x="{x(0) - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.0%}</text>'
        f'<text class="soft" x="{x(t):.1f}" y="{y(0) + 18}" text-anchor="middle">{t:.0%}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    drawn.append(
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="var(--other)" '
        'stroke-dasharray="3 4"/>'
    )
    for n, (what, tail, colour) in enumerate(
        (("users", users, "var(--mark)"), ("items", items, "var(--warn)"))
    ):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in tail.lorenz())
        drawn.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
            f'<line x1="{x(0.06):.1f}" x2="{x(0.14):.1f}" y1="{top + 24 + 20 * n}" '
            f'y2="{top + 24 + 20 * n}" stroke="{colour}" stroke-width="2.5"/>'
            f'<text x="{x(0.17):.1f}" y="{top + 28 + 20 * n}">{what}, Gini {tail.gini:.2f}</text>'
        )
    said = (
        f"Lorenz curves: the busiest fifth of users has {percent(users.share(0.2))} of all rows, "
        f"the most met fifth of items {percent(items.share(0.2))}. On the dashed line all would "
        "have equally many."
    )
    return figure(drawn, left + size + 20, top + size + 26, said, said)


def _values(values: Values) -> str:
    labels, rows = values.frame["value"].to_list(), values.frame["rows"].to_list()
    told = [
        f"{label}: {n:,} rows, {percent(share)}"
        for label, n, share in zip(labels, rows, values.frame["share"].to_list(), strict=True)
    ]
    said = f"Rows by value: {values.lowest:g} to {values.highest:g}, {values.mean:.4g} on average"
    return bars(rows, labels, told, said)


def _times(times: Times) -> list[str]:
    """Return plots over the whole time, and over the hours of the day."""
    rows = times.frame["rows"].to_list()
    starts = [str(day)[: LABELS[times.unit]] for day in times.frame["start"].to_list()]
    told = [f"{start}: {n:,} rows" for start, n in zip(starts, rows, strict=True)]
    more = f"; {times.outside:,} stray rows lie outside" if times.outside else ""
    plots = [bars(rows, starts, told, f"Rows by {times.unit}{more}")]
    if times.hours is not None:
        hours = [f"{h}" for h in range(24)]
        counts = times.hours.tolist()
        told = [f"{h} to {int(h) + 1}: {n:,} rows" for h, n in zip(hours, counts, strict=True)]
        plots.append(bars(counts, hours, told, "Rows by hour of the day (UTC)"))
    return plots
