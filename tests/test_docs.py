"""The documentation is held to its word: its Python runs, its tables are what the code says."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import json
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import penchant as pt
from penchant import recommender, testing
from penchant.recommender import EVIDENCE, Recommender

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])

README = ROOT / "README.md"
"""Its blocks run in test_readme."""

SERVICE = ROOT / "docs/service/index.md"
"""Its blocks ask a service, and run in serving/test_service_pages."""

LONG = [ROOT / "docs/models/fm.md", ROOT / "docs/how-to/ratings.md"]
"""Pages that fit models by sampling, which takes longer than all others."""

BLOCK = re.compile(
    r"(?P<skip><!-- not run[^>]*-->\n+)?^```python\n(?P<code>.*?)^```$"
    r"(?:\n+^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
"""A block of Python and, if a block of text follows at once, what it prints.

A comment ``<!-- not run: why -->`` on the line before says that a block is only to be read.
"""


def blocks(page: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield line number, code and expected output of each block that is to run."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if not found["skip"]:
            yield text[: found.start("code")].count("\n"), found["code"], found["output"]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=pytest.mark.slow if p in LONG else ())
        for p in PAGES
        if any(blocks(p)) and p not in (README, SERVICE)
    ],
    ids=name,
)
def test_every_block_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line, code, output in blocks(page):
        run(page, line, code, monkeypatch)
        printed = capsys.readouterr().out
        if output is not None:
            assert tidy(printed) == tidy(output), f"{name(page)}, line {line}"


def run(page: Path, line: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a block with the rest of its page, or as the file that it names first."""
    path = re.match(r"# (?:src|tests)/(?:models/)?(.+)\.py\n", code)
    called = path[1].replace("/", ".") if path else "page"
    if called not in sys.modules:
        monkeypatch.setitem(sys.modules, called, ModuleType(called))
    # Blank lines put errors on the lines of the page.
    compiled = compile("\n" * line + code, str(page), "exec")
    exec(compiled, vars(sys.modules[called]))  # noqa: S102 - our own pages


def test_the_model_in_contributing_passes_its_own_tests(tmp_path, monkeypatch):
    page = ROOT / "CONTRIBUTING.md"
    for line, code, _ in blocks(page):
        run(page, line, code, monkeypatch)
    model = sys.modules["penchant.models.walks"]
    assert doctest.testmod(model).failed == 0
    tests = [f for n, f in vars(sys.modules["test_walks"]).items() if n.startswith("test_")]
    assert len(tests) == 4
    for test in tests:
        test()


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_blocks_are_found_with_their_output(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\n1\n```\n\n```text\nout\n```\n\n```text\nalone\n```\n"
        "<!-- not run: later -->\n```python\n2\n```\n```python\n3\n```\nand\n```text\nno\n```\n"
    )
    assert [(code, output) for _, code, output in blocks(page)] == [("1\n", "out\n"), ("3\n", None)]


def modules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(pt.__path__, "penchant.")]


@pytest.mark.parametrize("module", modules())
def test_examples_in_docstrings_run(module):
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


def test_the_picture_of_the_layers_is_what_is_checked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    checked = project["tool"]["importlinter"]["contracts"][0]["layers"]
    drawn = re.findall(r"^│ (.*?) *│ \S", (ROOT / "docs/architecture.md").read_text(), re.M)
    assert [re.findall(r"\w+", line) for line in drawn] == [re.findall(r"\w+", c) for c in checked]


def test_every_law_is_in_the_contracts():
    text = (ROOT / "docs/contracts.md").read_text().partition("\n## The laws\n")[2]
    told = re.findall(r"^- `(\w+)`:", text, re.M)
    assert sorted(told) == sorted(testing.laws())


def test_every_kind_of_evidence_and_every_error_is_in_the_contracts():
    text = (ROOT / "docs/contracts.md").read_text()
    errors = {n for n in pt.__all__ if pt._HOME.get(n) == "errors"} - {"PenchantError"}
    for word in EVIDENCE | errors:
        assert f"\n`{word}` |" in text, word


def test_every_capability_is_in_the_contracts():
    protocols = {n for n, cls in vars(recommender).items() if getattr(cls, "_is_protocol", False)}
    section = (ROOT / "docs/contracts.md").read_text().partition("\n## Capabilities\n")[2]
    told = re.findall(r"^`(\w+)` \|", section.partition("\n## ")[0], re.M)
    assert sorted(told) == sorted(protocols - {"Protocol"})


def models() -> dict[str, type[Recommender]]:
    """The public models by name."""
    public = {n: getattr(pt, n) for n in pt.__all__ if n in pt._HOME}
    return {n: c for n, c in public.items() if isinstance(c, type) and c.__module__ in MODELS}


MODELS = {m for m in modules() if m.startswith("penchant.models.")}
CAPABILITIES = ("Explains", "Similar", "Embeds", "Updates", "Onboards")


def test_the_table_of_capabilities_is_what_the_code_says():
    """Method names decide: a capability is a method that exists or does not."""
    rows = []
    for model, cls in sorted(models().items()):
        row = [f"`{model}`"]
        for capability in CAPABILITIES:
            methods = [
                name
                for name, value in vars(getattr(recommender, capability)).items()
                if not name.startswith("__") and (callable(value) or isinstance(value, property))
            ]
            row.append("yes" if all(hasattr(cls, m) for m in methods) else "")
        rows.append(row)
    section = (ROOT / "docs/models/index.md").read_text().partition("## What they can do\n")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("`")]
    found = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert found == rows, "the table should be\n" + "\n".join(" | ".join(row) for row in rows)


@pytest.mark.parametrize("model", models())
def test_every_model_has_a_page_with_its_parameters_and_their_defaults(model):
    cls = models()[model]
    pages = {p.stem: p.read_text(encoding="utf-8") for p in (ROOT / "docs/models").glob("*.md")}
    del pages["index"]
    mine = [text for text in pages.values() if re.search(rf"\b{model}\b", text)]
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    for field in pt.parameters.hypers(cls):
        default = defaults[field]
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        row = rf"`{field}` \| `?{re.escape(shown)}`? \|"
        assert any(re.search(row, text) for text in mine), f"no row: `{field}` | {shown} |"


def test_the_table_of_rating_models_is_what_was_measured():
    results = json.loads((ROOT / "benchmarks/results/ratings.json").read_text())["rows"]
    lines = ["model | RMSE | MAE | CPU s | Surprise: RMSE | MAE | CPU s", "--- | " * 6 + "---"]
    theirs = {row["model"]: row for row in results if row["library"] == "surprise"}
    for row in results:
        if row["library"] == "penchant" and row["model"] in theirs:
            pair = [told(row), told(theirs[row["model"]])]
            lines.append(" | ".join([row["model"], *pair]))
    page = (ROOT / "docs/how-to/ratings.md").read_text()
    assert "\n".join(lines) in page, "the table should be\n" + "\n".join(lines)


def told(row: dict[str, Any]) -> str:
    """Errors and seconds as the table shows them."""
    seconds = row["fit, CPU s"] + row["predict, CPU s"]
    return f"{row['RMSE']:.4f} | {row['MAE']:.4f} | {seconds:.3f}"


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs/reference.md").read_text()
    pages = "metrics.md", "models/index.md"
    elsewhere = "".join((ROOT / "docs" / page).read_text() for page in pages)
    for public, home in pt._HOME.items():
        told = rf"^::: penchant\.{home}(\.{public})?$"
        assert re.search(told, text, re.M) or f"`{public}" in elsewhere, public


def test_every_public_name_is_in_an_example_that_runs():
    """Apart from errors, and from types that are only ever returned."""
    returned = {"Evaluation", "Prepared", "Split"}
    examples = "".join(code for page in PAGES for _, code, _ in blocks(page))
    for module in modules():
        for test in doctest.DocTestFinder().find(importlib.import_module(module)):
            examples += "".join(example.source for example in test.examples)
    for public, home in pt._HOME.items():
        if home != "errors" and public not in returned:
            assert re.search(rf"\b{public}\b", examples), public
