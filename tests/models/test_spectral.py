"""Graph filters against dense matrices and numpy's singular vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from data import find
from naive_core import ndcg_at_10, written_out
from naive_spectral import filtered, normalised
from penchant.errors import BadEvents, BadParameter
from penchant.models.spectral import plateau
from penchant.testing import check_recommender


def random_data(seed, users, items, feedback=None) -> pt.Dataset:
    """People meet a few items, some of them twice; the last item nobody met."""
    rng = np.random.default_rng(seed)
    rows = rng.random((users, items - 1)) < 0.4
    cells = np.arange(max(users, items - 1))
    rows[cells % users, cells % (items - 1)] = True
    user, item = np.nonzero(rows)
    table = {"user": user, "item": item, "kind": rng.choice(["view", "buy"], len(user))}
    return pt.Dataset.of(table, items={"item": range(items)}, feedback=feedback)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(8, 15), (20, 9)]), st.sampled_from([0, 3, 50]),
    st.sampled_from([1.0, 2.5, 10.0]), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.4]),
    st.sampled_from([None, 0.5]),
)  # fmt: skip
def test_scores_are_those_of_dense_matrices(seed, shape, rank, flatness, ideal, degree, other):
    data = random_data(seed, *shape, pt.Feedback(weights={"buy": 2.5}))
    chosen = {"rank": rank, "flatness": flatness, "ideal": ideal, "degree": degree}
    model = pt.GraphFilter(**chosen, ideal_degree=other).fit(data)
    x = written_out(data.weights())
    found = model.score(data.queries())
    for u in range(3):
        expected = filtered(x, x[u], **chosen, ideal_degree=degree if other is None else other)
        size = np.abs(expected).max()
        np.testing.assert_allclose(found[u, :-1], expected[:-1], atol=2e-3 * size)
    assert np.isnan(found[:, -1]).all()


def test_gf_cf_is_a_special_case():
    """Shen et al. 2021: R~' R~ plus 0.3 times the ideal filter between roots of the degrees."""
    data = random_data(5, 40, 12)
    gf_cf = pt.GraphFilter(flatness=1.0, degree=0.0, ideal_degree=0.5, ideal=0.3, rank=4)
    found = gf_cf.fit(data).score(data.queries())[:, :-1]
    x = written_out(data.weights())[:, :-1]
    graph = normalised(x)
    first = np.linalg.svd(graph)[2][:4]
    root = np.sqrt(x.sum(axis=0))
    expected = x @ graph.T @ graph + 0.3 * ((x / root) @ first.T @ first) * root
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


def test_the_plateau_by_hand():
    t = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    assert plateau(t, 1.0).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert plateau(t, 2.0).tolist() == [1.0, 0.625, 0.5, 0.375, 0.0]


def test_more_vectors_than_there_are_change_nothing():
    data = random_data(6, 9, 14)
    found = [pt.GraphFilter(rank=rank).fit(data).score(data.queries()) for rank in (9, 500)]
    np.testing.assert_array_equal(*found)


def test_many_askers_at_once_get_what_one_gets(movielens):
    model = pt.GraphFilter(rank=16).fit(movielens)
    some = movielens.queries(users=list(movielens.users)[:300])
    together = model.score(some)
    size = np.nanmax(np.abs(together))
    for n in (0, 255, 256, 299):
        np.testing.assert_allclose(model.score(some[n])[0], together[n], atol=1e-6 * size)


def test_the_number_of_threads_changes_nothing(monkeypatch, movielens):
    some = movielens.queries(users=list(movielens.users)[:50])
    found = []
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        found.append(pt.GraphFilter(rank=16).fit(movielens).score(some).tobytes())
    assert found[0] == found[1] == found[2]


def test_who_met_nothing_that_is_known_gets_no_plausible_number():
    data = random_data(2, 12, 8)
    model = pt.GraphFilter(rank=4).fit(data)
    scores = model.score(data.queries(likes=[[], [7], [7, 0], [0]]))
    assert np.isnan(scores[:2]).all()
    np.testing.assert_allclose(scores[2], scores[3], rtol=1e-6)
    assert not np.isnan(scores[3, :-1]).any()


def test_rows_are_kept_in_no_order_of_theirs():
    data = random_data(3, 12, 8)
    turned = pt.Dataset.of(
        {"user": 11 - data.histories.person(), "item": data.histories.item},
        items={"item": range(8)},
    )
    one, other = (pt.GraphFilter(rank=4).fit(d) for d in (data, turned))
    assert one.rows_.indices.tolist() == other.rows_.indices.tolist()
    assert one.vectors_.tobytes() == other.vectors_.tobytes()


def test_settings_and_data_are_checked():
    with pytest.raises(BadParameter, match=r"GraphFilter.flatness must be a positive number"):
        pt.GraphFilter(flatness=0)
    hidden = pt.Dataset.of({"user": [1], "item": [1], "kind": ["hide"]})
    with pytest.raises(BadEvents, match="GraphFilter needs at least one interaction that weighs"):
        pt.GraphFilter().fit(hidden)


@pytest.mark.parametrize(
    "model",
    [pt.GraphFilter(rank=8), pt.GraphFilter(flatness=1.0, degree=0.0, ideal_degree=0.5)],
    ids=["h", "GF-CF"],
)
def test_the_law_of_models(model):
    check_recommender(model)


def test_ml_100k_stratified():
    """As good as EASE, whose .482 was measured elsewhere too."""
    parts = pt.split.random(pt.datasets.movielens(find("ml-100k")), 0.25, by="item", rng=42)
    part = parts.test
    lists = pt.GraphFilter().fit(parts.train).recommend(part.queries, k=10).codes.tolist()
    relevant = [set(part.truth.take(slice(n, n + 1)).item.tolist()) for n in range(len(part))]
    mean = np.mean([ndcg_at_10(a, b) for a, b in zip(lists, relevant, strict=True)])
    assert mean >= 0.477
