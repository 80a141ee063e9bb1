"""penchant keys: who may ask a service."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli import reading as r
from penchant.cli.running import FormatOption, note, output
from penchant.cli.telling import show
from penchant.errors import UnknownId, near

if TYPE_CHECKING:
    from penchant.store.keys import Key


class Scope(StrEnum):
    """What a key may do."""

    ingest = "ingest"
    read = "read"
    admin = "admin"


keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys of a service.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, for people.")],
    store: r.StoreUrl,
    scope: Annotated[
        list[Scope],
        typer.Option(
            "--scope", help="ingest: sends events; read: asks; admin: everything. Repeat for more."
        ),
    ],
    per_second: Annotated[
        float | None,
        typer.Option("--per-second", show_default="as the server", help="Requests a second."),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option("--days", min=0, show_default="for ever", help="How long it is valid."),
    ] = None,
) -> None:
    """Make a key and print it: this once, for the store keeps only its hash.

    From the first key on, the service answers nobody without one.
    """
    from penchant.serving.moments import clock
    from penchant.store.store import Store
    from penchant.times import DAY

    now = clock()
    expires = None if days is None else now + round(days * DAY)
    with Store.open(store) as opened:
        first = not opened.keys.any()
        key_id, secret = opened.keys.create(
            name, [one.value for one in scope], now=now, per_second=per_second, expires=expires
        )
    output().print(secret, soft_wrap=True, markup=False)
    note(f"Key {key_id} of {name!r}. Keep it: it cannot be shown again.")
    if first:
        note("It is the store's first: from now on every request needs a key.")


@keys.command("list")
def listed(store: r.StoreUrl, form: FormatOption = "table") -> None:
    """List the keys, oldest first, those expired and revoked too; never their secrets."""
    import polars as pl

    from penchant.serving.moments import clock, written
    from penchant.store.store import Store

    with Store.open(store, create=False) as opened:
        found = opened.keys.list()
    now = clock()
    columns = ("key", "name", "scopes", "per second", "made", "state")
    rows = [
        (
            key.key_id,
            key.name,
            " ".join(key.scopes),
            key.per_second,
            written(key.created)[:10],
            _state(key, now),
        )
        for key in found
    ]
    types = [pl.String, pl.String, pl.String, pl.Float64, pl.String, pl.String]
    show(pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row"), form)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As keys list shows it.")],
    store: r.StoreUrl,
) -> None:
    """Make a key invalid for good; every worker refuses it from its next request on."""
    from penchant.serving.moments import clock
    from penchant.store.store import Store

    with Store.open(store, create=False) as opened:
        if not opened.keys.revoke(key, now=clock()):
            known = [one.key_id for one in opened.keys.list()]
            raise UnknownId(f"there is no key {key!r}.{near(key, known)} See penchant keys list.")
    note(f"Key {key} is revoked.")


def _state(key: Key, now: int) -> str:
    if key.revoked is not None:
        return "revoked"
    return "valid" if key.valid(now) else "expired"
