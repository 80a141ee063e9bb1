"""Ordered ratings as cuts through a normal variable.

A rating of level l says that a hidden number ``y*``, normal around the prediction f with variance
1, lies between cut l - 1 and cut l (McCullagh, "Regression Models for Ordinal Data", JRSS B 42
(1980)). Given the cuts, the hidden numbers are drawn from normal distributions that are cut off on
both sides (Albert and Chib, "Bayesian Analysis of Binary and Polychotomous Response Data", JASA 88
(1993)). The cuts are drawn with the hidden numbers integrated out, by Metropolis steps, because
given them they could hardly move (Cowles, "Accelerating Monte Carlo Markov chain convergence for
cumulative-link generalized linear models", Statistics and Computing 6 (1996)).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

from penchant.kernels import threads

Floats = NDArray[np.float64]

ROOT = math.sqrt(2.0)
BEYOND = 1e9
"""Stands for infinity beside the outer levels: the kernels are compiled for finite numbers."""


class Cuts:
    """The cuts between levels, and the hidden numbers that they part.

    Parameters
    ----------
    level : (events,) int, from 0.
    levels : how many there are, at least 2; each occurs.
    """

    def __init__(self, level: NDArray[np.int64], levels: int) -> None:
        self.level = level.astype(np.int32)
        share = np.cumsum(np.bincount(level, minlength=levels))[:-1] / len(level)
        # The spread of predictions adds to the noise: about this much on ratings.
        inner = 1.3 * ndtri(share)
        self.at = np.concatenate([[-BEYOND], inner, [BEYOND]])
        middle = (self.at[self.level].clip(-3, 3) + self.at[self.level + 1].clip(-3, 3)) / 2
        self.hidden: Floats = middle
        self.step = 1 / math.sqrt(len(level))
        self._likely = np.empty(len(level))

    def draw(self, left: Floats, rng: np.random.Generator, *, adapt: bool) -> None:
        """Draw cuts and hidden numbers; ``left``, hidden less predicted, is brought up to date.

        Parameters
        ----------
        adapt : whether the Metropolis steps may change their length, as they may before samples
            are kept.
        """
        predicted = self.hidden - left
        free = len(self.at) - 3  # the first cut stays: the intercept moves everything instead
        if free:
            now = self._likelihood(predicted, self.at)
            for _ in range(2):
                moved = self.at.copy()
                gaps = np.diff(moved[1:-1]) * np.exp(self.step * rng.standard_normal(free))
                moved[2:-1] = moved[1] + np.cumsum(gaps)
                then = self._likelihood(predicted, moved)
                # The proposal is symmetric in the logarithms of the gaps, hence the Jacobian.
                gain = then - now + np.log(gaps / np.diff(self.at[1:-1])).sum()
                accepted = math.log(rng.random()) < gain
                if accepted:
                    self.at, now = moved, then
                if adapt:
                    self.step *= math.exp(0.1 * (accepted - 0.3))
        uniform = rng.random(len(left))
        threads.run(_hide, len(left), predicted, self.level, self.at, uniform, self.hidden)
        left[:] = self.hidden - predicted

    def _likelihood(self, predicted: Floats, at: Floats) -> float:
        threads.run(_likely, len(predicted), predicted, self.level, at, self._likely)
        return float(self._likely.sum())


@njit(nogil=True, cache=True, inline="always")
def _below(x):  # type: ignore[no-untyped-def]
    return 0.5 * math.erfc(-x / ROOT)


@njit(nogil=True, cache=True)
def _likely(lo, hi, predicted, level, at, out):  # type: ignore[no-untyped-def]
    for n in range(lo, hi):
        a, b = at[level[n]] - predicted[n], at[level[n] + 1] - predicted[n]
        if a > 0:  # both tails are exact on the left
            a, b = -b, -a
        out[n] = math.log(max(_below(b) - _below(a), 1e-300))


@njit(nogil=True, cache=True)
def _hide(lo, hi, predicted, level, at, uniform, out):  # type: ignore[no-untyped-def]
    for n in range(lo, hi):
        a, b = at[level[n]] - predicted[n], at[level[n] + 1] - predicted[n]
        sign = 1.0
        if a > 0:
            a, b, sign = -b, -a, -1.0
        low, high = _below(a), _below(b)
        share = low + uniform[n] * (high - low)
        # Beyond 37 standard deviations nothing is left to draw from.
        x = _quantile(share) if share > 1e-300 else b
        out[n] = predicted[n] + sign * min(max(x, a), b)


@njit(nogil=True, cache=True)
def expected(a, b):  # type: ignore[no-untyped-def]
    """Return the mean of a standard normal number that lies between a and b."""
    sign = 1.0
    if a > 0:
        a, b, sign = -b, -a, -1.0
    inside = _below(b) - _below(a)
    if inside < 1e-300:
        return sign * b
    return (
        sign
        * (math.exp(-0.5 * a * a) - math.exp(-0.5 * b * b))
        / (inside * math.sqrt(2.0 * math.pi))
    )


@njit(nogil=True, cache=True)
def _quantile(p):  # type: ignore[no-untyped-def]
    """Return the normal quantile, to 16 digits (Wichura, algorithm AS 241, 1988)."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * (((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r
            + 6.7265770927008700853e4) * r + 4.5921953931549871457e4) * r
            + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r
            + 1.3314166789178437745e2) * r + 3.3871328727963666080e0) / (
            ((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r
            + 3.9307895800092710610e4) * r + 2.1213794301586595867e4) * r
            + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r
            + 4.2313330701600911252e1) * r + 1.0)  # fmt: skip
    r = math.sqrt(-math.log(p if q < 0 else 1 - p))
    if r <= 5.0:
        r -= 1.6
        x = (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r
            + 2.41780725177450611770e-1) * r + 1.27045825245236838258e0) * r
            + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r
            + 4.63033784615654529590e0) * r + 1.42343711074968357734e0) / (
            ((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r
            + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r
            + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r
            + 2.05319162663775882187e0) * r + 1.0)  # fmt: skip
    else:
        r -= 5.0
        x = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r
            + 1.24266094738807843860e-3) * r + 2.65321895265761230930e-2) * r
            + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r
            + 5.46378491116411436990e0) * r + 6.65790464350110377720e0) / (
            ((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r
            + 1.84631831751005468180e-5) * r + 7.86869131145613259100e-4) * r
            + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
            + 5.99832206555887937690e-1) * r + 1.0)  # fmt: skip
    return -x if q < 0 else x
