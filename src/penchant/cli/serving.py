"""penchant serve: events in, recommendations out, over HTTP."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from penchant.cli.running import errors, note, output, pasted, working
from penchant.errors import BadParameter

SERVER = "Where to listen"
TRAINING = "Training"
WHO = "Who may ask"

Style = Literal["json", "text"]


def serve(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL", show_default=False, envvar="PENCHANT_STORE",
            help="An SQLite file (shop.db), or postgresql+psycopg://user@host/database.",
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="A temporary store with films, ratings and a model.")
    ] = False,
    models: Annotated[
        Path | None, typer.Option(help="Folder of the models; by default beside the SQLite file.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Beyond 127.0.0.1 the store needs a key.", rich_help_panel=SERVER)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0: any free one.", rich_help_panel=SERVER)
    ] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes.", rich_help_panel=SERVER)
    ] = 1,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="localhost and 127.0.0.1",
            rich_help_panel=WHO,
            help="A name by which a service without keys may be called; repeat.",
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            show_default="none",
            rich_help_panel=WHO,
            help="Whose pages may ask from a browser, such as https://shop.example; repeat.",
        ),
    ] = None,
    per_second: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            show_default="no limit",
            rich_help_panel=WHO,
            help="Requests a second of each key, or of each address without one.",
        ),
    ] = None,
    train_every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            show_default="never",
            rich_help_panel=TRAINING,
            help="Train this often, such as 6h or 1d, in a process of its own; as penchant train.",
        ),
    ] = None,
    train_memory: Annotated[
        str, typer.Option(metavar="SIZE", rich_help_panel=TRAINING, help="What it may use.")
    ] = "2GB",
    train_threads: Annotated[
        int, typer.Option(min=1, rich_help_panel=TRAINING, help="How many it may use.")
    ] = 1,
    log: Annotated[
        Style | None,
        typer.Option(
            show_default="text on a terminal, else json",
            rich_help_panel=SERVER,
            help="How to log requests and errors on standard error.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Serve recommendations over HTTP: events in, lists out, a page to see it working.

    Try it with [bold]penchant serve --demo[/]. Everything is in the store: each worker process sees
    an event from the moment it is accepted. Ctrl-C answers what is in flight and ends.
    """
    typed = getattr(context.get_parameter_source("store"), "name", None) == "COMMANDLINE"
    if (demo and typed) or not (demo or store):
        raise BadParameter("name a store (--store shop.db), or take --demo: one of the two")
    from penchant.cli.training import plan
    from penchant.serving.access import Policy
    from penchant.serving.server import Settings
    from penchant.serving.server import serve as start

    def ready(address: str, trained: bool) -> None:
        output().print(f"Serving at [bold]{address}[/] - open it in a browser. Ctrl-C ends.")
        if not trained:
            train = pasted(["train", *(["--store", str(store)] if typed else [])])
            note(f"There is no model yet: everyone gets what is popular. Train one: {train}")

    with tempfile.TemporaryDirectory(prefix="penchant-demo-") as folder:
        url = str(Path(folder, "demo.db")) if demo or store is None else store
        if demo:
            _fill(url)
        settings = Settings(
            store=url, models=models, host=host, port=port, workers=workers,
            policy=Policy(
                hosts=frozenset(allow_host or ()),
                origins=frozenset(cors or ()),
                per_second=per_second,
            ),
            log=log or ("text" if errors().is_terminal else "json"),
            train=plan(url, models, train_every, train_memory, train_threads),
        )  # fmt: skip
        start(settings, ready=ready)


def _fill(url: str) -> None:
    """Make the demo's store, showing what is being done."""
    from penchant.serving.demo import fill
    from penchant.serving.moments import clock
    from penchant.store.store import Store

    with working("Preparing the demo") as update, Store.open(url) as store:
        fill(store, now=clock(), say=update)
    errors().print("[dim]The demo's store is temporary: it is deleted at the end.[/]")
