"""Slow twins of ratings from neighbours, on dense lists with NaN where there is no rating.

The forms are written as the library Surprise defines each of them, not by the one equation that
the package makes of all.
"""

from __future__ import annotations

import math

from naive_ratings import biases


def similarity(a, b, shrinkage=0.0, measure="cosine", support=1):
    """Of two rows, over the columns both have; 0 where it says nothing."""
    common = [(x, y) for x, y in zip(a, b, strict=True) if not math.isnan(x + y)]
    n = len(common)
    if n < support:
        return 0.0
    if measure == "pearson":
        means = [math.fsum(values) / n for values in zip(*common, strict=True)]
        common = [(x - means[0], y - means[1]) for x, y in common]
    if measure == "msd":
        value = 1 / (math.fsum((x - y) ** 2 for x, y in common) / n + 1)
    else:
        xx, yy = (math.fsum(x * x for x in side) for side in zip(*common, strict=True))
        if math.sqrt(xx * yy) < 1e-12:
            return 0.0
        value = math.fsum(x * y for x, y in common) / math.sqrt(xx * yy)
    return value * ((n - 1) / (n - 1 + shrinkage) if shrinkage else 1.0)


def mean_of_best(pairs, k, least=1):
    """Weighted mean of the values of the k largest (similarity, value) pairs.

    Of those above zero; None if they are fewer than ``least``.
    """
    good = sorted((p for p in pairs if p[0] > 0), key=lambda p: -p[0])
    if len(good) < least:
        return None
    weight = sum(s for s, _ in good[:k])
    return sum(s * v for s, v in good[:k]) / weight


def mean_and_deviation(values):
    """Of the ratings among the values."""
    rated = [v for v in values if not math.isnan(v)]
    mean = math.fsum(rated) / len(rated)
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in rated) / len(rated))


def predictions(dense, side, form, measure, k, least, shrinkage, support):
    """Return what neighbours make of each rating, people x items, known ratings included.

    ``side`` is "items" or "people"; nobody is their own neighbour.
    """
    users, items = len(dense), len(dense[0])
    mean, b_item, b_user = biases(dense, 10, 15, 10)
    by_row = side == "people"

    def usual(x, y):
        return mean + (b_user[x] + b_item[y] if by_row else b_item[x] + b_user[y])

    rows = [list(r) for r in dense] if by_row else [list(c) for c in zip(*dense, strict=True)]
    columns = list(zip(*rows, strict=True))
    compared = rows
    if measure == "pearson_baseline":
        compared = [[r - usual(x, y) for y, r in enumerate(row)] for x, row in enumerate(rows)]
    elif measure == "adjusted_cosine":
        means = [mean_and_deviation(column)[0] for column in columns]
        compared = [[r - means[y] for y, r in enumerate(row)] for row in rows]
    plain = measure if measure in ("msd", "pearson") else "cosine"
    every, spread = mean_and_deviation([r for row in rows for r in row])
    known = [mean_and_deviation(row) for row in rows]
    means = [m for m, _ in known]
    deviations = [d or spread for _, d in known]

    def predicted(x, y):
        near = [
            (similarity(compared[x], compared[z], shrinkage, plain, support), z)
            for z in range(len(rows))
            if z != x and not math.isnan(rows[z][y])
        ]

        def weighted(value):
            return mean_of_best([(s, value(z)) for s, z in near], k, least)

        if form == "basic":
            found = weighted(lambda z: rows[z][y])
            return every if found is None else found
        if form == "means":
            return means[x] + (weighted(lambda z: rows[z][y] - means[z]) or 0)
        if form == "z_score":
            over = weighted(lambda z: (rows[z][y] - means[z]) / deviations[z]) or 0
            return means[x] + deviations[x] * over
        return usual(x, y) + (weighted(lambda z: rows[z][y] - usual(z, y)) or 0)

    return [
        [predicted(u, i) if by_row else predicted(i, u) for i in range(items)] for u in range(users)
    ]
