"""The recipe of docs/how-to/tune.md on data that no search space was chosen by.

What it finds on the validation part must hold on the test: not below the best of the defaults by
more than chance, and above the defaults on average.
"""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pt
from data import find

pytest.importorskip("optuna")

NDCG = pt.NDCG(10)
MODELS = [pt.EASE(), pt.ALS(), pt.RP3beta(), pt.ItemKNN(), pt.UserKNN(), pt.Popularity()]
READ = {
    "ml-latest-small": pt.datasets.movielens,
    "lastfm-2k": lambda: pt.datasets.read(find("lastfm-2k") / "user_artists.dat"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
def test_what_the_recipe_finds_holds_on_the_test(name):
    data = READ[name]()
    split = pt.split.random(data, 0.1, by="user", validation=1 / 9, rng=1)
    found = pt.tune(MODELS, split, NDCG, trials=40)
    whole = pt.split.random(data, 0.1, by="user", rng=1)
    models = {model.name: model.fit(whole.train) for model in MODELS}
    result = pt.evaluate(
        {"found": found.best.fit(whole.train)} | models, whole, NDCG, baseline=None
    )
    defaults = [model for model in result.models if model != "found"]
    best = max(defaults, key=lambda model: result.value(NDCG, model))
    assert result.difference(NDCG, "found", best).high > 0
    assert result.value(NDCG, "found") > np.mean([result.value(NDCG, m) for m in defaults])
    assert result.difference(NDCG, "found", "Popularity").low > 0
