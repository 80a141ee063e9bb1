import re

import numpy as np
import polars as pl
import pytest

import penchant as pt
from naive_content import profile_scores
from penchant.errors import BadEvents, BadParameter, UnknownId
from penchant.features import Encoder
from penchant.recommender import Explains, Similar
from penchant.testing import check_recommender

FILMS = pl.DataFrame(
    {
        "item": ["alien", "babe", "cars", "dune", "emma", "fargo"],
        "title": ["Alien (1979)", "Babe (1995)", None, "Dune (2021)", "Emma (1996)", None],
        "genres": ["Horror|Sci-Fi", "Children|Drama", "Children", "Sci-Fi|Action", "Drama", None],
    }
)


@pytest.fixture(scope="module")
def data():
    events = {
        "user": ["ann", "ann", "bob", "bob", "cid", "cid"],
        "item": ["alien", "babe", "babe", "emma", "fargo", "gone"],
        "rating": [5.0, 4.0, 3.0, 5.0, 4.0, 2.0],
    }
    return pt.Dataset.of(events, items=FILMS)


@pytest.fixture(scope="module")
def model(data):
    return pt.ContentBased(tastes=0.5).fit(data)


def test_it_keeps_the_contract():
    check_recommender(pt.ContentBased)
    check_recommender(
        pt.ContentBased(columns={"genres": 1.0}, weighting="bm25", ngrams=2, tastes=3.0)
    )


def feature_rows(data, columns=("title", "genres"), **options):
    found = Encoder.learn(data.item_table, list(columns), **options).features(data.item_table)
    matrix = found.matrix.to_scipy().toarray()
    return [{found.names[f]: float(row[f]) for f in np.flatnonzero(row)} for row in matrix]


def naive(data, model, queries, **options):
    rows = feature_rows(data, **options)
    answers = []
    for q in range(len(queries)):
        lo, hi = queries.histories.indptr[q : q + 2]
        history = {}
        for item in queries.histories.item[lo:hi].tolist():
            history[item] = history.get(item, 0) + 1
        tastes = {} if queries.tastes is None else dict(queries.tastes[q])
        found = profile_scores(rows, history, tastes, model.tastes)
        answers.append([np.nan if s is None else s for s in found])
    return np.array(answers)


def test_scores_are_the_naive_ones(data, model):
    for queries in (
        data.queries(),
        data.queries(tastes=[{"genres:Sci-Fi": 1, "genres:Drama": 0.5}, {"genres:Horror": -2}]),
        data.queries(["bob"], tastes=[{"genres:Sci-Fi": 3.0}]),
        data.queries(likes=[["alien", "alien", "dune"], []], tastes=[{"title:babe": 1}, {}]),
    ):
        np.testing.assert_allclose(model.score(queries), naive(data, model, queries), atol=2e-6)


def test_scores_with_vectors_runs_of_words_and_bm25_are_the_naive_ones():
    faces = np.random.default_rng(1).normal(size=(FILMS.height, 3))
    films = FILMS.with_columns(face=faces, year=pl.Series(range(FILMS.height)))
    events = {"user": ["ann", "ann", "bob"], "item": ["alien", "babe", "dune"]}
    data = pt.Dataset.of(events, items=films)
    model = pt.ContentBased(weighting="bm25", ngrams=2).fit(data)
    assert {re.split(r"[:[]", name)[0] for name in model.names_} == {"title", "genres", "face"}
    assert "title:alien 1979" in model.names_
    asked = data.queries(
        ["ann", "bob"], tastes=[{"genres:Sci-Fi": 1}, {"title:emma": 1, "face[0]": 0.5}]
    )
    expected = naive(
        data, model, asked, columns=("title", "genres", "face"), weighting="bm25", ngrams=(1, 2)
    )
    np.testing.assert_allclose(model.score(asked), expected, atol=2e-6)
    for item, score in enumerate(model.score(asked)[0]):
        why = model.answer(asked[0]).explain(0, [item])[0]
        assert sum(share.amount for share in why.shares) == pytest.approx(score, abs=1e-5)


def test_an_item_like_the_history_in_everything_scores_1(data, model):
    asked = data.queries(likes=[["dune"]])
    dune, alien = (data.items.code(i) for i in ("dune", "alien"))
    scores = model.score(asked)[0]
    assert scores[dune] == pytest.approx(1, abs=1e-6)
    assert 0 < scores[alien] < 1


def test_weights_of_the_feedback_count(data):
    liked = pt.Dataset.of(
        {"user": ["x"], "item": ["alien"], "rating": [5.0]},
        items=FILMS,
        feedback=pt.Feedback(liked=4.5),
    )
    model = pt.ContentBased().fit(liked)
    everyone = model.score(data.queries())
    only_alien = model.score(data.queries(likes=[["alien"], ["emma"]]))
    known = data.items.encode(FILMS["item"])  # "gone" is unknown to the model
    np.testing.assert_allclose(everyone[:2][:, known], only_alien[:, known], atol=1e-6)
    assert np.isnan(everyone[2]).all()


def test_items_without_events_are_answered_and_items_without_words_are_not(data, model):
    scores = model.score(data.queries(["ann"]))[0]
    answered = {i for i, s in zip(data.items, scores, strict=True) if not np.isnan(s)}
    assert answered == {"alien", "babe", "cars", "dune", "emma"}


def test_nobody_known_is_nan(data, model):
    scores = model.score(data.queries(likes=[[], ["fargo"], ["cars"]]))
    assert np.isnan(scores[:2]).all()
    assert not np.isnan(scores[2]).all()
    assert model.recommend(data.queries(likes=[[]])).ids() == [[]]


def test_columns_of_the_scores_may_be_chosen(data, model):
    asked = data.queries()
    whole = model.score(asked)
    np.testing.assert_array_equal(
        model.score(asked, np.array([3, -1, 0], np.int32)),
        np.column_stack([whole[:, 3], np.full(3, np.nan, np.float32), whole[:, 0]]),
    )


@pytest.mark.parametrize("columns", [None, {"genres": 1.0}, {"genres": 2.0, "title": 0.5}])
def test_shares_add_up_to_the_score(data, columns):
    model = pt.ContentBased(columns=columns).fit(data)
    assert isinstance(model, Explains)
    queries = data.queries(
        ["ann", "bob", "cid"], tastes=[{"Sci-Fi": 1, "drama": -0.5}, {}, {"Drama": 2}]
    )
    scores = model.score(queries)
    for q in range(3):
        for item, score in enumerate(scores[q]):
            why = model.answer(queries[q]).explain(0, [item])[0]
            amounts = [share.amount for share in why.shares]
            if np.isnan(score):
                assert np.isnan(why.score)
                continue
            assert why.score == score
            bound = 1e-5 * (abs(why.base) + sum(map(abs, amounts)))
            assert abs(why.base + sum(amounts) - score) <= bound


def test_a_taste_that_weighs_nothing_says_nothing(model, data):
    scores = model.score(
        data.queries(tastes=[{"Sci-Fi": 0}, {"Sci-Fi": 0, "Drama": 1}, {"Drama": 1}])
    )
    assert np.isnan(scores[0]).all()
    np.testing.assert_array_equal(scores[1], scores[2])


def test_reasons_name_what_was_liked_and_what_was_named(data, model):
    asked = data.queries(likes=[["alien"]])
    assert model.recommend(asked, k=1).ids() == [["dune"]]
    dune = data.items.code("dune")
    assert model.answer(asked).explain(0, [dune])[0].sentence() == "because you liked Alien"
    asked = data.queries(tastes=[{"sci-fi": 1}])
    (share,) = model.answer(asked).explain(0, [dune])[0].shares
    assert share[:2] == ("feature", "genres:Sci-Fi")
    assert model.answer(asked).explain(0, [dune])[0].sentence() == "because you like Sci-Fi"


def test_similar_items_share_words_and_are_ordered_by_cosine(data, model):
    assert isinstance(model, Similar)
    rows = feature_rows(data)
    found = model.similar(["alien", "fargo"], k=5)
    assert found.ids()[0][0] == "dune"
    assert "alien" not in found.ids()[0]
    assert found.ids()[1] == []
    likeness = profile_scores(rows, {data.items.code("alien"): 1}, {}, 1)
    best = [likeness[c] for c in found.codes[0] if c >= 0]
    assert best == sorted(best, reverse=True)


def test_ids_and_columns_without_text_are_not_features(data):
    model = pt.ContentBased().fit(data)
    assert {name.partition(":")[0] for name in model.names_} == {"title", "genres"}


def test_what_cannot_be_learned_is_an_error(data):
    events = {"user": [1, 1], "item": [1, 2]}
    with pytest.raises(BadEvents, match="needs a table of items"):
        pt.ContentBased().fit(pt.Dataset.of(events))
    with pytest.raises(BadEvents, match="no text"):
        pt.ContentBased().fit(pt.Dataset.of(events, items={"item": [1, 2], "price": [3, 4]}))
    with pytest.raises(BadParameter, match="no column 'plot'"):
        pt.ContentBased(columns={"plot": 1.0}).fit(data)
    with pytest.raises(BadParameter, match=r"ContentBased\.tastes must be a positive number"):
        pt.ContentBased(tastes=0.0)


def test_a_taste_nobody_shares_lists_near_ones(data, model):
    with pytest.raises(UnknownId, match=r"'Sci-Fy'.* Did you mean sci-fi"):
        model.score(data.queries(tastes=[{"Sci-Fy": 1}]))


def test_tastes_follow_a_refit(data):
    model = pt.ContentBased(columns={"genres": 1.0}).fit(data)
    model.score(data.queries(tastes=[{"drama": 1}]))
    other = pt.Dataset.of({"user": [1], "item": [1]}, items={"item": [1], "genres": ["Noir"]})
    model.fit(other)
    assert model.score(other.queries(tastes=[{"noir": 1}])) == pytest.approx(1)
    with pytest.raises(UnknownId):
        model.score(other.queries(tastes=[{"drama": 1}]))


def test_the_planted_groups_are_found():
    data = pt.datasets.planted(noise=0.0)
    model = pt.ContentBased().fit(data)
    lists = model.recommend(data.queries(), k=5).codes
    people = np.arange(len(data.users))[:, None]
    assert (
        np.mean(lists[lists >= 0] % 4 == np.broadcast_to(people % 4, lists.shape)[lists >= 0])
        > 0.95
    )


def test_movielens_items_without_ratings_beat_chance(movielens):
    """Two in ten films are new; each person's real ones among them should come first."""
    split = pt.split.cold_items(movielens, 0.2, rng=0)
    model = pt.ContentBased(columns={"genres": 1.0, "title": 1.0}).fit(split.train)
    new = np.unique(split.test.truth.item)
    scores = model.score(split.test.queries, new.astype(np.int32))
    ranks = np.argsort(np.argsort(-scores, axis=1), axis=1)
    place = np.full(len(movielens.items), -1)
    place[new] = np.arange(len(new))
    truth = split.test.truth
    mean = ranks[truth.person(), place[truth.item]].mean() / len(new)
    assert mean < 0.42  # by chance 0.5
