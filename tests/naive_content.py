"""Slow twins of the content-based model and of the hybrids. They share no code with them."""

import math


def profile_scores(rows, history, tastes, taste_weight):
    """Score every item for one person.

    rows : for each item a dict from feature to weight; history : dict from item to weight;
    tastes : dict from feature to weight. Returns a list of floats, None where nothing can be said.
    """
    liked = {}
    for item, weight in history.items():
        for feature, value in rows[item].items():
            liked[feature] = liked.get(feature, 0.0) + weight * value
    profile = {}
    for side, strength in ((liked, 1.0), (tastes, taste_weight)):
        length = math.sqrt(sum(v * v for v in side.values()))
        for feature, value in side.items():
            profile[feature] = profile.get(feature, 0.0) + strength * value / length
    if not profile:
        return [None] * len(rows)
    length = math.sqrt(sum(v * v for v in profile.values()))
    return [
        sum(profile.get(f, 0.0) * v for f, v in row.items()) / length if row else None
        for row in rows
    ]


def blend(parts, weights, normalise):
    """Blend the whole-catalogue scores of several parts for one person (None: cannot say)."""
    total = 0.0
    sums = [0.0] * len(parts[0])
    said = [False] * len(parts[0])
    for scores, weight in zip(parts, weights, strict=True):
        known = [s for s in scores if s is not None]
        if not known:
            continue
        mean = sum(known) / len(known)
        spread = math.sqrt(sum((s - mean) ** 2 for s in known) / len(known))
        total += weight
        for item, s in enumerate(scores):
            if normalise:
                value = 0.0 if s is None or spread == 0 else (s - mean) / spread
            else:
                value = mean if s is None else s
            sums[item] += weight * value
            said[item] |= s is not None
    return [value / total if one and total else None for value, one in zip(sums, said, strict=True)]


def interleave(parts, met):
    """Deal items out in turns: each part names its best item that is neither met nor dealt yet."""
    orders = []
    for scores in parts:
        known = [i for i, s in enumerate(scores) if s is not None and i not in met]
        orders.append(sorted(known, key=lambda i: (-scores[i], i)))
    return orders
