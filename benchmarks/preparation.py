"""Time and peak memory of the usual preparation on 10 million made-up rows.

    python benchmarks/preparation.py

One process makes the rows and writes them to a file; another reads the file and goes from its
table to a dataset, so that its peak is that of preparing: interpreter, table, events and dataset.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from record import markdown, record

import penchant as pt

STEPS = (
    pt.Deduplicate(keep="last"),
    pt.DropMissing(columns=("value",)),
    pt.ClipValues(quantiles=(0.01, 0.99)),
    pt.DropRobots(burst=100, window="60s", per_day=1000),
    pt.KCore(users=5, items=5),
    pt.Normalise(how="z_score", by="user"),
)


def made(path: Path, rows: int = 10_000_000, users: int = 500_000, items: int = 100_000) -> None:
    """Write power-law ratings in random order: 5 % delivered twice, 2 % without a value, robots."""
    rng = np.random.default_rng(1)
    robots, each, twice = 200, 2_000, rows // 20
    n = rows - robots * each - twice
    user, item = (drawn(rng, many, n, power) for many, power in ((users, 0.8), (items, 0.95)))
    began = 1_600_000_000
    when = began + rng.integers(0, 3 * 365 * 86400, n)
    # A robot is one of the users, and goes through the catalogue in minutes or hours.
    machine = np.repeat(rng.choice(users, robots, replace=False), each)
    start = np.repeat(began + rng.integers(0, 365 * 86400, robots), each)
    takes = np.repeat(rng.choice([600, 7200], robots), each)
    user = np.concatenate([user, machine])
    item = np.concatenate([item, rng.integers(0, items, len(machine))])
    when = np.concatenate([when, start + rng.integers(takes)])
    again = rng.integers(0, len(user), twice)
    order = rng.permutation(np.concatenate([np.arange(len(user)), again]))
    value = np.round(np.clip(rng.normal(3.5, 1.2, len(user)), -2, 8), 1)
    value[rng.random(len(user)) < 0.02] = np.nan
    columns = {"user": user, "item": item, "rating": value, "time": when}
    pl.DataFrame({name: column[order] for name, column in columns.items()}).write_parquet(path)


def drawn(rng: np.random.Generator, many: int, n: int, power: float) -> np.ndarray[Any, Any]:
    """Draw codes whose frequency falls as a power of their rank, in no order."""
    weight = np.cumsum(np.arange(1, many + 1) ** -power)
    at = np.searchsorted(weight, rng.random(n) * weight[-1], side="right")
    return rng.permutation(many)[np.minimum(at, many - 1)]


def measured(path: Path) -> list[dict[str, Any]]:
    """Go from the file's table to a dataset; return the cost of each part."""
    rows: list[dict[str, Any]] = []
    began = time.process_time(), time.perf_counter()

    def timed(what: str, do: Callable[..., Any], *given: Any) -> Any:
        start = time.process_time(), time.perf_counter()
        result = do(*given)
        left = result.events if isinstance(result, pt.Prepared) else result
        rows.append(row(what, len(left), start))
        return result

    def row(what: str, left: int, start: tuple[float, float]) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "part": what,
            "rows after": left,
            "CPU s": round(time.process_time() - start[0], 2),
            "wall s": round(time.perf_counter() - start[1], 2),
            "peak so far, MB": round(peak),
        }

    table = timed("read the file", pl.read_parquet, path)
    events = timed("Events.from_frame", pt.Events.from_frame, table)
    del table
    prepared = timed("prepare", pt.prepare, events, STEPS)
    del events
    data = timed("Dataset.from_events", pt.Dataset.from_events, prepared.events)
    return [*rows, row("all", len(data), began)]


def main() -> None:
    """Measure in a process of its own, print and record."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        for do in (made, measured):
            with spawn.Pool(1) as alone:
                rows = alone.apply(do, (path,))
    steps = " -> ".join(type(step).__name__ for step in STEPS)
    record(
        "preparation", rows,
        "10 million made-up ratings of 500,000 users on 100,000 items (power laws, 5 % of the rows "
        f"delivered twice, 2 % without a value, 200 robots): {steps} -> Dataset. One process, from "
        "the table to the dataset; the peak is the largest resident size of the whole process.",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
