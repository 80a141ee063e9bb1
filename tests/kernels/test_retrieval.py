"""The best products against all products, summed exactly and sorted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_ranking import top_k as naive
from penchant.kernels.retrieval import best_products, catalogue, products_at

ALL = np.empty(0, np.bool_)
NONE = (np.empty(0, np.int64), np.empty(0, np.int32))


def ragged(rows):
    indptr = np.zeros(len(rows) + 1, np.int64)
    indptr[1:] = np.cumsum([len(r) for r in rows])
    return indptr, np.array([c for r in rows for c in r], np.int32)


def exact(vectors, factors):
    """Every product, without any rounding but the last, to float32."""
    rows = [[math.fsum(a * b for a, b in zip(x, y, strict=True)) for y in factors.tolist()]
            for x in vectors.tolist()]  # fmt: skip
    with np.errstate(over="ignore"):
        return np.array(rows, np.float32).reshape(len(vectors), len(factors))


def expected(vectors, factors, k, banned, allowed=ALL):
    fit = allowed if allowed.size else np.ones(len(factors), bool)
    scores = exact(vectors, factors)
    codes, values = naive(scores.tolist(), k, banned, [fit.tolist()] * len(vectors))
    shape = len(vectors), k
    return np.array(codes, np.int32).reshape(shape), np.array(values, np.float32).reshape(shape)


def check(vectors, factors, k, banned, allowed=ALL):
    got = best_products(vectors, catalogue(factors, allowed), k, *ragged(banned))
    for found, wanted in zip(got, expected(vectors, factors, k, banned, allowed), strict=True):
        np.testing.assert_array_equal(found, wanted)


@given(
    seed=st.integers(0, 2**32 - 1),
    q=st.integers(1, 12),
    n=st.integers(0, 150),
    f=st.integers(1, 40),
    k=st.integers(0, 30),
    kind=st.sampled_from(["normal", "long tails", "whole", "alike"]),
)
@settings(max_examples=100, deadline=None)
def test_equals_all_products_sorted(seed, q, n, f, k, kind):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(q, f)), rng.normal(size=(n, f))
    if kind == "long tails":
        y *= rng.pareto(1.0, (n, 1))
    elif kind == "whole":  # ties
        x, y = np.round(x), np.round(y)
    elif kind == "alike":  # ties and near-ties that 32 bits cannot tell apart
        y = y[:1] * (1 + 1e-7 * rng.integers(-1, 2, (n, 1)))
    y = y.astype(np.float32)
    y[rng.random(n) < 0.1] = np.nan
    x[rng.random(q) < 0.1] = np.nan
    banned = [rng.integers(-1, n + 1, rng.integers(0, 20)).tolist() for _ in range(q)]
    check(x, y, k, banned, ALL if rng.random() < 0.5 else rng.random(n) < 0.7)


def test_more_equal_scores_than_there_is_room_for():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6))
    x[1] = 0
    y = np.repeat(rng.normal(size=(2, 6)), 300, axis=0).astype(np.float32)
    check(x, y, 5, [[0, 300], [1], []])


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e15, 1e30, 1e60])
def test_any_scale(scale):
    rng = np.random.default_rng(1)
    y = (rng.normal(size=(300, 7)) * min(scale, 1e30)).astype(np.float32)
    check(rng.normal(size=(4, 7)) * scale, y, 6, [[0, 1], [], [299], []])


def test_infinite_vectors_are_summed_like_any():
    y = np.ones((200, 3), np.float32)
    y[7] = np.inf
    y[9] = -np.inf
    x = np.array([[1, 1, 1], [-1, -1, -1], [1, np.inf, 1], [1, -1, 0]], float)
    codes, values = best_products(x, catalogue(y, ALL), 2, *NONE)
    assert codes.tolist() == [[7, 0], [9, 0], [0, 1], [0, 1]]
    assert values.tolist() == [[np.inf, 3], [np.inf, -3], [np.inf, np.inf], [0, 0]]


def test_many_askers_and_items_on_any_number_of_threads(monkeypatch):
    """Enough for several blocks of askers, some done early, and for bars that rise often."""
    rng = np.random.default_rng(2)
    n, q, f = 3000, 600, 24
    y = (rng.normal(size=(n, f)) * rng.pareto(1.5, (n, 1))).astype(np.float32)
    x = rng.normal(size=(q, f)) * np.linspace(3, 0.1, f)
    x[5] = np.nan
    banned = [rng.integers(0, n, rng.integers(0, 200)).tolist() for _ in range(q)]
    answers = []
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers.append(best_products(x, catalogue(y, ALL), 10, *ragged(banned)))
    for codes, values in answers:
        np.testing.assert_array_equal(codes, answers[0][0])
        np.testing.assert_array_equal(values, answers[0][1])
    scores = (x @ y.T.astype(float)).astype(np.float32)
    for r, row in enumerate(banned):
        scores[r, row] = np.nan
    order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    order[5] = -1
    np.testing.assert_array_equal(answers[0][0], order)


def test_products_at_codes():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(9, 5)).astype(np.float32)
    codes = np.array([[0, -1, 8], [1, 1, 1], [-1, -1, -1], [5, 4, 3]], np.int32)
    wanted = np.take_along_axis(exact(x, y), np.maximum(codes, 0), axis=1)
    np.testing.assert_array_equal(products_at(x, y, codes), np.where(codes < 0, np.nan, wanted))


@pytest.mark.parametrize("f", [2, 40])
def test_short_vectors_that_point_the_right_way(f):
    """The best come last, when bars are high; their bounds are hardly above the bars."""
    y = np.zeros((320, f), np.float32)
    y[:300, 0], y[:300, -1] = 9, np.sqrt(19)  # of length 10
    y[300:, 0] = 9.1
    x = np.zeros((2, f))
    x[:, 0] = 1, 0.5
    codes, values = best_products(x, catalogue(y, ALL), 20, *NONE)
    np.testing.assert_array_equal(codes, [np.arange(300, 320)] * 2)
    np.testing.assert_array_equal(values, np.float32([[9.1] * 20, [4.55] * 20]))
