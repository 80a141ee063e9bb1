"""Models that predict ratings, from the command line: fitted, scored, tuned and asked."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import penchant as pt
from commands import ITEMS, RATINGS, Run
from penchant.cli import app

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


def test_what_tune_prints_is_what_it_measured(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    told = run("tune", RATINGS, "--model", "biases", "--set", "method=sgd", "--search",
               "rate=0.004..0.04", "--trials", 4).stdout  # fmt: skip
    line = next(line for line in told.splitlines() if line.startswith("Fit it: "))
    (rate,) = re.findall(r"--set rate=(\S+)", line)
    assert len(rate.lstrip("0.")) <= 4
    split = pt.split.last(pt.datasets.read(RATINGS), fraction=0.2, validation=0.2)
    fitted = pt.Biases(method="sgd", rate=float(rate)).fit(split.train, rng=0)
    again = pt.evaluate(fitted, split, pt.RMSE(), part=split.validation)
    assert f"best: {again[pt.RMSE()]:.4f}" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--model", "popularity", "--set", "half_life=9d", "--search", "by"],
            "--search by: say what to try, as in --search by=LOW..HIGH or --search by=THIS,THAT",
        ),
        (
            ["--model", "popularity"],
            "Popularity has no setting of which it is known what is worth trying: say it, as in "
            "--search NAME=LOW..HIGH or --search NAME=THIS,THAT. Its settings: half_life, by, "
            "prior",
        ),
    ],
)
def test_nothing_to_tune_is_said_as_options(run: Run, words: list[str], said: str) -> None:
    pytest.importorskip("optuna")
    assert said in " ".join(run("tune", "planted", *words, code=2).stderr.split())


# penchant predict


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with models of the planted ratings."""
    folder = tmp_path_factory.mktemp("models")
    data = pt.datasets.planted()
    small = {"factors": 2, "sweeps": 6, "chains": 1}
    pt.save(pt.Biases().fit(data), folder / "biases")
    pt.save(pt.EASE().fit(data), folder / "ease")
    pt.save(pt.ItemKNN(target="rating").fit(data), folder / "knn")
    pt.save(pt.BayesianFM(**small, session_gap="1h").fit(data, rng=0), folder / "fm")
    return folder


def test_predictions_are_those_of_python(run: Run, saved: Path) -> None:
    pairs = [(3, 5), (0, 1), (3, 5), (0, 9999)]
    Path("p.csv").write_text("userId,movieId\n" + "".join(f"{u},{i}\n" for u, i in pairs))
    expected = pt.predict(pt.load(saved / "knn"), pairs, pt.datasets.planted())
    said = run("predict", saved / "knn", "p.csv", "--data", RATINGS, "--format", "csv")
    found = pl.read_csv(io.StringIO(said.stdout), schema_overrides={"prediction": pl.Float32})
    assert found.columns == ["user", "item", "prediction"]
    assert found.equals(expected.with_columns(pl.col("prediction").fill_nan(None)))
    assert found["prediction"].null_count() == 1
    assert "ItemKNN cannot say 1 of 4 ratings" in said.stderr
    shown = run("predict", saved / "knn", "p.csv", "--data", RATINGS).stdout
    assert f"{expected['prediction'][0]:.4f}" in shown
    words = ["predict", saved / "knn", "p.csv", "--data", RATINGS]
    assert "Written: 4 rows, in o.csv." in run(*words, "--out", "o.csv").stdout
    assert Path("o.csv").read_text() == said.stdout
    run(*words, "--out", "o.json", "--format", "json")
    assert [row["prediction"] for row in json.loads(Path("o.json").read_text())][3] is None


def test_bounds_and_the_time_of_asking(run: Run, saved: Path) -> None:
    data = pt.datasets.planted()
    day = "2020-06-01T12:00:00"
    rows = {"user": [3, 0], "item": [5, 1], "time": [f"{day}+00:00"] * 2}
    expected = pt.predict(pt.load(saved / "fm"), rows, data, level=0.8)
    Path("p.csv").write_text(f"who,what,when\n3,5,{day}\n0,1,{day}\n")
    said = run("predict", saved / "fm", "p.csv", "--data", "planted", "--level", 0.8, "--format",
               "csv", "--zone", "UTC", "--user-column", "who", "--item-column", "what",
               "--time-column", "when", code=2).stderr  # fmt: skip
    assert "packaged data: it needs no columns" in said
    words = ["predict", saved / "fm", "p.csv", "--level", 0.8, "--format", "csv",
             "--user-column", "who", "--item-column", "what", "--time-column", "when"]  # fmt: skip
    alone = pt.predict(pt.load(saved / "fm"), rows, level=0.8)
    found = pl.read_csv(io.StringIO(run(*words).stdout))
    assert found.columns == ["user", "item", "prediction", "low", "high"]
    assert found.to_numpy() == pytest.approx(alone.to_numpy(), abs=1e-6)
    Path("p.csv").write_text(f"user,item,time,what\n3,5,{day},7\n0,1,{day},8\n")
    both = run("predict", saved / "fm", "p.csv", "--data", RATINGS, "--level", 0.8,
               "--format", "csv").stdout  # fmt: skip
    assert pl.read_csv(io.StringIO(both)).to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)
    tokyo = run(*words[:3], "--format", "csv", "--zone", "Asia/Tokyo").stdout
    earlier = {**rows, "time": ["2020-06-01T03:00:00+00:00"] * 2}
    assert pl.read_csv(io.StringIO(tokyo))["prediction"].to_list() == pytest.approx(
        pt.predict(pt.load(saved / "fm"), earlier)["prediction"].to_list(), abs=1e-6
    )


def test_numbers_are_texts_where_the_model_learned_texts(run: Run) -> None:
    data = pt.Dataset.of({"user": ["1", "b"], "item": ["2", "x"], "rating": [5.0, 1.0]})
    pt.save(pt.Biases().fit(data), "m")
    Path("p.csv").write_text("user,item\n1,2\n")
    assert run("predict", "m", "p.csv", "--format", "csv").stdout.startswith("user,item,pred")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ease", "p.csv"], "EASE scores rank, not ratings"),
        (["knn", "p.csv"], "a saved model holds nobody's: name the file with --data FILE"),
        (["biases", "p.csv", "--level", "0.9"], "Biases has no bounds"),
        (["fm", "p.csv", "--level", "2"], "level must be"),
        (["biases", "none.csv"], "no such file: none.csv"),
        (["biases", "p.csv", "--user-column", "whom"], "p.csv has no column 'whom' for user"),
        (["biases", "odd.csv"], "odd.csv: no item column found among user, what.*--item-column"),
        (["biases", "p.csv", "--out", "nowhere/x"], "--out nowhere/x: name a file in a folder"),
        (["biases", "text.csv"], "asked for 'ann': these ids are"),
        (["nothing", "p.csv"], "nothing"),
    ],
    ids=str,
)
def test_what_cannot_be_predicted_is_said(
    run: Run, saved: Path, words: list[str], said: str
) -> None:
    Path("p.csv").write_text("user,item\n1,2\n")
    Path("odd.csv").write_text("user,what\n1,2\n")
    Path("text.csv").write_text("user,item\nann,2\n")
    found = run("predict", saved / words[0], *words[1:], code=2).stderr
    assert re.search(said, " ".join(found.replace("│", " ").split())), found


def test_what_nobody_can_like_is_refused() -> None:
    done = CliRunner().invoke(app, ["fit", "planted", "--model", "ease", "--liked", "9"])
    assert done.exit_code == 2
    assert "--liked 9 is above the highest rating, 4.5" in " ".join(done.output.split())
