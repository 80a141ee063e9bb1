"""``import penchant`` pays for nothing that is not used."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys

import pytest

import penchant as pt

OPTIONAL = {
    "pandas", "pyarrow", "duckdb", "torch", "matplotlib", "IPython", "psutil", "pytest",
    "penchant_movielens", "sentence_transformers", "transformers", "model2vec", "gensim", "PIL",
}  # fmt: skip
HEAVY = {"numpy", "scipy", "numba", "polars", "sklearn", "typer", "rich", "concurrent", "asyncio"}


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after some code."""
    script = f"import json, sys; old = set(sys.modules); {code}; new = set(sys.modules) - old"
    script += "; print(json.dumps(sorted(new)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_import_loads_next_to_nothing():
    modules = loaded("import penchant")
    assert not packages(modules) & (OPTIONAL | HEAVY)
    assert {m for m in modules if m.startswith("penchant")} == {"penchant"}
    assert len(modules) < 40


def test_reading_and_splitting_load_no_model_and_nothing_optional():
    code = "import penchant; d = penchant.datasets.planted(); penchant.split.last(d, n=1)"
    modules = loaded(code)
    assert not packages(modules) & (OPTIONAL | {"sklearn", "typer", "rich"})
    assert "penchant.recommender" not in modules


def test_fitting_and_recommending_load_nothing_optional():
    code = (
        "import penchant as pt; d = pt.datasets.planted(); "
        "pt.EASE().fit(d).recommend(d.queries(users=[0])).to_frame()"
    )
    assert not packages(loaded(code)) & (OPTIONAL | {"sklearn", "typer", "rich"})


@pytest.mark.parametrize("name", [n for n in pt.__all__ if n != "__version__"])
def test_every_public_name_is_there_and_documented(name):
    assert getattr(pt, name).__doc__
    assert name in dir(pt)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'penchant' has no attribute 'Eas'"):
        pt.Eas


def test_type_checkers_see_every_public_name() -> None:
    tree = ast.parse(inspect.getsource(pt))
    guarded = next(n for n in tree.body if isinstance(n, ast.If))
    named = {
        (f"{found.module}".removeprefix("penchant").lstrip("."), name.name)
        for found in guarded.body
        if isinstance(found, ast.ImportFrom)
        for name in found.names
    }
    homes = {(home, name) for name, home in pt._HOME.items()}
    assert named == homes | {("", name) for name in pt._MODULES}
