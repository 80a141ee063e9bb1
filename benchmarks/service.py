"""The service under load: how many lists a second, how soon an event counts, swaps, memory.

python benchmarks/service.py [--only load] [--keep FOLDER] [--cicerone PROGRAM]

The catalogue and the people are those of ml-1m (times are made up: only who met what is read); the
model is the one that ``penchant train`` makes, a hybrid of ALS, EASE and content. The service runs
as it would anywhere, ``penchant serve`` in processes of its own, on loopback; the load comes from
this process and shares the two cores with it. Without ml-1m: made-up interactions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import load
import numpy as np
import polars as pl
import psutil
import service_peer
from record import found, markdown, record
from synthetic import power_law

import penchant as pt
from penchant.store.store import Store

SECONDS = {"smoke": 1.0, "full": 20.0}
SHARE = 0.6
"""Of the highest rate found, at which latency is measured."""

PROBES = {"smoke": 3, "full": 200}
MADE = 20_000
"""Different requests."""

GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance", "Sci-Fi", "Thriller", "War")


def penchant(*words: str) -> None:
    """Run a command; a model that is refused is a result, too."""
    done = subprocess.run([sys.executable, "-m", "penchant", *words], stdout=sys.stderr)
    if done.returncode not in (0, 3):
        raise SystemExit(done.returncode)


def interactions(size: str) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Return events, the catalogue, and where they are from."""
    folder = found("ml-1m")
    if folder is not None and size == "full":
        read = pl.read_parquet(folder / "ratings.parquet", columns=["user_id", "movie_id"])
        lines = (folder / "movies.dat").read_text("utf-8", errors="replace").splitlines()
        films = [line.split("::") for line in lines]
        events = pl.DataFrame({"user": read["user_id"], "item": read["movie_id"]})
        items = pl.DataFrame(films, schema=["item", "title", "genres"], orient="row")
        told = "ml-1m"
    else:
        made = power_law(users=300, items=200, interactions=9000, groups=4)
        events = pl.DataFrame({"user": made[0], "item": made[1]})
        ids = events["item"].unique().sort()
        rng = np.random.default_rng(0)
        titles = [f"Film {n}" for n in ids]
        items = pl.DataFrame(
            {"item": ids, "title": titles, "genres": rng.choice(GENRES, len(ids)).tolist()}
        )
        told = "made up"
    order = np.random.default_rng(0).permutation(len(events))
    events = events[order].with_columns(time=1_700_000_000 + 30 * pl.int_range(len(events)))
    return events, items, told


def prepared(folder: Path, size: str) -> str:
    """Make a store with two versions of the model, if it is not there; return its data's name."""
    events, items, told = interactions(size)
    store = folder / "shop.db"
    if not (folder / "done").exists():
        events.write_csv(folder / "events.csv")
        items.write_csv(folder / "items.csv")
        files = str(folder / "events.csv"), "--items", str(folder / "items.csv")
        penchant("ingest", *files, "--store", str(store))
        for _ in range(2):
            penchant("train", "--store", str(store))
        (folder / "done").touch()
    return told


@dataclass
class Running:
    """A service that runs."""

    port: int
    process: psutil.Process

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer."""
        own = self.process.children(recursive=True) or [self.process]
        return [one for one in own if one.memory_info().rss > 80 * 2**20]

    def cpu(self) -> float:
        """Return CPU seconds of the workers so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self.workers())


def serving(store: Path, workers: int = 1) -> AbstractContextManager[Running]:
    """Serve a store for a while."""
    command = [sys.executable, "-m", "penchant", "serve", "--store", str(store), "--port", "0"]
    return listening([*command, "--workers", str(workers)])


@contextmanager
def listening(command: list[str]) -> Iterator[Running]:
    """Run a service for a while, which says where it is once it answers."""
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as service,
    ):
        try:
            yield Running(said(service, Path(log.name)), psutil.Process(service.pid))
        finally:
            service.terminate()
            service.wait()


def said(service: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until a service has said where it is; return its port."""
    while service.poll() is None:
        at = re.search(r"http://127\.0\.0\.1:(\d+)\s", log.read_text())
        if at is not None:
            return int(at[1])
        time.sleep(0.05)
    raise SystemExit(log.read_text())


def asking(port: int, people: list[str], seed: int) -> Callable[[int], bytes]:
    """Return requests for people drawn uniformly: ten items with reasons, one genre left out."""
    rng = np.random.default_rng(seed)

    def one(who: int, genre: int) -> bytes:
        filters = {"not_categories": [GENRES[genre]]}
        ask = json.dumps({"user_id": people[who], "k": 10, "filters": filters}).encode()
        return load.request("POST", "/v1/recommendations", ask, port=port)

    # Made beforehand: while they are asked, both cores belong to the service and the load.
    drawn = zip(rng.integers(0, len(people), MADE), rng.integers(0, len(GENRES), MADE), strict=True)
    made = [one(int(who), int(genre)) for who, genre in drawn]
    return lambda n: made[n % MADE]


def under_load(store: Path, people: list[str], size: str, workers: int) -> list[dict[str, Any]]:
    """Measure the highest rate, and the times at a share of it."""
    with serving(store, workers) as service:
        return pressed(service, asking(service.port, people, 1), workers, SECONDS[size])


def beside(
    program: Path | None, folder: Path, people: list[str], size: str
) -> list[dict[str, Any]]:
    """Measure the same of the peer, if there is one."""
    if program is None:
        return []
    with listening(service_peer.prepared(program, folder)) as service:
        made = service_peer.asking(service.port, people, 1)
        rows = pressed(service, made, 1, SECONDS[size])
    name = service_peer.name(program)
    return [{**row, "work": f"{name}, {row['work']}"} for row in rows]


def pressed(
    service: Running, made: Callable[[int], bytes], workers: int, seconds: float
) -> list[dict[str, Any]]:
    """Measure a service that runs: as fast as it goes, then at a share of that."""
    asyncio.run(load.closed(service.port, made, connections=32, seconds=seconds / 4))
    before = service.cpu()
    most = asyncio.run(load.closed(service.port, made, connections=32, seconds=seconds))
    spent = (service.cpu() - before) / len(most.answers) * 1e3
    arrivals = load.poisson(SHARE * most.rate, seconds, seed=2)
    steady = asyncio.run(load.at(service.port, made, arrivals))
    name = f"{workers} worker{'s' * (workers > 1)}"
    return [
        {"work": f"as fast as it goes, {name}", **most.row(), "CPU ms a request": round(spent, 2)},
        {"work": f"{SHARE:.0%} of that, arrivals fixed beforehand", **steady.row()},
    ]


def live(store: Path, people: list[str], size: str) -> list[dict[str, Any]]:
    """Measure from the 200 of an event to when every worker's list has changed, under load."""
    taken: list[float] = []
    with serving(store, 2) as service:
        made = asking(service.port, people, 3)
        count = PROBES[size]
        stop = threading.Event()

        def background() -> None:
            while not stop.is_set():
                arrivals = load.poisson(100, SECONDS["smoke"], seed=4)
                asyncio.run(load.at(service.port, made, arrivals))

        thread = threading.Thread(target=background)
        thread.start()
        try:
            taken = asyncio.run(probes(service.port, people, count))
        finally:
            stop.set()
            thread.join()
    times = np.array(taken) * 1e3
    return [{"work": "an event to the changed list in each of 2 workers, 100 lists/s beside it",
             "requests": count, "p50, ms": round(float(np.quantile(times, 0.5)), 2),
             "p99, ms": round(float(np.quantile(times, 0.99)), 2),
             "max, ms": round(float(times.max()), 2)}]  # fmt: skip


async def probes(port: int, people: list[str], count: int) -> list[float]:
    """Return seconds, for new events of different people, until no worker lists the item."""
    connections = [await load.connected("127.0.0.1", port) for _ in range(8)]
    times = []
    for n in range(count):
        ask = json.dumps({"user_id": people[n % len(people)], "k": 5, "reasons": False}).encode()
        asked = load.request("POST", "/v1/recommendations", ask, port=port)
        _, body = await connections[0].ask(asked)
        top = json.loads(body)["items"][0]["item_id"]
        event = {"user_id": people[n % len(people)], "item_id": top, "event_type": "view"}
        sent = load.request("POST", "/v1/events", json.dumps(event).encode(), port=port)
        status, body = await connections[n % 8].ask(sent)
        assert status == 200, body
        begun = time.perf_counter()

        # The connections are spread over the workers.
        await asyncio.gather(*(without(one, asked, top) for one in connections))
        times.append(time.perf_counter() - begun)
    return times


async def without(connection: load.Connection, asked: bytes, item: str) -> None:
    """Ask until the list no longer shows an item."""
    while True:
        _, body = await connection.ask(asked)
        if all(one["item_id"] != item for one in json.loads(body)["items"]):
            return


def swaps(store: Path, people: list[str], size: str) -> list[dict[str, Any]]:
    """Promote one version after the other under load; compare with the same load in peace."""
    rows = []
    with serving(store) as service, Store.open(str(store)) as opened:
        made = asking(service.port, people, 5)
        most = asyncio.run(
            load.closed(service.port, made, connections=32, seconds=SECONDS[size] / 4)
        )
        arrivals = load.poisson(SHARE * most.rate, SECONDS[size], seed=6)
        versions = [one.version for one in opened.models.list() if one.state == "accepted"][:2]
        assert len(versions) == 2, "two versions are needed"
        rows.append({"work": "no swap", **asyncio.run(load.at(service.port, made, arrivals)).row()})
        stop, moved = threading.Event(), 0

        def swapping() -> None:
            nonlocal moved
            while not stop.wait(SECONDS[size] / 10):
                version = versions[moved % 2]
                opened.models.promote(version, by="benchmark", now=time.time_ns() // 1000)
                moved += 1

        thread = threading.Thread(target=swapping)
        thread.start()
        report = asyncio.run(load.at(service.port, made, arrivals))
        stop.set()
        thread.join()
        rows.append({"work": f"{moved} swaps", **report.row()})
    return rows


def memory(folder: Path, size: str) -> list[dict[str, Any]]:
    """Measure what workers hold with a large model.

    Their own is what they have written to: pages of the model that only one process has mapped so
    far are the system's to take back.
    """
    items, factors = (1_000_000, 512) if size == "full" else (400, 8)
    store, rows = folder / f"large-{items}.db", []
    if not store.exists():
        vectors = np.random.default_rng(0).normal(size=(items, factors)).astype(np.float32)
        model = pt.ALS.from_factors(
            vectors, pl.Series(range(items)).cast(pl.String), unobserved=0.1, l2=1.0
        )
        with Store.open(str(store)) as opened:
            made = opened.models.add(
                lambda path: pt.save(model, path), name="ALS", position=0, erasures=0,
                events=0, metrics={}, gate=[], accepted=True, now=0,
            )  # fmt: skip
            opened.models.promote(made.version, by="benchmark", now=0)
        del model, vectors
    files = sum(p.stat().st_size for p in (folder / f"{store.name}.models").rglob("*.npy"))
    rng = np.random.default_rng(1)
    histories = [rng.integers(0, items, 50).astype(str).tolist() for _ in range(1000)]

    def held(workers: int) -> list[dict[str, float]]:
        with serving(store, workers) as service:

            def made(n: int) -> bytes:
                past = [{"item_id": one} for one in histories[n % len(histories)]]
                body = json.dumps({"history": past, "k": 10}).encode()
                return load.request("POST", "/v1/recommendations", body, port=service.port)

            asyncio.run(load.closed(service.port, made, connections=4, seconds=SECONDS[size]))
            return [_held(one.pid) for one in service.workers()]

    one, two = held(1), held(2)
    first, second = one[0]["Pss"], sum(w["Pss"] for w in two)
    rows.append(
        {
            "work": f"a model of {files / 2**30:.2g} GiB",
            "resident, MB": round(one[0]["Rss"]),
            "private, MB": round(max(w["Private_Dirty"] for w in (*one, *two))),
            "a second worker adds": f"{(second - first) / one[0]['Rss']:.1%}",
        }
    )
    return rows


def _held(pid: int) -> dict[str, float]:
    """Return megabytes of a process by kind, as Linux counts them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kept = {
        name: int(rest.split()[0]) / 1024 for name, _, rest in (x.partition(":") for x in lines)
    }
    return {**kept, "private": kept["Private_Clean"] + kept["Private_Dirty"]}


def main() -> None:
    """Measure and record."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", choices=["smoke", "full"], default="full")
    options.add_argument("--only", choices=["load", "live", "swaps", "memory"])
    options.add_argument("--keep", type=Path, help="a folder to keep the stores in")
    options.add_argument("--cicerone", type=Path, help="its program: the peer, under the same load")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        told = prepared(folder, chosen.size)
        store = folder / "shop.db"
        people = (
            pl.read_csv(folder / "events.csv")["user"].unique().sort().cast(pl.String).to_list()
        )
        parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "load": lambda: [
                *under_load(store, people, chosen.size, 1),
                *beside(chosen.cicerone, folder, people, chosen.size),
            ],
            "live": lambda: live(store, people, chosen.size),
            "swaps": lambda: swaps(store, people, chosen.size),
            "memory": lambda: memory(folder, chosen.size),
        }
        rows = []
        for name, part in parts.items():
            if chosen.only in (None, name):
                measured = part()
                rows += measured
                print(markdown(measured))
    if chosen.only is None:
        note = f"Data: {told}. " + " ".join((__doc__ or "").split("\n\n", 2)[2].split())
        if chosen.cicerone is not None:
            note += " " + " ".join(service_peer.NOTE.split())
        record("service", rows, note, "" if chosen.size == "full" else "quick")


if __name__ == "__main__":
    main()
