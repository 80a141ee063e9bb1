"""A store: where events, items, people, models and what was shown are kept."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import sqlalchemy as sa

from penchant.errors import BadStore
from penchant.store import engine as engines
from penchant.store import migrations
from penchant.store.catalogue import Catalogue, People
from penchant.store.keys import Keys
from penchant.store.log import EventLog
from penchant.store.numbers import driver
from penchant.store.registry import Registry
from penchant.store.rules import Merchandising
from penchant.store.shown import RecommendationLog
from penchant.store.trainings import Trainings

MIGRATING = 0x70656E63_00000001
"""PostgreSQL's advisory lock on the schema."""


class Store:
    """Everything the service keeps, in one SQLite file or one PostgreSQL database.

    Every process opens its own; threads may share one. Use ``Store.open``.
    """

    def __init__(self, engine: sa.Engine, folder: Path | None = None) -> None:
        self.engine = engine
        self.kind = engine.dialect.name
        self.url = engine.url.render_as_string(hide_password=False)
        self.events = EventLog(self)
        self.trainings = Trainings(self)
        self.items = Catalogue(self)
        self.users = People(self)
        self.shown = RecommendationLog(self)
        self.rules = Merchandising(self)
        self.keys = Keys(self)
        self.models = Registry(self, folder or Path(f"{engine.url.database}.models").absolute())
        # On PostgreSQL each statement of a reader sees what is committed: no round trip to begin.
        self._reader = engine.execution_options(
            **({} if self.kind == "sqlite" else {"isolation_level": "AUTOCOMMIT"})
        )
        self._writer = engine.execution_options(writes=True)
        self._kept: list[sa.Connection] = []
        self._own = threading.local()

    @classmethod
    def open(
        cls, url: str, *, create: bool = True, models: str | os.PathLike[str] | None = None
    ) -> Store:
        """Open a store, making it or bringing its schema up to date where needed.

        Parameters
        ----------
        url : a path (``shop.db``), ``sqlite:///shop.db`` or ``postgresql+psycopg://user@host/db``.
        create : whether a new one may be made.
        models : the folder of saved models. None: the name of the file or database and ".models",
            beside the file, or for PostgreSQL in the current folder.

        Raises
        ------
        BadStore : absent, foreign, made by a newer penchant, or out of reach.
        MissingExtra : the driver is not installed.
        """
        where = engines.address(url)
        folder = None if models is None else Path(models).absolute()
        store = cls(engines.connected(where, create=create), folder)
        try:
            store._migrate(create)
        except BaseException:
            store.close()
            raise
        return store

    def _migrate(self, create: bool) -> None:
        where = engines.shown(self.engine.url)
        with self.reading() as connection:
            found = migrations.level(connection, where)
        if found == migrations.NEWEST:
            return
        if not found and not create:
            raise BadStore(f"{where} holds no store.")
        with self.writing() as connection:
            if self.kind == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
            # Another process may have been first.
            migrations.upgrade(connection, migrations.level(connection, where))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({engines.shown(self.engine.url)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Store holds connections and cannot be pickled. Open it in each process.")

    def close(self) -> None:
        """Close all connections. A store in SQLite is then one file again."""
        if "_glancing" in vars(self):
            self._glancing.close()
        while self._kept:
            self._kept.pop().close()
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Read: on SQLite one snapshot, on PostgreSQL each statement sees what is committed."""
        with self._connected(self._reader) as connection:
            connection.begin()
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Read as ``reading`` does, on SQLite by a connection that this thread keeps.

        For what is read with every request. Within it, nothing else may be: see ``driver``.
        """
        if self.kind != "sqlite":
            with self.reading() as connection:
                yield connection
            return
        if not hasattr(self._own, "connection"):
            self._own.connection = self._reader.connect()
            self._kept.append(self._own.connection)
        raw = driver(self._own.connection)
        try:
            raw.execute("BEGIN")
            try:
                yield self._own.connection
            finally:
                raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            if broken := engines.broken(self.engine.url, error):
                raise broken from error
            raise

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Write in one transaction, committed at the end, rolled back by an exception.

        Writers of one SQLite file take turns, whatever process they are in.
        """
        with self._connected(self._writer) as connection, connection.begin():
            yield connection

    @contextmanager
    def _connected(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        try:
            with engine.connect() as connection:
                yield connection
        except Exception as error:
            if broken := engines.broken(self.engine.url, error):
                raise broken from error
            raise

    def numbers(self, connection: sa.Connection | None = None) -> dict[str, int]:
        """Return the numbers that grow with each change, by name."""
        if connection is None:
            with self.reading() as connection:
                return self.numbers(connection)
        return dict(driver(connection).execute("SELECT name, number FROM numbers").fetchall())

    def glance(self, name: str) -> int:
        """Return one of the numbers, of a store in SQLite: microseconds, and nothing to wait for.

        For one thread: the connection is kept.
        """
        try:
            asked = "SELECT number FROM numbers WHERE name = ?"
            row = self._glancing.execute(asked, (name,)).fetchone()
        except sqlite3.Error as error:
            if broken := engines.broken(self.engine.url, error):
                raise broken from error
            raise
        return 0 if row is None else int(row[0])

    @cached_property
    def _glancing(self) -> sqlite3.Connection:
        kept = self.engine.raw_connection()
        raw = kept.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        kept.detach()  # from the pool: it is ours to close
        return raw

    @cached_property
    def salt(self) -> bytes:
        """What tombstones are hashed with, made with the store."""
        with self.reading() as connection:
            found = connection.exec_driver_sql(
                "SELECT value FROM secrets WHERE name = 'tombstones'"
            ).scalar_one()
        return bytes(found)
