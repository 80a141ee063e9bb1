"""Where a person's ratings place them under each sample of a factorization machine.

In a sample of `penchant.kernels.gibbs` everything is known but the person's own weight w and vector
p: so are the vectors V_n of what was rated in event n (item and circumstances, summed), its biases
b_n, and the sum R of the vectors of the person's other features. A rating is then linear in what is
not known::

    y_n = w0 + l + <R, V_n> + b_n + m_s + [R + V_n, 1] . [p, w] + noise

with l the weights and the inner products of the other features and m_s what the ratings of session
s have in common. With the sample's priors the mean of (p, w) is a ridge regression. The sessions'
numbers are integrated out, which takes one step of rank one for each, and follow afterwards.

Ordered ratings hide y. Its mean given (p, w), and the mean of (p, w) given that, are computed in
turn: variational Bayes (Consonni and Marin, "Mean-field variational approximate Bayesian inference
for latent variable models", CSDA 52 (2007)).

Samples stand last in every array, and the loops over them are the innermost: a vector of a few
numbers would leave the processor's wide registers empty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.probit import expected

TURNS = 6
"""How often hidden numbers and vectors are computed in turn for ordered ratings."""

AT_A_TIME = 32
"""Samples worked on together: what is kept of them fits into the nearest cache."""


class Samples(NamedTuple):
    """What is known of each of S samples; vectors have length f, and a bias behind them.

    Parameters
    ----------
    items : (items, f + 1, S) vectors and biases.
    rated : (items, f + 1, S) of "rated this item" as a feature of people; or (0, f + 1, S).
    people, contexts : (features, f + 1, S) of people's other features, and of circumstances.
    own : (2, f + 1, S) prior mean and precision of a person's own vector and weight.
    moods : (2, S) prior mean and precision of a session's number.
    base, noise : (S,) intercepts, and precisions of the noise.
    cuts : (levels + 1, S) with ends far away; or (0, S) where ratings are numbers.
    """

    items: NDArray[np.float32]
    rated: NDArray[np.float32]
    people: NDArray[np.float32]
    contexts: NDArray[np.float32]
    own: NDArray[np.float64]
    moods: NDArray[np.float64]
    base: NDArray[np.float64]
    noise: NDArray[np.float64]
    cuts: NDArray[np.float64]


class Told(NamedTuple):
    """What several people rated, and what is known of them besides.

    Parameters
    ----------
    indptr, items, values : ratings by person; values are levels, from 0, where there are cuts.
    session : (ratings,) the rating's session, numbered through all people in turn; or -1.
    sessions : (people + 1,) the number of each person's first session.
    feature_ptr, feature, amount : the people's other features, a CSR matrix.
    context_ptr, context, context_amount : those of the ratings' circumstances.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    values: NDArray[np.float32]
    session: NDArray[np.int64]
    sessions: NDArray[np.int64]
    feature_ptr: NDArray[np.int64]
    feature: NDArray[np.int32]
    amount: NDArray[np.float32]
    context_ptr: NDArray[np.int64]
    context: NDArray[np.int32]
    context_amount: NDArray[np.float32]


@njit(nogil=True, cache=True, fastmath={"contract"})
def place(lo, hi, told, samples, placed, moods):  # type: ignore[no-untyped-def]
    """Place persons ``lo`` to ``hi``.

    Writes (people, f + 1, S) float32 vectors R + p with what does not depend on the item behind
    them, and (sessions, S) float32 numbers of their sessions.
    """
    indptr, sessions = told.indptr, told.sessions
    d, total_samples = samples.own.shape[1], samples.own.shape[2]
    most = 0
    for q in range(lo, hi):
        most = max(most, sessions[q + 1] - sessions[q])
    other, x, found = np.empty((3, d, AT_A_TIME))
    total, y = np.empty((2, AT_A_TIME))
    precision, right = np.empty((d, d, AT_A_TIME)), np.empty((d, AT_A_TIME))
    sums, counts = np.empty((most, d, AT_A_TIME)), np.empty(most)
    residuals, means = np.empty((2, most, AT_A_TIME))
    for q in range(lo, hi):
        first, last, opened = indptr[q], indptr[q + 1], sessions[q]
        parts = sessions[q + 1] - opened
        for s0 in range(0, total_samples, AT_A_TIME):
            w = min(AT_A_TIME, total_samples - s0)
            alpha = samples.noise[s0 : s0 + w]
            mood, firm = samples.moods[0, s0 : s0 + w], samples.moods[1, s0 : s0 + w]
            prior, exact = samples.own[0, :, s0 : s0 + w], samples.own[1, :, s0 : s0 + w]
            cuts = samples.cuts[:, s0 : s0 + w]
            _clear(other, total)
            if len(samples.rated) and last > first:
                share = 1.0 / math.sqrt(last - first)
                for p in range(first, last):
                    _add(other, total, samples.rated, told.items[p], share, s0, w)
            for p in range(told.feature_ptr[q], told.feature_ptr[q + 1]):
                _add(other, total, samples.people, told.feature[p], told.amount[p], s0, w)
            _inner(other, total, w)
            for s in range(w):
                total[s] += samples.base[s0 + s]
            # The precision of the regression, less what sessions explain as well.
            for c in range(d):
                for e in range(c + 1):
                    for s in range(w):
                        precision[c, e, s] = exact[c, s] if c == e else 0.0
            counts[:parts] = 0.0
            sums[:parts] = 0.0
            for p in range(first, last):
                _row(x, y, p, told, samples, other, total, s0, w)
                for c in range(d):
                    for e in range(c + 1):
                        for s in range(w):
                            precision[c, e, s] += alpha[s] * x[c, s] * x[e, s]
                k = told.session[p] - opened
                if k >= 0:
                    counts[k] += 1.0
                    for c in range(d):
                        for s in range(w):
                            sums[k, c, s] += x[c, s]
            for k in range(parts):
                for c in range(d):
                    for e in range(c + 1):
                        for s in range(w):
                            shrunk = alpha[s] * alpha[s] / (firm[s] + alpha[s] * counts[k])
                            precision[c, e, s] -= shrunk * sums[k, c, s] * sums[k, e, s]
                for s in range(w):
                    means[k, s] = mood[s]
            _factorize(precision, w)
            for c in range(d):
                for s in range(w):
                    found[c, s] = prior[c, s]
            for _ in range(TURNS if len(cuts) and last > first else 1):
                for c in range(d):
                    for s in range(w):
                        right[c, s] = exact[c, s] * prior[c, s]
                residuals[:parts] = 0.0
                for p in range(first, last):
                    _row(x, y, p, told, samples, other, total, s0, w)
                    k = told.session[p] - opened
                    if len(cuts):
                        _hidden(x, y, found, means[k] if k >= 0 else mood, cuts,
                                int(told.values[p]), w)  # fmt: skip
                    else:
                        for s in range(w):
                            y[s] = told.values[p] - y[s]
                    for s in range(w):
                        if k >= 0:
                            residuals[k, s] += y[s]
                        else:
                            y[s] -= mood[s]
                    for c in range(d):
                        for s in range(w):
                            right[c, s] += alpha[s] * y[s] * x[c, s]
                for k in range(parts):
                    for c in range(d):
                        for s in range(w):
                            mean = firm[s] * mood[s] + alpha[s] * residuals[k, s]
                            mean /= firm[s] + alpha[s] * counts[k]
                            right[c, s] -= alpha[s] * sums[k, c, s] * mean
                _solve(precision, right, found, w)
                for k in range(parts):
                    for s in range(w):
                        means[k, s] = firm[s] * mood[s] + alpha[s] * residuals[k, s]
                    for c in range(d):
                        for s in range(w):
                            means[k, s] -= alpha[s] * sums[k, c, s] * found[c, s]
                    for s in range(w):
                        means[k, s] /= firm[s] + alpha[s] * counts[k]
            for s in range(w):
                total[s] += found[d - 1, s]
                for k in range(parts):
                    moods[opened + k, s0 + s] = means[k, s]
            for c in range(d - 1):
                for s in range(w):
                    total[s] += other[c, s] * found[c, s]
                    placed[q, c, s0 + s] = other[c, s] + found[c, s]
            for s in range(w):
                placed[q, d - 1, s0 + s] = total[s]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _clear(vector, squares):  # type: ignore[no-untyped-def]
    vector[:] = 0.0
    squares[:] = 0.0


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add(vector, squares, vectors, row, share, s0, w):  # type: ignore[no-untyped-def]
    """Add ``share`` times a feature's vector and weight, and squares of what the vector adds."""
    for c in range(len(vector)):
        for s in range(w):
            step = share * vectors[row, c, s0 + s]
            vector[c, s] += step
            if c < len(vector) - 1:
                squares[s] += step * step


@njit(nogil=True, cache=True, fastmath={"contract"})
def _inner(vector, squares, w):  # type: ignore[no-untyped-def]
    """Replace squares by the weights, and the inner products, of the features that were added."""
    for s in range(w):
        squares[s] = vector[len(vector) - 1, s] - 0.5 * squares[s]
    for c in range(len(vector) - 1):
        for s in range(w):
            squares[s] += 0.5 * vector[c, s] * vector[c, s]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _row(x, y, p, told, samples, other, total, s0, w):  # type: ignore[no-untyped-def]
    """Put what the person's own vector and weight meet in rating p into x, all else into y."""
    f = len(x) - 1
    item = told.items[p]
    if len(samples.contexts):
        _clear(x, y)
        for n in range(told.context_ptr[p], told.context_ptr[p + 1]):
            _add(x, y, samples.contexts, told.context[n], told.context_amount[n], s0, w)
        _inner(x, y, w)
        for c in range(f):
            for s in range(w):
                y[s] += x[c, s] * samples.items[item, c, s0 + s]
                x[c, s] += samples.items[item, c, s0 + s]
    else:
        y[:] = 0.0
        for c in range(f):
            for s in range(w):
                x[c, s] = samples.items[item, c, s0 + s]
    for s in range(w):
        y[s] += total[s] + samples.items[item, f, s0 + s]
        x[f, s] = 1.0
    for c in range(f):
        for s in range(w):
            y[s] += other[c, s] * x[c, s]
            x[c, s] += other[c, s]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _hidden(x, y, found, mood, cuts, level, w):  # type: ignore[no-untyped-def]
    """Replace y by the hidden number's mean, less what was in y."""
    for s in range(w):
        now = mood[s]
        for c in range(len(x)):
            now += found[c, s] * x[c, s]
        low, high = cuts[level, s] - y[s] - now, cuts[level + 1, s] - y[s] - now
        y[s] = now + expected(low, high)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _factorize(a, w):  # type: ignore[no-untyped-def]
    """Replace the lower triangles by their Cholesky factors."""
    for c in range(len(a)):
        for e in range(c + 1):
            for g in range(e):
                for s in range(w):
                    a[c, e, s] -= a[c, g, s] * a[e, g, s]
            for s in range(w):
                a[c, e, s] = math.sqrt(a[c, c, s]) if c == e else a[c, e, s] / a[e, e, s]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _solve(a, right, out, w):  # type: ignore[no-untyped-def]
    """Solve with Cholesky factors."""
    d = len(a)
    for c in range(d):
        for s in range(w):
            out[c, s] = right[c, s]
        for e in range(c):
            for s in range(w):
                out[c, s] -= a[c, e, s] * out[e, s]
        for s in range(w):
            out[c, s] /= a[c, c, s]
    for c in range(d - 1, -1, -1):
        for e in range(c + 1, d):
            for s in range(w):
                out[c, s] -= a[e, c, s] * out[e, s]
        for s in range(w):
            out[c, s] /= a[c, c, s]
