"""Write a benchmark's rows to results/NAME.json, with the machine and the versions beside them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "penchant", "numpy", "scipy", "numba", "polars", "scikit-learn",
    "implicit", "irspack", "scikit-surprise", "myfm", "cornac", "rectools", "ranx", "cmfrec",
    "lenskit",
)  # fmt: skip


def cpu_model() -> str:
    """Return the processor's name, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Return what a reader must know to compare numbers: processor, cores, versions, date."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def record(name: str, rows: Sequence[Mapping[str, Any]], note: str, folder: str = "") -> Path:
    """Write ``results/{name}.json`` and return its path.

    Parameters
    ----------
    name : the benchmark's name, which is also its script's.
    rows : one mapping a row of the table: strings, numbers, booleans or None.
    note : the protocol in a sentence or two: data, what is timed, how repeats are summarised.
    folder : where within ``results/``; what is not its top is not kept in git.
    """
    path = Path(__file__).parent / "results" / folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {"benchmark": name, "note": note, "machine": machine(), "rows": [dict(r) for r in rows]}
    path.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n")
    return path


def found(name: str) -> Path | None:
    """Return the folder of a data set that may not be shipped, or None.

    ``PENCHANT_DATA`` names the folder that holds the data sets; else ``shared/data`` beside or
    above the checkout is tried.
    """
    asked = os.environ.get("PENCHANT_DATA")
    roots = [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]
    tried = [root / name for root in ([Path(asked)] if asked else roots)]
    return next((folder for folder in tried if folder.is_dir()), None)


def local_data(name: str) -> Path:
    """Return the folder of a data set that may not be shipped, or end the script saying so."""
    folder = found(name)
    if folder is None:
        print(f"skipped: {name} is not here; put it into a folder and set PENCHANT_DATA=FOLDER")
        raise SystemExit(0)
    return folder


def markdown(rows: Sequence[Mapping[str, Any]], digits: int = 4) -> str:
    """Return the rows as a Markdown table; columns are the rows' keys."""
    if not rows:
        return ""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "**no**"
        return f"{value:.{digits}g}" if isinstance(value, float) else str(value)

    head = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell(row.get(key)) for key in head) + " |" for row in rows]
    return "\n".join(lines)
