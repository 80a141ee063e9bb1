"""The slow twins of the inspection: loops over rows and pairs, straight from the definitions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product


def gini(counts: Sequence[int]) -> float:
    """Half the mean absolute difference of all pairs, by the mean."""
    n, total = len(counts), sum(counts)
    return sum(abs(a - b) for a, b in product(counts, counts)) / (2 * n * total)


def lorenz(counts: Sequence[int], share: float) -> float:
    """Share of the total that the smallest have, interpolated between neighbours."""
    ascending = sorted(counts)
    at = share * len(ascending)
    whole = int(at)
    part = sum(ascending[:whole])
    if whole < len(ascending):
        part += (at - whole) * ascending[whole]
    return part / sum(ascending)


def area(flag: Sequence[bool], value: Sequence[float]) -> float:
    """The share of pairs, one with the flag and one without, in which the first is higher."""
    having = [v for f, v in zip(flag, value, strict=True) if f]
    others = [v for f, v in zip(flag, value, strict=True) if not f]
    wins = sum((a > b) + (a == b) / 2 for a, b in product(having, others))
    return wins / (len(having) * len(others))


def hasty(rows: Sequence[tuple[int, int]], most: int, window: int) -> set[int]:
    """Users of (user, time) rows with more than ``most`` rows less than ``window`` apart."""
    found = set()
    for user, start in rows:
        if sum(u == user and start <= t < start + window for u, t in rows) > most:
            found.add(user)
    return found


def cold(rows: Sequence[tuple[int, int, int]], cut: int) -> tuple[float, float, float, float]:
    """Of (user, item, time) rows from ``cut`` on: shares of new users, items, and their rows."""
    early = [r for r in rows if r[2] < cut]
    late = [r for r in rows if r[2] >= cut]
    told = []
    for place in (0, 1):
        known = {r[place] for r in early}
        later = {r[place] for r in late}
        told += [len(later - known) / len(later)]
        told += [sum(r[place] not in known for r in late) / len(late)]
    users, by_users, items, by_items = told
    return users, items, by_users, by_items
