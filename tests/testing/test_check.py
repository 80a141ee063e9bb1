"""check_recommender passes a right model, and names the law that each wrong one breaks."""

from __future__ import annotations

import pytest

from penchant.recommender import Recommender
from penchant.testing import BrokenLaw, check_recommender, laws
from wrong_capabilities import WRONG as WRONG_CAPABILITIES
from wrong_capabilities import WithBounds, WithEverything
from wrong_models import WRONG as WRONG_MODELS
from wrong_models import ResumesOnRefit, Right

WRONG = WRONG_MODELS | WRONG_CAPABILITIES


@pytest.mark.parametrize("model", [Right, WithEverything, WithBounds])
def test_a_right_model_passes(model: type[Recommender]) -> None:
    check_recommender(model)


@pytest.mark.parametrize("model", WRONG, ids=lambda m: m.__name__)
def test_a_wrong_model_is_caught(model: type[Recommender]) -> None:
    ResumesOnRefit.memory = None
    with pytest.raises(BrokenLaw) as caught:
        check_recommender(model)
    assert f"{WRONG[model]}:" in str(caught.value)


def test_every_law_says_what_it_means_and_is_broken_by_some_model() -> None:
    untested = set(laws()) - set(WRONG.values())
    assert all(text.endswith(".") for text in laws().values())
    # These need capabilities or files that no wrong model here has; they have tests of their own.
    assert untested <= {
        "unfitted_says_so",
        "survives_saving",
    }
