"""Slow twins of the linear models, in dense float64; they share no code with them."""

from __future__ import annotations

import numpy as np


def inverted(gram, l2):
    """B = I - P / diag(P) column by column, P the inverse of gram + l2 I."""
    p = np.linalg.inv(gram + l2 * np.eye(len(gram)))
    b = np.eye(len(gram)) - p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


def stacked(x, features, l2, weight):
    """CEASE: items described by rows of ``features`` (items x features), as more people."""
    both = np.vstack([x, np.sqrt(weight) * features.T])
    return inverted(both.T @ both, l2)


def added(x, features, l2, weight, side_l2):
    """Add-EASE: two regressions, each with its penalty."""
    return inverted(x.T @ x, l2) + weight * inverted(features @ features.T, side_l2)


def nearest_ridge(x, l2, k):
    """Each column regressed on the k columns of the largest positive cosine with it."""
    gram = x.T @ x
    n = len(gram)
    b = np.zeros((n, n))
    for j in range(n):
        cosine = [
            (-gram[i, j] / np.sqrt(gram[i, i]), i) for i in range(n) if i != j and gram[i, j] > 0
        ]
        near = [i for _, i in sorted(cosine)[:k]]
        if near:
            a = x[:, near]
            b[near, j] = np.linalg.solve(a.T @ a + l2 * np.eye(len(near)), a.T @ x[:, j])
    return b


def frequency_scaled(x, l2, nu):
    """B with l2 (n_i / mean n)^nu on the diagonal, n_i what item i was met; all were met."""
    met = x.sum(axis=0)
    p = np.linalg.inv(x.T @ x + l2 * np.diag((met / met.mean()) ** nu))
    b = np.eye(len(p)) - p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b
