"""Events into a store: a first load, a batch into a million, again, beside a live writer; backups.

    python benchmarks/store.py
    python benchmarks/store.py --size quick

PostgreSQL is the one of the package pgserver, with its own settings, on a socket. Every figure is
of one run; rows are made up: 20,000 people, 5,000 items, three years, in random order, no ids.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from record import markdown, record

from penchant.events import Events
from penchant.identity import made_id
from penchant.store.backup import backup, restore
from penchant.store.bulk import load
from penchant.store.history import history
from penchant.store.log import Event
from penchant.store.store import Store

SIZES = {"full": 1_000_000, "quick": 100_000}
TARGETS = {
    ("sqlite", "first load into an empty store"): 200_000,
    ("sqlite", "batch into as many"): 80_000,
    ("postgresql", "batch into as many"): 40_000,
}


def table(n: int, seed: int) -> pl.DataFrame:
    """Return n ratings in random order."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user": rng.integers(0, 20_000, n),
            "item": rng.integers(0, 5_000, n),
            "rating": rng.integers(1, 6, n).astype(float),
            "timestamp": 1_600_000_000 + rng.integers(0, 90_000_000, n),
        }
    )


def now() -> int:
    """Return microseconds since 1970."""
    return time.time_ns() // 1000


def appending(url: str, ready: Any, stop: Any, waits: Any) -> None:
    """Append one event after another, as a service does; tell how long each took."""
    took = []
    with Store.open(url) as store:
        ready.set()
        while not stop.is_set():
            at = now()
            event = Event(made_id(at), "ulive", None, "i1", "view", None, at)
            began = time.perf_counter()
            store.events.append([event], now=at)
            took.append(time.perf_counter() - began)
            time.sleep(0.002)  # as many as 500 a second
    waits.put(took)


@contextmanager
def beside(url: str) -> Iterator[list[float]]:
    """Let another process append meanwhile; afterwards the list holds how long each took."""
    context = multiprocessing.get_context("spawn")
    ready, stop, waits = context.Event(), context.Event(), context.Queue()
    other = context.Process(target=appending, args=(url, ready, stop, waits))
    other.start()
    ready.wait()
    took: list[float] = []
    yield took
    stop.set()
    took += waits.get()
    other.join()


def measured(url: str, n: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Load, load again, back up and restore; yield the cost of each."""
    kind = "sqlite" if "://" not in url else "postgresql"

    def timed(
        work: str, rows: int, do: Callable[[], Any], prepared: float | None = None
    ) -> dict[str, Any]:
        cpu, began = time.process_time(), time.perf_counter()
        do()
        wall = time.perf_counter() - began
        target = TARGETS.get((kind, work))
        row: dict[str, Any] = {
            "work": work, "store": kind, "events": rows, "wall s": round(wall, 2),
            "CPU s": round(time.process_time() - cpu, 2), "preparation, s": prepared,
            "events/s": round(rows / wall),
        }  # fmt: skip
        if target is not None:
            row |= {"target": float(target), "met": rows / wall >= target}
        return row

    def ready(rows: pl.DataFrame, **given: Any) -> tuple[pl.DataFrame, float]:
        began = time.perf_counter()
        made = history(Events.from_frame(rows, context=list(given.values())), now=now(), **given)
        return made.rows, round(time.perf_counter() - began, 2)

    with Store.open(url) as store:
        first, spent = ready(table(n, 1))
        empty = "first load into an empty store"
        yield timed(empty, n, lambda: load(store, first, now=now()), spent)
        more, spent = ready(table(n, 2))
        batch = "batch into as many"
        yield timed(batch, n, lambda: load(store, more, now=now()), spent)
        yield timed("the same again: duplicates", n, lambda: load(store, more, now=now()), spent)
        own = table(n // 4, 3).with_columns(
            event_id=pl.Series(np.random.default_rng(4).permutation(n // 4)).cast(pl.String)
        )
        random, spent = ready(own, event_id="event_id")
        alone = "batch with random ids of its own"
        yield timed(alone, n // 4, lambda: load(store, random, now=now()), spent)
        third, spent = ready(table(n, 5))
        with beside(url) as took:
            row = timed("batch beside a live writer", n, lambda: load(store, third, now=now()))
        yield row | {
            "single appends": len(took),
            "append, median ms": round(1e3 * float(np.median(took)), 1),
            "append, p99 ms": round(1e3 * float(np.quantile(took, 0.99)), 1),
            "append, longest ms": round(1e3 * max(took), 1),
        }
        held = len(first) + len(more) + len(random) + len(third)
        yield timed("backup", held, lambda: backup(store, folder / "store.zip"))
    with Store.open(str(folder / "restored.db")) as other:
        into = "restore into SQLite"
        yield timed(into, held, lambda: restore(folder / "store.zip", other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    asked = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses XDG_RUNTIME_DIR
        import pgserver
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="delete")
        try:
            for name, url in (("a", str(Path(folder) / "store.db")), ("b", server.get_uri())):
                (Path(folder) / name).mkdir()
                for row in measured(url, SIZES[asked.size], Path(folder) / name):
                    rows.append(row)
                    print(markdown([row]), flush=True)
        finally:
            server.cleanup()
    if asked.size == "full":
        record(
            "store", rows,
            "A million made-up events without ids, in random order (20,000 people, 5,000 items, "
            "three years), into SQLite (WAL, synchronous = FULL) and PostgreSQL 16 (its defaults, "
            "on a socket), with all indexes in place but in the first load of SQLite. Preparation "
            "reads the table, and makes ids, digests and the order. Beside the live writer another "
            "process appends one event after another, up to 500 a second. CPU of this process; "
            "PostgreSQL's own is not in it. One run each.",
        )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
