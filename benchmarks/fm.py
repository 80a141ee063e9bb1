"""Ratings of ml-100k, u1 to u5, by BayesianFM and by myFM: errors, bounds and CPU seconds.

Run it with the environment of ``requirements.txt``; FOLDER holds ml-100k:

    PENCHANT_DATA=FOLDER .venv-bench/bin/python benchmarks/fm.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from machines import Task, row
from record import local_data, markdown, record

import penchant as pt

RANK, SWEEPS = 10, 300
BEST: dict[str, Any] = {
    "factors": 16, "sweeps": 200, "likelihood": "ordered", "session_gap": "12h"
}  # fmt: skip
"""Chosen on ratings held out of the training files, not on the test files."""


def task(folder: Path, number: int) -> Task:
    """Return a fold: its files hold user, item, rating and time."""
    names = ["user", "item", "rating", "timestamp"]
    train, test = (
        pl.read_csv(folder / f"u{number}.{p}", separator="\t", has_header=False, new_columns=names)
        for p in ("base", "test")
    )
    people = pl.read_csv(
        folder / "u.user", separator="|", has_header=False,
        new_columns=["user", "age", "sex", "occupation", "zip"],
        schema_overrides={"zip": pl.String},
    ).with_columns(age=(pl.col("age") // 10).clip(1, 6).cast(pl.String))  # fmt: skip
    films = [line.split("|") for line in (folder / "u.item").read_text("latin-1").splitlines()]
    genres = [
        [g for g, has in zip(pt.datasets.ML_100K_GENRES, film[5:24], strict=True) if has == "1"]
        for film in films
    ]
    items = pl.DataFrame({"item": [int(film[0]) for film in films], "genres": genres})
    return Task(train, test, people, items)


def main() -> None:
    """Measure, print and record."""
    folder = local_data("ml-100k")
    folds = [task(folder, number) for number in range(1, 6)]
    folds[0].penchant(side=True, seed=0, sweeps=2, samples=2, session_gap="1h")  # compiles
    folds[0].penchant(side=True, seed=0, sweeps=2, samples=2, likelihood="ordered")
    rows: list[dict[str, Any]] = []
    for side, known in ((False, "ids, rated sets"), (True, "and side features")):
        runs = [
            (
                fold.myfm(side=side, seed=n, rank=RANK, sweeps=SWEEPS),
                fold.penchant(side=side, seed=n),
            )
            for n, fold in enumerate(folds)
        ]
        theirs, ours = zip(*runs, strict=True)
        rows.append(row(f"{known}: rank {RANK}, {SWEEPS} sweeps", "myFM", theirs))
        rows.append(row(f"{known}: defaults", "penchant", ours))
        print(markdown(rows[-2:]), flush=True)
    for options in ({"likelihood": "ordered"}, {"session_gap": "12h"}, BEST):
        told = ", ".join(f"{name} {value}" for name, value in options.items())
        runs = [fold.penchant(side=True, seed=n, **options) for n, fold in enumerate(folds)]
        rows.append(row(f"and side features: {told}", "penchant", runs))
        print(markdown(rows[-1:]), flush=True)
    record(
        "fm", rows,
        "ml-100k, the files u1 to u5; side features: age in tens, sex, occupation, genres. "
        "Predictions cut to 1..5, mean over the folds, a seed each. For items that nobody rated, "
        "people get their mean. CPU seconds of fitting and of predicting 20,000 ratings, mean over "
        "the folds, after compilation; myFM and penchant in turn. session_gap reads the times of "
        "ratings, of those in the test as well: when is asked is known.",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
