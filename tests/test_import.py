"""Pay for what you import: the package alone is light, and optional packages stay unloaded."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that ``code`` loads in a fresh process."""
    tell = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def optional() -> set[str]:
    """Return the modules of the optional packages, which for ours are named as the package."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    users = (name for extra in extras if extra not in ("demo", "test", "lint", "docs")
             for name in extras[extra])  # fmt: skip
    return {re.split(r"[\[<>=]", name)[0].replace("-", "_") for name in users} | {"torch"}


def test_the_package_alone_loads_nothing_heavy():
    heavy = {"numpy", "scipy", "numba", "polars", "sklearn", "typer", "rich", "dataclasses"}
    assert not loaded_by("import penchant") & (heavy | optional())


def test_models_load_no_optional_package_and_none_of_the_command_line():
    code = (
        "import penchant as pt; data = pt.datasets.planted();"
        "model = pt.EASE(l2=50.0).fit(data);"
        "model.recommend(data.queries(users=[1])).to_frame()"
    )
    loaded = loaded_by(code)
    assert "numba" in loaded
    assert not loaded & (optional() | {"typer", "rich", "sklearn"})


def test_every_public_name_is_where_the_package_says():
    import penchant as pt

    for name in pt.__all__:
        assert getattr(pt, name) is not None
    assert set(dir(pt)) == set(pt.__all__)
