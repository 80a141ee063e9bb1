"""Markov chains and sequential rules against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from naive_sequences import by_session, scored
from penchant.errors import BadEvents, BadParameter, UnknownId
from penchant.testing import check_recommender

ITEMS = list(range(6))
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from(ITEMS[:5])),
    min_size=1, max_size=30,
)  # fmt: skip
MODELS = [
    (pt.MarkovChain(shrinkage=3.0), [1.0], [1.0]),
    (pt.MarkovChain(shrinkage=0.0), [1.0], [1.0]),
    (
        pt.SequentialRules(steps=3, recent=2, shrinkage=2.0),
        [1.0, 1 / 2, 1 / 3], [1.0, 1 / 2],
    ),
    (
        pt.SequentialRules(steps=2, recent=3, shrinkage=0.5, decay="quadratic"),
        [1.0, 1 / 4], [1.0, 1 / 4, 1 / 9],
    ),
    (
        pt.SequentialRules(steps=2, recent=2, shrinkage=1.0, decay="same"),
        [1.0, 1.0], [1.0, 1.0],
    ),
]  # fmt: skip


def dataset(events, *, sessions, **options) -> pt.Dataset:
    table = {"user": [u for u, _, _ in events], "item": [i for _, _, i in events]}
    if sessions:
        table["session"] = [s for _, s, _ in events]
    return pt.Dataset.of(table, items={"item": ITEMS}, **options)


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.booleans(), st.sampled_from(MODELS))
def test_scores_are_counted(events, sessions, chosen):
    model, weights, voices = chosen
    data = dataset(events, sessions=sessions)
    told = [(u, s if sessions else 0, i) for u, s, i in events]
    found = model.fit(data).score(data.queries())
    for row, user in enumerate(data.users):
        last = [s for u, s, _ in told if u == user][-1]
        history = [i for u, s, i in told if u == user and s == last]
        wanted = scored(by_session(told), history, weights, voices, model.shrinkage, ITEMS)
        expected = [np.nan if wanted is None else wanted.get(i, np.nan) for i in data.items]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-7)


def test_a_chain_by_hand():
    """After a: b twice, c once; 6 events, of which two are b and one is c."""
    data = pt.Dataset.of({"user": [1, 1, 2, 2, 3, 3], "item": ["a", "b", "a", "b", "a", "c"]})
    model = pt.MarkovChain(shrinkage=3.0).fit(data)
    scores = dict(zip(data.items, model.score(data.queries(likes=[["a"]]))[0], strict=True))
    assert scores["b"] == pytest.approx((2 + 3 * 2 / 6) / (3 + 3))
    assert scores["c"] == pytest.approx((1 + 3 * 1 / 6) / (3 + 3))
    assert model.similar(["a"], k=2).ids() == [["b", "c"]]
    with pytest.raises(UnknownId):
        model.similar(["z"])


def test_only_the_last_event_of_a_chain_speaks_and_order_matters():
    data = pt.Dataset.of({"user": [1, 1, 2, 2], "item": ["a", "b", "c", "d"]})
    model = pt.MarkovChain().fit(data)
    asked = data.queries(likes=[["a", "c"], ["c", "a"], ["b", "a"], [], ["a"]])
    assert [row[:1] for row in model.recommend(asked, k=1).ids()] == [
        ["d"],
        ["b"],
        ["c"],
        [],
        ["b"],
    ]
    assert np.isnan(model.score(asked)[3]).all()


def test_what_weighs_nothing_is_not_between():
    """A hidden item is left out before places are counted, in training and in asking."""
    table = {
        "user": [1, 1, 1, 2, 2], "item": ["a", "x", "b", "x", "c"],
        "kind": ["view", "hide", "view", "view", "view"],
    }  # fmt: skip
    data = pt.Dataset.of(table)
    model = pt.MarkovChain().fit(data)
    assert model.recommend(data.queries(likes=[["a"]]), k=1).ids() == [["b"]]


def test_equal_times_keep_the_order_recorded():
    table = {"user": [1] * 3, "item": ["a", "b", "c"], "time": [5, 5, 5]}
    model = pt.MarkovChain().fit(pt.Dataset.of(table))
    data = pt.Dataset.of(table)
    assert model.recommend(data.queries(likes=[["a"]]), k=1).ids() == [["b"]]


def test_reasons_name_the_last_items():
    data = dataset([(0, 0, i) for i in (0, 1, 2, 3, 4, 0, 2, 1)], sessions=False)
    model = pt.SequentialRules(recent=3, shrinkage=1.0).fit(data)
    query = data.queries(users=[0])
    for item in ITEMS[:5]:
        reason = model.answer(query).explain(0, [item])[0]
        assert {s.id for s in reason.shares} == {0, 1, 2}
        assert sum(s.amount for s in reason.shares) == pytest.approx(reason.score, rel=1e-5)
    assert np.isnan(model.answer(query).explain(0, [5])[0].score)


@settings(max_examples=25, deadline=None)
@given(
    EVENTS, EVENTS, st.booleans(), st.sampled_from(MODELS),
    st.sampled_from([{}, {"repeats": "last"}, {"take_back": ("hide",)}]),
)  # fmt: skip
def test_learning_in_two_steps_is_learning_at_once(first, second, sessions, chosen, rules):
    model = chosen[0]
    feedback = pt.Feedback(**rules)
    everyone = {"user": list(range(4))}
    later = [*first, *second]
    table = {
        "user": [u for u, _, _ in later], "item": [f"i{i}" for _, _, i in later],
        "time": range(len(later)), "kind": ["hide" if i % 4 == 3 else "view" for _, _, i in later],
    }  # fmt: skip
    table |= {"session": [s for _, s, _ in later]} if sessions else {}
    early = {name: list(column)[: len(first)] for name, column in table.items()}
    whole = pt.Dataset.of(table, users=everyone, feedback=feedback)
    part = pt.Dataset.of(early, users=everyone, feedback=feedback)  # fewer items, other codes
    if not part.weights().nnz:
        return
    old = model.fit(part)
    fresh = np.bincount([u for u, _, _ in second], minlength=4)
    before = old.score(part.queries())
    new = old.updated(whole, whole.queries(), fresh)
    once = type(model)(**{f: getattr(model, f) for f in pt.parameters.hypers(type(model))})
    expected = once.fit(whole)
    np.testing.assert_allclose(
        new.score(whole.queries()), expected.score(whole.queries()), rtol=1e-4, atol=1e-6
    )
    assert new.met_.tolist() == expected.met_.tolist()
    assert new.training_.events == expected.training_.events
    assert new.training_.until == expected.training_.until
    np.testing.assert_array_equal(old.score(part.queries()), before)


def test_an_update_must_know_what_was_known():
    one = pt.Dataset.of({"user": [1, 1], "item": ["a", "b"]})
    other = pt.Dataset.of({"user": [1, 1], "item": ["b", "c"]})
    model = pt.MarkovChain().fit(one)
    with pytest.raises(BadEvents, match=r"the data to update MarkovChain with does not know .*'a'"):
        model.updated(other, other.queries(), np.array([1]))


def test_what_is_fresh_is_a_number_of_events_for_each_row():
    data = pt.Dataset.of({"user": [1, 1], "item": ["a", "b"]})
    model = pt.MarkovChain().fit(data)
    for wrong, said in (
        ([1, 1], r"shape \(2,\) for 1"),
        ([3], r"\[0\] is 3; row 0"),
        ([-1], "is -1"),
    ):
        with pytest.raises(BadParameter, match=said):
            model.updated(data, data.queries(), np.array(wrong))


def test_settings_and_data_are_checked():
    with pytest.raises(BadParameter, match=r"SequentialRules.steps must be at least 1, got 0"):
        pt.SequentialRules(steps=0)
    with pytest.raises(BadParameter, match="decay must be one of 'reciprocal', 'quadratic'"):
        pt.SequentialRules(decay="slow")
    hidden = pt.Dataset.of({"user": [1], "item": [1], "kind": ["hide"]})
    with pytest.raises(BadEvents, match="MarkovChain needs at least one interaction that weighs"):
        pt.MarkovChain().fit(hidden)


@pytest.mark.parametrize("model", [pt.MarkovChain, pt.SequentialRules])
def test_the_law_of_models(model):
    check_recommender(model)
