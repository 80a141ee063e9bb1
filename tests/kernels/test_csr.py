"""Sparse rows hold what was put into them, in ascending columns, each once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naive_core import entries, summed
from penchant.kernels.csr import CSR, stretches

SHAPE = (6, 5)
PAIRS = st.lists(
    st.tuples(
        st.integers(0, SHAPE[0] - 1),
        st.integers(0, SHAPE[1] - 1),
        st.integers(-8, 8).map(lambda x: x / 4),
    ),
    max_size=40,
)


def made(pairs, shape=SHAPE) -> CSR:
    rows, columns, values = (list(c) for c in zip(*pairs, strict=True)) if pairs else ([], [], [])
    return CSR.from_pairs(rows, columns, values, shape)


@given(PAIRS)
def test_repeats_are_added_and_columns_ascend(pairs):
    matrix = made(pairs)
    assert entries(matrix) == summed(*zip(*pairs, strict=True)) if pairs else matrix.nnz == 0
    assert matrix.shape == SHAPE
    assert matrix.nnz == len(matrix.data)
    assert (matrix.indptr.dtype, matrix.indices.dtype, matrix.data.dtype) == (
        np.int64, np.int32, np.float32,
    )  # fmt: skip
    assert matrix.indptr[0] == 0
    assert matrix.indptr[-1] == matrix.nnz
    for r in range(SHAPE[0]):
        columns = matrix.indices[matrix.indptr[r] : matrix.indptr[r + 1]]
        assert (np.diff(columns) > 0).all()


@given(PAIRS)
def test_transposing_turns_every_entry_once(pairs):
    matrix = made(pairs)
    turned = matrix.transposed()
    assert turned.shape == SHAPE[::-1]
    assert entries(turned) == {(c, r): v for (r, c), v in entries(matrix).items()}
    assert (np.diff(turned.indptr) >= 0).all()
    back = turned.transposed()
    assert back.indices.tolist() == matrix.indices.tolist()
    assert back.data.tobytes() == matrix.data.tobytes()


@given(PAIRS, st.permutations(range(SHAPE[0])))
def test_rows_by_content_do_not_tell_whose_they_are(pairs, order):
    matrix, mixed = made(pairs), made([(order[r], c, v) for r, c, v in pairs])
    found, other = matrix.by_content(), mixed.by_content()
    for array in ("indptr", "indices", "data"):
        assert getattr(found, array).tobytes() == getattr(other, array).tobytes()
        assert getattr(found, array).dtype == getattr(matrix, array).dtype

    def rows(m):
        held = entries(m).items()
        return sorted(sorted((c, v) for (r, c), v in held if r == n) for n in range(SHAPE[0]))

    assert rows(found) == rows(matrix)


@given(PAIRS, st.data())
def test_rows_and_their_numbers(pairs, data):
    matrix = made(pairs)
    lo = data.draw(st.integers(0, SHAPE[0]))
    hi = data.draw(st.integers(lo, SHAPE[0]))
    part = matrix.rows(lo, hi)
    assert part.shape == (hi - lo, SHAPE[1])
    assert entries(part) == {
        (r - lo, c): v for (r, c), v in entries(matrix).items() if lo <= r < hi
    }
    numbers = matrix.row_numbers()
    assert list(zip(numbers.tolist(), matrix.indices.tolist(), strict=True)) == list(
        entries(matrix)
    )


@given(PAIRS)
def test_scipy_sees_the_same(pairs):
    matrix = made(pairs)
    found = matrix.to_scipy()
    assert found.shape == SHAPE
    expected = np.zeros(SHAPE)
    for (r, c), v in entries(matrix).items():
        expected[r, c] = v
    np.testing.assert_array_equal(found.toarray(), expected)
    assert np.shares_memory(found.data, matrix.data) or matrix.nnz == 0


def test_entries_without_values_are_ones():
    assert CSR.from_pairs([0, 1, 1], [2, 0, 0], None, (2, 3)).data.tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3)])
def test_nothing_has_a_shape_too(shape):
    empty = CSR.from_pairs([], [], [], shape)
    assert empty.shape == shape
    assert empty.transposed().shape == shape[::-1]
    assert empty.transposed().nnz == 0


def test_stretches_stand_one_after_another():
    found = stretches(np.array([7, 0, 3, 5]), np.array([0, 2, 2, 5, 6]))
    assert found.tolist() == [7, 8, 3, 4, 5, 5]
    assert not len(stretches(np.zeros(0, np.int64), np.zeros(1, np.int64)))
