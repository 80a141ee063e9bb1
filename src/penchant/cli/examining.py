"""penchant doctor: what this installation consists of, for a look and for bug reports."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import penchant
from penchant.cli.running import FormatOption, output
from penchant.cli.telling import show

PACKAGES = ("numpy", "scipy", "numba", "polars", "scikit-learn", "typer", "rich")
EXTRAS = ("demo", "frames")

Row = tuple[str, str, str]


def doctor(form: FormatOption = "table") -> None:
    """Print versions, threads, optional packages and where compiled code is kept.

    Put what it prints into a bug report.
    """
    import polars as pl

    rows = [*_versions(), *_machine(), *_extras(), *_compiled(), _trial()]
    if form != "table":
        show(pl.DataFrame(rows, schema=["part", "what", "found"], orient="row"), form)
        return
    console = output()
    for part in dict.fromkeys(row[0] for row in rows):
        console.print(f"[bold]{part}[/]")
        for what, found in [row[1:] for row in rows if row[0] == part]:
            console.print(f"  {what:<20} {found}", markup=False, soft_wrap=True)


def _versions() -> Iterator[Row]:
    yield "Versions", "penchant", f"{penchant.__version__} in {Path(penchant.__file__).parent}"
    yield "Versions", "Python", f"{platform.python_version()} at {sys.executable}"
    yield "Versions", "system", platform.platform()
    for name in PACKAGES:
        yield "Versions", name, metadata.version(name)


def _machine() -> Iterator[Row]:
    import numpy as np
    import scipy.linalg  # noqa: F401  (loads the BLAS that scipy brings, to be listed below)
    from threadpoolctl import threadpool_info

    from penchant.kernels.threads import available

    asked = os.environ.get("PENCHANT_THREADS")
    said = "" if asked is None else f" (PENCHANT_THREADS={asked})"
    yield "Threads", "cores", str(os.cpu_count())
    yield "Threads", "kernels use", f"{available()}{said}"
    libraries = [found for found in threadpool_info() if found["user_api"] == "blas"]
    for found in libraries:
        of = next((p.split(".")[0] for p in Path(found["filepath"]).parts if "libs" in p), "")
        version = found.get("version") or ""
        yield (
            "Threads",
            "BLAS",
            (f"{found['internal_api']} {version}, {found['num_threads']} threads ({of})"),
        )
    if not libraries:  # such as Apple's Accelerate, which cannot be asked
        build = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        yield "Threads", "BLAS", f"{build['name']} {build['version']}"


def _extras() -> Iterator[Row]:
    """Yield each package of the optional extras, and the line that installs what is missing."""
    for line in metadata.requires("penchant") or []:
        of = re.search(r"""extra == ["']([\w-]+)["']""", line)
        name = re.match(r"[\w.-]+", line)
        if of is None or name is None or of[1] not in EXTRAS:
            continue
        try:
            yield "Extras", f"{of[1]}: {name[0]}", metadata.version(name[0])
        except metadata.PackageNotFoundError:
            yield "Extras", f"{of[1]}: {name[0]}", f'missing: pip install "penchant[{of[1]}]"'


def _compiled() -> Iterator[Row]:
    from penchant.kernels.topk import _top_k

    folder = Path(str(_top_k.stats.cache_path))
    files = list(folder.glob("*.nb[ic]")) if folder.is_dir() else []
    size = sum(p.stat().st_size for p in files) / 2**20
    writable = os.access(folder if folder.is_dir() else folder.parent, os.W_OK)
    yield "Compiled code", "folder", str(folder)
    yield "Compiled code", "holds", f"{len(files)} files, {size:.1f} MB"
    if not writable:
        yield "Compiled code", "not writable", "each start compiles anew; set NUMBA_CACHE_DIR"


def _trial() -> Row:
    """Fit a model on a few made-up people, which needs everything to work together."""
    from penchant.datasets import planted
    from penchant.models.linear import EASE

    began = time.perf_counter()
    data = planted()
    model = EASE(l2=50.0).fit(data)
    group = model.recommend(data.queries(users=[0]), k=1).codes[0, 0] % 4
    right = "as it should be" if group == 0 else "WRONG: please report this"
    return "Trial", "a small fit", f"{time.perf_counter() - began:.2f} s, {right}"
