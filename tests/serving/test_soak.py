"""Ten minutes of lists, events and changes of the catalogue: no error, and memory stays."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
import pytest

from serving.conftest import copied

MINUTES = 10
WARM = 3
"""Minutes after which memory has settled."""
RATE = 60.0
"""Requests a second: few enough that a slow machine keeps up."""
EACH = 15.0
"""Seconds of load between two looks at the memory."""


@pytest.fixture(scope="module")
def load() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "load.py"
    spec = importlib.util.spec_from_file_location("load", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["load"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def service(templates: Path, tmp_path: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A service of two workers, and what it says on standard error in a file."""
    copied(templates, "filled", tmp_path).close()
    command = [sys.executable, "-m", "penchant", "serve", "--store", str(tmp_path / "shop.db")]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--port", "0", "--workers", "2"],
            stdout=subprocess.PIPE, stderr=log, text=True,
        ) as process,
    ):  # fmt: skip
        told = next((line for line in process.stdout if "http://" in line), "")
        yield int(re.search(r":(\d+)", told.partition("//")[2])[1]), psutil.Process(process.pid)
        process.terminate()
        process.stdout.read()
        assert process.wait() == 0


@pytest.mark.slow
@pytest.mark.timeout(60 * (MINUTES + 5))
def test_soak(
    load: ModuleType, service: tuple[int, psutil.Process], tmp_path: Path,
    record_property: pytest.FixtureRequest,
) -> None:  # fmt: skip
    port, process = service
    rng, numbered = np.random.default_rng(0), itertools.count()
    written = threading.Lock()

    def made(_: int) -> bytes:
        with written:
            n, kind = next(numbered), rng.random()
            who, item = f"u{rng.integers(40):02}", f"i{rng.integers(12):02}"
        if kind < 0.6:
            return asked("POST", "/v1/recommendations", {"user_id": who, "k": 5})
        if kind < 0.9:
            return asked("POST", "/v1/events", {"user_id": who, "item_id": item})
        if kind < 0.93:
            body = {"title": f"Title {n}", "categories": ["even"], "withdrawn": n % 2 == 0}
            return asked("PUT", f"/v1/items/{item}", body)
        path = ["/v1/popular", f"/v1/items/{item}/similar", "/metrics", "/health/ready"][n % 4]
        return load.request("GET", path, port=port)

    def asked(method: str, path: str, body: dict) -> bytes:
        return load.request(method, path, json.dumps(body).encode(), port=port)

    private: list[tuple[float, float]] = []
    for n in range(int(MINUTES * 60 / EACH)):
        report = asyncio.run(load.at(port, made, load.poisson(RATE, EACH, seed=n)))
        wrong = [a for a in report.answers if not 200 <= a.status < 300]
        assert wrong == []
        own = sum(one.memory_full_info().uss for one in process.children(recursive=True))
        private.append(((n + 1) * EACH / 60, own / 1e6))
    settled = np.array([one for one in private if one[0] >= WARM])
    slope = float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0])
    record_property("MB a minute", round(slope, 3))
    assert slope < 1.0, f"{slope:.2f} MB a minute: {private}"
    logged = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line for line in logged if line["level"] not in ("info", "debug")] == []
