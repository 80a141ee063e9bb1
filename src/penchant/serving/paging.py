"""Pages of a list: a cursor carries the list and how far it was shown; the log holds the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import msgspec
import polars as pl
from sqlalchemy import Connection

from penchant.errors import Incompatible, UnknownId
from penchant.serving.cursors import after, cursor
from penchant.serving.failures import Refusal
from penchant.serving.recommending import Wanted
from penchant.serving.shapes import Ask, Listed, Recommended
from penchant.serving.shelf import Shelf
from penchant.store.log import person
from penchant.store.shown import Shown
from penchant.store.store import Store

LIST = "recommendations"
"""What cursors are made for here."""

LONGEST = 1000
"""Items that a list shows in all, page after page."""

LARGEST = 100
"""Items of a page, as ``Ask.k`` has it."""

Entry = list[Any]
"""``[item_id, score, source, reason, propensity]``, as the log has it."""


@dataclass(frozen=True)
class Page:
    """Where a list goes on.

    Parameters
    ----------
    shown : the list as the log has it.
    ask : the request that began it, with the length of the page that is asked for now.
    offset : how many items the pages before showed.
    entries : all that the log has of it, earlier pages too.
    """

    shown: Shown
    ask: Ask
    offset: int
    entries: list[Entry]

    @property
    def logged(self) -> list[Entry]:
        """What the log has of this page: it was asked for before."""
        return self.entries[self.offset : self.offset + self.ask.k]

    def wanted(self) -> Wanted:
        """Return the page as a request of its own."""
        met = tuple(entry[0] for entry in self.entries)
        return Wanted(self.ask, self.shown.recommendation_id, met, self.ask.model)

    def extended(self, store: Store, entries: list[Entry], connection: Connection) -> Page:
        """Add what comes next to the log; if another request was first, that counts."""
        all_of_it = store.shown.extend(
            self.shown.recommendation_id, self.offset, entries, connection=connection
        )
        return replace(self, entries=all_of_it)

    def listed(self, shelf: Shelf, now: int, because: list[str]) -> Listed:
        """Return the page, less what has been withdrawn since."""
        made, logged = self.shown.recommendation_id, self.logged
        codes = shelf.items.encode(pl.Series([entry[0] for entry in logged], dtype=pl.String))
        may, told = shelf.open(now), shelf.told(codes)
        return Listed(
            recommendation_id=made,
            model=self.shown.model,
            fallback=self.shown.fallback,
            items=[
                Recommended(
                    item_id=item_id, rank=rank, score=score, source=source, reason=reason,
                    title=title, categories=categories, propensity=propensity,
                )
                for rank, (item_id, score, source, reason, propensity), code, title, categories
                in zip(count(self.offset + 1), logged, codes.tolist(), *told)
                if code < 0 or may[code]
            ],
            cursor=following(made, self.offset, len(logged), self.ask.k),
            empty_because=because,
        )  # fmt: skip


def entry(one: Recommended) -> Entry:
    """Return an item of a list as the log has it."""
    return [one.item_id, one.score, one.source, one.reason, one.propensity]


def person_of(ask: Ask) -> str | None:
    """Return whom a list is for, None for nobody in particular."""
    known = ask.user_id is not None or ask.session_id is not None
    return person(ask.user_id, ask.session_id) if known else None


def following(recommendation_id: str, offset: int, length: int, k: int) -> str | None:
    """Return the cursor of the page after one of ``length`` items; None: there is no more."""
    if length < k or offset + length >= LONGEST:
        return None
    return cursor(LIST, f"{recommendation_id}.{offset + length}.{k}")


def page(store: Store, ask: Ask) -> Page:
    """Return the page that a request's cursor asks for.

    All but the length is as in the request that began the list; who asks may be left out.

    Raises
    ------
    Refusal : no cursor of such a list.
    UnknownId : the list is gone: its person was erased.
    Incompatible : someone else asks.
    """
    found = re.fullmatch(r"(\w+)\.(\d{1,4})\.(\d{1,3})", str(after(LIST, ask.cursor, str)))
    # Whoever made it up: pages have the lengths, and lists end where, they do without.
    if found is None or not 1 <= int(found[3]) <= LARGEST or int(found[2]) >= LONGEST:
        raise Refusal(
            "invalid", "this is no cursor of a list that was recommended", path="$.cursor"
        )
    recommendation_id, offset, k = found.groups()
    shown = store.shown.get(recommendation_id)
    if shown is None:
        raise UnknownId("the list that the cursor goes on with is not there any more: begin anew")
    first = msgspec.json.decode(shown.request, type=Ask)
    if person_of(ask) not in (None, person_of(first)):
        raise Incompatible("the cursor belongs to a list for someone else")
    first = msgspec.structs.replace(first, k=int(k) if ask.k == DEFAULT else ask.k)
    entries = msgspec.json.decode(shown.items)
    return Page(shown, first, min(int(offset), len(entries)), entries)


DEFAULT = Ask().k
