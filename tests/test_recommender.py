"""What the base class does for every model: codes are translated, fits are whole or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant import recommender
from penchant.errors import BadParameter, Incompatible, NotFitted
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Epoch, Recommender, column_scores

EVENTS = {"user": ["u", "u", "v"], "item": ["a", "b", "c"], "rating": [4, 5, 3]}
TITLES = {"item": ["a", "b", "c"], "title": ["Alien", None, "Cars"]}


@dataclass(kw_only=True)
class Ord(Recommender):
    """Scores an item by its letter, plus 100 for each event in the history; "b" is NaN."""

    epochs: int = hyper(2, "how many", at_least=1)
    fail: bool = hyper(False, "whether the fit breaks off")
    wrong: str = hyper("", "how the contract is broken")

    @property
    def reads(self):
        return frozenset({"history"})

    def _fit(self, data, rng, on_epoch):
        self.drawn_ = rng.random(3)
        self.letters_ = np.array([ord(i) - ord("a") for i in data.items], np.float32)
        self.letters_[self.letters_ == 1] = np.nan
        if self.fail:
            raise RuntimeError("half-way")
        for n in range(self.epochs):
            if on_epoch and on_epoch(Epoch(n + 1, self.epochs, np.nan, 0.0, self)):
                break

    def _score(self, queries, items):
        if self.wrong == "shape":
            return np.zeros((len(queries), 1), np.float32)
        scores = self.letters_ + 100 * queries.histories.lengths[:, None]
        return column_scores(scores if self.wrong else scores.astype(np.float32), items)


@pytest.fixture
def data():
    return pt.Dataset.of(EVENTS, items=TITLES)


@pytest.fixture
def model(data):
    return Ord().fit(data)


def asked(items, likes, users=()) -> Queries:
    """Strangers in the codes of another vocabulary."""
    known = IdMap(items)
    codes = [known.encode(row) for row in likes]
    people = np.repeat(np.arange(len(likes)), [len(c) for c in codes])
    histories = Histories.of(
        people, np.concatenate([*codes, np.zeros(0, np.int32)]), people=len(likes)
    )
    return Queries(known, IdMap(users), histories, np.full(len(likes), -1, np.int32))


@settings(max_examples=60, deadline=None)
@given(st.permutations(list("abcxyz")), st.integers(0, 6), st.data())
def test_any_vocabulary_gets_the_same_scores(order, size, data):
    """Each id has its own score, whatever its code is in the queries."""
    model = Ord().fit(pt.Dataset.of(EVENTS))
    items = order[:size]
    likes = [data.draw(st.lists(st.sampled_from(items))) if items else [] for _ in range(2)]
    queries = asked(items, likes)
    score = {"a": 0.0, "c": 2.0}
    extra = [100 * sum(i in "abc" for i in row) for row in likes]  # unknown items disappear
    expected = [[score.get(i, np.nan) + more for i in items] for more in extra]
    np.testing.assert_array_equal(model.score(queries), np.reshape(expected, (2, size)))
    some = data.draw(st.lists(st.integers(-1, size - 1), max_size=4))
    columns = [[row[c] if c >= 0 else np.nan for c in some] for row in expected]
    shared = model.score(queries, np.array(some, np.int32))
    np.testing.assert_array_equal(shared, np.reshape(columns, (2, len(some))))
    own = np.array([some, some[::-1]], np.int32).reshape(2, -1)
    np.testing.assert_array_equal(model.score(queries, own)[1, ::-1], columns[1])


def test_lists_keep_their_titles_in_another_vocabulary(model, data):
    found = model.recommend(asked(["x", "c", "a"], [[], ["a"]]), k=3).to_frame()
    assert found.select("item", "title", "score").rows() == [
        ("c", "Cars", 2.0), ("a", "Alien", 0.0), ("c", "Cars", 102.0),
    ]  # fmt: skip
    same = model.recommend(data.queries(likes=[[]])).to_frame()
    assert same["title"].to_list() == ["Cars", "Alien"]


@pytest.mark.parametrize("block", [1, 12, 24, 2**26])
def test_blocks_of_any_size_give_the_same_lists(monkeypatch, model, data, block):
    monkeypatch.setattr(recommender, "BLOCK_BYTES", block)
    queries = data.queries(likes=[[], ["c"], ["a", "c"], [], ["a"]])
    found = model.recommend(queries, k=2)
    assert found.ids() == [["c", "a"], ["a"], [], ["c", "a"], ["c"]]
    rules = pt.Rules(exclude=[[], ["a"], [], ["c"], []], per_query=True)
    assert model.recommend(queries, k=2, rules=rules).ids() == [["c", "a"], [], [], ["a"], ["c"]]


def test_nobody_gets_no_list(model, data):
    found = model.recommend(data.queries(users=[]))
    assert (len(found), found.ids(), found.to_frame().height) == (0, [], 0)


def test_a_model_is_fitted_before_it_is_asked(data):
    for call in (lambda m: m.score(data.queries()), lambda m: m.recommend(data.queries())):
        with pytest.raises(NotFitted, match=r"Ord has not been fitted: call fit\(data\) first"):
            call(Ord())


def test_a_fit_is_from_scratch_and_its_seed_decides(data):
    drawn = [Ord().fit(data, rng=r).drawn_ for r in (None, 0, np.random.default_rng(0), 1)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()
    assert (drawn[0] != drawn[3]).all()
    model = Ord().fit(data)
    assert model.training_.seed == 0
    model.left_ = np.zeros(1)
    model.fit(data, rng=np.random.default_rng(5))
    assert not hasattr(model, "left_")
    assert model.training_.seed is None
    for wrong in ("x", 1.5, -1, [1]):  # not silently another model each time
        with pytest.raises(BadParameter, match="rng must be a seed of at least 0 or a numpy Gen"):
            model.fit(data, rng=wrong)


def test_half_a_fit_leaves_no_model(data, model):
    model.fail = True
    with pytest.raises(RuntimeError, match="half-way"):
        model.fit(data)
    with pytest.raises(NotFitted):
        model.score(data.queries())
    assert not hasattr(model, "letters_")


def test_what_was_learned_cannot_be_written_to(model):
    with pytest.raises(ValueError, match="read-only"):
        model.letters_[0] = 7


def test_epochs_are_told_and_can_be_stopped(data):
    told = []
    Ord(epochs=3).fit(data, on_epoch=lambda e: told.append((e.number, e.total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    told.clear()
    Ord(epochs=3).fit(data, on_epoch=lambda e: told.append(e.number) or e.number == 2)
    assert told == [1, 2]
    scores = []
    Ord(epochs=1).fit(data, on_epoch=lambda e: scores.append(e.model.score(data.queries())))
    assert scores[0].shape == (2, 3)


def test_a_model_remembers_names_and_meanings(model, data):
    training = model.training_
    assert training.items is data.items
    assert (training.events, training.scale, training.until) == (3, (3, 5), -1)
    assert training.fingerprint == data.fingerprint()
    assert [training.title(i) for i in ("a", "b", "z")] == ["Alien", "b", "z"]
    bare = Ord().fit(pt.Dataset.of(EVENTS)).training_
    assert bare.title("a") == "a"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (np.zeros((3, 1), np.int32), r"items have shape \(3, 1\); \(m,\) or \(2, m\) is needed"),
        (np.zeros((2, 1, 1), np.int32), "is needed"),
        (np.int32(0), r"items have shape \(\)"),
        ([3], "item codes run from -1 to 2, got 3 to 3"),
        ([-2, 0], "item codes run from -1 to 2, got -2 to 0"),
    ],
    ids=str,
)
def test_codes_are_checked(model, data, items, message):
    with pytest.raises(Incompatible, match=message):
        model.score(data.queries(), items)


@pytest.mark.parametrize("wrong", ["shape", "dtype"])
def test_authors_are_told_what_their_scores_should_be(data, wrong):
    model = Ord(wrong=wrong).fit(data)
    with pytest.raises(Incompatible, match=r"Ord._score gave .*; float32 of shape \(2, 3\) is the"):
        model.score(data.queries())


def test_ids_of_another_type_are_no_strangers(model):
    with pytest.raises(Incompatible, match="ids are integers on one side and strings on the other"):
        model.score(asked([1, 2], [[1]]))


def test_hyper_parameters_are_checked_when_made_and_when_fitted(data):
    with pytest.raises(BadParameter, match=r"Ord.epochs must be at least 1, got 0"):
        Ord(epochs=0)
    model = Ord()
    model.epochs = "many"
    with pytest.raises(BadParameter, match=r"Ord.epochs must be a whole number, got 'many'"):
        model.fit(data)


def test_columns_are_picked_and_minus_one_is_nan():
    whole = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    assert column_scores(whole, None) is whole
    np.testing.assert_array_equal(
        column_scores(whole, np.array([2, -1])), [[3, np.nan], [6, np.nan]]
    )
    np.testing.assert_array_equal(column_scores(whole, np.array([[0], [1]])), [[1], [5]])
    assert np.isnan(column_scores(np.zeros((2, 0), np.float32), np.array([-1]))).all()


def test_learned_arrays_are_found_wherever_they_are(data):
    matrix = data.weights()
    inner = Ord().fit(data)
    held = [np.zeros(1), (matrix, {"x": np.ones(1)}), inner, pl.DataFrame(), None]
    assert len(list(recommender.arrays_in(held))) == 1 + 3 + 1 + 2
    assert recommender.settings(inner) == {"epochs": 2, "fail": False, "wrong": ""}
