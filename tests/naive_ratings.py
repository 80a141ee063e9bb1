"""Slow twins of the rating kernels, on dense arrays with NaN where there is no rating."""

from __future__ import annotations

import math

import numpy as np

import penchant as pt
from penchant.kernels.csr import CSR


def ratings(dense):
    """Return what is not NaN, as the kernels take it."""
    rows, columns = np.nonzero(~np.isnan(dense))
    return CSR.from_pairs(rows, columns, dense[rows, columns], dense.shape)


def some(seed, users=7, items=9, share=0.5):
    """Return random half-star ratings."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 11, (users, items)) / 2
    dense[rng.random(dense.shape) > share] = np.nan
    dense[0, 0] = 3.5
    return dense


def dataset(dense, more_items=0):
    """Return it as a dataset, whose item codes are the columns."""
    rows, columns = np.nonzero(~np.isnan(dense))
    events = {"user": rows, "item": columns, "rating": dense[rows, columns]}
    return pt.Dataset.of(events, items={"item": np.arange(dense.shape[1] + more_items)})


def biases(dense, item_penalty, user_penalty, epochs):
    """Koren's baselines, one bias at a time."""
    users, items = len(dense), len(dense[0])
    rated = [(u, i, dense[u][i]) for u in range(users) for i in range(items)
             if not math.isnan(dense[u][i])]  # fmt: skip
    mean = sum(r for _, _, r in rated) / len(rated)
    b_user, b_item = [0.0] * users, [0.0] * items
    for _ in range(epochs):
        for i in range(items):
            its = [r - mean - b_user[u] for u, j, r in rated if j == i]
            b_item[i] = sum(its) / (item_penalty + len(its)) if its else math.nan
        for u in range(users):
            its = [r - mean - b_item[i] for v, i, r in rated if v == u]
            b_user[u] = sum(its) / (user_penalty + len(its)) if its else 0.0
    return mean, b_item, b_user


def descended_biases(dense, rate, penalty, epochs):
    """The same by gradient descent, one rating at a time."""
    rated = [(u, i, r) for u, row in enumerate(dense) for i, r in enumerate(row)
             if not math.isnan(r)]  # fmt: skip
    mean = sum(r for _, _, r in rated) / len(rated)
    b_user, b_item = [0.0] * len(dense), [0.0] * len(dense[0])
    for _ in range(epochs):
        for u, i, r in rated:
            error = r - (mean + b_user[u] + b_item[i])
            b_user[u] += rate * (error - penalty * b_user[u])
            b_item[i] += rate * (error - penalty * b_item[i])
    met = {i for _, i, _ in rated}
    return mean, [b if i in met else math.nan for i, b in enumerate(b_item)], b_user


def descend(dense, mean, p, q, b_user, b_item, rate, penalty):
    """One epoch of Funk's descent over rows, then columns, in place; returns the squared errors."""
    total = 0.0
    for u, row in enumerate(dense):
        for i, r in enumerate(row):
            if math.isnan(r):
                continue
            dot = sum(a * b for a, b in zip(p[u], q[i], strict=True))
            e = r - (mean + b_user[u] + b_item[i] + dot)
            total += e * e
            b_user[u] += rate * (e - penalty * b_user[u])
            b_item[i] += rate * (e - penalty * b_item[i])
            old = list(p[u])
            for k in range(len(old)):
                p[u][k] += rate * (e * q[i][k] - penalty * p[u][k])
                q[i][k] += rate * (e * old[k] - penalty * q[i][k])
    return total
