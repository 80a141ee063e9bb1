"""Processes to kill: forked from one that has imported everything, so that many are cheap.

Reads one job a line, in JSON, and runs it in a child whose output is on the same pipe: its number
first, then a line for whatever is acknowledged, "done" or "failed" at the end, and "gone" when it
was killed. None ends by itself, so that no other process can have its number. See ``test_kill``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import polars as pl

from penchant.store import bulk
from penchant.store.backup import backup, restore
from penchant.store.ingest import ingest
from penchant.store.log import Event
from penchant.store.store import Store
from penchant.store.writer import Writer

NOW = 1_700_000_000_000_000
AT_ONCE = 5


def say(what: object) -> None:
    """Write a line at once; one write of a pipe is never cut."""
    os.write(1, f"{what}\n".encode())


def event(n: int) -> Event:
    """The n-th event."""
    return Event(f"e{n}", f"u{n % 7}", None, f"i{n % 11}", "view", None, NOW + n, digest=n)


def table(n: int) -> pl.DataFrame:
    """A file of n events."""
    rows = range(n)
    return pl.DataFrame({"user": [k * 5 % 97 for k in rows], "item": [k % 11 for k in rows],
                         "time": [1_600_000_000 + k for k in rows]})  # fmt: skip


def append(url: str, first: int, count: int) -> None:
    """Append events through a writer, some at once; acknowledge each."""
    with Store.open(url) as store:
        writer = Writer(store)
        for start in range(first, first + count, AT_ONCE):
            jobs = {}
            for n in range(start, start + AT_ONCE):
                jobs[n] = writer.submit(
                    lambda connection, n=n: store.events.append(
                        [event(n)], now=NOW, connection=connection
                    )
                )
            for n, job in jobs.items():
                assert job.result() in (["accepted"], ["duplicate"])
                say(n)
        writer.close()


def load(url: str, n: int, first: int, most: int) -> None:
    """Ingest a file of n events; acknowledge how many rows are done."""
    bulk.FIRST, bulk.MOST = (first, 10**6), most
    bulk.FEWEST = min(bulk.FEWEST, most)
    with Store.open(url) as store:
        ingest(store, table(n), now=NOW, source="file", on_rows=say)


def back_up(url: str, path: str) -> None:
    """Back a store up; say which table is being written."""
    with Store.open(url) as store:
        backup(store, Path(path), overwrite=True, on_step=say)


def bring_back(url: str, path: str) -> None:
    """Restore a store; say which table is being filled."""
    with Store.open(url) as store:
        restore(Path(path), store, on_step=say)


JOBS = {"append": append, "load": load, "backup": back_up, "restore": bring_back}


def main() -> None:
    """Run jobs until there are no more."""
    for line in sys.stdin:
        job, *given = json.loads(line)
        child = os.fork()
        if not child:
            say(os.getpid())
            try:
                JOBS[job](*given)
                say("done")
            except Exception:  # noqa: BLE001 - whoever reads the pipe must hear
                traceback.print_exc()
                say("failed")
            while True:
                signal.pause()
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    main()
