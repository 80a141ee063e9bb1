"""One recommendation with ten reasons in process: by a hybrid, and from 100,000 items by ALS.

python benchmarks/reasons.py
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: a worker has one thread

import numpy as np
import polars as pl
import race
from inputs import found
from record import markdown, record

import penchant as pt
from penchant.histories import Histories
from penchant.kernels import threads
from penchant.queries import Queries

SIZES = {"smoke": (2_000, 20), "quick": (20_000, 200), "full": (100_000, 1_000)}
"""Items of the made-up catalogue, and requests."""

FACTORS, MET = 128, 165
BATCHES = (1, 8, 32)


def ml_1m() -> pt.Dataset | None:
    """Return MovieLens 1M, who met what, with titles and genres, if it is here."""
    folder = found("ml-1m")
    if folder is None:
        return None
    rows = pl.read_parquet(folder / "ratings.parquet", columns=["user_id", "movie_id", "rating"])
    lines = (folder / "movies.dat").read_text("latin-1").splitlines()
    films = pl.DataFrame(
        [line.split("::") for line in lines], schema=["item", "title", "genres"], orient="row"
    ).with_columns(pl.col("item").cast(pl.Int64))
    rows = rows.rename({"user_id": "user", "movie_id": "item"})
    return pt.Dataset.of(rows, items=films.filter(pl.col("item").is_in(rows["item"].to_list())))


def hybrid(data: pt.Dataset) -> pt.Recommender:
    """Return the model that a service fits when nothing else is asked of it."""
    parts = [pt.ALS(), pt.EASE(), pt.ContentBased()]
    return pt.Fallback([pt.Weighted(parts, weights=[0.3, 0.5, 0.2]), pt.Popularity()]).fit(data)


def strangers(items: pt.IdMap, users: pt.IdMap, people: int) -> Queries:
    """Return people who met MET items at random."""
    rng = np.random.default_rng(2)
    met = np.concatenate([rng.choice(len(items), MET, replace=False) for _ in range(people)])
    histories = Histories.of(np.repeat(np.arange(people), MET), met, people=people)
    return Queries(items, users, histories, np.full(people, -1, np.int32))


def timed(ask: Callable[[Queries], Any], blocks: list[Queries]) -> list[float]:
    """Return mean, p50 and p99 of the CPU milliseconds a query takes."""
    for block in blocks[:10]:
        ask(block)
    taken = []
    for block in blocks:
        start = time.process_time()
        ask(block)
        taken.append((time.process_time() - start) / len(block))
    whole = np.array(taken) * 1e3
    return [float(whole.mean()), *np.quantile(whole, [0.5, 0.99]).tolist()]


def rows(what: str, model: pt.Recommender, asked: Queries) -> Iterator[dict[str, Any]]:
    """Yield what requests take, by the number that are answered at once."""

    def lists(block: Queries) -> pt.Recommendations:
        return model.recommend(block, k=10)

    def reasons(block: Queries) -> list[list[str]]:
        found = lists(block)
        assert found.why is not None
        return [found.why(n, codes[codes >= 0]) for n, codes in enumerate(found.codes)]

    for size in BATCHES:
        blocks = [block for _, block in asked.blocks(size)]
        row: dict[str, Any] = {"model": what, "at once": size}
        for name, ask in (("list", lists), ("with reasons", reasons)):
            numbers = zip(("mean", "p50", "p99"), timed(ask, blocks), strict=True)
            row |= {f"{name} {which}, ms": round(value, 3) for which, value in numbers}
        yield row


def main() -> None:
    """Fit, ask, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=race.SIZES, default="full")
    size = parser.parse_args().size
    n, requests = SIZES[size]
    sets = {"latest-small": pt.datasets.movielens(), "ml-1m": ml_1m() if size == "full" else None}
    told: list[dict[str, Any]] = []
    with threads.limited(1):
        for name, data in sets.items():
            if data is None:
                continue
            people = np.random.default_rng(1).integers(0, len(data.users), requests)
            what = f"hybrid, {name}, {len(data.items):,} items"
            told += rows(what, hybrid(data), data.queries()[people])
        factors = np.random.default_rng(0).standard_normal((n, FACTORS), np.float32)
        made = pt.ALS.from_factors(0.1 * factors, np.arange(n), unobserved=0.1, l2=0.1)
        asked = strangers(made.training_.items, made.training_.users, requests)
        told += rows(f"ALS, {n:,} items x {FACTORS}", made, asked)
    note = (
        "CPU milliseconds a query in process, one thread, after compilation; k = 10, without and "
        "with a sentence for each of the ten. The hybrid is Fallback([Weighted([ALS, EASE, "
        "ContentBased]), Popularity]) asked for people drawn uniformly with all they met; the ALS "
        f"is made of random vectors and asked for strangers who met {MET} items."
    )
    if size != "smoke":
        record("reasons", told, note, folder="" if size == "full" else size)
    print(markdown(told))


if __name__ == "__main__":
    main()
