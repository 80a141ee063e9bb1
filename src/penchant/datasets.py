"""Ready datasets: the planted one, MovieLens if it is installed, and files or folders on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter, MissingExtra
from penchant.events import Events
from penchant.feedback import Feedback
from penchant.files import decoded, read_table
from penchant.frames import Frame, to_polars

ML_100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip


def planted(
    *, noise: float | None = None, rng: int = 0, users: int = 200, items: int = 100
) -> Dataset:
    """Return a small made-up dataset whose answer is known.

    Every user and item belongs to one of four groups; a user likes the items of their group and
    rates them about 4.5, the others about 2. With ``noise`` 0 people meet only their own group's
    items; with 1 they meet anything, and ratings say nothing.

    Parameters
    ----------
    noise : 0 to 1; None reads the copy that ships with the package (noise 0.1, seed 0).
    rng, users, items : seed and sizes of a made copy; at least one user and four items.
    """
    folder = Path(__file__).parent / "planted"
    if noise is None:
        return replace(
            Dataset.from_events(
                Events.read(folder / "ratings.csv"), items=read_table(folder / "items.csv")[0]
            ),
            name="planted",
        )
    ratings, table = planted_tables(noise=noise, rng=rng, users=users, items=items)
    return Dataset.of(ratings, items=table, name=f"planted, noise {noise:g}")


def planted_tables(
    *, noise: float, rng: int = 0, users: int = 200, items: int = 100
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the ratings and the items of ``planted`` as frames; user u is of group u % 4."""
    if not 0 <= noise <= 1:
        raise BadParameter(f"noise must be from 0 to 1, got {noise!r}")
    if users < 1 or items < 4:
        raise BadParameter(f"one user and four items are needed, got {users!r} and {items!r}")
    generator = np.random.default_rng(rng)
    group = np.arange(items) % 4
    # A long tail within each group, the same for all, so that popularity means something.
    appeal = 1 / (1 + np.arange(items) // 4) ** 0.5
    rows = []
    for user in range(users):
        chance = appeal * np.where(group == user % 4, 1.0, noise)
        size = min(int(generator.integers(8, 16)), int(np.count_nonzero(chance)))
        met = generator.choice(items, size, replace=False, p=chance / chance.sum())
        taste = np.where(group[met] == user % 4, 4.5, 2.0)
        value = (1 - noise) * taste + noise * generator.uniform(1, 5, size)
        start = 1_600_000_000 + int(generator.integers(0, 10**7))
        rows += [
            (user, int(i), float(v), start + 60 * n)
            for n, (i, v) in enumerate(zip(met, np.clip(np.round(value * 2) / 2, 1, 5)))
        ]
    names = ["Action", "Comedy", "Drama", "Sci-Fi"]
    ratings = pl.DataFrame(rows, schema=["user", "item", "rating", "timestamp"], orient="row")
    table = pl.DataFrame(
        {
            "item": range(items),
            "title": [f"{names[i % 4]} story {i}" for i in range(items)],
            "genres": [names[i % 4] for i in range(items)],
        }
    )
    return ratings, table


def movielens(path: str | Path | None = None, *, feedback: Feedback | None = None) -> Dataset:
    """Return MovieLens: the packaged latest-small, or a local copy in any of GroupLens' layouts.

    Parameters
    ----------
    path : a folder with ``ratings.csv``, ``ratings.dat`` or ``u.data``; None takes the data of the
        package penchant-movielens (Harper and Konstan 2015; GroupLens' terms: non-commercial
        research use, not endorsed by them).

    Raises
    ------
    MissingExtra : no path, and penchant-movielens is not installed.
    """
    if path is not None:
        return read(path, feedback=feedback)
    try:
        import penchant_movielens
    except ImportError:
        raise MissingExtra("the packaged MovieLens data", "penchant-movielens", "demo") from None
    return replace(
        read(penchant_movielens.path(), feedback=feedback), name="MovieLens latest-small"
    )


def read(
    path: str | Path,
    *,
    items: str | Path | Frame | None = None,
    users: str | Path | Frame | None = None,
    feedback: Feedback | None = None,
    **columns: Any,
) -> Dataset:
    """Read a file of interactions, or a MovieLens folder, with its item and user tables.

    Parameters
    ----------
    path : a CSV, TSV, Parquet or Arrow file, or a folder in one of GroupLens' layouts.
    items, users : tables, or files with them; a MovieLens folder has its own.
    feedback : what a row weighs.
    columns : as for ``Events.read``: user, item, value, time, kind, session, context, bad, zone,
        time_format.

    Raises
    ------
    BadEvents : nothing readable there; the message says what was looked for.
    """
    path = Path(path)
    file, found_items, found_users = tables(path)
    return Dataset.from_events(
        Events.read(file, **columns),
        items=found_items if items is None else table(items),
        users=found_users if users is None else table(users),
        feedback=feedback,
        name=path.name,
    )


def table(source: str | Path | Frame) -> pl.DataFrame:
    """Return a table of items or users: a frame, a file, or one of GroupLens' without a header."""
    if not isinstance(source, (str, Path)):
        return to_polars(source)
    path = Path(source)
    known = _HEADLESS.get(path.name)
    found = None if known is None else known(path)
    return _without_placeholder(read_table(path)[0]) if found is None else found


def _without_placeholder(table: pl.DataFrame) -> pl.DataFrame:
    """Return an item table of GroupLens' in which no genres are none, not a genre."""
    if table.schema.get("genres") != pl.String:
        return table
    listed = pl.col("genres") != "(no genres listed)"
    return table.with_columns(pl.when(listed).then("genres").alias("genres"))


def tables(path: str | Path) -> tuple[Path, pl.DataFrame | None, pl.DataFrame | None]:
    """Return the file of interactions at a path, and a MovieLens folder's items and users.

    Raises
    ------
    BadEvents : a folder without any of GroupLens' files.
    """
    path = Path(path)
    if not path.is_dir():
        return path, None, None
    if (path / "u.data").exists():
        return path / "u.data", _u_item(path / "u.item"), _u_user(path / "u.user")
    if (path / "ratings.dat").exists():
        users = _users_dat(path / "users.dat")
        return path / "ratings.dat", _movies_dat(path / "movies.dat"), users
    for ratings in ("ratings.csv", "ratings.csv.gz", "ratings.parquet"):
        if (path / ratings).exists():
            return path / ratings, _movies_csv(path), None
    raise BadEvents(
        f"{path} holds neither u.data, ratings.dat, ratings.csv nor ratings.parquet; name a file"
    )


def _u_item(path: Path) -> pl.DataFrame | None:
    columns = _cells(path, "|", 5 + len(ML_100K_GENRES))
    if columns is None:
        return None
    flags = zip(*columns[5:], strict=True)
    genres = ["|".join(n for n, f in zip(ML_100K_GENRES, row) if f == "1") for row in flags]
    titles = [title.strip() for title in columns[1]]
    return _keyed(path, {"item": columns[0], "title": titles, "genres": genres})


def _u_user(path: Path) -> pl.DataFrame | None:
    names = ["user", "age", "gender", "occupation", "zip"]
    columns = _cells(path, "|", len(names))
    if columns is None:
        return None
    return _keyed(path, dict(zip(names, columns, strict=True)), "age")


def _movies_dat(path: Path) -> pl.DataFrame | None:
    return _dat(path, ["item", "title", "genres"])


def _users_dat(path: Path) -> pl.DataFrame | None:
    return _dat(path, ["user", "gender", "age", "occupation", "zip"])


_HEADLESS = {
    "u.item": _u_item, "u.user": _u_user, "movies.dat": _movies_dat, "users.dat": _users_dat,
}  # fmt: skip


def _dat(path: Path, names: list[str]) -> pl.DataFrame | None:
    columns = _cells(path, "::", len(names))
    return None if columns is None else _keyed(path, dict(zip(names, columns, strict=True)))


def _cells(path: Path, separator: str, width: int) -> list[list[str]] | None:
    """Return the columns of one of GroupLens' older files, or None if it is not there."""
    if not path.exists():
        return None
    text = decoded(path.read_bytes())[0]
    rows = [line.split(separator) for line in text.splitlines() if line]
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise BadEvents(f"{path}: row {number} has {len(row)} cells, and {width} are needed")
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _keyed(path: Path, columns: dict[str, list[str]], *more: str) -> pl.DataFrame:
    """Return a table whose first column, and some more, hold whole numbers."""
    table = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    for name in (table.columns[0], *more):
        numbers = table[name].cast(pl.Int64, strict=False)
        if numbers.null_count():
            row = int(numbers.is_null().arg_max() or 0)
            raise BadEvents(
                f"{path}: row {row + 1}, {name}: {table[name][row]!r} is not a whole number"
            )
        table = table.with_columns(numbers)
    return table


def _movies_csv(path: Path) -> pl.DataFrame | None:
    movies = next((p for p in (path / "movies.csv", path / "movies.parquet") if p.exists()), None)
    if movies is None:
        return None
    table = _without_placeholder(read_table(movies)[0])
    key = table.columns[0]
    if not (path / "tags.csv").exists():
        return table
    tags = read_table(path / "tags.csv")[0]
    if "tag" not in tags.columns or tags.schema.get(key) != table.schema[key]:
        raise BadEvents(
            f"{path / 'tags.csv'} needs a column 'tag', and {key!r} as in {movies.name}; it has "
            f"{', '.join(f'{n} ({t})' for n, t in tags.schema.items())}"
        )
    by_item = tags.group_by(key, maintain_order=True).agg(
        pl.col("tag").str.to_lowercase().str.replace_all("|", " ", literal=True).str.join("|")
        .alias("tags")
    )  # fmt: skip
    return table.join(by_item, on=key, how="left", maintain_order="left")
