"""Ids get codes, people histories, and tables ride along row by code."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.dataset import Dataset, describe
from penchant.errors import BadEvents, BadParameter, Incompatible, UnknownId
from penchant.events import Events
from penchant.feedback import Feedback

EVENTS = {
    "user": ["v", "u", "u", "u"],
    "item": [30, 10, 20, 10],
    "rating": [3.0, 5.0, None, 1.0],
    "timestamp": [100, 300, 200, 300],
}
MICRO = 1_000_000


@pytest.fixture
def data() -> Dataset:
    return Dataset.of(EVENTS)


def test_people_have_their_events_in_time_order(data):
    h = data.histories
    assert list(data.users) == ["u", "v"]
    assert list(data.items) == [10, 20, 30]
    assert h.indptr.tolist() == [0, 3, 4]
    assert h.item.tolist() == [1, 0, 0, 2]  # 20 first, then 10 twice in the order recorded
    assert h.value.tolist()[1:] == [5, 1, 3]
    assert h.time.tolist() == [200 * MICRO, 300 * MICRO, 300 * MICRO, 100 * MICRO]
    assert (h.kinds, data.scale, data.until) == (("rating",), (1, 5), 300 * MICRO)
    assert (len(data), data.n_active_users, data.n_active_items) == (4, 2, 3)
    assert repr(data) == "<Dataset dict: 4 events of 2 users on 3 items>"


@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter_when_times_differ(order):
    table = pl.DataFrame(
        {
            "user": [n % 3 for n in range(12)],
            "item": [n * 5 % 7 for n in range(12)],
            "kind": ["view", "buy", "zoom"] * 4,
            "time": range(100, 112),
        }
    )
    assert Dataset.of(table[list(order)]).fingerprint() == Dataset.of(table).fingerprint()


def test_fingerprints_tell_data_apart(data):
    others = [
        {**EVENTS, "user": ["v", "u", "u", "x"]},
        {**EVENTS, "item": [30, 10, 20, 11]},
        {**EVENTS, "rating": [3, 5, None, 2]},
        {**EVENTS, "timestamp": [100, 300, 200, 301]},
    ]
    prints = {Dataset.of(o).fingerprint() for o in others} | {data.fingerprint()}
    assert len(prints) == 5


@pytest.mark.parametrize(
    "ids",
    [[5, 3], ["b", "a"], [uuid.UUID(int=2), uuid.UUID(int=1)], [2**62, -1]],
    ids=["int", "str", "uuid", "large"],
)
def test_ids_keep_their_type_all_the_way(ids):
    data = Dataset.of({"user": ids, "item": ids}, items={"item": ids, "title": ["x", "y"]})
    assert list(data.users) == list(data.items) == sorted(ids)
    assert data.queries(users=[ids[0]]).user.tolist() == [1]
    assert data.item_table["title"].to_list() == ["y", "x"]


def test_row_pointers_are_64_bit(data):
    for array in (data.histories.indptr, data.weights().indptr, data.ratings().indptr):
        assert array.dtype == np.int64


def test_kinds_and_sessions_are_codes():
    table = {
        "user": [1, 1, 1, 2],
        "item": [1, 2, 3, 1],
        "kind": ["view", "buy", "view", "zoom"],
        "session": ["s2", "s1", None, "s2"],
        "device": ["tv", "tv", None, "pc"],
    }
    h = Dataset.of(table, context=("device",)).histories
    assert h.kinds == ("buy", "view", "zoom")
    assert [h.kinds[k] for k in h.kind] == table["kind"]
    assert h.session.tolist() == [1, 0, -1, 1]
    assert h.context["device"].to_list() == table["device"]


def test_sessions_may_be_uuids():
    one, two = uuid.UUID(int=1), uuid.UUID(int=2)
    data = Dataset.of({"user": [1, 1, 1], "item": [1, 2, 3], "session": [two, None, one]})
    assert data.histories.session.tolist() == [1, -1, 0]


def test_too_many_kinds_are_an_error_and_not_a_wrapped_code():
    n = 33_000
    with pytest.raises(BadEvents, match="33,000 kinds of event, such as '0': is it the column"):
        Dataset.of({"user": range(n), "item": range(n), "kind": [str(k) for k in range(n)]})


def test_a_dataset_without_ratings_or_times_says_so():
    data = Dataset.of({"user": [1], "item": [1]})
    assert (data.scale, data.until, data.ratings().nnz) == (None, -1, 0)
    assert data.now().tolist() == [-1]
    assert describe(data)["first"] is None


def test_where_keeps_the_vocabularies(data):
    some = data.where(data.histories.item == 2)
    assert some.items is data.items
    assert some.users is data.users
    assert len(some) == some.n_active_users == some.n_active_items == 1


def test_a_description_counts(data):
    table = {"item": [10, 20, 30, 40]}
    assert describe(Dataset.of(EVENTS, items=table)) == {
        "events": 4, "users": 2, "items": 3, "items without events": 1, "density": 4 / 6,
        "scale": (1.0, 5.0), "kinds": ("rating",), "first": 100 * MICRO, "last": 300 * MICRO,
    }  # fmt: skip


# --- tables


def test_tables_are_aligned_to_codes():
    data = Dataset.of(
        EVENTS,
        items={"title": ["D", "A"], "movie_id": [40, 10], "year": [2000, None]},
        users=pl.DataFrame({"user": ["w", "v"], "age": [5, 6]}),
    )
    assert list(data.items) == [10, 20, 30, 40]
    assert data.item_table.rows(named=True) == [
        {"movie_id": 10, "title": "A", "year": None},
        {"movie_id": 20, "title": None, "year": None},
        {"movie_id": 30, "title": None, "year": None},
        {"movie_id": 40, "title": "D", "year": 2000},
    ]
    assert list(data.users) == ["u", "v", "w"]
    assert data.user_table["age"].to_list() == [None, 6, 5]
    assert data.n_active_items == 3
    assert "2 of 3 items have no row in their table" in data.reading.lines()
    assert "1 of 2 users have no row in their table" in data.reading.lines()
    assert data.shown.rows() == [("A",), (None,), (None,), ("D",)]


@pytest.mark.parametrize(
    "table",
    [
        {"item": [10, 20], "title": ["a", "b"]},
        {"title": ["a", "b"], "item": [10, 20]},
        {"title": ["a", "b"], "movieId": [10, 20]},
        {"title": ["a", "b"], "Item ID": [10, 20]},
        {"key": [10, 20], "title": ["a", "b"]},
    ],
    ids=str,
)
def test_the_key_of_a_table_is_found(table):
    assert Dataset.of(EVENTS, items=table).shown["title"].to_list() == ["a", "b", None]


def test_the_events_own_name_for_the_key_goes_first():
    table = {"item": [7, 8], "movieId": [10, 20], "title": ["a", "b"]}
    events = {"user": [1, 2], "movieId": [10, 20]}
    assert Dataset.of(events, items=table).shown["title"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"item": [10, 10]}, "item table, column 'item' describes 10 more than once"),
        ({"item": ["10", "20"]}, "holds str ids such as '10', the events' item column int ids"),
        ({"item": [10, None]}, "item table, column 'item': row 1 has no id"),
        ({"item": [10.5, 2.0]}, "item table, column 'item': ids must be integers"),
        ({"item": [1, 2]}, "none of its ids, such as 1, occurs in the events"),
        ({"title": ["a", "b"]}, "column 'title' holds str ids such as 'a'"),
        ({}, "the item table has no columns"),
    ],
    ids=str,
)
def test_tables_that_do_not_fit_are_said(table, message):
    with pytest.raises(BadEvents, match=message):
        Dataset.of(EVENTS, items=table)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String, pl.Null])
def test_an_empty_table_describes_nobody(dtype):
    table = pl.DataFrame(schema={"item": dtype, "title": pl.String})
    data = Dataset.of(EVENTS, items=table)
    assert data.item_table["title"].to_list() == [None] * 3
    assert "3 of 3 items have no row in their table" in data.reading.lines()


def test_titles_and_genres_are_found_in_any_case():
    table = {"item": [10], "Name": ["Alien"], "Category": ["Horror"], "year": [1979]}
    shown = Dataset.of(EVENTS, items=table).shown
    assert shown.row(0, named=True) == {"title": "Alien", "genres": "Horror"}
    assert Dataset.of(EVENTS, items={"item": [10], "year": [1979]}).shown is None
    assert Dataset.of(EVENTS).shown is None


# --- spellings of ids

SPELT = {"user": ["Ann", "ann ", "BO", "Ann", "bo"], "item": ["x1", "X1", "x1 ", "y2", "Z3"]}


def test_spellings_are_one_id_where_feedback_says_so():
    assert len(Dataset.of(SPELT).users) == 4
    trimmed = Dataset.of(SPELT, feedback=Feedback(ids="trimmed"))
    assert list(trimmed.users) == ["Ann", "BO", "ann ", "bo"]
    folded = Dataset.of(SPELT, feedback=Feedback(ids="folded"))
    assert list(folded.users) == ["Ann", "BO"]
    assert folded.histories.lengths.tolist() == [3, 2]
    assert (
        "2 user ids are others, spelt differently, such as 'ann ' for 'Ann'"
        in folded.reading.lines()
    )
    asked = folded.queries(users=[" ANN", "bo"])
    assert asked.user.tolist() == [0, 1]
    assert folded.queries(likes=[["X1", "z3"]]).histories.item.tolist() == (
        folded.items.encode(["x1", "Z3"]).tolist()
    )
    with pytest.raises(UnknownId, match="'cy'"):
        folded.queries(users=["cy"])


def test_the_spelling_of_the_table_goes_before_that_of_the_events():
    table = {"item": ["X1", "z3", "W4"], "title": ["Alien", "Babe", "Cube"]}
    data = Dataset.of(SPELT, items=table, feedback=Feedback(ids="folded"))
    assert dict(zip(data.items, data.item_table["title"], strict=True)) == {
        "W4": "Cube", "X1": "Alien", "y2": None, "z3": "Babe",
    }  # fmt: skip
    assert data.item_table["item"].to_list() == list(data.items)
    assert "1 of 3 items have no row in their table" in data.reading.lines()
    twice = {"item": ["x1", "X1"], "title": ["a", "b"]}
    assert Dataset.of(SPELT, items=twice).item_table is not None
    with pytest.raises(BadEvents, match="describes 'x1' more than once"):
        Dataset.of(SPELT, items=twice, feedback=Feedback(ids="folded"))


def test_feedback_and_ids_that_disagree_are_said(data):
    with pytest.raises(Incompatible, match=r"Feedback.ids is 'folded', .* as 'exact', such as"):
        replace(data, feedback=Feedback(ids="folded"))


# --- queries


def test_everyone_is_asked_about_by_default(data):
    asked = data.queries()
    assert asked.user.tolist() == [0, 1]
    assert asked.histories is data.histories
    assert asked.now.tolist() == [data.until] * 2
    assert data.queries(now=5).now.tolist() == [5, 5]


@pytest.mark.parametrize("make", [list, tuple, np.array, pl.Series])
def test_known_users_come_in_the_order_asked_for(data, make):
    asked = data.queries(users=make(["v", "u", "v"]))
    assert asked.user.tolist() == [1, 0, 1]
    assert asked.histories.lengths.tolist() == [1, 3, 1]


def test_strangers_are_asked_about_by_what_they_like(data):
    asked = data.queries(likes=[[30, 10], [], (20,), np.array([10])])
    assert asked.user.tolist() == [-1] * 4
    assert asked.histories.item.tolist() == [2, 0, 1, 0]
    assert asked.histories.lengths.tolist() == [2, 0, 1, 1]
    assert asked.histories.kinds == ("like",)
    assert data.feedback.weigh(asked.histories, 3, asked.now).data.tolist() == [1] * 4


def test_tastes_alone_or_beside(data):
    alone = data.queries(tastes=[{"Drama": 1}, {}])
    assert alone.user.tolist() == [-1, -1]
    assert alone.histories.lengths.tolist() == [0, 0]
    beside = data.queries(users=["u"], tastes=({"Drama": np.float32(0.5)},))
    assert beside.tastes == ({"Drama": 0.5},)
    assert beside.histories.lengths.tolist() == [3]


def test_user_features_come_from_the_table_for_known_users():
    data = Dataset.of(EVENTS, users={"user": ["u", "v"], "age": [5, 6]})
    assert data.queries(users=["v"]).user_features["age"].to_list() == [6]
    assert data.queries(likes=[[10]]).user_features is None
    told = data.queries(likes=[[10]], user_features={"age": [9]})
    assert told.user_features["age"].to_list() == [9]
    assert data.queries(users=["v"], context={"device": ["tv"]}).context.rows() == [("tv",)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"users": "u"}, BadParameter, r"ids are given as a list, such as \['u'\]"),
        ({"users": 5}, BadParameter, "ids are given as a list"),
        ({"users": [5]}, Incompatible, "these ids are strings, such as 'u', not integers"),
        ({"users": ["u", "w"]}, UnknownId, "no such id: 'w'; 2 are known"),
        ({"users": [None]}, BadEvents, "row 0 has no id"),
        ({"users": ["u"], "likes": [[10]]}, BadParameter, "for known users or for strangers"),
        ({"likes": [10]}, BadParameter, "likes is a list of lists, one for each stranger; got 10"),
        ({"likes": 10}, BadParameter, "likes is a list of lists"),
        ({"likes": ["ab"]}, BadParameter, "likes is a list of lists"),
        ({"likes": [["10"]]}, Incompatible, "asked for '10'"),
        ({"likes": [[10], [10, 99]]}, UnknownId, "likes: no such id: 99"),
        ({"tastes": {"Drama": 1}}, BadParameter, "tastes is a list, one mapping for each asker"),
        ({"tastes": 3}, BadParameter, "tastes is a list"),
        ({"tastes": ["Drama"]}, BadParameter, "tastes are weights by name"),
        ({"tastes": [{"Drama": "x"}]}, BadParameter, "taste for 'Drama' must be a number, got 'x'"),
        ({"tastes": [{"Drama": float("nan")}]}, BadParameter, "must be a number, got nan"),
        ({"users": ["u"], "tastes": [{}, {}]}, BadParameter, "tastes has 2 rows for 1 queries"),
        ({"users": ["u"], "context": {"a": [1, 2]}}, BadParameter, "context has 2 rows for 1"),
        ({"users": ["u"], "user_features": {"a": []}}, BadParameter, "user_features has 0 rows"),
        ({"users": ["u"], "now": 5.5}, BadParameter, "now is a whole number of microseconds"),
        ({"users": ["u"], "now": "today"}, BadParameter, "now is a whole number"),
    ],
    ids=str,
)  # fmt: skip
def test_questions_that_make_no_sense_are_said(data, arguments, error, message):
    with pytest.raises(error, match=message):
        data.queries(**arguments)


def test_nobody_may_be_asked_about(data):
    assert len(data.queries(users=[])) == len(data.queries(likes=[])) == 0


def test_feedback_and_names_are_kept():
    feedback = Feedback(liked=4)
    data = Dataset.from_events(Events.from_frame(EVENTS), feedback=feedback, name="mine")
    assert data.feedback is feedback
    assert data.name == "mine"
    assert data.weights().nnz == 1


def test_events_are_what_the_dataset_holds():
    table = {
        "user": ["b", "a", "b", "b"], "item": [1, 2, 1, 3], "kind": ["view", "view", "buy", "view"],
        "value": [1.5, None, 2.5, None], "time": [30, 10, 20, 30], "session": [7, None, 9, 7],
        "device": ["tv", "tv", None, "web"],
    }  # fmt: skip
    data = Dataset.of(table, context=["device"])
    events = data.events()
    assert events.frame.drop("time", "session").rows() == [
        ("a", 2, "view", pytest.approx(math.nan, nan_ok=True), "tv"),
        ("b", 1, "buy", 2.5, None),
        ("b", 1, "view", 1.5, "tv"),
        ("b", 3, "view", pytest.approx(math.nan, nan_ok=True), "web"),
    ]
    assert events.frame["time"].to_list() == [n * 10**6 for n in (10, 20, 30, 30)]
    assert events.frame["session"].is_null().to_list() == [True, False, False, False]
    assert (events.reading.rows, events.reading.missing_values, events.reading.repeats) == (4, 2, 0)
    again = Dataset.from_events(events)
    assert again.fingerprint() == data.fingerprint()
    bare = Dataset.of({"user": [1, 1], "item": [2, 2]}).events()
    assert set(bare.reading.columns) == {"user", "item", "kind"}
    assert (bare.reading.repeats, bare.reading.missing_values) == (1, 0)
