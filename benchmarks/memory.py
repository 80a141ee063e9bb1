"""Peak memory of ``recommend`` for 40,000 people x 12,000 items, k = 20.

    python benchmarks/memory.py

One process fits and saves; another loads the model and the histories and recommends, so that its
peak is that of recommending: interpreter, histories, model and scores together.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import markdown, record
from synthetic import power_law

import penchant as pt
from penchant.histories import Histories

MODELS = {"ALS": pt.ALS(epochs=3), "EASE": pt.EASE()}


def peak() -> float:
    """Return the largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def dataset(path: Path) -> pt.Dataset:
    """Return the interactions as a dataset, from a file of codes."""
    users, items = np.load(path)
    return pt.Dataset.of({"user": users, "item": items}, name="synthetic")


def fitted(name: str, pairs: Path, path: Path) -> dict[str, Any]:
    """Fit a model and save it; return the cost."""
    data = dataset(pairs)
    start = time.process_time()
    model = MODELS[name].fit(data)
    seconds = time.process_time() - start
    pt.save(model, path)
    return {"model": name, "fit, CPU s": round(seconds, 1), "fit peak, MB": round(peak())}


def recommended(pairs: Path, path: Path) -> dict[str, Any]:
    """Recommend for everyone with a saved model; return the cost."""
    model = pt.load(path, verify=False)
    users, items = np.load(pairs)  # sorted by user; the model's codes are the ids in order
    histories = Histories.of(
        users, model.training_.items.encode(items), people=int(users.max()) + 1, kinds=("view",)
    )
    nobody = np.full(len(histories), -1, np.int32)
    queries = pt.Queries(model.training_.items, model.training_.users, histories, nobody)
    before = peak()
    start = time.process_time()
    lists = model.recommend(queries, k=20)
    return {
        "people": len(lists),
        "items": len(queries.items),
        "recommend, CPU s": round(time.process_time() - start, 1),
        "peak before, MB": round(before),
        "peak of recommending, MB": round(peak()),
    }


def main() -> None:
    """Measure each model in processes of their own, print and record."""
    spawn = multiprocessing.get_context("spawn")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        drawn, pairs = power_law(), Path(folder) / "pairs.npy"
        np.save(pairs, np.stack([drawn.users, drawn.items]))
        for name in MODELS:
            path = Path(folder) / name
            with spawn.Pool(1) as alone:
                row = alone.apply(fitted, (name, pairs, path))
            with spawn.Pool(1) as alone:
                rows.append(row | alone.apply(recommended, (pairs, path)))
    record(
        "memory", rows,
        "Synthetic 40,000 x 12,000 with 4 million interactions; recommend k = 20 for everyone in "
        "one call by a loaded model, in a process that holds only the histories and the model. "
        "Peaks are the largest resident size of the whole process: interpreter, libraries, "
        "histories, model (mapped) and scores.",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
