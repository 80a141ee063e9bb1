from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from naive_content import blend, constants, ndcg, turns
from penchant.errors import BadEvents, BadParameter
from penchant.models import blending
from penchant.parameters import hyper
from penchant.recommender import Explains, Recommender, column_scores
from penchant.testing import check_recommender

NAN = float("nan")
FILMS = ["alien", "babe", "cars", "dune", "emma"]


@dataclass(kw_only=True)
class Fixed(Recommender):
    """A part that gives each item the score it was told, to everyone or to those with a history."""

    told: Mapping[str, float] = hyper(None, "score by item")
    needs_history: bool = hyper(False, "whether strangers get NaN")
    meaning: str = hyper("rank", "what scores mean")

    @property
    def reads(self):
        return frozenset({"history"}) if self.needs_history else frozenset()

    @property
    def scores(self):
        return self.meaning

    def _fit(self, data, rng, on_epoch):
        self.values_ = np.array([self.told.get(i, NAN) for i in data.items], np.float32)

    def _score(self, queries, items):
        scores = np.tile(self.values_, (len(queries), 1))
        if self.needs_history:
            scores[queries.histories.lengths == 0] = np.nan
        return scores if items is None else column_scores(scores, items)


@pytest.fixture(scope="module")
def data():
    events = {
        "user": ["ann", "ann", "bob", "bob", "cid"],
        "item": ["alien", "babe", "babe", "emma", "cars"],
        "rating": [5.0, 4.0, 3.0, 5.0, 4.0],
    }
    return pt.Dataset.of(events, items={"item": FILMS, "genres": ["A|B", "B", "B|C", "A", None]})


@pytest.fixture(scope="module")
def planted():
    return pt.datasets.planted()


@pytest.fixture(scope="module")
def askers(planted):
    """Six known people, one stranger who named a film, one who named a genre, one who is silent."""
    known = planted.queries(users=range(6), tastes=[{}] * 6)
    strangers = planted.queries(likes=[[3], [], []], tastes=[{}, {"Drama": 1}, {}])
    return known, strangers


def listed(scores):
    return [[None if np.isnan(s) else float(s) for s in row] for row in scores]


def matrix(rows):
    return np.array([[NAN if s is None else s for s in row] for row in rows])


@pytest.mark.parametrize(
    "model",
    [
        pt.Weighted([pt.EASE(l2=50.0), pt.ContentBased()]),
        pt.Weighted([pt.EASE(l2=50.0), pt.EASE()], weights=[0.7, 0.3], normalise="fit"),
        pt.Switching([pt.Popularity(), pt.EASE()]),
        pt.Fallback([pt.ContentBased(), pt.Popularity()]),
        pt.Mixed([pt.Weighted([pt.EASE()], weights=[1]), pt.ContentBased()]),
    ],
    ids=repr,
)
def test_composites_keep_the_contract(model):
    check_recommender(model)


@pytest.mark.parametrize("normalise", ["query", "none"])
def test_weighted_blends_as_the_naive_twin(planted, askers, normalise):
    parts = [pt.Popularity(), pt.EASE(), pt.ContentBased()]
    weights = [0.2, 0.5, 0.3]
    model = pt.Weighted(parts, weights=weights, normalise=normalise).fit(planted)
    for queries in askers:
        each = [listed(part.score(queries)) for part in model.parts_]
        expected = [blend(rows, weights, normalise == "query") for rows in zip(*each, strict=True)]
        np.testing.assert_allclose(model.score(queries), matrix(expected), rtol=2e-5, atol=2e-5)


scores = st.lists(
    st.none() | st.floats(-9, 9, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3),
    min_size=5,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(scores, min_size=1, max_size=4), st.data(), st.sampled_from(["query", "none"]))
def test_weighted_handles_what_parts_cannot_say(data, rows, draw, normalise):
    weights = draw.draw(st.lists(st.floats(0.1, 5), min_size=len(rows), max_size=len(rows)))
    parts = [
        Fixed(told={f: s for f, s in zip(FILMS, row, strict=True) if s is not None}) for row in rows
    ]
    model = pt.Weighted(parts, weights=weights, normalise=normalise).fit(data)
    expected = blend(rows, weights, normalise == "query")
    found = model.score(data.queries(["ann"]))
    spreads = [np.std([s for s in row if s is not None]) for row in rows if any(row)]
    if normalise == "none" or all(s > 1e-2 for s in spreads):  # else rounding decides
        np.testing.assert_allclose(found, matrix([expected]), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(matrix([expected])))


def test_a_part_that_is_silent_for_someone_drops_out_for_them(data):
    told = {"alien": 1.0, "babe": 2.0, "cars": 3.0, "dune": 4.0, "emma": 5.0}
    other = {"alien": 1.0, "babe": 0.0}
    model = pt.Weighted(
        [Fixed(told=told), Fixed(told=other, needs_history=True)], weights=[1, 3], normalise="none"
    ).fit(data)
    with_history, without = model.score(data.queries(likes=[["babe"], []]))
    np.testing.assert_allclose(without, [1, 2, 3, 4, 5])
    # Unknown to the second part: its mean, one half.
    np.testing.assert_allclose(with_history, [1, 0.5, 1.125, 1.375, 1.625])


def test_constants_of_fit_are_those_of_all_people(planted):
    parts = [pt.EASE(), pt.Popularity()]
    model = pt.Weighted(parts, weights=[0.5, 0.5], normalise="fit").fit(planted)
    asked = planted.queries()
    each = [listed(part.score(asked)) for part in model.parts_]
    for (mean, spread), m, s in zip(constants(each), model.means_, model.spreads_, strict=True):
        assert (m, s) == pytest.approx((mean, spread), rel=1e-4)
    ease, popularity = (part.score(asked[0]) for part in model.parts_)
    expected = 0.5 * (ease - model.means_[0]) / model.spreads_[0]
    expected += 0.5 * (popularity - model.means_[1]) / model.spreads_[1]
    np.testing.assert_allclose(model.score(asked[0]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        pt.Weighted([pt.EASE(), pt.ContentBased(), pt.Popularity()], weights=[3, 2, 1]),
        pt.Weighted([pt.EASE(), pt.Popularity()], weights=[3, 1], normalise="none"),
        pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[3, 1], normalise="fit"),
        pt.Switching([pt.ContentBased(), pt.EASE()], at=[3]),
        pt.Fallback([pt.EASE(), pt.ContentBased()]),
        pt.Mixed([pt.EASE(), pt.ContentBased(), pt.Popularity()]),
        pt.Weighted([pt.Mixed([pt.EASE(), pt.Popularity()]), pt.ContentBased()], weights=[1, 1]),
    ],
    ids=repr,
)
def test_composites_explain_every_score(planted, askers, model):
    model.fit(planted)
    assert isinstance(model, Explains)
    for queries in askers:
        found = model.score(queries)
        for q in range(len(queries)):
            for item in range(0, len(planted.items), 7):
                why = model.answer(queries[q]).explain(0, [item])[0]
                if np.isnan(found[q, item]):
                    assert np.isnan(why.score)
                    continue
                amounts = [share.amount for share in why.shares]
                bound = 1e-5 * (abs(why.base) + sum(map(abs, amounts)))
                assert abs(why.base + sum(amounts) - found[q, item]) <= bound + 1e-12


def test_a_part_that_cannot_explain_is_one_share(data):
    told = dict(zip(FILMS, range(5), strict=True))
    model = pt.Weighted([Fixed(told=told), pt.Popularity(), Fixed(told=told)], weights=[1, 1, 2])
    why = model.fit(data).answer(data.queries(["ann"])).explain(0, [4])[0]
    assert [share[:2] for share in why.shares] == [
        ("part", "Fixed"),
        ("part", "Popularity"),
        ("part", "Fixed 2"),
    ]
    assert why.shares[2].amount == pytest.approx(2 * why.shares[0].amount)
    assert why.base == 0


def test_what_two_parts_say_of_one_film_is_one_share(planted):
    model = pt.Weighted([pt.EASE(), pt.EASE(l2=50.0)], weights=[1, 1]).fit(planted)
    asked = planted.queries(likes=[[4, 8]])
    why = model.answer(asked).explain(0, [12])[0]
    assert [share[:2] for share in why.shares] == [("history", 4), ("history", 8)]
    assert why.sentence().startswith("because you liked ")


def test_learned_weights_find_the_part_that_knows(planted):
    silly = {i: float((i * 37) % 101) for i in planted.items}
    model = pt.Weighted([Fixed(told=silly), pt.EASE(l2=50.0)]).fit(planted, rng=3)
    assert model.weights_.sum() == pytest.approx(1)
    assert model.weights_[1] > 0.7
    assert model.weights_[0] >= 0.05 / 2 - 1e-9
    again = pt.Weighted([Fixed(told=silly), pt.EASE(l2=50.0)]).fit(planted, rng=3)
    assert again.weights_.tobytes() == model.weights_.tobytes()
    assert again.score(planted.queries()).tobytes() == model.score(planted.queries()).tobytes()


def test_without_times_the_order_of_the_rows_decides_nothing():
    """In a file sorted by rating, each person's last rows are those they liked least."""
    people, liked = 40, [f"good{n}" for n in range(10)]
    rows = [(p, i, 5.0) for p in range(people) for i in liked if (p + int(i[4:])) % 3]
    rows += [(p, f"bad{(p * 7 + n) % 20}", 1.0) for p in range(people) for n in range(2)]
    data = pt.Dataset.of(pl.DataFrame(rows, schema=["user", "item", "rating"], orient="row"))
    wanted = Fixed(told=dict.fromkeys(liked, 1.0) | {f"bad{n}": 0.0 for n in range(20)})
    least = Fixed(told=dict.fromkeys(liked, 0.0) | {f"bad{n}": 1.0 for n in range(20)})
    assert pt.Weighted([least, wanted]).fit(data).weights_[1] > 0.5


def test_equal_weights_win_when_nothing_tells_the_parts_apart(data):
    model = pt.Weighted([Fixed(told={"cars": 1.0}), Fixed(told={"cars": 1.0})], holdout=0.5)
    np.testing.assert_allclose(model.fit(data).weights_, [0.5, 0.5])


def test_weights_are_judged_by_ndcg_on_what_is_unseen(planted):
    """The winner of one resampling is the weighting with the best naive NDCG of whole lists."""
    held = pt.split.last(planted, fraction=0.3)
    model = pt.Weighted([pt.EASE(l2=2.0), pt.EASE(l2=5000.0)], weights=[1, 1]).fit(held.train)
    asked = held.test

    class Once:
        """Tries two weightings, and resamples nobody."""

        def permutation(self, n):
            return np.arange(n)

        def dirichlet(self, alpha, size):
            return np.array([[0.9, 0.1], [0.25, 0.75]])

        def multinomial(self, n, p, size):
            return np.ones((1, n), int)

    def worth(weights):
        blended = sum(
            w * ((s - s.mean(1, keepdims=True)) / s.std(1, keepdims=True))
            for w, s in zip(weights, (p.score(asked.queries) for p in model.parts_), strict=True)
        )
        each = []
        for q in range(len(asked)):
            seen = set(asked.queries[q].histories.item.tolist())
            ranked = [i for i in np.argsort(-blended[q], kind="stable").tolist() if i not in seen]
            lo, hi = asked.truth.indptr[q : q + 2]
            each.append(ndcg(ranked, set(asked.truth.item[lo:hi].tolist()), 10))
        return each

    tried = np.array([[0.5, 0.5], [1, 0], [0, 1], [0.9, 0.1], [0.25, 0.75]])
    expected = np.array([worth(weights) for weights in tried])
    np.testing.assert_allclose(
        blending._ndcg(asked, model._scaled(asked.queries), tried), expected, atol=1e-9
    )
    found = blending.learned(asked, model._scaled, 2, Once(), rating=False)
    best = tried[np.argmax(expected.sum(axis=1))]
    np.testing.assert_allclose(found, 0.95 * best + 0.025)


def test_ratings_are_blended_by_squared_error():
    people = [f"p{n}" for n in range(30)]
    rows = [(p, i, 4.0) for p in people for i in FILMS]
    data = pt.Dataset.of(pl.DataFrame(rows, schema=["user", "item", "rating"], orient="row"))
    high, low = (Fixed(told=dict.fromkeys(FILMS, value), meaning="rating") for value in (4.5, 2.5))
    model = pt.Weighted([high, low], normalise="none").fit(data)
    assert model.scores == "rating"
    assert model.weights_[0] == pytest.approx(0.75, abs=0.05)
    (found,) = pt.predict(model, [("p0", "dune")], data)["prediction"]
    assert found == pytest.approx(4, abs=0.1)
    assert pt.Weighted([high, low]).scores == "rank"
    assert pt.Weighted([high, pt.EASE()], normalise="none").scores == "rank"


def test_a_shortlist_is_enough_for_tiny_catalogues():
    asked = pt.datasets.planted(users=8, items=8, noise=0.5)
    assert len(pt.Weighted([pt.EASE(), pt.Popularity()]).fit(asked).weights_) == 2


def test_fitting_leaves_the_parts_given_as_they_were(planted):
    ease = pt.EASE(l2=70.0)
    model = pt.Weighted([ease, pt.Popularity()]).fit(planted)
    assert "training_" not in vars(ease)
    assert model.parts_[0] is not ease
    assert model.parts_[0].l2 == 70.0


def test_a_part_may_have_another_vocabulary(planted):
    model = pt.Weighted([pt.EASE(), pt.Popularity()], weights=[1, 1]).fit(planted)
    before = model.score(planted.queries())
    h = planted.histories
    backwards = pt.Dataset(
        pt.IdMap(list(planted.items)[::-1]),
        planted.users,
        h.recoded(np.arange(len(planted.items), dtype=np.int32)[::-1]),
    )
    model.parts_[0] = pt.EASE().fit(backwards)
    np.testing.assert_allclose(model.score(planted.queries()), before, rtol=1e-3, atol=1e-4)


def test_switching_goes_by_the_length_of_the_history(data):
    first, second, third = (Fixed(told=dict.fromkeys(FILMS, float(n))) for n in range(3))
    model = pt.Switching([first, second, third], at=[1, 3]).fit(data)
    likes = [[], ["babe"], ["babe", "emma"], ["babe", "babe", "emma"], ["alien", "babe", "emma"]]
    asked = data.queries(likes=likes)
    np.testing.assert_array_equal(model.score(asked)[:, 0], [0, 1, 1, 1, 2])
    each = np.array([[3, -1], [0, 1], [2, 2], [1, 0], [4, -1]], np.int32)
    np.testing.assert_array_equal(model.score(asked, each)[:, 0], [0, 1, 1, 1, 2])
    recs = model.recommend(asked, k=1)
    assert [recs.sources[n] for n in recs.source[:, 0]] == ["Fixed", *["Fixed 2"] * 3, "Fixed 3"]
    (share,) = model.answer(asked[4]).explain(0, [3])[0].shares
    assert share == ("part", "Fixed 3", 2.0)


def test_fallback_takes_the_first_that_answers(planted, askers):
    model = pt.Fallback([pt.EASE(), pt.ContentBased(), pt.Popularity()]).fit(planted)
    ease, content, popularity = model.parts_
    known, strangers = askers
    np.testing.assert_array_equal(model.score(known), ease.score(known))
    expected = [part.score(strangers)[n] for n, part in enumerate((ease, content, popularity))]
    np.testing.assert_array_equal(model.score(strangers), expected)
    recs = model.recommend(strangers, k=2)
    assert recs.sources == ("EASE", "ContentBased", "Popularity")
    assert recs.source.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert model.answer(strangers[1]).explain(0, [2])[0].sentence() == "because you like Drama"


def test_ratings_that_a_part_cannot_say_are_said_by_the_next():
    films = ["alien", "babe", "chaos", "dune"]
    events = pt.Dataset.of({"user": [1, 1, 2, 2, 3], "item": [*films[:2], *films[1:3], "alien"],
                            "rating": [5.0, 1, 4, 2, 3]}, items={"item": films})  # fmt: skip
    model = pt.Fallback([pt.SlopeOne(), pt.Biases()]).fit(events)
    slope, biases = model.parts_
    assert model.scores == "rating"
    asked = events.queries(users=[1, 3])
    first, second = slope.score(asked), biases.score(asked)
    unsaid = np.isnan(first)
    assert unsaid.tolist() == [[False, False, False, True], [True, False, True, True]]
    expected = np.where(unsaid, second, first)
    np.testing.assert_array_equal(model.score(asked), expected)
    each = np.array([[2, -1, 0], [3, 2, 1]], np.int32)
    np.testing.assert_array_equal(
        model.score(asked, each), [[expected[0, 2], np.nan, expected[0, 0]], expected[1, [3, 2, 1]]]
    )
    source = model.answer(asked, each).source
    assert [[model.sources[n] for n in row] for row in source] == [
        ["SlopeOne"] * 3, ["SlopeOne", "Biases", "SlopeOne"],
    ]  # fmt: skip
    assert np.isnan(expected[:, 3]).all()  # nobody rated dune
    assert model.answer(asked[1]).explain(0, [2])[0].score == expected[1, 2]
    stranger = pt.predict(model, [(9, "alien"), (9, "dune")], events)["prediction"]
    assert stranger[0] == pytest.approx(biases.base_[0])
    assert np.isnan(stranger[1])
    lower = Fixed(meaning="rating", told=dict.fromkeys(films, -7.0))
    clipped = pt.Fallback([pt.SlopeOne(), lower]).fit(events)
    assert pt.predict(clipped, [(9, "dune")], events)["prediction"][0] == 1


def test_mixed_takes_turns_as_the_naive_twin(planted, askers):
    model = pt.Mixed([pt.EASE(), pt.ContentBased(), pt.Popularity()]).fit(planted)
    for queries in askers:
        each = [listed(part.score(queries)) for part in model.parts_]
        found = model.score(queries)
        for q, rows in enumerate(zip(*each, strict=True)):
            met = set(queries[q].histories.item.tolist())
            named = turns(rows, met)
            expected = [NAN if one is None else 1 / (1 + one[0]) for one in named]
            np.testing.assert_allclose(found[q], expected, rtol=1e-6)
            recs = model.recommend(queries[q], k=9)
            shown = recs.codes[0][recs.codes[0] >= 0]
            who = [named[item][1] for item in shown]
            assert recs.source[0][: len(shown)].tolist() == who


def test_mixed_keeps_its_turns_apart(data):
    first = {"alien": 9.0, "babe": 8.0, "cars": 7.0, "dune": 6.0}
    second = {"babe": 3.0, "emma": 2.0, "alien": 1.0}
    model = pt.Mixed([Fixed(told=first), Fixed(told=second)]).fit(data)
    recs = model.recommend(data.queries(likes=[[]]), k=5)
    assert recs.ids() == [["alien", "babe", "cars", "emma", "dune"]]
    assert recs.source.tolist() == [[0, 1, 0, 1, 0]]
    # Met: babe takes no turn, and stands beside what the second part names then.
    assert model.recommend(data.queries(likes=[["babe"]]), k=2).ids() == [["alien", "emma"]]
    np.testing.assert_allclose(
        model.score(data.queries(likes=[["babe"]]))[0],
        [1, 1 / 2, 1 / 3, 1 / 5, 1 / 2],
    )
    (share,) = (
        model.answer(data.queries(likes=[[]])).explain(0, [data.items.code("emma")])[0].shares
    )
    assert share[:2] == ("part", "Fixed 2")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: pt.Weighted([pt.EASE]), r"Weighted\.parts must hold models, .*; write EASE\(\)"),
        (lambda: pt.Mixed([]), r"Mixed\.parts must be a list of models, got \[\]"),
        (lambda: pt.Fallback(pt.EASE()), r"Fallback\.parts must be a list of models"),
        (lambda: pt.Weighted([pt.EASE()], weights=[1, 2]), r"must be 1 numbers of at least 0"),
        (lambda: pt.Weighted([pt.EASE()], weights=[-1]), r"Weighted\.weights .* got \[-1\]"),
        (lambda: pt.Weighted([pt.EASE()], weights=[0]), r"not all 0"),
        (lambda: pt.Weighted([pt.EASE()], weights=[NAN]), r"Weighted\.weights"),
        (lambda: pt.Weighted([pt.EASE()], normalise="ranks"), r"one of 'query', 'fit', 'none'"),
        (lambda: pt.Weighted([pt.EASE()], holdout=0.0), r"Weighted\.holdout must be a positive"),
        (lambda: pt.Switching([pt.EASE(), pt.EASE()], at=[]), r"Switching\.at must be 1 increas"),
        (lambda: pt.Switching([pt.EASE()] * 3, at=[3, 2]), r"increasing .* got \[3, 2\]"),
        (lambda: pt.Switching([pt.EASE()] * 3, at=[2, 2]), r"increasing"),
        (lambda: pt.Switching([pt.EASE()] * 2, at=[0]), r"at least 1"),
        (lambda: pt.Switching([pt.EASE()] * 2, at=[1.5]), r"whole numbers"),
    ],
)
def test_wrong_hyper_parameters_are_told(made, says):
    with pytest.raises(BadParameter, match=says):
        made()


def test_weights_cannot_be_learned_from_single_events():
    data = pt.Dataset.of({"user": [1, 2], "item": [1, 2]})
    with pytest.raises(BadEvents, match=r"two events or more.* there are none: pass weights="):
        pt.Weighted([pt.Popularity(), pt.Popularity()]).fit(data)
    pt.Weighted([pt.Popularity(), pt.Popularity()], weights=[1, 1]).fit(data)


@pytest.mark.parametrize(
    "last", [{"item": "aabbcc"}, {"item": "abbcca", "kind": ["view", "hide"] * 3}]
)
def test_weights_cannot_be_learned_where_no_last_event_can_be_asked_for(last):
    table = {"user": [1, 1, 2, 2, 3, 3], "timestamp": range(6), **last, "item": list(last["item"])}
    with pytest.raises(BadEvents, match="not met, and there are none: pass weights="):
        pt.Weighted([pt.Popularity(), pt.Popularity()]).fit(pt.Dataset.of(table))


def test_numbers_of_numpy_are_numbers():
    parts = [pt.Popularity(), pt.Popularity()]
    assert pt.Weighted(parts, weights=[np.int64(1), np.float32(3)]).weights == [1, 3]
    assert pt.Switching(parts, at=[np.int32(2)]).at == [2]


def test_what_a_map_does_not_know_takes_no_turn(data):
    model = pt.Mixed([pt.Popularity(), pt.Popularity()]).fit(data)
    asked = data.queries(likes=[[data.items.decode([0])[0]]])
    history = replace(asked.histories, item=np.array([-1], np.int32))
    unknown = replace(asked, histories=history)
    np.testing.assert_array_equal(model.score(unknown), model.score(data.queries(likes=[[]])))


def test_on_movielens_the_hybrid_beats_popularity_and_is_level_with_its_best_part(last_fifth):
    parts = [pt.EASE(), pt.ContentBased(), pt.Popularity()]
    model = pt.Weighted(parts).fit(last_fifth.train, rng=7)
    asked = last_fifth.test
    wanted = [
        set(asked.truth.item[lo:hi].tolist())
        for lo, hi in zip(asked.truth.indptr[:-1], asked.truth.indptr[1:], strict=True)
    ]

    def worth(one):
        lists = one.recommend(asked.queries, k=10).codes.tolist()
        return np.array([ndcg(row, w, 10) for row, w in zip(lists, wanted, strict=True)])

    found, ease, popularity = worth(model), worth(model.parts_[0]), worth(model.parts_[2])

    def interval(difference):
        return difference.mean() + 1.96 * difference.std() / len(difference) ** 0.5 * np.array(
            [-1, 1]
        )

    assert interval(found - popularity)[0] > 0.02
    assert interval(found - ease)[1] > 0
    new = last_fifth.train.queries(tastes=[{"Action": 1, "Sci-Fi": 1}])
    genres = model.recommend(new, k=10).to_frame()["genres"]
    assert genres.str.contains("Action|Sci-Fi").all()


def test_scaled_scores_say_what_was_known():
    given_scores = np.array([[1, 2, NAN, 3], [NAN] * 4, [5, 5, 5, NAN]], np.float32)
    before = given_scores.copy()
    found = blending.scaled(given_scores, "query", 4)
    assert isinstance(found, blending.Scaled)
    np.testing.assert_array_equal(given_scores, before)
    np.testing.assert_allclose(found.scores[0], [-(1.5**0.5), 0, 0, 1.5**0.5], rtol=1e-6)
    assert not found.scores[1:].any()
    assert found.answers.tolist() == [True, False, True]
    np.testing.assert_array_equal(blending.scaled(before, "none", 4).scores[0], [1, 2, 2, 3])
