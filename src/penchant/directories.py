"""Directories that appear whole: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from penchant.errors import BadParameter

T = TypeVar("T")


def standing(path: Path) -> Path | None:
    """Return where the directory meant by ``path`` is, or None if there is none.

    That is ``path``, or the name it was moved aside to by a replacement that was cut short.
    """
    _, old = _beside(path)
    # A replacement may move it from the one to the other between two looks: so look again.
    return next((where for where in (path, old) * 3 if where.is_dir()), None)


def reading(path: Path, read: Callable[[Path], T]) -> T:
    """Return what ``read`` makes of the directory meant by ``path``.

    If the directory is replaced meanwhile, what was read (or went wrong) is a mixture of two: then
    the new one is read instead.

    Raises
    ------
    FileNotFoundError : there is no such directory.
    """
    while True:
        folder = standing(path)
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        failure: OSError | ValueError | None = None
        try:
            with _held(folder) as handle:  # while it is, no other directory can have its number
                try:
                    found = read(folder)
                except (OSError, ValueError) as e:
                    failure = e
                replaced = standing(path) != folder or not _is(handle, folder)
        except FileNotFoundError:  # moved away before it could be held
            continue
        if not replaced:
            if failure is not None:
                raise failure
            return found


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
    with _held(folder) as handle:
        if handle is not None and sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError as e:  # some network file systems have no locks: nobody is held off
                if e.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                    raise
        yield


def _sync_names(folder: Path) -> None:
    with _held(folder) as handle:
        if handle is not None:
            os.fsync(handle)


def _is(handle: int | None, folder: Path) -> bool:
    try:
        return handle is None or os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _held(folder: Path) -> Iterator[int | None]:
    """Open a folder; yields None on Windows, where that cannot be done."""
    handle = os.open(folder, os.O_RDONLY) if sys.platform != "win32" else None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)
