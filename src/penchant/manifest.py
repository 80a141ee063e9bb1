"""The manifest of a saved directory, and whether the directory holds what it says."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from penchant.directories import sync
from penchant.errors import BadArtifact, BadParameter

FORMAT = "penchant model"
VERSION = 1
NAME, CHECKSUM = "manifest.json", "manifest.sha256"
MEND = "copy it again from where it was made, or save it anew"


def read(folder: Path, what: str = FORMAT) -> tuple[bytes, dict[str, Any]]:
    """Read a manifest as far as it is the same in every version of the format.

    Parameters
    ----------
    what : the format, which says what the directory holds.

    Returns
    -------
    The bytes, and what they say: ``files`` maps names to mappings.

    Raises
    ------
    BadArtifact : there is none, or it is not that of such a directory.
    """
    path = folder / NAME
    if not path.is_file():
        raise BadArtifact(f"{folder} holds no {NAME}: it is not a {what}")
    content = path.read_bytes()
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as e:
        raise BadArtifact(f"{path} is damaged or foreign: not JSON ({e})") from e
    if not isinstance(manifest, dict) or manifest.get("format") != what:
        raise BadArtifact(f"{path} is foreign: not that of a {what}")
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(f, dict) for f in files.values()):
        raise BadArtifact(f"{path} does not list its files; {MEND}")
    return content, manifest


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write a manifest, and the checksum that tells whether it is whole."""
    raw = (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
    line = f"{hashlib.sha256(raw).hexdigest()}  {NAME}\n".encode()
    for name, written in ((NAME, raw), (CHECKSUM, line)):
        with (folder / name).open("xb") as file:
            file.write(written)
            sync(file)


def replaceable(path: Path, what: str = FORMAT, *, overwrite: bool) -> None:
    """Raise unless what stands at ``path`` is of this format, and nothing else, to be replaced.

    Raises
    ------
    BadParameter : it is a link, a file, something foreign, or may not be replaced.
    """
    if path.is_symlink():
        raise BadParameter(f"{path} is a link: save to what it points to, {path.resolve()}")
    try:
        if not path.is_dir():
            raise BadArtifact(f"{path} is a file")
        stray = strays(path, read(path, what)[1])
        if stray:
            raise BadArtifact(f"{path} holds {stray[0]}, which save did not write")
    except BadArtifact as e:
        raise BadParameter(
            f"save replaces a {what} and nothing else: {e}; choose another path, or remove it "
            "yourself"
        ) from e
    if not overwrite:
        short = what.removeprefix("penchant ")
        raise BadParameter(f"{path} holds a {short} already; pass overwrite=True to replace it")


def checked(folder: Path, what: str = FORMAT, *, verify: bool) -> dict[str, Any]:
    """Return the manifest, once the folder holds what it says and nothing else.

    Parameters
    ----------
    what : the format, which says what the directory holds.
    verify : whether to read every file and compare its hash; else names and sizes must do.

    Raises
    ------
    BadArtifact : as ``read``; another version; a file that is missing, damaged or in excess.
    """
    content, manifest = read(folder, what)
    present = _files(folder)
    version = manifest.get("version")
    if version != VERSION:
        raise BadArtifact(
            f"{folder} has format version {version!r}, saved by penchant "
            f"{manifest.get('penchant')}; this one reads version {VERSION}: upgrade with "
            "pip install -U penchant"
        )
    said = (folder / CHECKSUM).read_text("ascii", "replace") if CHECKSUM in present else ""
    if said.split()[:1] != [hashlib.sha256(content).hexdigest()]:
        raise BadArtifact(
            f"{folder / NAME} is damaged or was edited: {CHECKSUM} does not fit it; {MEND}"
        )
    for name, about in manifest["files"].items():
        if any(step in ("", ".", "..") for step in re.split(r"[/\\]", name)):
            raise BadArtifact(f"{folder / NAME} names {name!r}, which is outside of the folder")
        if name not in present:
            raise BadArtifact(f"{folder / name} is missing; {MEND}")
        if present[name] != about.get("bytes"):
            raise BadArtifact(
                f"{folder / name} has {present[name]} bytes instead of {about.get('bytes')}: it "
                f"is truncated or damaged; {MEND}"
            )
    for stray in strays(folder, manifest):
        raise BadArtifact(f"{folder} holds {stray}, which is no part of it: move it elsewhere")
    if verify:
        for name, about in manifest["files"].items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != about.get("sha256"):
                    raise BadArtifact(f"{folder / name} is damaged: its hash is another; {MEND}")
    return manifest


def strays(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Return the names of files in a model's folder that are no part of it.

    Raises
    ------
    BadArtifact : there is a link or a device.
    """
    return sorted(_files(folder).keys() - manifest["files"].keys() - {NAME, CHECKSUM})


def _files(folder: Path) -> dict[str, int]:
    """Return name and size of each file in a folder and the folders in it."""
    found: dict[str, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise BadArtifact(
                    f"{entry.path} is a link or a device, and a model holds files only: copy it "
                    "with its links followed (cp -rL)"
                )
            if entry.is_dir():
                found |= {f"{entry.name}/{n}": size for n, size in _files(Path(entry)).items()}
            else:
                found[entry.name] = entry.stat().st_size
    return found
