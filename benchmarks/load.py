"""Load on a service of this machine: as fast as it goes, or at moments fixed beforehand.

Addresses other than loopback are refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Answer(NamedTuple):
    """One request: seconds from when it was due to when its answer was whole, status, body."""

    due: float
    took: float
    status: int
    body: bytes


@dataclass
class Report:
    """What became of all requests."""

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    @property
    def failed(self) -> int:
        """Requests that were not answered with 2xx."""
        return sum(not 200 <= one.status < 300 for one in self.answers)

    def milliseconds(self, quantile: float) -> float:
        """Return a quantile of the times."""
        return float(np.quantile([one.took for one in self.answers], quantile)) * 1e3

    def row(self) -> dict[str, float]:
        """Return the numbers that a table shows."""
        return {
            "requests": len(self.answers),
            "failed": self.failed,
            "requests/s": round(self.rate, 1),
            "p50, ms": round(self.milliseconds(0.5), 2),
            "p99, ms": round(self.milliseconds(0.99), 2),
            "max, ms": round(self.milliseconds(1.0), 2),
        }


class Connection(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.got = bytearray()
        self.length = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.length < 0:
            end = self.got.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.got[:end]).lower()
            at = head.find(b"content-length:")
            size = 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
            self.length = end + 4 + size
        if len(self.got) >= self.length:
            status, body = int(self.got[9:12]), bytes(self.got[self.got.find(b"\r\n\r\n") + 4 :])
            self.got.clear()
            self.length = -1
            waiting, self.waiting = self.waiting, None
            if waiting is not None and not waiting.done():
                waiting.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result((0, repr(exc).encode()))
        self.lost = True
        self.ended.set_result(None)

    lost = False

    async def close(self) -> None:
        """End the connection."""
        self.transport.close()  # type: ignore[attr-defined]
        await self.ended

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return await self.waiting


def request(method: str, path: str, body: bytes = b"", *, port: int, key: str = "") -> bytes:
    """Return the bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def connected(host: str, port: int) -> Connection:
    """Connect to this machine."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{host} is not this machine")
    return (await asyncio.get_running_loop().create_connection(Connection, host, port))[1]


async def closed(
    port: int, made: Callable[[int], bytes], *, connections: int, seconds: float
) -> Report:
    """Keep ``connections`` requests on their way for some seconds; request n is ``made(n)``."""
    report, count, start = Report(), 0, time.perf_counter()
    stop = start + seconds

    async def one() -> None:
        nonlocal count
        connection = await connected("127.0.0.1", port)
        while (due := time.perf_counter()) < stop:
            count += 1
            status, body = await connection.ask(made(count - 1))
            report.answers.append(Answer(due - start, time.perf_counter() - due, status, body))
            if connection.lost:
                connection = await connected("127.0.0.1", port)
        await connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    report.seconds = time.perf_counter() - start
    return report


async def at(port: int, made: Callable[[int], bytes], arrivals: Sequence[float]) -> Report:
    """Send request n when ``arrivals[n]`` seconds have passed, whether others are answered or not.

    Times are counted from when a request was due, so that a service that stalls is seen to.
    """
    report, idle = Report(), [await connected("127.0.0.1", port) for _ in range(32)]
    start = time.perf_counter()
    running: set[asyncio.Task[None]] = set()

    async def one(n: int, due: float) -> None:
        while idle and idle[-1].lost:  # ended by a service that does not wait for ever
            idle.pop()
        connection = idle.pop() if idle else await connected("127.0.0.1", port)
        status, body = await connection.ask(made(n))
        report.answers.append(Answer(due, time.perf_counter() - start - due, status, body))
        if not connection.lost:
            idle.append(connection)

    for n, due in enumerate(arrivals):
        left = due - (time.perf_counter() - start)
        if left > 0:
            await asyncio.sleep(left)
        task = asyncio.create_task(one(n, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    report.seconds = time.perf_counter() - start
    for connection in idle:
        await connection.close()
    return report


def poisson(rate: float, seconds: float, seed: int = 0) -> list[float]:
    """Return the moments of arrivals that know nothing of each other, ``rate`` a second."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, int(rate * seconds * 1.5) + 10)
    moments = np.cumsum(gaps)
    return moments[moments < seconds].tolist()
