"""The gate's verdicts on differences that are made up; on models, see test_training."""

from __future__ import annotations

import pytest

from penchant.errors import BadParameter
from penchant.evaluation.evaluator import Estimate, Evaluation
from penchant.serving import gate
from penchant.serving.gate import Limits


def compared(low: float, value: float, high: float) -> Evaluation:
    """An evaluation of which only the difference matters."""

    class Made(Evaluation):
        def difference(self, metric, model=None, other=None):
            return Estimate(value, low, high)

        def value(self, metric, model=None):
            return 0.5

    empty = {name: {} for name in ("costs", "shared", "overall")}
    return Made(models=(gate.NEW, gate.POPULARITY), baseline=None, metrics=(), asked=(), notes=(),
                description=(), draws=0, seed=0, **empty)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "margin", "passed"),
    [
        (-0.03, -0.01, 0.0, False),
        (-0.03, 0.01, 0.0, True),
        (-0.03, -0.01, 0.02, True),
        (-0.03, -0.025, 0.02, False),
        (0.01, 0.03, 0.0, True),
    ],
)
def test_only_a_whole_interval_below_is_worse(low, high, margin, passed):
    found = compared(low, (low + high) / 2, high)
    (check,) = gate.quality(found, "", Limits(margin=margin))
    assert check.passed is passed
    assert ("clearly worse" in check.reason) is (high < 0)


def test_limits_are_checked():
    with pytest.raises(BadParameter, match=r"Limits.margin must be .* got -0.1"):
        Limits(margin=-0.1)
