"""The command line: each command parses, calls the library once, and prints.

Results go to standard output; what was understood, progress and errors go to standard error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated

import typer

import penchant
from penchant.cli.asking import explain, recommend, similar
from penchant.cli.comparing import compare
from penchant.cli.demonstrating import demo
from penchant.cli.examining import doctor
from penchant.cli.fitting import evaluate, fit
from penchant.cli.ingesting import backup, ingest, restore
from penchant.cli.inspecting import inspect
from penchant.cli.keys import keys
from penchant.cli.predicting import predict
from penchant.cli.preparing import prepare
from penchant.cli.running import Commands
from penchant.cli.serving import serve
from penchant.cli.training import models, promote, rollback, train
from penchant.cli.tuning import tune

app = typer.Typer(
    name="penchant",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(penchant.__version__)
        raise typer.Exit


@app.callback(
    epilog="New here? Try [bold]penchant demo[/], then [bold]penchant compare FILE[/]; "
    "for a site, [bold]penchant serve --demo[/]."
)
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Personalised recommendations from a file of who rated, bought or watched what."""


PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (demo, inspect, compare),
    "Your own data": (prepare, fit, tune, evaluate, recommend, similar, explain, predict),
    "A service": (serve, ingest, train, models, promote, rollback, backup, restore),
    "Help": (doctor,),
}
for panel, commands in PANELS.items():
    for command in commands:
        # The lines of a docstring end where the code's do; a terminal has its own width.
        text = re.sub(r"(?<!\n)\n(?!\n)", " ", cleandoc(command.__doc__ or ""))
        app.command(command.__name__, rich_help_panel=panel, help=text)(command)
app.add_typer(keys, name="keys", rich_help_panel="A service")
