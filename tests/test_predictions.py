"""Pairs in, predictions out, in the same order and within the scale."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant import predictions
from penchant.errors import BadEvents, BadParameter, Incompatible, NotFitted
from penchant.recommender import Recommender, column_scores

EVENTS = {
    "user": ["u", "u", "v", "w"],
    "item": [10, 20, 30, 10],
    "rating": [1.0, 2.0, 4.0, 4.0],
    "timestamp": [1, 2, 3, 4],
}


@dataclass(kw_only=True)
class Sums(Recommender):
    """Scores item + number of events in the history, plus 0.5 for a known user; NaN for item 30."""

    stored: bool = True
    shift: float = 0.0

    @property
    def reads(self):
        return frozenset({"user", "history"} if self.stored else {"history"})

    @property
    def scores(self):
        return "rating"

    def _fit(self, data, rng, on_epoch):
        self.values_ = np.array([float(i) / 10 if i != 30 else np.nan for i in data.items])
        self.asked_ = np.zeros(0)

    def _score(self, queries, items):
        whole = self.values_ + queries.histories.lengths[:, None] + self.shift
        whole = whole + 0.5 * (queries.user >= 0)[:, None]
        return column_scores(whole.astype(np.float32), items)


@pytest.fixture
def data():
    return pt.Dataset.of(EVENTS)


@pytest.fixture
def model(data):
    return Sums(shift=-2.0).fit(data)


def test_a_prediction_stands_beside_its_pair(data, model):
    pairs = [("v", 10), ("u", 20), ("v", 10), ("u", 10), ("nobody", 20), ("u", 30), ("u", 99)]
    found = pt.predict(model, pairs, data)
    assert found.columns == ["user", "item", "prediction"]
    assert found.select("user", "item").rows() == pairs
    expected = [1, 2.5, 1, 1.5, 1, np.nan, np.nan]  # clipped to 1 at the lower end
    np.testing.assert_allclose(found["prediction"], expected)
    assert found["prediction"].dtype == pl.Float32


def test_predictions_stay_within_the_scale(data):
    assert pt.predict(Sums(shift=9.0).fit(data), [("u", 10)], data)["prediction"][0] == 4
    assert pt.predict(Sums(shift=-9.0).fit(data), [("u", 10)], data)["prediction"][0] == 1


def test_without_data_the_model_answers_from_what_it_stored(data, model):
    assert pt.predict(model, [("u", 20)])["prediction"][0] == pytest.approx(1)
    with pytest.raises(Incompatible, match=r"answers from a person's own ratings.*pass data="):
        pt.predict(Sums(stored=False).fit(data), [("u", 20)])


def test_data_that_knows_less_than_the_model_is_enough(data, model):
    less = pt.Dataset.of({"user": ["w", "x"], "item": [10, 99], "rating": [3, 3]})
    found = pt.predict(model, [("w", 20), ("x", 30), ("u", 10), ("y", 10), ("w", 99)], less)
    # one event and known; NaN; no events and known; a stranger, clipped; an item it never met
    np.testing.assert_allclose(found["prediction"], [1.5, np.nan, 1, 1, np.nan])


def test_who_is_in_no_data_has_no_features(data):
    told = pt.Dataset.of(EVENTS, users={"user": ["u", "v", "w"], "age": [2, 3, 4]})
    seen = []

    @dataclass(kw_only=True)
    class Watched(Sums):
        def _score(self, queries, items):
            seen.append(queries.user_features["age"].to_list())
            return super()._score(queries, items)

    less = pt.Dataset.of({"user": ["v"], "item": [10]}, users={"user": ["v"], "age": [3]})
    pt.predict(Watched().fit(told), [("v", 10), ("w", 10)], less)
    assert seen == [[3, None]]


PAIRS = st.lists(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from([10, 20, 30, 99])))


@pytest.mark.parametrize("size", [1, 40, predictions.BLOCK_BYTES])
@settings(max_examples=30, deadline=None)
@given(pairs=PAIRS)
def test_blocks_of_any_size_give_the_same(size, pairs):
    data = pt.Dataset.of(EVENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "BLOCK_BYTES", size)
        found = pt.predict(Sums(shift=-2.0).fit(data), pairs, data)["prediction"].to_list()
    lengths = {"u": 2, "v": 1, "w": 1}
    expected = [
        np.clip(i / 10 + lengths.get(u, 0) - 2 + 0.5 * (u in lengths), 1, 4)
        if i in (10, 20)
        else np.nan
        for u, i in pairs
    ]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    "pairs",
    [
        [["u", 20], ("v", 10)],
        {"user": ["u", "v"], "item": [20, 10]},
        pl.DataFrame({"movieId": [20, 10], "userId": ["u", "v"], "rating": [1, 2]}),
        [{"user": "u", "item": 20}, {"user": "v", "item": 10}],
    ],
    ids=lambda p: type(p).__name__,
)
def test_pairs_may_be_tables(data, model, pairs):
    assert pt.predict(model, pairs, data)["prediction"].to_list() == pytest.approx([2.5, 1])


def test_no_pairs_no_predictions(data, model):
    assert pt.predict(model, [], data).shape == (0, 3)


def test_uuids_leave_as_text():
    ids = [uuid.UUID(int=1), uuid.UUID(int=2)]
    data = pt.Dataset.of({"user": ids, "item": [10, 20], "rating": [1, 5]})
    found = pt.predict(Sums().fit(data), [(ids[0], 10)], data)
    assert found["user"].to_list() == [str(ids[0])]


def test_features_of_people_are_passed_on(data):
    @dataclass(kw_only=True)
    class Aged(Sums):
        def _score(self, queries, items):
            ages = queries.user_features["age"].fill_null(0).to_numpy()
            return column_scores(np.tile(ages[:, None], 3).astype(np.float32), items)

    told = pt.Dataset.of(EVENTS, users={"user": ["u", "v", "w"], "age": [2, 3, 4]})
    found = pt.predict(Aged().fit(told), [("v", 10), ("nobody", 10), ("u", 20)], told)
    assert found["prediction"].to_list() == [3, 1, 2]


@dataclass(kw_only=True)
class Placed(Sums):
    """Scores the hour of asking, plus 0.1 for each letter of the place."""

    @property
    def reads(self):
        return super().reads | {"time", "context"}

    def _score(self, queries, items):
        said = np.zeros((len(queries), 3), np.float32)
        if queries.now is not None:
            said += (queries.now // 3_600_000_000)[:, None]
        if queries.context is not None:
            said += queries.context["place"].str.len_chars().to_numpy()[:, None] / 10
        return column_scores(said, items)


def test_circumstances_are_asked_about_pair_by_pair():
    data = pt.Dataset.of(EVENTS | {"rating": [0, 1, 2, 99]})
    table = {
        "item": [10, 10, 10, 20], "user": ["u", "u", "nobody", "v"], "rating": [1, 2, 3, 4],
        "place": ["a", "bbb", "cc", ""],
        "timestamp": ["1970-01-01 03:00", "1970-01-01 02:00", "1970-01-03", "1970-01-01 01:59"],
    }  # fmt: skip
    model = Placed().fit(data)
    expected = [3.1, 2.3, 48.2, 1.0]
    for where in (data, None):
        found = pt.predict(model, table, where)
        assert found["prediction"].to_list() == pytest.approx(expected)
        assert found["user"].to_list() == table["user"]
    untold = pl.DataFrame(table).drop("place")
    assert pt.predict(model, untold, data)["prediction"].to_list() == [3, 2, 48, 1]
    timeless = pl.DataFrame(table).drop("timestamp")
    assert pt.predict(model, timeless)["prediction"].to_list() == pytest.approx([0.1, 0.3, 0.2, 0])
    grouped = pt.predict(model, [("u", 10), ("v", 20)], data)
    assert grouped["prediction"].to_list() == [0, 0]  # the time of the last event, in 1970
    assert pt.predict(model, pl.DataFrame(table).clear(), data).shape == (0, 3)
    with pytest.raises(BadEvents, match=r"pairs: 1 of 1 rows .* time that cannot be read"):
        pt.predict(model, {"user": ["u"], "item": [10], "time": ["soon"]}, data)


def test_circumstances_that_a_model_does_not_read_change_nothing(data, model):
    told = {"user": ["u"], "item": [20], "time": ["nonsense"], "place": [[1]]}
    assert pt.predict(model, told, data)["prediction"][0] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        ([("u", 10), ("u",)], BadParameter, r"pairs are \(user, item\), got \('u',\)"),
        ([("u", 10), "u"], BadParameter, r"pairs are \(user, item\), got 'u'"),
        ({"user": ["u"]}, BadEvents, "pairs: no item column found among user"),
        ([(None, 10)], BadEvents, "row 0 has no id"),
        ([(5, 10)], Incompatible, "asked for 5: these ids are strings"),
        (["u"], BadEvents, "row 0 is not a mapping"),
        (3, BadEvents, "int is not a table"),
    ],
)
def test_what_are_no_pairs_is_said(data, model, pairs, error, message):
    with pytest.raises(error, match=message):
        pt.predict(model, pairs, data)


def test_what_is_no_model_and_no_data_is_said(data, model):
    with pytest.raises(BadParameter, match=r"a model is a fitted value such as .* got <class"):
        pt.predict(pt.SVD, [("u", 10)], data)
    with pytest.raises(BadParameter, match=r"data is a Dataset, such as .* got \[1\]"):
        pt.predict(model, [("u", 10)], [1])


def test_models_that_rank_do_not_predict(data):
    with pytest.raises(BadParameter, match="Popularity scores rank, not ratings"):
        pt.predict(pt.Popularity().fit(data), [("u", 10)])
    with pytest.raises(NotFitted):
        pt.predict(Sums(), [("u", 10)])
