import numpy as np
import pytest
from numba import njit

from penchant.kernels.eights import ROWS, add, dots, lined_up


@njit
def one_pass(vectors, at, n, weights, preference, x, sums, out):
    dots(vectors, at, n, x, sums)
    add(vectors, at, n, weights, preference, sums, out)


@pytest.mark.parametrize("factors", [16, 80])
def test_eight_products_and_their_weighted_sum(factors):
    rng = np.random.default_rng(factors)
    vectors, x, out = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((30, factors), factors, factors)
    )
    at = rng.integers(0, 30, 20).astype(np.int32)
    weights = rng.random(20).astype(np.float32)
    sums = np.full(20, 7, np.float32)
    mine = slice(5, 5 + ROWS)
    found = vectors[at[mine]].astype(float) @ x
    want = out + (weights[mine] * (0.25 - found)) @ vectors[at[mine]]
    one_pass(vectors, at, 5, weights, np.float32(0.25), x, sums, out)
    assert np.allclose(sums[mine], found, atol=1e-5)
    assert np.all(np.delete(sums, range(5, 5 + ROWS)) == 7)
    assert np.allclose(out, want, atol=1e-4)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_room_begins_with_a_line_of_the_cache(rows):
    room = lined_up(rows, 48)
    assert room.shape == (rows, 48)
    assert not room.any()
    assert room.ctypes.data % 64 == 0
