"""Popularity counts what people did, over all time, lately, or in one context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from naive_core import weighed
from penchant.errors import BadEvents, BadParameter
from penchant.feedback import duration

DAY = 86_400

ROWS = st.lists(
    st.tuples(
        st.integers(0, 4), st.integers(0, 5), st.sampled_from(["view", "buy", "hide"]),
        st.integers(0, 50), st.sampled_from(["tv", "phone", None]),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


def dataset(rows, **options) -> pt.Dataset:
    names = ["user", "item", "kind", "time", "device"]
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns["time"] = [DAY * t for t in columns["time"]]
    table = {name: list(values) for name, values in columns.items()}
    return pt.Dataset.of(table, items={"item": range(6)}, context=("device",), **options)


def counted(rows, *, weights=None, half_life=None) -> dict[int, float]:
    """Sum over everybody what each item weighs, with the slow twin."""
    now = max(r[3] for r in rows)
    events = [(0, item, kind, np.nan, day) for _, item, kind, day, _ in rows]
    cells = weighed(events, weights=weights, half_life=half_life, now=now)
    return {item: weight for (_, item), weight in cells.items()}


def scores_of(model, data) -> dict[int, float]:
    return dict(zip(data.items, model.score(data.queries(likes=[[]]))[0].tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from([None, "5d", "36h"]), st.sampled_from([None, "10d"]))
def test_scores_are_summed_weights(rows, half_life, feedback_life):
    weights = {"buy": 3.0, "view": 0.5}
    data = dataset(rows, feedback=pt.Feedback(weights=weights, half_life=feedback_life))
    found = scores_of(pt.Popularity(half_life=half_life).fit(data), data)
    lives = [duration(life) / (DAY * 10**6) for life in (half_life, feedback_life) if life]
    # Two half-lives at once age as fast as both together.
    both = 1 / sum(1 / life for life in lives) if lives else None
    expected = counted(rows, weights=weights, half_life=both)
    for item in data.items:
        assert found[item] == pytest.approx(expected.get(item, np.nan), rel=1e-5, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from([0.0, 10.0]))
def test_counts_within_a_context_are_mixed_with_the_whole(rows, prior):
    data = dataset(rows)
    model = pt.Popularity(by="device", prior=prior).fit(data)
    whole = counted(rows)
    for device in ("tv", "phone", "watch", None):
        asked = data.queries(likes=[[]], context={"device": [device]})
        found = dict(zip(data.items, model.score(asked)[0].tolist(), strict=True))
        inside = [r for r in rows if r[4] == device]
        for item in data.items:
            if item not in whole:
                expected = np.nan
            elif device is None or not inside:
                expected = whole[item]
            else:
                share = whole[item] / sum(whole.values())
                expected = counted(inside).get(item, 0.0) + prior * share
            assert found[item] == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert scores_of(model, data) == pytest.approx(
        scores_of(pt.Popularity().fit(data), data), nan_ok=True
    )


def test_it_reads_nothing_or_the_context():
    assert pt.Popularity().reads == frozenset()
    assert pt.Popularity(by="device").reads == {"context"}
    assert pt.Popularity().scores == "rank"


def test_everybody_gets_the_same_list_but_for_what_they_have_seen():
    data = pt.Dataset.of({"user": [1, 1, 2, 3, 3], "item": ["a", "b", "a", "c", "a"]})
    model = pt.Popularity().fit(data)
    assert model.recommend(data.queries(), k=2).ids() == [["c"], ["b", "c"], ["b"]]
    assert model.recommend(data.queries(likes=[[]]), k=5).ids() == [["a", "b", "c"]]


def test_items_without_events_are_never_shown():
    data = pt.Dataset.of({"user": [1], "item": ["a"]}, items={"item": ["a", "b"]})
    model = pt.Popularity().fit(data)
    assert np.isnan(model.score(data.queries())[0, 1])
    assert model.recommend(data.queries(likes=[[]])).ids() == [["a"]]


def test_the_base_is_the_whole_reason():
    data = pt.Dataset.of({"user": [1, 2], "item": ["a", "a"]})
    model = pt.Popularity().fit(data)
    reason = pt.explain(model, data.queries(likes=[[]]), item="a")
    assert (reason.base, reason.score, reason.shares) == (2.0, 2.0, ())
    assert reason.sentence() == "liked by many people"
    assert model.recommend(data.queries(likes=[[]])).to_frame()["reason"].to_list() == [
        "liked by many people"
    ]


def test_settings_and_columns_are_checked():
    with pytest.raises(BadParameter, match="a duration is written like"):
        pt.Popularity(half_life="soon")
    with pytest.raises(BadParameter, match=r"Popularity.prior must be at least 0, got -1"):
        pt.Popularity(prior=-1)
    data = pt.Dataset.of({"user": [1], "item": [1]})
    with pytest.raises(BadEvents, match=r"no such context column; read them with context=\('dev"):
        pt.Popularity(by="device").fit(data)


def test_movielens(last_fifth):
    model = pt.Popularity().fit(last_fifth.train)
    found = pt.evaluate(model, last_fifth, [pt.NDCG(10)])
    assert found[pt.NDCG(10)] == pytest.approx(0.087, abs=0.001)


def test_whole_numbers_are_one_context_however_they_are_stored():
    table = {"user": [1, 2, 3], "item": [1, 2, 2], "hour": [1, None, 2]}
    data = pt.Dataset.of(table, context=("hour",))
    whole = pt.Dataset.of({**table, "hour": [1.0, float("nan"), 2.0]}, context=("hour",))
    for fitted in (data, whole):
        model = pt.Popularity(by="hour").fit(fitted)
        scores = [
            model.score(data.queries(users=[1], context={"hour": [h]}))[0].tolist()
            for h in (1, 1.0, 2, 2.5)
        ]
        assert scores[0] == scores[1] != scores[2]
        assert scores[3] == model.counts_.tolist()
