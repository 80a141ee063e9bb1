"""What tuning searches: from the fields of a model, or as it was said."""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pt
from known_optimum import Constant
from penchant.evaluation.space import Choice, Range, changed, declared, space_of

pytest.importorskip("optuna")


def test_the_space_comes_from_the_fields():
    assert declared(Constant()) == {
        "x": Range(0, 10),
        "n": Range(1, 9, whole=True),
        "sign": Choice(("plus", "minus")),
        "on": Choice((False, True)),
    }
    assert declared(Constant(aloud=True))["volume"] == Range(0, 2)
    assert declared(pt.EASE())["l2"] == Range(10, 3000, log=True)
    assert space_of(pt.EASE(), None) == declared(pt.EASE())


def test_what_makes_no_difference_is_not_searched():
    assert declared(pt.ALS()).keys() == {"factors", "unobserved", "l2"}
    assert "feature_weight" in declared(pt.ALS(item_columns=("genres",)))
    assert {"side", "side_weight"} <= declared(pt.EASE(item_columns=("genres",))).keys()


def test_what_changes_the_meaning_of_scores_is_not_searched():
    for model in (pt.ItemKNN(), pt.UserKNN(target="rating")):
        found = declared(model)
        assert "target" not in found
        for name, one in found.items():
            for value in one.options if isinstance(one, Choice) else (one.low, one.high):
                assert changed(model, {name: value}).scores == model.scores


def test_parts_of_parts_are_reached():
    model = pt.Fallback([pt.Weighted([pt.EASE(), pt.ALS()]), pt.Popularity()])
    assert {"0.0.l2", "0.1.unobserved", "0.normalise"} <= declared(model).keys()
    other = changed(model, {"0.0.l2": 7.0, "0.normalise": "fit"})
    assert (other.parts[0].parts[0].l2, other.parts[0].normalise) == (7.0, "fit")
    assert model.parts[0].parts[0].l2 == pt.EASE().l2
    assert other.parts[1] is model.parts[1]


def test_a_composite_is_tuned(noisy):
    model = pt.Weighted([pt.EASE(l2=3000.0), pt.ItemKNN()], weights=[1.0, 0.5])
    space = {"0.l2": (10, 3000), "1.k": [20, 50]}
    found = pt.tune(model, noisy, pt.NDCG(10), space, trials=5)
    assert found.value >= found.trials[0].value
    assert found.best.parts[0].l2 == found.winner.settings["0.l2"]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"l2": (1, 5)}, Range(1, 5, log=True)),
        ({"l2": (1.0, 5.0, "log")}, Range(1, 5, log=True)),
        ({"l2": [5, 7]}, Choice((5, 7))),
        (["l2"], Range(10, 3000, log=True)),
        ({"l2": ...}, Range(10, 3000, log=True)),
    ],
    ids=str,
)
def test_spaces_are_written_in_several_ways(space, expected):
    assert space_of(pt.EASE(), space) == {"l2": expected}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"l3": (1, 2)}, "space: EASE has no parameter 'l3'; it has l2"),
        ({"0.l2": (1, 2)}, "EASE has no parameter '0.l2'"),
        ({"l2": (2, 1)}, r"space\['l2'\] must be .* with low below high, got \(2, 1\)"),
        ({"l2": (-1, 1)}, r"space\['l2'\]: EASE.l2 must be a positive number, got -1"),
        ({"l2": (1, "9")}, r"space\['l2'\] must be \(low, high\)"),
        ({"l2": (1, 2, 3)}, r"got \(1, 2, 3\); a list is for single values"),
        ({"l2": []}, r"space\['l2'\] must be"),
        ({"l2": 5}, r"space\['l2'\] must be .* got 5"),
        ({"l2": ["x"]}, r"space\['l2'\]: EASE.l2 must be a number or None, got 'x'"),
        ({}, "space is empty"),
        ("l2", r"write space=\['l2'\]"),
    ],
    ids=str,
)
def test_bad_spaces_are_named(noisy, space, message):
    with pytest.raises(pt.BadParameter, match=message):
        pt.tune(pt.EASE(), noisy, pt.NDCG(10), space, trials=1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (["l2"], r"with several models, space is one for each by name, got \['l2'\]"),
        ({"EAS": ["l2"]}, "space: no model is called 'EAS'. Did you mean EASE"),
        ({"EASE": ["l3"]}, "EASE has no parameter 'l3'"),
    ],
    ids=str,
)
def test_bad_spaces_of_several_are_named(noisy, space, message):
    with pytest.raises(pt.BadParameter, match=message):
        pt.tune([pt.EASE(), pt.ItemKNN()], noisy, pt.NDCG(10), space)


def test_numbers_of_numpy_will_do(noisy):
    space = {"k": (np.int64(2), np.int64(9))}
    found = pt.tune(pt.ItemKNN(k=5), noisy, pt.NDCG(10), space, trials=np.int64(2))
    assert found.space == {"k": Range(2, 9, log=True, whole=True)}
    assert len(found.trials) == 2


def test_other_spaces_that_cannot_be_searched():
    with pytest.raises(pt.BadParameter, match="'label' does not say what is worth trying"):
        space_of(Constant(), ["label"])
    with pytest.raises(pt.BadParameter, match="on a logarithmic scale low is above 0"):
        space_of(Constant(), {"x": (0, 1, "log")})
    with pytest.raises(pt.BadParameter, match=r"space\['n'\]: Constant.n must be a whole number"):
        space_of(Constant(), {"n": (1.5, 3)})
    with pytest.raises(pt.BadParameter, match="SlopeOne has nothing to tune"):
        space_of(pt.SlopeOne(), None)
    with pytest.raises(pt.BadParameter, match=r"'2.l2'.*, and those of its parts from 0\. to 1\."):
        space_of(pt.Weighted([pt.EASE(), pt.ALS()]), ["2.l2"])


SEARCHED = [
    pt.ALS(), pt.BPR(), pt.Biases(), pt.BayesianFM(), pt.CoClustering(), pt.ContentBased(),
    pt.EASE(), pt.EASE(item_columns=("genres",)), pt.GraphFilter(), pt.ItemKNN(),
    pt.ItemKNN(target="rating"), pt.LogisticMF(), pt.MarkovChain(), pt.NMF(), pt.P3alpha(),
    pt.PopularityRecent(), pt.RP3beta(), pt.SLIM(), pt.SVD(), pt.SVDpp(), pt.SequentialRules(),
    pt.UserKNN(), pt.UserKNN(target="rating"), pt.WARP(),
    pt.Weighted([pt.EASE(), pt.Popularity()]),
]  # fmt: skip


@pytest.mark.parametrize("model", SEARCHED, ids=lambda model: f"{model.name}-{model.scores}")
def test_every_model_says_what_is_worth_trying_and_takes_it(model):
    found = declared(model)
    assert found
    for name, one in found.items():
        if isinstance(one, Range):
            assert one.low < one.high
            assert not one.log or one.low > 0
            current = getattr(model, name, None)
            assert current is None or one.holds(current), "the default is within its range"
            for end in (one.low, one.high):
                changed(model, {name: int(end) if one.whole else end})
