"""Draw results/*.json as one picture, docs/assets/benchmarks.svg: how many times a peer's CPU time.

    python benchmarks/plot.py

Bars are ratios to penchant within one run, at equal quality; a row says which script made it.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
WIDTH, ROW, LEFT, RIGHT = 760, 26, 330, 70


class Bar(NamedTuple):
    """One ratio: what was done, by whom, and how many times penchant's CPU time it took."""

    work: str
    peer: str
    times: float


def bars() -> list[Bar]:
    """Return the ratios within the committed results."""
    epochs = [
        Bar(f"ALS epoch, {row['factors']} factors", row["library"], row["times penchant"])
        for row in _rows("als_epoch")
        if row["library"] != "penchant"
    ]
    ratings = [
        Bar(f"{row['model']}, fit and predict", "Surprise", row["times less"])
        for row in _rows("ratings")
        if row["library"] == "penchant" and row["times less"]
    ]
    return epochs + ratings


def _rows(name: str) -> list[dict[str, Any]]:
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def svg(rows: list[Bar]) -> str:
    """Return the picture; it takes the reader's own light or dark text colour."""
    height = ROW * len(rows) + 64
    scale = (WIDTH - LEFT - RIGHT) / max(bar.times for bar in rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="CPU time of peers, in multiples of penchant\'s" font-family="sans-serif" '
        'font-size="13">',
        "<style>text{fill:#24292f}.r{fill:#b5483a}.o{stroke:#57606a}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.r{fill:#e0796c}.o{stroke:#8b949e}}"
        "</style>",
        '<text x="0" y="18" font-size="15" font-weight="bold">CPU time of peers, in multiples of '
        "penchant's (1 = as fast)</text>",
    ]
    for n, bar in enumerate(rows):
        y = 34 + n * ROW
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(bar.work)}, '
            f"{escape(bar.peer)}</text>",
            f'<rect class="r" x="{LEFT}" y="{y + 2}" width="{bar.times * scale:.1f}" '
            f'height="{ROW - 8}" rx="2"/>',
            f'<text x="{LEFT + bar.times * scale + 6:.1f}" y="{y + 15}">{bar.times:.1f} x</text>',
        ]
    lines.append(
        f'<line class="o" x1="{LEFT + scale:.1f}" x2="{LEFT + scale:.1f}" y1="30" '
        f'y2="{34 + len(rows) * ROW}" stroke-dasharray="3 3"/>'
    )
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    target = HERE.parent / "docs" / "assets" / "benchmarks.svg"
    target.write_text(svg(bars()))
    print(target)
