"""Each step against its slow twin; neither the order of rows nor doing it twice matters."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import naive_preparation as naive
import penchant as pt
from penchant.events import Events, Reading

NAMES = ("user", "item", "kind", "value", "time", "device")
SECOND = 10**6
FEW = settings(max_examples=18, suppress_health_check=[HealthCheck.filter_too_much])


def entry(kind: str = "rating"):
    return st.tuples(
        st.integers(0, 4),
        st.sampled_from("abcd"),
        st.just(kind),
        st.one_of(st.none(), st.integers(-8, 8).map(lambda x: x / 4)),
        st.one_of(st.just(-1), st.integers(0, 30).map(lambda s: s * SECOND)),
        st.sampled_from([None, "", "tv", "phone"]),
    )


RATINGS = st.lists(entry(), min_size=1, max_size=40)
MANY = st.lists(entry(), min_size=12, max_size=60)
ROWS = st.lists(st.one_of(entry(), entry("view")), min_size=1, max_size=40)


def events(rows) -> Events:
    columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    frame = pl.DataFrame(
        {
            "user": pl.Series(columns["user"], dtype=pl.Int64),
            "item": pl.Series(columns["item"], dtype=pl.String),
            "kind": pl.Series(columns["kind"], dtype=pl.String),
            "value": pl.Series(columns["value"], dtype=pl.Float64).fill_null(math.nan),
            "time": pl.Series(columns["time"], dtype=pl.Int64),
            "session": pl.Series([None] * len(rows), dtype=pl.Int64),
            "device": pl.Series(columns["device"], dtype=pl.String),
        }
    )
    return Events(frame, Reading("rows", {name: name for name in NAMES}, len(rows)))


def rows_of(found: Events):
    """The rows in a fixed order, to compare two tables whatever their order."""
    table = found.frame.drop("session").with_columns(pl.col("value").fill_nan(None))
    places = [0, 1, 2, 4, 5, 3]  # values last: they may differ by rounding

    def key(row):
        return [(row[n] is not None, 0 if row[n] is None else row[n]) for n in places]

    return sorted(table.rows(), key=key)


def run(rows, *steps) -> list:
    return rows_of(pt.prepare(events(rows), steps).events)


def told(rows) -> list:
    """What the slow twin found, as ``rows_of`` gives it."""
    return rows_of(events(rows)) if rows else []


def same(found, expected) -> bool:
    """Whether the rows are the same, values but for rounding."""
    plain = [[row[: naive.VALUE] + row[naive.TIME :] for row in rows] for rows in (found, expected)]
    values = [
        [math.nan if row[naive.VALUE] is None else row[naive.VALUE] for row in rows]
        for rows in (found, expected)
    ]
    return plain[0] == plain[1] and values[0] == pytest.approx(
        values[1], rel=1e-9, abs=1e-12, nan_ok=True
    )


KEEPS = ("first", "last", "mean", "sum", "max", "min", "all")


@pytest.mark.parametrize("keep", KEEPS)
@FEW
@given(rows=ROWS)
def test_duplicates_are_those_of_the_slow_twin(keep, rows):
    assert same(run(rows, pt.Deduplicate(keep=keep)), told(naive.deduplicated(rows, keep)))


@FEW
@given(rows=ROWS, most=st.integers(1, 4), window=st.integers(1, 12), day=st.integers(1, 30))
def test_robots_by_haste_are_those_of_the_slow_twin(rows, most, window, day):
    robots = naive.hasty(rows, most, window * SECOND) | naive.hasty(rows, day, 86400 * SECOND)
    left = [row for row in rows if row[naive.USER] not in robots]
    assume(left)
    step = pt.DropRobots(burst=most, window=f"{window}s", per_day=day)
    assert run(rows, step) == told(left)


@pytest.mark.parametrize(("window", "left"), [("10s", {0, 1}), ("11s", {0})])
def test_a_burst_is_shorter_than_its_window(window, left):
    rows = [(0, "a", "view", None, n * 11 * SECOND, None) for n in range(4)]
    rows += [(1, "a", "view", None, n * 10 * SECOND, None) for n in range(4)]
    found = run(rows, pt.DropRobots(burst=1, window=window, per_day=None))
    assert {row[0] for row in found} == left


def test_times_too_far_apart_for_one_number_each_are_sorted_as_two():
    far = [0, 2**62, 2**62 + 1, 2**62 + 2, 2**62 + 3 * SECOND]
    rows = [(user, "a", "view", None, time, None) for user in range(3) for time in far[: 3 + user]]
    left = run(rows, pt.DropRobots(burst=2, window="1s", per_day=None))
    assert {row[0] for row in left} == {0}
    left = run(rows, pt.DropRobots(burst=3, window="3s", per_day=None))
    assert {row[0] for row in left} == {0, 1, 2}


@FEW
@given(rows=ROWS, least=st.integers(2, 4))
def test_robots_by_sameness_are_those_of_the_slow_twin(rows, least):
    robots = naive.monotonous(rows, least)
    left = [row for row in rows if row[naive.USER] not in robots]
    assume(left)
    step = pt.DropRobots(burst=None, per_day=None, same_value=least)
    assert run(rows, step) == told(left)


def test_rules_look_at_one_kind_and_robots_go_with_all_their_rows():
    rows = [(0, "a", "view", None, n, None) for n in range(4)]
    rows += [(1, "a", "rating", 1.0, n, None) for n in range(4)] + [(1, "a", "view", None, 9, None)]
    left = run(rows, pt.DropRobots(burst=3, kind="rating"))
    assert {row[0] for row in left} == {0}


@FEW
@given(rows=ROWS, users=st.integers(1, 4), items=st.integers(1, 4))
def test_the_core_is_that_of_the_slow_twin(rows, users, items):
    left = naive.core(rows, users, items)
    assume(left)
    assert run(rows, pt.KCore(users=users, items=items)) == told(left)


@FEW
@given(rows=RATINGS, shares=st.tuples(st.floats(0, 0.4), st.floats(0.5, 1)))
def test_winsorised_values_lie_between_the_slow_twins_quantiles(rows, shares):
    values = [row[naive.VALUE] for row in rows if row[naive.VALUE] is not None]
    assume(values)
    low, high = (naive.quantile(values, share) for share in shares)
    expected = [(*r[:3], r[3] if r[3] is None else min(max(r[3], low), high), *r[4:]) for r in rows]
    assert same(run(rows, pt.ClipValues(quantiles=shares)), told(expected))


@FEW
@given(rows=RATINGS)
def test_outliers_lie_beyond_the_slow_twins_fences(rows):
    values = [row[naive.VALUE] for row in rows if row[naive.VALUE] is not None]
    assume(values)
    lower, upper = naive.quantile(values, 0.25), naive.quantile(values, 0.75)
    low, high = lower - 0.5 * (upper - lower), upper + 0.5 * (upper - lower)
    left = [row for row in rows if row[naive.VALUE] is None or low <= row[naive.VALUE] <= high]
    assert run(rows, pt.DropOutliers(spread=0.5)) == told(left)


@pytest.mark.parametrize("by", ["mean", "median", "mode", "item", "user", "biases"])
@FEW
@given(rows=RATINGS)
def test_what_is_filled_in_is_what_the_slow_twin_fills_in(by, rows):
    assume(any(row[naive.VALUE] is not None for row in rows))
    assert same(run(rows, pt.Impute(by=by)), told(naive.filled(rows, by)))


@pytest.mark.parametrize("how", ["centre", "z_score", "min_max"])
@pytest.mark.parametrize("by", ["all", "user", "item"])
@FEW
@given(rows=RATINGS)
def test_scales_are_those_of_the_slow_twin(how, by, rows):
    assume(any(row[naive.VALUE] is not None for row in rows))
    assert same(run(rows, pt.Normalise(how=how, by=by)), told(naive.scaled(rows, how, by)))


def test_equal_values_have_no_spread_however_they_are_rounded():
    rows = [
        (user, "a", "rating", value, n, None)
        for n in range(7)
        for user, value in ((1, 4.3), (2, float(n)))
    ]
    found = run(rows, pt.Normalise())
    assert [row[naive.VALUE] for row in found if row[0] == 1] == pytest.approx([0.0] * 7, abs=1e-12)


@FEW
@given(rows=ROWS)
def test_likes_are_the_values_that_reach_the_bound(rows):
    ratings = [row for row in rows if row[naive.KIND] == "rating"]
    rows = [(*row[:3], None, *row[4:]) if row[2] == "view" else row for row in rows]
    assume(any(row[naive.VALUE] is not None for row in ratings))
    assume(any((row[naive.VALUE] or -1) >= 0.5 for row in ratings))
    likes = [(*r[:2], "like", 1.0, *r[4:]) for r in ratings if (r[3] or -1) >= 0.5]
    views = [row for row in rows if row[naive.KIND] == "view"]
    assert run(rows, pt.Binarise(at=0.5)) == told(likes + views)
    both = [(*r[:3], None if r[3] is None else float(r[3] >= 0.5), *r[4:]) for r in ratings]
    assert run(rows, pt.Binarise(at=0.5, below="zero")) == told(both + views)


@FEW
@given(rows=ROWS)
def test_missing_is_what_stands_nowhere(rows):
    left = [row for row in rows if row[naive.TIME] >= 0 and row[naive.DEVICE]]
    assume(left)
    assert run(rows, pt.DropMissing(columns=["time", "device"])) == told(left)


@FEW
@given(rows=ROWS, start=st.integers(0, 15), length=st.integers(1, 15))
def test_between_is_from_the_start_to_before_the_end(rows, start, length):
    end = start + length
    left = [row for row in rows if start * SECOND <= row[naive.TIME] < end * SECOND]
    assume(left)
    moments = {"start": f"1970-01-01T00:00:{start:02}", "end": f"1970-01-01T01:00:{end:02}+01:00"}
    assert run(rows, pt.Between(**moments)) == told(left)


@FEW
@given(rows=MANY, low=st.integers(-8, 0), among=st.sets(st.integers(-8, 8), max_size=3))
def test_values_that_go_are_those_beyond_or_named(rows, low, among):
    step = pt.DropValues(
        low=low / 4, high=1, among=tuple(x / 4 for x in sorted(among)), kind="rating"
    )
    found = prepared(rows, [step])
    stays = [
        r for r in rows_of(events(rows))
        if r[2] != "rating" or r[3] is None or math.isnan(r[3])
        or (low / 4 <= r[3] <= 1 and r[3] * 4 not in among)
    ]  # fmt: skip
    assert same(rows_of(found.events), stays)


CHAINS = [
    [pt.Deduplicate(keep="last"), pt.DropMissing(), pt.KCore(users=2, items=2)],
    [pt.Deduplicate(keep="mean"), pt.ClipValues(quantiles=(0.1, 0.9)), pt.Normalise()],
    [pt.Deduplicate(keep="all"), pt.DropRobots(burst=3, window="3s"), pt.Impute(by="biases")],
    [pt.Impute(column="device", by="mode"), pt.Normalise(how="min_max", by="item"),
     pt.Deduplicate(keep="sum"), pt.DropOutliers()],
    [pt.KCore(users=2, items=2), pt.Binarise(at=0), pt.Deduplicate(keep="first")],
]  # fmt: skip


def prepared(rows, chain):
    """What the chain makes of the rows, if it can."""
    try:
        return pt.prepare(events(rows), chain)
    except (pt.BadEvents, pt.BadParameter):
        assume(False)


@pytest.mark.parametrize("chain", CHAINS)
@FEW
@given(rows=MANY, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(chain, rows, order):
    shuffled = rows.copy()
    order.shuffle(shuffled)
    one, other = prepared(rows, chain), prepared(shuffled, chain)
    assert same(rows_of(one.events), rows_of(other.events))
    assert one.report.drop("why").equals(other.report.drop("why"))


@pytest.mark.parametrize("chain", CHAINS)
@FEW
@given(rows=MANY)
def test_every_row_is_counted(chain, rows):
    found = prepared(rows, chain)
    report, reading = found.report, found.events.reading
    assert report["rows_before"].to_list() == [len(rows), *report["rows"][:-1]]
    assert report["rows"][-1] == len(found.events)
    assert reading.rows == len(found.events) + sum(reading.dropped.values())
    for role in ("user", "item"):
        counts = report[f"{role}s"].to_list()
        assert counts[-1] == found.events.frame[role].n_unique()
        assert report[f"{role}s_before"][1:].to_list() == counts[:-1]
    table = found.events.frame
    assert reading.repeats == len(table) - table.select("user", "item", "kind").n_unique()
    assert reading.missing_values == table["value"].is_nan().sum()


@pytest.mark.parametrize("chain", CHAINS)
@FEW
@given(rows=MANY)
def test_a_replay_of_the_same_rows_gives_the_same_events(chain, rows):
    found = prepared(rows, chain)
    assert found.replay(events(rows)).events.frame.equals(found.events.frame, null_equal=True)


ONCE = [
    *(pt.Deduplicate(keep=keep) for keep in KEEPS), pt.DropMissing(), pt.KCore(users=2, items=2),
    pt.ClipValues(low=-1, high=1), pt.Between(end="1970-01-01T00:00:20"), pt.Impute(by="user"),
    pt.CleanIds(), pt.DropValues(low=-1, among=(0.5, 1), kind="rating"),
    pt.DropValues(column="item", among=("a", "z")),
]  # fmt: skip


@pytest.mark.parametrize("step", ONCE, ids=str)
@FEW
@given(rows=MANY)
def test_twice_is_the_same_as_once_where_that_is_promised(step, rows):
    once, twice = prepared(rows, [step]), prepared(rows, [step, step])
    assert once.events.frame.equals(twice.events.frame, null_equal=True)


def test_what_changes_is_the_value_of_rows_that_stay():
    rows = [(1, "a", "rating", 2.0, 5, None), (1, "a", "rating", 4.0, 9, "tv")]
    found = pt.prepare(events(rows), [pt.Deduplicate(keep="mean")])
    assert rows_of(found.events) == [(1, "a", "rating", 3.0, 9, "tv")]
    assert found.report["changed"].to_list() == [1]
    assert any("changed 1 row:" in line for line in found.events.reading.lines())


def test_without_times_the_report_says_what_counted_as_later():
    table = {"user": [1, 1], "item": ["a", "a"], "rating": [5, 3]}
    found = pt.prepare(table, [pt.Deduplicate(keep="last")])
    assert found.events.frame["value"].to_list() == [5.0]
    assert "no times are known" in found.report["why"][0]
