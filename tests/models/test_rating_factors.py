"""SVD++ and non-negative factors; tests of SVD alone are with those of the other rating models."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import penchant as pt
from data import find
from naive_factors import alternate, descend_with_sets, multiply, nearest
from naive_ratings import dataset, some
from penchant.kernels import nmf, sgd, threads
from penchant.kernels.csr import CSR
from penchant.recommender import Embeds, Explains
from penchant.testing import check_recommender
from penchant.testing.case import rated

MODELS = [pt.SVDpp(factors=4), pt.NMF(factors=4), pt.NMF(factors=4, biased=True)]
each = pytest.mark.parametrize("model", MODELS, ids=["SVDpp", "NMF", "NMF, biased"])


def stranger(data, user):
    return replace(data.queries(users=[user]), user=np.array([-1], np.int32))


@pytest.mark.parametrize(
    "model", [pt.SVDpp(), pt.SVDpp(factors=5, epochs=60, rate=0.02), pt.NMF(), pt.NMF(biased=True)]
)
def test_the_contract_is_kept(model):
    check_recommender(model)
    assert isinstance(model, Explains)
    assert isinstance(model, Embeds)


def test_svdpp_is_descent_and_then_bayes():
    """The twin conditions the joint normal distribution of ratings, and never forms a ridge."""
    dense = some(5, users=14, items=9, share=0.7)
    data = dataset(dense)
    model = pt.SVDpp(factors=3, epochs=8, rate=0.03, start=0.5).fit(data, rng=1)

    rng = np.random.default_rng(1)
    q, y, p = (0.5 * rng.standard_normal((n, 3), np.float32).astype(float) for n in (9, 9, 14))
    b_user, b_item = np.zeros(14), np.zeros(9)
    mean = np.nanmean(dense)
    for _ in range(8):
        squares = descend_with_sets(dense.tolist(), mean, p, q, y, b_user, b_item, 0.03, 0.02)
    noise = squares / np.count_nonzero(~np.isnan(dense))
    people, x = np.column_stack([p, b_user]), np.column_stack([q, np.ones(9)])
    covariance = x @ np.cov(people.T, bias=True) @ x.T

    for user, row in enumerate(dense):
        at = ~np.isnan(row)
        implied = y[at].sum(0) / np.sqrt(at.sum())
        expected = mean + b_item + x @ people.mean(0) + q @ implied
        gain = covariance[:, at] @ np.linalg.inv(
            covariance[np.ix_(at, at)] + noise * np.eye(at.sum())
        )
        want = expected + gain @ (row - expected)[at]
        for asked in (data.queries(users=[user]), stranger(data, user)):
            np.testing.assert_allclose(model.score(asked)[0], want, atol=1e-4)


def test_nmf_is_multiplied_and_then_the_nearest_least_squares():
    dense = some(6, users=12, items=9, share=0.7)
    data = dataset(dense)
    model = pt.NMF(factors=3, epochs=30, closeness=0.5).fit(data, rng=1)

    rng = np.random.default_rng(1)
    q, p = (rng.random((n, 3), np.float32).tolist() for n in (9, 12))
    for _ in range(30):
        p, q = multiply(dense.tolist(), p, q, 0.06), multiply(dense.T.tolist(), q, p, 0.06)
    average, q = np.mean(p, axis=0), np.array(q)
    none_left = 0
    for user, row in enumerate(dense):
        at = ~np.isnan(row)
        place = nearest(q[at], row[at], 0.5 * np.eye(3), average, np.zeros(3))
        none_left += np.count_nonzero(place == 0)
        for asked in (data.queries(users=[user]), stranger(data, user)):
            np.testing.assert_allclose(model.score(asked)[0], q @ place, rtol=1e-4)
    assert none_left > 0  # the bound matters


def test_biased_nmf_alternates_and_is_then_the_nearest_least_squares():
    dense = some(6, users=12, items=9, share=0.7)
    data = dataset(dense)
    model = pt.NMF(factors=3, epochs=15, closeness=0.5, biased=True, bias_penalty=2.0)
    model.fit(data, rng=1)

    rng = np.random.default_rng(1)
    q, p = (rng.random((n, 3), np.float32).astype(float) for n in (9, 12))
    mean, p, q, b_user, b_item = alternate(dense, p, q, 0.06, 2.0, epochs=15)
    people, x = np.column_stack([p, b_user]), np.column_stack([q, np.ones(9)])
    low = np.array([0, 0, 0, -np.inf])
    for user, row in enumerate(dense):
        at = ~np.isnan(row)
        left = (row - mean - b_item)[at]
        place = nearest(x[at], left, 0.5 * np.eye(4), people.mean(0), low)
        found = model.score(stranger(data, user))[0]
        np.testing.assert_allclose(found, mean + b_item + x @ place, rtol=1e-4)


def hundred():
    """Return rows of u1.base and u1.test."""
    names = ["user", "item", "rating", "timestamp"]
    return (
        pl.read_csv(find("ml-100k") / f"u1.{part}", separator="\t", has_header=False,
                    new_columns=names)
        for part in ("base", "test")
    )  # fmt: skip


def test_epochs_are_those_of_surprise():
    """From the same start the errors are the same: Surprise 1.1.5, random_state=0, u1."""
    train, test = hundred()
    users, items = (train[c].unique(maintain_order=True) for c in ("user", "item"))
    code = {c: dict(zip(ids, range(len(ids)), strict=True))
            for c, ids in (("user", users), ("item", items.sort()))}  # fmt: skip
    met = [code["item"][i] for i in items]  # in the order in which Surprise numbers them
    shape = len(users), len(items)
    u, i = ([code[c].get(x, -1) for x in train[c]] for c in ("user", "item"))
    ratings = CSR.from_pairs(u, i, train["rating"], shape)
    u, i = (np.array([code[c].get(x, -1) for x in test[c]]) for c in ("user", "item"))
    mean = float(train["rating"].mean())

    def start(draw, factors):
        p, q, y = (draw((n, factors)).astype(np.float32) for n in (*shape, shape[1]))
        q[met], y[met] = q.copy(), y.copy()
        return p, q, y

    def rmse(said):
        return np.sqrt(np.mean((np.clip(said, 1, 5) - test["rating"].to_numpy()) ** 2))

    def descended(factors, rate, sets):
        rng = np.random.RandomState(0)
        p, q, y = start(lambda size: rng.normal(0, 0.1, size), factors)
        b_user, b_item = (np.zeros(n, np.float32) for n in shape)
        for _ in range(20):
            sgd.epoch(ratings, mean, p, q, b_user, b_item, rate=rate, penalty=0.02,
                      implied=y if sets else None)  # fmt: skip
        if sets:
            rated = ratings.to_scipy().toarray() > 0
            p = p + rated @ y / np.sqrt(rated.sum(1))[:, None]
        known = np.einsum("nf,nf->n", p[u], q[i]) + b_item[i]
        return rmse(mean + b_user[u] + np.where(i >= 0, known, 0))

    assert descended(100, 0.005, sets=False) == pytest.approx(0.95127636, abs=2e-5)
    assert descended(20, 0.007, sets=True) == pytest.approx(0.93304551, abs=2e-5)

    rng = np.random.RandomState(0)
    p, q, _ = start(lambda size: rng.uniform(0, 1, size), 15)
    b_user, b_item = (np.zeros(n, np.float32) for n in shape)
    by_item = ratings.transposed()
    for _ in range(50):
        moved, _, _ = nmf.half_epoch(ratings, p, q, b_user, b_item, penalty=0.06)
        q, _, _ = nmf.half_epoch(by_item, q, p, b_item, b_user, penalty=0.06)
        p = moved
    said = np.where(i >= 0, np.einsum("nf,nf->n", p[u], q[i]), mean)
    assert rmse(said) == pytest.approx(0.97980550, abs=2e-5)


@each
def test_who_has_no_ratings_is_average(model):
    data = dataset(some(6, users=9, items=7))
    model.fit(data)
    likes = model.score(data.queries(likes=[[2], []]))  # a like is no rating
    np.testing.assert_array_equal(likes[0], likes[1])
    everyone = model.score(data.queries())
    assert everyone.min() < likes[0].mean() < everyone.max()


@each
def test_items_nobody_rated_are_nan_and_say_nothing(model):
    dense = some(7, users=9, items=6)
    dense[:, 4] = np.nan
    data = dataset(dense, more_items=2)
    scores = model.fit(data).score(data.queries())
    assert np.isnan(scores[:, [4, 6, 7]]).all()
    assert not np.isnan(scores[:, [0, 1, 2, 3, 5]]).any()
    more = dataset(np.where(np.arange(6) == 4, 1.0, dense)).queries(users=[0])
    both = [model.score(q, np.array([0, 5], np.int32)) for q in (more, data.queries(users=[0]))]
    np.testing.assert_allclose(*both)


@each
def test_people_without_ratings_change_nothing(model):
    dense = some(5, users=14, items=9)
    dense[13, 0] = 4.0
    more = dataset(np.vstack([dense, np.full((6, 9), 3.0)]))
    more = more.where(more.histories.person() < 14)
    assert len(more.users) == 20
    asked = dataset(dense).queries()
    np.testing.assert_array_equal(
        *(model.fit(d, rng=2).score(asked) for d in (dataset(dense), more))
    )


@each
def test_progress_can_be_watched_asked_and_stopped(model):
    data = pt.datasets.planted(noise=0.2)
    seen, found = [], []

    def watch(epoch):
        seen.append(epoch)
        found.append(epoch.model.score(data.queries(users=[3])))
        return epoch.number == 3

    model.fit(data, on_epoch=watch)
    assert [(e.number, e.total) for e in seen] == [(n, model.epochs) for n in (1, 2, 3)]
    assert seen[0].loss > seen[2].loss > 0
    np.testing.assert_array_equal(found[2], model.score(data.queries(users=[3])))
    assert not np.array_equal(found[0], found[2])


@each
def test_only_the_seed_matters(model):
    data = pt.datasets.planted(noise=0.3)
    found = []
    for number in (1, 3):
        with threads.limited(number):
            found.append(model.fit(data, rng=3).score(data.queries()))
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0], model.fit(data, rng=4).score(data.queries()))


@pytest.mark.parametrize("model", [pt.SVDpp(), pt.NMF()], ids=lambda m: m.name)
def test_reasons_are_what_was_liked_of_the_same_group(model):
    data = rated(noise=0.1)  # user 0 likes items 0, 4, 8, ...
    asked = data.queries(users=[0])
    unseen = np.setdiff1d(np.arange(0, 80, 4), asked.histories.item)
    told = model.fit(data).answer(asked).explain(0, [int(unseen[0])])[0]
    liked = [s for s in told.top(10) if s.id % 4 == 0]
    assert all(s.amount > 0 for s in liked)
    assert told.sentence().startswith(f"because you liked {liked[0].id} and {liked[1].id}")


@pytest.mark.parametrize("biased", [False, True])
def test_shares_of_themes_left_out_are_exact(biased):
    data = dataset(some(6, users=12, items=9, share=0.7))
    model = pt.NMF(factors=5, closeness=0.5, biased=biased).fit(data, rng=1)
    assert (model.people_[:, :5] == 0).any()
    for user in range(12):
        asked = data.queries(users=[user])
        for item, score in enumerate(model.score(asked)[0]):
            told = model.answer(asked).explain(0, [item])[0]
            assert told.base + sum(s.amount for s in told.shares) == pytest.approx(score, rel=1e-5)


def test_nmf_is_not_negative():
    model = pt.NMF(closeness=1.0).fit(pt.datasets.planted(noise=0.5))
    assert model.people_.min() == 0
    assert model.loadings_.min() >= 0


def test_negative_ratings_have_no_non_negative_factors():
    dense = some(3) - 2
    with pytest.raises(pt.BadEvents, match=r"NMF needs ratings of 0 or more, and .* has -1"):
        pt.NMF().fit(dataset(dense))


def test_divergence_names_the_rate():
    dense = some(8) * 1000
    with pytest.raises(pt.BadEvents, match=r"SVDpp diverged in epoch \d+ .*SVDpp.rate \(0.5\)"):
        pt.SVDpp(rate=0.5).fit(dataset(dense))


@each
def test_without_ratings_there_is_nothing_to_learn(model):
    views = pt.Dataset.of({"user": [1, 2], "item": [1, 1]})
    with pytest.raises(pt.BadEvents, match=f"{model.name} learns from ratings, and .* has none"):
        model.fit(views)
