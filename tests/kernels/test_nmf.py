import numpy as np
import pytest

from naive_factors import multiply
from naive_ratings import ratings, some
from penchant.kernels import nmf


def start(dense, factors, seed=0):
    rng = np.random.default_rng(seed)
    p, q = (rng.random((n, factors), np.float32) for n in dense.shape)
    return p, q, np.zeros(len(p), np.float32), np.zeros(len(q), np.float32)


@pytest.mark.parametrize("factors", [1, 5, 16, 40])
def test_half_epochs_equal_their_slow_twin(factors):
    dense = some(3, users=20, items=15)
    dense[4] = np.nan
    p, q, none, other = start(dense, factors)
    slow_p, slow_q = p.tolist(), q.tolist()
    for _ in range(3):
        said = p @ q.T
        new_p, _, error = nmf.half_epoch(ratings(dense), p, q, none, other, penalty=0.06)
        assert error == pytest.approx(np.nanmean((dense - said) ** 2), rel=1e-5)
        q, _, _ = nmf.half_epoch(ratings(dense.T), q, p, other, none, penalty=0.06)
        p = new_p
        slow_p, slow_q = (
            multiply(dense.tolist(), slow_p, slow_q, 0.06),
            multiply(dense.T.tolist(), slow_q, slow_p, 0.06),
        )
    np.testing.assert_allclose(p, slow_p, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(q, slow_q, rtol=1e-4, atol=1e-6)
    assert (p[4] == 0).all()


def test_one_step_by_hand():
    # Ratings 4 and 1 of items 2 and 1: up 4 * 2 + 1 * 1, down 1 * 2 + 0.5 * 1 + 2 * 0.1 * 0.5.
    p, q = np.full((1, 1), 0.5, np.float32), np.array([[2], [1]], np.float32)
    none, other = np.zeros(1, np.float32), np.zeros(2, np.float32)
    one = ratings(np.array([[4.0, 1.0]]))
    found, _, error = nmf.half_epoch(one, p, q, none, other, penalty=0.1)
    assert found[0, 0] == pytest.approx(0.5 * 9 / 2.6)
    assert error == pytest.approx((3**2 + 0.5**2) / 2)


def test_biases_take_what_vectors_leave_and_vectors_the_rest():
    # The mean is 3: 2 and -2 are left, less 0.5 and 0.25 of the vectors; 3 ratings at the mean.
    p, q = np.full((1, 1), 0.5, np.float32), np.array([[1], [0.5]], np.float32)
    one, other = ratings(np.array([[5.0, 2.0]])), np.full(2, 3, np.float32)
    found, bias, error = nmf.half_epoch(
        one, p, q, np.zeros(1, np.float32), other, penalty=0.0, bias_penalty=3.0
    )
    b = (1.5 - 1.25) / (2 + 3)
    assert bias[0] == pytest.approx(b)
    up, down = (2 - b) * 1, 0.5 * 1 + (0.25 + 1 + b) * 0.5
    assert found[0, 0] == pytest.approx(0.5 * up / down)
    assert error == pytest.approx(((1.5 - b) ** 2 + (1.25 + b) ** 2) / 2)


def test_alternating_updates_only_go_down():
    dense = some(5, users=30, items=12)
    p, q, b_user, b_item = start(dense, 4)
    errors = []
    for _ in range(40):
        p, b_user, error = nmf.half_epoch(
            ratings(dense), p, q, b_user, 3 + b_item, penalty=0.0, bias_penalty=0.0
        )
        q, b_item, _ = nmf.half_epoch(
            ratings(dense.T), q, p, b_item, 3 + b_user, penalty=0.0, bias_penalty=0.0
        )
        errors.append(error)
    assert (np.diff(errors) < 1e-6).all()
    assert errors[-1] < 0.5 * errors[0]


def test_threads_change_nothing():
    dense = some(6, users=60, items=40)
    args = (ratings(dense), *start(dense, 13))
    one, three = (nmf.half_epoch(*args, penalty=0.1, bias_penalty=2.0, threads=n) for n in (1, 3))
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)
