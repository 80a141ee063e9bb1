"""Slow twins of the rating models with vectors: plain loops over ratings, and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np


def descend_with_sets(dense, mean, p, q, y, b_user, b_item, rate, penalty):
    """One epoch of SVD++ as the paper has it: a loop over N(u) for each rating; squared errors."""
    total = 0.0
    for u, row in enumerate(dense):
        rated = [i for i, r in enumerate(row) if not math.isnan(r)]
        for i in rated:
            size = math.sqrt(len(rated))
            said = [sum(y[j][k] for j in rated) / size for k in range(len(p[u]))]
            person = [a + b for a, b in zip(p[u], said, strict=True)]
            dot = sum(a * b for a, b in zip(person, q[i], strict=True))
            e = row[i] - (mean + b_user[u] + b_item[i] + dot)
            total += e * e
            b_user[u] += rate * (e - penalty * b_user[u])
            b_item[i] += rate * (e - penalty * b_item[i])
            old = list(q[i])
            for k in range(len(old)):
                p[u][k] += rate * (e * old[k] - penalty * p[u][k])
                q[i][k] += rate * (e * person[k] - penalty * old[k])
                for j in rated:
                    y[j][k] += rate * (e * old[k] / size - penalty * y[j][k])
    return total


def multiply(dense, moved, fixed, penalty):
    """Return the vectors of the rows after one multiplicative update; ``dense`` may be negative."""
    new = []
    for row, p in zip(dense, moved, strict=True):
        rated = [i for i, r in enumerate(row) if not math.isnan(r)]
        said = {i: sum(a * b for a, b in zip(p, fixed[i], strict=True)) for i in rated}
        new.append([])
        for k in range(len(p)):
            up = sum(row[i] * fixed[i][k] for i in rated if row[i] > 0)
            down = sum(said[i] * fixed[i][k] for i in rated) + penalty * len(rated) * p[k]
            down -= sum(row[i] * fixed[i][k] for i in rated if row[i] < 0)
            new[-1].append(p[k] * up / down if down else 0.0)
    return new


def alternate(dense, p, q, penalty, bias_penalty, epochs):
    """Non-negative factors beside a mean and biases: people's bias and vector, then items'."""
    mean = np.nanmean(dense)
    b_user, b_item = np.zeros(len(dense)), np.zeros(dense.shape[1])
    for _ in range(epochs):
        left = dense - mean - b_item - p @ q.T
        b_user = np.nansum(left, axis=1) / (np.sum(~np.isnan(left), axis=1) + bias_penalty)
        rest = dense - mean - b_item - b_user[:, None]
        p = np.array(multiply(rest.tolist(), p, q, penalty))
        left = dense - mean - b_user[:, None] - p @ q.T
        b_item = np.nansum(left, axis=0) / (np.sum(~np.isnan(left), axis=0) + bias_penalty)
        rest = dense - mean - b_item - b_user[:, None]
        q = np.array(multiply(rest.T.tolist(), q, p, penalty))
    return mean, p, q, b_user, b_item


def nearest(x, residuals, ridge, towards, low):
    """Minimise ``|residuals - x v|^2 + (v - towards)' ridge (v - towards)`` over ``v >= low``.

    Of every set of coordinates held at their bounds, the rest solve a linear system; the best of
    the solutions that keep the bounds is the minimum.
    """
    size = len(towards)
    best, least = None, math.inf
    for held in itertools.product([False, True], repeat=size):
        at = np.array(held)
        if np.isinf(low[at]).any():
            continue
        v = np.where(at, low, 0.0)
        free = ~at
        matrix = x[:, free].T @ x[:, free] + ridge[np.ix_(free, free)]
        right = x[:, free].T @ (residuals - x[:, at] @ v[at])
        right = right + ridge[free] @ towards - ridge[np.ix_(free, at)] @ v[at]
        v[free] = np.linalg.solve(matrix, right)
        if (v >= low - 1e-12).all():
            far = v - towards
            cost = np.sum((residuals - x @ v) ** 2) + far @ ridge @ far
            if cost < least:
                best, least = v, cost
    return best
