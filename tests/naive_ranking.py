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
