"""Slow twins of the ranking kernels, in plain Python."""

from __future__ import annotations

import math


def top_k(scores, k, banned, allowed):
    """Sort everything; ``banned`` lists codes per row, ``allowed`` bools per row."""
    answer = []
    for r, row in enumerate(scores):
        fit = [
            (-s, c)
            for c, s in enumerate(row)
            if not math.isnan(s) and c not in banned[r] and allowed[r][c]
        ]
        best = sorted(fit)[:k]
        codes = [c for _, c in best] + [-1] * (k - len(best))
        values = [-s for s, _ in best] + [math.nan] * (k - len(best))
        answer.append((codes, values))
    return [c for c, _ in answer], [v for _, v in answer]


def similarities(matrix, measure, shrinkage):
    """Compare every pair of rows of a dense list of lists; 0 for a row and itself."""
    answer = [[0.0] * len(matrix) for _ in matrix]
    for i, a in enumerate(matrix):
        for j, b in enumerate(matrix):
            in_a, in_b = {c for c, x in enumerate(a) if x}, {c for c, x in enumerate(b) if x}
            both = len(in_a & in_b)
            if i == j or not both:
                continue
            dot = sum(x * y for x, y in zip(a, b, strict=True))
            if measure == "cosine":
                norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
                answer[i][j] = dot / (norms + shrinkage)
            elif measure == "jaccard":
                answer[i][j] = both / (len(in_a | in_b) + shrinkage)
            elif measure == "dice":
                answer[i][j] = 2 * both / (len(in_a) + len(in_b) + shrinkage)
            else:
                answer[i][j] = dot
    return answer
