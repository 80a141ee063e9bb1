"""penchant predict: ratings that a saved model expects, for pairs in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli import reading as r
from penchant.cli.asking import Model
from penchant.cli.running import FormatOption, note, output, working
from penchant.cli.telling import show, text
from penchant.errors import BadParameter

if TYPE_CHECKING:
    import polars as pl

    from penchant.recommender import Recommender


def predict(
    model: Model,
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS", show_default=False,
            help="Which ratings: a CSV, TSV, Parquet or Arrow file with a row for each user and "
            "item, and the time if the model reads it.",
        ),
    ],
    data: r.Data = None,
    level: Annotated[
        float | None,
        typer.Option(
            help="Also bounds that hold a rating with this chance, such as 0.9, of a model that "
            "has them: bayesian-fm.", show_default=False,
        ),
    ] = None,
    form: FormatOption = "table",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", show_default=False,
            help="Write it there instead of printing it, as CSV, or JSON with --format json.",
        ),
    ] = None,
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:  # fmt: skip
    """Predict ratings for the pairs of user and item in a file.

    Each row gets a prediction, in order; an empty one where the model cannot say. Columns that are
    named are those of the pairs and of the data.

    penchant predict svd.model pairs.csv --data ratings.csv --format csv
    """
    import polars as pl

    import penchant
    from penchant.files import read_table

    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise BadParameter(f"--out {out}: name a file in a folder that exists")
    with working("Loading"):
        loaded = penchant.load(model)
        if loaded.scores == "rating" and "user" not in loaded.reads and data is None:
            raise BadParameter(
                f"{loaded.name} answers from a person's own ratings, and a saved model holds "
                "nobody's: name the file with --data FILE"
            )
        known = None
        if data is not None:
            known = r.read(
                data, user=user_column, item=item_column, value=value_column, time=time_column,
                time_format=time_format, zone=zone,
            )  # fmt: skip
        table, _, notes = read_table(pairs)
        for line in notes:
            note(line)
        named = {"user": user_column, "item": item_column, "time": time_column}
        if data is not None:  # a column that is named is one of the data, or of the pairs, or both
            named = {role: c for role, c in named.items() if c == "" or c in table.columns}
        asked = _asked(table, named, time_format, zone, f"{pairs}", loaded)
    with working("Predicting"):
        found = penchant.predict(loaded, asked, known, level=level)
    silent = int(found["prediction"].is_nan().sum())
    if silent:
        note(f"{loaded.name} cannot say {silent:,} of {len(found):,} ratings")
    found = found.with_columns(pl.selectors.float().fill_nan(None))
    if out is None:
        show(found, form)
        return
    out.write_text(text(found, "json" if form == "json" else "csv"), encoding="utf-8")
    output().print(f"Written: {len(found):,} rows, in {out}.", markup=False, soft_wrap=True)


def _asked(
    table: pl.DataFrame,
    named: dict[str, str | None],
    time_format: str | None,
    zone: str | None,
    source: str,
    model: Recommender,
) -> pl.DataFrame:
    """Return the pairs with the columns that ``predict`` finds, and ids as the model has them."""
    import polars as pl

    from penchant.events import Events, find_columns

    roles = find_columns(table.columns, named, source)
    training = model._trained()
    # Whole numbers of a file are integers, unless the file that the model learned from has others.
    texts = [
        roles[role]
        for role, ids in (("user", training.users), ("item", training.items))
        if ids.kind == "str" and table.schema[roles[role]].is_integer()
    ]
    table = table.with_columns(pl.col(texts).cast(pl.String))
    kept = ["user", "item"]
    if "time" in model.reads and "time" in roles and len(table):
        read = Events.from_frame(
            table, user=roles["user"], item=roles["item"], time=roles["time"], value="", kind="",
            session="", time_format=time_format, zone=zone or "UTC", source=source,
        )  # fmt: skip
        table = table.with_columns(read.frame["time"].alias(roles["time"]))
        kept.append("time")
    others = [c for c in table.columns if c not in roles.values() and c not in roles]
    return table.select(*(pl.col(roles[role]).alias(role) for role in kept), *others)
