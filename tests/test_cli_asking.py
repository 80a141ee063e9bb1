"""Saved models asked on the command line: recommend, similar and explain."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import penchant as pt
from commands import RATINGS, Run


@pytest.fixture(scope="module")
def ease(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "ease.model"
    pt.save(pt.EASE(l2=20.0).fit(pt.datasets.planted()), path)
    return path


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "hybrid.model"
    parts = [pt.ContentBased(), pt.ItemKNN(), pt.Popularity()]
    pt.save(pt.Weighted(parts, weights=[0.5, 0.4, 0.1]).fit(pt.datasets.planted()), path)
    return path


def test_likes_are_titles_with_typos_or_ids(run: Run, ease: Path) -> None:
    exact = run("recommend", ease, "--likes", "Action story 0", "--format", "csv")
    typo = run("recommend", ease, "--likes", "Acton stroy 0", "--format", "csv")
    by_id = run("recommend", ease, "--likes", "0", "--format", "csv")
    assert exact.stdout == typo.stdout == by_id.stdout
    assert "taken as Action story 0 (id 0)" in typo.stderr
    assert not exact.stderr
    asked = pt.datasets.planted().queries(likes=[[0]])
    expected = pt.load(ease).recommend(asked).to_frame()
    assert pl.read_csv(io.StringIO(exact.stdout))["item"].to_list() == expected["item"].to_list()
    near = run("recommend", ease, "--likes", "Action story 101", code=2).stderr
    assert "could mean" in near
    assert "(id " in near


def test_tastes_are_read_by_models_that_can(run: Run, ease: Path, hybrid: Path) -> None:
    found = json.loads(run("recommend", hybrid, "--tastes", "sci-fi", "--format", "json").stdout)
    assert [row["genres"] for row in found[:3]] == ["Sci-Fi"] * 3
    assert found[0]["user"] is None
    assert found[0]["reason"] == "because you like Sci-Fi"
    assert "does not read tastes" in run("recommend", ease, "--tastes", "Sci-Fi", code=2).stderr
    assert "Did you mean" in run("recommend", hybrid, "--tastes", "ScyFi", code=2).stderr


def test_who_is_asking_must_be_said_and_be_one(run: Run, ease: Path) -> None:
    for words, said in (
        ([], "who is asking?"),
        (["--user", "1"], "name the file with --data"),
        (["--user", "1", "--likes", "2"], "not both"),
        (["--user", "900", "--data", RATINGS], "900"),
        (["--user", "bob", "--data", RATINGS], "ids here are like 0"),
        (["--likes", "1", "-k", "0"], "at least 1, got 0"),
    ):
        assert said in run("recommend", ease, *words, code=2).stderr


def test_no_list_is_explained(run: Run, tmp_path: Path) -> None:
    pt.save(pt.ContentBased().fit(pt.datasets.planted()), tmp_path / "content.model")
    events = {"user": [1, 2], "item": [500, 0]}  # item 500 is none of the model's
    pl.DataFrame(events).write_csv(tmp_path / "other.csv")
    said = run("recommend", "content.model", "--data", "other.csv", "--user", "1")
    assert "has nothing to say to this person" in said.stderr


def test_similar_items_of_a_hybrid_are_those_of_a_part(run: Run, hybrid: Path) -> None:
    said = run("similar", hybrid, "Comedy story 1", "--format", "csv")
    assert "as ContentBased sees it" in said.stderr
    assert pl.read_csv(io.StringIO(said.stdout))["genres"][0] == "Comedy"
    pt.save(pt.Popularity().fit(pt.datasets.planted()), "popular.model")
    assert "which items are alike" in run("similar", "popular.model", "0", code=2).stderr


def test_shares_add_up_in_every_format(run: Run, hybrid: Path) -> None:
    words = ["explain", hybrid, "Comedy story 5", "--likes", "Comedy story 1"]
    rows = json.loads(run(*words, "--format", "json").stdout)
    score = re.search(r"score (\S+)", run(*words).stdout)
    assert score
    assert sum(row["amount"] for row in rows) == pytest.approx(float(score[1]), rel=1e-3)
    assert rows[0]["kind"] == "base"


# As a process of its own.


def test_nothing_but_the_result_goes_to_standard_output(ease: Path) -> None:
    words = [sys.executable, "-m", "penchant", "recommend", str(ease), "--likes", "0"]
    done = subprocess.run([*words, "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 10
    assert not done.stderr  # no progress without a terminal


def test_a_closed_pipe_ends_it_quietly(ease: Path) -> None:
    words = [sys.executable, "-m", "penchant", "recommend", str(ease), "--likes", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
