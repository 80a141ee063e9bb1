"""penchant prepare: steps as in Python, a report, a file that reads back as the same events."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import penchant as pt
from penchant.cli import app

ROWS = (
    "user,item,stars,when,device\n"
    "ann,tea,5,2024-03-01T10:00:00+01:00,tv\n"
    "ann,tea,3,2024-03-02T10:00:00+01:00,\n"
    "ann,cup,,2024-03-02T11:00:00+01:00,tv\n"
    "bob,tea,4,2024-03-03T10:00:00+01:00,phone\n"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("raw.csv").write_text(ROWS)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["prepare", *words])
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return " ".join(done.output.split())

    return run


@pytest.mark.parametrize("name", ["clean.parquet", "clean.csv", "clean.arrow"])
def test_what_is_written_reads_back_as_the_same_events(run, name):
    said = run("raw.csv", "--time-column", "when", "--context", "device", "--out", name,
               "--step", "Deduplicate(keep='last')")  # fmt: skip
    assert "as read 4 2 2 0" in said
    assert "Deduplicate(keep='last') 3 2 2 0" in said
    assert "1 row repeated a user, item and kind" in said
    assert f"Written: 3 rows, in {name}." in said
    direct = pt.Events.read("raw.csv", time="when", context=["device"])
    expected = pt.prepare(direct, [pt.Deduplicate(keep="last")]).events.frame
    found = pt.Events.read(name, context=["device"]).frame
    assert found.equals(expected, null_equal=True)
    assert not list(Path().glob(".*penchant*"))


def test_steps_are_saved_and_replayed(run):
    run("raw.csv", "--step", "pt.ClipValues(quantiles=(0, 0.5))", "--out", "a.csv", "--save", "s")
    Path("new.csv").write_text("user,item,stars\nzoe,tea,9\n")
    run("new.csv", "--replay", "s", "--out", "b.csv")
    assert pl.read_csv("b.csv")["value"].to_list() == [4.0]


def test_what_inspect_prints_can_be_pasted(run):
    Path("raw.csv").write_text(ROWS + "bob,tea,4,2024-03-03T10:00:00+01:00,phone\n")
    mends = [f.mend for f in pt.inspect("raw.csv", time="when").findings]
    mend = 'pt.prepare(events, [pt.Deduplicate(keep="all")])'
    assert mend in mends
    said = run("raw.csv", "--time-column", "when", "--step", mend, "--out", "clean.csv")
    assert "Deduplicate(keep='all') 4 2 2 0" in said


def test_the_report_is_for_programs_too(run):
    done = CliRunner().invoke(
        app, ["prepare", "raw.csv", "--step", "DropMissing()", "--out", "c.csv", "--format", "json"]
    )
    rows = json.loads(done.stdout)
    assert [(row["rows_before"], row["rows"], row["why"]) for row in rows] == [
        (4, 3, "1 row without a value")
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--step", "KCor(users=5)"], "no step is called 'KCor'; there are Between, .* KCore?"),
        (["--step", "KCore(user=5)"], "KCore has no parameter 'user'; it has users, items."),
        (["--step", "KCore(users=0)"], "KCore.users must be at least 1, got 0"),
        (["--step", "KCore"], "a step is written like KCore(users=5, items=5), got 'KCore'"),
        (["--step", "KCore(5)"], "a step is written like"),
        (["--step", "KCore(users=open('x'))"], "a step is written like"),
        (["--step", "KCore(**{'users': 5})"], "KCore has no parameter 'None'"),
        (["--step", "__import__('os').system('x')"], "a step is written like"),
        ([], "give --step once or more, or --replay FOLDER: one of the two"),
        (["--step", "KCore()", "--replay", "s"], "one of the two"),
        (["--replay", "nowhere"], "there is nothing at nowhere"),
        (["--step", "KCore(users=9)"], "KCore(users=9, items=5) leaves none of 4 rows"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(run, words, complaint):
    said = run("raw.csv", *words, "--out", "out.csv", code=2)
    for part in complaint.split(" .* "):
        assert part in said
    assert not Path("out.csv").exists()


def test_nothing_is_replaced_unless_asked(run):
    words = ["raw.csv", "--step", "DropMissing()", "--out", "out.csv"]
    run(*words)
    assert "--out out.csv is there already; --overwrite replaces it" in run(*words, code=2)
    run(*words, "--overwrite")
    assert "must end in .parquet, .csv, .arrow" in run(*words[:-1], "out.txt", code=2)
    assert "there is no folder" in run(*words[:-1], "no/out.csv", code=2)
