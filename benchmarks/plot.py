"""Draw results/*.json as one picture, docs/assets/benchmarks.svg: how many times a peer's CPU time.

    python benchmarks/plot.py

Bars are ratios to penchant within one run, at equal quality; a row says which script made it.
"""

from __future__ import annotations

import json
import re
from html import escape
from itertools import pairwise
from math import log10
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
TARGET = HERE.parent / "docs" / "assets" / "benchmarks.svg"
WIDTH, ROW, LEFT, RIGHT = 900, 24, 510, 70

OTHER = re.compile("kNN, (basic|means|z_score)|kNN, .*msd")
"""Neighbours in other forms are as quick as in the one that is drawn."""


class Bar(NamedTuple):
    """One ratio: what was done, by whom, and how many times penchant's CPU time it took."""

    work: str
    peer: str
    times: float


RACES = (
    "als_epoch", "als_quality", "bpr_quality", "item_knn", "rp3beta", "slim", "ease", "topk",
    "metrics", "side_features",
)  # fmt: skip


def bars() -> list[Bar]:
    """Return the ratios within the committed results."""
    races = [
        Bar(_short(row["work"]), row["library"], row["times penchant"])
        for name in RACES
        for row in _rows(name)
        if row.get("level") and row["library"] not in ("penchant", "product alone")
    ]
    ratings = [
        Bar(f"{row['model']}, fit and predict", "Surprise", row["times less"])
        for row in _rows("ratings")
        if row["library"] == "penchant" and row["times less"] and not OTHER.search(row["model"])
    ]
    machines = [
        Bar(
            f"factorization machine, {theirs['model'].partition(':')[0]}",
            "myFM",
            _ratio(theirs, own),
        )
        for theirs, own in pairwise(_rows("fm"))
        if theirs["library"] == "myFM"
    ]
    return races + ratings + machines


def _short(work: str) -> str:
    """Return a race to a quality without the number, which the page has; others as they are."""
    said = re.sub(r" to NDCG@10 [\d.]+,", "", work)
    return re.sub(r", to NDCG@10 [\d.]+$", ", and everyone's vectors", said)


def _ratio(theirs: dict[str, Any], own: dict[str, Any]) -> float:
    costs = (r["fit, CPU s"] + r["predict, CPU s"] for r in (theirs, own))
    return next(costs) / next(costs)


def _rows(name: str) -> list[dict[str, Any]]:
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def svg(rows: list[Bar]) -> str:
    """Return the picture; it takes the reader's own light or dark text colour."""
    height = ROW * len(rows) + 64
    low = min(0.0, *(log10(bar.times) for bar in rows))
    scale = (WIDTH - LEFT - RIGHT) / (log10(max(bar.times for bar in rows)) - low)
    one = LEFT - low * scale
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="CPU time of peers, in multiples of penchant\'s" font-family="sans-serif" '
        'font-size="13">',
        "<style>text{fill:#24292f}.r{fill:#b5483a}.l{fill:#8c959f}.o{stroke:#57606a}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.r{fill:#e0796c}.l{fill:#6e7681}"
        ".o{stroke:#8b949e}}</style>",
        '<text x="0" y="18" font-size="15" font-weight="bold">CPU time of peers, in multiples of '
        "penchant's, on a logarithmic scale</text>",
    ]
    for n, bar in enumerate(rows):
        y, end = 34 + n * ROW, one + log10(bar.times) * scale
        kind = "r" if bar.times >= 1 else "l"  # Grey: the peer took less.
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(bar.work)}, '
            f"{escape(bar.peer)}</text>",
            f'<rect class="{kind}" x="{min(one, end):.1f}" y="{y + 2}" '
            f'width="{abs(end - one):.1f}" height="{ROW - 8}" rx="2"/>',
            f'<text x="{max(one, end) + 6:.1f}" y="{y + 15}">{bar.times:.1f} x</text>',
        ]
    lines.append(
        f'<line class="o" x1="{one:.1f}" x2="{one:.1f}" y1="30" y2="{34 + len(rows) * ROW}"/>'
    )
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> None:
    """Draw the committed results."""
    TARGET.write_text(svg(bars()))
    print(TARGET)


if __name__ == "__main__":
    main()
