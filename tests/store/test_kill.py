"""Whatever is killed, and whenever: what was acknowledged is there once, the rest whole or not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

import killing as killing_jobs
from killing import AT_ONCE, NOW, event, table
from penchant.errors import BadStore
from penchant.store.backup import backup, checked
from penchant.store.ingest import ingest
from penchant.store.numbers import driver
from penchant.store.store import Store
from running_postgresql import running_postgresql

ENDS = ("done", "failed")


class Killing:
    """Runs jobs of ``killing`` and kills them after some lines."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, killing_jobs.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def run(
        self,
        *job: object,
        kill_after: int | None = None,
        instead: Callable[[], None] | None = None,
    ) -> tuple[list[str], bool]:
        """Return what a job acknowledged before it died, and whether it had come to its end.

        After so many lines it is killed, or something else is done, upon which it may fail.
        """
        print(json.dumps(job), file=self.server.stdin)
        child = int(self.server.stdout.readline())
        told: list[str] = []
        alive = True  # once it is killed its number may be another's

        def kill() -> None:
            nonlocal alive
            if alive:
                os.kill(child, signal.SIGKILL)
            alive = False

        try:
            if kill_after == 0:
                kill()
            for line in map(str.strip, self.server.stdout):
                if line == "gone":
                    assert instead is not None or "failed" not in told
                    return [one for one in told if one not in ENDS], "done" in told
                told.append(line)
                if instead is not None and len(told) == kill_after:
                    instead()
                elif len(told) == kill_after or line in ENDS:
                    kill()
        finally:
            kill()
        raise AssertionError("the server of jobs ended")


@pytest.fixture(scope="module")
def killing() -> Iterator[Killing]:
    """What runs jobs and kills them."""
    runs = Killing()
    yield runs
    runs.server.communicate()
    assert runs.server.returncode == 0


def times_there(url: str) -> dict[str, int]:
    """How often each event is in the log; also see that it is whole and can be written to."""
    with Store.open(url) as store, store.reading() as connection:
        raw = driver(connection)
        if store.kind == "sqlite":
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = raw.execute("SELECT event_id, count(*) FROM events GROUP BY event_id").fetchall()
    return {event_id: int(count) for event_id, count in found}


def killed_writers(killing: Killing, url: str, kills: int) -> None:
    generator = random.Random(f"{url[:10]} {kills}")
    acknowledged: set[str] = set()
    first = 0
    for _ in range(kills):
        told, whole = killing.run("append", url, first, 10_000, kill_after=generator.randrange(60))
        assert not whole
        acknowledged |= {f"e{n}" for n in told}
        # The next writer begins with events that were sent and may not be there.
        first += len(told) - len(told) % AT_ONCE
    there = times_there(url)
    assert set(there.values()) <= {1}
    assert acknowledged <= set(there)
    last = first + AT_ONCE
    with Store.open(url) as store:
        for n in range(last):
            assert store.events.append([event(n)], now=NOW) == (
                ["duplicate"] if f"e{n}" in there else ["accepted"]
            )
    assert times_there(url) == {f"e{n}": 1 for n in range(max(last, len(there)))}


def test_a_killed_writer_loses_nothing_it_acknowledged(killing, store_url, kind):
    killed_writers(killing, store_url, 12 if kind == "sqlite" else 5)


@pytest.mark.slow
def test_a_writer_is_killed_a_hundred_times(killing, store_url):
    killed_writers(killing, store_url, 100)


def killed_loads(killing: Killing, url: str, kills: int, first: int) -> None:
    """Kill a load after ever more rows; it goes on, and ends with each row once."""
    rows, most = 600, 50
    for kill in range(kills):
        told, whole = killing.run("load", url, rows, first, most, kill_after=kill)
        there = len(times_there(url))
        assert there == rows or not whole
        if first > rows:  # in turns: what is done stays done
            assert there >= max(map(int, told), default=0)
        else:
            assert there in (0, rows)
    with Store.open(url) as store:
        done = ingest(store, table(rows), now=NOW, source="file")
        assert done.accepted + done.duplicates == rows
    assert len(times_there(url)) == rows
    assert set(times_there(url).values()) == {1}


def test_a_killed_load_goes_on(killing, store_url):
    killed_loads(killing, store_url, 6, first=10**6)


@pytest.mark.slow
def test_a_load_is_killed_after_every_turn(killing, store_url):
    killed_loads(killing, store_url, 14, first=10**6)


def index_names(url: str) -> set[str]:
    with Store.open(url) as store, store.reading() as connection:
        sql = "SELECT name FROM sqlite_master WHERE type = 'index'"
        return {name for (name,) in driver(connection).execute(sql)}


def test_a_killed_first_load_leaves_an_empty_store(killing, sqlite_store):
    url = sqlite_store.url.removeprefix("sqlite:///")
    had = index_names(url)
    for kill in (0, 1, 7, 13):
        killing.run("load", url, 600, 1, 50, kill_after=kill)
        # After the last lines it may have come to its end first.
        assert len(times_there(url)) in ((0, 600) if kill > 10 else (0,))
        assert index_names(url) == had
    killed_loads(killing, url, 2, first=1)
    assert index_names(url) == had


def test_a_killed_backup_leaves_the_last_one(killing, sqlite_store, tmp_path):
    url, path = sqlite_store.url.removeprefix("sqlite:///"), tmp_path / "shop.zip"
    sqlite_store.events.append([event(n) for n in range(50)], now=NOW)
    made = backup(sqlite_store, path)
    sqlite_store.events.append([event(50)], now=NOW)
    for kill in (0, 3, 9):
        killing.run("backup", url, str(path), kill_after=kill)
        assert checked(path).position in (made.position, 51)
    assert killing.run("backup", url, str(path))[1]
    assert checked(path).position == 51
    assert not [one for one in tmp_path.iterdir() if "penchant-new" in one.name]


def test_a_killed_restore_leaves_an_empty_store(killing, store_url, tmp_path):
    path = tmp_path / "shop.zip"
    full = str(tmp_path / "full.db")
    with Store.open(full) as store:
        store.events.append([event(n) for n in range(50)], now=NOW)
        backup(store, path)
    for kill in (0, 1, 2, 3):
        killing.run("restore", store_url, str(path), kill_after=kill)
        assert len(times_there(store_url)) in (0, 50)
    if not times_there(store_url):
        assert killing.run("restore", store_url, str(path))[1]
    assert times_there(store_url) == times_there(full)


def killed_server(url: str) -> subprocess.Popen[bytes]:
    """Kill a PostgreSQL and everything it started; start it again as it was."""
    folder = Path(sa.make_url(url).query["host"])
    server = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
    command, user, parts = server.cmdline(), server.username(), server.children()
    server.kill()
    server.wait(60)
    # Without their parent they end by themselves; until then nobody else may start on their files.
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in parts):
        time.sleep(0.02)
    who = {"user": user, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)


def answering(url: str) -> None:
    """Return once a store can be opened."""
    for _ in range(600):
        try:
            return Store.open(url).close()
        except BadStore:
            time.sleep(0.1)
    raise AssertionError("PostgreSQL does not answer again")


@pytest.mark.slow
def test_a_killed_postgresql_loses_nothing_that_was_acknowledged(killing):
    generator = random.Random(5)
    acknowledged: set[str] = set()
    servers: list[subprocess.Popen[bytes]] = []
    first = 0
    with running_postgresql() as uri:
        for _ in range(5):
            told, whole = killing.run(
                "append", uri, first, 10_000,
                kill_after=1 + generator.randrange(200),
                instead=lambda: servers.append(killed_server(uri)),
            )  # fmt: skip
            assert not whole
            acknowledged |= {f"e{n}" for n in told}
            first += len(told) - len(told) % AT_ONCE
            answering(uri)
            there = times_there(uri)
            assert acknowledged <= set(there)
            assert set(there.values()) == {1}
        servers[-1].send_signal(signal.SIGINT)  # which disconnects whoever is left
        for server in servers:
            server.wait(60)
