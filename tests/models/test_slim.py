"""SLIM against scikit-learn's elastic net, column by column."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

import penchant as pt
from naive_core import entries
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
