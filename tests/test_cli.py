"""The command line, as a newcomer meets it."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import penchant as pt
from commands import ITEMS, RATINGS, Run
from penchant.cli import app
from penchant.evaluation import demonstration
from penchant.evaluation.comparison import Comparison

# The way of a newcomer.


def test_help_names_every_command_and_where_to_begin(run: Run) -> None:
    text = run("--help").stdout
    for command in ("demo", "inspect", "compare", "fit", "tune", "evaluate", "recommend",
                    "similar", "explain", "predict", "doctor"):  # fmt: skip
        assert re.search(rf"│ {command} ", text), command
        assert "Usage" in run(command, "--help").stdout
    assert "penchant demo" in text
    assert re.search(r"Six models .{70,}", run("demo", "--help").stdout)  # one paragraph, filled
    assert run("--version").stdout.strip() == pt.__version__


def test_fit_recommend_similar_explain(run: Run, tmp_path: Path) -> None:
    said = run("fit", RATINGS, "--items", ITEMS, "--model", "als", "--set", "factors=8",
               "--set", "epochs=3", "--out", "small.model")  # fmt: skip
    assert "ALS(factors=8, " in said.stdout
    assert "2,326 events" in said.stdout
    assert "columns user = 'user', item = 'item', value = 'rating', time = 'timestamp'" in " ".join(
        said.stderr.split()
    )
    model = pt.load(tmp_path / "small.model")
    assert model == pt.ALS(factors=8, epochs=3)
    told = run("recommend", "small.model", "--data", RATINGS, "--user", "0", "-k", "3")
    assert " 1. " in told.stdout or told.stdout.startswith("1. ")
    assert "because you liked" in told.stdout
    asked = pt.datasets.planted().queries(users=[0])
    for title in model.recommend(asked, 3).to_frame()["title"]:
        assert title in told.stdout
    assert "Action story" in run("similar", "small.model", "Action story 0").stdout
    why = run("explain", "small.model", "Action story 4", "--likes", "Action story 0").stdout
    assert why.startswith("Action story 4: score")
    assert "history: Action story 0" in why


def test_the_line_that_fit_suggests_works(run: Run) -> None:
    said = run("fit", "planted", "--model", "ease", "--out", "a b.model").stdout
    line = said.partition("Now try: ")[2].strip()
    words = shlex.split(line)
    assert words[1:3] == ["recommend", "a b.model"]
    assert "because you liked" in run(*words[1:]).stdout


def test_a_model_of_ratings_suggests_somebody_with_ratings(run: Run, tmp_path: Path) -> None:
    pl.read_csv(RATINGS).rename({"user": "who"}).write_csv(tmp_path / "r.csv")
    said = run("fit", "r.csv", "--model", "svd", "--user-column", "who").stdout
    words = shlex.split(said.partition("Now try: ")[2].strip())
    assert "--user" in words
    assert "because you liked" in run(*words[1:]).stdout


def test_a_model_is_replaced_only_if_asked(run: Run) -> None:
    run("fit", "planted", "--model", "popularity")
    said = run("fit", "planted", "--model", "popularity", code=2)
    assert "popularity.model is there already; --overwrite" in said.stderr
    run("fit", "planted", "--model", "popularity", "--overwrite")


def test_the_hybrid_is_fitted_of_all_or_of_named_parts(run: Run, tmp_path: Path) -> None:
    run("fit", RATINGS, "--part", "ease", "--part", "popularity", "--set", "holdout=0.2",
        "--out", "two.model")  # fmt: skip
    model = pt.load(tmp_path / "two.model")
    assert isinstance(model, pt.Weighted)
    assert [type(part).__name__ for part in model.parts] == ["EASE", "Popularity"]
    assert model.holdout == 0.2
    assert "--part" in run("fit", RATINGS, "--model", "als", "--part", "ease", code=2).stderr


def test_tune_finds_settings_and_says_how_to_use_them(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = ["tune", RATINGS, "--model", "item-knn", "--trials", 4, "--search", "k=5..80",
             "--search", "weighting=none,tf_idf"]  # fmt: skip
    told = run(*words, "--html", "page.html").stdout
    split = pt.split.last(pt.datasets.read(RATINGS), fraction=0.2, validation=0.2)
    space = {"k": (5, 80), "weighting": ["none", "tf_idf"]}
    found = pt.tune(pt.ItemKNN(), split, pt.NDCG(10), space, trials=4)
    assert f"{found.value:.4f}" in told
    lines = dict(line.split(": ", 1) for line in told.splitlines() if ": penchant" in line)
    assert lines["Fit it"].endswith(f"--set k={found.best.k}" * (found.winner.number > 0))
    for line in lines.values():
        run(*shlex.split(line)[1:], *["--out", "m"] * ("penchant fit" in line))
    assert pt.load(tmp_path / "m") == found.best
    assert "Tuning ItemKNN" in (tmp_path / "page.html").read_text(encoding="utf-8")
    table = run(*words, "--format", "csv").stdout
    assert pl.read_csv(io.StringIO(table))["value"].to_list() == [t.value for t in found.trials]
    for wrong, said in (
        ("k=a..b", "a range is written like l2=1..1000"),
        ("j", "no parameter 'j'"),
    ):
        assert said in run("tune", "planted", "--search", wrong, code=2).stderr


def test_tune_finds_the_best_of_several(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = ["tune", RATINGS, "--model", "popularity", "--model", "item-knn", "--trials", 6]
    told = run(*words, "--html", "page.html").stdout
    assert "6 trials of 2 models" in told
    split = pt.split.last(pt.datasets.read(RATINGS), fraction=0.2, validation=0.2)
    models = {"popularity": pt.Popularity(), "item-knn": pt.ItemKNN()}
    found = pt.tune(models, split, pt.NDCG(10), trials=6)
    line = next(line for line in told.splitlines() if line.startswith("Fit it: "))
    run(*shlex.split(line.partition(": ")[2])[1:], "--out", "m")
    assert pt.load(tmp_path / "m") == found.best
    assert "Tuning 2 models" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "--search is for one --model" in run(*words, "--search", "k", code=2).stderr


def test_evaluate_shows_a_table_and_gives_the_numbers(run: Run) -> None:
    said = run("evaluate", RATINGS, "--model", "ease", "--model", "item-knn")
    for word in ("NDCG@10", "ease", "item-knn", "Popularity (baseline)"):
        assert word in said.stdout
    csv = run("evaluate", RATINGS, "--model", "ease", "--set", "l2=20", "--format", "csv").stdout
    split = pt.split.last(pt.datasets.planted(), fraction=0.2)
    expected = pt.evaluate(pt.EASE(l2=20).fit(split.train), split, pt.NDCG(10))
    row = pl.read_csv(io.StringIO(csv)).row(0, named=True)
    assert row["metric"] == "NDCG@10"
    assert row["value"] == pytest.approx(expected[pt.NDCG(10)])
    rated = run("evaluate", RATINGS, "--model", "svd", "--split", "random", "--format", "json")
    assert "RMSE" in {row["metric"] for row in json.loads(rated.stdout)}


@pytest.mark.parametrize("by", ["last", "random", "time", "users"])
def test_evaluate_splits_as_asked(run: Run, by: str) -> None:
    done = run("evaluate", RATINGS, "--model", "popularity", "--split", by, "--format", "csv")
    found = pl.read_csv(io.StringIO(done.stdout))
    assert found.filter(metric="NDCG@10")["value"].is_between(0, 1, closed="right").all()


def test_compare_goes_from_a_file_to_a_line_to_paste(run: Run, tmp_path: Path) -> None:
    said = run("compare", RATINGS, "--items", ITEMS, "--report", "page.html").stdout
    for word in ("2,326 rows", "Held out: each person's latest 20%", "minus popularity", "hybrid",
                 "Person ", "because you liked"):  # fmt: skip
        assert word in said, word
    best = re.search(r"^Use ([\w-]+):", said, re.MULTILINE)
    assert best
    page = (tmp_path / "page.html").read_text()
    assert f"Use {best[1]}" in page
    line = said.strip().splitlines()[-1]
    assert line in page.replace("&#x27;", "'")
    words = shlex.split(line)
    assert words[1:5] == ["fit", str(RATINGS), "--model", best[1]]
    assert f"saved as {words[-1]}" in run(*words[1:]).stdout


def test_compare_copes_with_one_person(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("user,item\n" + "".join(f"ann,{n}\n" for n in range(10)))
    found = run("compare", "one.csv").stdout
    assert found.count("the baseline") == 1
    assert "only 1 person could be asked" in " ".join(found.split())
    assert "Leaderboard" in (tmp_path / "report.html").read_text("utf-8")


# Mistakes.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "nowhere.csv"], "no such file or folder: nowhere.csv"),
        (["compare", "odd.csv"], "no user column found among who, what, stars.*--user-column"),
        (["fit", "odd.csv", "--user-column", "whom"], "no column 'whom'.*Did you mean who"),
        (["fit", "odd.csv", "--user-column", "who"], "--item-column"),
        (["compare", "empty.csv"], "empty.csv is empty"),
        (["compare", "one.csv"], "nobody in one.csv has two events"),
        (["compare", "planted", "--minutes", "-1"], "minutes must be a positive number"),
        (["compare", "planted", "--report", "nowhere/x.html"], "there is no folder"),
        (["compare", "planted", "--items", "odd.csv"], "it needs no columns or items"),
        (["fit", "planted", "--model", "als", "--set", "factor=8"], "Did you mean factors"),
        (["fit", "planted", "--model", "als", "--set", "factors=x"], "a whole number, got 'x'"),
        (["fit", "planted", "--model", "als", "--set", "factors=0"], "at least 1, got 0"),
        (["fit", "planted", "--model", "als", "--set", "factors"], "NAME=VALUE"),
        (["fit", "planted", "--out", "nowhere/m"], "--out nowhere/m: there is no folder"),
        (["fit", "planted", "--model", "best"], "'best' is not one of"),
        (["fit", "one.csv", "--model", "content-based"], "add --items FILE"),
        (["evaluate", str(RATINGS), "--model", "content-based"], "add --items FILE"),
        (["compare", "headless.csv"], "no names, write a line of names above it"),
        (["compare", "one.csv", "--report", "."], "--report . is a folder: name a file"),
        (["recommend", "nowhere.model", "--likes", "1"], "nowhere.model"),
        (["recommend", "odd.csv", "--likes", "1"], "odd.csv"),
        (["recomend"], "recommend"),
    ],
)
def test_a_mistake_is_one_line_that_helps(
    run: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "odd.csv").write_text("who,what,stars\n1,2,3\n")
    (tmp_path / "one.csv").write_text("user,item\n1,2\n")
    (tmp_path / "headless.csv").write_text("ann,tea,2\nbob,rum,3\n")
    (tmp_path / "empty.csv").touch()
    found = run(*words, code=2).stderr
    assert re.search(said, " ".join(found.replace("│", " ").split()))


BAD = """user,item,rating,timestamp
1,a,5,100
1,b,much,101
2,a,,102
,a,3,103
2,b,4,-5
2,c,4,99
"""


def test_rows_that_cannot_be_used_are_counted_or_stop(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    said = " ".join(run("fit", "bad.csv", "--model", "popularity").stderr.split())
    assert "left out 3 rows" in said
    assert "1 without a user" in said
    assert "1 rows record no value" in said
    strict = run("fit", "bad.csv", "--model", "ease", "--strict", code=2).stderr
    assert "3 of 6 rows cannot be used" in strict
    assert "(line 5)" in strict
    assert "without --strict" in strict
    (tmp_path / "none.csv").write_text("user,item\n,1\n")
    assert run("fit", "none.csv", code=2).stderr.endswith("Mend them\n")


def test_columns_can_be_named(run: Run, tmp_path: Path) -> None:
    frame = pl.read_csv(RATINGS).rename(dict(zip(["user", "item", "rating", "timestamp"], "wxyz")))
    frame.write_parquet(tmp_path / "odd.parquet")
    frame.write_csv(tmp_path / "odd.tsv", separator="\t")
    named = ["--user-column", "w", "--item-column", "x", "--value-column", "y",
             "--time-column", "z"]  # fmt: skip
    lists = []
    for file in (RATINGS, "odd.parquet", "odd.tsv"):
        words = [] if file is RATINGS else named
        run("fit", file, *words, "--model", "ease", "--out", "m", "--overwrite")
        asked = run("recommend", "m", "--data", file, *words, "--user", "3", "--format", "csv")
        lists.append(asked.stdout)
    assert lists[0] == lists[1] == lists[2]


def test_the_form_and_the_zone_of_times_can_be_said(run: Run, tmp_path: Path) -> None:
    rows = pl.read_csv(RATINGS).with_columns(timestamp=pl.lit("01/02/2024 00:30"))
    rows.write_csv(tmp_path / "dates.csv")
    fit = ["fit", "dates.csv", "--model", "popularity", "--out", "m", "--overwrite"]
    assert "--time-format on the command line" in run(*fit, code=2).stderr
    for zone, until in (("UTC", 1_706_747_400), ("Europe/Berlin", 1_706_743_800)):
        run(*fit, "--time-format", "%d/%m/%Y %H:%M", "--zone", zone)
        assert pt.load(tmp_path / "m").training_.until == until * 10**6
    assert "needs no columns" in run("fit", "planted", "--zone", "UTC", code=2).stderr


def test_what_was_liked_can_be_a_rating(run: Run, tmp_path: Path) -> None:
    run("fit", RATINGS, "--model", "popularity", "--liked", "4", "--out", "m")
    model = pt.load(tmp_path / "m")
    assert model.training_.feedback == pt.Feedback(liked=4.0)


def test_an_unwritable_place_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    assert "report.html" in run("compare", "planted", code=2).stderr


def test_ctrl_c_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("penchant.datasets.planted", interrupted)
    found = CliRunner().invoke(app, ["fit", "planted", "--model", "ease"])
    assert found.exit_code == 130
    assert "Traceback" not in found.output


def test_without_the_data_package_the_pip_line_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "penchant_movielens", None)
    for command in (["demo"], ["compare", "movielens"]):
        said = run(*command, code=2).stderr
        assert 'pip install "penchant[demo]"' in said


# The demo, on models fitted once for all tests.


@pytest.fixture
def demo(run: Run, demonstrated: Comparison, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(demonstration, "scored", lambda *_: demonstrated)
    return run("demo").stdout


def test_the_demo_prints_what_was_measured(demo: str, demonstrated: Comparison) -> None:
    said = " ".join(demo.split())
    for row in demonstrated.to_frame().iter_rows(named=True):
        assert f"{row['model']} {row['ndcg']:.4f}" in said
    assert all(line in said for line in demonstration.hybrid_against_its_parts(demonstrated))
    for one in (demonstration.without_history, demonstration.without_ratings):
        assert f"{one(demonstrated).scores['hybrid']:.4f}" in said
    for word in ("100,836 ratings", "GroupLens", "Harper", "28 people", "because you liked",
                 "because you like Sci-Fi"):  # fmt: skip
        assert word in said, word


def test_the_demo_ends_with_commands_that_work(demo: str, run: Run) -> None:
    lines = [line.strip() for line in demo.partition("Next, try")[2].splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("penchant ")]
    assert [words[0] for words in commands] == ["fit", "recommend", "compare"]
    # On the small made-up data here; `make slow` pastes them as they are.
    films = {"movielens": "planted", "Toy Story": "Action story 0", "Babe": "Action story 4"}
    for words in commands:
        run(*[films.get(word, word) for word in words])


@pytest.mark.slow
def test_the_demo_and_its_commands_as_pasted(tmp_path: Path) -> None:
    penchant = Path(sys.executable).with_name("penchant")
    shown = subprocess.run([penchant, "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert not shown.stderr
    lines = [line.strip() for line in shown.stdout.partition("Next, try")[2].splitlines()]
    commands = [line for line in lines if "penchant " in line and not line.startswith("Instead")]
    assert len(commands) == 3
    for line in commands:
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stderr)


# The installation.


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from penchant.cli import app\n"
        "assert CliRunner().invoke(app, ['fit', '--help']).exit_code == 0\n"
        "heavy = {'numpy', 'scipy', 'numba', 'polars', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_doctor_tells_what_is_here(run: Run) -> None:
    said = run("doctor").stdout
    for word in (pt.__version__, "numba", "BLAS", "kernels use", "demo: penchant-movielens",
                 "folder", "as it should be"):  # fmt: skip
        assert word in said, word
    rows = json.loads(run("doctor", "--format", "json").stdout)
    assert {"part", "what", "found"} == set(rows[0])


# The documentation.

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"


def test_the_commands_of_the_page_do_what_it_shows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Path("ratings.csv").write_bytes(RATINGS.read_bytes())
    Path("movies.csv").write_bytes(ITEMS.read_bytes())
    Path("pairs.csv").write_text("user,item\n0,1\n")
    ran = 0
    for block in CONSOLE.findall(PAGE.read_text(encoding="utf-8")):
        for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = one.partition("\n")
            output = run(*shlex.split(command)[1:]).output
            shown = "\n".join(line.rstrip() for line in output.splitlines())
            assert expected.rstrip().removesuffix("…") in shown, (command, shown)
            ran += 1
    assert ran == 16
