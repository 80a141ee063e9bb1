import numpy as np
import pytest
from numba import njit

from penchant.kernels.eights import ROWS, add, copy, dots, lined_up


@njit
def one_pass(vectors, at, n, weights, preference, x, sums, out):
    dots(vectors, at, n, x, sums)
    add(vectors, at, n, weights, preference, sums, out)


@njit
def one_copy(vectors, row, out, to):
    copy(vectors, row, out, to)


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


def test_a_vector_is_copied():
    vectors = np.arange(5 * 32, dtype=np.float32).reshape(5, 32)
    room = lined_up(3, 32)
    one_copy(vectors, 4, room, 1)
    assert np.array_equal(room, [np.zeros(32), vectors[4], np.zeros(32)])


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_room_begins_with_a_line_of_the_cache(rows):
    room = lined_up(rows, 48)
    assert room.shape == (rows, 48)
    assert not room.any()
    assert room.ctypes.data % 64 == 0
