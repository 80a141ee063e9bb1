"""Benchmarks read nothing that gives the answer away; they still run, and show what was found."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))
SUITE = Path(__file__).parents[1] / "benchmarks" / "suite.py"
LEAKS = {"timestamp", "ts_min", "ts_max", "seq_pos"}
"""Columns of ml-1m's copy that are known almost only for ratings of 4 and 5."""
LAST_OUT = "last_out.py"
"""The one script that may read ``seq_pos``: the published protocol holds out each person's last
item, and says which it was. The place in the sequence is known for all but 598 ratings, whatever
their stars; the script must not read ratings, so that there is nothing to give away."""


def texts(source: str) -> set[str]:
    """Every string in a script but its docstrings and comments."""
    tree = ast.parse(source)
    said = {
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
            said.discard(ast.get_docstring(node, clean=False) or "")
    return said


def reads_ml_1m(source: str) -> bool:
    return "ml-1m" in texts(source)


def leaks(source: str, name: str = "") -> list[str]:
    """What is wrong with how a script reads ml-1m."""
    allowed = {"seq_pos"} if name == LAST_OUT and "rating" not in texts(source) else set()
    wrong = sorted((LEAKS - allowed) & texts(source))
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    for call in calls:
        name = ast.unparse(call.func)
        narrowed = any(k.arg == "columns" for k in call.keywords)
        if name.endswith(("read_parquet", "scan_parquet")) and not narrowed:
            wrong.append(f"line {call.lineno} reads every column")
        if name.endswith(("split.time", "split.last")):
            wrong.append(f"line {call.lineno} cuts by time")
    return wrong


OF_ML_1M = [p for p in SCRIPTS if reads_ml_1m(p.read_text())]


def test_there_is_a_benchmark_on_ml_1m():
    assert OF_ML_1M


@pytest.mark.parametrize("script", OF_ML_1M, ids=lambda p: p.name)
def test_no_benchmark_on_ml_1m_reads_what_gives_ratings_away(script):
    assert leaks(script.read_text(), script.name) == []


@pytest.mark.parametrize(
    "line",
    [
        "pl.read_parquet(f, columns=['user_id', 'timestamp'])",
        "pl.read_parquet(f)",
        "ratings['seq_pos']",
        "pt.split.time(data, fraction=0.2)",
        "pt.split.last(data, fraction=0.2)",
    ],
)
def test_a_leak_would_be_seen(line):
    assert leaks(f"f = local_data('ml-1m')\n{line}\n")


def test_what_is_clean_passes():
    assert leaks("f = local_data('ml-1m')\npl.read_parquet(f, columns=['user_id'])\n") == []


def test_the_last_item_is_told_by_its_place_only_where_ratings_are_not_read():
    line = "f = local_data('ml-1m')\npl.read_parquet(f, columns=['user_id', 'seq_pos'{more}])\n"
    assert leaks(line.format(more=""), LAST_OUT) == []
    assert leaks(line.format(more=""), "other.py") == ["seq_pos"]
    assert leaks(line.format(more=", 'rating'"), LAST_OUT) == ["seq_pos"]
    assert leaks(line.format(more=", 'timestamp'"), LAST_OUT) == ["timestamp"]


def test_every_race_runs():
    """As `make bench-smoke` does with the peers: tiny, once."""
    command = [sys.executable, str(SUITE), "--size", "smoke", "--libraries", "penchant"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    raced = re.findall(r"^(\w+): penchant$", done.stdout, re.MULTILINE)
    assert raced == list(constant("RACES"))


def test_the_suite_knows_every_benchmark():
    known = {*constant("RACES"), *constant("SIZED"), *constant("OTHERS"), *constant("APART")}
    programs = {
        p.stem for p in SCRIPTS if "race.main(" in p.read_text() or "record(" in texts_of(p)
    }
    assert programs - {"race", "record"} == known


def texts_of(script: Path) -> str:
    """A script's calls, without what it only says."""
    calls = [n for n in ast.walk(ast.parse(script.read_text())) if isinstance(n, ast.Call)]
    return " ".join(ast.unparse(call.func) + "(" for call in calls)


def constant(name: str) -> tuple[str, ...]:
    """A tuple at the top of the suite."""
    for node in ast.parse(SUITE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


@pytest.mark.parametrize("page", ["benchmarks.md", "which-model.md", "speed.md"])
def test_pages_show_the_results_that_are_kept(page, monkeypatch):
    monkeypatch.syspath_prepend(SUITE.parent)
    table = importlib.import_module("table")
    assert page in table.PAGES
    assert table.rendered(page) == (table.DOCS / page).read_text()


def test_the_picture_shows_the_results_that_are_kept(monkeypatch):
    monkeypatch.syspath_prepend(SUITE.parent)
    plot = importlib.import_module("plot")
    assert plot.svg(plot.bars()) == plot.TARGET.read_text()
