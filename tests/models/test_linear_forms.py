"""EASE with what is known of the items, and with few weights an item."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import penchant as pt
from naive_core import entries, written_out
from naive_linear import added, frequency_scaled, inverted, nearest_ridge, stacked
from penchant.errors import BadEvents, BadParameter
from penchant.kernels.coordinate import gram_of, ridges, sparse_gram
from penchant.kernels.csr import CSR
from penchant.kernels.gram import lower_gram, mirror
from penchant.testing import check_recommender

GENRES = ["drama", "war", "comedy", "crime"]


def random_rows(seed, users, items, share=0.3) -> CSR:
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < share)
    return CSR.from_pairs(user, item, rng.integers(1, 4, len(user)), (users, items))


def described_data(seed, users, items) -> pt.Dataset:
    """Items have genres; of the last three, the first two were never met, the last has none."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items - 3)) < 0.4)
    genres = [sorted(rng.choice(GENRES, 2, replace=False)) for _ in range(items - 1)]
    table = pl.DataFrame({"item": range(items), "genres": [*map("|".join, genres), None]})
    return pt.Dataset.of({"user": user, "item": item}, items=table)


def features(data) -> np.ndarray:
    found = pt.features.Encoder.learn(data.item_table, ("genres",)).encode(data.item_table)
    return written_out(found)


@pytest.mark.parametrize("shape", [(8, 40), (60, 12)])
@pytest.mark.parametrize("side", ["stacked", "added"])
def test_side_information_is_as_in_the_paper(shape, side):
    data = described_data(3, *shape)
    model = pt.EASE(
        l2=5.0, item_columns=("genres",), side=side, side_weight=3.0, side_l2=2.0
    ).fit(data)  # fmt: skip
    x, s = written_out(data.weights()), features(data)
    b = stacked(x, s, 5.0, 3.0) if side == "stacked" else added(x, s, 5.0, 3.0, 2.0)
    scores = model.score(data.queries())
    told = x.any(axis=1)
    np.testing.assert_allclose(scores[told, :-1], (x @ b)[told, :-1], atol=2e-4)
    assert np.isnan(scores[:, -1]).all()  # nobody met it, and nothing is known of it
    assert np.isnan(scores[~told]).all()
    history = np.arange(5, dtype=np.int32)
    for item in (0, shape[1] - 2):
        np.testing.assert_allclose(
            model.item_weights(history, np.array([item]))[0], b[:5, item], atol=2e-4
        )
    assert np.isnan(model.item_weights(history, np.array([shape[1] - 1]))).all()


@pytest.mark.parametrize("shape", [(9, 40), (60, 12)])
def test_the_frequent_are_kept_small(shape):
    x = random_rows(5, *shape, share=0.5)
    user, item = zip(*entries(x), strict=True)
    table = {"user": user, "item": item, "count": list(entries(x).values())}
    data = pt.Dataset.of(table, feedback=pt.Feedback(by_value={"count": "linear"}))
    model = pt.EASE(l2=5.0, nu=0.7).fit(data)
    met = written_out(data.weights())
    b = frequency_scaled(met, 5.0, 0.7)
    scores = model.score(data.queries())
    np.testing.assert_allclose(scores, met @ b, atol=2e-4 * np.abs(met @ b).max())
    history = np.arange(6, dtype=np.int32)
    np.testing.assert_allclose(model.item_weights(history, np.array([3]))[0], b[:6, 3], atol=2e-4)
    flat = pt.EASE(l2=5.0).fit(data).score(data.queries())
    assert np.abs(scores - flat).max() > 0.01


def test_the_frequent_are_kept_small_in_every_form():
    for options in ({}, {"k": 9}, {"item_columns": ("genres",)}):
        check_recommender(pt.EASE(l2=20.0, nu=0.5, **options))


@pytest.mark.parametrize("side", ["stacked", "added"])
def test_items_nobody_met_are_recommended_by_what_they_are(side):
    table = {"user": [1, 1, 2, 2, 3, 3, 4], "item": ["a", "b", "a", "b", "c", "d", "c"]}
    items = {"item": ["a", "b", "c", "d", "new"], "genres": ["war", "war", "fun", "fun", "fun"]}
    data = pt.Dataset.of(table, items=items)
    model = pt.EASE(
        l2=2.0, item_columns=("genres",), side=side, side_weight=1.0, side_l2=1.0
    ).fit(data)  # fmt: skip
    asked = data.queries(likes=[["a"], ["c"], ["new"]])
    scores = model.score(asked)
    new = data.items.code("new")
    assert scores[1, new] > scores[0, new]
    assert set(model.recommend(asked, k=2).ids()[2]) == {"c", "d"}
    reason = model.answer(asked[1]).explain(0, [new])[0]
    assert sum(s.amount for s in reason.shares) == pytest.approx(reason.score, rel=1e-5)
    assert [s.id for s in reason.shares] == ["c"]


def test_columns_are_checked():
    data = pt.Dataset.of({"user": [1], "item": [2]})
    with pytest.raises(BadEvents, match="EASE is to read 'genres' of the item table, and the data"):
        pt.EASE(item_columns=("genres",)).fit(data)
    with pytest.raises(BadParameter, match=r"EASE.item_columns holds names of columns, got 1"):
        pt.EASE(item_columns=(1,))
    with pytest.raises(BadParameter, match="genre"):
        pt.EASE(item_columns=("genre",)).fit(described_data(1, 9, 9))


@pytest.mark.parametrize(("users", "items", "k"), [(50, 20, 5), (12, 30, 8), (30, 9, 100)])
def test_few_weights_are_those_of_a_regression_on_the_nearest(users, items, k):
    rows = random_rows(users, users, items)
    b = nearest_ridge(written_out(rows), 2.0, k)
    for gram in (gram_of(rows.transposed(), rows), sparse_gram(rows.transposed(), rows)):
        found = written_out(ridges(gram, 2.0, k))
        np.testing.assert_allclose(found.T, b, atol=1e-4)


def test_as_many_weights_as_items_are_all_of_them():
    data = described_data(5, 30, 14)
    asked = data.queries()
    whole = pt.EASE(l2=4.0).fit(data).score(asked)
    found = pt.EASE(l2=4.0, k=13).fit(data).score(asked)
    np.testing.assert_array_equal(found, whole)
    model = pt.EASE(l2=4.0, k=4).fit(data)
    assert (np.diff(model.by_events_[0].transposed().indptr) <= 4).all()
    x = written_out(data.weights())
    expected = x @ nearest_ridge(x, 4.0, 4)
    np.testing.assert_allclose(model.score(asked)[:, :11], expected[:, :11], atol=1e-4)


def test_the_number_of_threads_changes_no_weight():
    rows = random_rows(4, 90, 70)
    gram = gram_of(rows.transposed(), rows)
    found = [ridges(gram, 2.0, 20, threads=threads).data.tobytes() for threads in (1, 2, 8)]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(("users", "items"), [(5, 3), (90, 70), (40, 200)])
def test_gram_matrices(users, items):
    rows = random_rows(7, users, items)
    x = written_out(rows)
    lower = lower_gram(rows.transposed(), rows)
    np.testing.assert_array_equal(lower, np.tril(x.T @ x))
    np.testing.assert_array_equal(written_out(sparse_gram(rows.transposed(), rows)), x.T @ x)
    factors = np.arange(1.0, items + 1)
    whole = lower.copy()
    mirror(whole)
    np.testing.assert_array_equal(whole, x.T @ x)
    mirror(lower, factors)
    np.testing.assert_array_equal(lower, (x.T @ x * factors).astype(np.float32))


def test_rare_pairs_are_kept_sparse():
    few = random_rows(1, 20, 300, share=0.01)
    assert isinstance(gram_of(few.transposed(), few), CSR)
    many = random_rows(1, 20, 30, share=0.5)
    assert not isinstance(gram_of(many.transposed(), many), CSR)


def test_what_32_bits_cannot_hold_is_solved_in_64():
    """One item weighs a million times the others."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((80, 10)) < 0.5)
    value = np.where(item == 0, 1e6, 1.0)
    feedback = pt.Feedback(by_value={"play": "linear"})
    table = {"user": user, "item": item, "value": value, "kind": ["play"] * len(user)}
    data = pt.Dataset.of(table, feedback=feedback)
    x = written_out(data.weights())
    expected = inverted(x.T @ x, 1.0)
    found = pt.EASE(l2=1.0).fit(data).by_events_[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        pt.EASE(l2=50.0, k=8),
        pt.EASE(l2=50.0, item_columns=("genres",)),
        pt.EASE(l2=50.0, item_columns=("genres",), side="added", side_weight=0.5),
    ],
    ids=["k", "stacked", "added"],
)
def test_the_law_of_models(model):
    check_recommender(model)


def test_the_penalty_grows_with_the_data_by_default():
    """By hand: 2 people, 3 items, 4 pairs that weigh 2: 0.6 x 4/2 x sqrt(4/3) x 2^2."""
    table = {"user": [1, 1, 1, 2], "item": [1, 2, 3, 1], "kind": ["buy"] * 4}
    data = pt.Dataset.of(table, feedback=pt.Feedback(weights={"buy": 2.0}))
    model = pt.EASE().fit(data)
    assert float(model.l2_) == pytest.approx(0.6 * 2 * (4 / 3) ** 0.5 * 4)
    same = pt.EASE(l2=float(model.l2_)).fit(data)
    np.testing.assert_array_equal(model.score(data.queries()), same.score(data.queries()))
