import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_ranking import hits as naive_hits
from naive_ranking import resampled_sums as naive_sums
from penchant.kernels import metrics
from penchant.kernels.metrics import resampled_sums, standings

LISTS = st.lists(
    st.tuples(st.lists(st.integers(-1, 9), min_size=6, max_size=6), st.lists(st.integers(-1, 9))),
    min_size=1,
    max_size=6,
)


def expected(ranks, relevant):
    """From the ranks of the hits, straight from the definitions."""
    precision = sum(n / rank for n, rank in enumerate(ranks, 1))
    gain = sum(1 / math.log2(1 + rank) for rank in ranks)
    return relevant, len(ranks), min(ranks, default=math.inf), precision, gain


@given(LISTS)
@settings(max_examples=100, deadline=None)
def test_standings_are_those_of_sets(queries):
    codes = np.array([c for c, _ in queries], np.int32)
    indptr = np.cumsum([0] + [len(t) for _, t in queries])
    truth = np.array([c for _, row in queries for c in row], np.int32)
    found = np.stack(standings(codes, indptr, truth), axis=1)
    judged = [naive_hits(c, t) for c, t in queries]
    wanted = [expected([n + 1 for n, hit in enumerate(row) if hit], many) for row, many in judged]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_one_query_leaves_nothing_for_the_next(monkeypatch):
    monkeypatch.setenv("PENCHANT_THREADS", "1")
    codes = np.array([[1, 2], [4, 3], [3, 4]], np.int32)
    found = standings(codes, np.array([0, 2, 2, 3]), np.array([1, 4, 3], np.int32))
    assert found.hits.tolist() == [1, 0, 1]
    assert found.first.tolist() == [1, np.inf, 1]


def test_truth_may_be_part_of_a_longer_array():
    codes = np.array([[1, 2]], np.int32)
    found = standings(codes, np.array([2, 4]), np.array([1, 1, 2, 5, 1], np.int32))
    assert found.first.tolist() == [2]
    assert found.relevant.tolist() == [2]


def test_standings_are_the_same_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(metrics, "ALONE", 0)
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 50, (300, 7)).astype(np.int32)
    ends = np.concatenate([[0], rng.integers(0, 9, 300).cumsum()])
    truth = rng.integers(-1, 60, ends[-1]).astype(np.int32)
    answers = []
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers.append(np.stack(standings(codes, ends, truth)))
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])


def test_resampling_as_splitmix64():
    values = np.random.default_rng(0).random((13, 2))
    found = resampled_sums(values, 5, seed=2**64 - 7)
    np.testing.assert_allclose(found, naive_sums(values.tolist(), 5, 2**64 - 7), rtol=1e-12)


def test_resampling_is_paired_and_seeded_and_independent_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    column = rng.random(50)
    values = np.stack([column, column], axis=1)
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers.append(resampled_sums(values, 100, 5))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0][:, 0], answers[0][:, 1])
    assert (resampled_sums(values, 100, 6) != answers[0]).any()


def test_resampled_means_have_the_standard_error():
    values = np.random.default_rng(1).normal(3, 2, (400, 1))
    means = resampled_sums(values, 4000, 1)[:, 0] / 400
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.05)


def test_no_queries():
    empty = np.empty(0, np.int32)
    found = standings(np.empty((0, 3), np.int32), np.zeros(1, np.int64), empty)
    assert [part.shape for part in found] == [(0,)] * 5
    assert resampled_sums(np.empty((0, 2)), 4, 0).tolist() == [[0, 0]] * 4
