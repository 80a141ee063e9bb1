"""What the benchmarks may read: nothing that gives the answer away."""

import ast
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))
LEAKS = {"timestamp", "ts_min", "ts_max", "seq_pos"}
"""Columns of ml-1m's copy that are known almost only for ratings of 4 and 5."""


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


def leaks(source: str) -> list[str]:
    """What is wrong with how a script reads ml-1m."""
    wrong = sorted(LEAKS & texts(source))
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
    assert leaks(script.read_text()) == []


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
