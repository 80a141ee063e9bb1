"""Flags and columns that tell the value, against counting pairs and by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penchant as pt
from data import find
from naive_inspection import area
from penchant.inspection.leaks import Target

ROWS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40)


@given(ROWS)
def test_area_is_the_share_of_pairs(rows: list[tuple[bool, int]]) -> None:
    flag, value = np.array([f for f, _ in rows]), np.array([float(v) for _, v in rows])
    found = Target(value).separated(flag)
    if flag.all() or not flag.any() or np.ptp(value) == 0:
        assert found is None
        return
    assert found is not None
    assert found.area == pytest.approx(area(flag.tolist(), value.tolist()))
    groups = [value[flag], value[~flag]]
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / len(value)
    assert found.explained == pytest.approx(1 - within / value.var(), abs=1e-12)
    assert found.means == pytest.approx((groups[0].mean(), groups[1].mean()))


def test_ties_and_many_values_agree_with_scipy() -> None:
    from scipy.stats import chi2_contingency, mannwhitneyu

    rng = np.random.default_rng(0)
    value = rng.integers(1, 6, 500).astype(float)
    flag = rng.random(500) < value / 10
    found = Target(value).separated(flag)
    assert found is not None
    u, p = mannwhitneyu(value[flag], value[~flag], use_continuity=False, method="asymptotic")
    assert found.area == pytest.approx(u / (flag.sum() * (~flag).sum()))
    from scipy.stats import norm

    z = norm.isf(p / 2)
    table = np.array(
        [[(flag & (value == v)).sum(), (~flag & (value == v)).sum()] for v in range(1, 6)]
    )
    chi = chi2_contingency(table, correction=False).statistic
    assert found.tied == pytest.approx(np.sqrt((chi - 4) / 500))
    assert found.sure == pytest.approx(max(z, (chi - 4) / np.sqrt(8)))


def test_a_flag_that_means_extremes_is_told_although_its_area_is_a_half() -> None:
    value = np.tile([1.0, 2, 3, 4, 5], 100)
    found = Target(value).separated(np.abs(value - 3) == 2)
    assert found is not None
    assert found.area == 0.5
    assert found.tells


def test_a_flag_that_leans_to_one_side_is_told_although_its_tie_is_weak() -> None:
    value = np.tile([1.0, 2, 3, 4, 5], 1000)
    place = np.repeat(np.arange(1000), 5)
    found = Target(value).separated(place < 500 + 90 * (value - 3))
    assert found is not None
    assert 0.6 < found.area < 0.7
    assert 0.2 < found.tied < 0.3
    assert found.tells
    less = Target(value).separated(place < 500 + 40 * (value - 3))
    assert less is not None
    assert not less.tells
    assert less.sure > 6


def test_nothing_is_told_by_chance() -> None:
    rng = np.random.default_rng(1)
    for n in (20, 200, 2000):
        for share in (0.02, 0.3, 0.9):
            target = Target(rng.normal(size=n))
            told = [target.separated(rng.random(n) < share) for _ in range(50)]
            assert not any(one is not None and one.tells for one in told)


def test_as_many_groups_as_chance_makes_explain_nothing() -> None:
    rng = np.random.default_rng(2)
    target = Target(rng.normal(size=4000))
    assert abs(target.explained(rng.integers(0, 1500, 4000))) < 0.1
    assert target.explained(np.arange(4000)) == 0
    exact = Target(np.tile([1.0, 2.0], 50))
    assert exact.explained(np.tile([0, 1], 50)) == pytest.approx(1)


def test_what_is_known_of_ml_1m_gives_the_ratings_away() -> None:
    """Timestamps are known almost only for ratings of 4 and 5, and the other columns follow."""
    table = pl.read_parquet(find("ml-1m") / "ratings.parquet")
    found = pt.inspect(table)
    told = {f.about: f for f in found.findings if f.name.endswith("gives the value away")}
    assert set(told) == {"timestamp", "ts_min", "ts_max", "seq_pos", "ts_min and ts_max"}
    assert told["timestamp"].severity == told["ts_min and ts_max"].severity == "high"
    assert all(f.mend == 'pt.Events.from_frame(table, time="")' for f in told.values())
    assert found.reading == 'pt.Events.from_frame(table, time="")'
    assert found.cold is None
    kept = table.select("user_id", "movie_id", "rating")
    assert pt.inspect(kept).findings == ()


def test_a_few_99s_among_stars_do_not_hide_a_leak() -> None:
    stars = np.tile([1.0, 2, 3, 4, 5], 200)
    table = {
        "user": np.repeat(np.arange(50), 20),
        "item": np.tile(np.arange(20), 50),
        "rating": np.where(np.arange(1000) % 50 == 7, 99.0, stars),
        "bought": ["yes" if s >= 4 else None for s in stars],
    }
    found = {f.name: f for f in pt.inspect(table).findings}
    assert "values off the scale" in found
    assert found["missing gives the value away"].severity == "high"
    assert "not 1.4" in found["missing gives the value away"].sentence  # sd of 1 to 5 is 1.414
