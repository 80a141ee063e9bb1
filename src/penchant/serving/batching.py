"""Natural batching: while one batch is worked on, the next gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

TOGETHER = 32
"""Requests worked on at once, at most."""


class Batcher(Generic[Asked, Answer]):
    """Answers requests of one kind in batches, in a thread of its own.

    A request that comes alone is answered at once. Those that come while others are worked on make
    the next batch.

    Parameters
    ----------
    work : answers several requests. It returns the answers, and a future that they wait for.
    """

    def __init__(
        self, work: Callable[[Sequence[Asked]], tuple[Sequence[Answer], Future[None]]]
    ) -> None:
        self._work = work
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "penchant-recommend")

    async def submit(self, one: Asked) -> Answer:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((one, mine))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await mine

    def close(self) -> None:
        """End the thread, when what it works on is done."""
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            await loop.run_in_executor(self._thread, self._answer, batch, loop)
        self._running = None

    def _answer(
        self,
        batch: Sequence[tuple[Asked, asyncio.Future[Answer]]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        try:
            answers, durable = self._work([one for one, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            if len(batch) == 1:
                loop.call_soon_threadsafe(_fail, batch[0][1], error)
                return
            for pair in batch:  # so that what is wrong with one fails that one alone
                self._answer([pair], loop)
            return

        def done(future: Future[None]) -> None:
            loop.call_soon_threadsafe(_deliver, batch, answers, future.exception())

        durable.add_done_callback(done)


def _deliver(
    batch: Sequence[tuple[Asked, asyncio.Future[Answer]]],
    answers: Sequence[Answer],
    error: BaseException | None,
) -> None:
    for (_, mine), answer in zip(batch, answers, strict=True):
        if error is not None:
            _fail(mine, error)
        elif not mine.done():  # its client may have gone
            mine.set_result(answer)


def _fail(mine: asyncio.Future[Answer], error: BaseException) -> None:
    if not mine.done():
        mine.set_exception(error)
