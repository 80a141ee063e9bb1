"""Tiles of products against numpy, wide as on this machine and narrow as on others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from penchant.kernels import tiles

SHAPES = {shape: tiles.tile_of(*shape) for shape in ((8, 2), (4, 1))}


def compiled(reaches):
    @njit
    def call(panel, at, tile, from_, factors, head, tails, rests, bars, first, scores, masks):
        return reaches(
            panel, at, tile, from_, factors, head, tails, rests, bars, first, scores, masks
        )

    return call


CALLS = {shape: compiled(reaches) for shape, reaches in SHAPES.items()}


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from(list(SHAPES)),
    factors=st.integers(1, 20),
    bar=st.sampled_from([-np.inf, 0.0, 3.0, 6.0, np.inf]),
)
@settings(max_examples=60, deadline=None)
def test_says_which_products_reach_their_bar(seed, shape, factors, bar):
    rng = np.random.default_rng(seed)
    rows, columns = shape[0], shape[1] * tiles.LANES
    head = int(rng.integers(0, factors + 1))
    x = rng.integers(-2, 3, (3, factors, rows)).astype(np.float32)
    y = rng.integers(-2, 3, (2, factors, columns)).astype(np.float32)
    left = np.sqrt((x[:, head:] ** 2).sum(axis=1)).ravel() * np.float32(1.00001)
    right = np.sqrt((y[:, head:] ** 2).sum(axis=1)).ravel() * np.float32(1.00001)
    bars = (bar + rng.integers(-2, 3, 3 * rows)).astype(np.float32)
    scores, masks = np.empty(rows * columns, np.float32), np.empty(rows, np.uint32)

    any_ = CALLS[shape](
        y.ravel(), factors * columns, x.ravel(), 2 * factors * rows, factors, head, left, right,
        bars, 2 * rows, scores, masks,
    )  # fmt: skip

    products = x[2].T @ y[1]
    above = products >= bars[2 * rows :][:, None]
    assert bool(any_) == above.any()
    if any_:
        np.testing.assert_array_equal(scores.reshape(rows, columns), products)
        told = (masks[:, None] >> np.arange(columns, dtype=np.uint32)) & 1
        np.testing.assert_array_equal(told, above)


@pytest.mark.parametrize("bit", [0, 5, 31])
def test_lowest_bit(bit):
    lowest = njit(lambda word: tiles.lowest_bit(word))
    assert lowest(np.uint32((1 << bit) | (1 << 31))) == bit
