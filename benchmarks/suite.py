"""Run the benchmarks one after another, and print what they found beside what was aimed at.

    python benchmarks/suite.py --size quick     # minutes, on made-up data
    python benchmarks/suite.py                  # everything, with the data that is here
    python benchmarks/suite.py --size smoke     # seconds: that every race still runs

Results go to results/, those of ``quick`` to results/quick/, which git does not keep.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import plot
import race
import table
from record import markdown

HERE = Path(__file__).parent
RACES = (
    "als_epoch", "als_quality", "bpr_quality", "item_knn", "rp3beta", "slim", "ease", "topk",
    "recommend_all", "metrics", "side_features",
)  # fmt: skip
"""Beside peers; each has ``races(size)``."""
SIZED = ("memory", "latency", "reasons")
"""Without peers; they take ``--size`` too."""
OTHERS = (
    "accuracy", "last_out", "models", "ratings", "fm", "fm_ml1m", "feedback", "preparation",
)  # fmt: skip
"""In full alone."""
APART = ("scale", "store", "service")
"""Run by hand: they take longer than all the others, or need what the service stands on."""


def smoke(libraries: Iterable[str] | None) -> None:
    """Run the tiny version of every race in this process."""
    for name in RACES:
        made = importlib.import_module(name).races
        rows = [row for *_, some in race.raced(made, "smoke", libraries=libraries) for row in some]
        if not any(row["library"] == race.OURS for row in rows):
            raise SystemExit(f"{name}: penchant did not race")
        print(f"{name}: {', '.join(dict.fromkeys(row['library'] for row in rows))}", flush=True)


def summary(size: str) -> list[dict[str, Any]]:
    """Return the rows of every race that was run at this size: who, how many times, the target."""
    folder = HERE / "results" / ("" if size == "full" else size)
    kept = ("work", "library", "CPU s", "wall s", "times penchant", "level", "target", "met")
    rows = []
    for name in RACES:
        path = folder / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text())["rows"]
            rows += [{key: row.get(key) for key in kept} for row in found]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=race.SIZES, default="full")
    parser.add_argument("--libraries", nargs="+", default=None, help="with smoke: only these")
    asked = parser.parse_args()
    if asked.size == "smoke":
        smoke(asked.libraries)
        return
    scripts = RACES + SIZED + (OTHERS if asked.size == "full" else ())
    failed = []
    for name in scripts:
        command = [sys.executable, str(HERE / f"{name}.py")]
        command += [] if name in OTHERS else ["--size", asked.size]
        began = time.perf_counter()
        print(f"== {name}", flush=True)
        if subprocess.run(command).returncode:
            failed.append(name)
        print(f"   {time.perf_counter() - began:.0f} s", flush=True)
    print(markdown(summary(asked.size)))
    if asked.size == "full":
        plot.main()
        table.main()
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
