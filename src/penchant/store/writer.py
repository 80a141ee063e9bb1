"""Group commit: writes that wait at the same time become one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from penchant.errors import BadParameter, BadStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from penchant.store.store import Store

T = TypeVar("T")
LARGEST = 256
"""Jobs in one transaction."""


class Waiting(NamedTuple):
    """A job, and by what its result is awaited."""

    job: Callable[[Connection], Any]
    future: Future[Any]


class Writer:
    """One thread that writes for a process.

    While one transaction is committed the next jobs gather: alone, a job waits for nothing; under
    load, many share the cost of one commit.

    Parameters
    ----------
    sized : told of each transaction how many jobs shared it.
    """

    def __init__(self, store: Store, sized: Callable[[int], None] | None = None) -> None:
        self._store, self._sized = store, sized
        self._jobs: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="penchant-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        """Run a job within a transaction; its future is done when the transaction is durable.

        A job that raises fails alone: what it wrote is undone. To save the others a savepoint
        each, all of a transaction are then run again, so a job must do nothing but write to
        its connection. If the commit fails, all jobs in it fail.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise BadParameter("The writer is closed.")
            if not self.alive:
                raise BadStore("The thread that writes to the store has died. Restart the process.")
            self._jobs.put(Waiting(job, future))
        return future

    @property
    def alive(self) -> bool:
        """Whether what is submitted will be written."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gathered()
            if batch:
                self._write(batch)

    def _gathered(self) -> tuple[list[Waiting], bool]:
        """Return what waits, at least one job, and whether more may come."""
        batch = []
        waiting = self._jobs.get()
        while waiting is not None:
            if waiting.future.set_running_or_notify_cancel():
                batch.append(waiting)
            if len(batch) == LARGEST or self._jobs.empty():
                return batch, True
            waiting = self._jobs.get()
        return batch, False

    def _write(self, batch: list[Waiting]) -> None:
        if self._sized is not None:
            self._sized(len(batch))
        try:
            results = self._together(batch) or self._apart(batch)
        except BaseException as error:  # noqa: BLE001 - whoever waits must know: nothing was kept
            for waiting in batch:
                waiting.future.set_exception(error)
            return
        for waiting, result in zip(batch, results):
            if isinstance(result, _Failed):
                waiting.future.set_exception(result.error)
            else:
                waiting.future.set_result(result)

    def _together(self, batch: list[Waiting]) -> list[Any] | None:
        """Run all jobs; None: one of several raised, and all were undone."""
        results = []
        with suppress(_Undone), self._store.writing() as connection:
            for waiting in batch:
                try:
                    results.append(waiting.job(connection))
                except Exception as error:
                    if len(batch) == 1:
                        raise
                    raise _Undone from error
        return results if len(results) == len(batch) else None

    def _apart(self, batch: list[Waiting]) -> list[Any]:
        """Run each job within a savepoint, so that one that raises undoes only itself."""
        results: list[Any] = []
        with self._store.writing() as connection:
            for waiting in batch:
                try:
                    with connection.begin_nested():
                        results.append(waiting.job(connection))
                except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for it
                    results.append(_Failed(error))
        return results


class _Undone(Exception):
    """A job among several raised."""


class _Failed(NamedTuple):
    error: Exception
