"""The shape of data against slow twins and by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penchant as pt
from naive_inspection import cold, gini, lorenz
from penchant.inspection.shape import Tail

COUNTS = st.lists(st.integers(1, 50), min_size=1, max_size=30)


@given(COUNTS)
def test_gini_and_lorenz_are_those_of_the_definition(counts: list[int]) -> None:
    tail = Tail(np.sort(np.array(counts)))
    assert tail.gini == pytest.approx(gini(counts))
    curve = tail.lorenz(points=7)
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    for at, share in curve:
        assert share == pytest.approx(lorenz(counts, at))
    assert (np.diff(curve[:, 1], 2) >= -1).all()


def test_gini_by_hand() -> None:
    assert Tail(np.array([5, 5, 5])).gini == 0
    assert Tail(np.array([1, 3])).gini == 0.25  # |1-3| twice, by 2 * 4 * 2
    assert Tail(np.array([1, 1, 1, 97])).gini == pytest.approx(0.72)
    tail = Tail(np.array([1, 2, 3, 4, 10]))
    assert (tail.share(0.2), tail.share(0.4), tail.share(0.01)) == (0.5, 0.7, 0.5)
    assert tail.middle == 3


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 30)),
        min_size=2,
        max_size=40,
    ),
    st.floats(0.1, 0.9),
)
def test_cold_shares_are_those_of_the_definition(
    rows: list[tuple[int, int, int]], at: float
) -> None:
    columns = zip(*rows, strict=True)
    table = dict(zip(("user", "item", "time"), columns, strict=True))
    found = pt.inspect({k: list(v) for k, v in table.items()}, at=at).cold
    times = sorted(t for _, _, t in rows)
    cut = times[int(at * len(times))]
    if cut == times[0]:
        assert found is None
        return
    assert found is not None
    assert found.at == cut * 10**6
    assert found.rows == sum(t >= cut for t in times)
    told = (found.users, found.items, found.by_users, found.by_items)
    assert told == pytest.approx(cold(rows, cut))


def test_values_by_hand() -> None:
    table = {"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 2, 1], "rating": [1, 5, 5, 5, None]}
    found = pt.inspect(table)
    assert found.values is not None
    assert found.values.frame.to_dicts() == [
        {"value": "1", "rows": 1, "share": 0.25},
        {"value": "5", "rows": 3, "share": 0.75},
    ]
    assert (found.values.mean, found.values.middle, found.values.known) == (4, 5, 4)
    assert found.values.used == pytest.approx(4 / 27**0.25)  # exp of .25 ln 4 + .75 ln 4/3
    assert found.missing == {"rating": 1}
    assert found.density == 5 / 6


def test_many_values_are_put_into_ranges() -> None:
    n = np.arange(500)
    plays = pt.inspect({"user": n % 20, "item": n // 20, "plays": 1 + n}).values
    assert plays is not None
    assert plays.frame["value"].to_list()[:3] == ["1–2", "2–4", "4–8"]
    assert plays.frame["rows"].to_list() == [1, 2, 4, 8, 16, 32, 64, 128, 245]
    even = pt.inspect({"user": n % 20, "item": n // 20, "score": n / 100 - 1}).values
    assert even is not None
    assert len(even.frame) == 20
    assert even.frame["rows"].sum() == 500
    assert even.used is None


@pytest.mark.parametrize(
    ("end", "unit", "bars"),
    [("2024-01-20", "day", 20), ("2024-06-30", "week", 26), ("2026-12-31", "month", 36),
     ("2044-01-01", "year", 21)],
)  # fmt: skip
def test_time_is_told_by_day_week_month_or_year(end: str, unit: str, bars: int) -> None:
    dates = ["2024-01-01", end, end]
    found = pt.inspect({"user": [1, 1, 2], "item": [1, 2, 1], "date": dates}).times
    assert found is not None
    assert (found.unit, len(found.frame), found.hours) == (unit, bars, None)
    assert found.frame["rows"].to_list() == [1] + [0] * (bars - 2) + [2]


def test_stray_times_do_not_squeeze_the_others() -> None:
    n = np.arange(3000)
    time = np.where(n == 0, 5, 1_700_000_000 + 600 * n)
    found = pt.inspect({"user": n % 60, "item": n % 50, "time": time}).times
    assert found is not None
    assert (found.unit, found.frame["start"].min().year) == ("day", 2023)
    assert 1 <= found.outside <= 6
    assert found.first == 5_000_000
    even = pt.inspect({"user": n % 60, "item": n % 50, "time": 1_700_000_000 + 600 * n}).times
    assert even is not None
    assert even.outside == 0
    assert found.hours is not None
    assert found.hours.sum() == 3000


def test_repeats_by_hand() -> None:
    table = {
        "user": [1, 1, 1, 2, 2, 3],
        "item": [7, 7, 7, 7, 7, 7],
        "rating": [4, 4, 5, 3, 3, 1],
        "time": [1, 1, 2, 5, 6, 7],
    }
    found = pt.inspect(table)
    assert (found.repeats.rows, found.repeats.exact, found.repeats.other) == (3, 1, 3)
    assert found.density == 1
    # What differs in a column that is not read is no copy.
    other = pt.inspect({**table, "shop": ["a", "b", "a", "a", "a", "a"]})
    assert other.repeats.exact == 0
    # A number of the row does not make a copy something else.
    assert pt.inspect({**table, "row": range(6)}).repeats.exact == 1


def test_a_rating_beside_a_row_without_one_is_one_rating() -> None:
    found = pt.inspect({"user": [1, 1], "item": [7, 7], "rating": [4, None], "time": [1, 2]})
    assert (found.repeats.rows, found.repeats.exact, found.repeats.other) == (1, 0, 0)


def test_kinds_are_counted() -> None:
    frame = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 2], "event": ["view", "buy", "view"]})
    assert dict(pt.inspect(frame).kinds) == {"view": 2, "buy": 1}
