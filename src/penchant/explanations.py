"""Shares to sentences: what carried a score, in words a person understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from penchant.errors import Incompatible
from penchant.ids import IdMap
from penchant.kernels.reasons import FOR, NOTHING, strongest
from penchant.queries import Queries

if TYPE_CHECKING:
    from penchant.recommender import Recommender

ShareKind = Literal["history", "feature", "part"]
Amounts = NDArray[np.float64]
Codes = NDArray[np.int32]


class Share(NamedTuple):
    """What one piece of evidence added to a score.

    ``id`` is an item id for "history", a feature name for "feature", a model's name for "part".
    """

    kind: ShareKind
    id: Any
    amount: float


class Told(NamedTuple):
    """What adds up to one asker's scores of m items, as a model tells it, in its own codes.

    An item's score is its base and the sum of its amounts. Where the model cannot say, that is NaN.

    Parameters
    ----------
    base : (m,) float64, what the scores would be without the evidence.
    history : (h,) codes of items the asker met, each once.
    amounts : (m, h) what each of them adds.
    names : kind and name of each other piece of evidence, n in all.
    others : (m, n) what each of those adds.
    """

    base: Amounts
    history: Codes = np.zeros(0, np.int32)
    amounts: Amounts = np.zeros((0, 0))
    names: tuple[tuple[ShareKind, str], ...] = ()
    others: Amounts = np.zeros((0, 0))

    @classmethod
    def of(cls, history: Codes, amounts: Amounts, base: Amounts | float | None = None) -> Told:
        """Return what is told of the history alone; without ``base`` that is 0, or NaN without any.

        Parameters
        ----------
        amounts : (m, h).
        base : (m,), or the same of all items.
        """
        if base is None:
            base = 0.0 if len(history) else np.nan
        bases = np.empty(len(amounts))
        bases[:] = base
        return cls(bases, history, amounts, (), np.zeros((len(amounts), 0)))

    @classmethod
    def plain(cls, base: Amounts, name: str | None = None) -> Told:
        """Return scores that are a base each, or one share of the part ``name``."""
        nothing, m = np.zeros(0, np.int32), len(base)
        if name is None:
            return cls(base, nothing, np.zeros((m, 0)), (), np.zeros((m, 0)))
        silent = np.where(np.isnan(base), np.nan, 0.0)
        return cls(silent, nothing, np.zeros((m, 0)), (("part", name),), base[:, None])

    @classmethod
    def added(cls, several: Sequence[Told]) -> Told:
        """Return what adds up to the sums of several scores of the same items."""
        if len(several) == 1:
            return several[0]
        base: Amounts = sum((one.base for one in several[1:]), several[0].base)
        met = [one for one in several if len(one.history)] or [several[0]]
        history = met[0].history
        if all(_alike(one.history, history) for one in met[1:]):
            amounts: Amounts = sum((one.amounts for one in met[1:]), met[0].amounts)
        else:
            history = np.unique(np.concatenate([one.history for one in met]))
            amounts = np.zeros((len(base), len(history)))
            for one in met:
                amounts[:, np.searchsorted(history, one.history)] += one.amounts
        columns: dict[tuple[ShareKind, str], Amounts] = {}
        for one in several:
            for name, adds in zip(one.names, one.others.T, strict=True):
                columns[name] = columns[name] + adds if name in columns else adds
        others = np.zeros((len(base), len(columns)))
        for n, adds in enumerate(columns.values()):
            others[:, n] = adds
        return cls(base, history, amounts, tuple(columns), others)

    def times(self, factors: Amounts | float, where: NDArray[np.bool_]) -> Told:
        """Return what adds up to the scores times factors, and to 0 but for some items."""
        factors = np.where(where, factors, 0.0)
        if where.all():
            base, amounts, others = self.base, self.amounts, self.others
        else:  # NaN times 0 would stay
            base = np.where(where, self.base, 0)
            amounts, others = (
                np.where(where[:, None], one, 0) for one in (self.amounts, self.others)
            )
        each = factors[:, None]
        return Told(base * factors, self.history, amounts * each, self.names, others * each)

    def anything(self) -> NDArray[np.bool_]:
        """(m,) whether any piece of evidence adds or takes something."""
        found = np.any(self.amounts, axis=1) | np.any(self.others, axis=1)
        return np.asarray(found, bool)

    def sums(self) -> Amounts:
        """(m,) the scores."""
        sums: Amounts = self.base + self.amounts.sum(axis=1) + self.others.sum(axis=1)
        return sums


def _alike(a: Codes, b: Codes) -> bool:
    return len(a) == len(b) and bool((a == b).all())


def features_named(names: Iterable[Any]) -> tuple[tuple[ShareKind, str], ...]:
    """Return kind and name of each of some features."""
    return tuple(("feature", str(name)) for name in names)


Tell = Callable[[int, Codes], Told]
"""From the number of an asker, and m item codes, to what adds up to their scores."""


@dataclass(frozen=True)
class Explanation:
    """Why an item has its score: the base and the shares add up to it.

    Parameters
    ----------
    base : what the score would be without the evidence.
    shares : what each piece of evidence adds or takes.
    score : the score explained.
    item : the id of the item explained.
    liked : ids of the history that a sentence may call liked.
    title : from an item id to what a person calls it.

    Notes
    -----
    Law: ``abs(base + sum(shares) - score) <= 1e-5 * (abs(base) + sum(abs(shares)))``.
    """

    base: float
    shares: tuple[Share, ...]
    score: float
    item: Any = None
    liked: Collection[Any] = ()
    title: Callable[[Any], str] = field(default=str, repr=False)

    def top(self, n: int = 5) -> list[Share]:
        """Return the n shares that weigh most, whichever their sign."""
        return sorted(self.shares, key=lambda s: -abs(s.amount))[:n]

    def sentence(self) -> str:
        """Return one line that names at most two pieces of evidence in favour."""
        met = [s for s in self.shares if s.kind == "history"]
        rest = [s for s in self.shares if s.kind != "history"]
        told = Told(
            np.array([self.base]),
            np.arange(len(met), dtype=np.int32),
            np.array([[s.amount for s in met]], np.float64),
            tuple((s.kind, str(s.id)) for s in rest),
            np.array([[s.amount for s in rest]], np.float64),
        )
        liked = np.array([s.id in self.liked for s in met], bool)
        return sentences(told, liked, lambda at: self.title(met[at].id))[0]

    def __str__(self) -> str:
        name = self.title(self.item) if self.item is not None else "item"
        lines = [f"{name}: score {self.score:.4g} — {self.sentence()}"]
        if self.base:
            lines.append(f"  {self.base:+.4f}  base")
        for share in self.top(8):
            label = self.title(share.id) if share.kind == "history" else str(share.id)
            lines.append(f"  {share.amount:+.4f}  {share.kind}: {label}")
        rest = len(self.shares) - 8
        if rest > 0:
            amount = sum(s.amount for s in self.shares) - sum(s.amount for s in self.top(8))
            lines.append(f"  {amount:+.4f}  {rest:,} more")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Explanations(Sequence[Explanation]):
    """Why several items have their scores, for one asker. An ``Explanation`` is made when taken.

    Parameters
    ----------
    told : what adds up to the scores.
    scores : (m,) the scores; NaN: the model cannot say, and nothing is told.
    codes : (m,) the items.
    liked : (h,) which items of the history a sentence may call liked.
    items : the map of all these codes.
    title, called : from an item's id, and from its code, to what a person calls it.
    """

    told: Told
    scores: NDArray[np.floating]
    codes: Codes
    liked: NDArray[np.bool_]
    items: IdMap
    title: Callable[[Any], str]
    called: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, at: int) -> Explanation: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Explanation]: ...
    def __getitem__(self, at: int | slice) -> Explanation | Sequence[Explanation]:
        if isinstance(at, slice):
            return [self[n] for n in range(len(self))[at]]
        score, told = float(self.scores[at]), self.told
        name = self.items.decode(self.codes[at : at + 1])[0]
        liked = frozenset(self.items.decode(told.history[self.liked]))
        if np.isnan(score):
            return Explanation(score, (), score, name, liked, self.title)
        some, rest = np.flatnonzero(told.amounts[at]), np.flatnonzero(told.others[at])
        ids = self.items.decode(told.history[some])
        shares = [
            Share("history", i, a)
            for i, a in zip(ids, told.amounts[at, some].tolist(), strict=True)
        ]
        shares += [Share(*told.names[n], float(told.others[at, n])) for n in rest]
        return Explanation(float(told.base[at]), tuple(shares), score, name, liked, self.title)

    def sentences(self) -> list[str]:
        """Return ``Explanation.sentence`` of each, in much less time."""
        history = self.told.history
        return sentences(self.told, self.liked, lambda at: self.called(int(history[at])))


def sentences(told: Told, liked: NDArray[np.bool_], title: Callable[[int], str]) -> list[str]:
    """Return a line for each item, which names at most two pieces of evidence in favour.

    Parameters
    ----------
    told : what adds up to the scores.
    liked : (h,) which items of the history may be called liked.
    title : from a place in the history to what a person calls the item.
    """
    tasted = np.array([kind == "feature" for kind, _ in told.names], bool)
    found = strongest(told.amounts, told.others, liked, tasted)
    return [_sentence(told, row, places, title) for row, places in enumerate(found)]


def _sentence(told: Told, row: int, places: list[int], title: Callable[[int], str]) -> str:
    """Return a line for one item; ``places`` as ``strongest`` gives them."""
    state, first, second, taste, other, top = places
    if state != FOR:
        many = state == NOTHING and told.base[row] > 0
        return "liked by many people" if many else "no strong reason"
    liked = [spoken(title(at)) for at in (first, second) if at >= 0]
    tastes = [_word(told.names[at][1]) for at in (taste, other) if at >= 0]
    if liked and tastes:
        return f"because you liked {_and(liked)} and because you like {_and(tastes)}"
    if liked:
        return f"because you liked {_and(liked)}"
    if tastes:
        return f"because you like {_and(tastes)}"
    if top >= 0 and told.names[top][0] == "part":
        name = told.names[top][1]
        return "liked by many people" if name == "Popularity" else f"suggested by {name}"
    return "people with a history like yours went for it"


def _word(feature: str) -> str:
    """Return what a person calls a feature: "genre:War" is "War"."""
    return feature.partition(":")[2] or feature


@lru_cache(maxsize=4096)
def spoken(title: str) -> str:
    """Return a title as one would say it: "Fugitive, The (1993)" is "The Fugitive".

    >>> spoken("Fugitive, The (1993)"), spoken("Seven (a.k.a. Se7en) (1995)")
    ('The Fugitive', 'Seven')
    """
    plain = re.sub(r"(\s*\([^()]*\))+\s*$", "", title) or title
    return re.sub(r"^(.+), (The|A|An)$", r"\2 \1", plain)


def _and(names: list[str]) -> str:
    return " and ".join(names)


def explain(model: Recommender, queries: Queries, item: Any) -> Explanation:
    """Explain why one asker gets the score they get for one item.

    Parameters
    ----------
    model : a fitted model that ``Explains``.
    queries : one query.
    item : the id of the item.

    Raises
    ------
    UnknownId : no such item.
    Incompatible : more than one query, or a model that cannot explain its scores.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.EASE(l2=50.0).fit(data)
    >>> explain(model, data.queries(users=[0]), item=8).shares[0].kind
    'history'
    """
    if len(queries) != 1:
        raise Incompatible(f"one query can be explained at a time, got {len(queries)}")
    asked = np.array([queries.items.code(item)], np.int32)
    return model.answer(queries, asked).explain(0, [0])[0]
