"""Rows are grouped by person and put in the order of time, stably."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.kernels import threads
from penchant.kernels.grouping import grouped
from penchant.kernels.pairs import ENTRIES_WORTH_A_POOL


def drawn(rows: int, people: int, times: int, rng: int = 0):
    generator = np.random.default_rng(rng)
    person = generator.integers(people, size=rows).astype(np.int32)
    return person, generator.integers(times, size=rows)


@pytest.mark.parametrize(("rows", "people", "times"), [(0, 3, 2), (50, 1, 9), (400, 30, 4)])
def test_the_order_is_that_of_a_stable_sort(rows, people, times):
    person, time = drawn(rows, people, times)
    indptr, order = grouped(person, time, people)
    expected = sorted(range(rows), key=lambda n: (person[n], time[n]))
    assert np.arange(rows)[order].tolist() == expected
    assert indptr.tolist() == [sum(person < p) for p in range(people + 1)]


def test_without_times_rows_keep_their_order():
    person, _ = drawn(60, 7, 1)
    order = grouped(person, np.zeros(0, np.int64), 7)[1]
    assert list(order) == sorted(range(60), key=lambda n: person[n])


def test_rows_in_order_are_not_touched():
    person, time = drawn(60, 7, 5)
    order = np.lexsort((time, person))
    assert grouped(person[order], time[order], 7)[1] == slice(None)


def test_the_order_is_the_same_on_any_number_of_threads():
    person, time = drawn(ENTRIES_WORTH_A_POOL + 5, 500, 50)
    with threads.limited(1):
        alone = grouped(person, time, 500)[1]
    with threads.limited(8):
        assert np.array_equal(grouped(person, time, 500)[1], alone)
    assert np.array_equal(alone, np.lexsort((time, person)))
