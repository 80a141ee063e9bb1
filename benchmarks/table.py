"""Write results/*.json into docs/benchmarks.md, between its marks.

python benchmarks/table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from record import markdown

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"
TITLES = {
    "als_epoch": "ALS, an epoch",
    "als_quality": "ALS, to a quality",
    "bpr_quality": "BPR, to a quality",
    "item_knn": "Item neighbours",
    "rp3beta": "RP3beta",
    "slim": "SLIM",
    "ease": "EASE",
    "topk": "The best of many products",
    "recommend_all": "Lists for everyone",
    "metrics": "Metrics",
    "side_features": "ALS with features",
    "memory": "Memory",
    "latency": "Import, first use, one request",
}
"""Sections of the page, in this order."""
PLAIN = {"fastest", "repeats", "level", "exact"}
"""Columns that only the results hold."""


def section(name: str, title: str) -> str:
    """Return the part of the page that shows a result, or nothing if there is none."""
    path = HERE / "results" / f"{name}.json"
    if not path.exists():
        return ""
    body = json.loads(path.read_text())
    rows = [shown(row) for row in body["rows"]]
    if not any("times penchant" in row or name in ("memory", "latency") for row in rows):
        return ""  # Of an earlier form.
    machine = body["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}"
    return f"### {title}\n\n{body['note']}\n\n{markdown(rows)}\n\n`{name}.py`, {where}.\n\n"


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns a reader needs; a ratio whose answers are not level is none."""
    kept = {key: value for key, value in row.items() if key not in PLAIN}
    if row.get("level") is False:
        kept["times penchant"] = f"{row['times penchant']} (ours not as good)"
    if "target" in kept:
        kept["target"] = f"{kept['target']:.3g}"
    return kept


def rendered(page: str) -> str:
    """Return the page with the results of now between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = "".join(section(name, title) for name, title in TITLES.items())
    return f"{before}{BEGIN}\n{parts}{END}{after}"


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(rendered(PAGE.read_text()))
    print(PAGE)


if __name__ == "__main__":
    main()
