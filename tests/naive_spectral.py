"""Graph filters written out: dense matrices, numpy's decomposition, one asker at a time."""

from __future__ import annotations

import numpy as np


def normalised(x):
    """Return R~ of people x items weights; people and items without any stay 0."""
    out = np.zeros(x.shape)
    for u, i in zip(*np.nonzero(x), strict=True):
        out[u, i] = x[u, i] / np.sqrt(x[u].sum() * x[:, i].sum())
    return out


def passes(t, flatness):
    """Return the share of a signal of roughness t that the plateau lets through."""
    u = 2 * t - 1
    return 0.5 - 0.5 * u**flatness if u >= 0 else 0.5 + 0.5 * (-u) ** flatness


def filtered(x, history, *, rank, flatness, ideal, degree, ideal_degree):
    """Return (items,) scores: h along the first vectors, a line on the rest, and the ideal filter.

    The line goes through the origin and meets h half way to the last value found.
    """
    graph = normalised(x)
    _, values, vectors = np.linalg.svd(graph, full_matrices=False)
    rank = min(rank, np.count_nonzero(x.sum(axis=1)), np.count_nonzero(x.sum(axis=0)))
    squares = values[:rank] ** 2
    first = vectors[:rank]
    middle = max((squares.min() if rank else 1.0) / 2, 1e-6)
    slope = passes(1 - middle, flatness) / middle
    smooth = np.zeros((x.shape[1],) * 2)
    rest = graph.T @ graph
    low = np.zeros_like(smooth)
    for square, v in zip(squares, first, strict=True):
        smooth += passes(1 - square, flatness) * np.outer(v, v)
        rest -= square * np.outer(v, v)
        low += np.outer(v, v)
    weight = x.sum(axis=0)
    scores = np.zeros(x.shape[1])
    for j in np.flatnonzero(history):
        for i in range(x.shape[1]):
            if weight[i] and weight[j]:
                between = (smooth + slope * rest)[j, i] * (weight[i] / weight[j]) ** degree
                between += ideal * low[j, i] * (weight[i] / weight[j]) ** ideal_degree
                scores[i] += history[j] * between
    return scores
