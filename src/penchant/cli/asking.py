"""penchant recommend, similar and explain: questions to a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli import reading as r
from penchant.cli.running import FormatOption, note, output, working
from penchant.cli.telling import show

if TYPE_CHECKING:
    from penchant.dataset import Dataset
    from penchant.recommender import Recommender, Similar

Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="What penchant fit saved.", show_default=False),
]
Count = Annotated[int, typer.Option("-k", "--count", metavar="N", help="How many items.")]


def recommend(
    model: Model,
    data: r.Data = None,
    user: r.User = None,
    likes: r.Likes = None,
    tastes: r.Tastes = None,
    count: Count = 10,
    reasons: Annotated[bool, typer.Option(help="Say why, a line for each item.")] = True,
    form: FormatOption = "table",
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:
    """Recommend to a person: one in your data, or a new one who names what they like.

    penchant recommend movies.model --data ratings.csv --user 42

    penchant recommend movies.model --likes "Toy Story" --likes Babe
    """
    with working("Loading"):
        loaded, known = _opened(
            model, data, user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone,
        )  # fmt: skip
    asked = r.asked(loaded, known, user, likes, tastes)
    with working("Recommending"):
        found = loaded.recommend(asked, count).to_frame(reasons=reasons)
    if not len(found):
        note(
            f"{loaded.name} has nothing to say to this person: it knows too little of them. A "
            "model with a fallback, such as penchant fit --model hybrid, always answers"
        )
    show(found, form)


def similar(
    model: Model,
    item: Annotated[
        str, typer.Argument(metavar="ITEM", help="A title or an id.", show_default=False)
    ],
    count: Count = 10,
    form: FormatOption = "table",
) -> None:
    """List the items that a model finds most like one.

    penchant similar movies.model "Toy Story"
    """
    import penchant

    loaded = penchant.load(model)
    asked = r.item_asked(loaded, item)
    found = _one_that_knows(loaded).similar([asked], count).to_frame()
    show(found.drop("user", "source"), form)


def explain(
    model: Model,
    item: Annotated[
        str, typer.Argument(metavar="ITEM", help="A title or an id.", show_default=False)
    ],
    data: r.Data = None,
    user: r.User = None,
    likes: r.Likes = None,
    tastes: r.Tastes = None,
    form: FormatOption = "table",
    user_column: r.UserColumn = None,
    item_column: r.ItemColumn = None,
    value_column: r.ValueColumn = None,
    time_column: r.TimeColumn = None,
    time_format: r.TimeFormat = None,
    zone: r.Zone = None,
) -> None:
    """Say what an item's score is made of, for one person.

    penchant explain movies.model Aladdin --likes "Toy Story" --likes Babe
    """
    import polars as pl

    import penchant
    from penchant.errors import Incompatible
    from penchant.recommender import Explains

    with working("Loading"):
        loaded, known = _opened(
            model, data, user=user_column, item=item_column, value=value_column,
            time=time_column, time_format=time_format, zone=zone,
        )  # fmt: skip
    if not isinstance(loaded, Explains):
        raise Incompatible(
            f"{loaded.name} cannot explain its scores; most others can, such as item-knn, als, "
            "bpr, ease, slim, rp3beta and hybrid"
        )
    asked = r.asked(loaded, known, user, likes, tastes)
    found = penchant.explain(loaded, asked, r.item_asked(loaded, item))
    if form == "table":
        output().print(str(found), markup=False, soft_wrap=True)
        return
    rows: list[tuple[str, str | None, str | None, float]] = [("base", None, None, found.base)]
    rows += [
        (s.kind, str(s.id), found.title(s.id) if s.kind == "history" else None, s.amount)
        for s in found.top(len(found.shares))
    ]
    schema = ["kind", "id", "title", "amount"]
    show(pl.DataFrame(rows, schema=schema, orient="row"), form)


def _one_that_knows(model: Recommender) -> Similar:
    """Return the model if it knows which items are alike, or its part that does."""
    from penchant.errors import Incompatible
    from penchant.recommender import Similar

    if isinstance(model, Similar):
        return model
    for part in getattr(model, "parts_", ()):
        if isinstance(part, Similar):
            note(f"as {type(part).__name__} sees it, a part of this hybrid")
            return part
    raise Incompatible(
        f"{model.name} does not know which items are alike; models that do: item-knn, als, bpr, "
        "ease, slim, rp3beta, content-based and others"
    )


def _opened(model: Path, data: str | None, **columns: Any) -> tuple[Recommender, Dataset | None]:
    import penchant

    loaded = penchant.load(model)
    return loaded, None if data is None else r.read(data, **columns)
