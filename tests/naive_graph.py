"""A slow twin of random walks: three steps over dense matrices of chances, written out."""

from __future__ import annotations


def walk(weights, history, alpha, beta, k):
    """Return each item's chance to be where a walk from a history ends, over popularity^beta.

    ``weights`` is people x items; of the items a walk may come from, the ``k`` likeliest count.
    """
    people, items = range(len(weights)), range(len(weights[0]))
    of_person = [sum(row) for row in weights]
    of_item = [sum(row[i] for row in weights) for i in items]
    ends = []
    for i in items:
        chances = []
        for j in items:
            chance = 0.0
            for v in people:
                if i != j and weights[v][j] and weights[v][i]:
                    to_person = (weights[v][j] / of_item[j]) ** alpha
                    to_item = (weights[v][i] / of_person[v]) ** alpha
                    chance += to_person * to_item / of_item[i] ** beta
            chances.append((chance, -j))
        best = sorted(chances, reverse=True)[:k]
        ends.append(sum(history[-j] * chance for chance, j in best))
    return ends
