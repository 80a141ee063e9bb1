"""Real worker processes behind one port."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import psutil
import pytest

from penchant.errors import BadParameter
from penchant.serving.server import Settings, serve
from penchant.store.store import Store
from small_shop import NOW

SERVE = [sys.executable, "-m", "penchant", "serve"]


class Served(NamedTuple):
    """A service in processes of its own."""

    process: subprocess.Popen[str]
    port: int
    store: Store


def started(*options: str) -> tuple[subprocess.Popen[str], int]:
    """Start a service and wait until it answers."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0", *options], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    assert found, line
    return process, int(found[1])


@pytest.fixture
def served(shop: Store) -> Iterator[Served]:
    """A shop served by two processes."""
    process, port = started("--store", shop.url, "--workers", "2")
    try:
        yield Served(process, port, shop)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def workers(served: Served) -> list[psutil.Process]:
    children = psutil.Process(served.process.pid).children()
    return [one for one in children if "resource_tracker" not in " ".join(one.cmdline())]


def connected(served: Served) -> list[http.client.HTTPConnection]:
    """Return a connection to each of the workers."""
    found: dict[int, http.client.HTTPConnection] = {}
    spare, until = [], time.monotonic() + 60
    while len(found) < 2 and time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        mine = connection.sock.getsockname()
        spare.append(connection)
        for one in workers(served):
            if any(tuple(there.raddr) == mine for there in one.net_connections("tcp")):
                found.setdefault(one.pid, connection)
    for connection in spare:
        if connection not in found.values():
            connection.close()
    assert len(found) == 2
    return [*found.values()]


def posted(connection: http.client.HTTPConnection, path: str, **body: object) -> dict:
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    assert reply.status == 200, text
    return json.loads(text)


def test_every_worker_follows_and_the_end_is_orderly(served):
    one, other = connected(served)
    asked = {"session_id": "new", "k": 12}
    for connection in (one, other):
        assert posted(connection, "/v1/recommendations", **asked)["fallback"]
    # An event that one worker took is in the next list of both.
    posted(one, "/v1/events", session_id="new", item_id="i01")
    lists = [posted(c, "/v1/recommendations", **asked) for c in (one, other)]
    assert [made["fallback"] for made in lists] == [False, False]
    assert lists[0]["items"] == lists[1]["items"]
    # So is an item that somebody else withdrew.
    first = lists[0]["items"][0]["item_id"]
    served.store.items.remove(first, now=NOW)
    for connection in (one, other):
        made = posted(connection, "/v1/recommendations", **asked)
        assert first not in {item["item_id"] for item in made["items"]}
    # A page goes on wherever it is asked for.
    page = posted(one, "/v1/recommendations", user_id="u00", k=2)
    more = posted(other, "/v1/recommendations", cursor=page["cursor"])
    assert not {i["item_id"] for i in more["items"]} & {i["item_id"] for i in page["items"]}
    # A model that is promoted takes over in both.
    old, new = (posted(one, "/v1/recommendations")["model"], "m00000001")
    assert old != new
    served.store.models.promote(new, by="test", now=NOW)
    for connection in (one, other):
        until = time.monotonic() + 60
        while posted(connection, "/v1/recommendations")["model"] != new:
            assert time.monotonic() < until
    for connection in (one, other):
        connection.close()
    processes = workers(served)
    os.killpg(served.process.pid, signal.SIGINT)  # as Ctrl-C does
    assert served.process.wait(60) == 0
    assert not any(one.is_running() for one in processes)


def test_only_http_1_is_spoken_and_nothing_goes_on_when_the_parent_is_killed(served):
    # To tell two versions apart, the server would wait for a client's first bytes for ever.
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as other:
        other.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert other.recv(100)[:8] in (b"", b"HTTP/1.1")
    left = psutil.Process(served.process.pid).children()
    served.process.kill()
    _, alive = psutil.wait_procs(left, timeout=60)
    assert not alive


def test_a_port_that_is_taken(shop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadParameter, match=f"port {port} of 127.0.0.1 is taken.*--port"):
            serve(Settings(store=shop.url, port=port), ready=print)


def test_others_need_a_key(shop):
    with pytest.raises(BadParameter, match="has no key: make one first"):
        serve(Settings(store=shop.url, host="0.0.0.0", port=0), ready=print)
