"""A store on each database: a SQLite file, and a database of a PostgreSQL that the tests start."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
import sqlalchemy as sa

from penchant.store.schema import metadata
from penchant.store.store import Store
from running_postgresql import running_postgresql

TEMPLATE = "template_store"
numbered = itertools.count()


class Server(NamedTuple):
    """A PostgreSQL that runs, and a connection to make databases with."""

    url: sa.URL
    administrator: psycopg.Connection
    reused: set[str]

    def address(self, database: str) -> str:
        """Return the URL of a database."""
        return self.url.set(database=database).render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Run what cannot be in a transaction."""
        self.administrator.execute(statement)

    def emptied(self, name: str) -> str:
        """Return the address of an empty store that others had before: copies take time."""
        if name not in self.reused:
            self.reused.add(name)
            self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        with psycopg.connect(self.url.set(database=name).render_as_string()) as connection:
            connection.execute(EMPTY)
        return self.address(name)


EMPTY = (
    "; ".join(f"DELETE FROM {table}" for table in metadata.tables)
    + """;
    INSERT INTO secrets VALUES ('tombstones', 'salt');
    SELECT setval(c.oid, 1, false) FROM pg_class c WHERE c.relkind = 'S'"""
)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store in SQLite, to be copied."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    Store.open(str(path)).close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server with an empty store to be copied."""
    with running_postgresql() as uri, psycopg.connect(uri, autocommit=True) as administrator:
        server = Server(sa.make_url(uri), administrator, set())
        server.run(f"CREATE DATABASE {TEMPLATE}")
        Store.open(server.address(TEMPLATE)).close()
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database a test meets."""
    return request.param


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An address at which nothing is yet: no file, or a database without tables."""
    if kind == "sqlite":
        yield str(tmp_path / "empty.db")
    else:
        server, name = request.getfixturevalue("postgresql"), f"empty_{next(numbered)}"
        server.run(f"CREATE DATABASE {name}")
        yield server.address(name)
        server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store."""
    if kind == "sqlite":
        path = tmp_path / "shop.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield str(path)
    else:
        yield request.getfixturevalue("postgresql").emptied("first")


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path
) -> Iterator[str]:
    """The address of a second empty store, on the same database as the first or on the other."""
    if request.param == "sqlite":
        yield str(shutil.copy(sqlite_template, tmp_path / "other.db"))
    else:
        yield request.getfixturevalue("postgresql").emptied("second")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, open."""
    with Store.open(store_url) as opened:
        yield opened


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    """An empty store in SQLite, for what is the same on both."""
    shutil.copy(sqlite_template, tmp_path / "shop.db")
    with Store.open(str(tmp_path / "shop.db")) as opened:
        yield opened
