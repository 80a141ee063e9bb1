"""Slow twins of the preparation's steps, on lists of plain rows; they share no code with it.

A row is (user, item, kind, value, time, device); value None if nothing was recorded, time -1 if it
is not known, device None if nothing stands there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction

USER, ITEM, KIND, VALUE, TIME, DEVICE = range(6)


def by_time(row):
    """Earlier first; of equal times no value, then the lower value, then the device."""
    value, device = row[VALUE], row[DEVICE]
    return (row[TIME], value is not None, value or 0, device is not None, device or "")


def deduplicated(rows, keep):
    groups = defaultdict(list)
    for row in rows:
        groups[row[:VALUE]].append(row)
    left = []
    for group in groups.values():
        group.sort(key=by_time)
        if keep == "all":
            for n, row in enumerate(group):
                if row[TIME] < 0 or row not in group[:n]:
                    left.append(row)
            continue
        if keep in ("first", "last"):
            left.append(group[0 if keep == "first" else -1])
            continue
        values = [row[VALUE] for row in group if row[VALUE] is not None]
        exact = [Fraction(v) for v in values]
        merge = {"mean": lambda v: sum(v) / len(v), "sum": sum, "max": max, "min": min}[keep]
        value = float(merge(exact)) if values else None
        left.append((*group[-1][:VALUE], value, *group[-1][TIME:]))
    return left


def hasty(rows, most, window):
    """Users with more than ``most`` events, the last less than ``window`` after the first."""
    found = set()
    for user in {row[USER] for row in rows}:
        times = [row[TIME] for row in rows if row[USER] == user and row[TIME] >= 0]
        for start in times:
            if sum(start <= time < start + window for time in times) > most:
                found.add(user)
    return found


def monotonous(rows, least):
    values = [row[VALUE] for row in rows if row[VALUE] is not None]
    if len(set(values)) < 2:
        return set()
    found = set()
    for user in {row[USER] for row in rows}:
        own = [row[VALUE] for row in rows if row[USER] == user and row[VALUE] is not None]
        if len(own) >= least and len(set(own)) == 1:
            found.add(user)
    return found


def core(rows, users, items):
    """Take out one user or item at a time, until none has too few."""
    rows = list(rows)
    while True:
        met, known = defaultdict(set), defaultdict(set)
        for row in rows:
            met[row[USER]].add(row[ITEM])
            known[row[ITEM]].add(row[USER])
        thin = [user for user, own in met.items() if len(own) < users]
        rare = [item for item, own in known.items() if len(own) < items]
        if thin:
            rows = [row for row in rows if row[USER] != thin[0]]
        elif rare:
            rows = [row for row in rows if row[ITEM] != rare[0]]
        else:
            return rows


def quantile(values, share):
    """Between the two values at that share of the way from the first to the last."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def mean(values):
    return float(sum(map(Fraction, values)) / len(values)) if values else None


def filled(rows, by, damping=5):
    """Fill in the missing values of the rows."""
    have = [row for row in rows if row[VALUE] is not None]
    overall = mean([row[VALUE] for row in have])

    def own(place, of):
        return mean([row[VALUE] for row in have if row[place] == of])

    def bias(place, of, less):
        left = [row[VALUE] - overall - less(row) for row in have if row[place] == of]
        return sum(left) / (len(left) + damping)

    def of_item(row):
        return bias(ITEM, row[ITEM], lambda _: 0)

    made = []
    for row in rows:
        if row[VALUE] is None:
            level = overall
            if by in ("item", "user"):
                place = ITEM if by == "item" else USER
                found = own(place, row[place])
                level = overall if found is None else found
            if by == "median":
                level = quantile([r[VALUE] for r in have], 0.5)
            if by == "mode":
                values = [r[VALUE] for r in have]
                level = min(set(values), key=lambda v: (-values.count(v), v))
            if by == "biases":
                level = overall + of_item(row) + bias(USER, row[USER], of_item)
            row = (*row[:VALUE], level, *row[TIME:])
        made.append(row)
    return made


def scaled(rows, how, by):
    """(value - centre) / spread, among all rows or those of the same user or item."""
    place = {"all": None, "user": USER, "item": ITEM}[by]
    made = []
    for row in rows:
        if row[VALUE] is None:
            made.append(row)
            continue
        like = [
            r[VALUE] for r in rows
            if r[VALUE] is not None and (place is None or r[place] == row[place])
        ]  # fmt: skip
        centre, spread = mean(like), 1.0
        if how == "z_score":
            spread = math.sqrt(mean([(v - centre) ** 2 for v in like])) or 1.0
        if how == "min_max":
            centre, spread = min(like), (max(like) - min(like)) or 1.0
        made.append((*row[:VALUE], (row[VALUE] - centre) / spread, *row[TIME:]))
    return made
