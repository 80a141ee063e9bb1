"""The protocol of NeuMF on ml-1m, by the script that measures it: a regression test.

Published: ALS with 192 factors HR@10 .730 (Rendle et al. 2022), EASE .7192 (Anelli et al. 2021).
"""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from data import find

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    find("ml-1m")
    before = list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("last_out", BENCHMARKS / "last_out.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = before


@pytest.fixture(scope="module")
def asked(script):
    split, _ = script.last_out(find("ml-1m"))
    return split, script.candidates(split, 0)


@pytest.mark.slow
def test_the_protocol_is_the_published_one(asked):
    split, items = asked
    assert items.shape == (6040, 100)
    part = split.test
    assert (part.truth.lengths == 1).all()
    assert (items[:, 0] == part.truth.item).all()
    for row in range(0, 6040, 500):
        first, end = part.queries.histories.indptr[row : row + 2]
        history = part.queries.histories.item[first:end]
        assert not set(history) & set(items[row])
        assert len(set(items[row])) == 100


@pytest.mark.slow
@pytest.mark.parametrize(("name", "hit_rate"), [("ALS", 0.725), ("EASE", 0.718)])
def test_hit_rates_are_as_published(name, hit_rate, script, asked):
    settings = json.loads(script.SETTINGS.read_text())["models"][name]["settings"]
    model = replace(script.MODELS[name], **settings).fit(asked[0].train)
    assert script.among(model, *asked)[0] > hit_rate
