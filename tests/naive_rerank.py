"""Slow twins of the re-rankings. They share no code with them."""

import math


def cosine(a, b):
    """Cosine of two dicts from feature to value; 0 if either is all 0 or has a NaN."""
    la, lb = (math.sqrt(sum(v * v for v in x.values())) for x in (a, b))
    if not la > 0 or not lb > 0:
        return 0.0
    return sum(v * b.get(f, 0.0) for f, v in a.items()) / (la * lb)


def worth(place, chosen, rows, amount):
    """Marginal relevance of the candidate at a place, after others were chosen."""
    alike = max((cosine(rows[place], rows[c]) for c in chosen), default=0.0)
    return (1 - amount) / (1 + place / 10) - amount * alike


def few(groups, most, k):
    """Places of the first k candidates with room in all of their groups."""
    chosen = []
    for place, mine in enumerate(groups):
        taken = [g for c in chosen for g in groups[c]]
        if len(chosen) < k and all(taken.count(g) < most for g in mine):
            chosen.append(place)
    return chosen
