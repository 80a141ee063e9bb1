from dataclasses import replace

import numpy as np
import pytest

import penchant as pt
from naive_ratings import biases, dataset, descend, some
from penchant.histories import Histories
from penchant.kernels import threads
from penchant.recommender import Embeds, Explains, Recommender
from penchant.testing import check_recommender
from penchant.testing.case import rated


def stranger(data, user):
    return replace(data.queries(users=[user]), user=np.array([-1], np.int32))


def test_svd_keeps_the_contract():
    check_recommender(pt.SVD)
    check_recommender(pt.SVD(factors=7, epochs=60, rate=0.02, directions=3))


def test_biases_keep_the_contract():
    check_recommender(pt.Biases)  # they order items alike for everyone, and claim no more
    check_recommender(pt.Biases(method="sgd"))


def test_capabilities_are_there():
    for model in (pt.SVD(), pt.Biases()):
        assert isinstance(model, Explains)
    assert isinstance(pt.SVD(), Embeds)


def test_biases_equal_their_slow_twin_for_anyone():
    dense = some(4, users=8, items=6)
    data = dataset(dense)
    model = pt.Biases(item_penalty=3.0, user_penalty=2.0, epochs=5).fit(data)
    mean, item, user = biases(dense.tolist(), 3.0, 2.0, 5)
    expected = mean + np.array(user)[:, None] + np.array(item)
    np.testing.assert_allclose(model.score(data.queries()), expected, rtol=1e-5)
    np.testing.assert_allclose(model.score(stranger(data, 3))[0], expected[3], rtol=1e-5)


def test_descent_puts_a_stranger_where_it_would_lead_them():
    data = dataset(some(4, users=8, items=6))
    model = pt.Biases(method="sgd", rate=0.02, penalty=0.3, epochs=7).fit(data)
    asked = data.queries(users=[3])
    n = len(asked.histories.item)
    value = model.base_[asked.histories.item] + np.float32(0.7)  # alike: no order matters
    asked = replace(asked, histories=replace(asked.histories, value=value))
    bias = 0.0
    for _ in range(7 * n):
        bias += 0.02 * ((0.7 - bias) - 0.3 * bias)
    np.testing.assert_allclose(model.score(asked)[0], model.base_ + bias, rtol=1e-5)
    told = pt.explain(model, asked, item=0)
    assert [s.amount for s in told.shares] == pytest.approx([bias / n] * n, rel=1e-4)


def test_descent_that_diverges_names_its_rate():
    with pytest.raises(pt.BadEvents, match=r"Biases diverged on .* 5.* Biases.rate \(3\)"):
        pt.Biases(method="sgd", rate=3, epochs=999).fit(dataset(some(8)))


def test_svd_is_descent_and_then_bayes():
    """The twin conditions the joint normal distribution of ratings, and never forms a ridge."""
    dense = some(5, users=14, items=9, share=0.7)
    data = dataset(dense)
    model = pt.SVD(factors=3, epochs=8, rate=0.03, start=0.5, directions=99).fit(data, rng=1)

    rng = np.random.default_rng(1)
    q, p = (0.5 * rng.standard_normal((n, 3), np.float32).astype(float) for n in (9, 14))
    b_user, b_item = np.zeros(14), np.zeros(9)
    mean = np.nanmean(dense)
    for _ in range(8):
        squares = descend(dense.tolist(), mean, p, q, b_user, b_item, 0.03, 0.02)
    noise = squares / np.count_nonzero(~np.isnan(dense))
    people, x = np.column_stack([p, b_user]), np.column_stack([q, np.ones(9)])
    expected = mean + b_item + x @ people.mean(0)
    covariance = x @ np.cov(people.T, bias=True) @ x.T

    for user, row in enumerate(dense):
        rated = ~np.isnan(row)
        gain = covariance[:, rated] @ np.linalg.inv(
            covariance[np.ix_(rated, rated)] + noise * np.eye(rated.sum())
        )
        want = expected + gain @ (row - expected)[rated]
        for asked in (data.queries(users=[user]), stranger(data, user)):
            np.testing.assert_allclose(model.score(asked)[0], want, atol=1e-4)


def test_people_without_ratings_change_nothing():
    dense = some(5, users=14, items=9)
    dense[13, 0] = 4.0
    more = dataset(np.vstack([dense, np.full((6, 9), 3.0)]))
    more = more.where(more.histories.person() < 14)
    assert len(more.users) == 20
    few, many = (pt.SVD(factors=5).fit(d, rng=2) for d in (dataset(dense), more))
    np.testing.assert_array_equal(
        few.score(dataset(dense).queries()), many.score(dataset(dense).queries())
    )


def test_who_has_no_ratings_is_average():
    data = dataset(some(6, users=9, items=7))
    for model in (pt.Biases().fit(data), pt.SVD(factors=4).fit(data)):
        likes = model.score(data.queries(likes=[[2], []]))  # a like is no rating
        np.testing.assert_array_equal(likes[0], model.base_)
        np.testing.assert_array_equal(likes[1], model.base_)


def test_the_last_rating_counts_at_once():
    data = pt.datasets.planted(noise=0.2)
    model = pt.SVD().fit(data)
    before = data.queries(users=[0])
    value = before.histories.value.copy()
    best = int(np.argmax(value))
    value[best] = 1.0
    after = replace(before, histories=replace(before.histories, value=value))
    item = before.histories.item[[best]]
    assert model.score(after, item)[0, 0] < model.score(before, item)[0, 0] - 0.05


def test_items_nobody_rated_are_nan_and_say_nothing():
    dense = some(7, users=9, items=6)
    dense[:, 4] = np.nan
    data = dataset(dense, more_items=2)
    for model in (pt.Biases().fit(data), pt.SVD(factors=4).fit(data)):
        scores = model.score(data.queries())
        assert np.isnan(scores[:, [4, 6, 7]]).all()
        assert not np.isnan(scores[:, [0, 1, 2, 3, 5]]).any()
        asked = data.queries(users=[0])
        more = dataset(np.where(np.arange(6) == 4, 1.0, dense)).queries(users=[0])
        np.testing.assert_allclose(
            model.score(more, np.array([0, 5], np.int32)),
            model.score(asked, np.array([0, 5], np.int32)),
        )


def test_svd_stops_when_told_and_counts_its_epochs():
    data = pt.datasets.planted(noise=0.2)
    seen = []

    def watch(epoch):
        seen.append(epoch)
        return epoch.number == 3

    pt.SVD(epochs=9).fit(data, on_epoch=watch)
    assert [(e.number, e.total) for e in seen] == [(1, 9), (2, 9), (3, 9)]
    assert seen[0].loss > seen[2].loss > 0


def test_svd_can_be_asked_while_it_learns():
    data = pt.datasets.planted(noise=0.2)
    found = []
    model = pt.SVD(factors=4, epochs=3)
    model.fit(data, on_epoch=lambda e: found.append(e.model.score(data.queries(users=[3]))))
    assert len(found) == 3
    np.testing.assert_array_equal(found[2], model.score(data.queries(users=[3])))
    assert not np.array_equal(found[0], found[2])


def test_divergence_names_the_rate():
    dense = some(8) * 1000
    with pytest.raises(pt.BadEvents, match=r"SVD diverged in epoch \d+ .* 5000.*SVD.rate \(0.5\)"):
        pt.SVD(rate=0.5).fit(dataset(dense))


@pytest.mark.parametrize("model", [pt.Biases(), pt.SVD(), pt.ItemKNN(target="rating")])
def test_without_ratings_there_is_nothing_to_learn(model):
    views = pt.Dataset.of({"user": [1, 2], "item": [1, 1]})
    with pytest.raises(pt.BadEvents, match=f"{model.name} learns from ratings, and .* has none"):
        model.fit(views)


def test_only_the_seed_matters():
    data = pt.datasets.planted(noise=0.3)
    found = []
    for number in (1, 3):
        with threads.limited(number):
            found.append(pt.SVD(factors=13).fit(data, rng=3).score(data.queries()))
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0], pt.SVD(factors=13).fit(data, rng=4).score(data.queries()))


def test_biases_are_explained_by_every_rating():
    dense = [[5, 5, np.nan, 1], [5, 4, 5, 1], [1, 1, 2, 5], [2, 1, 1, 4]]
    data = dataset(np.array(dense, float))
    told = pt.Biases(user_penalty=2.0).fit(data).answer(data.queries(users=[0])).explain(0, [2])[0]
    mean, item, _ = biases(dense, 10, 2, 10)
    assert told.base == pytest.approx(mean + item[2])
    amounts = {s.id: s.amount for s in told.shares}
    assert list(amounts) == [0, 1, 3]
    assert amounts[0] == pytest.approx((5 - mean - item[0]) / (3 + 2), rel=1e-5)


def test_svd_is_explained_by_what_was_liked_of_the_same_group():
    data = rated(noise=0.1)  # user 0 likes items 0, 4, 8, ...
    asked = data.queries(users=[0])
    unseen = np.setdiff1d(np.arange(0, 80, 4), asked.histories.item)
    told = pt.SVD().fit(data).answer(asked).explain(0, [int(unseen[0])])[0]
    liked = [s for s in told.top(10) if s.id % 4 == 0]
    assert all(s.amount > 0 for s in liked)
    assert told.sentence().startswith(f"because you liked {liked[0].id} and {liked[1].id}")


@pytest.mark.parametrize(
    "model", [pt.SVD(), pt.SVDpp(), pt.NMF(), pt.Biases()], ids=lambda m: m.name
)
def test_known_people_are_answered_without_their_history(model: Recommender) -> None:
    data = pt.datasets.planted()
    model.fit(data)
    pairs = [(0, 4), (7, 3), (7, 90), (0, 9)]
    stored, placed = pt.predict(model, pairs), pt.predict(model, pairs, data)
    assert np.allclose(stored["prediction"], placed["prediction"], atol=1e-5)
    strangers = pt.predict(model, [(-1, 4), (-2, 4)])["prediction"]
    assert strangers[0] == strangers[1] != stored["prediction"][0]
    quiet = replace(data.queries(users=[7]), histories=Histories.empty(1, ("rating",)))
    told = pt.explain(model, quiet, item=3)
    assert told.shares == ()
    assert told.base == told.score
