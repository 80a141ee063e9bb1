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


def similarities(matrix, measure, shrinkage, alpha=0.5, beta=0.5):
    """Compare every pair of rows of a dense list of lists; 0 for a row and itself.

    Entry (i, j) is of j as a neighbour of i; ``alpha`` is of j.
    """
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
            elif measure == "asymmetric":
                of_i, of_j = sum(x * x for x in a), sum(x * x for x in b)
                answer[i][j] = dot / (of_i ** (1 - alpha) * of_j**alpha + shrinkage)
            elif measure == "tversky":
                only_i, only_j = len(in_a - in_b), len(in_b - in_a)
                answer[i][j] = both / (both + alpha * only_j + beta * only_i + shrinkage)
            elif measure == "jaccard":
                answer[i][j] = both / (len(in_a | in_b) + shrinkage)
            elif measure == "dice":
                answer[i][j] = 2 * both / (len(in_a) + len(in_b) + shrinkage)
            else:
                answer[i][j] = dot
    return answer


def hits(codes, truth):
    """One list against one truth, with sets."""
    wanted = {c for c in truth if c >= 0}
    found = [c in wanted and c not in codes[:rank] for rank, c in enumerate(codes)]
    return found, len(wanted) + truth.count(-1)


def resampled_sums(values, draws, seed):
    """Use integers without bounds, cut to 64 bits by hand."""

    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    answer = []
    for b in range(draws):
        state = mix(seed ^ mix(b))
        total = [0.0] * len(values[0])
        for _ in values:
            state = (state + 0x9E3779B97F4A7C15) % 2**64
            row = values[(mix(state) // 2**32) * len(values) // 2**32]
            total = [t + v for t, v in zip(total, row, strict=True)]
        answer.append(total)
    return answer


def metric(name, k, recommended, truth):
    """One list of items, best first, against one set, straight from the definitions."""
    top, wanted = recommended[:k], set(truth)
    ranks = [rank for rank, item in enumerate(top, 1) if item in wanted]
    dcg = sum(1 / math.log2(1 + rank) for rank in ranks)
    ideal = [1 / math.log2(1 + rank) for rank in range(1, k + 1)]
    average = sum(sum(1 for r in ranks if r <= rank) / rank for rank in ranks)
    precision, recall = len(ranks) / k, len(ranks) / len(wanted)
    return {
        "Precision": precision,
        "Recall": recall,
        "CappedRecall": len(ranks) / min(k, len(wanted)),
        "F1": 2 * precision * recall / (precision + recall) if ranks else 0,
        "HitRate": float(bool(ranks)),
        "MRR": 1 / min(ranks) if ranks else 0,
        "MAP": average / min(k, len(wanted)),
        "MAPOverRelevant": average / len(wanted),
        "MAPOverK": average / k,
        "NDCG": dcg / sum(ideal[: len(wanted)]),
        "NDCGOverK": dcg / sum(ideal),
    }[name]


def diversity(vectors):
    """Mean cosine distance over the pairs of a list's feature vectors that are not empty."""
    known = [v for v in vectors if any(v)]
    distances = []
    for i, a in enumerate(known):
        for b in known[:i]:
            lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
            distances.append(1 - sum(x * y for x, y in zip(a, b, strict=True)) / lengths)
    return sum(distances) / len(distances) if distances else math.nan


def gini(counts):
    """Half the relative mean absolute difference."""
    apart = sum(abs(a - b) for a in counts for b in counts)
    return apart / (2 * len(counts) * sum(counts))
