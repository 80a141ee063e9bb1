import numpy as np
import pytest

from naive_factors import descend_with_sets
from naive_ratings import descend, ratings, some
from penchant.kernels import sgd
from penchant.kernels.csr import CSR


def start(dense, factors, seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, 0.1, shape).astype(np.float32)
        for shape in [(len(dense), factors), (dense.shape[1], factors), len(dense), dense.shape[1]]
    ]


@pytest.mark.parametrize("factors", [1, 5, 32])
def test_an_epoch_equals_its_slow_twin(factors):
    dense = some(3, users=20, items=15)
    ours = start(dense, factors)
    p, q, b_user, b_item = theirs = [a.astype(float).tolist() for a in ours]
    for _ in range(3):
        error = sgd.epoch(ratings(dense), 3.0, *ours, rate=0.05, penalty=0.02)
        squares = descend(dense.tolist(), 3.0, p, q, b_user, b_item, 0.05, 0.02)
        assert error == pytest.approx(squares / np.count_nonzero(~np.isnan(dense)), rel=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_one_step_by_hand():
    # e = 5 - 3 - 0.5 * 0.2 = 1.9; the item's step uses the user's vector from before.
    p, q = np.full((1, 1), 0.5, np.float32), np.full((1, 1), 0.2, np.float32)
    b_user, b_item = np.zeros(1, np.float32), np.zeros(1, np.float32)
    one = CSR.from_pairs([0], [0], [5], (1, 1))
    assert sgd.epoch(one, 3.0, p, q, b_user, b_item, rate=0.1, penalty=0.02) == pytest.approx(3.61)
    np.testing.assert_allclose([b_user[0], b_item[0]], [0.19, 0.19], rtol=1e-6)
    np.testing.assert_allclose(p[0, 0], 0.5 + 0.1 * (1.9 * 0.2 - 0.02 * 0.5), rtol=1e-6)
    np.testing.assert_allclose(q[0, 0], 0.2 + 0.1 * (1.9 * 0.5 - 0.02 * 0.2), rtol=1e-6)


def test_divergence_shows_in_the_error():
    dense = some(3) * 1000
    arrays = start(dense, 4)
    errors = [sgd.epoch(ratings(dense), 0.0, *arrays, rate=0.5, penalty=0.0) for _ in range(20)]
    assert not np.isfinite(errors[-1])


@pytest.mark.parametrize("factors", [1, 5, 64])
def test_an_epoch_with_sets_equals_the_loop_over_them(factors):
    dense = some(4, users=12, items=10)
    dense[3] = np.nan
    dense[5, 1:] = np.nan
    dense[5, 0] = 2.0
    ours = start(dense, factors)
    y = start(dense, factors, seed=1)[1]
    p, q, b_user, b_item, slow_y = (a.astype(float).tolist() for a in (*ours, y))
    for _ in range(3):
        error = sgd.epoch(ratings(dense), 3.0, *ours, rate=0.05, penalty=0.1, implied=y)
        squares = descend_with_sets(
            dense.tolist(), 3.0, p, q, slow_y, b_user, b_item, rate=0.05, penalty=0.1
        )
        assert error == pytest.approx(squares / np.count_nonzero(~np.isnan(dense)), rel=1e-5)
    for a, b in zip((*ours, y), (p, q, b_user, b_item, slow_y), strict=True):
        np.testing.assert_allclose(a, b, atol=5e-6)


def test_the_prior_recovers_how_people_were_drawn():
    rng = np.random.default_rng(0)
    mean, spread = rng.normal(size=6), rng.normal(size=(6, 2)) * [3, 1]
    people = mean + rng.normal(size=(200_000, 2)) @ spread.T
    found_mean, found = sgd.prior(people.astype(np.float32), 2)
    np.testing.assert_allclose(found_mean, mean, atol=0.05)
    np.testing.assert_allclose(found @ found.T, spread @ spread.T, atol=0.2)
    assert np.linalg.norm(found[:, 0]) > np.linalg.norm(found[:, 1])
    np.testing.assert_allclose(sgd.prior(people.astype(np.float32), 9)[1][:, 2:], 0, atol=1e-3)


def test_the_prior_of_one_person_and_of_nobody():
    one = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(sgd.prior(one, 2)[0], [1, 1, 1])
    np.testing.assert_array_equal(sgd.prior(one, 2)[1], np.zeros((3, 2)))
    np.testing.assert_array_equal(sgd.prior(one[:0], 2)[0], [0, 0, 0])
