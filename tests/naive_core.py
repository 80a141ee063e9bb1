"""Slow twins of the core, in plain Python and dense float64; they share no code with it."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np


def summed(rows, columns, values):
    """Sum the values of each (row, column)."""
    cells = defaultdict(float)
    for r, c, v in zip(rows, columns, values, strict=True):
        cells[int(r), int(c)] += float(v)
    return dict(cells)


def dense(rows, columns, values, shape):
    """Return a dense float64 matrix of summed values."""
    out = np.zeros(shape)
    for (r, c), v in summed(rows, columns, values).items():
        out[r, c] = v
    return out


def entries(csr):
    """Return the stored entries of a CSR as {(row, column): value}."""
    found = {}
    for r in range(len(csr.indptr) - 1):
        for n in range(csr.indptr[r], csr.indptr[r + 1]):
            assert (r, int(csr.indices[n])) not in found, "an entry stands twice"
            found[r, int(csr.indices[n])] = float(csr.data[n])
    return found


def row_weight(event, *, weights=None, half_life=None, liked=None, at_least=None, clip=None,
               by_value=None, take_back=(), now=-1):  # fmt: skip
    """Weigh one (person, item, kind, value, time) row by itself; times in microseconds."""
    _, _, kind, value, time = event
    low, high = (clip or {}).get(kind, (None, None))
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    limit = liked if kind == "rating" else (at_least or {}).get(kind)
    if limit is not None and (math.isnan(value) or value < limit):
        return 0.0
    weight = (weights or {}).get(kind, 0.0 if kind in ("hide", *take_back) else 1.0)
    if not math.isnan(value):
        how = (by_value or {}).get(kind)
        if how == "linear":
            weight *= max(value, 0.0)
        elif how == "log":
            weight *= math.log(1 + max(value, 0.0), 2)
    if half_life is not None and 0 <= time < now:
        weight *= 0.5 ** ((now - time) / half_life)
    return weight


def weighed(events, *, take_back=(), repeats="sum", cap=None, **rules):
    """Weigh (person, item, kind, value, time) rows in time order, pair by pair."""
    pairs = defaultdict(list)
    for event in events:
        person, item, kind, _, _ = event
        if kind in take_back:
            pairs[person, item].clear()
        pairs[person, item].append(row_weight(event, take_back=take_back, **rules))
    worth = {"sum": sum, "last": lambda row: row[-1], "most": max}[repeats]
    cells = {pair: worth(row) for pair, row in pairs.items()}
    cells = {pair: x if cap is None else min(x, cap) for pair, x in cells.items()}
    return {pair: x for pair, x in cells.items() if x > 0}


def last_ratings(events, low=-math.inf, high=math.inf):
    """Return the last recorded value of each pair, of ratings with one; rows in time order."""
    return {
        (person, item): min(max(value, low), high)
        for person, item, kind, value, _ in events
        if kind == "rating" and not math.isnan(value)
    }


def listed(scores, k, *, seen=(), exclude=(), only=None, pins=(), allow_seen=False):
    """Choose one asker's list from a dict of item to score: pins first, then by score."""
    first = [p for p in dict.fromkeys(pins) if p in scores and p not in exclude]
    hidden = set(exclude) | set(first) | (set() if allow_seen else set(seen))
    places = {item: n for n, item in enumerate(scores)}
    rest = [
        item
        for item in scores
        if item not in hidden and (only is None or item in only) and not math.isnan(scores[item])
    ]
    rest.sort(key=lambda item: (-scores[item], places[item]))
    return (first + rest)[:k]


def ease(x, l2):
    """Return B of EASE by inverting the whole Gram matrix: B = I - P / diag(P), columns by d."""
    gram = x.T @ x + l2 * np.eye(x.shape[1])
    p = np.linalg.inv(gram)
    b = np.zeros_like(p)
    for i in range(len(p)):
        for j in range(len(p)):
            if i != j:
                b[i, j] = -p[i, j] / p[j, j]
    return b


def ndcg_at_10(ranked, relevant):
    """NDCG@10 of one list, with the ideal of min(relevant, 10) hits."""
    gain = sum(1 / math.log2(n + 2) for n, item in enumerate(ranked[:10]) if item in relevant)
    ideal = sum(1 / math.log2(n + 2) for n in range(min(10, len(relevant))))
    return gain / ideal


def written_out(matrix):
    """A sparse matrix as a dense one."""
    x = np.zeros(matrix.shape)
    for (r, c), v in entries(matrix).items():
        x[r, c] = v
    return x
