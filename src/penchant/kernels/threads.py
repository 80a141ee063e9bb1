"""Run a serial kernel over blocks of rows on a pool of threads.

Kernels are compiled with ``nogil=True`` and work on rows ``lo`` to ``hi``; a row's result depends
on that row alone, so the answer is the same, bit for bit, for any number of threads. There is no
pool between calls: nothing to fork, nothing to shut down, nothing shared by two server threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS_PER_THREAD = 4
"""More blocks than threads, so that a thread that finishes early takes another."""


_limit: ContextVar[int | None] = ContextVar("penchant_threads", default=None)


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Use at most this many threads within a ``with`` block of the calling thread."""
    token = _limit.set(threads)
    try:
        yield
    finally:
        _limit.reset(token)


def available() -> int:
    """Return the number of threads to use: the cores this process may run on.

    ``limited`` and ``PENCHANT_THREADS`` in the environment set it lower or higher.
    """
    limit = _limit.get()
    if limit is not None:
        return limit
    asked = os.environ.get("PENCHANT_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def boundaries(work: NDArray[np.int64], blocks: int) -> NDArray[np.int64]:
    """Cut rows into blocks of about equal work.

    Parameters
    ----------
    work : (rows + 1,) cumulative work before each row; a CSR ``indptr`` is one.
    blocks : how many blocks at most.

    Returns
    -------
    Increasing row numbers from 0 to ``rows``: block ``b`` is rows ``cuts[b]`` to ``cuts[b + 1]``.
    """
    rows = len(work) - 1
    # One unit a row besides its entries: empty rows cost something too.
    total = np.asarray(work, dtype=np.int64) - work[0] + np.arange(rows + 1)
    targets = np.linspace(0, total[-1], min(blocks, max(rows, 1)) + 1)
    cuts = np.searchsorted(total, targets[1:-1])
    return np.unique(np.concatenate([[0], cuts, [rows]])).astype(np.int64)


def run(
    kernel: Callable[..., Any],
    work: int | NDArray[np.int64],
    *args: Any,
    threads: int | None = None,
    least: int = 2,
) -> None:
    """Call ``kernel(lo, hi, *args)`` until every row is done.

    Parameters
    ----------
    kernel : a compiled function that releases the lock and writes its rows into an argument.
    work : the number of rows, if they cost alike, or the cumulative work before each row.
    args : passed on to every call.
    threads : how many threads; by default every core the process may use. One runs in the caller.
    least : with less work than this, one thread will do; starting a pool takes half a millisecond.
    """
    rows = work if isinstance(work, int) else len(work) - 1
    amount = rows if isinstance(work, int) or not rows else int(work[-1] - work[0])
    threads = available() if threads is None else threads
    if threads <= 1 or rows <= 1 or amount < least:
        kernel(0, rows, *args)
        return
    total = np.arange(rows + 1, dtype=np.int64) if isinstance(work, int) else work
    cuts = boundaries(total, threads * BLOCKS_PER_THREAD)
    with ThreadPoolExecutor(min(threads, len(cuts) - 1)) as pool:
        waiting = [
            pool.submit(kernel, lo, hi, *args)
            for lo, hi in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
        ]
        for done in waiting:
            done.result()
