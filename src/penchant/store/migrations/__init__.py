"""Alembic's migrations of a store, run when it is opened."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

from penchant.errors import BadStore, MissingExtra

NEWEST = 1
"""The number of the last file in ``versions``: the schema that this code knows."""


def level(connection: sa.Connection) -> int:
    """Return which schema a database has; 0: none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return 0
    return int(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def checked(found: int, where: str) -> int:
    """Refuse what a newer penchant made."""
    if found > NEWEST:
        raise BadStore(
            f"{where} has schema {found}, this penchant knows up to {NEWEST}. "
            "Upgrade penchant, or restore a backup made by this version."
        )
    return found


def upgrade(connection: sa.Connection) -> None:
    """Bring a database to the newest schema, within the transaction of ``connection``."""
    try:
        from alembic import command
        from alembic.config import Config
    except ImportError as error:
        raise MissingExtra("making or upgrading a store", "alembic", "serve") from error
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def salt() -> bytes:
    """Return what tombstones are hashed with in a new store."""
    return os.urandom(32)
