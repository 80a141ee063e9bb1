"""penchant ingest, backup and restore: what goes into a store, and a store as one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli import reading as r
from penchant.cli.running import note, output, working
from penchant.errors import BadParameter

if TYPE_CHECKING:
    import polars as pl

    from penchant.store.ingest import Ingested
    from penchant.store.store import Store

BATCH = 10_000
"""Items or users written in one transaction."""


def ingest(
    store: r.StoreUrl,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...", show_default=False,
            help="Events: CSV, TSV, JSON lines, Parquet or Arrow, or a MovieLens folder.",
        ),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option("--items", metavar="FILE", help="A table that describes the items."),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option("--users", metavar="FILE", help="A table that describes the users."),
    ] = None,
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected", metavar="FILE", show_default="beside the file: NAME.rejected.csv",
            help="Where rows that cannot be used go, each with its line and the reason.",
        ),
    ] = None,
    context: r.Context = None,
    event_id_column: r.EventIdColumn = None,
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:  # fmt: skip
    """Load history into a store: events, and tables that describe items and users.

    Each event is stored once, however often this runs: stopped in the middle and started again,
    it goes on, and of a file that has grown only the new rows are added. The service may run
    meanwhile.

    penchant ingest events.csv --items products.csv --store shop.db
    """
    from penchant.store.store import Store

    if not files and items is None and users is None:
        raise BadParameter("name a file of events, or --items FILE, or --users FILE")
    if rejected is not None and len(files or ()) != 1:
        raise BadParameter("--rejected names one file: ingest the files of events one by one")
    columns = {
        "event_id": event_id_column, "context": context or (), "user": user_column,
        "item": item_column, "value": value_column, "time": time_column,
        "time_format": time_format, "zone": zone or "UTC",
    }  # fmt: skip
    with Store.open(store) as opened:
        for file in files or ():
            _load(opened, file, rejected, columns, described=items is None)
        if items is not None:
            _describe(opened, "items", _table(items), zone)
        if users is not None:
            _describe(opened, "users", _table(users), zone)


def _now() -> int:
    """Return microseconds since 1970."""
    import time

    return time.time_ns() // 1000


def _table(path: Path) -> pl.DataFrame:
    from penchant import datasets

    return datasets.table(path)


def _load(
    store: Store, file: str, rejected: Path | None, columns: dict[str, Any], described: bool
) -> None:
    from penchant import datasets
    from penchant.files import read_table
    from penchant.store.ingest import ingest as ingested

    with working(f"Reading {file}") as update:
        path, items, users = datasets.tables(Path(file))
        table, first_row, notes = read_table(path)
        update(f"Ingesting {file}", 0, len(table))
        found = ingested(
            store, table, now=_now(), source=path.name, first_row=first_row,
            on_rows=lambda n: update(None, n), **columns,
        )  # fmt: skip
    for line in (*found.reading.lines(), *notes):
        note(line)
    _tell(path.name, found, rejected or path.with_name(f"{path.stem}.rejected.csv"))
    if items is not None and described:
        _describe(store, "items", items, None)
    if users is not None:
        _describe(store, "users", users, None)


def _tell(name: str, found: Ingested, rejected: Path) -> None:
    """Print the counts, and write the rows that were rejected."""
    out = len(found.rejected)
    output().print(
        f"{name}: {found.accepted:,} accepted, {found.duplicates:,} duplicates, {out:,} rejected",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    if out:
        _write(found.rejected, rejected)
        output().print(f"Rejected rows and why: {rejected}", markup=False, soft_wrap=True)


def _write(table: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all; cells that hold several values as JSON."""
    import polars as pl

    from penchant.directories import sync

    nested = [c.name for c in table if c.dtype.is_nested()]
    flat = table.with_columns(pl.struct(n).struct.json_encode().alias(n) for n in nested)
    beside = path.with_name(f".{path.name}.penchant-new")
    try:
        with beside.open("wb") as file:
            flat.write_csv(file)
            sync(file)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _describe(store: Store, what: str, table: pl.DataFrame, zone: str | None) -> None:
    """Load a table of items or users."""
    from penchant.store.tables import items_of, users_of

    rows: list[Any] = (
        items_of(table, zone=zone or "UTC") if what == "items" else users_of(table)
    )  # fmt: skip
    put: Any = store.items.put if what == "items" else store.users.put
    with working(f"Storing {what}") as update:
        for at in range(0, len(rows), BATCH):
            put(rows[at : at + BATCH], now=_now())
            update(None, at, len(rows))
    output().print(f"{len(rows):,} {what} described", markup=False)


def backup(
    to: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write, such as shop.zip.")
    ],
    store: r.StoreUrl,
    models: r.Models = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already.")
    ] = False,
) -> None:
    """Write a store to one file, as it is at this moment; the service goes on meanwhile.

    The file holds everything but models that are not in use, and is the same from SQLite and
    PostgreSQL: restored into the other, it moves a store there.

    penchant backup shop-monday.zip --store shop.db
    """
    from penchant.store.backup import backup as written
    from penchant.store.store import Store

    with working("Backing up") as update, Store.open(store, create=False, models=models) as opened:
        made = written(opened, to, overwrite=overwrite, on_step=update)
    _told(f"Written: {to}", made.tables, made.models)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What penchant backup wrote.")],
    store: r.StoreUrl,
    models: r.Models = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what the store holds; else it must be empty.")
    ] = False,
) -> None:
    """Fill a store from a backup, whole or not at all.

    The backup is checked first: of a damaged one nothing is restored. Restart the service after a
    restore with --replace.

    penchant restore shop-monday.zip --store postgresql+psycopg://shop@localhost/shop
    """
    from penchant.store.backup import checked
    from penchant.store.backup import restore as restored
    from penchant.store.store import Store

    with working(f"Checking {file}") as update:
        checked(file)  # so that a damaged one does not leave an empty store
        with Store.open(store, models=models) as opened:
            made = restored(file, opened, replace=replace, on_step=update)
    _told(f"Restored: {file}", made.tables, made.models)


def _told(what: str, tables: dict[str, int], models: list[str]) -> None:
    counts = ", ".join(f"{tables[name]:,} {name}" for name in ("events", "items", "users"))
    used = f", model {models[0]}" if models else ", no model"
    output().print(f"{what}: {counts}{used}", markup=False, soft_wrap=True)
