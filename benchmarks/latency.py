"""One in-process ``recommend`` on MovieLens latest-small, and what importing and saving cost.

python benchmarks/latency.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from record import markdown, record

import penchant as pt

REPEATS = 3


def folder_size(path: Path) -> float:
    """Return megabytes."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) / 1e6


def import_seconds() -> float:
    """Return the median wall time of ``import penchant`` in a fresh interpreter."""
    code = "import time; t = time.perf_counter(); import penchant; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            for _ in range(5)]  # fmt: skip
    return float(np.median([float(r.stdout) for r in runs]))


def main() -> None:
    """Fit, save, ask for people drawn uniformly, print and record."""
    data = pt.datasets.movielens()
    people = np.random.default_rng(1).integers(0, len(data.users), 1000)
    ids = data.users.decode(people)
    rows = []
    for model in (pt.EASE(), pt.ALS()):
        model.fit(data)  # compiles
        start = time.perf_counter()
        model.fit(data)
        fit = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            pt.save(model, Path(folder) / "model")
            size = folder_size(Path(folder))
        best = []
        for _ in range(REPEATS):
            taken = []
            for one in ids:
                asked = data.queries(users=[one])
                start = time.perf_counter()
                model.recommend(asked, k=10)
                taken.append(time.perf_counter() - start)
            best.append(np.quantile(taken, [0.5, 0.99]) * 1e3)
        p50, p99 = np.median(best, axis=0)
        rows.append(
            {
                "model": model.name,
                "fit, s": round(fit, 3),
                "file, MB": round(size, 2),
                "recommend p50, ms": round(float(p50), 3),
                "recommend p99, ms": round(float(p99), 3),
            }
        )
    rows.append({"model": "import penchant", "fit, s": round(import_seconds(), 3)})
    record(
        "latency", rows,
        "MovieLens latest-small, all events trained; k = 10 for 1,000 people drawn uniformly, one "
        "at a time, wall clock in process after compilation, median of three rounds; the fit is "
        "wall clock too; 'import penchant' is the median of five fresh interpreters.",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
