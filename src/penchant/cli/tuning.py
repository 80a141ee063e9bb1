"""penchant tune: the settings of a model that are best on a part of a file held out for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from penchant.cli import reading as r
from penchant.cli.fitting import MODELS, Cut, Name, Seed, Set, cut, named
from penchant.cli.running import FormatOption, output, pasted, working
from penchant.cli.telling import show
from penchant.errors import BadParameter

if TYPE_CHECKING:
    from penchant.evaluation.metrics import Metric
    from penchant.evaluation.search import Trial
    from penchant.evaluation.tuning import Tuning
    from penchant.recommender import Recommender

Measure = Literal["ndcg", "recall", "map", "mrr", "rmse", "mae"]


def tune(
    file: r.File,
    model: Annotated[
        list[Name],
        typer.Option("--model", help=f"{MODELS} Repeat to find the best of several."),
    ] = [Name.EASE],  # noqa: B006  (typer copies it)
    trials: Annotated[
        int | None,
        typer.Option(
            help="How many settings to try in all.", show_default="50, or what --minutes allows",
            min=1,
        ),
    ] = None,
    metric: Annotated[
        Measure | None,
        typer.Option(
            "--metric", show_default="ndcg, or rmse for predicted ratings",
            help="What should be as good as it can.",
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search", metavar="NAME[=WHAT]", show_default="all that is worth it",
            help="What to search: l2, l2=1..1000 or k=50,100,200; repeat. For one --model.",
        ),
    ] = None,
    settings: Set = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="How long it may take, by the clock.", show_default="no limit"),
    ] = None,
    by: Annotated[
        Cut,
        typer.Option(
            "--split", help="What is held out, once for the test and once to tune by."
        ),
    ] = "last",
    fraction: Annotated[
        float, typer.Option(help="How much, of all and then of what is left.", min=0, max=1)
    ] = 0.2,
    count: Annotated[int, typer.Option("-k", "--count", help="How long the lists are.")] = 10,
    seed: Seed = 0,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", show_default=False, help="Write a page with plots."),
    ] = None,
    form: FormatOption = "table",
    items: r.Items = None,
    liked: r.Liked = None,
    strict: r.Strict = False,
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:  # fmt: skip
    """Search for the settings of a model that fit your file best, and say how to use them.

    Of several models, it finds the best: they share trials or minutes by halving.

    The settings are chosen on a part that is held out for it. Nothing of the test is looked at, so
    that penchant evaluate, with the same split, still tells how good they are.

    penchant tune ratings.csv --model ease --model als --model item-knn --minutes 10
    """
    import penchant
    from penchant.evaluation.tuning import Contest
    from penchant.parameters import hypers, written

    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise BadParameter(f"--html {html}: name a file in a folder that exists")
    with working(f"Reading {file}"):
        data = r.read(
            file, items, user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone, liked=liked, strict=strict,
        )  # fmt: skip
    split = cut(data, by, fraction, seed, validation=fraction)
    models = {str(name): named(name, settings, split.train) for name in dict.fromkeys(model)}
    start = next(iter(models.values()))
    chosen = _metric(metric, start, count)
    if search and len(models) > 1:
        raise BadParameter("--search is for one --model; with several, all worth it is tried")
    with working(f"Tuning {', '.join(models)}") as update:
        limits: Any = {"trials": trials, "minutes": minutes, "rng": seed}
        limits["on_trial"] = _on_trial(update, trials, chosen.name)
        found: Tuning | Contest
        if len(models) == 1:
            found = penchant.tune(start, split, chosen, _space(search, start), **limits)
        else:
            found = penchant.tune(models, split, chosen, **limits)
    given = r.given(
        items=items, liked=liked, user_column=user_column, item_column=item_column,
        value_column=value_column, time_column=time_column, time_format=time_format, zone=zone,
    ) + ["--strict"] * strict  # fmt: skip
    name = found.order[0] if isinstance(found, Contest) else next(iter(models))
    usual, best = named(Name(name), None, split.train), found.best
    for field in hypers(type(best)):
        if getattr(best, field) != getattr(usual, field):
            given += ["--set", f"{field}={written(getattr(best, field))}"]
    fit = pasted(["fit", file, "--model", name, *given])
    if html is not None:
        html.write_text(found.html(fit), encoding="utf-8")
    if form != "table":
        show(found.to_frame(), form)
        return
    console = output()
    console.print(found)
    where = ["--split", by, "--fraction", f"{fraction:g}"]
    console.print(f"Fit it: {fit}", markup=False, soft_wrap=True)
    test = pasted(["evaluate", file, "--model", name, *where, *given])
    console.print(f"On the test: {test}", markup=False, soft_wrap=True)
    if html is not None:
        console.print(f"Plots: {html}", markup=False, soft_wrap=True)


def _metric(name: Measure | None, model: Recommender, k: int) -> Metric:
    import penchant

    name = name or ("rmse" if model.scores == "rating" else "ndcg")
    if name in ("rmse", "mae"):
        return penchant.RMSE() if name == "rmse" else penchant.MAE()
    of_lists: dict[str, Callable[[int], Metric]]
    of_lists = {"ndcg": penchant.NDCG, "recall": penchant.Recall, "map": penchant.MAP,
                "mrr": penchant.MRR}  # fmt: skip
    return of_lists[name](k)


def _space(search: list[str] | None, model: Recommender) -> dict[str, Any]:
    """Read "l2", "l2=1..1000" and "k=50,100" as a space of the model's own fields."""
    from penchant.evaluation.space import declared
    from penchant.parameters import hypers, parsed

    known = [name for name in declared(model) if "." not in name]
    if not search and not known:
        own = ", ".join(hypers(type(model))) or "none"
        raise BadParameter(
            f"{model.name} has no setting of which it is known what is worth trying: say it, as in "
            f"--search NAME=LOW..HIGH or --search NAME=THIS,THAT. Its settings: {own}"
        )
    space: dict[str, Any] = {} if search else dict.fromkeys(known, ...)
    for one in search or ():
        name, equals, what = one.partition("=")
        name, (low, dots, high) = name.strip(), what.partition("..")
        if "." in name:
            raise BadParameter(f"--search {one}: the parts of a hybrid are tuned with pt.tune")
        if not equals and name in hypers(type(model)) and name not in known:
            raise BadParameter(
                f"--search {one}: say what to try, as in --search {one}=LOW..HIGH or "
                f"--search {one}=THIS,THAT"
            )
        if not equals:
            space[name] = ...
        elif dots:
            space[name] = _number(low, one), _number(high, one)
        else:
            space[name] = [parsed(type(model), f"{name}={word}")[1] for word in what.split(",")]
    return space


def _number(text: str, where: str) -> float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise BadParameter(f"--search {where}: a range is written like l2=1..1000")


def _on_trial(update: Any, total: int | None, metric: str) -> Any:
    """Return an ``on_trial`` that moves the bar."""
    count = 0

    def moved(trial: Trial) -> None:
        nonlocal count
        count += 1
        update(f"{trial.model}, trial {trial.number}: {metric} {trial.value:.4f}", count, total)

    return moved
