import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_ranking import top_k as naive
from penchant.kernels import topk
from penchant.kernels.topk import kth_largest, top_k

NONE = (np.empty(0, np.int64), np.empty(0, np.int32))
ALL = np.empty(0, np.bool_)


def ragged(rows):
    indptr = np.zeros(len(rows) + 1, np.int64)
    indptr[1:] = np.cumsum([len(r) for r in rows])
    return indptr, np.array([c for r in rows for c in r], np.int32)


@given(
    seed=st.integers(0, 2**32 - 1),
    q=st.integers(1, 5),
    n=st.integers(0, 300),
    k=st.integers(0, 40),
    levels=st.sampled_from([1, 3, 1000]),
    masks=st.sampled_from([0, 1, 2]),
)
@settings(max_examples=200, deadline=None)
def test_equals_a_full_sort(seed, q, n, k, levels, masks):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (q, n)).astype(np.float32)
    scores[rng.random((q, n)) < 0.1] = np.nan
    scores[rng.random((q, n)) < 0.05] = -np.inf
    scores[rng.random((q, n)) < 0.02] = np.inf
    before = scores.copy()
    banned = [rng.integers(-1, n + 1, rng.integers(0, 50)).tolist() for _ in range(q)]
    allowed = [ALL, rng.random(n) < 0.7, rng.random((q, n)) < 0.7][masks]
    full = np.broadcast_to(allowed if allowed.size else np.ones(n, bool), (q, n))

    codes, values = top_k(scores, k, *ragged(banned), allowed)

    expected_codes, expected_values = naive(scores.tolist(), k, banned, full.tolist())
    np.testing.assert_array_equal(codes, np.array(expected_codes, np.int32).reshape(q, k))
    np.testing.assert_array_equal(values, np.array(expected_values, np.float32).reshape(q, k))
    np.testing.assert_array_equal(scores, before)


def test_same_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(topk, "ALONE", 0)
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50, (37, 500)).astype(np.float32)
    banned = ragged([rng.integers(0, 500, 30).tolist() for _ in range(37)])
    answers = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers.append(top_k(scores, 9, *banned, ALL))
    for codes, values in answers[1:]:
        np.testing.assert_array_equal(codes, answers[0][0])
        np.testing.assert_array_equal(values, answers[0][1])


def test_no_bans_and_no_mask():
    scores = np.array([[1, 3, 3, np.nan], [np.nan, np.nan, np.nan, np.nan]], np.float32)
    codes, values = top_k(scores, 4, *NONE, ALL)
    assert codes.tolist() == [[1, 2, 0, -1], [-1, -1, -1, -1]]
    np.testing.assert_array_equal(values, [[3, 3, 1, np.nan], [np.nan] * 4])


def test_a_transposed_or_strided_matrix_is_read_right():
    scores = np.arange(12, dtype=np.float32).reshape(4, 3).T
    codes, _ = top_k(scores, 2, *NONE, ALL)
    assert codes.tolist() == [[3, 2]] * 3


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_nothing_to_choose_from(shape):
    codes, values = top_k(np.empty(shape, np.float32), 3, *NONE, ALL)
    assert codes.shape == values.shape == (shape[0], 3)
    assert (codes == -1).all()
    assert np.isnan(values).all()


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.data())
@settings(max_examples=100, deadline=None)
def test_kth_largest_is_that_of_a_sort(numbers, data):
    k = data.draw(st.integers(1, len(numbers)))
    values = np.array([*numbers, 99], np.float32)  # what is beyond the size does not count
    before = values.copy()
    found = kth_largest(values, len(numbers), k, np.empty_like(values))
    assert found == sorted(numbers, reverse=True)[k - 1]
    np.testing.assert_array_equal(values, before)
