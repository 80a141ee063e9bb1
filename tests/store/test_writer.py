"""Group commit, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from penchant.errors import BadParameter, BadStore
from penchant.store.log import Event
from penchant.store.numbers import bump
from penchant.store.store import Store
from penchant.store.writer import Writer


@pytest.fixture
def writer(store) -> Iterator[Writer]:
    made = Writer(store)
    yield made
    made.close()


def items(connection: sa.Connection) -> int:
    return bump(connection, "items")


def fail(connection: sa.Connection) -> None:
    bump(connection, "items")
    raise ZeroDivisionError("this one")


class Held:
    """A job that keeps the writer's transaction open, so that others gather behind it."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, connection: sa.Connection) -> None:
        self.begun.set()
        assert self.go.wait(60)


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """Note each transaction's end."""
    ends: list[str] = []

    def note_commit(_: sa.Connection) -> None:
        ends.append("commit")

    def note_rollback(_: sa.Connection) -> None:
        ends.append("rollback")

    sa.event.listen(store.engine, "commit", note_commit)
    sa.event.listen(store.engine, "rollback", note_rollback)
    yield ends
    sa.event.remove(store.engine, "commit", note_commit)
    sa.event.remove(store.engine, "rollback", note_rollback)


def gathered(writer: Writer, *jobs) -> list[Future]:
    """Let jobs wait together behind one that is held; return their futures, done."""
    held = Held()
    first = writer.submit(held)
    assert held.begun.wait(60)
    futures = [writer.submit(job) for job in jobs]
    assert not any(one.done() for one in futures)
    held.go.set()
    wait([first, *futures], 60)
    return futures


def test_what_was_acknowledged_is_there(store, writer):
    assert writer.submit(items).result(60) == 1
    assert store.numbers() == {"items": 1}


def test_jobs_that_wait_share_a_commit(store, writer):
    with counted(store) as ends:
        futures = gathered(writer, *[items] * 20)
    assert [one.result() for one in futures] == list(range(1, 21))
    assert ends.count("commit") == 2  # the one that was held, then all others


def test_a_job_that_fails_fails_alone(store, writer):
    futures = gathered(writer, items, fail, items, fail)
    assert [futures[0].result(), futures[2].result()] == [1, 2]
    for one in (futures[1], futures[3]):
        with pytest.raises(ZeroDivisionError, match="this one"):
            one.result()
    assert store.numbers() == {"items": 2}
    with pytest.raises(ZeroDivisionError):
        writer.submit(fail).result(60)
    assert writer.submit(items).result(60) == 3


def test_a_statement_that_fails_fails_alone(store, writer):
    def wrong(connection: sa.Connection) -> None:
        bump(connection, "items")
        connection.exec_driver_sql("SELECT nothing FROM nowhere")

    futures = gathered(writer, items, wrong, items)
    assert [futures[0].result(), futures[2].result()] == [1, 2]
    with pytest.raises(sa.exc.DBAPIError):
        futures[1].result()


def test_none_is_acknowledged_when_the_commit_fails(store, writer):
    def refuse(_: sa.Connection) -> None:
        raise OSError("the disk is gone")

    held = Held()
    first = writer.submit(held)
    assert held.begun.wait(60)
    futures = [writer.submit(items) for _ in range(3)]
    sa.event.listen(store.engine, "commit", refuse)
    held.go.set()
    wait([first, *futures], 60)
    sa.event.remove(store.engine, "commit", refuse)
    for one in [first, *futures]:
        with pytest.raises(OSError, match="the disk is gone"):
            one.result()
    assert store.numbers() == {}
    assert writer.submit(items).result(60) == 1


def test_futures_hear_that_the_store_is_out_of_reach(store, writer, monkeypatch):
    @contextmanager
    def unreachable() -> Iterator[sa.Connection]:
        raise BadStore("it cannot be reached")
        yield

    monkeypatch.setattr(store, "writing", unreachable)
    with pytest.raises(BadStore, match="cannot be reached"):
        writer.submit(items).result(60)


def test_closing_writes_what_waits(store):
    writer = Writer(store)
    futures = [writer.submit(items) for _ in range(50)]
    writer.close()
    writer.close()
    assert sorted(one.result(0) for one in futures) == list(range(1, 51))
    assert store.numbers() == {"items": 50}
    with pytest.raises(BadParameter, match="closed"):
        writer.submit(items)


def test_a_job_that_was_given_up_is_not_run(store, writer):
    held = Held()
    writer.submit(held)
    assert held.begun.wait(60)
    given_up = writer.submit(items)
    assert given_up.cancel()
    kept = writer.submit(items)
    held.go.set()
    assert kept.result(60) == 1


def test_threads_each_get_what_they_wrote(store, writer):
    became: list[str] = []

    def append(name: str) -> None:
        for turn in range(10):
            event = Event(f"{name}{turn}", "u" + name, None, "i1", "view", None, turn)

            def job(connection: sa.Connection, event: Event = event) -> list[str]:
                return store.events.append([event], now=5, connection=connection)

            became.extend(writer.submit(job).result(60))
            assert store.events.history(["u" + name]).time == list(range(turn + 1))

    threads = [threading.Thread(target=append, args=(name,)) for name in "abcd"]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert became == ["accepted"] * 40
    assert store.events.last() == 40


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_died_takes_nothing(sqlite_store):
    def broken(_: int) -> None:
        raise RuntimeError("what counts the groups is broken")

    writer = Writer(sqlite_store, sized=broken)
    writer.submit(items)
    writer._thread.join()
    assert not writer.alive
    with pytest.raises(BadStore, match=r"has died\. Restart"):
        writer.submit(items)
    writer.close()
