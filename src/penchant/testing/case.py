"""Planted data and the questions that the laws ask of a model."""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant import artifact, datasets
from penchant.dataset import Dataset
from penchant.feedback import Feedback
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.queries import Queries
from penchant.recommender import Recommender, Scores, arrays_in

LATER = 10**13
"""Microseconds added to make an event newer than anything in the data."""


class Broken(Exception):
    """One law is broken; raised within a law, collected by ``check_recommender``."""


def demand(kept: bool | np.bool_, otherwise: str) -> None:
    """Say how a law is broken unless it is kept."""
    if not kept:
        raise Broken(otherwise)


def planted(noise: float = 0.15, feedback: Feedback | None = None, rng: int = 0) -> Dataset:
    """Return planted data with a context column, a user table, and two items nobody met."""
    ratings, table = datasets.planted_tables(noise=noise, rng=rng, users=160, items=80)
    device = ["phone" if (u + i) % 3 else "desk" for u, i in ratings.select("user", "item").rows()]
    cold = pl.DataFrame(
        {"item": [9000, 9001], "title": ["Drama story 9000", None], "genres": ["Drama", None]}
    )
    people = pl.DataFrame({"user": range(160), "age": [20 + u % 40 for u in range(160)]})
    return Dataset.of(
        ratings.with_columns(pl.Series("device", device)),
        items=pl.concat([table, cold], how="vertical_relaxed"),
        users=people,
        context=("device",),
        feedback=feedback,
        name="planted",
    )


def rated(noise: float) -> Dataset:
    """Return ratings of four planted groups, where everyone meets anything.

    In ``planted`` data people hardly meet other groups without noise, so that who meets what gives
    the groups away and the ratings, all high, do not. Here only the ratings can: the tables and the
    context are there for models that ask for them, and say nothing.
    """
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(160), 25)
    item = np.concatenate([rng.choice(80, 25, replace=False) for _ in range(160)])
    taste = np.where(item % 4 == user % 4, 4.5, 2.0)
    value = (1 - noise) * taste + noise * rng.uniform(1, 5, len(user))
    rows = {"user": user, "item": item, "rating": np.clip(np.round(value * 2) / 2, 1, 5)}
    rows["device"] = np.where(np.arange(len(user)) % 3, "phone", "desk")
    return Dataset.of(
        rows,
        items={"item": np.arange(80), "genres": ["Drama"] * 80},
        users={"user": np.arange(160), "age": 20 + np.arange(160) // 4 % 40},
        context=("device",),
        name="rated",
    )


def hubs(groups: int = 4, niches: int = 10, people: int = 40) -> Dataset:
    """Return data with a direction: everyone meets their group's hub and two of its niche items.

    Who met a niche item surely met the hub; who met the hub met this niche item one time in five.
    Item ``g * 100`` is the hub of group g, ``g * 100 + 1 …`` its niche items. The table of items is
    there for models that ask for it, and says nothing.
    """
    rows = []
    for g in range(groups):
        for p in range(people):
            first, second = p % niches, (p * 3 + p // niches + 1) % niches
            second = (second + (first == second)) % niches
            rows += [(g * 1000 + p, g * 100 + n) for n in (0, 1 + first, 1 + second)]
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    items = events.select("item").unique(maintain_order=True).with_columns(genres=pl.lit("Drama"))
    return Dataset.of(events, items=items, name="hubs")


def ordered(noise: float, people: int = 100, length: int = 20, items: int = 40) -> Dataset:
    """Return walks over a ring of items, in which each is followed by one other: ``followers``.

    With ``noise``, so large a share of the steps goes to a random item instead; with 1 the order
    says nothing. Walks begin anywhere and everyone meets any item, so that without the order an
    item speaks for the one before it as much as for the one after. The tables and the context are
    there for models that ask for them, and say nothing.
    """
    rng = np.random.default_rng(0)
    after = followers(items)
    item = rng.integers(0, items, (people, length))
    strays = rng.random((people, length)) < noise
    for n in range(1, length):
        item[:, n] = np.where(strays[:, n], item[:, n], after[item[:, n - 1]])
    user, place = np.indices(item.shape)
    rows = {"user": user.ravel(), "item": item.ravel(), "rating": np.full(item.size, 4.0)}
    rows["timestamp"] = 1_600_000_000 + 1000 * user.ravel() + place.ravel()
    rows["device"] = np.where(user.ravel() % 2, "phone", "desk")
    return Dataset.of(
        rows,
        items={"item": np.arange(items), "genres": ["Drama"] * items},
        users={"user": np.arange(people), "age": 20 + np.arange(people) % 40},
        context=("device",),
        name="ordered",
    )


def followers(items: int = 40) -> NDArray[np.int64]:
    """Return (items,) which item follows each in ``ordered`` data: all of them in one ring."""
    ring = np.random.default_rng(1).permutation(items)
    after = np.empty(items, np.int64)
    after[ring] = np.roll(ring, -1)
    return after


def fingerprint(value: Any) -> str:
    """Return a hash of all arrays within a model, dataset or queries."""
    digest = hashlib.sha256()
    for array in _arrays(value):
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays(value: Any) -> list[NDArray[Any]]:
    if isinstance(value, Recommender):
        return [a for _, learned in value._learned() for a in arrays_in(learned)]
    if isinstance(value, Histories):
        return [value.indptr, value.item, value.kind, value.value, value.time, value.session]
    if isinstance(value, Dataset):
        return _arrays(value.histories)
    extra = [a for a in (value.now, *(value.seen or ())) if a is not None]
    return [*_arrays(value.histories), value.user, *extra]


def same(a: Scores, b: Scores, within: float = 1e-4) -> bool:
    """Whether scores agree to ``within`` times the largest, NaN in the same places."""
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    known = ~np.isnan(a)
    size = float(np.abs(a[known]).max(initial=0))
    return bool((np.abs(a - b)[known] <= within * size + 1e-7).all())


@contextmanager
def saved(model: Recommender) -> Iterator[Recommender]:
    """Save a model and give what is loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checked.model"
        artifact.save(model, path)
        yield artifact.load(path, known=_classes(model))


def _classes(model: Recommender) -> tuple[type[Recommender], ...]:
    """The classes of a model and of the models within it."""
    found = [type(model)]
    for value in vars(model).values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, Recommender):
                found += _classes(one)
    return tuple(dict.fromkeys(found))


def changed(histories: Histories, **columns: Any) -> Histories:
    """Return the histories with other columns, of the same types."""
    typed: dict[str, Any] = {
        name: np.asarray(column, getattr(histories, name).dtype) for name, column in columns.items()
    }
    return replace(histories, **typed)


def hiding(h: Histories) -> Histories:
    """Return the histories with one more event each: an item never met is hidden, at the end."""
    n = len(h)
    unmet = [np.setdiff1d(np.arange(80), h.take(slice(r, r + 1)).item)[r % 7] for r in range(n)]
    ends = np.append(h.time, -1)[h.indptr[1:] - 1]  # no later than what was there
    return Histories.of(
        np.append(h.person(), np.arange(n)),
        np.append(h.item, unmet),
        people=n,
        kind=np.append(h.kind, np.full(n, len(h.kinds))),
        value=np.append(h.value, np.full(n, np.nan)),
        time=np.append(h.time, ends),
        session=np.append(h.session, np.full(n, -1)),
        kinds=(*h.kinds, "hide"),
        context=None if h.context is None else pl.concat([h.context, h.context.clear(n)]),
    )


class Case:
    """A model to be checked, with fresh copies of it and things to ask."""

    def __init__(self, model: Recommender) -> None:
        self.model = model

    def fresh(self) -> Recommender:
        """Return an unfitted copy."""
        made = copy.deepcopy(self.model)
        made._forget()
        return made

    @cached_property
    def data(self) -> Dataset:
        """Planted data; a rating of 3 or more is liked when the model reads values."""
        values = "values" in self.model.reads and self.model.scores == "rank"
        return planted(feedback=Feedback(liked=3.0) if values else None)

    @cached_property
    def fitted(self) -> Recommender:
        """The model fitted on ``data``; laws that only ask share it."""
        return self.fresh().fit(self.data, rng=5)

    @cached_property
    def queries(self) -> Queries:
        """Eight known people, with context and tastes."""
        n = np.arange(0, 160, 20)
        context = {"device": ["phone", "desk"] * (len(n) // 2)}
        tastes = [{"genres:Drama": 1.0}, {"genres:Comedy": 1.0}] * (len(n) // 2)
        asked = self.data.queries(users=n, context=context)
        return replace(asked, tastes=tuple(tastes) if "tastes" in self.model.reads else None)

    @cached_property
    def strangers(self) -> Queries:
        """The same people when nothing is known of what they did."""
        nothing = Histories.empty(len(self.queries), self.data.histories.kinds)
        return replace(self.queries, histories=nothing)

    def variations(self, evidence: str, q: Queries) -> list[Queries]:
        """Return the queries with one kind of evidence changed and all else as it was."""
        h = q.histories
        turned = [np.arange(b - 1, a - 1, -1) for a, b in zip(h.indptr[:-1], h.indptr[1:])]
        backwards = np.concatenate(turned)
        newer = np.where(h.time >= 0, h.time + LATER, -1)
        later = self._later(q)
        if evidence == "user":
            return [replace(q, user=np.roll(q.user, 1)), replace(q, user=np.full_like(q.user, -1))]
        if evidence == "history":
            other = self.data.queries(users=np.arange(1, 161, 20)).histories
            moved = changed(other, time=other.time + LATER)
            return [replace(q, histories=moved, now=later, seen=q.already_seen())]
        if evidence == "values":
            return [replace(q, histories=changed(h, value=6 - h.value, time=newer), now=later)]
        if evidence == "order":
            mixed = changed(
                h, item=h.item[backwards], value=h.value[backwards], time=-1 + 0 * newer
            )
            context = None if h.context is None else h.context[backwards]
            return [replace(q, histories=replace(mixed, context=context))]
        if evidence == "time":
            return [replace(q, histories=changed(h, time=newer), now=later)]
        if evidence == "user_features":
            others = (
                None if self.data.user_table is None else self.data.user_table[30 : 30 + len(q)]
            )
            return [replace(q, user_features=others)]
        if evidence == "tastes":
            return [replace(q, tastes=tuple({"genres:Action": 1.0} for _ in range(len(q))))]
        return [replace(q, context=pl.DataFrame({"device": ["desk", "phone"] * (len(q) // 2)}))]

    def before(self, evidence: str) -> Queries:
        """Return what the variations of ``evidence`` are to be compared with."""
        if evidence == "order":
            h = self.queries.histories
            return replace(self.queries, histories=changed(h, time=-1 + 0 * h.time))
        if evidence in ("history", "values"):  # asked later, since what is changed is newer
            return replace(self.queries, now=self._later(self.queries))
        return self.queries

    def _later(self, q: Queries) -> NDArray[np.int64] | None:
        """Return a time after all that is made newer."""
        return None if q.now is None else np.full(len(q), self.data.until + 2 * LATER)

    def elsewhere(self, how: str) -> tuple[Queries, IdMap]:
        """Return the same queries in other vocabularies: permuted, larger or smaller."""
        q = self.queries
        items, users = list(q.items), list(q.users)
        if how == "permuted":
            items, users = items[::-1], users[::-1]
        elif how == "larger":
            items = [-5, *items[::2], 12345, *items[1::2]]
            users = [-7, *users[::3], *[u for n, u in enumerate(users) if n % 3], 777_777]
        else:
            met = set(q.items.decode(np.unique(q.histories.item)))
            items = [i for n, i in enumerate(items) if i in met or n % 2]
            users = [u for n, u in enumerate(users) if n in set(q.user.tolist()) or n % 2]
        return q.recoded(IdMap(items), IdMap(users)), IdMap(items)
