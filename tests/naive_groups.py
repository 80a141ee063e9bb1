"""Slow twins of Slope One and co-clustering, on dense arrays with NaN where there is no rating."""

from __future__ import annotations

import numpy as np

ODD = np.array([
    [5, 4, 0, 5, 0, 4, 0, 0, 0], [2, 2, 5, 5, 1, 0, 5, 0, 4], [0, 0, 5, 0, 0, 0, 4, 2, 5],
    [0, 3, 3, 0, 0, 3, 5, 5, 4], [4, 0, 2, 5, 3, 0, 5, 1, 5], [4, 0, 0, 3, 1, 0, 3, 5, 0],
    [5, 5, 0, 0, 3, 0, 2, 0, 0], [2, 5, 0, 1, 0, 0, 4, 0, 2], [4, 2, 3, 1, 0, 5, 4, 1, 0],
    [2, 0, 5, 1, 0, 0, 5, 4, 0], [1, 0, 3, 1, 2, 0, 4, 0, 0], [0, 0, 0, 4, 3, 1, 1, 4, 0],
], float)  # fmt: skip
ODD[ODD == 0] = np.nan
"""Ratings that the library Surprise was asked about, too."""


def slope_one(dense, asker, item):
    """Predict a row of ratings for an item, two items at a time; NaN if no deviation is known."""
    found = []
    for j, rating in enumerate(asker):
        both = [row[item] - row[j] for row in dense if not np.isnan(row[item] + row[j])]
        if j != item and not np.isnan(rating) and both:
            found.append(np.mean(both))
    return np.nanmean(asker) + np.mean(found) if found else np.nan


def co_cluster(dense, people, items, sizes, epochs):
    """Move people, then items, by the sum of their squared errors, rating by rating.

    Returns the groups of both, and the prediction for each pair.
    """
    people, items = list(people), list(items)
    person, item = np.nanmean(dense, axis=1), np.nanmean(dense, axis=0)

    def average(chosen):
        values = [dense[u, i] for u, i in rated if chosen(u, i)]
        return np.mean(values) if values else np.nanmean(dense)

    def predicted(u, i, g, h):
        return both[g][h] + person[u] - whole[g] + item[i] - part[h]

    def averages():
        return (
            [
                [average(lambda u, i: people[u] == g and items[i] == h) for h in range(sizes[1])]  # noqa: B023
                for g in range(sizes[0])
            ],
            [average(lambda u, i: people[u] == g) for g in range(sizes[0])],  # noqa: B023
            [average(lambda u, i: items[i] == h) for h in range(sizes[1])],  # noqa: B023
        )

    rated = [(u, i) for u, i in np.ndindex(*dense.shape) if not np.isnan(dense[u, i])]
    for _ in range(epochs):
        both, whole, part = averages()
        for u in range(len(people)):
            mine = [i for v, i in rated if v == u]
            errors = [
                sum((dense[u, i] - predicted(u, i, g, items[i])) ** 2 for i in mine)
                for g in range(sizes[0])
            ]
            people[u] = int(np.argmin(errors))
        for i in range(len(items)):
            mine = [u for u, j in rated if j == i]
            errors = [
                sum((dense[u, i] - predicted(u, i, people[u], h)) ** 2 for u in mine)
                for h in range(sizes[1])
            ]
            items[i] = int(np.argmin(errors))
    both, whole, part = averages()
    scores = [
        [predicted(u, i, people[u], items[i]) for i in range(len(items))]
        for u in range(len(people))
    ]
    return people, items, np.array(scores)
