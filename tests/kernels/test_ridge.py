import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_factors import nearest
from naive_ratings import ratings, some
from penchant.kernels.ridge import concentration, place


def ridge_of(rng, size):
    root = rng.normal(size=(size, size))
    return root @ root.T + 0.1 * np.eye(size)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from(["none", "zero", "some"]))
def test_places_are_where_the_penalised_error_is_least(seed, size, bounds):
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(8, size)).astype(np.float32)
    ridge, towards = ridge_of(rng, size), rng.normal(size=(4, size)).astype(np.float32)
    low = {
        "none": np.full(size, -np.inf),
        "zero": np.zeros(size),
        "some": np.where(rng.random(size) < 0.5, 0.1, -np.inf),
    }[bounds]
    dense = some(seed, users=4, items=8)
    dense[2] = np.nan
    towards = np.maximum(towards, low).astype(np.float32)
    found = place(ratings(dense), loadings, ridge, towards, None if bounds == "none" else low)
    np.testing.assert_array_equal(found[2], towards[2])
    for row, near, v in zip(dense[:2], towards, found, strict=False):
        at = ~np.isnan(row)
        wide = near.astype(float)
        want = nearest(loadings[at].astype(float), row[at], ridge, wide, low)
        np.testing.assert_allclose(v, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("low", [None, np.zeros(7)])
def test_long_rows_and_threads_change_nothing(low):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(9, 900))
    dense[rng.random(dense.shape) < 0.3] = np.nan  # 630 ratings each: three times side by side
    loadings, towards = rng.normal(size=(900, 7)).astype(np.float32), np.zeros((9, 7), np.float32)
    args = (ratings(dense), loadings, ridge_of(rng, 7), towards, low)
    found = place(*args, threads=1)
    np.testing.assert_array_equal(found, place(*args, threads=3))
    x = loadings[~np.isnan(dense[0])].astype(float)
    v = nearest(x, dense[0][~np.isnan(dense[0])], args[2], np.zeros(7), np.full(7, -np.inf))
    if low is None:
        np.testing.assert_allclose(found[0], v, atol=1e-5)
    else:
        assert (found >= 0).all()
        assert (found == 0).any()


def test_the_concentration_is_the_inverse_of_the_covariance():
    rng = np.random.default_rng(0)
    people = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 2).astype(np.float32)
    mean, inverse = concentration(people)
    np.testing.assert_allclose(mean, people.mean(0), rtol=1e-5)
    np.testing.assert_allclose(inverse @ np.cov(people.T, bias=True), np.eye(3), atol=1e-3)


def test_where_people_do_not_differ_they_are_held():
    people = np.array([[1, 2], [1, 4]], np.float32)
    mean, inverse = concentration(people)
    np.testing.assert_allclose(mean, [1, 3])
    np.testing.assert_allclose(inverse, np.diag([1e6, 1]), rtol=1e-4)
    assert np.isfinite(concentration(people[:1])[1]).all()
