import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_ranking import hits as naive_hits
from naive_ranking import resampled_sums as naive_sums
from penchant.kernels.metrics import hits, resampled_sums

LISTS = st.lists(
    st.tuples(st.lists(st.integers(-1, 9), min_size=6, max_size=6), st.lists(st.integers(-1, 9))),
    min_size=1,
    max_size=6,
)


@given(LISTS)
@settings(max_examples=100, deadline=None)
def test_hits_equal_sets(queries):
    codes = np.array([c for c, _ in queries], np.int32)
    indptr = np.cumsum([0] + [len(t) for _, t in queries])
    truth = np.array([c for _, row in queries for c in row], np.int32)
    found, relevant = hits(codes, indptr, truth)
    expected = [naive_hits(c, t) for c, t in queries]
    assert found.tolist() == [f for f, _ in expected]
    assert relevant.tolist() == [r for _, r in expected]


def test_one_query_leaves_nothing_for_the_next(monkeypatch):
    monkeypatch.setenv("PENCHANT_THREADS", "1")
    codes = np.array([[1, 2], [4, 3], [3, 4]], np.int32)
    found, _ = hits(codes, np.array([0, 2, 2, 3]), np.array([1, 4, 3], np.int32))
    assert found.tolist() == [[True, False], [False, False], [True, False]]


def test_truth_may_be_part_of_a_longer_array():
    codes = np.array([[1, 2]], np.int32)
    found, relevant = hits(codes, np.array([2, 4]), np.array([1, 1, 2, 5, 1], np.int32))
    assert found.tolist() == [[False, True]]
    assert relevant.tolist() == [2]


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
    found, relevant = hits(np.empty((0, 3), np.int32), np.zeros(1, np.int64), empty)
    assert found.shape == (0, 3)
    assert relevant.shape == (0,)
    assert resampled_sums(np.empty((0, 2)), 4, 0).tolist() == [[0, 0]] * 4
