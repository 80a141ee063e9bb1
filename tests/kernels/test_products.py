"""Products of sparse rows against dense float64 arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_core import dense as spelled_out
from penchant.kernels.csr import CSR
from penchant.kernels.products import (
    dense_sparse,
    row_products,
    sparse_dense,
    sparse_sparse,
    sparse_vector,
)


def draw(seed, rows, columns, share):
    """A sparse matrix, and the same one written out."""
    rng = np.random.default_rng(seed)
    r, c = np.nonzero(rng.random((rows, columns)) < share)
    values = np.round(rng.normal(size=len(r)), 2).astype(np.float32)
    return CSR.from_pairs(r, c, values, (rows, columns)), spelled_out(r, c, values, (rows, columns))


SIZE = st.integers(0, 12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), SIZE, SIZE, SIZE, st.sampled_from([0.0, 0.3, 1.0]))
def test_products_are_those_of_dense_matrices(seed, m, n, p, share):
    left, dense_left = draw(seed, m, n, share)
    right, dense_right = draw(seed + 1, n, p, 0.4)
    expected = dense_left @ dense_right
    of = {
        "sparse_sparse": sparse_sparse(left, right),
        "sparse_dense": sparse_dense(left, dense_right.astype(np.float32)),
        "dense_sparse": dense_sparse(dense_left.astype(np.float32), right),
    }
    for name, found in of.items():
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_products_in_64_bits():
    left, dense_left = draw(0, 30, 20, 0.4)
    right, dense_right = draw(1, 20, 10, 0.4)
    expected = dense_left @ dense_right
    found = [
        sparse_sparse(left, right, np.float64),
        sparse_dense(left, dense_right),
        np.stack([sparse_vector(left, column) for column in dense_right.T], axis=1),
    ]
    for one in found:
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-12)
    short = sparse_vector(left, dense_right[:, 0].astype(np.float32))
    np.testing.assert_allclose(short, expected[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_mean_something(value):
    matrix = CSR.from_pairs([0, 1], [0, 1], [1, 1], (2, 2))
    dense = np.array([[value, 1], [2, 3]], np.float32)
    np.testing.assert_array_equal(sparse_dense(matrix, dense), dense)
    np.testing.assert_array_equal(dense_sparse(dense, matrix), dense)


def test_arrays_of_any_layout_will_do():
    matrix, written = draw(3, 5, 4, 0.5)
    wide = np.asfortranarray(np.arange(20, dtype=np.float32).reshape(4, 5).T)
    np.testing.assert_allclose(dense_sparse(wide.T, matrix), wide.T @ written, rtol=1e-5)
    part = matrix.rows(1, 4)
    np.testing.assert_allclose(sparse_dense(part, np.eye(4, dtype=np.float32)), written[1:4])


def test_row_products_are_those_asked_for():
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(n, 5)).astype(np.float32) for n in (3, 7))
    asked = np.array([[0, 6], [3, -1], [-1, -1]], np.int32)
    expected = np.take_along_axis(left @ right.T, asked, axis=1)
    expected[asked < 0] = np.nan
    np.testing.assert_allclose(row_products(left, right, asked), expected, rtol=1e-5)
    assert row_products(left, right, np.zeros((3, 0), np.int32)).shape == (3, 0)
