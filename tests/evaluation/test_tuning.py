"""Tuning finds what is known to be best, looks at nothing but the validation part, and repeats."""

from __future__ import annotations

import io
import re
import sys
import warnings

import numpy as np
import pytest
from rich.console import Console

import penchant as pt
from known_optimum import BEST, Constant
from penchant.evaluation.search import lower_is_better
from penchant.evaluation.space import changed
from penchant.split import Part, Split
from reading_html import Page, needs_nothing

optuna = pytest.importorskip("optuna")


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


def test_a_split_without_validation_is_named():
    split = pt.split.last(pt.datasets.planted(), fraction=0.2)
    with pytest.raises(pt.BadParameter, match=r"needs a validation part.*validation=0.2"):
        pt.tune(pt.EASE(), split, pt.NDCG(10))


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
