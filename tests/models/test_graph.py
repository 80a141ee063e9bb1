import numpy as np
import pytest

import penchant as pt
from naive_graph import walk
from penchant.recommender import Explains, Similar
from penchant.testing import check_recommender

PEOPLE = np.array(
    [[5, 3, 0, 0, 1], [4, 0, 0, 2, 0], [0, 0, 5, 4, 0], [1, 1, 0, 0, 0], [0, 0, 2, 0, 3]]
)
"""People by items: what their events weigh."""


def weighed(matrix):
    rows, columns = np.nonzero(matrix)
    kinds = [f"k{matrix[r, c]}" for r, c in zip(rows, columns, strict=True)]
    feedback = pt.Feedback(weights={f"k{n}": n for n in range(1, 6)})
    events = {"user": rows, "item": columns, "kind": kinds}
    return pt.Dataset.of(events, kind="kind", feedback=feedback)


@pytest.mark.parametrize("model", [pt.P3alpha(), pt.RP3beta(), pt.RP3beta(k=20)], ids=str)
def test_they_keep_the_contract(model):
    check_recommender(model)
    assert isinstance(model, Explains)
    assert isinstance(model, Similar)


@pytest.mark.parametrize("k", [1, 2, 9])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.6, 0.4), (1.3, 1.0)])
def test_equals_walking_step_by_step(alpha, beta, k):
    data = weighed(PEOPLE)
    models = [pt.RP3beta(alpha=alpha, beta=beta, k=k)]
    if not beta:
        models.append(pt.P3alpha(alpha=alpha, k=k))
    expected = [walk(PEOPLE.tolist(), row, alpha, beta, k) for row in PEOPLE.tolist()]
    for model in models:
        found = model.fit(data).score(data.queries())
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


# irspack 0.5.2: RP3betaComputer with alpha=1, on PEOPLE; entry (j, i) is of a walk from j to i.
WALKS = {
    0.0: [
        [0.0, 0.216666667, 0.0, 0.133333333, 0.055555556],
        [0.541666667, 0.0, 0.0, 0.0, 0.083333333],
        [0.0, 0.0, 0.0, 0.317460317, 0.171428571],
        [0.222222222, 0.0, 0.37037037, 0.0, 0.0],
        [0.138888889, 0.083333333, 0.3, 0.0, 0.0],
    ],
    0.4: [
        [0.0, 0.124442322, 0.0, 0.065114579, 0.031908288],
        [0.215641384, 0.0, 0.0, 0.0, 0.047862431],
        [0.0, 0.0, 0.0, 0.155034712, 0.098459859],
        [0.08846826, 0.0, 0.170057981, 0.0, 0.0],
        [0.055292663, 0.047862431, 0.137746965, 0.0, 0.0],
    ],
}


@pytest.mark.parametrize("beta", WALKS)
def test_walks_as_irspack(beta):
    data = weighed(PEOPLE)
    model = pt.RP3beta(alpha=1.0, beta=beta).fit(data)
    one_each = np.eye(5, dtype=int)
    found = model.score(weighed(one_each).queries())
    np.testing.assert_allclose(found, WALKS[beta], rtol=1e-6, atol=1e-9)


def test_without_powers_the_walks_from_an_item_are_all_that_can_happen():
    # Chances to end elsewhere and to come back, which is not kept, add up to 1.
    data = pt.datasets.planted()
    weights = pt.P3alpha(alpha=1.0, k=len(data.items)).fit(data).weights_.to_scipy()
    met = data.weights().to_scipy()
    step_out = met / met.sum(axis=1)[:, None]
    step_back = met.T / met.sum(axis=0)[:, None]
    home = (step_back * step_out.T).sum(axis=1)
    np.testing.assert_allclose(np.ravel(weights.sum(axis=1)) + np.ravel(home), 1, rtol=1e-5)
