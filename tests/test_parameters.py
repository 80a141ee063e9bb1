"""A hyper-parameter is said once, and checked wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from penchant import parameters
from penchant.errors import BadParameter
from penchant.parameters import check, hyper, hypers, parsed, written


@dataclass(kw_only=True)
class Model:
    factors: int = hyper(64, "how many", at_least=1, at_most=1000, search=(8, 256), log=True)
    l2: float = hyper(0.1, "how strict", above=0)
    shift: float = hyper(0.0, "how far", above=-1.5)
    loss: Literal["square", "log"] = hyper("square", "which loss")
    half_life: str | None = hyper(None, "how long")
    depth: int | float | None = hyper(None, "how deep")
    biased: bool = hyper(True, "whether biased")
    names: tuple[str, ...] = hyper((), "which names")
    other: int = 3


def test_the_declaration_is_the_documentation():
    known = hypers(Model)
    assert list(known) == [
        "factors", "l2", "shift", "loss", "half_life", "depth", "biased", "names",
    ]  # fmt: skip
    hint, about = known["factors"]
    assert hint is int
    assert (about.doc, about.at_least, about.at_most, about.search, about.log) == (
        "how many", 1, 1000, (8, 256), True,
    )  # fmt: skip
    assert repr(Model(factors=8)).startswith("Model(factors=8, l2=0.1")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factors": 0}, "Model.factors must be at least 1, got 0"),
        ({"factors": 1001}, "Model.factors must be at most 1000, got 1001"),
        ({"factors": 8.0}, "Model.factors must be a whole number, got 8.0"),
        ({"factors": "8"}, "Model.factors must be a whole number, got '8'"),
        ({"factors": True}, "Model.factors must be a whole number, got True"),
        ({"factors": None}, "Model.factors must be a whole number, got None"),
        ({"factors": np.float64(8)}, "Model.factors must be a whole number, got 8.0"),
        ({"l2": -1.0}, "Model.l2 must be a positive number, got -1.0"),
        ({"l2": 0}, "Model.l2 must be a positive number, got 0"),
        ({"l2": float("nan")}, "Model.l2 must be a positive number, got nan"),
        ({"l2": float("inf")}, "Model.l2 must be a finite number, got inf"),
        ({"l2": True}, "Model.l2 must be a number, got True"),
        ({"shift": -1.5}, "Model.shift must be above -1.5, got -1.5"),
        ({"loss": "hinge"}, "Model.loss must be one of 'square', 'log', got 'hinge'"),
        ({"half_life": 5}, "Model.half_life must be a text or None, got 5"),
        ({"depth": "x"}, "Model.depth must be a whole number or a number or None, got 'x'"),
        ({"depth": float("nan")}, "Model.depth must be a finite number, got nan"),
        ({"biased": 1}, "Model.biased must be true or false, got 1"),
        ({"names": ["a"]}, r"Model.names must be a tuple of texts, got \['a'\]"),
    ],
    ids=str,
)
def test_types_and_ranges_are_checked(settings, message):
    with pytest.raises(BadParameter, match=message):
        check(Model(**settings))


def test_good_settings_pass_and_numpys_numbers_become_pythons():
    model = Model(factors=np.int32(8), l2=np.float32(0.5), biased=np.bool_(False), names=("a",))
    check(model)
    assert (type(model.factors), type(model.l2), type(model.biased)) == (int, float, bool)
    check(Model(l2=1, depth=3, half_life="9d", loss="log"))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("factors=128", ("factors", 128)),
        (" factors = 128 ", ("factors", 128)),
        ("l2=1e-3", ("l2", 0.001)),
        ("l2=3", ("l2", 3.0)),
        ("loss=log", ("loss", "log")),
        ("half_life=90d", ("half_life", "90d")),
        ("half_life=none", ("half_life", None)),
        ("half_life=a=b", ("half_life", "a=b")),
        ("depth=3", ("depth", 3)),
        ("depth=3.5", ("depth", 3.5)),
        ("depth=None", ("depth", None)),
        ("biased=no", ("biased", False)),
        ("biased=TRUE", ("biased", True)),
        ("names=genres", ("names", ("genres",))),
        ("names=genres, year", ("names", ("genres", "year"))),
        ("names=", ("names", ())),
    ],
)
def test_text_becomes_a_value_of_the_fields_type(setting, expected):
    assert parsed(Model, setting) == expected
    assert type(parsed(Model, setting)[1]) is type(expected[1])
    name, value = expected
    assert parsed(Model, f"{name}={written(value)}") == expected


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("factors", "a setting is written NAME=VALUE, got 'factors'"),
        ("=5", "a setting is written NAME=VALUE"),
        ("factor=5", "Model has no parameter 'factor'; it has factors, l2.*Did you mean factors"),
        ("other=5", "Model has no parameter 'other'"),
        ("factors=many", "Model.factors must be a whole number, got 'many'"),
        ("factors=8.5", "Model.factors must be a whole number, got '8.5'"),
        ("l2=", "Model.l2 must be a number, got ''"),
        ("loss=hinge", "Model.loss must be one of 'square', 'log', got 'hinge'"),
        ("biased=2", "Model.biased must be true or false, got '2'"),
        ("depth=x", "Model.depth must be a whole number or a number or None, got 'x'"),
        ("names=a,,b", "Model.names must be a tuple of texts, got 'a,,b'"),
    ],
)
def test_text_that_is_no_setting_is_said(setting, message):
    with pytest.raises(BadParameter, match=message):
        parsed(Model, setting)


def test_a_field_of_any_type_takes_anything():
    @dataclass(kw_only=True)
    class Loose:
        told: Any = hyper(None, "whatever")

    check(Loose(told=[1, "a"]))


def test_a_class_without_parameters_says_so():
    @dataclass
    class Bare:
        x: int = 1

    with pytest.raises(BadParameter, match="Bare has no parameter 'x'; it has none"):
        parsed(Bare, "x=1")
    assert parameters.hypers(Bare) == {}
