"""ALS on up to 100 million interactions, from a table to lists for everyone: seconds and memory.

    python benchmarks/scale.py                      # 1, 10 and 100 million; half an hour, 2 cores
    python benchmarks/scale.py --millions 1 10

Each size is 20,000 users, 2,000 items and a million interactions, times ``--millions``. Every step
runs in a process of its own, so that a peak is that of its step: reading ends with a dataset; a fit
starts from one; recommending starts from the saved model and everyone's histories.
"""

from __future__ import annotations

import argparse
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
from synthetic import power_law

import penchant as pt
from penchant.histories import Histories

K = 20
AT_ONCE = 50_000
"""People whose lists are held at a time: they would be written to a file or a store."""


class Clock:
    """CPU and wall seconds since it was made, and the largest size of the process so far."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self, what: str) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            f"{what}, wall s": round(time.perf_counter() - self.wall, 1),
            f"{what}, CPU s": round(time.process_time() - self.cpu, 1),
            f"{what}, peak MB": round(peak),
        }


def drawn(folder: Path, millions: float) -> dict[str, Any]:
    """Write the interactions as Parquet, as a team would have them; sorted by user."""
    users, items = round(20_000 * millions), max(200, round(2_000 * millions))
    pairs = power_law(users, items, round(1_140_000 * millions), groups=40)
    frame = pl.DataFrame({"user": pairs.users, "item": pairs.items})
    frame.write_parquet(folder / "pairs.parquet")
    return {"interactions": len(frame), "users": users, "items": items}


def read(folder: Path) -> dict[str, Any]:
    """Read the table into a dataset, and leave its histories for the steps after it."""
    clock = Clock()
    data = pt.datasets.read(folder / "pairs.parquet")
    found = clock.read("read")
    for name in ("indptr", "item", "kind", "value", "time", "session"):
        np.save(folder / f"{name}.npy", getattr(data.histories, name))
    np.save(folder / "users.npy", data.users.decode(range(len(data.users))))
    np.save(folder / "items.npy", data.items.decode(range(len(data.items))))
    return found


def dataset(folder: Path) -> pt.Dataset:
    """Return the dataset again, at the cost of reading its arrays."""
    names = ("indptr", "item", "kind", "value", "time", "session")
    histories = Histories(*(np.load(folder / f"{name}.npy") for name in names), kinds=("view",))
    maps = (pt.IdMap(np.load(folder / f"{name}.npy").tolist()) for name in ("items", "users"))
    return pt.Dataset(*maps, histories)


def fitted(folder: Path, factors: int, epochs: int) -> dict[str, Any]:
    """Fit and save; the peak before tells what the dataset alone takes."""
    data = dataset(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock = Clock()
    model = pt.ALS(factors=factors, epochs=epochs).fit(data)
    found = clock.read("fit")
    pt.save(model, folder / "model", overwrite=True)
    matrix = 8 * len(data) + 8 * (len(data.users) + 1)
    back = 8 * len(data) + 8 * (len(data.items) + 1)
    vectors = 4 * factors * (len(data.users) + len(data.items))
    return found | {
        "dataset, MB": round(before),
        "2 x (CSR + transpose) + model + 300 MB": round(
            (2 * (matrix + back) + vectors) / 2**20 + 300
        ),
    }


def recommended(folder: Path) -> dict[str, Any]:
    """Recommend ``K`` items to everyone with the saved model."""
    model = pt.load(folder / "model", verify=False)
    data = dataset(folder)
    everyone = pt.Queries(
        data.items, data.users, data.histories, np.arange(len(data.users), dtype=np.int32)
    )
    clock = Clock()
    filled = 0
    for lo in range(0, len(everyone), AT_ONCE):
        lists = model.recommend(everyone[lo : lo + AT_ONCE], k=K)
        filled += int(np.count_nonzero(lists.codes >= 0))
    return clock.read(f"top {K}") | {"recommended": filled}


def alone(step: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run a step in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(step, args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=pt.ALS().epochs)
    asked = parser.parse_args()
    rows = []
    for millions in asked.millions:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            row = alone(drawn, folder, millions) | {"factors": asked.factors}
            for step, more in (
                (read, ()), (fitted, (asked.factors, asked.epochs)), (recommended, ()),
            ):  # fmt: skip
                row |= alone(step, folder, *more)
                print(row, flush=True)
        rows.append(row)
    print(markdown(rows))
    note = (
        f"Synthetic power-law interactions, {asked.factors} factors, {asked.epochs} epochs of "
        f"ALS with its defaults; then {K} items for everyone, seen ones left out, each person's "
        "vector solved for anew. Peaks are of a whole process, the dataset within."
    )
    print(record("scale", rows, note))


if __name__ == "__main__":
    main()
