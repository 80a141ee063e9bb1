"""One odd thing about data: how bad, how much of it, an example, and the call that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Severity = Literal["high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
"""From what makes results wrong, through what should be looked at, to what is worth knowing."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something odd about data.

    Parameters
    ----------
    name : what it is, such as "exact duplicates"; the same in every inspection.
    severity : "high" makes results wrong, "medium" should be looked at, "low" is worth knowing.
    about : the column, file or table that it is about, or "".
    rows, users, items : how many are concerned.
    sentence : what was found, with evidence and examples.
    examples : ids or values to look at, the plainest first.
    mend : the call that does something about it. It stands for ``import penchant as pt``, with
        ``events`` for what ``Inspection.reading`` gives, and ``table``, ``events``, ``data`` or
        ``items`` for what was inspected; None if nothing need be done to the data.

    Examples
    --------
    >>> twice = {"user": [1, 1, 2], "item": ["a", "a", "b"], "rating": [5, 5, 3]}
    >>> import penchant as pt
    >>> [found.name for found in pt.inspect(twice).findings][:1]
    ['exact duplicates']
    """

    name: str
    severity: Severity
    sentence: str
    about: str = ""
    rows: int = 0
    users: int = 0
    items: int = 0
    examples: tuple[Any, ...] = ()
    mend: str | None = None

    @property
    def much(self) -> str:
        """How many rows, users and items are concerned, in words."""
        parts = ((self.rows, "row"), (self.users, "user"), (self.items, "item"))
        return ", ".join(some(n, what) for n, what in parts if n)


def listed(things: Sequence[Any], n: int = 3) -> str:
    """Return the first ``n`` things as Python writes them, and whether there are more."""
    return ", ".join(repr(one) for one in things[:n]) + ", …" * (len(things) > n)


def some(n: int | np.signedinteger[Any], one: str) -> str:
    """Return "1 user", "2 users": a number and what it counts."""
    plural = one[:-1] + "ies" if one.endswith("try") else one + "s"
    return f"{n:,} {one if n == 1 else plural}"


def percent(share: float) -> str:
    """Return a share for a sentence: 12 %, 0.3 %, never 0 % of something."""
    if share and share < 0.001:
        return "less than 0.1%"
    if 0.999 < share < 1:
        return "more than 99.9%"
    exact = 0 < share < 0.1 or 0.99 < share < 1
    return f"{share:.1%}" if exact else f"{share:.0%}"
