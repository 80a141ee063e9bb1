from dataclasses import replace

import numpy as np
import pytest

import naive_neighbours as naive
import penchant as pt
from naive_ranking import similarities
from naive_ratings import biases, dataset, some
from penchant.recommender import Explains, Similar
from penchant.testing import check_recommender

MEASURES = ["cosine", "asymmetric", "tversky", "jaccard", "dice", "dot"]
ROWS = [[5, 3, 0, 0, 1], [4, 0, 0, 2, 0], [0, 0, 5, 4, 0], [1, 1, 0, 0, 0], [0, 0, 2, 0, 3]]
"""Items by users, as ratings; 0 is none."""


@pytest.mark.parametrize(
    "model",
    [
        pt.ItemKNN(),
        pt.ItemKNN(similarity="jaccard", k=20),
        pt.ItemKNN(similarity="dice", weighting="tf_idf"),
        pt.ItemKNN(similarity="tversky", alpha=1.0, beta=0.1),
        pt.ItemKNN(target="rating"),
        pt.ItemKNN(target="rating", similarity="adjusted_cosine", k=5, keep=20),
        pt.UserKNN(),
        pt.UserKNN(similarity="asymmetric", weighting="none"),
        pt.UserKNN(target="rating"),
        pt.UserKNN(target="rating", similarity="pearson"),
        pt.UserKNN(target="rating", similarity="cosine"),
        *(
            model(target="rating", form=form, similarity=similarity)
            for model in (pt.ItemKNN, pt.UserKNN)
            for form, similarity in [
                ("basic", "msd"),
                ("means", "pearson"),
                ("z_score", "adjusted_cosine"),
                ("z_score", "pearson_baseline"),
            ]
        ),
    ],
    ids=str,
)
def test_they_keep_the_contract(model):
    check_recommender(model)


def test_capabilities_are_there():
    assert isinstance(pt.ItemKNN(), Explains)
    assert isinstance(pt.ItemKNN(), Similar)
    assert not isinstance(pt.UserKNN(), Explains)


def ranked(matrix):
    """Ratings weigh what they say."""
    rows, columns = np.nonzero(matrix)
    events = {
        "user": rows,
        "item": columns,
        "kind": [f"k{matrix[r, c]}" for r, c in zip(rows, columns)],
    }
    weights = {f"k{n}": n for n in range(1, 6)}
    return pt.Dataset.of(events, kind="kind", feedback=pt.Feedback(weights=weights))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("k", [1, 2, 9])
def test_items_rank_by_the_similar_items_of_the_history(measure, k):
    matrix = np.array(ROWS).T
    how = {"similarity": measure, "shrinkage": 2.0, "alpha": 0.8, "beta": 0.1, "weighting": "none"}
    model = pt.ItemKNN(k=k, **how).fit(ranked(matrix))
    alike = np.array(similarities(ROWS, measure, 2.0, 0.8, 0.1))
    np.fill_diagonal(alike, 0)
    often = np.count_nonzero(matrix, axis=0)
    for row in alike:  # of equals, those with more entries are kept, then the first
        row[np.lexsort((-often, -row))[k:]] = 0
    np.testing.assert_allclose(
        model.score(ranked(matrix).queries()), matrix @ alike.T, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_items_rank_by_the_similar_people_who_met_them(measure):
    matrix = np.array(ROWS).T
    how = {"similarity": measure, "shrinkage": 2.0, "alpha": 0.8, "beta": 0.1, "weighting": "none"}
    data = ranked(matrix)
    model = pt.UserKNN(k=9, **how).fit(data)
    alike = np.array(similarities(matrix.tolist(), measure, 2.0, 0.8, 0.1))
    asked = data.queries(users=[0, 3])
    met = asked.histories
    unseen = [[i for i in range(5) if matrix[u, i] == 0] for u in (0, 3)]
    scores = model.score(asked)
    for row, u, items in zip(scores, (0, 3), unseen, strict=True):
        others = [v for v in range(5) if v != u]
        want = alike[u, others] @ matrix[np.ix_(others, items)]
        np.testing.assert_allclose(row[items], want, rtol=1e-5)
    strangers = replace(asked, user=np.array([-1, -1], np.int32), histories=met)
    np.testing.assert_array_equal(model.score(strangers), scores)


FORMS = ["basic", "means", "z_score", "baseline"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "similarity", ["cosine", "msd", "pearson", "adjusted_cosine", "pearson_baseline"]
)
@pytest.mark.parametrize(
    ("k", "min_k", "min_support", "shrinkage"), [(40, 1, 1, 3.0), (2, 2, 1, 0.5), (3, 1, 3, 0.0)]
)
def test_ratings_from_similar_items_and_people(form, similarity, k, min_k, min_support, shrinkage):
    # Values without ties: what neighbours of equal similarity say would hang on their order.
    dense = some(11, users=9, items=8, share=0.6) + np.random.default_rng(1).random((9, 8))
    dense[4, dense[4] > 0] = 2.5  # says the same of everything: no deviation of its own
    data = dataset(dense)
    how = {
        "target": "rating", "form": form, "similarity": similarity, "k": k, "min_k": min_k,
        "min_support": min_support, "shrinkage": shrinkage,
    }  # fmt: skip
    missing = np.isnan(dense)
    for side, model in [("items", pt.ItemKNN(**how)), ("people", pt.UserKNN(**how))]:
        want = naive.predictions(
            dense.tolist(), side, form, similarity, k, min_k, shrinkage, min_support
        )
        found = model.fit(data).score(data.queries())
        np.testing.assert_allclose(found[missing], np.array(want)[missing], rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [pt.ItemKNN, pt.UserKNN])
def test_who_rated_nothing_gets_what_is_usual(model, form):
    dense = some(11, users=9, items=8, share=0.6)
    data = dataset(dense, more_items=1)
    found = model(target="rating", form=form).fit(data).score(data.queries(likes=[[]]))[0]
    rated = dense[~np.isnan(dense)]
    mean, item, _ = biases(dense.tolist(), 10, 15, 10)
    want = {"basic": rated.mean(), "baseline": mean + np.array(item)}.get(form)
    if want is None:
        want = np.nanmean(dense, axis=0) if model is pt.ItemKNN else rated.mean()
    assert found[:8] == pytest.approx(np.broadcast_to(want, 8), rel=1e-5)
    assert np.isnan(found[8])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [pt.ItemKNN, pt.UserKNN])
def test_ratings_that_are_all_equal_predict_themselves(model, form):
    dense = np.where(np.isnan(some(3)), np.nan, 3.3)
    data = dataset(dense)
    found = model(target="rating", form=form, similarity="msd").fit(data).score(data.queries())
    met = ~np.isnan(dense).all(axis=0)
    np.testing.assert_allclose(found[:, met], 3.3, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_strangers_are_answered_as_people_met_in_training(form):
    train, asked = dataset(some(5, 12, 10)), dataset(some(6, 12, 10))
    for model in (pt.ItemKNN, pt.UserKNN):
        fitted = model(target="rating", form=form).fit(train)
        known = asked.queries(users=[2, 7])
        strangers = replace(known, user=np.array([-1, -1], np.int32))
        np.testing.assert_array_equal(fitted.score(strangers), fitted.score(known))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("min_k", [1, 3])
def test_every_form_by_items_is_explained_to_the_last_share(form, min_k):
    data = dataset(some(11, users=9, items=8, share=0.6))
    model = pt.ItemKNN(target="rating", form=form, k=3, min_k=min_k, shrinkage=3.0).fit(data)
    asked = data.queries(users=[4])
    shares = 0
    for item, score in enumerate(model.score(asked)[0]):
        told = model.answer(asked).explain(0, [item])[0]
        assert len(told.shares) == 0 or min_k <= len(told.shares) <= 3
        assert told.base + sum(s.amount for s in told.shares) == pytest.approx(score, rel=1e-5)
        shares += len(told.shares)
    assert shares > 8


def test_ratings_are_explained_by_the_neighbours_on_top_of_the_baseline():
    dense = some(11, users=9, items=8, share=0.6)
    data = dataset(dense)
    model = pt.ItemKNN(target="rating", k=2, shrinkage=3.0).fit(data)
    mean, item, user = biases(dense.tolist(), 10, 15, 10)
    told = model.answer(data.queries(users=[4])).explain(0, [6])[0]
    assert told.base == pytest.approx(mean + user[4] + item[6], rel=1e-5)
    assert 1 <= len(told.shares) <= 2
    assert told.score == pytest.approx(told.base + sum(s.amount for s in told.shares))


def test_ranks_are_explained_by_weight_times_similarity():
    data = ranked(np.array(ROWS).T)
    model = pt.ItemKNN(similarity="cosine", shrinkage=0.0, weighting="none")
    told = model.fit(data).answer(data.queries(users=[3])).explain(0, [0])[0]
    # User 3 gave item 1 a 2 and item 2 a 4; item 0 shares people with item 1 only.
    cosine = 5 * 4 / (np.sqrt(25 + 9 + 1) * np.sqrt(16 + 4))
    assert [(s.id, s.amount) for s in told.shares] == [(1, pytest.approx(2 * cosine))]


@pytest.mark.parametrize("target", ["rank", "rating"])
def test_similar_items_come_in_order_and_are_of_the_same_group(target):
    data = pt.datasets.planted(noise=0.5 if target == "rating" else 0.1)
    model = pt.ItemKNN(target=target).fit(data)
    found = model.similar([0, 5], k=4)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    same = [
        one % 4 == item % 4 for item, row in zip([0, 5], found.ids(), strict=True) for one in row
    ]
    assert np.mean(same) > 0.6


def test_what_is_similar_to_an_item_is_its_own_neighbour():
    alike = np.array(similarities(ROWS, "cosine", 0.0))
    np.fill_diagonal(alike, 0)
    how = {"similarity": "cosine", "shrinkage": 0.0, "weighting": "none"}
    model = pt.ItemKNN(k=1, **how).fit(ranked(np.array(ROWS).T))
    found = model.similar(range(5), k=4)
    assert [row[:1] for row in found.ids()] == [[int(n)] for n in alike.argmax(axis=1)]
    assert all(len(row) == 1 for row in found.ids())


@pytest.mark.parametrize("weighting", ["tf_idf", "bm25"])
def test_rarity_counts_for_strangers_as_for_the_people_it_was_counted_on(weighting):
    data = pt.datasets.planted(noise=0.3)
    model = pt.UserKNN(similarity="cosine", weighting=weighting).fit(data)
    everyone = model.score(data.queries())
    np.testing.assert_array_equal(model.score(data.queries(users=[7])), everyone[7:8])
    plain = pt.UserKNN(similarity="cosine", weighting="none").fit(data)
    assert not np.array_equal(everyone, plain.score(data.queries()))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"similarity": "pearson"},
            "similarity must be one of dot, cosine, .* where target is 'rank'",
        ),
        (
            {"target": "rating", "similarity": "jaccard"},
            "similarity must be one of pearson_baseline, .*'jaccard'",
        ),
        ({"target": "rating", "weighting": "bm25"}, "weighting must be None .* got 'bm25'"),
        ({"target": "rating", "alpha": 0.1}, "alpha must be 0.6 where target is 'rating', got 0.1"),
        (
            {"similarity": "asymmetric", "alpha": 1.1},
            "alpha must be at most 1 where similarity is 'asymmetric', got 1.1",
        ),
        ({"form": "means"}, "form must be 'baseline' where target is 'rank', got 'means'"),
        ({"min_k": 2}, "min_k must be 1 where target is 'rank', got 2"),
        ({"min_support": 5}, "min_support must be 1 where target is 'rank', got 5"),
        ({"target": "rating", "k": 5, "min_k": 6}, "min_k must be at most k, got 6 with k=5"),
        ({"target": "rating", "min_support": 0}, "min_support must be at least 1, got 0"),
        (
            {"target": "rating", "form": "zscore"},
            "form must be one of 'baseline', 'basic', .*'zscore'",
        ),
        ({"similarity": "msd"}, "similarity must be one of dot, cosine, .* where target is 'rank'"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"shrinkage": -1.0}, "shrinkage must be at least 0"),
        ({"target": "order"}, "target must be one of 'rank', 'rating'"),
    ],
)
@pytest.mark.parametrize("model", [pt.ItemKNN, pt.UserKNN])
def test_parameters_that_do_not_fit_are_named(model, wrong, message):
    with pytest.raises(pt.BadParameter, match=f"{model.__name__}.{message}"):
        model(**wrong)


def test_nothing_that_weighs_anything_is_nothing_to_learn():
    data = pt.Dataset.of(
        {"user": [1, 2], "item": [1, 1], "rating": [1, 1]}, feedback=pt.Feedback(liked=4)
    )
    for model in (pt.ItemKNN(), pt.UserKNN()):
        with pytest.raises(pt.BadEvents, match=f"{model.name} needs at least one interaction"):
            model.fit(data)


@pytest.mark.parametrize(("model", "floor"), [(pt.ItemKNN(), 0.115), (pt.UserKNN(), 0.115)])
def test_neighbours_rank_better_than_popularity(last_fifth, model, floor):
    # Popularity has .087.
    found = pt.evaluate(model.fit(last_fifth.train), last_fifth, [pt.NDCG(10)])
    assert found[pt.NDCG(10)] >= floor


@pytest.mark.parametrize("model", [pt.ItemKNN, pt.UserKNN])
@pytest.mark.parametrize("form", FORMS)
def test_ratings_whose_squares_do_not_fit_are_named(model, form):
    data = pt.Dataset.of({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [1e30, -3e30, 2e30]})
    with pytest.raises(pt.BadEvents, match=r"squares of ratings, which 3e\+30 is too large for"):
        model(target="rating", form=form).fit(data)


@pytest.mark.parametrize("model", [pt.ItemKNN, pt.UserKNN])
def test_a_shrinkage_means_the_same_however_evidence_is_weighed(model):
    # Everyone met three of twelve: tf_idf multiplies all of it by the same, and nothing changes.
    met = [[n % 12, (n * 5 + 1) % 12, (n * 7 + 2) % 12] for n in range(9)]
    data = pt.Dataset.of({"user": np.repeat(range(9), 3), "item": np.ravel(met)})
    scores = [
        model(similarity="cosine", weighting=weighting, shrinkage=3.0)
        .fit(data)
        .score(data.queries())
        for weighting in ("none", "tf_idf")
    ]
    if model is pt.ItemKNN:
        np.testing.assert_allclose(*scores, rtol=1e-5)
    else:  # People are compared by items, which are not met equally often.
        assert not np.allclose(*scores, equal_nan=True)
