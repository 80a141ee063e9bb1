"""Alternating least squares written out: dense matrices, every pair, 64 bits."""

import numpy as np


def objective(rows, columns, dense, alpha, l2):
    """The sum over every pair of c (p - x . y)^2, plus both penalties, over the number of pairs."""
    total = 0.0
    for u, x in enumerate(rows.astype(float)):
        for i, y in enumerate(columns.astype(float)):
            p = 1.0 if dense[u, i] > 0 else 0.0
            total += (1.0 + alpha * dense[u, i]) * (p - float(np.dot(x, y))) ** 2
    total += l2 * sum(float(np.sum(f.astype(float) ** 2)) for f in (rows, columns))
    return total / dense.size


def normal_equations(weights, columns, alpha, l2):
    """A = Y' C Y + l2 I and b = Y' C p of one row, C = diag(1 + alpha w) over every column."""
    y = columns.astype(float)
    confidence = np.diag(1.0 + alpha * weights)
    return y.T @ confidence @ y + l2 * np.eye(y.shape[1]), y.T @ confidence @ (weights > 0)


def solution(weights, columns, alpha, l2):
    a, b = normal_equations(weights, columns, alpha, l2)
    return np.linalg.inv(a) @ b


def descended(start, weights, columns, alpha, l2, steps):
    """Conjugate gradients from Golub and Van Loan, algorithm 11.3.3, on the formed A."""
    a, b = normal_equations(weights, columns, alpha, l2)
    x, residuals, direction = start.astype(float), [], None
    for _ in range(steps):
        residuals.append(b - a @ x)
        r = residuals[-1]
        if direction is None:
            direction = r
        else:
            before = residuals[-2]
            direction = r + (r @ r) / (before @ before) * direction
        x = x + (r @ r) / (direction @ a @ direction) * direction
    return x
