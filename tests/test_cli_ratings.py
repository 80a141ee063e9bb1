"""Models that predict ratings, from the command line: fitted, scored, tuned and asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import penchant as pt
from penchant.cli import app

Run = Callable[..., Result]

PLANTED = Path(pt.__file__).parent / "planted"
RATINGS, ITEMS = PLANTED / "ratings.csv", PLANTED / "items.csv"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder; without a mistake it must end well, with one in a line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: object, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == code, (done.output, done.exception)
        assert "Traceback" not in done.output
        return done

    return run


NAMED = {
    "biases": pt.Biases(method="sgd", epochs=2),
    "svd": pt.SVD(factors=4, epochs=2),
    "svdpp": pt.SVDpp(factors=4, epochs=2),
    "nmf": pt.NMF(biased=True, factors=4, epochs=2),
    "slope-one": pt.SlopeOne(memory=0.5),
    "co-clustering": pt.CoClustering(user_groups=2, epochs=3),
    "bayesian-fm": pt.BayesianFM(
        factors=2, sweeps=4, chains=1, item_columns=("genres", "title"), session_gap="1h"
    ),
    "item-knn": pt.ItemKNN(target="rating", similarity="msd", shrinkage=5.0),
    "user-knn": pt.UserKNN(target="rating", form="z_score", k=7),
}


@pytest.mark.parametrize("name", NAMED)
def test_every_model_of_ratings_is_fitted_by_name_with_any_settings(run: Run, name: str) -> None:
    model, usual = NAMED[name], type(NAMED[name])()
    words = []
    for field, value in vars(model).items():
        if value != getattr(usual, field):
            text = ",".join(value) if isinstance(value, tuple) else value
            words += ["--set", f"{field}={text}"]
    run("fit", RATINGS, "--items", ITEMS, "--model", name, *words, "--out", "m")
    assert pt.load("m") == model


def test_models_of_ratings_are_scored_by_their_errors(run: Run) -> None:
    said = run(
        "evaluate", "planted", "--model", "biases", "--model", "slope-one", "--format", "csv"
    )
    lines = said.stdout.splitlines()
    assert {line.split(",")[1] for line in lines[1:]} == {"RMSE", "MAE"}
    knn = run("evaluate", "planted", "--model", "user-knn", "--set", "target=rating").stdout
    assert "RMSE" in knn
    assert "NDCG" not in knn


def test_the_lines_that_tune_prints_hold_columns(run: Run) -> None:
    pytest.importorskip("optuna")
    small = ["--set", "factors=2", "--set", "sweeps=3", "--set", "chains=1"]
    told = run("tune", RATINGS, "--items", ITEMS, "--model", "bayesian-fm", *small,
               "--set", "item_columns=genres,title", "--search", "rated=true,false",
               "--trials", 1).stdout  # fmt: skip
    line = next(line for line in told.splitlines() if line.startswith("Fit it: "))
    assert "--set item_columns=genres,title" in line
    run(*shlex.split(line)[3:], "--out", "m")
    assert pt.load("m").item_columns == ("genres", "title")
