"""A URL to an engine of SQLAlchemy: SQLite in one file, or PostgreSQL.

What differs between the two and is not a statement stands here: how a connection is set up, how a
transaction begins, how writers take turns, and what an error of the driver means to people.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from penchant.errors import BadStore, MissingExtra

try:
    import sqlalchemy as sa
    from sqlalchemy import event, exc
except ImportError as error:
    raise MissingExtra("a store", "sqlalchemy", "serve") from error

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPICursor

APPLICATION = 0x70656E63
"""Written into the head of each SQLite file that is a store: "penc"."""

PATIENCE = 30.0
"""Seconds for which a writer waits for its turn."""

FORMS = "a path (shop.db), sqlite:///shop.db or postgresql+psycopg://user@host/database"


def address(url: str) -> sa.URL:
    """Read where a store is: a path, or a URL of SQLite or PostgreSQL.

    Raises
    ------
    BadStore : any other database, a database in memory, or text that is no URL.
    """
    if "://" not in url:
        parsed = sa.URL.create("sqlite", database=url)
    else:
        try:
            parsed = sa.make_url(url)
        except (exc.ArgumentError, ValueError):  # its message may quote a password
            raise BadStore(f"The address of the store is not a URL. Give {FORMS}.") from None
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise BadStore(f"A store is SQLite or PostgreSQL, not {parsed.drivername!r}. Give {FORMS}.")
    if parsed.query:
        raise BadStore(f"{shown(parsed)} has parameters; a store in SQLite takes none.")
    if parsed.database in (None, "", ":memory:"):
        raise BadStore(
            "A store in memory would be lost and cannot be shared. Give the path of a file."
        )
    return sa.URL.create("sqlite", database=str(Path(str(parsed.database)).expanduser().absolute()))


def shown(url: sa.URL) -> str:
    """Return what messages call a store: its path, or its URL without passwords."""
    if url.drivername == "sqlite":
        return str(url.database)
    hidden = url.difference_update_query([name for name in url.query if "pass" in name.lower()])
    return hidden.render_as_string(hide_password=True)


class Turns:
    """Who writes next to one SQLite file, among all threads of all processes.

    SQLite lets those who wait sleep up to 100 ms between tries, and whoever has just committed is
    the first to try again, so that others may starve. Here one at a time tries, many times a
    millisecond; the others stand behind it in the kernel, the last writer too. The lock is on a
    file of its own, for closing any other handle on the database would drop SQLite's own locks.
    A process that dies loses its place and nothing else.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._here = threading.Lock()

    def take(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction that writes.

        Raises
        ------
        BadStore : another program has kept the file locked for half a minute.
        """
        with self._here, self.held():
            # SQLite's own short locks (recovery, the last one out) readers wait out in its way.
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                self._begin(connection)
            finally:
                connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")

    def _begin(self, connection: sqlite3.Connection) -> None:
        end = time.monotonic() + PATIENCE
        pause = 0.0
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() > end:
                    raise BadStore(
                        f"{self.path.with_suffix('')} was locked for {PATIENCE:.0f} seconds. "
                        "Which other program writes to it?"
                    ) from error
            time.sleep(pause)
            pause = min(pause + 0.00005, 0.001)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock on the file, waiting for whoever has it."""
        with self.path.open("ab") as file:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def connected(url: sa.URL, *, create: bool) -> sa.Engine:
    """Return an engine on a store that can be reached; nothing is written to what is foreign.

    Raises
    ------
    BadStore : the file or server is absent, foreign or out of reach.
    MissingExtra : psycopg is not installed.
    """
    return _sqlite(url, create) if url.drivername == "sqlite" else _postgresql(url)


def _sqlite(url: sa.URL, create: bool) -> sa.Engine:
    path = Path(str(url.database))
    if not path.parent.is_dir():
        raise BadStore(f"{path}: there is no folder {path.parent}. Make it first.")
    if not path.exists() and not create:
        raise BadStore(
            f"{path} does not exist. To make a store: penchant ingest EVENTS --store {path}"
        )
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",  # the driver begins nothing by itself; we do
        connect_args={"check_same_thread": False, "timeout": PATIENCE},
        hide_parameters=True,
        pool_size=16,
        max_overflow=-1,
        pool_use_lifo=True,
    )
    turns = Turns(path)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        for setting in SETTINGS:
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        if connection.get_execution_options().get("writes"):
            turns.take(raw)
        else:
            raw.execute("BEGIN")

    try:
        _claim(engine, path, turns, create)
    except BaseException:
        engine.dispose()
        raise
    return engine


SETTINGS = (
    "synchronous = FULL",  # with a log written ahead: each commit is on the disk before it returns
    "cache_size = -16000",
    "mmap_size = 4294967296",  # pages that several processes read are in memory once
    "journal_size_limit = 67108864",
)


def _claim(engine: sa.Engine, path: Path, turns: Turns, create: bool) -> None:
    """See that a file is a store or empty; an empty one becomes ours."""
    try:
        with closing(engine.raw_connection()) as raw:
            if _ours(raw.cursor(), path):
                return
            if not create:
                raise BadStore(f"{path} is empty and not a store.")
            with turns.held():  # of two processes one makes it
                if not _ours(raw.cursor(), path):
                    raw.cursor().execute("PRAGMA journal_mode = WAL")
                    raw.cursor().execute(f"PRAGMA application_id = {APPLICATION}")
    except (exc.DBAPIError, sqlite3.Error, OSError) as error:
        raise BadStore(f"{path} cannot be used as a store: {_said(error)}.") from error


def _ours(cursor: DBAPICursor, path: Path) -> bool:
    """Whether a file is marked as a store; not yet, if it is empty."""
    cursor.execute("SELECT application_id, (SELECT count(*) FROM sqlite_master) "
                   "FROM pragma_application_id")  # fmt: skip
    owner, tables = cursor.fetchone() or (0, 0)
    if owner != APPLICATION and (owner or tables):
        raise BadStore(
            f"{path} is a database of another program, not a store. Nothing was changed."
        )
    return bool(owner == APPLICATION)


def _said(error: BaseException) -> str:
    """Return the driver's own words, on one line."""
    original = getattr(error, "orig", None) or error
    return " ".join(str(original).split()).rstrip(".")


def _postgresql(url: sa.URL) -> sa.Engine:
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("a store in PostgreSQL", "psycopg", "postgres") from error
    engine = sa.create_engine(
        url, pool_size=8, max_overflow=-1, pool_use_lifo=True, hide_parameters=True
    )
    try:
        with engine.connect() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    except (exc.DBAPIError, psycopg.Error) as error:
        engine.dispose()
        raise unreachable(url, error) from error
    if encoding != "UTF8":
        engine.dispose()
        raise BadStore(f"{shown(url)} is encoded as {encoding}. Make the database with UTF8.")
    return engine


def unreachable(url: sa.URL, error: BaseException) -> BadStore:
    """Return what to raise when a server does not answer."""
    why = _said(error).partition(" Is the server running")[0]  # we ask that, and more
    return BadStore(
        f"{shown(url)} cannot be reached: {why}. "
        "Is the server running, does the database exist, and may this user connect?"
    )


def broken(url: sa.URL, error: Exception) -> BadStore | None:
    """Return what to raise when the disk or the server fails; None: it is another kind of error."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        # The low byte is the error, the rest says where it came from.
        if getattr(original, "sqlite_errorcode", 0) & 0xFF not in FAILURES:
            return None
        return BadStore(f"{shown(url)} cannot be used: {_said(original)}.")
    state = getattr(original, "sqlstate", "")  # None: the server said nothing more
    lost = state is None and type(original).__name__ == "OperationalError"
    return unreachable(url, original) if lost or (state or "")[:3] in REFUSALS else None


FAILURES = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY,
}  # fmt: skip
REFUSALS = {"57P", "080", "531", "532", "533"}
"""Starts of SQLSTATE: shutting down, no connection, the disk, memory or connections used up."""
