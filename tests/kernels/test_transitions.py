"""Transitions against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naive_core import entries
from naive_sequences import counted
from penchant.kernels import threads
from penchant.kernels.transitions import following

SEQUENCES = st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=6)


def found_in(sequences, weights, n=7):
    indptr = np.cumsum([0, *map(len, sequences)]).astype(np.int64)
    item = np.array([i for s in sequences for i in s], np.int32)
    return following(indptr, item, np.array(weights), n)


@given(SEQUENCES, st.sampled_from([[1.0], [1.0, 0.5, 0.25]]))
def test_pairs_are_counted_by_distance(sequences, weights):
    found = found_in(sequences, weights)
    assert found.shape == (7, 7)
    assert entries(found) == pytest.approx(counted(sequences, weights))
    rows = [found.indices[a:b] for a, b in zip(found.indptr[:-1], found.indptr[1:], strict=True)]
    assert all((np.diff(row) > 0).all() for row in rows)


def test_more_items_than_a_stride_and_any_number_of_threads():
    rng = np.random.default_rng(0)
    sequences = [rng.integers(0, 300, 50).tolist() for _ in range(60)]
    weights = [1.0, 1 / 2, 1 / 3, 1 / 4]
    bits = set()
    for number in (1, 2, 5):
        with threads.limited(number):
            found = found_in(sequences, weights, 300)
            bits.add((found.indptr.tobytes(), found.indices.tobytes(), found.data.tobytes()))
    assert len(bits) == 1
    assert entries(found) == pytest.approx(counted(sequences, weights), rel=1e-6)
