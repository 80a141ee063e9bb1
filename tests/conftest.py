"""Data that many tests share, read once; and what a run says of the tests it left out."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import penchant as pt
from data import ENABLE

if TYPE_CHECKING:
    from pathlib import Path

    from commands import Run
    from penchant.evaluation.comparison import Comparison

# The first example of a kernel may compile it, and machines are slow or busy: time tells nothing.
# Each run tries the same examples, so that what passes here passes elsewhere.
settings.register_profile("penchant", deadline=None, derandomize=True)
settings.load_profile("penchant")


@pytest.fixture(scope="session")
def movielens() -> pt.Dataset:
    """MovieLens latest-small, as packaged."""
    return pt.datasets.movielens()


@pytest.fixture(scope="session")
def last_fifth(movielens: pt.Dataset):
    """Each person's latest fifth held out."""
    return pt.split.last(movielens, fraction=0.2)


@pytest.fixture(scope="session")
def demonstrated() -> Comparison:
    """The models of `penchant demo`, fitted and asked: some seconds, once."""
    from penchant.evaluation import demonstration

    return demonstration.scored(demonstration.latest_fifth(demonstration.films())[0])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder; by ``code`` it says how the command must end."""
    from commands import typed

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return typed


def left_out(reporter: pytest.TerminalReporter) -> Counter[str]:
    """Count the skipped tests by reason."""
    reasons = Counter()
    for report in reporter.stats.get("skipped", []):
        _, _, reason = report.longrepr
        reasons[reason.removeprefix("Skipped: ")] += 1
    return reasons


def forbidden(reasons: Counter[str]) -> bool:
    """Whether this is CI, where only absent data may skip, and something else did."""
    return os.environ.get("CI") == "true" and any(ENABLE not in why for why in reasons)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped what it may not; several processes have one that knows."""
    if hasattr(session.config, "workerinput"):
        return
    if forbidden(left_out(session.config.pluginmanager.get_plugin("terminalreporter"))):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what did not run, each with the line that enables it."""
    reasons = left_out(terminalreporter)
    quick = terminalreporter.config.option.markexpr == "not slow"
    if not reasons and not quick:
        return
    terminalreporter.section("not run")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4} {reason}")
    if quick:
        terminalreporter.write_line("tests that need longer. To run them: make slow")
    if forbidden(reasons):
        terminalreporter.write_line("FAILED: in CI only absent data may skip a test", red=True)
