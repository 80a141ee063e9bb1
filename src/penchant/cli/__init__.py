"""The command line: each command parses, calls the library once, and prints.

Results go to standard output; what was understood, progress and errors go to standard error.
"""

from __future__ import annotations

from typing import Annotated

import typer

import penchant
from penchant.cli.asking import explain, recommend, similar
from penchant.cli.comparing import compare
from penchant.cli.demonstrating import demo
from penchant.cli.examining import doctor
from penchant.cli.fitting import evaluate, fit
from penchant.cli.running import Commands

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


@app.callback(epilog="New here? Try [bold]penchant demo[/], then [bold]penchant compare FILE[/].")
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Personalised recommendations from a file of who rated, bought or watched what."""


START, OWN, HELP = "Start here", "Your own data", "Help"

app.command("demo", rich_help_panel=START)(demo)
app.command("compare", rich_help_panel=START)(compare)
app.command("fit", rich_help_panel=OWN)(fit)
app.command("evaluate", rich_help_panel=OWN)(evaluate)
app.command("recommend", rich_help_panel=OWN)(recommend)
app.command("similar", rich_help_panel=OWN)(similar)
app.command("explain", rich_help_panel=OWN)(explain)
app.command("doctor", rich_help_panel=HELP)(doctor)
