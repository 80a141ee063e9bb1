"""penchant fit and evaluate: models from a file, and how good they are."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from penchant.cli import reading as r
from penchant.cli.running import FormatOption, on_epoch, output, pasted, working
from penchant.cli.telling import show
from penchant.errors import BadParameter

if TYPE_CHECKING:
    from penchant.dataset import Dataset
    from penchant.recommender import Recommender
    from penchant.split import Split


class Name(StrEnum):
    """The models that can be asked for by name."""

    POPULARITY = "popularity"
    POPULARITY_RECENT = "popularity-recent"
    ITEM_KNN = "item-knn"
    USER_KNN = "user-knn"
    ALS = "als"
    BPR = "bpr"
    WARP = "warp"
    LOGISTIC_MF = "logistic-mf"
    EASE = "ease"
    SLIM = "slim"
    RP3BETA = "rp3beta"
    P3ALPHA = "p3alpha"
    GRAPH_FILTER = "graph-filter"
    MARKOV_CHAIN = "markov-chain"
    SEQUENTIAL_RULES = "sequential-rules"
    BIASES = "biases"
    SVD = "svd"
    SVDPP = "svdpp"
    NMF = "nmf"
    SLOPE_ONE = "slope-one"
    CO_CLUSTERING = "co-clustering"
    BAYESIAN_FM = "bayesian-fm"
    CONTENT_BASED = "content-based"
    HYBRID = "hybrid"


MODELS = (
    "popularity, popularity-recent: the same for all; item-knn, user-knn: neighbours; als, bpr, "
    "warp, logistic-mf: matrix factorization; ease, slim: linear; rp3beta, p3alpha: random walks; "
    "graph-filter: what is smooth; markov-chain, sequential-rules: what follows what; "
    "content-based: from what is known of the items; hybrid: several weighted, also "
    "for people and items nothing is known of. To predict ratings: biases, svd, svdpp, nmf, "
    "slope-one, co-clustering, bayesian-fm, and item-knn and user-knn with --set target=rating."
)
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", show_default=False,
        help="A setting of the model, such as factors=64; repeat for more. A wrong name lists "
        "the right ones; columns are separated by commas.",
    ),
]  # fmt: skip
Seed = Annotated[int, typer.Option(help="Seed of whatever is random: the same again, the same.")]
Cut = Literal["last", "random", "time", "users"]


def fit(
    file: r.File,
    model: Annotated[Name, typer.Option("--model", help=MODELS)] = Name.HYBRID,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", show_default="the model's name, as in ease.model",
            help="Where to save it.",
        ),
    ] = None,
    settings: Set = None,
    parts: Annotated[
        list[Name] | None,
        typer.Option(
            "--part", show_default="all that the data allows",
            help="What a hybrid is made of; repeat for each.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is saved there.")
    ] = False,
    seed: Seed = 0,
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
    """Fit a model to a file of interactions and save it.

    penchant fit ratings.csv --model als --set factors=64 --out movies.model
    """
    from penchant.artifact import save

    out = out or Path(f"{model}.model")
    if out.exists() and not overwrite:
        raise BadParameter(f"{out} is there already; --overwrite replaces a saved model")
    if not out.absolute().parent.is_dir():
        raise BadParameter(f"--out {out}: there is no folder {out.absolute().parent}")
    with working(f"Reading {file}"):
        data = r.read(
            file, items, user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone, liked=liked, strict=strict,
        )  # fmt: skip
    made = named(model, settings, data, parts)
    began = time.perf_counter()
    with working(f"Fitting {model}") as update:
        made.fit(data, rng=seed, on_epoch=on_epoch(update))
    seconds = time.perf_counter() - began
    save(made, out, overwrite=overwrite)
    console = output()
    console.print(
        f"Fitted {_described(made)} to {len(data):,} events in {seconds:.1f} s; saved as {out}.",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    columns = r.given(
        user_column=user_column, item_column=item_column, value_column=value_column,
        time_column=time_column, time_format=time_format, zone=zone,
    )  # fmt: skip
    who = _known(data, file, columns) if made.scores == "rating" else _new(data)
    example = pasted(["recommend", str(out), *who])
    console.print(f"Now try: {example}", markup=False, soft_wrap=True)


def _described(model: Recommender) -> str:
    """Return a model with its settings, or a hybrid with what it is made of."""
    from penchant.models.hybrid import Weighted

    if not isinstance(model, Weighted):
        return repr(model)
    shares = zip(model.parts_, model.weights_.tolist(), strict=True)
    return f"hybrid ({', '.join(f'{part.name} {weight:.2f}' for part, weight in shares)})"


def _known(data: Dataset, file: str, columns: list[str]) -> list[str]:
    """Return options that ask for somebody in the file: the first with events."""
    import numpy as np

    first = int(np.flatnonzero(data.histories.lengths)[0])
    return ["--data", file, *columns, "--user", f"{data.users.decode([first])[0]}"]


def _new(data: Dataset) -> list[str]:
    """Return options that ask for somebody new: who likes the item that most people met."""
    import numpy as np

    best = int(np.bincount(data.histories.item, minlength=len(data.items)).argmax())
    shown = data.shown
    title = None if shown is None or "title" not in shown.columns else shown["title"][best]
    return ["--likes", str(title or data.items.decode([best])[0])]


def evaluate(
    file: r.File,
    model: Annotated[
        list[Name], typer.Option("--model", help=f"{MODELS} Repeat to compare several.")
    ] = [Name.HYBRID],  # noqa: B006  (typer copies it)
    settings: Set = None,
    by: Annotated[
        Cut,
        typer.Option(
            "--split",
            help="What is held out: each person's last events, random ones, all after a moment, "
            "or whole people.",
        ),
    ] = "last",
    fraction: Annotated[float, typer.Option(help="How much of it.", min=0, max=1)] = 0.2,
    count: Annotated[int, typer.Option("-k", "--count", help="How long the lists are.")] = 10,
    seed: Seed = 0,
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
) -> None:
    """Hold part of a file out, fit models to the rest, and score them on what was held out.

    penchant evaluate ratings.csv --model als --model ease
    """
    import penchant
    from penchant.evaluation.comparison import metrics_for

    with working(f"Reading {file}"):
        data = r.read(
            file, items, user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone, liked=liked, strict=strict,
        )  # fmt: skip
    split = cut(data, by, fraction, seed)
    models: dict[str, Recommender] = {
        name: named(name, settings, split.train) for name in dict.fromkeys(model)
    }
    with working("Fitting") as update:
        for name, one in models.items():
            update(f"Fitting {name}")
            one.fit(split.train, rng=seed, on_epoch=on_epoch(update))
        update("Asking")
        metrics: list[Any] = []
        if any(one.scores == "rating" for one in models.values()):
            metrics += [penchant.RMSE(), penchant.MAE()]
        if any(one.scores != "rating" for one in models.values()):
            metrics = [*metrics_for(data, count), *metrics]
        result = penchant.evaluate(models, split, metrics, rng=seed)
    if form == "table":
        output().print(result)
    else:
        show(result.to_frame(), form)


def cut(
    data: Dataset, by: Cut, fraction: float, seed: int, validation: float | None = None
) -> Split:
    """Return the split that the options describe."""
    from penchant import split

    if by == "last":
        return split.last(data, fraction=fraction, validation=validation)
    if by == "time":
        return split.time(data, fraction=fraction, validation=validation)
    if by == "users":
        return split.users(data, fraction, validation=validation, rng=seed)
    return split.random(data, fraction, validation=validation, rng=seed)


def named(
    name: Name, settings: list[str] | None, data: Dataset, parts: list[Name] | None = None
) -> Recommender:
    """Return an unfitted model with settings from the command line."""
    from dataclasses import replace

    import penchant
    from penchant.evaluation.comparison import contenders, hybrid
    from penchant.parameters import parsed

    classes = {
        "user-knn": penchant.UserKNN, "bpr": penchant.BPR, "warp": penchant.WARP,
        "logistic-mf": penchant.LogisticMF,
        "slim": penchant.SLIM, "rp3beta": penchant.RP3beta,
        "p3alpha": penchant.P3alpha, "content-based": penchant.ContentBased,
        "popularity-recent": penchant.PopularityRecent, "graph-filter": penchant.GraphFilter,
        "markov-chain": penchant.MarkovChain, "sequential-rules": penchant.SequentialRules,
        "biases": penchant.Biases, "svd": penchant.SVD, "svdpp": penchant.SVDpp,
        "nmf": penchant.NMF, "slope-one": penchant.SlopeOne,
        "co-clustering": penchant.CoClustering, "bayesian-fm": penchant.BayesianFM,
    }  # fmt: skip
    if parts:
        if name is not Name.HYBRID or Name.HYBRID in parts:
            raise BadParameter("--part names what a hybrid is made of: other models")
        made = {part.value: named(part, None, data) for part in parts}
        return replace(hybrid(made), **dict(parsed(penchant.Weighted, s) for s in settings or ()))
    if name is Name.CONTENT_BASED and data.item_table is None:
        raise BadParameter("content-based learns from what is known of the items: add --items FILE")
    found = contenders(data).get(name)
    model: Recommender = classes[name]() if found is None else found
    given = dict(parsed(type(model), one) for one in settings or ())
    return replace(model, **given)  # type: ignore[type-var]
