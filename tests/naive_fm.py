"""Slow twins of the Gibbs sampler, of placing people, and of sessions: from the definitions."""

from __future__ import annotations

import numpy as np


def prediction(x, intercept, weights, vectors):
    """The factorization machine's value for one event, over all pairs of its features."""
    total = intercept + sum(w * value for w, value in zip(weights, x))
    for f in range(len(x)):
        for g in range(f + 1, len(x)):
            total += float(np.dot(vectors[f], vectors[g])) * x[f] * x[g]
    return total


class NaiveChain:
    """Draws as ``Chain`` does, from the same stream, predicting every event anew each time.

    ``designs`` are dense, events x features; a block without vectors has zeros for vectors.
    """

    def __init__(self, designs, groups, crossed, target, factors, rng):
        self.x = np.hstack(designs)
        self.y, self.rng, self.factors, self.groups = target, rng, factors, groups
        self.cuts = np.cumsum([0, *(d.shape[1] for d in designs)])
        self.crossed = crossed
        self.intercept, self.precision = 0.0, 1.0
        self.weights = np.zeros(self.x.shape[1])
        self.vectors = np.zeros((self.x.shape[1], factors))
        for b, on in enumerate(crossed):
            if on:
                size = self.cuts[b + 1] - self.cuts[b]
                drawn = 0.1 * rng.standard_normal((factors, size))
                self.vectors[self.cuts[b] : self.cuts[b + 1]] = drawn.T
        self.mean = [np.zeros((1 + factors * on, g.max() + 1)) for g, on in zip(groups, crossed)]
        self.exact = [np.ones_like(m) for m in self.mean]

    def predicted(self):
        return np.array([prediction(x, self.intercept, self.weights, self.vectors) for x in self.x])

    def sweep(self, noisy=True):
        n = len(self.y)
        if noisy:
            left = self.y - self.predicted()
            self.precision = self.rng.gamma((1 + n) / 2, 2 / (1 + (left**2).sum()))
        self.intercept = self.drawn(lambda v: setattr(self, "intercept", v), self.intercept, 0, 1,
                                    self.rng.standard_normal())  # fmt: skip
        for b in range(len(self.groups)):
            self.draw_prior(b)
            z = self.rng.standard_normal(len(self.groups[b]))
            for f, g in enumerate(self.groups[b]):
                at = self.cuts[b] + f
                self.weights[at] = self.drawn(
                    lambda v, at=at: self.weights.__setitem__(at, v), self.weights[at],
                    self.mean[b][0, g], self.exact[b][0, g], z[f],
                )  # fmt: skip
        for k in range(self.factors):
            for b in np.flatnonzero(self.crossed):
                z = self.rng.standard_normal(len(self.groups[b]))
                for f, g in enumerate(self.groups[b]):
                    at = self.cuts[b] + f
                    self.vectors[at, k] = self.drawn(
                        lambda v, at=at, k=k: self.vectors.__setitem__((at, k), v),
                        self.vectors[at, k], self.mean[b][k + 1, g], self.exact[b][k + 1, g], z[f],
                    )  # fmt: skip

    def drawn(self, put, now, mean, exact, z):
        """Draw one weight: predictions are linear in it, so two of them give its design."""
        put(0.0)
        without = self.predicted()
        put(1.0)
        h = self.predicted() - without
        total = exact + self.precision * (h**2).sum()
        new = (exact * mean + self.precision * (h * (self.y - without)).sum()) / total
        new += z / np.sqrt(total)
        put(new)
        return new

    def draw_prior(self, b):
        part = slice(self.cuts[b], self.cuts[b + 1])
        both = self.weights[part][None]
        if self.crossed[b]:
            both = np.vstack([both, self.vectors[part].T])
        shape = self.mean[b].shape
        many = np.bincount(self.groups[b])
        spread = np.empty(shape)
        for r in range(shape[0]):
            for g in range(shape[1]):
                own = both[r, self.groups[b] == g]
                spread[r, g] = ((own - self.mean[b][r, g]) ** 2).sum() + self.mean[b][r, g] ** 2
        self.exact[b] = self.rng.gamma(np.tile((2 + many) / 2, (shape[0], 1)), 2 / (1 + spread))
        z = self.rng.standard_normal(shape)
        for r in range(shape[0]):
            for g in range(shape[1]):
                own = both[r, self.groups[b] == g]
                self.mean[b][r, g] = own.sum() / (1 + many[g])
                self.mean[b][r, g] += z[r, g] / np.sqrt((1 + many[g]) * self.exact[b][r, g])


def placed(said, vectors, prior, moods, alpha):
    """A person's own vector and weight and their sessions' numbers, all in one regression.

    ``said`` is a list of (rating, features but the person's own as (value, weight, vector) triples,
    session or None); returns (own, numbers by session).
    """
    d = len(prior[0])
    names = sorted({session for *_, session in said if session is not None})
    design, target = [], []
    for rating, features, session in said:
        values = [1.0, *(value for value, _, _ in features)]
        weights = [0.0, *(weight for _, weight, _ in features)]

        def with_own(own, values=values, weights=weights, features=features):
            rows = [own[:-1], *(vector for _, _, vector in features)]
            return prediction(values, 0.0, [own[-1], *weights[1:]], rows)

        base = with_own(np.zeros(d))
        row = [with_own(unit) - base for unit in np.eye(d)]
        row += [float(session == name) for name in names]
        design.append(row)
        target.append(rating - base - (moods[0] if session is None else 0))
    design, target = np.array(design).reshape(len(said), d + len(names)), np.array(target)
    exact = np.concatenate([prior[1], np.full(len(names), moods[1])])
    mean = np.concatenate([prior[0], np.full(len(names), moods[0])])
    left = np.diag(exact) + alpha * design.T @ design
    found = np.linalg.solve(left, exact * mean + alpha * design.T @ target)
    return found[:d], dict(zip(names, found[d:]))


def sessions(people, times, gap):
    """The session of each rating as a set of its members; None without a time."""
    found = []
    for person, time in zip(people, times):
        if time < 0:
            found.append(None)
            continue
        members = {time}
        while True:
            more = set()
            for p, t in zip(people, times):
                if p == person and t >= 0 and any(abs(t - m) <= gap for m in members):
                    more.add(t)
            if more == members:
                break
            members = more
        found.append((int(person), frozenset(members)))
    return found
