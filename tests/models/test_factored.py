"""BPR, WARP and LogisticMF: what is left of them is item vectors, and how to place people."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

import penchant as pt
from data import find
from naive_pairwise import told
from penchant.errors import BadEvents, BadParameter
from penchant.kernels import pairwise as steps
from penchant.kernels import placement
from penchant.recommender import Embeds, Explains, Similar
from penchant.testing import check_recommender

SMALL = {"factors": 6, "epochs": 4}
MODELS = [
    pt.BPR(**SMALL),
    pt.BPR(**SMALL, biases=True, draws=1),
    pt.WARP(**SMALL),
    pt.LogisticMF(**SMALL),
]


@pytest.fixture(scope="module")
def data():
    """Planted ratings, and one item that nobody met."""
    ratings, table = pt.datasets.planted_tables(noise=0.2, users=60, items=30)
    more = pl.DataFrame({"item": [-7], "title": ["Never met"], "genres": [None]})
    items = pl.concat([table, more], how="vertical_relaxed")
    return pt.Dataset.of(ratings.select("user", "item", "rating"), items=items)


@pytest.fixture(scope="module", params=MODELS, ids=lambda m: f"{m.name}{m.biases or ''}"
                if isinstance(m, pt.BPR) else m.name)  # fmt: skip
def model(request, data):
    return request.param.fit(data, rng=3)


@pytest.mark.parametrize("cls", [pt.BPR, pt.WARP, pt.LogisticMF])
def test_keeps_the_contract(cls):
    check_recommender(cls)
    assert all(isinstance(cls(), one) for one in (Embeds, Explains, Similar))


def test_biases_keep_the_contract_too():
    check_recommender(pt.BPR(biases=True))


def test_whoever_asks_is_placed_by_what_they_met(data, model):
    y = np.nan_to_num(model.item_vectors())
    dense = data.weights().to_scipy().toarray()
    people = model.user_vectors(data.queries())
    for row, weights in zip(people, dense, strict=True):
        z = told(weights[weights > 0], y[weights > 0])
        assert np.allclose(row, model.origin_ + z @ model.turn_, atol=1e-5)
    liked = data.items.decode(np.flatnonzero(dense[5]))
    stranger = data.queries(likes=[liked])
    assert stranger.user[0] == -1
    assert np.array_equal(model.score(stranger)[0], model.score(data.queries())[5], equal_nan=True)


def test_what_weighs_more_counts_more(model):
    events = {"user": [1, 1, 2, 2, 3, 3], "item": [0, 1, 1, 2, 2, 0],
              "kind": ["view", "buy", "view", "view", "buy", "view"]}  # fmt: skip
    feedback = pt.Feedback(weights={"view": 1, "buy": 3})
    data = pt.Dataset.of(events, kind="kind", feedback=feedback)
    model = type(model)(factors=2, epochs=2).fit(data)
    y = model.item_vectors().astype(float)
    want = model.origin_ + (y[0] + 3 * y[1]) / (2 * 10**0.25) @ model.turn_
    assert np.allclose(model.user_vectors(data.queries(users=[1]))[0], want, atol=1e-5)


def test_shares_are_what_each_item_of_the_history_adds(data, model):
    asked = data.queries(users=[7])
    y = model.item_vectors().astype(float)
    for item in data.items.decode(np.flatnonzero(np.isfinite(y[:, 0]))):
        explained = pt.explain(model, asked, item)
        target = y[data.items.code(item)]
        assert explained.base == pytest.approx(model.origin_ @ target)
        many = len(explained.shares)
        for share in explained.shares:
            each = y[data.items.code(share.id)] @ model.turn_ @ target / many**0.75
            assert share.amount == pytest.approx(each, rel=1e-5, abs=1e-8)
    nothing = pt.explain(model, asked, -7)
    assert np.isnan(nothing.score)
    assert nothing.shares == ()


def test_what_the_model_cannot_say_is_nan(data, model):
    never = data.items.code(-7)
    scores = model.score(data.queries())
    assert np.isnan(scores[:, never]).all()
    assert np.isfinite(np.delete(scores, never, axis=1)).all()
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
    assert np.allclose(got[:, [0, 2, 3]], whole[:, [3, 8, 3]], atol=1e-6)
    assert np.isnan(got[:, 1]).all()


def test_similar_items_point_the_same_way(data, model):
    y = model.item_vectors()
    cosine = (y / np.linalg.norm(y, axis=1, keepdims=True)) @ y[4] / np.linalg.norm(y[4])
    cosine[4] = np.nan
    best = np.argsort(-np.nan_to_num(cosine, nan=-2))[:3]
    assert model.similar(data.items.decode([4]), k=3).ids()[0] == data.items.decode(best)


def test_progress_is_told_and_can_stop_it(data, model):
    epochs = []
    quiet = type(model)(**SMALL).fit(data, rng=1)
    loud = type(model)(**SMALL).fit(data, rng=1, on_epoch=epochs.append)
    assert np.array_equal(quiet.item_vectors(), loud.item_vectors(), equal_nan=True)
    assert [(e.number, e.total) for e in epochs] == [(n, 4) for n in range(1, 5)]
    assert all(b.loss < a.loss for a, b in pairwise(epochs))
    seen = []

    def enough(epoch):
        seen.append(epoch.model.recommend(data.queries(users=[7]), k=2).ids())
        return epoch.number == 2

    stopped = type(model)(**SMALL).fit(data, rng=1, on_epoch=enough)
    assert stopped.recommend(data.queries(users=[7]), k=2).ids() == seen[-1]
    assert len(seen) == 2


def test_the_seed_decides(data, model):
    fitted = [type(model)(**SMALL).fit(data, rng=seed).item_vectors() for seed in (9, 9, 8)]
    assert np.array_equal(fitted[0], fitted[1], equal_nan=True)
    assert not np.allclose(fitted[0], fitted[2], equal_nan=True)


def test_nothing_to_learn_from_is_an_error(model):
    nobody = pt.Dataset.of(
        {"user": [1], "item": [2], "rating": [1.0]}, feedback=pt.Feedback(liked=4)
    )
    with pytest.raises(BadEvents, match="at least one interaction"):
        type(model)().fit(nobody)


def test_penalties_beyond_32_bits_are_an_error(data):
    with pytest.raises(BadParameter, match=r"with alpha=3 and l2=1e\+20: lower LogisticMF.alpha"):
        pt.LogisticMF(factors=8, epochs=3, l2=1e20).fit(data)


def test_steps_that_run_away_are_an_error(data):
    with pytest.raises(BadParameter, match=r"BPR diverged: lower BPR\.rate \(1000\)"):
        pt.BPR(factors=4, rate=1000.0, l2=10.0).fit(data)


@pytest.mark.parametrize(("model", "least"), [
    (pt.BPR(), 0.455), (pt.WARP(), 0.455), (pt.LogisticMF(), 0.475),
])  # fmt: skip
def test_ml_100k_stratified_by_item(model, least):
    # Cornac's BPR: .4450; EASE, the best model measured elsewhere on this split: .4842.
    split = pt.split.random(pt.datasets.read(find("ml-100k")), 0.25, by="item", rng=42)
    lists = model.fit(split.train, rng=7).recommend(split.test.queries, k=10)
    got = pt.NDCG(10).per_query(lists.codes, split.test.truth)
    assert np.nanmean(got) >= least


def test_placing_people_is_better_than_the_vectors_training_gave_them(movielens):
    split = pt.split.random(movielens, 0.2, by="user", rng=0)
    met, rng = split.train.weights(), np.random.default_rng(0)
    users, items = (0.05 * rng.standard_normal((n, 32), np.float32) for n in met.shape)
    vectors = steps.Vectors(users, items, np.zeros(len(items), np.float32))
    for n in range(10):
        steps.epoch(met, vectors, rng, rate=0.2 * (1 - n / 10), l2=0.02, draws=6)
    turn, origin = placement.placement(met, items, users)
    placed = (origin + placement.sums(met, items) @ turn).astype(np.float32)
    asked, truth = split.test.queries, split.test.truth
    stored, ours = (
        pt.NDCG(10).per_query(pt.ranking.select(x[asked.user] @ items.T, asked, 10).codes, truth)
        for x in (users, placed)
    )
    difference = ours - stored
    spread = np.nanstd(difference) / np.sqrt(len(difference))
    assert np.nanmean(difference) > 2 * spread
