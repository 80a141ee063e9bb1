"""Write results/*.json into pages of docs/, between their marks.

python benchmarks/table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from record import markdown

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
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
    "reasons": "One list with its reasons",
    "store": "Events into a store",
    "service": "The service",
}
"""Sections of the page, in this order."""
ALONE = ("memory", "latency", "reasons", "store", "service")
"""Without peers."""
COSTS = ("fit, CPU s", "MB on disk", "a list, CPU ms")
ABILITIES = {
    "new people": "people", "new items": "items", "explains": "reasons", "updates": "updates",
}  # fmt: skip
PLAIN = {"fastest", "repeats", "level", "exact"}
"""Columns that only the results hold."""


def section(name: str, title: str) -> str:
    """Return the part of the page that shows a result, or nothing if there is none."""
    path = HERE / "results" / f"{name}.json"
    if not path.exists():
        return ""
    body = json.loads(path.read_text())
    rows = [shown(row) for row in body["rows"]]
    if not any("times penchant" in row or name in ALONE for row in rows):
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


def races() -> str:
    """Return the races, a section each."""
    return "\n" + "".join(section(name, title) for name, title in TITLES.items())


def models() -> str:
    """Return how good each model is, tuned where that is better by validation, and its costs."""
    rows = _rows("models")
    data = [key.removesuffix(", default") for key in rows[0] if key.endswith(", default")]
    shown = []
    for row in rows:
        cells = {"model": f"`{row['model']}`"}
        for name in data:
            plain, tuned = row[f"{name}, default"], row[f"{name}, tuned"]
            cells[name] = _digits(plain) + (f" / {_digits(tuned)}" if tuned is not None else "")
        cells |= {name: row[name] for name in COSTS}
        shown.append(cells | {short: "yes" * row[name] for name, short in ABILITIES.items()})
    return f"\n{markdown(shown)}\n\n"


def scale() -> str:
    """Return what sizes cost, a column each."""
    rows = _rows("scale")
    names = [name for name in rows[0] if name not in ("factors", "recommended")]
    table = [
        {"": name} | {f"{row['interactions'] / 1e6:.0f} million": f"{row[name]:,}" for row in rows}
        for name in names
    ]
    return f"\n{markdown(table)}\n\n"


PAGES = {
    "benchmarks.md": races, "which-model.md": models, "speed.md": scale,
}  # fmt: skip
"""What stands between the marks of each page."""


def _rows(name: str) -> list[dict[str, Any]]:
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text())["rows"]


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".removeprefix("0")


def rendered(name: str) -> str:
    """Return a page with the results of now between its marks."""
    before, _, rest = (DOCS / name).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{PAGES[name]()}{END}{after}"


def main() -> None:
    """Rewrite the pages."""
    for name in PAGES:
        (DOCS / name).write_text(rendered(name))
        print(DOCS / name)


if __name__ == "__main__":
    main()
