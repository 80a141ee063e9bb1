"""What each model costs, beside how good it is: the table of "Which model when".

    PENCHANT_DATA=FOLDER python benchmarks/models.py    # FOLDER holds ml-1m

Accuracy is what accuracy.py recorded; costs are those of the defaults on ml-1m, of which only who
met what is read.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from accuracy import HERE, MODELS, PROTOCOLS
from record import local_data, markdown, record

import penchant as pt
from penchant.parameters import hypers
from penchant.recommender import Explains, Onboards, Updates

ASKED = 200
"""People who are asked about one by one."""


def accuracy(name: str) -> dict[str, float | None]:
    """Return NDCG@10 by data set and settings, as accuracy.py recorded it."""
    rows = json.loads((HERE / "results" / "accuracy.json").read_text())["rows"]
    known = {(r["data"], r["settings"]): r["NDCG@10"] for r in rows if r["model"] == name}
    return {f"{d}, {s}": known.get((d, s)) for d in PROTOCOLS for s in ("default", "tuned")}


def costs(model: pt.Recommender, data: pt.Dataset) -> dict[str, float]:
    """Return seconds to fit, megabytes on disk, and milliseconds of one list."""
    begun = time.process_time()
    model.fit(data)
    fit = time.process_time() - begun
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved.model"
        pt.save(model, path)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    queries = data.queries()
    chosen = np.random.default_rng(0).choice(len(queries), ASKED, replace=False)
    took = []
    for row in chosen:
        one = queries[np.array([row])]
        begun = time.process_time()
        model.recommend(one, 10)
        took.append(time.process_time() - begun)
    return {
        "fit, CPU s": round(fit, 2),
        "MB on disk": round(size / 1e6, 2),
        "a list, CPU ms": round(1000 * float(np.median(took)), 2),
    }


def abilities(model: pt.Recommender) -> dict[str, bool]:
    """Return what a model can do besides scoring."""
    columns = "item_columns" in hypers(type(model))
    return {
        "new people": "user" not in model.reads,
        "new items": columns or isinstance(model, Onboards),
        "explains": isinstance(model, Explains),
        "updates": isinstance(model, Updates),
    }


def main() -> None:
    """Fit, save and ask each model, print and record."""
    pairs = pl.read_parquet(
        local_data("ml-1m") / "ratings.parquet", columns=["user_id", "movie_id"]
    )
    data = pt.Dataset.of(pairs, name="ml-1m")
    rows: list[dict[str, Any]] = []
    for name in MODELS:
        getattr(pt, name)().fit(pt.datasets.planted())  # what compiles, compiles here
        model = getattr(pt, name)()
        rows.append({"model": name} | accuracy(name) | costs(model, data) | abilities(model))
        print(markdown(rows[-1:]).splitlines()[-1], flush=True)
    record(
        "models", rows,
        "NDCG@10 by data set, with defaults and tuned: see accuracy.json. Costs of the defaults on "
        "ml-1m (6,040 people, 3,706 films, 1,000,209 pairs): CPU seconds of a fit, megabytes of "
        "the saved model, median CPU milliseconds of one person's ten. new people: whoever has a "
        "history is answered without a refit; new items: items that nobody met are answered from "
        "columns of the item table; explains: shares that add up to the score; updates: new "
        "events are learned without a refit.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
