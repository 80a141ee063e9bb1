"""What importing costs, the first use of a model, a fit, a file, and one request in process.

python benchmarks/latency.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import race
from record import markdown, record

import penchant as pt

MODELS = ("EASE", "SLIM", "ALS", "BPR", "WARP", "ItemKNN", "RP3beta")
ROUNDS = {"smoke": 1, "quick": 1, "full": 3}
FIRST = (
    "import time, penchant as pt; data = pt.datasets.planted(); t = time.process_time(); "
    "pt.{name}().fit(data).recommend(data.queries(users=[0]), 3); print(time.process_time() - t)"
)
IMPORT = "import time; t = time.perf_counter(); import penchant; print(time.perf_counter() - t)"


def folder_size(path: Path) -> float:
    """Return megabytes."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) / 1e6


def printed(code: str, **environment: str) -> float:
    """Return the number that a fresh interpreter prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    told = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=told)
    return float(done.stdout)


def first_use(name: str, *, compiles: bool) -> dict[str, float]:
    """Return CPU seconds of a first fit and request: ever, and in a new process after that."""
    code = FIRST.format(name=name)
    with tempfile.TemporaryDirectory() as cache:
        ever = {"first use ever, CPU s": printed(code, NUMBA_CACHE_DIR=cache)} if compiles else {}
        later = {"in a new process": printed(code)}
    return {key: round(value, 2) for key, value in (ever | later).items()}


def requests(model: pt.Recommender, data: pt.Dataset, rounds: int) -> tuple[float, float]:
    """Return milliseconds, p50 and p99, of requests for people drawn uniformly, one at a time."""
    people = np.random.default_rng(1).integers(0, len(data.users), 1000)
    ids = data.users.decode(people)
    found = []
    for _ in range(rounds):
        taken = []
        for one in ids:
            asked = data.queries(users=[one])
            start = time.perf_counter()
            model.recommend(asked, k=10)
            taken.append(time.perf_counter() - start)
        found.append(np.quantile(taken, [0.5, 0.99]) * 1e3)
    p50, p99 = np.median(found, axis=0).tolist()
    return p50, p99


def main() -> None:
    """Fit, save, ask, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=race.SIZES, default="full")
    size = parser.parse_args().size
    data = pt.datasets.movielens()
    rows: list[dict[str, Any]] = []
    for name in MODELS if size == "full" else MODELS[:3]:
        model: pt.Recommender = getattr(pt, name)()
        model.fit(data, rng=0)  # compiles
        start = time.perf_counter()
        model.fit(data, rng=0)
        fit = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            pt.save(model, Path(folder) / "model")
            saved = folder_size(Path(folder))
        p50, p99 = requests(model, data, ROUNDS[size])
        rows.append(
            {
                "model": name,
                **first_use(name, compiles=size == "full"),
                "fit, s": round(fit, 3),
                "file, MB": round(saved, 2),
                "recommend p50, ms": round(p50, 3),
                "recommend p99, ms": round(p99, 3),
            }
        )
        print(markdown(rows[-1:]), flush=True)
    imported = float(np.median([printed(IMPORT) for _ in range(5)]))
    rows.append({"model": "import penchant", "fit, s": round(imported, 3)})
    note = (
        "MovieLens latest-small, all events trained; k = 10 for 1,000 people drawn uniformly, one "
        "at a time, wall clock in process after compilation, median of the rounds; the fit is wall "
        "clock too. First use: a fit and a request on tiny data, with an empty cache of compiled "
        "code, and in a new process with the cache filled. 'import penchant': wall clock, the "
        "median of five fresh interpreters."
    )
    if size != "smoke":
        record("latency", rows, note, folder="" if size == "full" else size)
    print(markdown(rows))


if __name__ == "__main__":
    main()
