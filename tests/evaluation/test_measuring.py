"""Lists made elsewhere are measured as those of a model are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_ranking as naive
import penchant as pt

NAMES = ["tea", "jam", "rye", "oil", "fig", "egg", "nut", "ham"]
ROW = st.lists(st.sampled_from(NAMES), unique=True, max_size=6)
METRICS = [pt.NDCG(3), pt.Recall(5), pt.MAPOverRelevant(3), pt.MRR(3), pt.NDCG(5)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=5))
def test_equals_the_definitions(people):
    lists = {f"u{n}": row for n, (row, _) in enumerate(people)}
    truth = {f"u{n}": row for n, (_, row) in enumerate(people)}
    result = pt.measure(lists, truth, METRICS, draws=10)
    for metric in METRICS:
        expected = [
            naive.metric(type(metric).__name__, metric.k, found, wanted) if wanted else math.nan
            for found, wanted in people
        ]
        np.testing.assert_allclose(result.per_query(metric), expected, atol=1e-12)


def test_several_lists_are_compared_in_pairs():
    truth = {1: [10, 20], 2: [30], 3: [40]}
    ours = {1: [20, 10], 2: [30], 3: [40, 10]}
    theirs = {1: [10], 2: [10], 4: [10]}
    result = pt.measure({"theirs": theirs, "ours": ours}, truth, pt.Recall(2))
    assert result.models == ("theirs", "ours")
    assert result.baseline == "theirs"
    assert result.asked == (1, 2, 3)
    assert result.value(pt.Recall(2)) == pytest.approx(0.5 / 3)
    assert result.difference(pt.Recall(2), "ours").value == pytest.approx(1 - 0.5 / 3)
    assert "theirs: 1 users without a truth left out" in str(result)


def test_as_evaluate_measures_a_model():
    split = pt.split.last(pt.datasets.planted(noise=0.1), fraction=0.2)
    model = pt.EASE(l2=20.0).fit(split.train)
    part = split.test
    found = model.recommend(part.queries, 10)
    lists = dict(zip(found.asked, found.ids(), strict=True))
    items = part.queries.items.decode(part.truth.item)
    truth = {one: items[a:b] for one, a, b in zip(found.asked, part.truth.indptr[:-1],
                                                  part.truth.indptr[1:], strict=True)}  # fmt: skip
    metrics = [pt.NDCG(10), pt.MAP(5)]
    result, wanted = pt.measure(lists, truth, metrics), pt.evaluate(model, split, metrics)
    for metric in metrics:
        np.testing.assert_allclose(result.per_query(metric), wanted.per_query(metric))
        np.testing.assert_allclose(result.estimate(metric), wanted.estimate(metric))


def test_what_lists_alone_cannot_tell_is_refused():
    for metric in (pt.Coverage(3), pt.RMSE(), pt.Novelty(3), pt.Recall(3, relevant=4.0)):
        with pytest.raises(pt.BadParameter, match="needs more than lists and what is relevant"):
            pt.measure({1: [1]}, {1: [1]}, [metric])
    for lists, truth, metrics in (({}, {1: [1]}, METRICS), ({1: [1]}, {}, METRICS),
                                  ({1: [1]}, {1: [1]}, [])):  # fmt: skip
        with pytest.raises(pt.BadParameter, match="at least one list, one user in truth"):
            pt.measure(lists, truth, metrics)
    with pytest.raises(pt.BadParameter, match=r"lists must be a mapping .*, got \[\[1\]\]"):
        pt.measure([[1]], {1: [1]}, pt.MRR(2))
    with pytest.raises(pt.BadParameter, match="truth must be a mapping"):
        pt.measure({1: [1]}, [[1]], pt.MRR(2))
    with pytest.raises(pt.BadEvents):
        pt.measure({1: ["a"]}, {1: [1]}, METRICS)
    with pytest.raises(pt.BadParameter, match="user 1: a list of item ids is needed, got 'ab'"):
        pt.measure({1: "ab"}, {1: ["ab"]}, METRICS)
    with pytest.raises(pt.BadParameter, match="'ndcg' needs more"):
        pt.measure({1: [1]}, {1: [1]}, "ndcg")


def test_users_without_a_list_are_counted():
    result = pt.measure({1: ["a"]}, {1: ["a"], 2: ["b"], 3: ["a"]}, pt.MRR(2))
    assert result[pt.MRR(2)] == 1 / 3
    assert result.notes == ("lists: 2 users without a list score 0",)


def test_empty_lists_score_nothing():
    assert pt.measure({1: []}, {1: ["a"], 2: ["b"]}, pt.MRR(2)).per_query(pt.MRR(2)).tolist() == [
        0,
        0,
    ]
