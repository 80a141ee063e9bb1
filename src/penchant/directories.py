"""Directories that appear whole: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from penchant.errors import BadParameter


def standing(path: Path) -> Path | None:
    """Return where the directory meant by ``path`` is, or None if there is none.

    That is ``path``, or the name it was moved aside to by a replacement that was cut short.
    """
    _, old = _beside(path)
    # Asked for twice: a replacement may end between the two looks.
    return next((where for where in (path, old, path) if where.is_dir()), None)


@contextmanager
def replacing(path: Path, allow: Callable[[], None]) -> Iterator[Path]:
    """Make a directory, or replace one, so that ``path`` is always the old one or the new one.

    The new directory is filled under a name beside ``path`` and made durable; what stands at
    ``path`` is moved aside, the new one moved in, the old one removed. A process that dies between
    the two moves leaves the old one aside, where ``standing`` finds it; whatever is left behind is
    put in order by the next replacement. Replacements in one folder wait for each other, also those
    of other processes, so that what is left behind is surely nobody's work in progress.

    Parameters
    ----------
    path : the directory to make, in a folder that exists.
    allow : called when something stands at ``path``; raises if that may not be replaced.

    Yields
    ------
    An empty directory to fill. If the block raises, ``path`` is as it was before.

    Raises
    ------
    BadParameter : ``path`` does not end in a name, or its folder does not exist.
    """
    if not path.parent.is_dir():
        raise BadParameter(f"{path.parent} is not a folder; make it before saving {path.name}")
    new, old = _beside(path)
    with _alone(path.parent):
        _settle(path)
        replaces = os.path.lexists(path)
        if replaces:
            allow()
        try:
            new.mkdir()
            yield new
            for here, _, _ in os.walk(new):
                _sync_names(Path(here))
            if replaces:
                os.rename(path, old)
            os.rename(new, path)
            _sync_names(path.parent)
        finally:
            _settle(path)


def sync(file: IO[bytes]) -> None:
    """Make what was written to a file survive a loss of power."""
    file.flush()
    os.fsync(file.fileno())


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the names a new directory and an old one have meanwhile."""
    if path.name in ("", ".."):
        raise BadParameter(f"a path that ends in a name is needed, got {str(path)!r}")
    new, old = (path.with_name(f".{path.name}.penchant-{which}") for which in ("new", "old"))
    return new, old


def _settle(path: Path) -> None:
    """Put in order what a replacement leaves behind, however far it came."""
    new, old = _beside(path)
    if old.is_dir() and not os.path.lexists(path):
        os.rename(old, path)
    for leftover in (old, new):
        if leftover.is_dir():
            shutil.rmtree(leftover)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder; a process that dies lets go of it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as e:  # some network file systems have no locks: then nobody is held off
            if e.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        yield
    finally:
        os.close(handle)


def _sync_names(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
