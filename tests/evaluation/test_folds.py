"""Cross-validation is a loop over splits, and says no more than that."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from scipy import stats

import penchant as pt
from data import find

RANKED, RATED = (pt.NDCG(10), pt.Recall(10)), (pt.RMSE(), pt.MAE())


@pytest.fixture(scope="module")
def planted():
    return pt.datasets.planted(noise=0.2, users=80, items=40)


@pytest.fixture(scope="module")
def found(planted):
    models = {"ease": pt.EASE(l2=20.0), "popular": pt.Popularity(), "biases": pt.Biases()}
    return pt.cross_validate(models, planted, 4, rng=3)


def test_it_is_what_a_loop_by_hand_gives(planted, found):
    splits = pt.split.kfold(planted, 4, rng=3)
    for name, model in (("ease", pt.EASE(l2=20.0)), ("biases", pt.Biases())):
        for metric in RANKED + RATED * (name == "biases"):
            by_hand = [
                pt.evaluate(model.fit(split.train), split, metric, baseline=None)[metric]
                for split in splits
            ]
            assert found.mean(metric, name) == pytest.approx(np.mean(by_hand))
            assert found.sd(metric, name) == pytest.approx(np.std(by_hand, ddof=1))
    assert found.tested.sum() == sum(len(split.test.truth.item) for split in splits)
    assert found[pt.NDCG(10)] == found.mean(pt.NDCG(10), "ease")


def test_models_are_left_alone_and_ready_splits_are_taken(planted):
    splits = pt.split.kfold(planted, 3)
    model = pt.ALS(factors=4, epochs=2)
    ready = pt.cross_validate(model, folds=splits, metrics=pt.NDCG(5), rng=7)
    again = pt.cross_validate([model], planted, splits, [pt.NDCG(5)], rng=np.random.default_rng(7))
    assert "training_" not in vars(model)
    assert ready.to_frame().drop("seconds").equals(again.to_frame().drop("seconds"))
    assert ready.metrics == (pt.NDCG(5),)
    assert "over 3 folds: planted, noise 0.2, the first of them split by fold 1" in str(ready)


def test_differences_are_paired_and_wider_than_those_of_independent_samples(found):
    metric = pt.NDCG(10)
    apart = found.difference(metric, "ease", "popular")
    by_fold = found.values["ease", metric] - found.values["popular", metric]
    naive = stats.t.interval(0.95, 3, by_fold.mean(), stats.sem(by_fold))
    assert apart.value == pytest.approx(by_fold.mean())
    assert apart.low < naive[0] < naive[1] < apart.high
    # With 3 parts trained and 1 tested the variance is (1/4 + 1/3) / (1/4) times as large.
    assert (apart.high - apart.low) / (naive[1] - naive[0]) == pytest.approx(
        np.sqrt((1 / 4 + 1 / 3) * 4), rel=0.02
    )


def test_tables(found):
    frame = found.to_frame()
    assert frame.columns == ["model", "metric", "mean", "sd", *(f"fold {n}" for n in range(1, 5)),
                             "seconds"]  # fmt: skip
    row = frame.row(by_predicate=(pl.col("model") == "ease") & (pl.col("metric") == "RMSE"))
    assert row[2:8] == (None,) * 6, "EASE predicts no ratings"
    mean, sd = found.mean(pt.RMSE(), "biases"), found.sd(pt.RMSE(), "biases")
    for text in (str(found), found._repr_html_()):
        assert f"{mean:.4f} ± {sd:.4f}" in text
        assert "over 4 folds: planted, noise 0.2, shuffled and cut into 4 parts" in text
    console = Console(file=io.StringIO(), width=120)
    console.print(found)
    assert f"{mean:.4f}" in console.file.getvalue()
    assert repr(found) == "<CrossValidation of ease, popular, biases on 4 folds>"


def test_metrics_are_those_that_apply(planted):
    assert pt.cross_validate(pt.Biases(), planted, 2).metrics == RATED
    assert pt.cross_validate(pt.Popularity(), planted, 2).metrics == RANKED


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": None}, pt.BadParameter, "pass the data to cut into folds, or splits as folds="),
        ({"folds": []}, pt.BadParameter, "at least two splits"),
        ({"folds": [1, 2]}, pt.BadParameter, "at least two splits"),
        ({"folds": 1}, pt.BadParameter, "k must be from 2"),
        ({"models": []}, pt.BadParameter, "no model"),
        ({"models": pt.EASE}, pt.BadParameter, "a model is a value such as SVD.* got <class"),
        ({"models": {"one": None}}, pt.BadParameter, "a model is a value such as .* got None"),
        (
            {"models": pt.EASE(), "metrics": [pt.NDCG(10), pt.RMSE()]},
            pt.BadParameter,
            "RMSE needs a model that predicts ratings, and EASE only ranks",
        ),
        ({"metrics": ["rmse"]}, pt.BadParameter, "metrics are values such as"),
    ],
    ids=str,
)
def test_mistakes_are_named(planted, arguments, error, message):
    given = {"models": pt.Popularity(), "data": planted} | arguments
    with pytest.raises(error, match=message):
        pt.cross_validate(**given)
    with pytest.raises(pt.UnknownId, match="was not measured, only Popularity by"):
        pt.cross_validate(pt.Popularity(), planted, 2).mean(pt.RMSE())


def test_the_mean_of_the_baseline_on_ml_100k_is_that_of_surprise():
    """BaselineOnly of Surprise 1.1.5, measured on u1 to u5: RMSE .9458, MAE .7499."""
    folder = find("ml-100k")
    columns = ["user", "item", "rating", "timestamp"]
    splits = []
    for n in range(1, 6):
        parts = [
            pl.read_csv(
                folder / f"u{n}.{part}", separator="\t", has_header=False, new_columns=columns
            ).with_columns(held=pl.lit(value=part == "test"))
            for part in ("base", "test")
        ]  # fmt: skip
        data = pt.Dataset.of(pl.concat(parts), context=("held",))
        splits.append(pt.split.where(data, data.histories.context["held"].to_numpy()))
    found = pt.cross_validate(pt.Biases(), folds=splits)
    # Ours says NaN of the few items that nobody rated, and theirs the mean and the person's bias.
    assert found.mean(pt.RMSE()) == pytest.approx(0.9458, abs=0.002)
    assert found.mean(pt.MAE()) == pytest.approx(0.7499, abs=0.002)
    assert found.mean(pt.RMSE()) < 0.9458
