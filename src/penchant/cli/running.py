"""What every command shares: how mistakes end, where lines go, progress."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from penchant.errors import PenchantError

if TYPE_CHECKING:
    from penchant.evaluation.comparison import Step
    from penchant.recommender import Epoch

Format = Literal["table", "csv", "json"]
FormatOption = Annotated[
    Format, typer.Option("--format", help="How to print the result: for people, or for programs.")
]


class Commands(TyperGroup):
    """Commands whose mistakes end in one red line and exit code 2, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except PenchantError as e:
            self._stop(str(e))
        except OSError as e:
            if e.errno == errno.EPIPE:  # whoever read our output has seen enough
                raise
            about = f"{e.filename}: " if e.filename else ""
            self._stop(f"{about}{e.strerror or e}")
        except MemoryError:
            self._stop("this needs more memory than there is; try fewer people or items")

    def _stop(self, message: str) -> None:
        errors().print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
        raise typer.Exit(2)


def output() -> Console:
    """Return the console that results are printed on."""
    return Console(highlight=False)


def errors() -> Console:
    """Return the console for everything else."""
    return Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """Say something beside the result."""
    errors().print(f"[dim]{escape(text)}[/]", soft_wrap=True)


def yourself() -> str:
    """Return how this program is called from here, so that lines it suggests can be pasted."""
    ours = Path(sys.argv[0])
    if ours == Path(__file__).parents[1] / "__main__.py":
        return f"{_called(Path(sys.executable))} -m penchant"
    return _called(ours) if ours.name == "penchant" else "penchant"


def _called(program: Path) -> str:
    """Return the name of a program if that finds it, else the shortest path from here."""
    found = shutil.which(program.name)
    if found is not None and os.path.samefile(found, program):
        return program.name
    here = os.path.relpath(program.absolute())
    return str(program.absolute()) if here.startswith("..") else here


@contextmanager
def working(what: str) -> Iterator[Any]:
    """Show that something is being done, on a terminal; yields the function that says what.

    It takes (what, done, total), any of them None if it does not change.
    """
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = errors()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown as bar:
        task = bar.add_task(what, total=None)

        def update(
            what: str | None = None, done: float | None = None, total: float | None = None
        ) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield update


def on_epoch(update: Any) -> Any:
    """Return an ``on_epoch`` that moves the bar of ``working``."""

    def moved(epoch: Epoch) -> None:
        update(f"{epoch.model.name}: epoch {epoch.number}", epoch.number, epoch.total)

    return moved


def on_step(update: Any) -> Any:
    """Return an ``on_step`` that says in ``working`` what is being done."""

    def moved(step: Step) -> None:
        update(f"{step.what[0].upper()}{step.what[1:]}", step.done, step.total)

    return moved


def pasted(words: Sequence[str]) -> str:
    """Return a command line from its words, quoted where a shell needs it."""
    import shlex

    return " ".join([yourself(), *map(shlex.quote, words)])
