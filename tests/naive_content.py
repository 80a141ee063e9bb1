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


def turns(parts, met):
    """Say at which turn each item is named, and by whom, when parts take turns (None: nobody)."""
    lists = []
    for scores in parts:
        known = [i for i, s in enumerate(scores) if s is not None]
        lists.append(sorted(known, key=lambda i: (-scores[i], i)))
    named = [None] * len(parts[0])
    turn = 0
    while any(lists):
        mine = lists[turn % len(parts)]
        while mine:
            item = mine.pop(0)
            if named[item] is None:
                named[item] = turn, turn % len(parts)
                if item not in met:  # what was met already takes no turn
                    break
        turn += 1
    return named


def constants(parts_scores):
    """Mean and standard deviation of all that is known in each part's rows of scores."""
    found = []
    for rows in parts_scores:
        known = [s for row in rows for s in row if s is not None]
        mean = sum(known) / len(known)
        found.append((mean, math.sqrt(sum((s - mean) ** 2 for s in known) / len(known))))
    return found


def ndcg(ranked, wanted, k):
    """NDCG at k with the ideal of min(k, wanted) hits."""
    gain = sum(1 / math.log2(n + 2) for n, item in enumerate(ranked[:k]) if item in wanted)
    return gain / sum(1 / math.log2(n + 2) for n in range(min(k, len(wanted))))
