"""Peak memory of fitting and of recommending for everyone, against the size of the data.

    python benchmarks/memory.py

Each in a process of its own, which holds the data when the work begins.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import race
from inputs import synthetic
from record import markdown, record

import penchant as pt
from penchant.recommender import arrays_in

MODELS: dict[str, pt.Recommender] = {
    "ALS": pt.ALS(epochs=3),
    "BPR": pt.BPR(epochs=3),
    "ItemKNN": pt.ItemKNN(),
    "RP3beta": pt.RP3beta(),
    "SLIM": pt.SLIM(),
    "EASE": pt.EASE(),
}
SPARE = 300
"""Megabytes for the interpreter, the libraries and everything small."""


def megabytes(model: pt.Recommender) -> float:
    """Return what a fitted model holds."""
    arrays = [a for _, value in model._learned() for a in arrays_in(value)]
    return sum(a.nbytes for a in arrays) / 2**20


def measure(name: str, size: str) -> dict[str, Any]:
    """Fit and recommend here, once each; return the peaks of the whole process."""
    held = synthetic(size)
    data, x = held.data, held.train
    tables = 2 * 2 * (x.indptr.nbytes / 2 + (x.columns + 1) * 4 + 8 * x.nnz) / 2**20
    model = MODELS[name]
    tiny = synthetic("smoke").data
    model.fit(tiny, rng=0).recommend(tiny.queries(), 20)  # compiles
    row: dict[str, Any] = {"model": name}
    del held, x, tiny
    for work in (lambda: model.fit(data, rng=0), lambda: model.recommend(data.queries(), 20)):
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # The peak starts anew.
        start = time.process_time()
        outcome = work()
        told = "fit" if outcome is model else "recommend"
        row[f"{told}, CPU s"] = round(time.process_time() - start, 1)
        row[f"peak of {told}, MB"] = round(race.resident("VmHWM"))
        del outcome
    held_by_model = megabytes(model)
    gram = data.weights().columns ** 2 * 8 / 2**20
    limit = 2 * gram + SPARE if name == "EASE" else tables + held_by_model + SPARE
    row |= {"model, MB": round(held_by_model), "limit, MB": round(limit)}
    return row | {"met": bool(row["peak of fit, MB"] <= limit)}


def main() -> None:
    """Measure each model in a process of its own, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=race.SIZES, default="full")
    parser.add_argument("--alone", choices=list(MODELS), default=None)
    asked = parser.parse_args()
    if asked.alone:
        print(json.dumps(measure(asked.alone, asked.size)))
        return
    rows = []
    for name in MODELS:
        command = [sys.executable, __file__, "--size", asked.size, "--alone", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(markdown(rows[-1:]), flush=True)
    note = (
        "Synthetic interactions (4 million in full), 2 threads. Peaks are the largest resident "
        "size of the whole process: interpreter, libraries, data, model and work. recommend: lists "
        f"of 20 for everyone in one call. Limit: 2 x (CSR + its transpose) + model + {SPARE} MB; "
        f"for EASE 2 x its Gram matrix in 64 bits + {SPARE} MB."
    )
    if asked.size != "smoke":
        record("memory", rows, note, folder="" if asked.size == "full" else asked.size)
    print(markdown(rows))


if __name__ == "__main__":
    main()
