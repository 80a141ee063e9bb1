"""Ratings of ml-1m by BayesianFM and by myFM: errors, bounds and CPU seconds.

Run it with the environment of ``requirements.txt``; FOLDER holds ml-1m:

    PENCHANT_DATA=FOLDER .venv-bench/bin/python benchmarks/fm_ml1m.py

Of the ratings, who, what and how many stars are read, and nothing else: in the copy that is used
here the times are known almost only of ratings of 4 and 5, and would give them away.
"""

from __future__ import annotations

import polars as pl
from machines import Task, row
from record import local_data, markdown, record
from sklearn.model_selection import KFold

OURS = {"factors": 20, "sweeps": 60, "samples": 80}
BEST = {"factors": 32, "sweeps": 80, "samples": 80, "likelihood": "ordered"}
RANK, SWEEPS = 20, 150


def task() -> Task:
    """Return the first of ten folds."""
    folder = local_data("ml-1m")
    read = ["user_id", "movie_id", "rating"]
    ratings = pl.read_parquet(folder / "ratings.parquet", columns=read).rename(
        {"user_id": "user", "movie_id": "item"}
    )
    learned, held = next(KFold(10, shuffle=True, random_state=42).split(ratings))
    lines = {
        name: [line.split("::") for line in (folder / name).read_text("latin-1").splitlines()]
        for name in ("users.dat", "movies.dat")
    }
    people = {
        "user": [int(line[0]) for line in lines["users.dat"]],
        "age": [line[2] for line in lines["users.dat"]],
        "sex": [line[1] for line in lines["users.dat"]],
        "occupation": [line[3] for line in lines["users.dat"]],
    }
    films = {
        "item": [int(line[0]) for line in lines["movies.dat"]],
        "genres": [line[2].split("|") for line in lines["movies.dat"]],
    }
    ids = {"user": pl.Int32, "item": pl.Int32}
    return Task(
        ratings[learned], ratings[held],
        pl.DataFrame(people, schema_overrides=ids), pl.DataFrame(films, schema_overrides=ids),
    )  # fmt: skip


def main() -> None:
    """Measure, print and record."""
    data = task()
    rows = []
    for side, known in ((False, "ids, rated sets"), (True, "and side features")):
        theirs = data.myfm(side=side, seed=0, rank=RANK, sweeps=SWEEPS)
        rows.append(row(f"{known}: rank {RANK}, {SWEEPS} sweeps", "myFM", [theirs]))
        ours = data.penchant(side=side, seed=0, **OURS)
        rows.append(row(f"{known}: {_told(OURS)}", "penchant", [ours]))
        print(markdown(rows[-2:]), flush=True)
    rows.append(
        row(
            f"and side features: {_told(BEST)}",
            "penchant",
            [data.penchant(side=True, seed=0, **BEST)],
        )
    )
    record(
        "fm_ml1m", rows,
        "ml-1m, first fold of sklearn.KFold(10, shuffle=True, random_state=42) over the rows; "
        "user, item and rating are read, never times. Predictions cut to 1..5; one seed; CPU "
        "seconds of fit and of predicting 100,021 ratings, after compilation.",
    )  # fmt: skip
    print(markdown(rows))


def _told(options: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


if __name__ == "__main__":
    main()
