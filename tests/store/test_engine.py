"""Where a store may be, how it is opened, and how writers take turns."""

from __future__ import annotations

import pickle
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from penchant.errors import BadStore
from penchant.store import engine as engines
from penchant.store.engine import address, shown
from penchant.store.log import Event
from penchant.store.numbers import bump, driver
from penchant.store.store import Store
from waiting import until

on_a_server = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)


@pytest.mark.parametrize(
    ("url", "drawn"),
    [
        ("postgresql://ann@host/db", "postgresql+psycopg://ann@host/db"),
        ("postgres://ann:s3cret@host:5433/db", "postgresql+psycopg://ann:***@host:5433/db"),
        ("postgresql+psycopg2://host/db?password=s3cret", "postgresql+psycopg://host/db"),
        ("/data/a shop.db", "/data/a shop.db"),
        ("sqlite:////data/shop.db", "/data/shop.db"),
        ("/data/a%20b?c.db", "/data/a%20b?c.db"),
    ],
)
def test_addresses(url, drawn):
    assert shown(address(url)) == drawn


def test_a_path_is_of_the_folder_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert address("shop.db") == address("sqlite:///shop.db") == address(f"{tmp_path}/shop.db")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "SQLite or PostgreSQL, not 'mysql'"),
        ("sqlite://", "in memory would be lost"),
        (":memory:", "in memory would be lost"),
        ("", "in memory would be lost"),
        ("sqlite:///shop.db?mode=ro", "takes none"),
        ("http//x://y:s3cret@z", "not a URL. Give a path"),
    ],
)
def test_addresses_that_are_none(url, said):
    with pytest.raises(BadStore, match=said) as raised:
        address(url)
    assert "s3cret" not in str(raised.value)


def test_a_store_is_opened_again_with_what_it_held(store, store_url):
    with store.writing() as connection:
        assert bump(connection, "items") == 1
        assert bump(connection, "items") == 2
    store.close()
    with Store.open(store_url, create=False) as again:
        assert again.numbers() == {"items": 2}
        assert again.salt == store.salt
        assert again.kind == store.kind


def write(store: Store, job: Callable[[sa.Connection], object]) -> None:
    """Run a job in a transaction that writes."""
    with store.writing() as connection:
        job(connection)


def test_writes_are_kept_whole_or_not_at_all(store):
    with pytest.raises(ZeroDivisionError):
        write(store, lambda connection: (bump(connection, "items"), 1 / 0))
    assert store.numbers() == {}


def test_a_reader_on_sqlite_sees_one_moment(sqlite_store):
    with sqlite_store.reading() as connection:
        assert sqlite_store.numbers(connection) == {}
        with sqlite_store.writing() as other:
            bump(other, "items")
        assert sqlite_store.numbers(connection) == {}
    assert sqlite_store.numbers() == {"items": 1}


def test_a_reader_on_sqlite_keeps_nothing_it_wrote(sqlite_store):
    with sqlite_store.reading() as connection:
        bump(connection, "items")
    assert sqlite_store.numbers() == {}


def test_what_a_store_shows_of_itself(store):
    assert repr(store).startswith("Store('")
    with pytest.raises(TypeError, match="Open it in each process"):
        pickle.dumps(store)


def test_errors_do_not_show_what_was_written(store):
    with (
        pytest.raises(exc.DBAPIError) as raised,
        store.reading() as connection,
    ):
        connection.execute(
            sa.text("SELECT missing FROM numbers WHERE name = :name"), {"name": "ann"}
        )
    assert "ann" not in str(raised.value)


def test_settings_of_sqlite(sqlite_store):
    with sqlite_store.writing() as connection:
        raw = driver(connection)
        found = [
            raw.execute(f"PRAGMA {one}").fetchone()[0] for one in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]


def test_a_closed_store_is_one_file(sqlite_store, tmp_path):
    sqlite_store.numbers()
    sqlite_store.close()
    assert {one.name for one in tmp_path.iterdir()} <= {"shop.db", "shop.db.lock"}


# What is no store


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BadStore, match=f"no folder {tmp_path}/no/where. Make it first"):
        Store.open(f"{tmp_path}/no/where/shop.db")


def test_a_missing_file_is_not_made_unasked(tmp_path):
    with pytest.raises(BadStore, match=r"does not exist\. To make a store"):
        Store.open(str(tmp_path / "shop.db"), create=False)
    assert not list(tmp_path.iterdir())


def test_an_empty_file_becomes_a_store_only_if_asked(tmp_path):
    path = tmp_path / "shop.db"
    path.touch()
    with pytest.raises(BadStore, match="is empty"):
        Store.open(str(path), create=False)
    assert path.stat().st_size == 0
    with Store.open(str(path)) as made:
        assert made.events.last() == 0


@on_a_server
def test_a_database_without_tables_is_not_filled_unasked(empty_url):
    with pytest.raises(BadStore, match="holds no store"):
        Store.open(empty_url, create=False)


@pytest.mark.parametrize("what", ["text", "sqlite", "folder"])
def test_other_programs_files_are_left_alone(tmp_path, what):
    path = tmp_path / "other.db"
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("user,item\n" * 200)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE users (name)")
        other.close()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(BadStore, match=f"{path} (is a database of|cannot be used)"):
        Store.open(str(path))
    assert before == (path.read_bytes() if path.is_file() else b"")


@on_a_server
def test_tables_of_others_are_left_alone(empty_url):
    engine = sa.create_engine(address(empty_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE users (name text)")
    with pytest.raises(BadStore, match=r"tables of another program \(users\)"):
        Store.open(empty_url)
    assert sa.inspect(engine).get_table_names() == ["users"]
    engine.dispose()


def test_a_server_that_is_down_is_named_without_its_password():
    with socket.socket() as taken:  # bound and not listening: nothing answers there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(BadStore, match="Is the server running") as raised:
            Store.open(f"postgresql://ann:s3cret@127.0.0.1:{port}/shop")
    assert f"ann:***@127.0.0.1:{port}/shop" in str(raised.value)
    assert "s3cret" not in str(raised.value)


@on_a_server
def test_a_server_that_goes_away_and_comes_back(store, postgresql):
    def go_away() -> None:
        everyone = f"pg_stat_activity WHERE datname = '{store.engine.url.database}'"
        postgresql.run(f"SELECT pg_terminate_backend(pid) FROM {everyone}")

    store.numbers()
    go_away()
    with pytest.raises(BadStore, match="cannot be reached"):
        store.numbers()
    assert store.numbers() == {}
    with pytest.raises(BadStore, match="cannot be reached"):
        write(store, lambda connection: (go_away(), bump(connection, "items")))
    assert store.numbers() == {}


def test_a_full_disk_is_said_and_nothing_is_kept(sqlite_store):
    event = Event("e1", "uann", None, "i1", "view", None, 1, properties="x" * 10**6)

    def fill(connection: sa.Connection) -> None:
        driver(connection).execute("PRAGMA max_page_count = 50")
        sqlite_store.events.append([event], now=1, connection=connection)

    with pytest.raises(BadStore, match="cannot be used: database or disk is full"):
        write(sqlite_store, fill)
    assert sqlite_store.events.last() == 0


def test_a_mistake_in_a_statement_is_not_blamed_on_the_store(store):
    with pytest.raises(Exception, match="nowhere") as raised, store.reading() as connection:
        driver(connection).execute("SELECT * FROM nowhere")
    assert not isinstance(raised.value, BadStore)


def test_another_encoding_is_refused(postgresql):
    postgresql.run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(BadStore, match="encoded as LATIN1"):
        Store.open(postgresql.address("latin"))


# Turns


BUMPING = """
import sys
from penchant.store.log import Event
from penchant.store.numbers import bump
from penchant.store.store import Store
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(100):
        with store.writing() as connection:
            bump(connection, "items")
"""


def test_processes_and_threads_all_get_their_turn(store, store_url):
    command = [sys.executable, "-c", BUMPING, store_url]
    other = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("\n")
    other.stdin.flush()

    def write() -> None:
        for _ in range(50):
            with store.writing() as connection:
                bump(connection, "items")

    threads = [threading.Thread(target=write) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    assert other.wait(120) == 0
    other.communicate()
    assert store.numbers() == {"items": 200}


def test_the_last_writer_stands_behind_those_who_wait(sqlite_store):
    """Whoever has written and wants to again lets another go first, however quick it is."""
    order: list[str] = []
    waiting = threading.Event()

    def once() -> None:
        waiting.set()
        with sqlite_store.writing():
            order.append("waited")

    thread = threading.Thread(target=once)
    with sqlite_store.writing():
        thread.start()
        waiting.wait(60)
        until(lambda: door_is_taken(Path(f"{sqlite_store.engine.url.database}.lock")))
        order.append("first")
    with sqlite_store.writing():
        order.append("again")
    thread.join(60)
    assert order == ["first", "waited", "again"]


def door_is_taken(path: Path) -> bool:
    import fcntl

    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_file_that_another_program_keeps_locked(sqlite_store, monkeypatch):
    monkeypatch.setattr(engines, "PATIENCE", 0.05)
    other = sqlite3.connect(str(sqlite_store.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BadStore, match=r"shop\.db was locked for"), sqlite_store.writing():
        pass
    assert sqlite_store.numbers() == {}  # readers do not mind
    other.execute("ROLLBACK")
    other.close()
    with sqlite_store.writing() as connection:
        bump(connection, "items")
