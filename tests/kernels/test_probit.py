"""Normal numbers between cuts against scipy's, and cuts that are found again."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import truncnorm

from penchant.kernels import probit, threads
from penchant.kernels.probit import Cuts, expected


def test_quantiles_are_scipys():
    chance = np.concatenate([10.0 ** -np.arange(1, 300, 13), np.linspace(0.001, 0.999, 40)])
    found = [probit._quantile(p) for p in chance]
    np.testing.assert_allclose(found, ndtri(chance), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "between", [(-1.0, 2.0), (3.0, 4.0), (-9.0, -8.0), (5.0, 1e9), (-1e9, 0.3)]
)
def test_the_mean_between_two_cuts_is_scipys(between):
    assert expected(*between) == pytest.approx(truncnorm(*between).mean(), rel=1e-9)


def test_far_from_everything_the_mean_is_the_nearest_cut():
    assert expected(50.0, 51.0) == pytest.approx(50.0, abs=0.03)
    assert expected(-51.0, -50.0) == pytest.approx(-50.0, abs=0.03)


def test_hidden_numbers_are_drawn_between_their_cuts_as_scipy_says():
    rng = np.random.default_rng(0)
    n = 40_000
    predicted = np.repeat([0.3, -2.0, 6.0, 0.0], n // 4)
    level = np.repeat([1, 2, 0, 2], n // 4).astype(np.int32)
    at = np.array([-probit.BEYOND, -0.5, 1.0, probit.BEYOND])
    out = np.empty(n)
    threads.run(probit._hide, n, predicted, level, at, rng.random(n), out)
    for part in range(4):
        here = slice(part * n // 4, (part + 1) * n // 4)
        f, k = predicted[here][0], level[here][0]
        true = truncnorm(at[k] - f, at[k + 1] - f, loc=f)
        assert (out[here] >= at[k]).all()
        assert (out[here] <= at[k + 1]).all()
        assert out[here].mean() == pytest.approx(true.mean(), abs=0.03)
        assert out[here].std() == pytest.approx(true.std(), abs=0.03)


def test_cuts_are_found_again():
    rng = np.random.default_rng(2)
    true = np.array([-1.0, -0.2, 0.1, 1.4])
    predicted = 0.7 * rng.standard_normal(8_000)
    level = (predicted + rng.standard_normal(8_000) > true[:, None]).sum(axis=0)
    cuts = Cuts(level, 5)
    left = cuts.hidden - predicted
    drawn = []
    for n in range(300):
        cuts.draw(left, rng, adapt=n < 100)
        np.testing.assert_allclose(cuts.hidden - left, predicted, atol=1e-9)
        if n >= 100:
            drawn.append(cuts.at[1:-1] - cuts.at[1])  # the first stays where it was put
    # What the first cut is off, the others are too: here predictions do not move with it.
    gaps = np.diff(np.mean(drawn, axis=0))
    best = np.diff(fitted(predicted, level, cuts.at[1]))
    np.testing.assert_allclose(gaps, best, atol=0.02)
    assert 0.05 < np.mean(np.any(np.diff(drawn, axis=0) != 0, axis=1)) < 0.95


def fitted(predicted, level, first):
    """The cuts of highest likelihood with the first one given, by scipy."""
    from scipy.optimize import minimize

    def lost(logs):
        at = np.concatenate([[-50, first], first + np.cumsum(np.exp(logs)), [50]])
        chance = ndtr(at[level + 1] - predicted) - ndtr(at[level] - predicted)
        return -np.log(np.maximum(chance, 1e-300)).mean()

    logs = minimize(lost, np.full(3, -0.5)).x
    return np.concatenate([[first], first + np.cumsum(np.exp(logs))])
