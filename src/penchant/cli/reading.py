"""Files and people's words to data and queries: the options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.running import note
from penchant.errors import BadEvents, BadParameter, Incompatible

if TYPE_CHECKING:
    from penchant.dataset import Dataset
    from penchant.queries import Queries
    from penchant.recommender import Recommender

_WHAT = (
    "Who met what: a CSV, TSV, Parquet or Arrow file, a MovieLens folder, or one of the words "
    "[bold]movielens[/] and [bold]planted[/] for the data that comes with penchant."
)
_COLUMNS = "Columns, if they are not found by name"

File = Annotated[str, typer.Argument(metavar="FILE", help=_WHAT, show_default=False)]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="FILE", help=_WHAT, show_default=False),
]
Items = Annotated[
    Path | None,
    typer.Option(
        "--items", metavar="FILE", show_default=False,
        help="A table that describes the items: their id, title, genres, any text.",
    ),
]  # fmt: skip
Liked = Annotated[
    float | None,
    typer.Option(
        "--liked", metavar="RATING", show_default=False,
        help="Ratings below this do not count as interest. By default all do, as having met an "
        "item tells more than the stars.",
    ),
]  # fmt: skip
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Stop at rows that cannot be used, instead of counting them."),
]


def _column(role: str, example: str) -> Any:
    return typer.Option(
        f"--{role}-column", metavar="NAME", rich_help_panel=_COLUMNS, show_default=False,
        help=f"The column that holds {example}.",
    )  # fmt: skip


UserColumn = Annotated[str | None, _column("user", "who")]
ItemColumn = Annotated[str | None, _column("item", "what they met")]
ValueColumn = Annotated[str | None, _column("value", "the rating, if there is one")]
TimeColumn = Annotated[str | None, _column("time", "when, if it is known")]
EventIdColumn = Annotated[str | None, _column("event-id", "ids of events, if they have any")]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context", metavar="NAME", show_default=False,
        help="A further column to keep, such as device; repeat for more.",
    ),
]  # fmt: skip
TimeFormat = Annotated[
    str | None,
    typer.Option(
        "--time-format", metavar="FORMAT", rich_help_panel=_COLUMNS, show_default=False,
        help="How times are written, if that cannot be told, such as %d/%m/%Y or %m/%d/%Y %H:%M.",
    ),
]  # fmt: skip
Zone = Annotated[
    str | None,
    typer.Option(
        "--zone", metavar="NAME", rich_help_panel=_COLUMNS, show_default="UTC",
        help="Where times stand that name no zone, such as Europe/Berlin.",
    ),
]  # fmt: skip

Likes = Annotated[
    list[str] | None,
    typer.Option(
        "--likes", metavar="TITLE", show_default=False,
        help="An item this person likes, by title (typos are forgiven) or id; repeat for more.",
    ),
]  # fmt: skip
Tastes = Annotated[
    list[str] | None,
    typer.Option(
        "--tastes", metavar="FEATURE", show_default=False,
        help='Something this person likes about items, such as a genre: "Sci-Fi"; repeat for more.',
    ),
]  # fmt: skip
StoreUrl = Annotated[
    str,
    typer.Option(
        "--store", metavar="URL", show_default=False, envvar="PENCHANT_STORE",
        help="An SQLite file (shop.db), or postgresql+psycopg://user@host/database.",
    ),
]  # fmt: skip
Models = Annotated[
    Path | None,
    typer.Option(
        "--models", metavar="FOLDER", show_default="beside the SQLite file",
        help="Where the models of the store are kept.",
    ),
]  # fmt: skip
User = Annotated[
    str | None,
    typer.Option("--user", metavar="ID", show_default=False, help="A person in the --data file."),
]


def read(
    file: str,
    items: Path | None = None,
    *,
    user: str | None = None,
    item: str | None = None,
    value: str | None = None,
    time: str | None = None,
    time_format: str | None = None,
    zone: str | None = None,
    liked: float | None = None,
    strict: bool = False,
    say: Callable[[str], None] = note,
) -> Dataset:
    """Read a file, and say what was understood of it (on standard error, by default)."""
    from penchant import datasets
    from penchant.feedback import Feedback

    feedback = Feedback(liked=liked)
    if not Path(file).exists() and file in ("movielens", "planted"):
        if items is not None or user or item or value or time or time_format or zone:
            raise BadParameter(f"{file!r} is the packaged data: it needs no columns or items")
        if file == "movielens":
            return _likeable(datasets.movielens(feedback=feedback))
        return _likeable(replace(datasets.planted(), feedback=feedback))
    if not Path(file).exists():
        raise BadEvents(
            f"no such file or folder: {file} (the packaged data are called movielens and planted)"
        )
    data = datasets.read(
        file, items=items, feedback=feedback, user=user, item=item, value=value, time=time,
        time_format=time_format, zone=zone or "UTC", bad="raise" if strict else "drop",
    )  # fmt: skip
    for line in understood(data):
        say(line)
    return _likeable(data)


def _likeable(data: Dataset) -> Dataset:
    """Return the data if any of its ratings can count as liked."""
    liked, scale = data.feedback.liked, data.scale
    if liked is not None and scale is not None and liked > scale[1]:
        raise BadParameter(f"--liked {liked:g} is above the highest rating, {scale[1]:g}")
    return data


def understood(data: Dataset) -> list[str]:
    """Return what was understood of the data's source, in sentences."""
    said = [] if data.reading is None else data.reading.lines()
    if data.item_table is not None:
        columns = ", ".join(data.item_table.columns)
        silent = len(data.items) - data.n_active_items
        more = f"; {silent:,} of them nobody met yet" if silent else ""
        said.append(f"items: {len(data.items):,}, described by {columns}{more}")
    return said


def given(**options: object) -> list[str]:
    """Return options that are not None as the words that give them."""
    words = (
        (f"--{name.replace('_', '-')}", f"{v}") for name, v in options.items() if v is not None
    )
    return [word for pair in words for word in pair]


def asked(
    model: Recommender,
    data: Dataset | None,
    user: str | None,
    likes: list[str] | None,
    tastes: list[str] | None,
) -> Queries:
    """Return the one query that the options describe, and say what was understood."""
    from penchant.dataset import Dataset
    from penchant.histories import Histories
    from penchant.lookup import Titles, typed

    training = model._trained()
    if user is not None and likes:
        raise BadParameter("give --user for a known person, or --likes for a new one: not both")
    if tastes and "tastes" not in model.reads:
        raise Incompatible(
            f"{model.name} does not read tastes; content-based does, and hybrid where something "
            "is known of the items"
        )
    liking = None if not tastes else [dict.fromkeys(tastes, 1.0)]
    if user is not None:
        if data is None:
            raise Incompatible(
                "a saved model holds nobody's history: name the file with --data FILE, beside "
                "--user"
            )
        return data.queries(users=[typed(user, data.users)], tastes=liking)
    if not likes and not liking:
        raise BadParameter(
            'who is asking? --data FILE --user ID, or --likes "A title", or --tastes Genre'
        )
    known = data or Dataset(
        training.items, training.users, Histories.empty(len(training.users)), training.feedback
    )
    if not likes:
        return known.queries(tastes=liking)
    shown = training.shown if data is None else data.shown
    names = shown["title"] if shown is not None and "title" in shown.columns else None
    if model.scores == "rating":
        note(f"{model.name} learns from ratings, and a title alone has none: new people are alike")
    titles = Titles(known.items, names)
    found = [titles.find(one) for one in likes]
    for one in found:
        if not one.exact:
            note(f"{one.asked!r}: taken as {one.title} (id {one.item})")
    return known.queries(likes=[[one.item for one in found]], tastes=liking)


def item_asked(model: Recommender, text: str) -> Any:
    """Return the id of the item that ``text`` names, and say so if it is not exactly that."""
    from penchant.lookup import Titles

    training = model._trained()
    shown = training.shown
    names = shown["title"] if shown is not None and "title" in shown.columns else None
    found = Titles(training.items, names).find(text)
    if not found.exact:
        note(f"{found.asked!r}: taken as {found.title} (id {found.item})")
    return found.item
