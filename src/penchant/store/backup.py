"""A store as one file, the same from SQLite and PostgreSQL, and back into either.

The file is a zip: ``manifest.json``, each table as Parquet in parts, and the files of the model in
use. The manifest holds the SHA-256 of every other member.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import sqlalchemy as sa

import penchant
from penchant.directories import replacing, sync
from penchant.errors import BadParameter, BadStore, Conflict
from penchant.store.migrations import NEWEST
from penchant.store.numbers import driver
from penchant.store.rows import copy_postgresql, insert_sqlite, unindexed
from penchant.store.schema import metadata, models, promotions

if TYPE_CHECKING:
    from penchant.store.store import Store

PART = 200_000
"""Rows of a table in one member of the file."""

SORTED = 5_000_000
"""Rows whose index SQLite sorts in memory."""

MANIFEST = "manifest.json"
FORM = "penchant store 1"

ALWAYS = ("secrets", "numbers")
"""Tables that hold rows in an empty store."""

OnStep = Callable[[str], None]


class Manifest(msgspec.Struct, kw_only=True):
    """What a backup holds.

    Parameters
    ----------
    form : what kind of file it is.
    schema : the number of the store's schema.
    penchant : the version that wrote it.
    made : when, in ISO 8601.
    kind : what the store stood on, "sqlite" or "postgresql".
    position : of the last event in it; all events before are in it too, but those erased.
    tables : rows by table.
    numbered : the last number given to a row, by table; numbers go on after it.
    models : versions whose files are in it.
    files : SHA-256 by member.
    """

    form: str
    schema: int
    penchant: str
    made: str
    kind: str
    position: int
    tables: dict[str, int]
    numbered: dict[str, int]
    models: list[str]
    files: dict[str, str]


def backup(
    store: Store, path: Path, *, overwrite: bool = False, on_step: OnStep | None = None
) -> Manifest:
    """Write a store to a file: what it held at one moment, while others go on writing.

    The file appears whole or not at all. Of the models only the one in use is in it.

    Parameters
    ----------
    path : where; by convention it ends in ``.zip``.
    overwrite : replace what is there.
    on_step : called with what is being written.

    Raises
    ------
    BadParameter : no such folder, or something is there already.
    """
    if not path.absolute().parent.is_dir():
        raise BadParameter(f"{path}: there is no folder {path.absolute().parent}")
    if path.exists() and not overwrite:
        raise BadParameter(f"{path} is there already; give another name, or overwrite it")
    beside = path.with_name(f".{path.name}.penchant-new")
    try:
        with beside.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                made = _written(store, archive, on_step or (lambda _: None))
            sync(file)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return made


def _written(store: Store, archive: zipfile.ZipFile, on_step: OnStep) -> Manifest:
    made = Manifest(
        form=FORM, schema=NEWEST, penchant=penchant.__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"), kind=store.kind, position=0,
        tables={}, numbered={}, models=[], files={},
    )  # fmt: skip
    with _snapshot(store) as connection:
        for table in metadata.sorted_tables:
            on_step(table.name)
            made.tables[table.name] = 0
            for n, rows in enumerate(_parts(connection, table)):
                made.tables[table.name] += len(rows)
                buffer = io.BytesIO()
                rows.write_parquet(buffer)
                inside = f"tables/{table.name}/{n:05}.parquet"
                made.files[inside] = hashlib.sha256(buffer.getbuffer()).hexdigest()
                archive.writestr(inside, buffer.getvalue())
                if table.name == "events":
                    made.position = int(rows["position"][-1])
        made.numbered = _numbered(connection)
        last = sa.select(promotions.c.version).order_by(promotions.c.number.desc()).limit(1)
        used = connection.execute(last).scalar()
    if used is not None:
        on_step("the model in use")
        made.models.append(used)
        folder = store.models.path(used)
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            inside = f"models/{used}/{file.relative_to(folder).as_posix()}"
            with file.open("rb") as content:
                made.files[inside] = hashlib.file_digest(content, "sha256").hexdigest()
            archive.write(file, inside)
    archive.writestr(MANIFEST, msgspec.json.encode(made))
    return made


@contextmanager
def _snapshot(store: Store) -> Iterator[sa.Connection]:
    """Read all tables as they are at one moment."""
    if store.kind == "sqlite":
        with store.reading() as connection:
            yield connection
        return
    with (
        store.engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection,
        connection.begin(),
    ):
        yield connection


def _parts(connection: sa.Connection, table: sa.Table) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table by its key."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    sql = f"SELECT {names} FROM {table.name} ORDER BY {key}"
    raw = driver(connection)
    # A cursor with a name stays on the server, which else sends all rows at once.
    cursor = raw.cursor() if connection.dialect.name == "sqlite" else raw.cursor(name="backup")
    cursor.execute(sql)
    while rows := cursor.fetchmany(PART):
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        yield pl.DataFrame([_series(column, cells) for column, cells in columns])
    cursor.close()


def _series(column: sa.Column[Any], cells: tuple[Any, ...]) -> pl.Series:
    if isinstance(column.type, sa.Boolean):  # a number in SQLite
        return pl.Series(column.name, [None if one is None else bool(one) for one in cells])
    kinds: list[tuple[type[Any], Any]] = [
        (sa.Integer, pl.Int64), (sa.Float, pl.Float64), (sa.LargeBinary, pl.Binary)
    ]  # fmt: skip
    found = next((dtype for kind, dtype in kinds if isinstance(column.type, kind)), pl.String)
    return pl.Series(column.name, cells, dtype=found)


def _counted() -> list[tuple[str, str]]:
    """Return the tables whose rows are numbered, and the columns of numbers."""
    tables = metadata.sorted_tables
    columns = [(table.name, table.autoincrement_column) for table in tables]
    return [
        (name, column.name)
        for name, column in columns
        if column is not None and column.autoincrement is True
    ]


def _numbered(connection: sa.Connection) -> dict[str, int]:
    """Return the last number given in each table, also if its row is gone."""
    raw = driver(connection)
    if connection.dialect.name == "sqlite":
        known = dict(raw.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        return {name: int(known.get(name, 0)) for name, _ in _counted()}
    found = {}
    for name, column in _counted():
        (sequence,) = raw.execute(
            "SELECT pg_get_serial_sequence(%s, %s)", (name, column)
        ).fetchone()
        last, given = raw.execute(f"SELECT last_value, is_called FROM {sequence}").fetchone()
        found[name] = last if given else 0
    return found


def checked(path: Path) -> Manifest:
    """Read what a backup holds, and see that every byte of it is as it was written.

    Raises
    ------
    BadStore : no such file, no backup, a damaged one, or one of another schema.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            made = _manifest(path, archive)
            listed = [one for one in archive.namelist() if one != MANIFEST]
            if sorted(listed) != sorted(made.files):
                raise BadStore(f"{path} is damaged: members are missing or added")
            for name, digest in made.files.items():
                if _hashed(archive, name) != digest:
                    raise BadStore(f"{path} is damaged: {name} is not as it was written")
    except FileNotFoundError:
        raise BadStore(f"{path} does not exist") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as e:
        raise BadStore(f"{path} is damaged, or no backup of a store: {e}") from e
    return made


def _hashed(archive: zipfile.ZipFile, name: str) -> str:
    found = hashlib.sha256()
    with archive.open(name) as member:
        while block := member.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        made = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (KeyError, msgspec.MsgspecError) as e:
        raise BadStore(f"{path} is no backup of a store: {e}") from e
    known = {table.name for table in metadata.sorted_tables}
    for name in made.files:
        if not re.fullmatch(rf"tables/({'|'.join(known)})/\d+\.parquet|models/m\d+/.+", name):
            raise BadStore(f"{path} is no backup of a store: {name} does not belong in one")
    if made.form != FORM:
        raise BadStore(f"{path} is of another form, {made.form!r}; this penchant reads {FORM!r}")
    if made.schema != NEWEST:
        raise BadStore(
            f"{path} has schema {made.schema}, this penchant {NEWEST}. Restore it with penchant "
            f"{made.penchant}, which wrote it; then a newer one brings the store up to date"
        )
    return made


def restore(
    path: Path, store: Store, *, replace: bool = False, on_step: OnStep | None = None
) -> Manifest:
    """Fill a store from a backup, whole or not at all, wherever the backup was made.

    Models whose files are not in the backup become retired.

    Parameters
    ----------
    replace : delete what the store holds; else it must be empty.
    on_step : called with what is being written.

    Raises
    ------
    BadStore : a damaged backup, or one of another schema; nothing was changed.
    Conflict : the store is not empty; nothing was changed.
    """
    made, said = checked(path), on_step or (lambda _: None)
    tables = {table.name: table for table in metadata.sorted_tables}
    with zipfile.ZipFile(path) as archive, store.writing() as connection:
        _emptied(connection, replace)
        with _quickly(connection, made.tables):
            for name in sorted(made.files):
                kind, of, *_ = name.split("/")
                if kind == "tables":
                    said(of)
                    rows = pl.read_parquet(archive.read(name))
                    _filled(connection, tables[of], rows)
        _go_on_after(connection, made.numbered)
        absent = models.c.version.not_in(made.models)
        connection.execute(sa.update(models).where(absent).values(state="retired"))
        for version in made.models:
            said("the model in use")
            _extract(archive, version, store.models.folder)
    return made


def _emptied(connection: sa.Connection, replace: bool) -> None:
    """See that nothing is in the store, or delete it; nobody else writes from here on."""
    names = [table.name for table in metadata.sorted_tables]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN EXCLUSIVE MODE")
    for table in metadata.sorted_tables:
        there = sa.select(sa.literal(1)).select_from(table).limit(1)
        if not replace and table.name not in ALWAYS and connection.execute(there).first():
            raise Conflict(
                f"The store is not empty: it holds {table.name}. Restore into a new one, or say "
                "that what it holds is to be replaced: --replace"
            )
    for table in metadata.sorted_tables:
        connection.execute(sa.delete(table))


@contextmanager
def _quickly(connection: sa.Connection, rows: dict[str, int]) -> Iterator[None]:
    """Build indexes last where that is quicker, and what is sorted for them fits into memory."""
    if connection.dialect.name == "sqlite" and sum(rows.values()) <= SORTED:
        with unindexed(driver(connection), list(rows)):
            yield
    else:
        yield


def _filled(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    raw = driver(connection)
    if connection.dialect.name == "postgresql":
        copy_postgresql(raw, table.name, rows)
    elif insert_sqlite(raw, table.name, rows) < len(rows):
        raise BadStore(f"The backup holds rows of {table.name} twice.")


def _go_on_after(connection: sa.Connection, numbered: dict[str, int]) -> None:
    """Let numbers of rows go on after those given before the backup."""
    raw = driver(connection)
    for name, column in _counted():
        last = numbered.get(name, 0)
        if connection.dialect.name == "sqlite":
            raw.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            raw.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))
        else:
            raw.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)",
                (name, column, max(last, 1), last > 0),
            )


def _extract(archive: zipfile.ZipFile, version: str, folder: Path) -> None:
    """Put the files of a model where the registry looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"models/{version}/"
    with replacing(folder / version, lambda: None) as new:
        for name in archive.namelist():
            if not name.startswith(prefix):
                continue
            target = new / name.removeprefix(prefix)
            if not target.resolve().is_relative_to(new.resolve()):
                raise BadStore(f"{name} leads out of the folder of models")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as member, target.open("wb") as file:
                shutil.copyfileobj(member, file)
                sync(file)
