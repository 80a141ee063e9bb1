from itertools import pairwise

import numpy as np
import polars as pl
import pytest

import penchant as pt
from data import find
from naive_als import block_by_block, descended, objective, penalties, solution, start
from penchant.errors import BadEvents, BadParameter, NotFitted, UnknownId
from penchant.evaluation.metrics import NDCG
from penchant.recommender import Embeds, Explains, Similar
from penchant.testing import check_recommender


@pytest.fixture(scope="module")
def data():
    """Planted ratings, one item that nobody met, and one whose only rating is not liked."""
    ratings, table = pt.datasets.planted_tables(noise=0.2, users=60, items=30)
    more = pl.DataFrame({"item": [-7], "title": ["Never met"], "genres": [None]})
    ratings = pl.concat(
        [
            ratings.select("user", "item", "rating"),
            pl.DataFrame({"user": [0], "item": [-8], "rating": [1.0]}),
        ],
        how="vertical_relaxed",
    )
    return pt.Dataset.of(
        ratings,
        items=pl.concat([table, more], how="vertical_relaxed"),
        feedback=pt.Feedback(liked=3),
    )


@pytest.fixture(scope="module")
def model(data):
    return pt.ALS(factors=6, unobserved=0.25, l2=0.5, nu=0.0, epochs=8).fit(data, rng=3)


def dense(data):
    return data.weights().to_scipy().toarray()


def test_keeps_the_contract():
    check_recommender(pt.ALS)
    assert all(isinstance(pt.ALS(), one) for one in (Embeds, Explains, Similar))


@pytest.mark.parametrize("solver", ["cg", "cholesky", "blocks"])
def test_training_alternates_between_users_and_items(data, solver):
    table, f = dense(data), 4
    drawn = np.random.default_rng(3).standard_normal((len(data.items), f), np.float32)
    items = start(table, drawn)
    users = np.zeros((len(data.users), f))
    sides = [(users, items, table), (items, users, table.T)]
    for _ in range(2):
        for solved, fixed, weights in sides:
            penalty = penalties(weights, 0.3, 0.02, 0.9)
            shares = weights.sum(axis=0) / weights.sum()
            for r, row in enumerate(weights):
                if not row.any():
                    solved[r] = 0
                    continue
                how = solved[r], row, fixed, 0.3, penalty[r]
                if solver == "cg":
                    solved[r] = descended(*how, shares, 2, 1e-4)
                elif solver == "blocks":
                    solved[r] = block_by_block(*how, 3)
                else:
                    solved[r] = solution(*how[1:])
    model = pt.ALS(factors=f, unobserved=0.3, l2=0.02, nu=0.9, epochs=2, solver=solver, block=3)
    model.fit(data, rng=3)
    met = table.any(axis=0)
    y = model.item_vectors()[met]  # In axes of their own: what they say of each other is the same.
    assert np.allclose(y @ y.T, items[met] @ items[met].T, atol=1e-4)


def test_everyone_is_folded_in_exactly(data, model):
    scores = model.score(data.queries())
    met = dense(data).any(axis=0)
    y = model.item_vectors()[met]
    for u, weights in enumerate(dense(data)):
        want = y @ solution(weights[met], y, 0.25, 0.5)
        assert np.allclose(scores[u, met], want, atol=1e-6)


def test_one_factor_by_hand():
    model = pt.ALS.from_factors([[2.0], [1.0]], ["a", "b"], unobserved=0.5, l2=1.5)
    asked = pt.Dataset.of({"user": ["u"], "item": ["a"]}).queries()
    # A = 0.5 (4 + 1) + 1.5 + 4 = 8, b = 2, x = 0.25.
    assert np.allclose(model.user_vectors(asked), [[0.25]])
    told = pt.explain(model, asked, "a")
    assert told.score == pytest.approx(0.5)
    assert [(s.kind, s.id) for s in told.shares] == [("history", "a")]
    assert told.shares[0].amount == pytest.approx(0.5)


def test_what_an_interaction_weighs_is_how_far_it_is_trusted():
    events = {"user": [1, 1, 2, 2, 3], "item": ["a", "b", "b", "c", "c"],
              "kind": ["view", "buy", "view", "view", "buy"]}  # fmt: skip
    feedback = pt.Feedback(weights={"view": 1, "buy": 3})
    data = pt.Dataset.of(events, kind="kind", feedback=feedback)
    assert sorted(set(data.weights().data)) == [1, 3]
    model = pt.ALS(factors=2, unobserved=0.5, l2=0.1, nu=0.5).fit(data)
    y = model.item_vectors()
    penalty = penalties(dense(data), 0.5, 0.1, 0.5)
    want = [y @ solution(w, y, 0.5, p) for w, p in zip(dense(data), penalty, strict=True)]
    assert np.allclose(model.score(data.queries()), want, atol=1e-6)


def test_the_last_click_counts_at_once(data, model):
    before = data.queries(likes=[[0, 4]])
    after = data.queries(likes=[[0, 4, 9]])
    assert not np.allclose(model.score(before), model.score(after), equal_nan=True)
    stranger, known = data.queries(likes=[[0, 4]]), data.queries(users=[5])
    liked = data.items.decode(np.flatnonzero(dense(data)[data.users.code(5)]))
    same = data.queries(likes=[liked])
    assert np.allclose(model.score(known), model.score(same), equal_nan=True)
    assert stranger.user[0] == -1


def test_what_the_model_cannot_say_is_nan(data, model):
    never, disliked = data.items.encode([-7, -8])
    scores = model.score(data.queries())
    assert np.isnan(scores[:, [never, disliked]]).all()
    assert np.isfinite(np.delete(scores, [never, disliked], axis=1)).all()
    assert np.isnan(model.item_vectors()[[never, disliked]]).all()
    nothing = data.queries(likes=[[], [-7]])
    assert np.isnan(model.score(nothing)).all()
    assert np.isnan(model.user_vectors(nothing)).all()
    assert model.recommend(nothing, k=3).ids() == [[], []]
    both = model.score(data.queries(likes=[[0, -7], [0]]))
    assert np.array_equal(both[0], both[1], equal_nan=True)


def test_few_columns_are_the_same_as_all(data, model):
    whole = model.score(data.queries())
    asked = np.array([3, -1, 8, 3], np.int32)
    got = model.score(data.queries(), asked)
    assert np.allclose(got[:, [0, 2, 3]], whole[:, [3, 8, 3]], atol=1e-6, equal_nan=True)
    assert np.isnan(got[:, 1]).all()


def test_shares_are_what_each_item_of_the_history_adds(data, model):
    asked = data.queries(users=[7])
    weights = dense(data)[data.users.code(7)]
    met = dense(data).any(axis=0)
    y = np.where(met[:, None], model.item_vectors(), 0).astype(float)
    a = 0.25 * y.T @ y + 0.5 * np.eye(6)
    for w, v in zip(weights, y, strict=True):
        a += w * np.outer(v, v)
    for item in data.items.decode(np.flatnonzero(met)):
        told = pt.explain(model, asked, item)
        assert told.base == 0
        code = data.items.code(item)
        for share in told.shares:
            j = data.items.code(share.id)
            want = weights[j] * y[j] @ np.linalg.inv(a) @ y[code]
            assert share.amount == pytest.approx(want, rel=1e-6, abs=1e-9)
        amounts = np.array([s.amount for s in told.shares])
        assert abs(amounts.sum() - told.score) <= 1e-5 * np.abs(amounts).sum()
    told = pt.explain(model, asked, -7)
    assert np.isnan(told.score)
    assert told.shares == ()


def test_a_score_of_nothing_is_explained_to_the_last_digit():
    # Two groups that nearly do not touch: what one says of the other is rounding unless 64 bits.
    rng = np.random.default_rng(0)
    y = np.zeros((40, 8), np.float32)
    y[:20, :4], y[20:, 4:] = rng.random((2, 20, 4))
    y += 1e-6 * rng.standard_normal(y.shape).astype(np.float32)
    model = pt.ALS.from_factors(y, list(range(40)), unobserved=1.0, l2=5.0)
    table = pl.DataFrame({"item": range(40)})
    asked = pt.Dataset.of({"user": [0] * 5, "item": [1, 2, 3, 4, 5]}, items=table).queries()
    for item in range(40):
        told = pt.explain(model, asked, item)
        size = sum(abs(s.amount) for s in told.shares)
        assert abs(sum(s.amount for s in told.shares) - told.score) <= 1e-5 * size


def test_born_fitted_from_vectors_trained_elsewhere(data, model):
    again = pt.ALS.from_factors(
        model.item_vectors(), data.items, unobserved=0.25, l2=0.5, feedback=data.feedback
    )
    asked = data.queries()
    assert again.factors == 6
    assert np.array_equal(model.score(asked), again.score(asked), equal_nan=True)
    assert not again.item_factors_.flags.writeable
    with pytest.raises(BadParameter, match="one vector for each of 2 ids"):
        pt.ALS.from_factors(np.ones((3, 4)), ["a", "b"], unobserved=1.0, l2=1.0)
    with pytest.raises(BadParameter, match=r"ALS\.l2 must be a positive number"):
        pt.ALS.from_factors(np.ones((1, 4)), ["a"], unobserved=1.0, l2=0.0)


def test_vectors_trained_elsewhere_are_numbers():
    for wrong in ([["x"]], [[1.0], [1.0, 2.0]]):
        with pytest.raises(BadParameter, match="item_factors must be a table of numbers: "):
            pt.ALS.from_factors(wrong, ["a"], unobserved=0.1, l2=1.0)


def test_similar_items_point_the_same_way(data, model):
    found = model.similar([0, 4], k=3)
    y = model.item_vectors()
    cosine = (y / np.linalg.norm(y, axis=1, keepdims=True)) @ y[data.items.code(4)]
    cosine[data.items.code(4)] = np.nan
    best = np.argsort(-np.nan_to_num(cosine, nan=-2))[:3]
    assert found.ids()[1] == data.items.decode(best)
    with pytest.raises(UnknownId):
        model.similar([123456])
    with pytest.raises(NotFitted):
        pt.ALS().item_vectors()


def test_progress_is_told_and_can_stop_it(data):
    told = []
    quiet = pt.ALS(factors=4, epochs=6).fit(data, rng=1)
    loud = pt.ALS(factors=4, epochs=6).fit(data, rng=1, on_epoch=told.append)
    assert np.array_equal(quiet.item_vectors(), loud.item_vectors(), equal_nan=True)
    assert [(e.number, e.total) for e in told] == [(n, 6) for n in range(1, 7)]
    assert all(b.loss < a.loss + 1e-6 for a, b in pairwise(told))
    stopped = pt.ALS(factors=4, epochs=6).fit(data, rng=1, on_epoch=lambda e: e.number == 2)
    short = pt.ALS(factors=4, epochs=2).fit(data, rng=1)
    assert np.array_equal(stopped.item_vectors(), short.item_vectors(), equal_nan=True)


def test_the_loss_told_is_the_objective(data):
    seen = []
    model = pt.ALS(factors=3, unobserved=0.5, l2=0.3, nu=0.2, epochs=30, cg_steps=5)
    model.fit(data, on_epoch=lambda e: seen.append(e.loss))
    table = dense(data)
    y = np.nan_to_num(model.item_vectors())
    penalty = penalties(table, 0.5, 0.3, 0.2)
    x = np.array([solution(w, y, 0.5, p) if p else 0 * y[0] for w, p in zip(table, penalty)])
    assert seen[-1] == pytest.approx(objective(x, y, table, 0.5, 0.3, 0.2), rel=1e-3)


def test_the_seed_decides(data):
    once, twice = (pt.ALS(factors=4, epochs=2).fit(data, rng=9).item_vectors() for _ in range(2))
    drawn = pt.ALS(factors=4, epochs=2).fit(data, rng=np.random.default_rng(9)).item_vectors()
    other = pt.ALS(factors=4, epochs=2).fit(data, rng=8).item_vectors()
    assert np.array_equal(once, twice, equal_nan=True)
    assert np.array_equal(once, drawn, equal_nan=True)
    assert not np.allclose(once, other, equal_nan=True)


def test_nothing_to_learn_from_is_an_error(data):
    nobody = pt.Dataset.of(
        {"user": [1], "item": [2], "rating": [1.0]}, feedback=pt.Feedback(liked=4)
    )
    with pytest.raises(BadEvents, match="at least one interaction"):
        pt.ALS().fit(nobody)


def test_penalties_beyond_32_bits_are_an_error(data):
    for solver in ("cholesky", "blocks"):
        model = pt.ALS(factors=120, epochs=4, solver=solver, unobserved=1e-9, l2=1e-9)
        with pytest.raises(BadParameter, match=r"not numbers with l2=1e-09 .* raise ALS\.l2"):
            model.fit(data)


def ndcg(model, train, queries, truth):
    found = model.fit(train, rng=7).recommend(queries, k=10)
    return float(np.nanmean(NDCG(10).per_query(found.codes, truth)))


def test_movielens_latest_small(last_fifth):
    got = ndcg(pt.ALS(), last_fifth.train, last_fifth.test.queries, last_fifth.test.truth)
    assert got >= 0.118


def test_ml_100k_stratified_by_item():
    table = np.loadtxt(find("ml-100k") / "u.data", dtype=np.int64)
    columns = dict(zip(("user", "item", "rating"), table.T, strict=False))
    data = pt.Dataset.of(columns)
    item = data.histories.item
    order = np.lexsort((np.random.default_rng(42).random(len(item)), item))
    counts = np.bincount(item)
    place = np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(item), bool)
    held[order] = place < np.round(0.25 * counts[item[order]])
    train, truth = data.where(~held), data.histories.where(held)
    both = np.flatnonzero((truth.lengths > 0) & (train.histories.lengths > 0))
    got = ndcg(pt.ALS(), train, train.queries()[both], truth.take(both))
    assert got >= 0.445
