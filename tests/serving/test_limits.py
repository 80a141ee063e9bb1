"""Token buckets and bodies that are read whole, bounded, in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.serving.access import Policy
from penchant.serving.failures import Refusal
from penchant.serving.limits import Body, Buckets
from penchant.store.store import Store

Asking = Callable[..., AbstractContextManager[Any]]


def naive(times: list[float], per_second: float) -> list[bool]:
    """A bucket as it is told: tokens come in, tokens go out."""
    most = tokens = max(1.0, per_second)
    last, taken = 0.0, []
    for time in times:
        tokens = min(most, tokens + (time - last) * per_second)
        last = time
        taken.append(tokens >= 1.0 - 1e-6)
        tokens -= 1.0 if taken[-1] else 0.0
    return taken


@given(
    st.lists(st.integers(0, 40), max_size=40),
    st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0, 8.0]),
)
def test_a_bucket_gives_what_came_in(steps: list[int], per_second: float) -> None:
    times, now = [], 0.0
    for step in steps:
        now += step / 16
        times.append(now)
    buckets = Buckets()
    found = [buckets.take("one", per_second, time) == 0.0 for time in times]
    assert found == naive(times, per_second)


def test_whoever_waits_as_long_as_told_is_let_in() -> None:
    buckets = Buckets()
    for per_second in (0.3, 1.0, 7.5):
        now = 100.0
        for _ in range(50):
            wait = buckets.take(str(per_second), per_second, now)
            if wait:
                assert buckets.take(str(per_second), per_second, now + wait * 0.99) > 0
                now += wait
                assert buckets.take(str(per_second), per_second, now) == 0.0


def test_callers_have_buckets_of_their_own_and_few_are_remembered() -> None:
    buckets = Buckets(most=100)
    assert all(buckets.take(f"caller {n}", 0.001, 0.0) == 0.0 for n in range(5000))
    assert len(buckets) == 100
    assert buckets.take("caller 4999", 0.001, 0.0) > 0  # the last are the ones remembered
    assert buckets.take("caller 0", 0.001, 0.0) == 0.0
    for n in range(200):  # and those that are full again go first
        buckets.take(f"later {n}", 0.001, 10_000.0)
    assert buckets.take("later 199", 0.001, 10_000.0) > 0


def sent(*parts: bytes) -> Any:
    """What a server hands over for a body in parts."""
    left = [
        {"type": "http.request", "body": part, "more_body": n < len(parts) - 1}
        for n, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return left.pop(0) if left else {"type": "http.disconnect"}

    return receive


def test_a_body_in_parts_is_read_whole_and_once() -> None:
    async def read() -> list[Any]:
        body = Body(sent(b"ab", b"", b"c"), 3, None, 5.0)
        return [await body(), await body()]

    first, second = asyncio.run(read())
    assert first == {"type": "http.request", "body": b"abc", "more_body": False}
    assert second == {"type": "http.disconnect"}


@pytest.mark.parametrize("declared", [None, 4])
def test_a_body_is_no_larger_than_allowed_whatever_it_says(declared: int | None) -> None:
    body = Body(sent(b"ab", b"cd", b"ef"), 3, declared, 5.0)
    with pytest.raises(Refusal) as caught:
        asyncio.run(body())  # type: ignore[arg-type]
    assert caught.value.code == "too_large"


def test_half_a_body_is_none() -> None:
    receive = sent(b"ab", b"cd")

    async def half() -> Any:
        message = await receive()
        return message if message["more_body"] else {"type": "http.disconnect"}

    with pytest.raises(Refusal) as caught:
        asyncio.run(Body(half, 9, 4, 5.0)())  # type: ignore[arg-type]
    assert caught.value.code == "bad_request"


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(Refusal) as caught:
        asyncio.run(Body(never, 3, None, 0.01)())  # type: ignore[arg-type]
    assert caught.value.code == "too_slow"
    assert caught.value.headers == {"Connection": "close"}


def test_only_batches_may_be_large(empty: Store, asking: Asking) -> None:
    json = {"Content-Type": "application/json"}
    with asking(empty, policy=Policy(body=100, batch=1000)) as client:

        def post(path: str, size: int) -> int:
            body = b"{}" + b" " * (size - 2)
            return int(client.post(path, content=body, headers=json).status_code)

        assert post("/v1/rules", 100) == 422
        assert post("/v1/rules", 101) == 413
        assert post("/v1/items", 1000) == 422
        assert post("/v1/items", 1001) == 413
        assert post("/v1/events", 1000) == 200  # one event, which is none
        assert post("/v1/events", 1001) == 413
        parts = iter([b"{", b" " * 100, b"}"])  # no length is announced
        assert client.post("/v1/rules", content=parts, headers=json).status_code == 413
