"""Shares to sentences: what carried a score, in words a person understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from penchant.errors import Incompatible
from penchant.queries import Queries

ShareKind = Literal["history", "feature", "part"]


class Share(NamedTuple):
    """What one piece of evidence added to a score.

    ``id`` is an item id for "history", a feature name for "feature", a model's name for "part".
    """

    kind: ShareKind
    id: Any
    amount: float


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
        for_it = sorted((s for s in self.shares if s.amount > 0), key=lambda s: -s.amount)
        total = sum(s.amount for s in for_it)
        liked = [s for s in for_it if s.kind == "history" and s.id in self.liked]
        tastes = [s for s in for_it if s.kind == "feature"]
        said = []
        if liked and sum(s.amount for s in liked) >= 0.1 * total:
            titles = [spoken(self.title(s.id)) for s in liked[:2]]
            said.append(f"because you liked {_and(titles)}")
        if tastes and (not said or tastes[0].amount > liked[0].amount):
            named = [str(s.id).partition(":")[2] or str(s.id) for s in tastes[:2]]
            said.append(f"{'and ' if said else ''}because you like {_and(named)}")
        if said:
            return " ".join(said)
        if any(s.kind == "part" and s.id == "Popularity" for s in for_it[:1]):
            return "liked by many people"
        if for_it and for_it[0].kind == "part":
            return f"suggested by {for_it[0].id}"
        if for_it:
            return "people with a history like yours went for it"
        return "liked by many people" if not self.shares and self.base > 0 else "no strong reason"

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


def spoken(title: str) -> str:
    """Return a title as one would say it: "Fugitive, The (1993)" is "The Fugitive".

    >>> spoken("Fugitive, The (1993)"), spoken("Seven (a.k.a. Se7en) (1995)")
    ('The Fugitive', 'Seven')
    """
    plain = re.sub(r"(\s*\([^()]*\))+\s*$", "", title) or title
    return re.sub(r"^(.+), (The|A|An)$", r"\2 \1", plain)


def _and(names: list[str]) -> str:
    return " and ".join(names)


class _Model(Protocol):
    @property
    def name(self) -> str: ...


def explain(model: _Model, queries: Queries, item: Any) -> Explanation:
    """Explain why one asker gets the score they get for one item.

    Parameters
    ----------
    model : a fitted model with a method ``explain``.
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
    method = getattr(model, "explain", None)
    if method is None:
        raise Incompatible(f"{model.name} cannot explain its scores: it has no method explain")
    if len(queries) != 1:
        raise Incompatible(f"one query can be explained at a time, got {len(queries)}")
    found: Explanation = method(queries, queries.items.code(item))
    return found
