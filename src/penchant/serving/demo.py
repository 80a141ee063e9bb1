"""A store to try things with: the packaged films, their ratings as history, and a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from penchant import artifact, datasets
from penchant.dataset import Dataset
from penchant.serving.training import described, gathered, usual
from penchant.store import daily
from penchant.store.catalogue import Item
from penchant.store.log import Event
from penchant.store.store import Store

Say = Callable[[str], None]

FILM = r"^(.*?)\s*\((\d{4})\)\s*$"
"""A title and its year."""

AT_ONCE = 10_000
"""Events appended in one transaction."""


def fill(store: Store, *, now: int, say: Say) -> None:
    """Load MovieLens into an empty store and fit a model on it.

    Parameters
    ----------
    now : microseconds since 1970 (UTC).
    say : told what is being done.

    Raises
    ------
    MissingExtra : penchant-movielens is not installed.
    """
    say("Reading MovieLens")
    data = datasets.movielens()
    store.items.put(list(films(data)), now=now)
    say(f"Storing {len(data):,} ratings")
    batch: list[Event] = []
    for event in ratings(data):
        batch.append(event)
        if len(batch) == AT_ONCE:
            store.events.append(batch, now=now)
            batch = []
    store.events.append(batch, now=now)
    while daily.count_up(store, 50_000):
        continue  # so that the first page shows what many people like
    say("Fitting a model")
    position = store.events.last()
    erasures = store.numbers().get("erasures", 0)
    learned = gathered(store, position)
    model = usual(learned).fit(learned)
    made = store.models.add(
        lambda path: artifact.save(model, path, position=position),
        name=described(model),
        position=position,
        erasures=erasures,
        events=len(learned),
        metrics={},
        gate=[],
        accepted=True,
        now=now,
    )
    store.models.promote(made.version, by="demo", now=now)


def films(data: Dataset) -> Iterator[Item]:
    """Yield each film: genres as categories, the year and what people tagged it as attributes."""
    table = data.item_table
    if table is None:
        return
    table = table.with_columns(year=pl.col("title").str.extract(FILM, 2).cast(pl.Int64))
    for number, title, genres, tags, year in zip(
        data.items, *(table[name] for name in ("title", "genres", "tags", "year")), strict=True
    ):
        told: dict[str, object] = {} if year is None else {"year": year}
        if tags:
            told["tags"] = sorted(set(tags.split("|")))
        categories = [one for one in (genres or "").split("|") if one and one[0] != "("]
        yield Item(item_id=str(number), title=title, categories=categories, attributes=told)


def ratings(data: Dataset) -> Iterator[Event]:
    """Yield each rating as an event of history, oldest first."""
    frame = data.events().frame.sort("time")
    for n, (user, item, value, time) in enumerate(
        frame.select("user", "item", "value", "time").iter_rows()
    ):
        yield Event(f"movielens-{n:06}", f"u{user}", None, str(item), "rating", value, time)
