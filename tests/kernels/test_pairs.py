"""The last value of each pair, against a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.kernels.pairs import SHORT, latest
from penchant.kernels.threads import limited

ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(-1, 400),
        st.integers(0, 1),
        st.sampled_from([1, 2.5, np.nan]),
    ),
    max_size=200,
)


def slowly(rows, people):
    """Return the (column, value) pairs of each person, columns ascending."""
    found = [{} for _ in range(people)]
    for person, item, kind, value in rows:
        if kind == 1 and item >= 0 and value == value:
            found[person][item] = value
    return [sorted(f.items()) for f in found]


def columns(rows, people):
    rows = sorted(rows, key=lambda r: r[0])
    person, item, kind, value = (np.array([r[n] for r in rows]) for n in range(4))
    indptr = np.searchsorted(person, np.arange(people + 1)).astype(np.int64)
    return indptr, item.astype(np.int32), kind.astype(np.int16), value.astype(np.float32)


@settings(max_examples=60)
@given(ROWS)
def test_the_last_of_each_pair_stays(rows):
    found = latest(*columns(rows, 5), wanted=1, n_items=401)
    got = [list(zip(f.indices.tolist(), f.data.tolist(), strict=True)) for f in by_row(found)]
    assert got == slowly(sorted(rows, key=lambda r: r[0]), 5)
    assert found.shape == (5, 401)


def by_row(csr):
    return [csr.rows(r, r + 1) for r in range(csr.shape[0])]


@pytest.mark.parametrize("size", [SHORT, SHORT + 1, 3000])
@pytest.mark.parametrize("items", [1, 2, 256, 257, 70_000, 2**24 + 1])
def test_rows_of_any_length_and_items_of_any_number(size, items):
    rng = np.random.default_rng(size + items)
    item = rng.integers(0, items, 2 * size).astype(np.int32)
    item[0] = items - 1
    value = rng.random(2 * size).astype(np.float32)
    indptr = np.array([0, size, 2 * size], np.int64)
    found = latest(indptr, item, np.zeros(2 * size, np.int16), value, wanted=0, n_items=items)
    rows = zip(np.repeat([0, 1], size), item, np.ones(2 * size), value, strict=True)
    for row, expected in zip(by_row(found), slowly(rows, 2), strict=True):
        assert list(zip(row.indices, row.data, strict=True)) == expected


def test_many_rows_are_shared_by_threads_and_stay_the_same():
    rng = np.random.default_rng(3)
    indptr = np.arange(0, 400_001, 100)
    rows = (
        rng.integers(0, 300, 400_000).astype(np.int32), np.zeros(400_000, np.int16),
        rng.random(400_000).astype(np.float32),
    )  # fmt: skip
    found = []
    for number in (1, 2):
        with limited(number):
            found.append(latest(indptr, *rows, wanted=0, n_items=300))
    np.testing.assert_array_equal(found[0].indptr, found[1].indptr)
    np.testing.assert_array_equal(found[0].indices, found[1].indices)
    np.testing.assert_array_equal(found[0].data, found[1].data)
