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
