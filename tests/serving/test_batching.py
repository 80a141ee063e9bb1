"""Requests that wait together are worked on together, and fail alone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from penchant.serving.batching import TOGETHER, Batcher


def durable(error: Exception | None = None) -> Future[None]:
    future: Future[None] = Future()
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return future


def test_what_comes_while_a_batch_is_worked_on_makes_the_next():
    sizes, go_on = [], threading.Event()

    def work(batch):
        sizes.append(len(batch))
        go_on.wait(30)
        return [2 * one for one in batch], durable()

    async def asked():
        batcher = Batcher(work)
        first = asyncio.create_task(batcher.submit(0))
        while not sizes:
            await asyncio.sleep(0)
        rest = [asyncio.create_task(batcher.submit(n)) for n in range(1, TOGETHER + 6)]
        await asyncio.sleep(0)
        go_on.set()
        found = await asyncio.gather(first, *rest)
        batcher.close()
        return found

    assert asyncio.run(asked()) == [2 * n for n in range(TOGETHER + 6)]
    assert sizes == [1, TOGETHER, 5]


def test_what_is_wrong_with_one_fails_that_one_alone():
    def work(batch):
        if "bad" in batch:
            raise ValueError("bad")
        return batch, durable()

    async def asked():
        batcher = Batcher(work)
        tasks = [batcher.submit(one) for one in ("a", "bad", "b")]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        batcher.close()
        return found

    a, bad, b = asyncio.run(asked())
    assert (a, b) == ("a", "b")
    assert isinstance(bad, ValueError)


def test_nobody_is_answered_before_the_log_has_it():
    log: Future[None] = Future()

    async def asked():
        batcher = Batcher(lambda batch: (batch, log))
        task = asyncio.create_task(batcher.submit("a"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not task.done()
        log.set_exception(OSError("disk full"))
        with pytest.raises(OSError, match="disk full"):
            await task
        batcher.close()

    asyncio.run(asked())


def test_a_client_that_went_away_disturbs_nobody():
    go_on, begun = threading.Event(), threading.Event()

    def work(batch):
        begun.set()
        go_on.wait(30)
        return batch, durable()

    async def asked():
        batcher = Batcher(work)
        tasks = [asyncio.create_task(batcher.submit(n)) for n in range(2)]
        while not begun.is_set():
            await asyncio.sleep(0)
        tasks[0].cancel()
        go_on.set()
        assert await tasks[1] == 1
        assert await batcher.submit(2) == 2
        batcher.close()

    asyncio.run(asked())
