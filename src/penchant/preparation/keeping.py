"""A preparation on disk: steps as JSON, what they learned as Arrow tables, and a manifest."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

import penchant
from penchant import manifest
from penchant.directories import reading, replacing, sync
from penchant.errors import BadArtifact, PenchantError
from penchant.files import DAMAGE
from penchant.preparation.dropping import DropValues
from penchant.preparation.levels import Impute, Normalise
from penchant.preparation.people import DropRobots, KCore
from penchant.preparation.selecting import Between, Deduplicate, DropMissing
from penchant.preparation.spelling import CleanIds
from penchant.preparation.step import Learned, Step
from penchant.preparation.values import Binarise, ClipValues, DropOutliers

FORMAT = "penchant preparation"

STEPS: tuple[type[Step], ...] = (
    Between, Binarise, CleanIds, ClipValues, Deduplicate, DropMissing, DropOutliers, DropRobots,
    DropValues, Impute, KCore, Normalise,
)  # fmt: skip
"""The only steps that a file can name; others are handed to ``load`` as ``known``."""


def save(path: Path, steps: Sequence[Step], learned: Sequence[Learned], overwrite: bool) -> None:
    """Write a preparation; see ``Preparation.save``."""

    def allow() -> None:
        manifest.replaceable(path, FORMAT, overwrite=overwrite)

    with replacing(path, allow) as folder:
        files: dict[str, dict[str, Any]] = {}
        entries = []
        for n, (step, tables) in enumerate(zip(steps, learned, strict=True)):
            names = {name: f"{n}-{name}.arrow" for name in tables}
            files |= {names[name]: _written(folder / names[name], tables[name]) for name in tables}
            fields = {f.name: getattr(step, f.name) for f in dataclasses.fields(step)}
            entries.append({"class": type(step).__name__, "fields": fields, "learned": names})
        content = {"format": FORMAT, "version": manifest.VERSION, "penchant": penchant.__version__}
        manifest.write(folder, content | {"steps": entries, "files": files})


def _written(path: Path, table: pl.DataFrame) -> dict[str, Any]:
    with path.open("x+b") as file:
        table.write_ipc(file, compat_level=pl.CompatLevel.oldest())
        sync(file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def load(path: Path, known: Sequence[type[Step]]) -> tuple[tuple[Step, ...], tuple[Learned, ...]]:
    """Read the steps and what they learned; see ``Preparation.load``."""
    classes = {cls.__name__: cls for cls in (*known, *STEPS)}

    def read(folder: Path) -> tuple[tuple[Step, ...], tuple[Learned, ...]]:
        content = manifest.checked(folder, FORMAT, verify=True)
        try:
            steps = tuple(_step(folder, classes, entry) for entry in content["steps"])
            learned = [
                {name: _table(folder / file) for name, file in entry["learned"].items()}
                for entry in content["steps"]
            ]
        except (LookupError, TypeError, AttributeError) as e:
            raise BadArtifact(
                f"{folder / manifest.NAME} does not describe a preparation "
                f"({type(e).__name__}: {e}); {manifest.MEND}"
            ) from e
        return steps, tuple(learned)

    try:
        return reading(path, read)
    except FileNotFoundError as e:
        there = f"{path} is a file" if path.exists() else f"there is nothing at {path}"
        raise BadArtifact(f"{there}; a saved preparation is a directory") from e


def _step(folder: Path, classes: dict[str, type[Step]], entry: dict[str, Any]) -> Step:
    name = entry["class"]
    if name not in classes:
        raise BadArtifact(
            f"{folder} holds a step {name!r} that penchant does not know: import it and pass "
            f"load(path, known=({name},))"
        )
    fields = {f: tuple(v) if isinstance(v, list) else v for f, v in entry["fields"].items()}
    try:
        return classes[name](**fields)
    except (TypeError, PenchantError) as e:
        raise BadArtifact(
            f"{folder}: {name} cannot be made from what was saved ({e}); load it with the version "
            "it was saved with"
        ) from e


def _table(path: Path) -> pl.DataFrame:
    with path.open("rb") as source:
        try:
            return pl.read_ipc(source)
        except DAMAGE as e:
            raise BadArtifact(f"{path} is not a whole Arrow file; {manifest.MEND}") from e
