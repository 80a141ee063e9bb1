"""Counters and histograms: summed over processes, told in Prometheus' format."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import BadParameter
from penchant.serving import meters as m
from penchant.serving.meters import METERS, Meters, Series, text
from penchant.store.store import Store

Asking = Callable[..., AbstractContextManager[Any]]
REQUESTS, SECONDS = "penchant_http_requests_total", "penchant_http_request_seconds"
EVENTS, GROUPS = "penchant_events_total", "penchant_write_group_size"

LINE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')


def parsed(told: str) -> dict[tuple[str, str], float]:
    """Read the text format, strictly: HELP and TYPE once, before the samples of each meter."""
    found: dict[tuple[str, str], float] = {}
    current = ""
    assert told.endswith("\n")
    for line in told.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2:] == [current, METERS[current].kind]
        else:
            matched = LINE.match(line)
            assert matched is not None, line
            name, labels, value = matched.groups()
            assert re.sub("_(bucket|sum|count)$", "", name) in (current, name)
            assert name.startswith(current)
            assert (name, labels or "") not in found
            found[name, labels or ""] = float(value)
    return found


def test_counts_and_times_are_told_as_prometheus_reads_them() -> None:
    counted = Meters()
    for status in ("200", "200", "404"):
        counted.count(REQUESTS, ("GET", "/v1/items", status))
    counted.count(EVENTS, ("accepted",), 7)
    for seconds in (0.0005, 0.001, 0.003, 99.0):
        counted.observe(SECONDS, seconds, ("/v1/items",))
    told = text([*counted.read(), Series("penchant_started_seconds", (), (1.5,))])
    found = parsed(told)
    assert found[REQUESTS, 'method="GET",route="/v1/items",status="200"'] == 2
    assert found[EVENTS, 'outcome="accepted"'] == 7
    assert found["penchant_started_seconds", ""] == 1.5
    buckets = [v for (name, _), v in found.items() if name == f"{SECONDS}_bucket"]
    assert buckets == sorted(buckets)
    assert found[f"{SECONDS}_bucket", 'route="/v1/items",le="0.001"'] == 2
    assert found[f"{SECONDS}_bucket", 'route="/v1/items",le="+Inf"'] == 4
    assert found[f"{SECONDS}_count", 'route="/v1/items"'] == 4
    assert found[f"{SECONDS}_sum", 'route="/v1/items"'] == pytest.approx(99.0045)


def test_labels_are_escaped() -> None:
    counted = Meters()
    odd = 'a"b\\c\nd é'
    counted.count(EVENTS, (odd,))
    assert parsed(text(counted.read())) == {(EVENTS, 'outcome="a\\"b\\\\c\\nd é"'): 1.0}


CHILD = """
import os, sys
from pathlib import Path
from penchant.serving.meters import Meters
counted = Meters(Path(sys.argv[1]))
for n in range(100):
    counted.count("penchant_events_total", ("accepted",))
    counted.observe("penchant_write_group_size", n % 3)
os._exit(1)  # as a worker that is killed
"""


def test_processes_are_summed_those_that_died_too(tmp_path: Path) -> None:
    here = Meters(tmp_path)
    here.count(EVENTS, ("duplicate",), 2)
    here.count(EVENTS, ("accepted",), 5)
    running = [subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)]) for _ in range(2)]
    assert [one.wait(60) for one in running] == [1, 1]
    again = Meters(tmp_path)  # a second life of this process
    again.count(EVENTS, ("accepted",), 1)
    (tmp_path / "0-0.meters").write_bytes(b"")  # made this moment
    found = parsed(text(again.read()))
    assert found == parsed(text(here.read()))
    assert found[EVENTS, 'outcome="accepted"'] == 206
    assert found[EVENTS, 'outcome="duplicate"'] == 2
    assert found[f"{GROUPS}_sum", ""] == 198
    assert found[f"{GROUPS}_count", ""] == 200
    for one in (here, again):
        one.close()
    assert Meters(tmp_path).read() != []


def test_threads_lose_nothing() -> None:
    counted = Meters()

    def work(n: int) -> None:
        for k in range(2000):
            counted.count(REQUESTS, ("GET", f"/{(k + n) % 50}", "200"))
            counted.observe(GROUPS, 1.0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    series = counted.read()
    assert sum(s.values[0] for s in series if s.name == REQUESTS) == 8000
    assert next(s for s in series if s.name == GROUPS).values[-1] == 8000


def test_labels_have_to_fit_and_there_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Meters()
    with pytest.raises(BadParameter, match="has the labels"):
        counted.count(EVENTS, ("a", "b"))
    monkeypatch.setattr(m, "SLOTS", 20)
    counted.observe(GROUPS, 1.0)
    for n in range(20 - len(m.SIZES) - 2):
        counted.count(EVENTS, (str(n),))
    with pytest.raises(BadParameter, match="more than the meters can hold"):
        counted.count(EVENTS, ("one more",))
    assert len(counted.read()) == 9


def test_counting_takes_less_than_three_microseconds() -> None:
    counted = Meters()
    labels = ("GET", "/v1/items", "200")
    fastest = min(_took(lambda: counted.count(REQUESTS, labels)) for _ in range(5))
    slowest = min(_took(lambda: counted.observe(SECONDS, 0.004, ("/v1/items",))) for _ in range(5))
    assert max(fastest, slowest) < 3e-6


def _took(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    for _ in range(5000):
        work()
    return (time.thread_time() - begun) / 5000


def test_a_service_tells_its_meters(shop: Store, asking: Asking) -> None:
    with asking(shop) as client:
        for path in ("/v1/items", "/v1/items/i01", "/v1/items/i02", "/nowhere/1", "/nowhere/2"):
            client.get(path)
        client.request("BREW", "/v1/items")
        reply = client.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = parsed(reply.text)
    assert found[REQUESTS, 'method="GET",route="/v1/items/{item_id}",status="200"'] == 2
    assert found[REQUESTS, 'method="GET",route="none",status="404"'] == 2
    assert found[REQUESTS, 'method="other",route="none",status="405"'] == 1
    assert found["penchant_model_created_seconds", ""] == 1_780_000_000
