"""What a row weighs: one function for a training table and for one person's rows."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penchant as pt
from naive_core import entries, last_ratings, summed, weighed
from penchant.dataset import Dataset
from penchant.errors import BadParameter
from penchant.feedback import Feedback, duration
from penchant.histories import Histories

KINDS = ("buy", "hide", "rating", "view")
PEOPLE, ITEMS = 4, 5

ROWS = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.integers(-1, ITEMS - 1),  # -1: an item the map does not know
        st.integers(0, len(KINDS) - 1),
        st.one_of(st.just(float("nan")), st.integers(-2, 10).map(lambda x: x / 2)),
        st.integers(-1, 1000),
    ),
    max_size=40,
)
FEEDBACK = st.builds(
    Feedback,
    weights=st.dictionaries(st.sampled_from(KINDS), st.integers(0, 12).map(lambda x: x / 4)),
    half_life=st.sampled_from([None, "0.0001s", "0.00005s"]),
    liked=st.sampled_from([None, 3, 4.5]),
    at_least=st.dictionaries(st.sampled_from(["buy", "view"]), st.sampled_from([1, 2.5])),
    clip=st.dictionaries(
        st.sampled_from(KINDS), st.sampled_from([(None, 3), (2, None), (1.5, 4), (None, None)])
    ),
    by_value=st.dictionaries(st.sampled_from(KINDS), st.sampled_from(["linear", "log"])),
    take_back=st.sampled_from([(), ("hide",), ("hide", "view")]),
    repeats=st.sampled_from(["sum", "last", "most"]),
    cap=st.sampled_from([None, 2.5, 0.25]),
)


def rules(feedback):
    """The settings as the slow twin takes them."""
    given = {f.name: getattr(feedback, f.name) for f in dataclasses.fields(feedback)}
    half_life = duration(feedback.half_life) if feedback.half_life else None
    del given["ids"]
    return {**given, "half_life": half_life}


def histories(rows) -> Histories:
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    return Histories.of(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int32),
        people=PEOPLE,
        kind=np.array(columns[2], np.int16),
        value=np.array(columns[3], np.float32),
        time=np.array(columns[4], np.int64),
        kinds=KINDS,
    )


def naive_rows(rows):
    """Known items, grouped by person in stable time order, kinds by name."""
    known = [(p, i, KINDS[k], v, t) for p, i, k, v, t in rows if i >= 0]
    return sorted(known, key=lambda row: (row[0], row[4]))


@given(ROWS, FEEDBACK, st.integers(-1, 1500))
def test_weights_are_those_of_the_slow_twin(rows, feedback, now):
    found = feedback.weigh(histories(rows), ITEMS, np.full(PEOPLE, now))
    expected = weighed(naive_rows(rows), now=now, **rules(feedback))
    assert found.shape == (PEOPLE, ITEMS)
    assert entries(found) == pytest.approx(expected, rel=1e-5)


@given(ROWS, FEEDBACK, st.integers(0, 1500))
def test_one_person_weighs_at_request_time_what_they_weigh_in_training(rows, feedback, now):
    whole = histories(rows)
    table = feedback.weigh(whole, ITEMS, np.full(PEOPLE, now))
    for person in range(PEOPLE):
        asked = feedback.weigh(whole.take(slice(person, person + 1)), ITEMS, np.array([now]))
        mine = table.rows(person, person + 1)
        assert asked.indices.tolist() == mine.indices.tolist()
        assert asked.data.tobytes() == mine.data.tobytes()


@given(ROWS, FEEDBACK, st.integers(0, 1500))
def test_rows_add_up_to_what_their_pair_comes_to(rows, feedback, now):
    events, times = histories(rows), np.full(PEOPLE, now)
    parts = feedback.row_weights(events, times)
    known = events.item >= 0
    total = summed(events.person()[known], events.item[known], parts[known])
    assert {k: v for k, v in total.items() if v} == pytest.approx(
        entries(feedback.weigh(events, ITEMS, times)), rel=1e-5
    )


@given(ROWS)
def test_ratings_are_the_last_of_each_pair(rows):
    assert entries(Feedback().ratings(histories(rows), ITEMS)) == last_ratings(naive_rows(rows))
    clipped = Feedback(clip={"rating": (2, 4)}).ratings(histories(rows), ITEMS)
    assert entries(clipped) == last_ratings(naive_rows(rows), 2, 4)


@given(ROWS, FEEDBACK)
def test_what_weighs_nothing_is_never_cited(rows, feedback):
    events = histories(rows)
    cited = feedback.cited(events)
    assert not (cited & (feedback.row_weights(events) == 0)).any()
    # Which row of a pair weighs is another matter than which was taken back.
    feedback = dataclasses.replace(feedback, clip={}, repeats="sum", cap=None)
    cited = feedback.cited(events)
    pairs = list(zip(events.person(), events.item, strict=True))
    later = [(n, m) for n in np.flatnonzero(cited) for m in range(n + 1, len(cited))]
    later = [(n, m) for n, m in later if pairs[n] == pairs[m]]
    assert not any(events.hidden()[m] and feedback.row_weights(events)[m] == 0 for _, m in later)
    assert not any(events.rated()[m] and not cited[m] for _, m in later)
    if feedback.liked is not None:
        return
    for person in range(PEOPLE):
        mine = events.take(slice(person, person + 1))
        stars = mine.value[mine.rated()]
        told = mine.rated() & feedback.cited(mine)
        assert (feedback.cited(mine) == cited[events.person() == person]).all()
        assert (mine.value[told] >= stars.mean() - 1e-4).all() if len(stars) else not told.any()


def test_a_dataset_and_a_query_agree():
    table = {
        "user": [1, 1, 2, 2, 2],
        "item": ["a", "b", "a", "a", "c"],
        "kind": ["view", "buy", "view", "buy", "hide"],
        "time": [0, 86_400, 0, 86_400, 2 * 86_400],
    }
    feedback = Feedback(weights={"buy": 3}, half_life="1d")
    data = Dataset.of(table, feedback=feedback)
    asked = data.queries(users=[2])
    of_query = feedback.weigh(asked.histories, len(data.items), asked.now)
    of_table = data.weights().rows(1, 2)
    assert entries(of_query) == entries(of_table) == {(0, 0): pytest.approx(0.25 + 3 / 2)}


def test_a_rating_counts_one_whatever_its_stars_unless_liked_is_set():
    table = {"user": [1, 1], "item": ["a", "b"], "rating": [1, 5]}
    assert Dataset.of(table).weights().data.tolist() == [1, 1]
    liked = Dataset.of(table, feedback=Feedback(liked=4)).weights()
    assert entries(liked) == {(0, 1): 1.0}
    assert entries(Dataset.of({**table, "rating": [None, 5]}, feedback=Feedback(liked=4)).weights())


def test_a_person_cites_what_they_rated_no_lower_than_usual():
    data = Dataset.of({"user": [1, 1, 1], "item": [1, 2, 3], "rating": [2, 3, 4]})
    assert data.feedback.cited(data.histories).tolist() == [False, True, True]
    seen = Dataset.of({"user": [1], "item": [1]})
    assert seen.feedback.cited(seen.histories).tolist() == [True]


def test_what_was_taken_back_is_not_cited():
    table = {
        "user": [1, 1, 1, 1, 1, 1],
        "item": ["a", "b", "c", "a", "b", "c"],
        "kind": ["view", "rating", "rating", "hide", "rating", "rating"],
        "value": [None, 5, 1, None, 1, 5],
        "time": range(6),
    }
    for feedback in (Feedback(), Feedback(liked=3)):
        data = Dataset.of(table, feedback=feedback)
        assert data.feedback.cited(data.histories).tolist() == [False] * 5 + [True]


def test_hidden_items_weigh_nothing_unless_told():
    table = {"user": [1, 1], "item": [1, 2], "kind": ["hide", "view"]}
    assert entries(Dataset.of(table).weights()) == {(0, 1): 1}
    told = Dataset.of(table, feedback=Feedback(weights={"hide": 2}))
    assert entries(told.weights()) == {(0, 0): 2, (0, 1): 1}


def test_events_after_now_and_events_without_a_time_do_not_age():
    feedback = Feedback(half_life="1s")
    events = Histories.of(np.zeros(3, int), np.arange(3), people=1, time=np.array([-1, 10, 10**9]))
    assert feedback.row_weights(events, np.array([11])).tolist() == pytest.approx([1, 1, 1])
    assert feedback.row_weights(events, np.array([-1])).tolist() == [1, 1, 1]
    assert feedback.row_weights(events).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "micros"),
    [("90d", 90 * 86400 * 10**6), (" 1.5 h ", 5400 * 10**6), ("2w", 14 * 86400 * 10**6),
     ("30min", 1800 * 10**6), ("45s", 45 * 10**6)],
)  # fmt: skip
def test_durations_are_read(text, micros):
    assert duration(text) == micros


@pytest.mark.parametrize(
    "text", ["", "d", "90", "-1d", "0d", "1 year", "1e3d", "0.0000001s", 90, "9" * 400 + "d"]
)
def test_what_is_no_duration_is_said(text):
    with pytest.raises(BadParameter, match="a duration is written like '90d'"):
        duration(text)
    with pytest.raises(BadParameter, match="a duration is written like '90d'"):
        Feedback(half_life=text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": {"view": -1}}, r"Feedback.weights\['view'\] must be .* at least 0, got -1"),
        ({"weights": {"view": float("nan")}}, "must be a number of at least 0, got nan"),
        ({"weights": {"view": float("inf")}}, "must be a number of at least 0, got inf"),
        ({"weights": {"view": "3"}}, "must be a number of at least 0, got '3'"),
        ({"weights": ["view"]}, r"Feedback.weights maps kinds to numbers"),
        ({"weights": {1: 2}}, "Feedback.weights maps kinds to numbers"),
        ({"weights": {"view": True}}, "must be a number of at least 0, got True"),
        ({"at_least": {"view": None}}, r"Feedback.at_least\['view'\] must be a number, got None"),
        ({"at_least": {"rating": 4}}, "of ratings, write liked=4 instead"),
        ({"clip": (1, 5)}, "Feedback.clip maps kinds to pairs of numbers"),
        ({"clip": {"rating": 5}}, r"clip\['rating'\] must be \(lowest, highest\), got 5"),
        ({"clip": {"rating": (5, 1)}}, r"must be \(lowest, highest\), got \(5, 1\)"),
        ({"clip": {"rating": (1, "5")}}, r"clip\['rating'\] must be a number, got '5'"),
        ({"by_value": {"count": "square"}}, r"by_value\['count'\] must be 'linear' or 'log'"),
        ({"take_back": "hide"}, r"take_back holds kinds, such as \('hide',\), got 'hide'"),
        ({"take_back": 3}, r"take_back holds kinds, such as \('hide',\), got 3"),
        ({"repeats": "first"}, "repeats must be one of 'sum', 'last', 'most', got 'first'"),
        ({"cap": 10**400}, "Feedback.cap must be a positive number or None"),
        ({"cap": 0}, "Feedback.cap must be a positive number or None, got 0"),
        ({"ids": "lower"}, "ids must be one of 'exact', 'trimmed', 'folded', got 'lower'"),
        ({"liked": "4"}, "Feedback.liked must be a number or None, got '4'"),
        ({"liked": float("nan")}, "Feedback.liked must be a number or None, got nan"),
    ],
    ids=str,
)
def test_settings_are_checked(settings, message):
    with pytest.raises(BadParameter, match=message):
        Feedback(**settings)


def test_settings_are_the_owners_and_can_be_written_down():
    weights = {"view": np.float32(0.5)}
    feedback = Feedback(weights=weights, liked=4)
    weights["view"] = 7
    assert feedback.weights == {"view": 0.5}
    assert type(feedback.weights["view"]) is float


@given(FEEDBACK)
def test_settings_can_be_written_down_and_read_again(feedback):
    assert Feedback(**json.loads(json.dumps(feedback.to_json()))) == feedback
    assert eval(repr(feedback), {"Feedback": Feedback}) == feedback


def test_a_weight_for_a_kind_that_does_not_occur_is_noted():
    data = Dataset.of(
        {"user": [1], "item": [1], "kind": ["purchase"]}, feedback=Feedback(weights={"purchse": 3})
    )
    assert "feedback names 'purchse', which does not occur. Did you mean purchase?" in (
        data.reading.lines()
    )
    assert data.name == data.reading.source


def test_the_order_of_the_rules_by_hand():
    table = {
        "user": [1] * 6,
        "item": ["song", "song", "song", "clip", "clip", "toy"],
        "kind": ["count", "count", "count", "view", "view", "purchase"],
        "value": [3, 5000, None, 20, 90, None],
        "time": range(6),
    }
    feedback = Feedback(
        clip={"count": (None, 1023), "view": (None, 60)},
        by_value={"count": "log", "view": "linear"},
        weights={"view": 1 / 60, "purchase": 4},
        at_least={"view": 30},
        cap=12.5,
    )
    data = Dataset.of(table, feedback=feedback)
    # song: log2(4) + log2(1024) + 1 = 13, capped; clip: 20 is too short, 90 counts as 60; toy: 4
    assert entries(data.weights()) == {(0, 1): 12.5, (0, 0): 1, (0, 2): 4}
    assert feedback.row_weights(data.histories).tolist() == [2, 10, 0.5, 0, 1, 4]


def test_what_is_taken_back_counts_no_more_until_it_happens_again():
    table = {
        "user": [1, 1, 1, 2, 2],
        "item": ["a", "a", "a", "a", "a"],
        "kind": ["buy", "return", "buy", "buy", "return"],
        "time": [1, 2, 3, 1, 2],
    }
    back = Dataset.of(table, feedback=Feedback(take_back=("return",)))
    assert entries(back.weights()) == {(0, 0): 1}
    assert back.feedback.cited(back.histories).tolist() == [False, False, True, False, False]
    told = Dataset.of(table, feedback=Feedback(take_back=("return",), weights={"return": 0.5}))
    assert entries(told.weights()) == {(0, 0): 1.5, (1, 0): 0.5}


def test_sums_of_enormous_values_stay_finite():
    table = {"user": [1] * 3, "item": [1] * 3, "plays": [3e38] * 3}
    weights = Dataset.of(table, feedback=Feedback(by_value={"count": "linear"})).weights()
    assert weights.data.tolist() == [pytest.approx(3e30)]


def test_models_of_ratings_see_them_clipped():
    table = {"user": [1, 1, 2], "item": ["a", "b", "a"], "rating": [0, 3, 9]}
    data = Dataset.of(table, feedback=Feedback(clip={"rating": (1, 5)}))
    assert data.scale == (1, 5)
    assert entries(data.ratings()) == {(0, 0): 1, (0, 1): 3, (1, 0): 5}
    assert data.histories.value.tolist() == [0, 3, 9], "what was recorded stays"


RULES = Feedback(
    weights={"purchase": 3, "count": 0.5}, half_life="2000d", liked=3, at_least={"view": 30},
    clip={"count": (None, 100), "view": (0, 90)}, by_value={"count": "log", "view": "linear"},
    take_back=("return",), cap=40,
)  # fmt: skip


def shop():
    """Events of every kind: six kinds, values, take-backs and repeats."""
    rng = np.random.default_rng(2)
    n, kinds = 900, np.array(["count", "hide", "purchase", "rating", "return", "view"])
    group = rng.integers(0, 3, n)
    return {
        "user": group + 3 * rng.integers(0, 15, n),
        "item": group + 3 * rng.integers(0, 8, n),
        "kind": kinds[rng.integers(0, 6, n)],
        "value": rng.integers(1, 120, n).astype(float),
        "time": 1_500_000_000 + rng.permutation(n) * 40_000,
    }


@pytest.mark.parametrize("model", [pt.EASE(l2=5.0), pt.ItemKNN(), pt.UserKNN(), pt.ALS(factors=4)])
def test_models_learn_and_answer_from_what_pairs_come_to(model):
    data = Dataset.of(shop(), feedback=RULES)
    model.fit(data)
    whole = data.queries()
    scores = model.score(whole)
    strangers = dataclasses.replace(whole, user=np.full(len(whole), -1, np.int32))
    assert np.array_equal(model.score(strangers), scores, equal_nan=True)
    # The same pairs, weighed by hand before they become a dataset.
    weights = data.weights()
    pairs = {
        "user": data.users.decode(weights.row_numbers()),
        "item": data.items.decode(weights.indices),
        "count": weights.data,
    }
    by_hand = Dataset.of(pairs, feedback=Feedback(by_value={"count": "linear"}))
    again = dataclasses.replace(model).fit(by_hand)
    asked = again.score(by_hand.queries())
    codes = data.users.encode(by_hand.users.values), data.items.encode(by_hand.items.values)
    assert asked == pytest.approx(scores[np.ix_(*codes)], rel=2e-4, abs=1e-5, nan_ok=True)


def test_popularity_counts_what_pairs_come_to():
    data = Dataset.of(shop(), feedback=RULES)
    weights = data.weights()
    total = np.bincount(weights.indices, weights.data, minlength=len(data.items))
    found = pt.Popularity().fit(data).score(data.queries())[0]
    order = np.argsort(-total, kind="stable")[: np.count_nonzero(total)]
    assert np.argsort(-np.nan_to_num(found, nan=-1), kind="stable")[: len(order)].tolist() == (
        order.tolist()
    )


def test_ids_are_compared_alike_wherever_they_are_asked():
    rng = np.random.default_rng(0)
    items, people = rng.integers(0, 20, 300), rng.integers(0, 30, 300)
    plain = {
        "user": [f"u{n}" for n in people],
        "item": [f"i{n}" for n in items],
        "rating": rng.integers(1, 6, 300),
    }
    spelt = plain | {
        "user": [u.upper() if n % 2 else f" {u}" for n, u in enumerate(plain["user"])],
        "item": [i.upper() if n % 3 else i for n, i in enumerate(plain["item"])],
    }
    exact = Dataset.of(plain)
    folded = Dataset.of(spelt, feedback=Feedback(ids="folded"))
    pairs = {"user": ["U3 ", "u3", "who"], "item": ["I4", "i4", "i5"]}
    one, two = pt.Biases().fit(exact), pt.Biases().fit(folded)
    known = pt.predict(one, {"user": ["u3", "u3", "who"], "item": ["i4", "i4", "i5"]})
    assert pt.predict(two, pairs)["prediction"].to_list() == pytest.approx(
        known["prediction"].to_list()
    )
    one, two = pt.ItemKNN().fit(exact), pt.ItemKNN().fit(folded)
    excluded = pt.Rules(exclude=["I1", "i2 "])
    listed = two.recommend(folded.queries(users=["U7"]), 20, excluded).ids()[0]
    usual = one.recommend(exact.queries(users=["u7"]), 20, pt.Rules(exclude=["i1", "i2"])).ids()[0]
    assert sorted(i.strip().lower() for i in listed) == sorted(usual)
    alike = [two.similar([i], 20) for i in ("I2 ", "i2")]
    assert alike[0].ids() == alike[1].ids()
    assert set(alike[0].ids()[0]) <= set(folded.items)
