"""penchant train, models, promote and rollback: the models of a store."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli import reading as r
from penchant.cli.fitting import MODELS, Name, Seed, Set, named
from penchant.cli.running import Format, FormatOption, errors, note, on_step, output, working
from penchant.cli.telling import show
from penchant.errors import BadParameter

if TYPE_CHECKING:
    import polars as pl
    from rich.text import Text

    from penchant.dataset import Dataset
    from penchant.feedback import Feedback
    from penchant.recommender import Recommender
    from penchant.serving.schedule import Plan
    from penchant.serving.training import Result
    from penchant.store.registry import Model
    from penchant.store.store import Store

BY = "command line"

Version = Annotated[str, typer.Argument(metavar="VERSION", help="Such as m00000012.")]


def train(
    store: r.StoreUrl,
    model: Annotated[
        Name | None,
        typer.Option(
            "--model", show_default="factors, item weights and content, weighted",
            help=f"{MODELS} For people it cannot answer, popularity does.",
        ),
    ] = None,
    settings: Set = None,
    parts: Annotated[
        list[Name] | None,
        typer.Option("--part", show_default=False, help="What a hybrid is made of; repeat."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight", metavar="KIND=NUMBER", show_default="view=1, click=1, cart=3, purchase=5",
            help="What an event of a kind counts; repeat for more. Kinds not named count 1.",
        ),
    ] = None,
    half_life: Annotated[
        str | None,
        typer.Option(
            "--half-life", metavar="AGE", show_default="age does not matter",
            help="The age at which an event counts half, such as 90d or 12h.",
        ),
    ] = None,
    liked: r.Liked = None,
    margin: Annotated[
        float,
        typer.Option(
            min=0, help="How far below the model in use the new one's NDCG@10 may clearly lie."
        ),
    ] = 0.0,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Use the model if it is accepted.")
    ] = True,
    keep: Annotated[int, typer.Option(min=1, help="How many accepted models are kept.")] = 5,
    seed: Seed = 0,
    form: FormatOption = "table",
    models: r.Models = None,
    run: Annotated[int | None, typer.Option(hidden=True)] = None,
    memory: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:  # fmt: skip
    """Fit a model to what a store holds, and use it if it is good enough.

    It is measured on the latest events, beside the model in use and popularity, and has to pass a
    gate. The exit code is 0 if it did, and 3 if it was refused: the model in use then stays.

    penchant train --store shop.db
    """
    from penchant.serving.gate import Limits
    from penchant.serving.moments import clock
    from penchant.serving.schedule import REFUSED, confine
    from penchant.serving.training import train as trained
    from penchant.serving.training import usual

    if model is None and (settings or parts):
        raise BadParameter("--set and --part belong to a model: name it with --model")

    def chosen(data: Dataset) -> Recommender:
        return usual(data) if model is None else _answering(named(model, settings, data, parts))

    with _ending(), _open(store, models) as opened, working("Training") as update:
        if run is not None:
            confine(memory)
        result = trained(
            opened,
            model=chosen,
            feedback=_feedback(weights, half_life, liked),
            now=clock(),
            rng=seed,
            limits=Limits(margin=margin),
            promote=promote,
            by=BY,
            run=run,
            kept=keep,
            on_step=on_step(update),
        )
    _tell(result, form, brief=run is not None)
    if not result.accepted:
        raise typer.Exit(REFUSED)


def models(store: r.StoreUrl, form: FormatOption = "table", models: r.Models = None) -> None:
    """List the models of a store, the latest first.

    penchant models --store shop.db
    """
    import polars as pl

    with _open(store, models) as opened:
        current, found = opened.models.in_use(), opened.models.list()
        last = next(iter(opened.trainings.latest(1)), None)
    rows = [_row(row, row == current) for row in found]
    if form != "table":
        show(pl.DataFrame(rows, schema=COLUMNS), form)
        return
    said = output()
    if not rows:
        said.print("There is no model yet: penchant train makes one.")
    for row in rows:
        said.print(_line(row), soft_wrap=True)
    if last is not None and last.state == "failed":
        note(f"The last training failed: {last.reason}.")


def promote(
    version: Version,
    store: r.StoreUrl,
    expected: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", show_default=False,
            help="Only if this one is in use, so that nobody else's choice is undone.",
        ),
    ] = None,
    models: r.Models = None,
) -> None:  # fmt: skip
    """Use another model of a store; every worker does from its next request on.

    penchant promote m00000012 --store shop.db
    """
    from penchant.serving.moments import clock
    from penchant.store.erasure import settle

    with _open(store, models) as opened:
        opened.models.promote(version, by=BY, expected=expected, now=clock())
        settle(opened, now=clock())
    output().print(f"{version} is in use now.")


def rollback(store: r.StoreUrl, models: r.Models = None) -> None:
    """Go back to the model of a store that was in use before.

    penchant rollback --store shop.db
    """
    from penchant.serving.moments import clock
    from penchant.store.erasure import settle

    with _open(store, models) as opened:
        back = opened.models.roll_back(by=BY, now=clock())
        settle(opened, now=clock())
    output().print(f"{back.version} is in use now, {back.name}, as before.")


def plan(
    store: str, models: Path | None, every: str | None, memory: str, threads: int
) -> Plan | None:
    """Return when a service trains by what was typed; None: never.

    Raises
    ------
    BadParameter : a time or a size of another form.
    """
    from penchant.feedback import duration
    from penchant.serving.schedule import Plan

    if every is None:
        return None
    return Plan(
        store=store, models=models, every=duration(every), memory=_size(memory), threads=threads
    )


def _size(text: str) -> int:
    """Return bytes for "2GB" or "500MB"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG])B\s*", text)
    size = float(found[1]) * {"M": 1e6, "G": 1e9}[found[2]] if found else 0.0
    if not 1 <= size < 1e18:
        raise BadParameter(f"--train-memory is written like 2GB or 500MB, got {text!r}")
    return round(size)


def _open(url: str, models: Path | None) -> Store:
    from penchant.store.store import Store

    return Store.open(url, create=False, models=models)


@contextmanager
def _ending() -> Iterator[None]:
    """Within the block SIGTERM ends the program as Ctrl-C does, so that nothing is left behind."""

    def end(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _answering(model: Recommender) -> Recommender:
    """Return a model that answers everybody."""
    from penchant.models.hybrid import Fallback
    from penchant.models.popularity import Popularity

    return model if isinstance(model, Popularity) else Fallback([model, Popularity()])


def _feedback(weights: list[str] | None, half_life: str | None, liked: float | None) -> Feedback:
    from dataclasses import replace

    from penchant.serving.training import FEEDBACK

    named = dict(FEEDBACK.weights)
    for given in weights or ():
        kind, equals, number = given.rpartition("=")
        try:
            named[kind] = float(number)
        except ValueError:
            equals = ""
        if not equals or not kind:
            raise BadParameter(
                f"--weight is written KIND=NUMBER, such as purchase=5, got {given!r}"
            )
    return replace(FEEDBACK, weights=named, half_life=half_life, liked=liked)


def _tell(result: Result, form: Format, *, brief: bool) -> None:
    """Print the scores and the verdicts; for programs the scores are all of standard output."""
    said = output() if form == "table" else errors()
    if result.evaluation is not None and form == "table" and not brief:
        said.print(result.evaluation)
        said.print()
    if form == "json":
        sys.stdout.write(json.dumps(_plain(result), ensure_ascii=False, indent=1) + "\n")
    elif form == "csv":
        show(_scores(result), form)
    for check in result.gate:
        mark = "[green]passed[/] " if check.passed else "[bold red]refused[/]"
        said.print(f"{mark} [bold]{check.name}[/]: ", end="")
        said.print(check.reason, markup=False, soft_wrap=True)
    if result.instead is not None and result.instead.promoted:
        end = f"is not used; {result.instead.version}, {result.instead.model.name}, is instead"
    elif result.promoted:
        end = "is in use now"
    else:
        end = "is accepted; penchant promote uses it" if result.accepted else "is not used"
    said.print(f"{result.version}, {result.model.name}, {end}.", markup=False, soft_wrap=True)


def _plain(result: Result) -> dict[str, Any]:
    return {
        "version": result.version,
        "name": result.model.name,
        "state": result.model.state,
        "promoted": result.promoted,
        "events": result.model.events,
        "position": result.model.position,
        "metrics": result.metrics,
        "gate": [check.to_json() for check in result.gate],
    }


def _scores(result: Result) -> pl.DataFrame:
    import polars as pl

    if result.evaluation is None:
        return pl.DataFrame({"version": [result.version], "state": [result.model.state]})
    frame = result.evaluation.to_frame()
    first = pl.lit(result.version).alias("version"), pl.lit(result.model.state).alias("state")
    return frame.select(*first, pl.all())


COLUMNS: dict[str, Any] = {
    "version": str, "state": str, "model": str, "events": int, "made": str, "NDCG@10": float,
    "low": float, "high": float, "popularity": float, "reason": str,
}  # fmt: skip


def _row(model: Model, current: bool) -> dict[str, Any]:
    """Return a line about a model."""
    score = model.metrics.get("NDCG@10") or {}
    refused = [one["reason"] for one in model.gate if not one["passed"]]
    made = datetime.fromtimestamp(model.created // 10**6, UTC)
    return {
        "version": model.version,
        "state": "in use" if current else model.state,
        "model": model.name,
        "events": model.events,
        "made": made.isoformat().replace("+00:00", "Z"),
        "NDCG@10": score.get("mean"),
        "low": score.get("low"),
        "high": score.get("high"),
        "popularity": (score.get("popularity") or {}).get("mean"),
        "reason": " ".join(refused) or None,
    }


def _line(row: dict[str, Any]) -> Text:
    """Return what people read about a model."""
    from rich.text import Text

    bold = {"in use": "bold green", "refused": "bold red"}.get(row["state"], "")
    line = Text.assemble((row["version"], "bold"), "  ", (row["state"].ljust(8), bold), "  ")
    line.append(f"{row['made']}  {row['events']:,} events")
    if row["NDCG@10"] is not None:
        line.append(f", NDCG@10 {row['NDCG@10']:.4f}")
        if row["low"] is not None:
            line.append(f" ({row['low']:.4f} to {row['high']:.4f})")
        line.append(f", popularity {row['popularity']:.4f}")
    line.append(f"\n           {row['model']}")
    return line if row["reason"] is None else line.append(f"\n           {row['reason']}", "dim")
