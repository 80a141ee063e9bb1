"""CoClustering against its slow twin and the library Surprise, and what it says to whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import penchant as pt
from naive_groups import ODD, co_cluster
from naive_ratings import dataset, ratings, some
from penchant.histories import Histories
from penchant.kernels.co_clustering import cluster
from penchant.testing import check_recommender


def test_co_clustering_keeps_the_contract():
    check_recommender(pt.CoClustering(user_groups=4, item_groups=4))
    check_recommender(pt.CoClustering(shrinkage=0))


def clustered(dense, people, items, sizes, epochs):
    """Return the groups after ``cluster``, and the prediction for each pair."""
    people, items = np.array(people, np.int32), np.array(items, np.int32)
    whole = np.nanmean(dense, axis=1)[:, None] + np.nanmean(dense, axis=0)
    pulls = cluster(ratings(dense), ratings(dense - whole), people, items, sizes, epochs)
    return people.tolist(), items.tolist(), whole + pulls[people][:, items]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sizes", [(3, 3), (2, 3), (4, 2)], ids=str)
def test_it_equals_its_slow_twin(seed, sizes):
    rng = np.random.default_rng(seed)
    dense = rng.random((14, 9)) * 4  # no two errors are equal
    dense[rng.random(dense.shape) > 0.8] = np.nan
    groups = rng.integers(sizes[0], size=14), rng.integers(sizes[1], size=9)
    for epochs in (1, 6):
        found = clustered(dense, *groups, sizes, epochs)
        expected = co_cluster(dense, *groups, sizes, epochs)
        assert found[:2] == expected[:2]
        np.testing.assert_allclose(found[2], expected[2], atol=1e-6)


def test_it_ends_where_surprise_ends():
    # CoClustering(n_cltr_u=3, n_cltr_i=2, random_state=1) of Surprise 1.1.5, from its first groups.
    people, items, scores = clustered(
        ODD, [1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 2], [1, 0, 1, 0, 0, 0, 0, 0, 1], (3, 2), 20
    )
    assert people == [1, 1, 0, 1, 1, 2, 2, 1, 0, 1, 1, 1]
    assert items == [1, 1, 1, 0, 0, 1, 0, 0, 1]
    expected = [4.137911, 4.415689, 4.629975, 4.335859, 3.613636, 4.165689, 5.265152, 4.589827]
    np.testing.assert_allclose(scores[0, :8], expected, atol=1e-6)


def test_whoever_asks_is_put_where_the_error_is_least():
    dense = some(3, users=20, items=9, share=0.6)
    data = dataset(dense)
    model = pt.CoClustering(user_groups=4, item_groups=3, shrinkage=0).fit(data, rng=2)
    row = np.where(np.isnan(dense[7]), np.nan, dense[7])
    left = row - np.nanmean(row) - np.nanmean(dense, axis=0)
    pulls = model.pulls_[:, model.groups_]
    best = np.argmin(np.nansum((left - pulls) ** 2, axis=1))
    expected = np.nanmean(row) + np.nanmean(dense, axis=0) + pulls[best]
    known = data.queries(users=[7])
    for asked in (known, replace(known, user=np.array([-1], np.int32))):
        np.testing.assert_allclose(model.score(asked)[0], expected, rtol=1e-5)
    quiet = replace(known, histories=Histories.empty(1, ("rating",)))
    np.testing.assert_array_equal(model.score(quiet), model.score(known))
    items = np.array([[3, -1, 0]], np.int32)
    np.testing.assert_allclose(model.score(known, items)[0], expected[[3, -1, 0]] * [1, np.nan, 1])


def test_means_start_from_the_mean_of_all():
    dense = some(6, users=20, items=9, share=0.6)
    data = dataset(dense)
    model = pt.CoClustering(user_groups=1, item_groups=1, shrinkage=3).fit(data)
    mean = np.nanmean(dense)
    person, item = (
        mean + np.nansum(dense - mean, axis) / ((~np.isnan(dense)).sum(axis) + 3) for axis in (1, 0)
    )
    expected = person[:, None] + item - mean  # of one group, what the means say
    np.testing.assert_allclose(model.score(data.queries()), expected, rtol=1e-5)


def test_a_stranger_without_ratings_gets_the_mean_of_an_item():
    dense = some(4)
    dense[:, 5] = np.nan
    data = dataset(dense, more_items=1)
    scores = pt.CoClustering(shrinkage=0).fit(data).score(data.queries(likes=[[2], []]))
    expected = np.append(np.nanmean(np.delete(dense, 5, axis=1), axis=0), np.nan)
    np.testing.assert_allclose(scores[1], np.insert(expected, 5, np.nan), rtol=1e-6)
    np.testing.assert_array_equal(scores[0], scores[1])


def test_only_the_seed_matters():
    data = pt.datasets.planted(noise=0.5)
    found = [pt.CoClustering().fit(data, rng=seed).score(data.queries()) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
