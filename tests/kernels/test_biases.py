from dataclasses import replace

import numpy as np
import pytest

from naive_groups import ODD
from naive_ratings import biases, descended_biases, ratings, some
from penchant.kernels.biases import descend_biases, fit_biases, shrunk_means
from penchant.kernels.csr import CSR


@pytest.mark.parametrize("seed", range(5))
def test_biases_equal_their_slow_twin(seed):
    dense = some(seed)
    dense[3] = np.nan
    dense[:, 4] = np.nan
    found = fit_biases(ratings(dense), item_penalty=10.0, user_penalty=15.0, epochs=4)
    for ours, theirs in zip(found, biases(dense.tolist(), 10.0, 15.0, 4), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize("seed", range(3))
def test_descent_equals_its_slow_twin(seed):
    dense = some(seed)
    dense[3] = np.nan
    dense[:, 4] = np.nan
    found = descend_biases(ratings(dense), rate=0.03, penalty=0.2, epochs=7)
    for ours, theirs in zip(found, descended_biases(dense.tolist(), 0.03, 0.2, 7), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, equal_nan=True)


def test_descent_ends_where_surprise_ends():
    # BaselineOnly(bsl_options={"method": "sgd"}) of Surprise 1.1.5: the same ratings in one order.
    mean, item, user = descend_biases(ratings(ODD), rate=0.005, penalty=0.02, epochs=20)
    assert mean == 3.3125
    theirs = [-0.051888, 0.069771, 0.203717, -0.234766, -0.497309, -0.026469, 0.347307, -0.083563]
    np.testing.assert_allclose(item[:8], theirs, atol=1e-6)
    np.testing.assert_allclose(user[:4], [0.402421, 0.056079, 0.190385, 0.200701], atol=1e-6)


def test_biases_by_hand():
    # mean 3; item 0: (4 - 3 + 5 - 3) / (1 + 2) = 1; user 1: (5 - 3 - 1) / (1 + 1) = 0.5
    dense = np.array([[4.0, 1.0], [5.0, np.nan], [np.nan, 2.0]])
    mean, item, user = fit_biases(ratings(dense), item_penalty=1.0, user_penalty=1.0, epochs=1)
    assert mean == pytest.approx(3.0)
    np.testing.assert_allclose(item, [1.0, -1.0])
    np.testing.assert_allclose(user, [(0.0 - 1.0) / 3, 0.5, 0.0])


def test_a_stranger_with_the_same_ratings_has_the_same_bias():
    known = ratings(some(1))
    mean, item, user = fit_biases(known, item_penalty=10.0, user_penalty=15.0, epochs=10)
    left = replace(known, data=known.data.astype(float) - mean - item[known.indices])
    np.testing.assert_allclose(shrunk_means(left, 15.0), user, atol=1e-15)


def test_means_by_hand():
    residuals = CSR.from_pairs([0, 0, 2], [0, 1, 1], [5, 1, 3], (3, 2))
    np.testing.assert_allclose(shrunk_means(residuals, 2.0), [6 / 4, 0, 1])
    np.testing.assert_allclose(shrunk_means(residuals, 0.0), [3, 0, 3])


def test_nothing_at_all():
    empty = CSR.from_pairs([], [], [], (2, 3))
    mean, item, user = fit_biases(empty, item_penalty=10.0, user_penalty=0.0, epochs=3)
    assert mean == 0
    assert np.isnan(item).all()
    np.testing.assert_array_equal(user, [0, 0])
