import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_ranking as naive
import penchant as pt
from penchant.evaluation import metrics
from penchant.evaluation.metrics import MAP, NDCG, Coverage, Diversity, Gini, Novelty, Recall
from penchant.features import tfidf
from penchant.histories import Histories

RANKING = ("Precision", "Recall", "CappedRecall", "F1", "HitRate", "MRR", "MAP",
           "MAPOverRelevant", "MAPOverK", "NDCG", "NDCGOverK")  # fmt: skip

# Five lists of five out of twelve items, and what was relevant.
LISTS = [[3, 0, 7, 1, 9], [2, 5, 4, 8, 11], [6, 1, 10, 3, 0], [9, 8, 7, 6, 5], [0, 2, 4, 6, 8]]
TRUTH = [[0, 1, 11], [2], [0, 1, 2, 3, 4, 5, 6], [1, 2], [8, 6, 4, 2, 0]]


def histories(rows, values=None):
    people = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    value = None if values is None else np.array([v for row in values for v in row], float)
    item = np.array([i for row in rows for i in row], np.int32)
    return Histories.of(people, item, people=len(rows), value=value, kinds=("rating",))


def measure(name, k, lists, truth, **fields):
    codes = np.array(lists, np.int32)
    return getattr(metrics, name)(k, **fields).per_query(codes, histories(truth)).tolist()


# RecTools 0.19.0 (calc_per_user of Precision, Recall, F1Beta, HitRate, MRR, MAP with and without
# divide_by_k, NDCG with and without divide_by_achievable, all at 5); ranx 0.3.21 gives the same for
# precision, recall, f1, hit_rate, mrr, map and, as the first of the two, ndcg.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Precision", [0.4, 0.2, 0.8, 0, 1]),
        ("Recall", [0.66666667, 1, 0.57142857, 0, 1]),
        ("F1", [0.5, 0.33333333, 0.66666667, 0, 1]),
        ("HitRate", [1, 1, 1, 0, 1]),
        ("MRR", [0.5, 1, 1, 0, 1]),
        ("MAPOverRelevant", [0.33333333, 1, 0.50714286, 0, 1]),
        ("MAPOverK", [0.2, 0.2, 0.71, 0, 1]),
        ("NDCG", [0.49818926, 1, 0.8304199, 0, 1]),
        ("NDCGOverK", [0.36005461, 0.33916021, 0.8304199, 0, 1]),
    ],
)
def test_as_rectools_and_ranx(name, expected):
    assert measure(name, 5, LISTS, TRUTH) == pytest.approx(expected, abs=1e-8)


def test_capped_definitions_by_hand():
    # Asker 0: hits at ranks 2 and 4 of three relevant; asker 2: at 1, 2, 4, 5 of seven.
    assert measure("CappedRecall", 5, LISTS, TRUTH) == pytest.approx([2 / 3, 1, 4 / 5, 0, 1])
    expected = [(1 / 2 + 2 / 4) / 3, 1, (1 + 1 + 3 / 4 + 4 / 5) / 5, 0, 1]
    assert measure("MAP", 5, LISTS, TRUTH) == pytest.approx(expected)


@given(
    lists=st.lists(
        st.tuples(
            st.lists(st.integers(0, 15), unique=True, max_size=8),
            st.lists(st.integers(0, 15), unique=True, min_size=1),
        ),
        min_size=1,
        max_size=5,
    ),
    k=st.integers(1, 12),
    name=st.sampled_from(RANKING),
)
@settings(max_examples=150, deadline=None)
def test_equals_the_definition(lists, k, name):
    padded = [found + [-1] * (8 - len(found)) for found, _ in lists]
    truth = [wanted for _, wanted in lists]
    expected = [naive.metric(name, k, found, wanted) for found, wanted in lists]
    assert measure(name, k, padded, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", RANKING)
def test_a_perfect_list_scores_one_or_what_its_divisor_allows(name):
    full, short = measure(name, 4, [[0, 1, 2, 3]] * 2, [[3, 2, 1, 0], [0]])
    assert full == 1
    assert (short == pytest.approx(1)) == (name not in ("Precision", "F1", "MAPOverK", "NDCGOverK"))


def test_unanswered_is_zero_and_nothing_relevant_is_nan():
    empty = [[-1, -1, -1]] * 2
    for name in RANKING:
        values = measure(name, 3, empty, [[4], []])
        assert values[0] == 0
        assert math.isnan(values[1])


def test_relevant_is_a_threshold_on_the_value():
    truth = histories([[0, 1, 2], [0, 3]], [[4.0, 3.5, 5.0], [2.0, math.nan]])
    codes = np.array([[0, 1, 2], [0, 1, 2]], np.int32)
    assert Recall(1).per_query(codes, truth).tolist() == pytest.approx([1 / 3, 1 / 2])
    values = Recall(1, relevant=4.0).per_query(codes, truth)
    assert values[0] == pytest.approx(1 / 2)
    assert math.isnan(values[1])
    assert Recall(1, relevant=4.0).name == "Recall@1 (>=4)"
    assert "at least 4" in Recall(1, relevant=4.0).definition


def test_only_the_first_k_count_and_a_repeat_is_no_second_hit():
    truth = [[0, 1]]
    assert measure("Recall", 2, [[5, 0, 1]], truth) == [0.5]
    assert measure("Recall", 3, [[0, 0, 0]], truth) == [0.5]
    # A relevant item that was met twice in the test is one item.
    assert measure("Recall", 3, [[0, 5, 6]], [[0, 0, 1]]) == [0.5]


def met(pairs, **tables):
    return pt.Dataset.of({"user": [u for u, _ in pairs], "item": [i for _, i in pairs]}, **tables)


def test_novelty_as_rectools():
    # RecTools 0.19.0, MeanInvUserFreq(5).calc_per_user(LISTS, these).
    pairs = [(0, 4), (0, 5), (1, 4), (2, 4), (3, 4), (3, 0), (4, 9), (1, 9), (2, 8)]
    data = met(pairs, items=pl.DataFrame({"item": range(12)}))
    codes = data.items.encode([i for row in LISTS for i in row]).reshape(5, 5)
    expected = [2.121928094887362, 1.921928094887362, 2.321928094887362, 2.121928094887362,
                1.921928094887362]  # fmt: skip
    assert Novelty(5).on(data)(codes).tolist() == pytest.approx(expected)


def test_novelty_counts_people_once_and_short_lists_by_what_they_hold():
    data = met([(0, "a"), (0, "a"), (1, "a"), (1, "b"), (2, "c"), (3, "c")])
    a, b = data.items.code("a"), data.items.code("b")
    lists = np.array([[a, b], [b, -1], [-1, -1]], np.int32)
    values = Novelty(2).on(data)(lists)
    assert values[:2].tolist() == pytest.approx([(1 + 2) / 2, 2])
    assert math.isnan(values[2])


GENRES = pl.DataFrame(
    {
        "item": ["a", "b", "c", "d", "e"],
        "title": ["one two", "two three", "four", "five", "six"],
        "genres": ["Drama|War", "Drama", "Comedy", None, "War"],
    }
)


@pytest.mark.parametrize("columns", [None, ("title",), ("title", "genres")])
def test_diversity_equals_all_pairs(columns):
    data = met([(0, "a"), (1, "b")], items=GENRES)
    codes = np.array(
        [data.items.encode(list(row)) for row in ("abcd", "bdea", "aacc")]
        + [[0, -1, -1, -1], [-1, -1, -1, -1]],
        np.int32,
    )
    values = Diversity(4, columns=columns).on(data)(codes)
    dense = tfidf(data.item_table, columns or ("genres",)).matrix.to_scipy().toarray()
    expected = [naive.diversity([dense[c].tolist() for c in row if c >= 0]) for row in codes]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_diversity_by_hand():
    data = met([(0, "a")], items=GENRES)
    codes = np.array([data.items.encode(["b", "c"])] + [data.items.encode(["b", "b"])])
    assert Diversity(2).on(data)(codes).tolist() == pytest.approx([1, 0])


def test_diversity_without_features_says_so():
    with pytest.raises(pt.Incompatible, match="no item table"):
        Diversity(3).on(met([(0, "a")]))


def test_coverage_and_gini_by_hand():
    lists = np.array([[0, 1], [0, -1], [0, 3]], np.int32)
    assert Coverage(2).value(lists, 6) == pytest.approx(3 / 6)
    assert Coverage(1).value(lists, 6) == pytest.approx(1 / 6)
    # Counts 3, 1, 0, 1 of four items: (-3*0 - 1*1 + 1*1 + 3*3) / (4 * 5).
    assert Gini(2).value(lists, 4) == pytest.approx(9 / 20)
    assert Gini(1).value(lists, 4) == pytest.approx(3 / 4)
    assert Gini(1).value(np.array([[0], [1], [2], [3]], np.int32), 4) == 0
    assert math.isnan(Gini(1).value(np.array([[-1]], np.int32), 4))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12).filter(any))
def test_gini_is_half_the_relative_mean_difference(counts):
    lists = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[:, None]
    assert Gini(1).value(lists, len(counts)) == pytest.approx(naive.gini(counts))


def test_metrics_are_values():
    assert NDCG(10) == NDCG(10)
    assert NDCG(10) != MAP(10)
    assert len({NDCG(10), NDCG(10), NDCG(20), Recall(10)}) == 3
    assert NDCG(10).name == "NDCG@10"


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "10"])
@pytest.mark.parametrize("metric", [NDCG, Novelty, Coverage])
def test_k_is_checked(metric, k):
    with pytest.raises(pt.BadParameter, match=r"k must be a whole number"):
        metric(k)
