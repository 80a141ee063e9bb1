"""EASE against the inverse of the whole Gram matrix in float64, solved on either side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from data import find
from naive_core import dense, ease, ndcg_at_10, written_out
from penchant.errors import BadEvents, BadParameter, UnknownId
from penchant.testing import check_recommender


def random_data(seed, users, items, feedback=None) -> pt.Dataset:
    """Everybody met a few items, some of them twice; the last item nobody met."""
    rng = np.random.default_rng(seed)
    rows = rng.random((users, items - 1)) < 0.4
    cells = np.arange(max(users, items - 1))
    rows[cells % users, cells % (items - 1)] = True
    user, item = np.nonzero(rows)
    again = rng.integers(0, len(user), 5)
    user, item = np.concatenate([user, user[again]]), np.concatenate([item, item[again]])
    table = {"user": user, "item": item, "kind": rng.choice(["view", "buy"], len(user))}
    return pt.Dataset.of(table, items={"item": range(items)}, feedback=feedback)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(6, 15), (9, 10), (10, 9), (40, 8)]),
    st.sampled_from([0.5, 10.0, 300.0]),
)  # fmt: skip
def test_scores_are_those_of_the_whole_inverse(seed, shape, l2):
    users, items = shape
    data = random_data(seed, users, items, pt.Feedback(weights={"buy": 2.5}))
    model = pt.EASE(l2=l2).fit(data)
    met = len(np.unique(data.histories.item))
    assert (len(model.by_events_) == 2) == (2 * users**2 >= met**2)  # each side has its turn
    x = written_out(data.weights())
    expected = x[:, :-1] @ ease(x[:, :-1], l2)
    found = model.score(data.queries())
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found[:, :-1], expected, atol=1e-4 * scale)
    assert np.isnan(found[:, -1]).all()


@pytest.mark.parametrize("shape", [(400, 600), (600, 540)])
def test_large_matrices_are_mirrored_whole(shape):
    data = random_data(7, *shape)
    found = pt.EASE(l2=100.0).fit(data).score(data.queries(users=[0, 1, 2]))
    x = written_out(data.weights())[:, :-1]
    np.testing.assert_allclose(found[:, :-1], x[:3] @ ease(x, 100.0), atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(6, 15), (40, 8)]))
def test_reasons_add_up_and_name_the_learned_weights(seed, shape):
    data = random_data(seed, *shape, pt.Feedback(weights={"buy": 2.5}))
    model = pt.EASE(l2=5.0).fit(data)
    b = ease(written_out(data.weights())[:, :-1], 5.0)
    x = written_out(data.weights())
    query = data.queries(users=[0])
    for item in range(shape[1] - 1):
        reason = model.answer(query).explain(0, [item])[0]
        assert reason.base == 0
        spread = sum(abs(s.amount) for s in reason.shares)
        assert abs(sum(s.amount for s in reason.shares) - reason.score) <= 1e-5 * spread
        for share in reason.shares:
            assert share.amount == pytest.approx(x[0, share.id] * b[share.id, item], abs=1e-5)
    assert np.isnan(model.answer(query).explain(0, [shape[1] - 1])[0].score)
    history = np.array([0, shape[1] - 1], np.int32)
    assert model.item_weights(history, np.array([1]))[0].tolist() == pytest.approx(
        [b[0, 1], 0], abs=1e-5
    )
    assert np.isnan(model.item_weights(history[:1], np.array([shape[1] - 1]))).all()


@pytest.mark.parametrize("shape", [(6, 15), (40, 8)])
def test_the_two_sides_answer_questions_alike(shape):
    """The users' side of a matrix is the items' side of the same people asked again and again."""
    data = random_data(1, *shape)
    table = {"user": [], "item": []}
    for copy in range(8):
        table["user"] += [int(u) + 100 * copy for u in data.histories.person()]
        table["item"] += data.items.decode(data.histories.item)
    many = pt.Dataset.of(table, items={"item": range(shape[1])})
    found, expected = pt.EASE(l2=10.0).fit(data), pt.EASE(l2=80.0).fit(many)  # 8 times the Gram
    np.testing.assert_allclose(
        found.score(data.queries()), expected.score(data.queries()), atol=1e-4
    )


@pytest.mark.parametrize("shape", [(6, 15), (40, 8)])
def test_who_met_nothing_that_is_known_gets_no_plausible_number(shape):
    data = random_data(2, *shape)
    unmet = shape[1] - 1
    model = pt.EASE(l2=10.0).fit(data)
    scores = model.score(data.queries(likes=[[], [unmet], [unmet, 0], [0]]))
    assert np.isnan(scores[:2]).all()
    np.testing.assert_array_equal(scores[2], scores[3])
    assert not np.isnan(scores[3, :-1]).any()
    assert model.recommend(data.queries(likes=[[unmet]])).ids() == [[]]
    assert model.similar([unmet]).ids() == [[]]


@pytest.mark.parametrize("shape", [(6, 15), (40, 8)])
def test_similar_items_have_the_largest_weights(shape):
    data = random_data(3, *shape)
    model = pt.EASE(l2=5.0).fit(data)
    b = ease(written_out(data.weights())[:, :-1], 5.0)
    found = model.similar([0, 1], k=4)
    for item in (0, 1):
        order = [i for i in np.argsort(-b[item], kind="stable") if i != item][:4]
        assert found.ids()[item] == order
        np.testing.assert_allclose(found.scores[item], b[item, order], atol=1e-5)
    with pytest.raises(UnknownId):
        model.similar([99])


def test_the_smaller_form_is_kept():
    tall, wide = (
        pt.EASE(l2=1.0).fit(random_data(4, 40, 8)),
        pt.EASE(l2=1.0).fit(random_data(4, 6, 15)),
    )
    weights, place = tall.by_events_
    assert weights.shape == (7, 7)
    assert place.tolist() == [0, 1, 2, 3, 4, 5, 6, -1]
    inverse, rows, *_ = wide.by_events_
    assert inverse.shape == (6, 6)
    assert rows.shape == (6, 15)


def test_people_without_evidence_do_not_count_for_the_side():
    table = {"user": [0, 1, 2, 3, 4], "item": [0, 0, 1, 2, 0], "kind": ["view"] * 2 + ["hide"] * 3}
    model = pt.EASE(l2=1.0).fit(pt.Dataset.of(table))
    assert model.by_events_[0].shape == (1, 1)
    table = {**table, "item": [0, 1, 2, 0, 0], "kind": ["view"] * 3 + ["hide"] * 2}
    table = {"user": [0, 0, 0, 3, 4], "item": table["item"], "kind": table["kind"]}
    assert pt.EASE(l2=1.0).fit(pt.Dataset.of(table)).by_events_[0].shape == (1, 1)


def test_the_number_of_threads_changes_nothing(monkeypatch, movielens):
    some = movielens.queries(users=list(movielens.users)[:100])
    found = []
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        found.append(pt.EASE(l2=300.0).fit(movielens).score(some).tobytes())
    assert found[0] == found[1] == found[2]


def test_settings_and_data_are_checked():
    with pytest.raises(BadParameter, match=r"EASE.l2 must be a positive number, got -1.0"):
        pt.EASE(l2=-1.0)
    twins = pt.Dataset.of({"user": [1, 1, 1, 2, 2, 2, 3, 3, 3], "item": [1, 2, 3] * 3})
    with pytest.raises(BadEvents, match=r"not positive definite at l2=1e-30; raise EASE.l2"):
        pt.EASE(l2=1e-30).fit(twins)
    hidden = pt.Dataset.of({"user": [1], "item": [1], "kind": ["hide"]})
    with pytest.raises(BadEvents, match="EASE needs at least one interaction that weighs"):
        pt.EASE().fit(hidden)


@pytest.mark.parametrize("model", [pt.EASE(), pt.Popularity()], ids=lambda m: m.name)
def test_one_person_and_one_item_will_do(model):
    data = pt.Dataset.of({"user": [1], "item": ["a"]})
    assert model.fit(data).recommend(data.queries()).ids() == [[]]
    assert model.recommend(data.queries(likes=[[]])).codes.shape == (1, 1)


def test_the_law_of_models():
    check_recommender(pt.EASE(l2=50.0))


def test_ml_100k_as_published():
    """Stratified 75/25 by item: EASE .482 and popularity .252, each within .005."""
    parts = pt.split.random(pt.datasets.movielens(find("ml-100k")), 0.25, by="item", rng=42)
    part = parts.test
    for model, published in ((pt.EASE(l2=300.0), 0.482), (pt.Popularity(), 0.252)):
        lists = model.fit(parts.train).recommend(part.queries, k=10).codes.tolist()
        relevant = [set(part.truth.take(slice(n, n + 1)).item.tolist()) for n in range(len(part))]
        mean = np.mean([ndcg_at_10(a, b) for a, b in zip(lists, relevant, strict=True)])
        assert mean == pytest.approx(published, abs=0.005)


def test_movielens_last_fifth(last_fifth):
    found = pt.evaluate(pt.EASE().fit(last_fifth.train), last_fifth, [pt.NDCG(10)])
    assert found[pt.NDCG(10)] >= 0.126


def test_naive_twin_agrees_with_the_papers_constraint():
    x = dense([0, 0, 1, 2], [0, 1, 1, 0], [1, 1, 1, 1], (3, 2))
    b = ease(x, 2.0)
    assert np.diag(b).tolist() == [0, 0]
    # By hand: G + 2I = [[4, 1], [1, 4]], P = [[4, -1], [-1, 4]] / 15, so B_01 = 1/15 / (4/15).
    assert b[0, 1] == pytest.approx(0.25)
