"""Tuning finds what is known to be best, looks at nothing but the validation part, and repeats."""

from __future__ import annotations

import io
import re
import sys
import warnings
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
from rich.console import Console

import penchant as pt
from penchant.evaluation.halving import Budget
from penchant.evaluation.search import lower_is_better
from penchant.evaluation.space import Choice, Range, changed, declared, space_of
from penchant.parameters import hyper
from penchant.recommender import Epoch, Recommender
from penchant.split import Part, Split
from reading_html import Page, needs_nothing

optuna = pytest.importorskip("optuna")

BEST = 3.7


@dataclass(kw_only=True)
class Constant(Recommender):
    """Predicts ``x`` for everything; among ratings of 3.7 its RMSE is |x - 3.7|."""

    x: float = hyper(1.0, "what to say", search=(0, 10))
    n: int = hyper(3, "a whole number", at_least=1, search=(1, 9))
    sign: Literal["plus", "minus", "never"] = hyper("plus", "of what is said")
    on: bool = hyper(True, "whether to say anything")
    label: str = hyper("it", "has no range")
    aloud: bool = hyper(False, "is not worth trying", search=())
    volume: float = hyper(1.0, "how loud", search=(0, 2), when="aloud")
    epochs: int = hyper(1, "how often to say it", at_least=1)

    @property
    def reads(self):
        return frozenset()

    @property
    def scores(self):
        return "rating"

    def __post_init__(self):
        super().__post_init__()
        if self.sign == "never":
            raise pt.BadParameter("Constant.sign must not be never")

    def _fit(self, data, rng, on_epoch):
        if self.x > 9:
            raise pt.BadEvents("too much")
        for number in range(1, self.epochs + 1):
            said = self.x if self.sign == "plus" else -self.x
            self.said_ = np.array(said if self.on else np.nan, np.float32)
            if on_epoch is not None and on_epoch(Epoch(number, self.epochs, 0.0, 0.0, self)):
                break
        self.spent_ = np.array(number)

    def _score(self, queries, items):
        n = len(queries.items) if items is None else items.shape[-1]
        return np.full((len(queries), n), self.said_, np.float32)


@pytest.fixture(scope="module")
def flat():
    """Ratings of 3.7 in validation, of 9 in a test that nothing may look at."""
    people, item = np.repeat(np.arange(20), 12), np.tile(np.arange(12), 20)
    rating = np.select([item == 0, item == 1, item < 9], [0.0, 10.0, BEST], 9.0)
    table = {"user": people, "item": item, "rating": rating, "part": item}
    data = pt.Dataset.of(table, context=("part",))
    part = data.histories.context["part"].to_numpy()
    learned = data.where(part < 6)
    asked = learned.queries()
    return Split(
        learned, Part(asked, data.histories.where(part >= 9)),
        Part(asked, data.histories.where((part >= 6) & (part < 9))), "hand",
    )  # fmt: skip


@pytest.fixture(scope="module")
def noisy():
    data = pt.datasets.planted(noise=0.3, users=80, items=40)
    return pt.split.last(data, fraction=0.2, validation=0.2)


# --- the search


def test_a_known_optimum_is_found_and_the_test_is_not_looked_at(flat):
    found = pt.tune(Constant(), flat, pt.RMSE(), {"x": (0, 9)}, trials=40)
    assert found.best.x == pytest.approx(BEST, abs=0.1)
    assert found.value == pytest.approx(abs(found.best.x - BEST), abs=1e-5)
    assert found.trials[0].settings == {"x": 1.0}
    assert found.trials[0].value == pytest.approx(2.7, abs=1e-5)
    assert min(t.value for t in found.trials) == found.value
    assert "training_" not in vars(found.best)
    assert found.best is not found.model


def test_the_best_l2_on_planted_data_is_as_good_as_the_best_of_a_grid(noisy):
    metric = pt.NDCG(10)
    grid = [
        pt.evaluate(pt.EASE(l2=l2).fit(noisy.train), noisy, metric, part=noisy.validation,
                    baseline=None)[metric]
        for l2 in np.geomspace(10, 3000, 12)
    ]  # fmt: skip
    found = pt.tune(pt.EASE(l2=3000.0), noisy, metric, trials=15)
    assert found.value >= np.quantile(grid, 0.8)
    assert found.value > found.trials[0].value
    again = pt.evaluate(found.best.fit(noisy.train), noisy, metric, part=noisy.validation,
                        baseline=None)  # fmt: skip
    assert again[metric] == found.value


def test_the_same_seed_gives_the_same_and_another_seed_does_not(noisy):
    def values(rng, trials=3):
        found = pt.tune(pt.ALS(factors=4, epochs=8), noisy, pt.NDCG(10), ["unobserved", "l2"],
                        trials=trials, rng=rng)  # fmt: skip
        return found.to_frame().drop("seconds")

    one = values(1, 12)  # the first ten proposals are random
    assert values(1, 12).equals(one)
    assert values(1).equals(one[:3])
    assert not values(2).equals(one[:3])
    assert values(np.random.default_rng(5)).equals(values(np.random.default_rng(5)))


def test_it_is_never_worse_than_what_was_given(flat):
    perfect = pt.tune(Constant(x=BEST), flat, pt.RMSE(), {"x": (5, 8)}, trials=6)
    assert perfect.best.x == BEST, "also where the space does not hold it"
    assert perfect.winner.number == 0
    assert all(5 <= t.settings["x"] <= 8 for t in perfect.trials[1:])


def test_choices_are_tried(flat):
    space = {"sign": ..., "n": [2, 5], "x": [-3.0, BEST]}
    found = pt.tune(Constant(), flat, pt.MAE(), space, trials=20)
    assert (found.best.x, found.best.sign) == (BEST, "plus")
    assert {t.settings["n"] for t in found.trials[1:]} == {2, 5}
    assert {t.settings["sign"] for t in found.trials} == {"plus", "minus"}


def test_what_the_model_refuses_or_does_not_answer_is_counted_and_not_chosen(flat):
    refusing = pt.tune(Constant(), flat, pt.RMSE(), {"x": (8, 10)}, trials=10)
    states = refusing.to_frame()["state"]
    assert {"done", "refused"} == set(states)
    assert set(refusing.to_frame().filter(state="refused")["note"]) == {"too much"}
    assert "refused: the model raised an error, such as: too much" in str(refusing)
    silent = pt.tune(Constant(), flat, pt.RMSE(), {"on": ...}, trials=6)
    assert silent.best.on
    assert "no value: nobody was answered" in set(silent.to_frame()["note"])
    with pytest.raises(pt.BadEvents, match="too much"):
        pt.tune(Constant(x=9.5), flat, pt.RMSE(), ["n"], trials=2)
    with pytest.raises(pt.BadParameter, match="Constant has no RMSE to begin with"):
        pt.tune(Constant(on=False), flat, pt.RMSE(), ["n"], trials=2)


@pytest.fixture(scope="module")
def partly_cold():
    """People like one of two genres; some of the items asked about were never rated."""
    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(60), 40), np.tile(np.arange(40), 60)
    liked = item % 2 == rng.integers(0, 2, 60)[user]
    spread = np.where(item < 30, 0.3, 1.5)  # what was never rated is harder to say
    rating = np.clip(np.where(liked, 4.5, 2.0) + spread * rng.normal(size=len(user)), 1, 5)
    genres = {"item": list(range(40)), "genres": [["Drama", "Comedy"][n % 2] for n in range(40)]}
    data = pt.Dataset.of({"user": user, "item": item, "rating": rating}, items=genres)
    held = rng.random(len(user)) < 0.3
    learned = data.where(~held & (item < 30))
    part = Part(learned.queries(), data.histories.where(held))
    return Split(learned, part, part, "hand")


def test_a_trial_does_not_win_by_answering_less(partly_cold):
    model = pt.BayesianFM(factors=2, sweeps=10, chains=1)
    space = {"item_columns": [(), ("genres",)]}
    found = pt.tune(model, partly_cold, pt.RMSE(), space, trials=4, rng=0)
    assert found.best.item_columns == ("genres",)
    by = {t.settings["item_columns"]: t for t in found.trials}
    truth = partly_cold.validation.truth
    warm = truth.item < 30
    assert by[()].answered == pytest.approx(warm.mean())
    assert by["genres",].answered == 1
    # Over what each answers, the one that answers less is better: that is not what counts.
    own = {}
    for columns in by:
        fitted = changed(model, {"item_columns": columns}).fit(partly_cold.train, rng=0)
        own[columns] = pt.evaluate(fitted, partly_cold, pt.RMSE())[pt.RMSE()]
    assert own[()] < own["genres",]
    assert found.to_frame()["answered"].to_list() == [t.answered for t in found.trials]
    assert f"{warm.mean():.1%}" in str(found)
    assert f"{warm.mean():.1%}" in found.html()


def test_a_pair_without_an_answer_counts_as_the_mean_of_train(partly_cold):
    truth, train = partly_cold.validation.truth, partly_cold.train
    fitted = pt.Biases().fit(train)
    users = train.users.decode(truth.person())
    pairs = list(zip(users, train.items.decode(truth.item), strict=True))
    said = pt.predict(fitted, pairs)["prediction"].to_numpy()
    assert 0 < np.isnan(said).sum() < len(said)
    said = np.where(np.isnan(said), train.histories.value.astype(float).mean(), said)
    for metric, by_hand in (
        (pt.MAE(), np.abs(said - truth.value).mean()),
        (pt.RMSE(), np.sqrt(np.square(said - truth.value).mean())),
    ):
        found = pt.tune(pt.Biases(), partly_cold, metric, {"item_penalty": (1, 9)}, trials=1)
        assert found.value == pytest.approx(by_hand, rel=1e-6)


def test_proposed_numbers_have_four_digits_and_stay_in_range(flat):
    space = {"x": (3.00012345, 3.00054321)}
    found = pt.tune(Constant(), flat, pt.RMSE(), space, trials=6)
    for trial in found.trials[1:]:
        x = trial.settings["x"]
        assert x == float(f"{x:.4g}") or x in space["x"]
        assert space["x"][0] <= x <= space["x"][1]
        assert trial.value == pytest.approx(abs(x - BEST), rel=1e-5)
    wide = pt.tune(Constant(), flat, pt.RMSE(), {"x": (0, 9)}, trials=6)
    assert all(float(f"{t.settings['x']:.4g}") == t.settings["x"] for t in wide.trials)


def test_poor_trials_are_cut_short_and_good_ones_are_not(flat):
    def states(prune):
        model = Constant(x=1.0, epochs=16)
        found = pt.tune(model, flat, pt.RMSE(), {"x": (0, 9)}, trials=25, prune=prune)
        return found.trials, [t.state for t in found.trials]

    trials, found = states(prune=True)
    expected = []
    reached = [], [], []  # after 2, 4 and 8 of 16 epochs, each of which says the same
    for trial in trials:
        state = "done"
        for rung in reached:
            rung.append(trial.value)
            if trial.value > sorted(rung)[max(len(rung) // 2, 1) - 1]:
                state = "pruned"
                break
        expected.append(state)
    assert found == expected
    assert 5 <= found.count("pruned") <= 22
    assert min(t.value for t in trials if t.state == "done") == min(t.value for t in trials)
    assert states(prune=True)[1] == found
    assert "pruned" not in states(prune=False)[1]


def test_several_splits_count_by_their_mean_and_cut_short_between(noisy):
    folds = pt.split.kfold(pt.datasets.planted(noise=0.3, users=80, items=40), 3, validation=0.2)
    metric = pt.NDCG(10)
    found = pt.tune(pt.EASE(l2=500.0), folds, metric, trials=12)
    by_hand = [
        pt.evaluate(pt.EASE(l2=500.0).fit(one.train), one, metric, part=one.validation,
                    baseline=None)[metric]
        for one in folds
    ]  # fmt: skip
    assert found.trials[0].value == pytest.approx(np.mean(by_hand))
    assert "pruned" in [t.state for t in found.trials]
    assert "and 2 more" in found.description


def test_it_ends_when_it_is_told_to(flat):
    seen = []
    found = pt.tune(Constant(), flat, pt.RMSE(), on_trial=lambda t: seen.append(t) or len(seen) > 2)
    assert found.trials == tuple(seen)
    assert len(seen) == 3
    assert len(pt.tune(Constant(), flat, pt.RMSE(), minutes=1e-9).trials) == 1


def test_lower_is_better_for_errors_only():
    assert lower_is_better(pt.RMSE())
    assert lower_is_better(pt.Gini())
    assert not lower_is_better(pt.NDCG(10))


# --- spaces


def test_the_space_comes_from_the_fields():
    assert declared(Constant()) == {
        "x": Range(0, 10),
        "n": Range(1, 9, whole=True),
        "sign": Choice(("plus", "minus")),
        "on": Choice((False, True)),
    }
    assert declared(Constant(aloud=True))["volume"] == Range(0, 2)
    assert declared(pt.EASE()) == {"l2": Range(10, 3000, log=True)}


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
        (None, Range(10, 3000, log=True)),
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
    ("changes", "message"),
    [
        ({"models": pt.EASE}, "a model is a value such as SVD"),
        ({"models": None}, "a model is a value such as .* got None"),
        ({"split": None}, r"split is one such as split.last\(data, ...\), got None"),
        ({"split": pt.datasets.planted()}, "split is one such as .* got <Dataset"),
        ({"minutes": "x"}, "minutes must be a positive number, or None, got 'x'"),
        ({"minutes": float("nan")}, "minutes must be a positive number, or None, got nan"),
        ({"minutes": 0}, "minutes must be a positive number, or None, got 0"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(noisy, changes, message):
    given = {"models": pt.EASE(), "split": noisy, "metric": pt.NDCG(10), "trials": 1} | changes
    with pytest.raises(pt.BadParameter, match=message):
        pt.tune(**given)


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


# --- what it gives


@pytest.fixture(scope="module")
def found(flat):
    return pt.tune(Constant(epochs=4), flat, pt.RMSE(), {"x": (0, 9), "sign": ...}, trials=12)


def test_tables(found):
    frame = found.to_frame()
    assert frame.columns == ["number", "value", "answered", "state", "seconds", "note", "x", "sign"]
    assert frame["number"].to_list() == list(range(12))
    assert set(frame["answered"]) == {1.0}
    assert re.search(r"trial +RMSE +answered +x +sign", str(found))
    assert "others count as predicted by the train mean" in str(found)
    console = Console(file=io.StringIO(), width=120)
    console.print(found)
    for text in (str(found), console.file.getvalue()):
        assert f"{found.value:.4f}" in text
        assert "12 trials (" in text
        assert "20 validation" in text
    assert repr(found).startswith("<Tuning of Constant: 12 trials, best RMSE ")
    leaders = found.leaders()
    assert [t.value for t in leaders] == sorted(t.value for t in leaders)


def test_the_page_needs_nothing_and_says_what_was_found(found):
    text = found.html("penchant fit <file> & more")
    assert needs_nothing(text)
    page = Page(text)
    assert "penchant fit <file> & more" in page.text
    assert f"{found.value:.4f}" in page.text
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert [plot["aria-label"].split(": ")[0] for plot in plots] == [
        "RMSE by trial", "RMSE by x", "RMSE by sign",
    ]  # fmt: skip
    assert text.count("<circle") == 3 * len(found.trials)
    assert found._repr_html_() in text.replace("\n", "")


def test_one_trial_has_a_page_too(flat):
    assert needs_nothing(pt.tune(Constant(), flat, pt.RMSE(), trials=1).html())


# --- around it


def test_optuna_is_as_loud_as_before_and_says_nothing(flat, capfd):
    loud = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pt.tune(Constant(), flat, pt.RMSE(), trials=3)
    assert optuna.logging.get_verbosity() == loud
    with pytest.raises(ValueError, match="stop"):
        pt.tune(Constant(), flat, pt.RMSE(), on_trial=_stop)
    assert optuna.logging.get_verbosity() == loud
    assert capfd.readouterr() == ("", "")


def _stop(trial):
    raise ValueError("stop")


def test_without_optuna_the_message_says_how_to_get_it(flat, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        pt.MissingExtra, match=r'tuning needs optuna: pip install "penchant\[tune\]"'
    ):
        pt.tune(Constant(), flat, pt.RMSE())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "rmse"}, r"metric is a value such as NDCG\(10\), got 'rmse'"),
        ({"trials": 0}, "trials must be a whole number of at least 1, got 0"),
        ({"trials": True}, "trials must be a whole number of at least 1, got True"),
        ({"split": []}, "tuning needs a split"),
    ],
    ids=str,
)
def test_mistakes_are_named(flat, change, message):
    given = {"models": Constant(), "split": flat, "metric": pt.RMSE()} | change
    with pytest.raises(pt.BadParameter, match=message):
        pt.tune(**given)


def test_a_split_without_validation_is_named():
    split = pt.split.last(pt.datasets.planted(), fraction=0.2)
    with pytest.raises(pt.BadParameter, match=r"needs a validation part.*validation=0.2"):
        pt.tune(pt.EASE(), split, pt.NDCG(10))


# --- several models


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


# --- some are asked first


@pytest.fixture(scope="module")
def crowd():
    data = pt.datasets.planted(noise=0.3, users=500, items=40)
    return pt.split.last(data, fraction=0.2, validation=0.2)


def test_poor_trials_are_cut_short_when_some_have_been_asked(crowd):
    metric = pt.NDCG(10)
    search = {"k": (1, 80)}
    found = pt.tune(pt.ItemKNN(), crowd, metric, search, trials=12)
    whole = pt.tune(pt.ItemKNN(), crowd, metric, search, trials=12, prune=False)
    assert {"done", "pruned"} == {trial.state for trial in found.trials}
    assert {trial.state for trial in whole.trials} == {"done"}
    cut = next(trial for trial in found.trials if trial.state == "pruned")
    chosen = np.zeros(len(crowd.validation), bool)
    seed = int(np.random.default_rng(0).integers(2**31))
    chosen[np.random.default_rng(seed).permutation(len(chosen))[:200]] = True
    fitted = changed(pt.ItemKNN(), cut.settings).fit(crowd.train)
    some = crowd.validation.where(chosen)
    on_some = pt.evaluate(fitted, crowd, metric, part=some, baseline=None)
    assert cut.value == on_some[metric]


def test_what_depends_on_how_many_are_asked_is_asked_of_all(crowd):
    found = pt.tune(pt.ItemKNN(), crowd, pt.Coverage(10), {"k": (1, 80)}, trials=6)
    assert {trial.state for trial in found.trials} == {"done"}
