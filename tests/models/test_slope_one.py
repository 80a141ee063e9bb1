"""SlopeOne against its slow twin and the library Surprise, and what it says to whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import penchant as pt
from naive_groups import ODD, slope_one
from naive_ratings import dataset, ratings, some
from penchant.kernels.slope_one import deviations
from penchant.recommender import Explains
from penchant.testing import check_recommender


def test_slope_one_keeps_the_contract():
    check_recommender(pt.SlopeOne)
    assert isinstance(pt.SlopeOne(), Explains)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_its_slow_twin_for_anyone(seed):
    dense = some(seed, users=12, items=9, share=0.4)
    dense[:, 4] = np.nan
    dense = dense[~np.isnan(dense).all(axis=1)]
    data = dataset(dense)
    model = pt.SlopeOne().fit(data)
    expected = [[slope_one(dense, row, i) for i in range(9)] for row in dense]
    known = model.score(data.queries())
    np.testing.assert_allclose(known, expected, rtol=1e-5)
    strangers = replace(data.queries(), user=np.full(len(dense), -1, np.int32))
    np.testing.assert_array_equal(model.score(strangers), known)


def test_it_says_what_surprise_says():
    # SlopeOne of Surprise 1.1.5, for items the person did not rate.
    data = dataset(ODD)
    found = pt.SlopeOne().fit(data).score(data.queries(users=[0, 2]))
    nan = np.nan
    expected = [
        [nan, nan, 5.083333, nan, 3.925, nan, 5.295833, 4.570833, 5.0],
        [3.4375, 3.391667, nan, 3.3875, 2.5, 3.833333, nan, nan, nan],
    ]
    unrated = ~np.isnan(expected)
    np.testing.assert_allclose(found[unrated], np.array(expected)[unrated], atol=1e-6)


def test_deviations_by_hand_and_the_other_way_round():
    dense = np.array([[5, 3, np.nan], [4, np.nan, 1], [1, 2, np.nan]], float)
    found = deviations(ratings(dense))
    np.testing.assert_allclose(found[0], [np.nan, (2 - 1) / 2, 3])
    assert np.isnan(found[1, 2])
    np.testing.assert_array_equal(found, -found.T)


def test_who_rated_nothing_and_items_nobody_rated_are_left_to_others():
    data = dataset(some(2), more_items=2)
    model = pt.SlopeOne().fit(data)
    scores = model.score(data.queries(likes=[[1], []]))
    assert np.isnan(scores).all()
    asked = data.queries(users=[0])
    more = np.append(asked.histories.item, np.int32(9))  # a rating of an item nobody rated
    told = replace(
        asked.histories, indptr=asked.histories.indptr + [0, 1], item=more,
        **{n: np.append(getattr(asked.histories, n), getattr(asked.histories, n)[0])
           for n in ("kind", "value", "time", "session")},
    )  # fmt: skip
    np.testing.assert_array_equal(model.score(replace(asked, histories=told)), model.score(asked))


def test_a_reason_is_what_was_rated_and_how_the_item_compares():
    dense = np.array([[5, 3, np.nan], [4, 1, 2], [1, np.nan, 3], [np.nan, 4, 4]])
    data = dataset(dense)
    told = pt.explain(pt.SlopeOne().fit(data), data.queries(users=[0]), item=2)
    assert told.base == pytest.approx(3)
    amounts = {s.id: s.amount for s in told.shares}
    # who rated both gave 2: 0 more than 0 on average, and 1/2 more than 1
    assert amounts == {0: pytest.approx((5 + 0 - 3) / 2), 1: pytest.approx((3 + 0.5 - 3) / 2)}


def test_too_many_items_are_refused_with_what_they_would_take():
    data = dataset(some(1), more_items=491)
    with pytest.raises(pt.BadEvents, match=r"each two of 500 items, 0.001 GB, .* allows 0.0005"):
        pt.SlopeOne(memory=0.0005).fit(data)
    pt.SlopeOne(memory=0.001).fit(data)
