"""Singular vectors against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.kernels import threads
from penchant.kernels.csr import CSR
from penchant.kernels.subspace import singular_vectors


def matrix(users, items, share, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((users, items)) < share, rng.random((users, items)), 0)
    r, c = np.nonzero(dense)
    return dense, CSR.from_pairs(r, c, dense[r, c], dense.shape)


@pytest.mark.parametrize("shape", [(60, 25), (25, 60)])
def test_all_of_a_small_matrix(shape):
    dense, rows = matrix(*shape, 0.4)
    vectors, squares = singular_vectors(rows, rows.transposed(), 25, np.random.default_rng(3))
    np.testing.assert_allclose(squares, np.linalg.svd(dense)[1][:25] ** 2, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(25), atol=1e-5)
    # They diagonalise the Gram matrix.
    turned = vectors.T @ dense.T @ dense @ vectors
    np.testing.assert_allclose(turned, np.diag(squares), atol=1e-4 * squares[0])


def test_the_first_of_a_larger_one():
    """The values are those of the best subspace to a thousandth where they are far apart."""
    dense, rows = matrix(300, 200, 0.1)
    dense[:, :20] *= np.linspace(20, 2, 20)
    r, c = np.nonzero(dense)
    rows = CSR.from_pairs(r, c, dense[r, c], dense.shape)
    vectors, squares = singular_vectors(rows, rows.transposed(), 10, np.random.default_rng(3))
    want = np.linalg.svd(dense)
    np.testing.assert_allclose(squares, want[1][:10] ** 2, rtol=1e-3)
    inside = np.linalg.norm(want[2][:10] @ vectors, axis=1)
    assert inside.min() > 0.99


def test_none_are_none():
    _, rows = matrix(30, 20, 0.3)
    vectors, squares = singular_vectors(rows, rows.transposed(), 0, np.random.default_rng(3))
    assert vectors.shape == (20, 0)
    assert squares.shape == (0,)


def test_threads_and_seeds():
    _, rows = matrix(400, 300, 0.2)
    found = []
    for number in (1, 2, 5):
        with threads.limited(number):
            found.append(singular_vectors(rows, rows.transposed(), 8, np.random.default_rng(3)))
    assert len({(v.tobytes(), s.tobytes()) for v, s in found}) == 1
