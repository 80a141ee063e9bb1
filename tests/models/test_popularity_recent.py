"""Recent popularity counts what was done before the query's own time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant.errors import BadEvents, BadParameter
from penchant.testing import check_recommender

DAY = 86_400 * 10**6
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["view", "buy", "hide"]), st.integers(0, 20)),
    min_size=1, max_size=30,
)  # fmt: skip
WEIGHT = {"view": 1.0, "buy": 3.0, "hide": 0.0}


def dataset(rows, **feedback) -> pt.Dataset:
    table = {
        "user": range(len(rows)), "item": [i for i, _, _ in rows],
        "kind": [k for _, k, _ in rows], "time": [d * DAY // 10**6 for _, _, d in rows],
    }  # fmt: skip
    rules = pt.Feedback(weights={"buy": 3.0}, **feedback)
    return pt.Dataset.of(table, items={"item": range(6)}, feedback=rules)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from([1, 5]), st.sampled_from([None, 2]), st.sampled_from([0.0, 2.0]))
def test_scores_are_counted_at_any_time(rows, window, life, prior):
    data = dataset(rows)
    half_life = None if life is None else f"{life}d"
    model = pt.PopularityRecent(window=f"{window}d", half_life=half_life, prior=prior).fit(data)
    whole = sum(WEIGHT[k] for _, k, _ in rows)
    for now in (0, 3, 10, 20, 40):
        found = model.score(data.queries(likes=[[]], now=now * DAY))[0]
        for item in range(6):
            ever = sum(WEIGHT[k] for i, k, _ in rows if i == item)
            score = prior * ever / whole if whole else 0.0
            for i, k, day in rows:
                if i == item and now - window < day <= now:
                    score += WEIGHT[k] * (1 if life is None else 0.5 ** ((now - day) / life))
            assert found[item] == pytest.approx(score if ever else np.nan, rel=1e-5, nan_ok=True)


def test_the_answer_is_that_of_the_querys_time():
    data = dataset([(0, "view", 1), (1, "view", 9), (1, "view", 10), (2, "view", 10)])
    model = pt.PopularityRecent(window="3d").fit(data)
    first = [model.recommend(data.queries(likes=[[]], now=d * DAY), k=1).ids() for d in (1, 10, 30)]
    assert first == [[[0]], [[1]], [[1]]]
    asked = data.queries(likes=[[], [], []])
    mixed = type(asked)(
        asked.items, asked.users, asked.histories, asked.user, now=np.array([DAY, 10 * DAY, -1])
    )
    scores = model.score(mixed)
    np.testing.assert_array_equal(scores[1], scores[2])  # without a time: the end of the data
    assert model.recommend(mixed, k=1).ids() == [[0], [1], [1]]
    assert pt.explain(model, asked[0], item=1).base == pytest.approx(float(scores[1, 1]))


def test_half_lives_of_the_feedback_age_to_the_query_too():
    rows = [(0, "view", 8), (0, "view", 9), (1, "view", 10)]
    kept, aged = (dataset(rows, **life) for life in ({}, {"half_life": "1d"}))
    one = pt.PopularityRecent(window="5d", half_life="1d", prior=0.0).fit(kept)
    other = pt.PopularityRecent(window="5d", prior=0.0).fit(aged)
    for now in (9, 10, 12):
        asked = kept.queries(likes=[[]], now=now * DAY)
        np.testing.assert_allclose(
            other.score(aged.queries(likes=[[]], now=now * DAY)), one.score(asked), rtol=1e-6
        )
    both = pt.PopularityRecent(window="5d", half_life="1d", prior=0.0).fit(aged)
    half = both.score(aged.queries(likes=[[]], now=11 * DAY))[0]
    assert half[:2].tolist() == pytest.approx([1 / 64 + 1 / 16, 1 / 4])


def test_settings_and_times_are_checked():
    with pytest.raises(BadParameter, match="a duration is written like"):
        pt.PopularityRecent(window="a week")
    with pytest.raises(BadParameter, match=r"PopularityRecent.prior must be at least 0, got -1"):
        pt.PopularityRecent(prior=-1)
    with pytest.raises(BadEvents, match="PopularityRecent needs to know when events were, and non"):
        pt.PopularityRecent().fit(pt.Dataset.of({"user": [1], "item": [1]}))


def test_the_law_of_models():
    check_recommender(pt.PopularityRecent(window="30d"))
