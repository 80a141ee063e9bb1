"""Pages of HTML that need no network and no scripts: their style, lists and small plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5d6873; --line: #d9dee3; --page: #fff;
  --card: #f5f7f8; --mark: #00756a; --other: #8b97a2; --warn: #a8480a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaed; --soft: #9ba7b1; --line: #38424b;
  --page: #14181b; --card: #1d2327; --mark: #4cc7b8; --other: #76828d; --warn: #f0a467; } }
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
h3 .soft { font-weight: 400; } .high, .medium, .low { border: 1px solid; border-radius: .3rem;
  padding: 0 .4rem; font-size: .8rem; font-weight: 600; }
.high { color: var(--page); background: var(--warn); border-color: var(--warn); }
.medium { color: var(--warn); } .low { color: var(--soft); }
"""

WIDTH = 320
"""Units of a small plot's width; it is drawn as wide as there is room."""


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole page; ``title`` is text, ``body`` is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>penchant: {escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def paragraphs(sentences: Iterable[str]) -> str:
    """Return sentences as paragraphs."""
    return "".join(f"<p>{escape(s)}</p>" for s in sentences)


def bullets(sentences: Iterable[str]) -> str:
    """Return sentences as a list."""
    return "<ul>" + "".join(f"<li>{escape(s)}</li>" for s in sentences) + "</ul>"


def figure(drawn: Iterable[str], width: float, height: float, label: str, caption: str) -> str:
    """Return a plot: SVG elements, what they say to those who cannot see them, and a caption."""
    return (
        f'<figure><svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(drawn)}</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


def ticks(top: float) -> list[float]:
    """Return round numbers from 0 to at least ``top``, at most seven."""
    if not top > 0:
        return [0.0, 1.0]
    step = 10.0 ** floor(log10(top))
    step = next(s for s in (step / 10, step / 5, step / 2, step, 2 * step) if ceil(top / s) <= 6)
    return [n * step for n in range(ceil(top / step) + 1)]


def bars(heights: Sequence[float], labels: Sequence[str], told: Sequence[str], said: str) -> str:
    """Return a plot of bars.

    Parameters
    ----------
    heights : how much, at least 0.
    labels : what stands under each bar, if there is room.
    told : what each bar says to a pointer that rests on it.
    said : the caption.
    """
    step, top, bottom = WIDTH / max(len(heights), 1), max([*heights, 1e-9]), 120
    gap = min(2.0, step / 8)
    edges = [4.5 * len(label) for label in labels]  # half of what the letters need
    places = [min(max(step * (n + 0.5), e), WIDTH - e) for n, e in enumerate(edges)]
    stride = next(
        s
        for s in range(1, len(labels) + 2)
        if all(
            places[n] + edges[n] + 4 <= places[n + s] - edges[n + s]
            for n in range(0, len(labels) - s, s)
        )
    )
    drawn = [f'<text class="soft" x="0" y="12">{max([*heights, 0]):,}</text>']
    for n, height in enumerate(heights):
        x, tall = step * n, 100 * height / top
        drawn.append(
            f'<rect x="{x + gap:.1f}" width="{step - 2 * gap:.1f}" y="{bottom - tall:.1f}" '
            f'height="{tall:.1f}" fill="var(--other)"><title>{escape(told[n])}</title></rect>'
        )
        if n % stride == 0:
            drawn.append(
                f'<text class="soft" x="{places[n]:.1f}" y="{bottom + 16}" '
                f'text-anchor="middle">{escape(labels[n])}</text>'
            )
    return figure(drawn, WIDTH, 140, said, f"{said}.")


def histogram(counts: NDArray[np.int64], what: str, of: str) -> str:
    """Return a histogram with bins 0, 1, 2-3, 4-7, …: counts have long tails."""
    labels, heights = doubling(counts)
    told = [f"{n:,} {what} with {label}" for n, label in zip(heights, labels, strict=True)]
    middle = int(np.median(counts[counts > 0])) if (counts > 0).any() else 0
    said = f"{what[0].upper()}{what[1:]} by {of}: half have at most {middle:,}"
    return bars(heights, labels, told, said)


def doubling(counts: NDArray[np.int64]) -> tuple[list[str], list[int]]:
    """Return bins 0, 1, 2-3, 4-7, … from the first that is not empty, and how many are in each."""
    bins = np.floor(np.log2(np.maximum(counts, 1))).astype(int) + (counts > 0)
    heights = np.bincount(bins, minlength=1)
    labels = ["0", "1"] + [f"{2**n}–{2 ** (n + 1) - 1}" for n in range(1, len(heights))]
    first = int(np.argmax(heights > 0))
    return labels[first : len(heights)], heights[first:].tolist()
