"""Steps on pairs, placements and logistic factors written out: dense, one by one, in 64 bits."""

import math

import numpy as np

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15


def hashed(x):
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WORD
    return x ^ (x >> 31)


def epoch(met, users, items, biases, rng, blocks, cuts, rate, l2, draws, ranked, biased):
    """One epoch on a dense 0/1 table; people are cut at ``cuts``. Returns the losses."""
    n = met.shape[1]
    block = np.empty(n, int)
    block[rng.permutation(n)] = np.arange(n) * blocks // n
    seed = int(rng.integers(0, 2**64, dtype=np.uint64))
    losses = []
    for turn in range(blocks):
        for row in range(len(cuts) - 1):
            b = (row + turn) % blocks
            pool = [i for i in range(n) if block[i] == b and met[:, i].any()]
            for u in range(cuts[row], cuts[row + 1]):
                state = hashed((seed + GOLDEN * (u * blocks + b)) % WORD)
                for i in [i for i in range(n) if block[i] == b and met[u, i]]:
                    candidates = []
                    for _ in range(draws + 20):
                        state = (state + GOLDEN) % WORD
                        c = pool[(hashed(state) >> 32) * len(pool) >> 32]
                        if met[u, c]:
                            continue
                        candidates.append((users[u] @ items[c] + biases[c], c))
                        near = candidates[-1][0] > users[u] @ items[i] + biases[i] - 1
                        if len(candidates) == draws or (ranked and near):
                            break
                    if not candidates:
                        continue
                    s, j = max(candidates, key=lambda pair: pair[0])
                    apart = users[u] @ items[i] + biases[i] - s
                    if ranked:
                        g = math.log(max(1, (n - 1) / len(candidates))) / math.log(n)
                        losses.append(g * max(1 - apart, 0))
                        if apart >= 1:
                            continue
                    else:
                        g = 1 / (1 + math.exp(apart))
                        losses.append(-math.log(1 - g))
                    x, y, z = users[u].copy(), items[i].copy(), items[j].copy()
                    users[u] += rate * (g * (y - z) - l2 * x)
                    items[i] += rate * (g * x - l2 * y)
                    items[j] += rate * (-g * x - l2 * z)
                    if biased:
                        biases[i] += rate * (g - l2 * biases[i])
                        biases[j] += rate * (-g - l2 * biases[j])
    return losses


def told(weights, items):
    """What a person is placed by: the sum of vectors by weight, less the more there are."""
    length = sum(map(float, weights)) ** 0.5 * sum(float(w) ** 2 for w in weights) ** 0.25
    return sum(float(w) * y for w, y in zip(weights, items.astype(float), strict=True)) / length


def bend(t):
    return math.tanh(t / 2) / (4 * t)


def bound(s, t):
    """Jaakkola and Jordan's bound on ln(1 + e^s), touching at t."""
    return math.log(1 + math.exp(t)) + (s - t) / 2 + bend(t) * (s * s - t * t)


def logistic_loss(weights, rows, columns, alpha, l2, t):
    """Johnson's objective with its sign turned, over dense weights; t bounds pairs not met."""
    total = 0.0
    for u, x in enumerate(rows.astype(float)):
        for i, y in enumerate(columns.astype(float)):
            s, w = float(x @ y), alpha * weights[u, i]
            met = weights[u, i] > 0
            total += (1 + w) * math.log(1 + math.exp(s)) - w * s if met else bound(s, t)
    total += l2 / 2 * (np.sum(rows.astype(float) ** 2) + np.sum(columns.astype(float) ** 2))
    return total / weights.size


def logistic_row(x, weights, columns, alpha, l2, t, held):
    """The least squares of one row, with the coordinate ``held`` as it is."""
    a, b = l2 * np.eye(len(x)), np.zeros(len(x))
    for w, y in zip(alpha * weights, columns.astype(float), strict=True):
        touch = abs(float(x @ y)) if w else t
        a += 2 * (1 + w) * bend(touch) * np.outer(y, y)
        b += (w - 1) / 2 * y
    free = [k for k in range(len(x)) if k != held % len(x)]
    out = x.astype(float).copy()
    out[free] = np.linalg.solve(a[np.ix_(free, free)], (b - a[:, held] * x[held])[free])
    return out
