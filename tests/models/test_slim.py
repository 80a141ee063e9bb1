"""SLIM against scikit-learn's elastic net, column by column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

import penchant as pt
from naive_core import entries
from penchant.errors import BadEvents, BadParameter
from penchant.kernels.coordinate import elastic_nets, gram_of, sparse_gram
from penchant.testing import check_recommender


def random_data(seed, users, items) -> pt.Dataset:
    """Everybody met a few items, with weights; the last item nobody met."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items - 1)) < 0.3)
    kind = rng.choice(["view", "buy"], len(user))
    feedback = pt.Feedback(weights={"buy": 2.5})
    table = {"user": user, "item": item, "kind": kind}
    return pt.Dataset.of(table, items={"item": range(items)}, feedback=feedback)


def written_out(data) -> np.ndarray:
    x = np.zeros((len(data.users), len(data.items)))
    for (r, c), v in entries(data.weights()).items():
        x[r, c] = v
    return x


def golden(x, l1, l2, positive) -> np.ndarray:
    """Weights by scikit-learn: 1/(2 n) |y - X w|^2 + a r |w|_1 + a (1 - r) / 2 |w|^2."""
    b = np.zeros((x.shape[1], x.shape[1]))
    a = (l1 + l2) / len(x)
    net = ElasticNet(
        alpha=a, l1_ratio=l1 / (l1 + l2), fit_intercept=False, positive=positive,
        tol=1e-10, max_iter=100_000,
    )  # fmt: skip
    for j in range(x.shape[1]):
        others = x.copy()
        others[:, j] = 0
        b[:, j] = net.fit(others, x[:, j]).coef_
    return b


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(30, 12), (8, 25), (60, 45)]),
    st.sampled_from([(0.5, 2.0), (3.0, 1.0), (0.05, 20.0)]), st.booleans(),
)  # fmt: skip
def test_weights_are_those_of_elastic_nets(seed, shape, penalties, positive):
    l1, l2 = penalties
    data = random_data(seed, *shape)
    model = pt.SLIM(l1=l1, l2=l2, positive=positive, tolerance=1e-12).fit(data)
    x = written_out(data)
    expected = golden(x, l1, l2, positive)
    found = model.weights_.to_scipy().toarray()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    met = x.any(axis=0)
    told = x.any(axis=1)
    scores = model.score(data.queries())
    np.testing.assert_allclose(scores[told][:, met], (x @ expected)[told][:, met], atol=1e-4)
    assert np.isnan(scores[:, ~met]).all()
    assert np.isnan(scores[~told]).all()


def test_the_law_of_models():
    check_recommender(pt.SLIM(l1=1.0, l2=20.0))


def test_the_dense_and_the_sparse_gram_matrix_give_the_same_weights():
    x = random_data(3, 50, 40).weights()
    columns = x.transposed()
    for positive in (True, False):
        dense, sparse = (
            elastic_nets(gram, 0.2, 3.0, positive=positive, k=k)
            for gram, k in ((gram_of(columns, x), 40), (sparse_gram(columns, x), None))
        )
        np.testing.assert_allclose(
            dense.to_scipy().toarray(), sparse.to_scipy().toarray(), atol=1e-4
        )


def test_only_the_nearest_speak():
    data = random_data(5, 40, 20)
    x = written_out(data)
    found = pt.SLIM(l1=1e-3, l2=1.0, k=3).fit(data).weights_.to_scipy().toarray()
    cosine = x.T @ x / np.sqrt(np.maximum(np.diag(x.T @ x), 1e-9))[:, None]
    np.fill_diagonal(cosine, 0)
    for j in range(20):
        near = set(np.argsort(-cosine[:, j], kind="stable")[:3].tolist())
        assert set(np.flatnonzero(found[:, j]).tolist()) <= near


@pytest.mark.slow
def test_a_working_set_grows_to_whatever_is_needed():
    """Ridge regression on everything: more columns than a working set begins with."""
    rng = np.random.default_rng(1)
    x = rng.random((400, 190))
    gram = (x.T @ x).astype(np.float32)
    found = elastic_nets(gram, 0.0, 50.0, positive=False, tolerance=1e-12).to_scipy().toarray()
    expected = np.linalg.solve(gram[1:, 1:] + 50.0 * np.eye(189), gram[1:, 0])
    np.testing.assert_allclose(found[0, 1:], expected, atol=1e-4)


def test_the_number_of_threads_changes_nothing():
    x = random_data(9, 90, 70).weights()
    gram = gram_of(x.transposed(), x)
    found = [elastic_nets(gram, 0.3, 3.0, threads=threads) for threads in (1, 2, 8)]
    assert found[0].data.tobytes() == found[1].data.tobytes() == found[2].data.tobytes()


def test_reasons_add_up():
    data = random_data(2, 30, 12)
    model = pt.SLIM(l1=0.5, l2=2.0).fit(data)
    query = data.queries(users=[0])
    for item in range(11):
        reason = model.answer(query).explain(0, [item])[0]
        assert reason.base == 0
        assert sum(s.amount for s in reason.shares) == pytest.approx(reason.score, abs=1e-5)
    assert np.isnan(model.answer(query).explain(0, [11])[0].score)


def test_settings_and_data_are_checked():
    with pytest.raises(BadParameter, match=r"SLIM.l1 must be at least 0, got -1.0"):
        pt.SLIM(l1=-1.0)
    hidden = pt.Dataset.of({"user": [1], "item": [1], "kind": ["hide"]})
    with pytest.raises(BadEvents, match="SLIM needs at least one interaction that weighs"):
        pt.SLIM().fit(hidden)
