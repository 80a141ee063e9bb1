"""Alternating least squares written out: dense matrices, every pair, 64 bits."""

import numpy as np


def penalties(dense, unobserved, l2, nu, of_all=False):
    """The penalty on each row of a table of weights, whose empty columns count for nothing."""
    columns = sum(1 for column in dense.T if column.any()) if of_all else 0
    return np.array([l2 * (sum(row) + unobserved * columns) ** nu for row in dense])


def objective(rows, columns, dense, unobserved, l2, nu=0.0):
    """The sum over every pair and both penalties, over the number of pairs."""
    total = 0.0
    for u, x in enumerate(rows.astype(float)):
        for i, y in enumerate(columns.astype(float)):
            s = float(np.dot(x, y))
            total += dense[u, i] * (1.0 - s) ** 2 + unobserved * s**2
    for side, table in ((rows, dense), (columns, dense.T)):
        lengths = np.sum(side.astype(float) ** 2, axis=1)
        total += float(penalties(table, unobserved, l2, nu) @ lengths)
    return total / dense.size


def normal_equations(weights, columns, unobserved, penalty):
    """A and b of one row, from every column."""
    y = columns.astype(float)
    a = penalty * np.eye(y.shape[1])
    for w, one in zip(weights, y, strict=True):
        a += (w + unobserved) * np.outer(one, one)
    return a, y.T @ weights


def solution(weights, columns, unobserved, penalty):
    a, b = normal_equations(weights, columns, unobserved, penalty)
    return np.linalg.inv(a) @ b


def descended(start, weights, columns, unobserved, penalty, shares, steps, close=0.0):
    """Preconditioned conjugate gradients, Golub and Van Loan, algorithm 11.5.1, on the formed A.

    The preconditioner is, in the axes in which Y'Y is diagonal, the diagonal of A if the row's
    weight were spread as ``shares`` says. A row that is ``close`` stays where it is.
    """
    y = columns.astype(float)
    a, b = normal_equations(weights, columns, unobserved, penalty)
    axes = np.linalg.svd(y)[2].T
    mean = (y.T * shares) @ y
    whole = unobserved * y.T @ y + penalty * np.eye(len(a)) + weights.sum() * mean
    inverse = axes @ np.diag(1 / np.diag(axes.T @ whole @ axes)) @ axes.T
    x, residuals, direction = start.astype(float), [], None
    length = x @ np.linalg.inv(inverse) @ x
    for _ in range(steps):
        residuals.append(b - a @ x)
        r = residuals[-1]
        if r @ inverse @ r <= close * length:
            break
        if direction is None:
            direction = inverse @ r
        else:
            before = residuals[-2]
            direction = inverse @ r + (r @ inverse @ r) / (before @ inverse @ before) * direction
        x = x + (r @ inverse @ r) / (direction @ a @ direction) * direction
    return x


def start(dense, drawn):
    """Two rounds of subspace iteration on the weights, divided by the roots of their sums."""
    rows, columns = (np.maximum(dense.sum(axis=a), 1e-9) for a in (1, 0))
    normal = dense / np.sqrt(np.outer(rows, columns))
    y = drawn.astype(float)
    for _ in range(2):
        left, lengths, _ = np.linalg.svd(normal.T @ normal @ y, full_matrices=False)
        part = lengths / lengths[0]
        y = 3 * (left * np.where(part > 1e-3, part**0.25, 0))[:, ::-1]
    return y


def block_by_block(start, weights, columns, unobserved, penalty, block):
    """Each block of coordinates in turn where the loss is least, the others staying."""
    a, b = normal_equations(weights, columns, unobserved, penalty)
    x = start.astype(float)
    for first in range(0, len(x), block):
        mine = np.arange(first, min(first + block, len(x)))
        rest = np.setdiff1d(np.arange(len(x)), mine)
        right = b[mine] - a[np.ix_(mine, rest)] @ x[rest]
        x[mine] = np.linalg.solve(a[np.ix_(mine, mine)], right)
    return x


def feature_vectors(rows, features, weight, l2, nu):
    """The vectors of features that say most of F = rows times vectors, each kept small."""
    penalty = l2 * (weight * max(1, sum(1 for row in rows if row.any()))) ** nu
    a = weight * rows.T @ rows + penalty * np.eye(rows.shape[1])
    return np.linalg.solve(a, weight * rows.T @ features).T


def described(weights, columns, unobserved, penalty, features, vectors, weight):
    """The solution of a row that shares its vector with its features."""
    a, b = normal_equations(weights, columns, unobserved, penalty)
    a += weight * vectors.T @ vectors
    return np.linalg.solve(a, b + weight * vectors.T @ features)


def from_features(features, vectors, weight, l2, nu):
    """The vector of a row of which only the features are known."""
    a = weight * vectors.T @ vectors
    a += l2 * (weight * len(vectors)) ** nu * np.eye(vectors.shape[1])
    return np.linalg.solve(a, weight * vectors.T @ features)


def improved(old, mass, penalty, events, people, common, spread):
    """Where the old form, the mean curvature for its own, and the new events are least together."""
    a = common + penalty * np.eye(len(old)) + mass * spread
    b = a @ old
    for w, x in zip(events, people, strict=True):
        a = a + w * np.outer(x, x)
        b = b + w * x
    return np.linalg.solve(a, b)
