"""penchant prepare: steps on a file, a report of what they did, a clean file."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli import reading as r
from penchant.cli.running import FormatOption, note, output, pasted, working
from penchant.cli.telling import show, table
from penchant.errors import BadParameter, near

if TYPE_CHECKING:
    import polars as pl

    from penchant.events import Events
    from penchant.preparation.step import Step

KINDS = (".parquet", ".csv", ".arrow")


def prepare(
    file: r.File,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="The clean file: .parquet, .csv or .arrow."),
    ],
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--step", metavar="STEP", show_default=False,
            help='A step as in Python, such as "KCore(users=5, items=5)"; repeat for more, in '
            "order. A wrong name lists the right ones.",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="FOLDER", show_default=False,
            help="Instead of steps: those saved there, with what they learned from other rows.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="FOLDER", show_default=False,
            help="Where to save the steps with what they learned, to replay them on new rows.",
        ),
    ] = None,
    context: r.Context = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already.")
    ] = False,
    form: FormatOption = "table",
    strict: r.Strict = False,
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:  # fmt: skip
    """Apply steps to a file of interactions, say what each of them did, and write the rest.

    penchant prepare ratings.csv --step "Deduplicate(keep='last')" --step "KCore(users=5, items=5)"
    --out clean.parquet
    """
    from penchant import datasets
    from penchant.events import Events
    from penchant.preparation.preparing import Preparation
    from penchant.preparation.preparing import prepare as prepared

    _free(out, overwrite, save)
    if bool(steps) == (replay is not None):
        raise BadParameter("give --step once or more, or --replay FOLDER: one of the two")
    made = [step_of(text) for text in steps or ()]
    with working(f"Reading {file}"):
        events = Events.read(
            datasets.tables(Path(file))[0], user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone or "UTC", context=context or (),
            bad="raise" if strict else "drop",
        )  # fmt: skip
    for line in events.reading.lines():
        note(line)
    with working("Preparing"):
        if replay is None:
            found = prepared(events, made)
        else:
            found = Preparation.load(replay).replay(events)
    if save is not None:
        found.save(save, overwrite=overwrite)
    _write(found.events, out)
    if form != "table":
        show(found.report, form)
        return
    output().print(table(_short(found.report)))
    for step, why in found.report.select("step", "why").rows():
        note(f"{step}: {why}")
    output().print(f"Written: {len(found.events):,} rows, in {out}.", markup=False, soft_wrap=True)
    output().print(f"Now try: {pasted(['compare', str(out)])}", markup=False, soft_wrap=True)


def step_of(text: str) -> Step:
    """Return the step that is written in Python, alone or as ``penchant inspect`` prints it.

    ``KCore(users=5)``, ``pt.KCore(users=5)`` and ``pt.prepare(events, [pt.KCore(users=5)])``.

    Raises
    ------
    BadParameter : no such step or parameter, or something else than a step with plain values.
    """
    from penchant.parameters import hypers
    from penchant.preparation.keeping import STEPS

    classes = {cls.__name__: cls for cls in STEPS}
    example = "a step is written like KCore(users=5, items=5)"
    try:
        alone = text.strip().removeprefix("pt.prepare(events, [").removesuffix("])")
        call = ast.parse(alone.removeprefix("pt."), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise BadParameter(f"{example}, got {text!r}")
        name = call.func.id
        fields = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError) as e:
        raise BadParameter(f"{example}, got {text!r}") from e
    if name not in classes:
        raise BadParameter(
            f"no step is called {name!r}; there are {', '.join(classes)}.{near(name, classes)}"
        )
    known = hypers(classes[name])
    for field in fields:
        if field not in known:
            raise BadParameter(
                f"{name} has no parameter {field!r}; it has {', '.join(known)}.{near(field, known)}"
            )
    return classes[name](**fields)


def _free(out: Path, overwrite: bool, save: Path | None) -> None:
    """Raise unless the result can be written where it should go."""
    if out.suffix not in KINDS:
        raise BadParameter(f"--out {out}: the name must end in {', '.join(KINDS)}")
    for option, path in (("--out", out), ("--save", save)):
        if path is not None and not path.absolute().parent.is_dir():
            raise BadParameter(f"{option} {path}: there is no folder {path.absolute().parent}")
        if path is not None and path.exists() and not overwrite:
            raise BadParameter(f"{option} {path} is there already; --overwrite replaces it")


def _write(events: Events, out: Path) -> None:
    """Write the events beside their place, then rename: the file is whole or not there."""
    from penchant.directories import sync

    frame = _leaving(events)
    beside = out.with_name(f".{out.name}.penchant-new")
    write: Any = {".parquet": frame.write_parquet, ".csv": frame.write_csv,
                  ".arrow": frame.write_ipc}[out.suffix]  # fmt: skip
    try:
        with beside.open("wb") as file:
            write(file)
            sync(file)
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)


def _leaving(events: Events) -> pl.DataFrame:
    """Return the events as a table that reads back as the same: null for what is not known."""
    import polars as pl

    from penchant.ids import as_column

    frame = events.frame.with_columns(
        as_column("user", events.frame["user"]),
        as_column("item", events.frame["item"]),
        pl.col("value").fill_nan(None),
        pl.when(pl.col("time") >= 0).then("time").cast(pl.Datetime("us", "UTC")),
    )
    return frame.select(c for c in frame if c.null_count() < len(c) or c.name in ("user", "item"))


def _short(report: pl.DataFrame) -> pl.DataFrame:
    """Return the report with the counts after each step, and those before the first."""
    import polars as pl

    counts = ("rows", "users", "items")
    first = report.head(1).select(
        pl.lit("as read").alias("step"),
        *(pl.col(f"{name}_before").alias(name) for name in counts),
        pl.lit(0, pl.Int64).alias("changed"),
    )
    return pl.concat([first, report.select("step", *counts, "changed")])
