"""Several models share what tuning may spend, and the better half goes on."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from rich.console import Console

import penchant as pt
from known_optimum import Constant
from penchant.evaluation.halving import Budget
from reading_html import needs_nothing

pytest.importorskip("optuna")


@dataclass(kw_only=True)
class Slow(Constant):
    """The same under another name."""


def test_the_better_half_goes_on_from_round_to_round(flat):
    models = {"far": Constant(x=9.0), "near": Constant(x=3.0), "middle": Constant(x=6.0)}
    space = {"far": {"x": (8, 9)}, "near": {"x": (2, 5)}, "middle": {"x": (5.5, 7)}}
    found = pt.tune(models, flat, pt.RMSE(), space, trials=30)
    assert found.order == ("near", "middle", "far")
    assert 2 <= found.best.x <= 5
    assert found.value == found.tunings["near"].value < 0.7
    count = {name: len(one.trials) for name, one in found.tunings.items()}
    # 3 as given; then three rounds of 9 shared by three, two (best first) and one.
    assert count == {"far": 1 + 3, "middle": 1 + 3 + 5, "near": 1 + 3 + 4 + 9}
    alone = pt.tune(models["near"], flat, pt.RMSE(), space["near"], trials=count["near"])
    assert [t.value for t in alone.trials] == [t.value for t in found.tunings["near"].trials]


def test_a_model_with_nothing_to_tune_is_tried_once(noisy):
    found = pt.tune([pt.SlopeOne(), pt.Biases()], noisy, pt.RMSE(), trials=6)
    assert len(found.tunings["SlopeOne"].trials) == 1
    assert len(found.tunings["Biases"].trials) >= 3


def test_each_is_tried_as_it_was_given_whatever_the_budget(flat):
    models = [Constant(x=1.0), Slow(x=2.0)]
    for limit in ({"trials": 1}, {"minutes": 1e-9}):
        found = pt.tune(models, flat, pt.RMSE(), **limit)
        assert [len(one.trials) for one in found.tunings.values()] == [1, 1]
        assert found.order == ("Slow", "Constant")
    seen = []
    found = pt.tune(models, flat, pt.RMSE(), on_trial=lambda trial: seen.append(trial) or True)
    assert [trial.model for trial in seen] == ["Constant"]
    assert list(found.tunings) == ["Constant"]


def test_no_trial_is_begun_that_would_end_too_late():
    search = SimpleNamespace(trials=[SimpleNamespace(seconds=30.0)])
    budget = Budget.of(None, 1.0)
    assert budget.cost(search) == pytest.approx(0.25)
    search.trials += [SimpleNamespace(seconds=20.0), SimpleNamespace(seconds=28.0)]
    assert budget.cost(search) == pytest.approx(0.4)
    assert Budget.of(10, 1.0).cost(search) == pytest.approx(0.4)
    assert Budget.of(10, 100.0).cost(search) == pytest.approx(0.1)
    assert replace(budget, begun=budget.begun - 45).spent([search]) == pytest.approx(0.75, abs=0.01)
    assert Budget.of(None, None).trials == 50
    assert budget.trials is None


def test_a_setting_is_tried_once_and_a_small_space_ends(flat):
    found = pt.tune(Constant(), flat, pt.RMSE(), {"n": [1, 2, 3], "on": ...}, trials=40)
    tried = [tuple(t.settings.values()) for t in found.trials]
    assert len(tried) == len(set(tried)) <= 6


def test_several_models_are_shown(flat):
    models = {"one": Constant(x=3.0), "other <b>": Constant(x=9.0)}
    found = pt.tune(models, flat, pt.RMSE(), trials=6)
    assert str(found).index("one") < str(found).index("other <b>")
    assert f"{found.value:.4f}" in str(found)
    assert "6 trials of 2 models" in str(found)
    frame = found.to_frame()
    assert frame.columns == [
        "model", "number", "value", "answered", "state", "seconds", "note", "settings",
    ]  # fmt: skip
    assert set(frame["model"]) == {"one", "other <b>"}
    assert frame["settings"][0] == "x=3, n=3, sign=plus, on=True"
    assert repr(found).startswith("<Contest of one, other <b>: best <Tuning of Constant")
    page = found.html("penchant fit")
    assert needs_nothing(page)
    assert "other &lt;b&gt;" in page
    assert found._repr_html_() in page.replace("\n", "")


def test_models_are_named_and_settings_whole_in_a_narrow_terminal(flat):
    models = {"one": Constant(x=3.0), "another-one": Constant(x=9.0)}
    found = pt.tune(models, flat, pt.RMSE(), trials=2)
    out = io.StringIO()
    Console(file=out, width=80).print(found)
    text = out.getvalue()
    assert "…" not in text
    for whole in ("another-one", "best RMSE", "sign=plus", "on=True"):
        assert whole in text
