"""Group commit: writes that wait at the same time become one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from penchant.errors import BadParameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from penchant.store.store import Store

T = TypeVar("T")
LARGEST = 256
"""Jobs in one transaction."""


class Writer:
    """One thread that writes for a process.

    While one transaction is committed the next jobs gather: alone, a job waits for nothing; under
    load, many share the cost of one commit.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.SimpleQueue[tuple[Callable[[Connection], Any], Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="penchant-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        """Run a job within a transaction; its future is done when the transaction is durable.

        A job that raises fails alone: what it wrote is undone. If the commit fails, all jobs in
        it fail.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise BadParameter("The writer is closed.")
            self._jobs.put((job, future))
        return future

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

    def _gathered(self) -> tuple[list[tuple[Callable[[Connection], Any], Future[Any]]], bool]:
        batch = []
        first = self._jobs.get()
        while first is not None:
            if first[1].set_running_or_notify_cancel():
                batch.append(first)
            if len(batch) == LARGEST or self._jobs.empty():
                return batch, True
            first = self._jobs.get()
        return batch, False

    def _write(self, batch: list[tuple[Callable[[Connection], Any], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            with self._store.writing() as connection:
                for job, future in batch:
                    try:
                        with connection.begin_nested():
                            result = job(connection)
                    except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
                        failed.append((future, error))
                    else:
                        done.append((future, result))
        except BaseException as error:  # noqa: BLE001 - nothing was committed: all must know
            for _, future in batch:
                future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)
        for future, error in failed:
            future.set_exception(error)
