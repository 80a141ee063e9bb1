"""What is shipped, and under which licence."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tomllib
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


def built(source: Path, names: tuple[str, ...], folder: Path) -> ZipFile:
    """Build the wheel of a copy of ``source`` without network, and open it."""
    pytest.importorskip("setuptools", "77", reason="building needs setuptools 77: make test")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=ignored)
        else:
            shutil.copy(source / name, folder / name)
    pip = "pip wheel --quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check"
    done = subprocess.run(
        [sys.executable, "-m", *pip.split(), "--wheel-dir", str(folder), str(folder)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return ZipFile(next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("penchant")
    with built(ROOT, ("pyproject.toml", "README.md", "LICENSE", "src"), folder) as wheel:
        yield wheel


def metadata(wheel: ZipFile):
    name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_is_bsd_and_carries_its_licence(wheel):
    assert metadata(wheel)["License-Expression"] == "BSD-3-Clause"
    licence = next(n for n in wheel.namelist() if n.endswith("licenses/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert b"Neither the name of the copyright holder" in wheel.read(licence)


def test_the_wheel_ships_types_and_planted_data_and_every_module(wheel):
    shipped = set(wheel.namelist())
    source = ROOT / "src"
    wanted = {str(p.relative_to(source)) for p in (source / "penchant").rglob("*.py")}
    wanted |= {f"penchant/{n}" for n in ("py.typed", "planted/ratings.csv", "planted/items.csv")}
    assert wanted <= shipped


def test_the_wheel_ships_nothing_of_movielens(wheel):
    for name in wheel.namelist():
        assert "movielens" not in name.lower()
        if name.endswith(".csv"):
            assert name.startswith("penchant/planted/")
            assert b"Toy Story" not in wheel.read(name)


def test_movielens_is_its_own_distribution_under_grouplens_terms(tmp_path):
    names = ("pyproject.toml", "README.md", "penchant_movielens")
    with built(ROOT / "data" / "movielens", names, tmp_path) as wheel:
        assert metadata(wheel)["License-Expression"] == "LicenseRef-GroupLens-MovieLens"
        terms = next(
            n for n in wheel.namelist() if n.endswith("licenses/penchant_movielens/README.txt")
        )
        assert b"Neither the University of Minnesota nor any of the researchers" in wheel.read(
            terms
        )
        assert "penchant_movielens/ratings.csv" in wheel.namelist()


def test_the_versions_agree():
    import penchant

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == penchant.__version__
    assert f"## [{penchant.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_extra_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if "==" in line}
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *itertools.chain(*extras)]
    names = {w.split(">")[0].split("[")[0].lower() for w in wanted}
    assert names - pinned == {"penchant-movielens"}
    assert "torch==2.13.0" in lines
