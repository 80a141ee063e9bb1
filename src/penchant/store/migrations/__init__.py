"""Alembic's migrations of a store, run when it is opened."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import sqlalchemy as sa

from penchant.errors import BadStore, MissingExtra
from penchant.store.schema import metadata

NEWEST = 1
"""The number of the last file in ``versions``: the schema that this code knows."""


VERSION = "penchant_schema"
"""The table in which Alembic notes where a database stands."""

FOLDER = Path(__file__).parent


def level(connection: sa.Connection, where: str) -> int:
    """Return which schema a database has; 0: it has no tables yet.

    Raises
    ------
    BadStore : a newer penchant made it, or another program has tables of the same names there.
    """
    there = set(sa.inspect(connection).get_table_names())
    if VERSION not in there:
        if strange := sorted(there & set(metadata.tables)):
            raise BadStore(
                f"{where} has tables of another program ({', '.join(strange)}). "
                "Give the store a database of its own."
            )
        return 0
    found = int(connection.exec_driver_sql(f"SELECT version_num FROM {VERSION}").scalar_one())
    if found > NEWEST:
        raise BadStore(
            f"{where} has schema {found}, this penchant knows up to {NEWEST}. "
            "Upgrade penchant, or restore a backup made by this version."
        )
    return found


def upgrade(connection: sa.Connection, found: int) -> None:
    """Bring a database from one schema to the newest, within the transaction of ``connection``."""
    try:
        from alembic.migration import MigrationContext
        from alembic.operations import Operations
        from alembic.script import ScriptDirectory
    except ImportError as error:
        raise MissingExtra("making or upgrading a store", "alembic", "serve") from error
    files = ScriptDirectory(str(FOLDER))
    context = MigrationContext.configure(connection, opts={"version_table": VERSION})
    for number in range(found + 1, NEWEST + 1):
        name = f"{number:04}"
        with _alone, Operations.context(context):
            files.get_revision(name).module.upgrade()
        context.stamp(files, name)


_alone = threading.Lock()
"""What migrations are written with, ``alembic.op``, is one for all threads of a process."""


def salt() -> bytes:
    """Return what tombstones are hashed with in a new store."""
    return os.urandom(32)
