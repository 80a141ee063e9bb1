"""What the service counts and times, summed over its worker processes.

Each process writes a small memory-mapped file of its own in the run's folder; whoever asks adds
them all up, also those of processes that have ended: a worker that is started again loses nothing.
A file holds the names of its series as lines of JSON, and their values as float64 in that order.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple

from penchant.errors import BadParameter

TIMES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of times, in seconds."""

SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Upper ends of the buckets of sizes."""

NAMES = 256 * 1024
"""Bytes of a file that are for names; the values stand behind them."""

SLOTS = 64 * 1024
"""Values that a file holds."""


class Meter(NamedTuple):
    """Something that is measured.

    Parameters
    ----------
    kind : counter (only grows), gauge (a value of now) or histogram.
    help : a sentence.
    labels : by what it is told apart.
    buckets : of a histogram: upper ends, ascending; a last one to infinity is added.
    """

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METERS: Mapping[str, Meter] = {
    "penchant_http_requests_total": Meter(
        "counter", "Requests answered.", ("method", "route", "status")
    ),
    "penchant_http_request_seconds": Meter(
        "histogram", "Time from a request's first byte to its answer.", ("route",), TIMES
    ),
    "penchant_recommendations_total": Meter(
        "counter", "Lists recommended, and whether the fallback had to answer.", ("fallback",)
    ),
    "penchant_events_total": Meter(
        "counter", "Events posted, by what became of them.", ("outcome",)
    ),
    "penchant_model_swaps_total": Meter(
        "counter", "New models taken into use by a worker, or not.", ("outcome",)
    ),
    "penchant_write_group_size": Meter(
        "histogram", "Writes that shared one transaction.", (), SIZES
    ),
    "penchant_model_created_seconds": Meter(
        "gauge", "When the model in use was made, in seconds since 1970; 0: there is none."
    ),
    "penchant_started_seconds": Meter(
        "gauge", "When the service was started, in seconds since 1970."
    ),
}
"""All that is measured. A gauge is told when it is asked for, and is in no file."""

Labels = tuple[str, ...]


class Series(NamedTuple):
    """The values of one meter with one set of labels.

    ``values`` is the one value of a counter or gauge; of a histogram the counts of its buckets
    (each its own, not those below it), the last to infinity, and then the sum.
    """

    name: str
    labels: Labels
    values: tuple[float, ...]


class Meters:
    """What one process counts; ``read`` tells the sum over all in the folder.

    Parameters
    ----------
    folder : of this run of the service, shared by its workers; none: this process alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        size = NAMES + 8 * SLOTS
        if folder is None:
            self._map = mmap.mmap(-1, size)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._map = _opened(folder, size)
        self._values = memoryview(self._map)[NAMES:].cast("d")
        self._places: dict[tuple[str, Labels], int] = {}
        self._used = 0
        self._written = 8
        self._lock = Lock()

    def count(self, name: str, labels: Labels = (), by: float = 1.0) -> None:
        """Add to a counter."""
        with self._lock:
            self._values[self._place(name, labels)] += by

    def observe(self, name: str, value: float, labels: Labels = ()) -> None:
        """Add an observation (seconds, or a size) to a histogram."""
        buckets = METERS[name].buckets
        with self._lock:
            place = self._place(name, labels)
            values = self._values
            values[place + bisect_left(buckets, value)] += 1.0
            values[place + len(buckets) + 1] += value

    def read(self) -> list[Series]:
        """Return every series with its sum over all processes of the run, by name and labels."""
        if self.folder is None:
            return _summed([bytes(self._map)])
        return _summed([path.read_bytes() for path in self.folder.glob("*.meters")])

    def close(self) -> None:
        """Let go of the file; what was counted stays in it."""
        self._values.release()
        self._map.close()

    def _place(self, name: str, labels: Labels) -> int:
        place = self._places.get((name, labels))
        return self._new(name, labels) if place is None else place

    def _new(self, name: str, labels: Labels) -> int:
        meter = METERS[name]
        if len(labels) != len(meter.labels):
            raise BadParameter(f"{name} has the labels {meter.labels}, got {labels}.")
        line = json.dumps([name, *labels]).encode() + b"\n"
        end, place = self._written + len(line), self._used
        width = _width(meter)
        if end > NAMES or place + width > SLOTS:
            raise BadParameter(f"{name}{labels} is one series more than the meters can hold.")
        self._map[self._written : end] = line
        # The length last: who reads meanwhile sees the line whole or not at all.
        self._map[:8] = struct.pack("<q", end)
        self._written, self._used = end, place + width
        self._places[name, labels] = place
        return place


def text(series: list[Series]) -> str:
    """Return series in Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    for name, meter in METERS.items():
        mine = [s for s in series if s.name == name]
        lines += [f"# HELP {name} {_escaped(meter.help)}", f"# TYPE {name} {meter.kind}"]
        for one in mine:
            pairs = list(zip(meter.labels, one.labels, strict=True))
            if meter.kind == "histogram":
                lines += _histogram(name, meter, pairs, one.values)
            else:
                lines.append(f"{name}{_braced(pairs)} {_number(one.values[0])}")
    return "\n".join(lines) + "\n"


def _histogram(
    name: str, meter: Meter, pairs: list[tuple[str, str]], values: tuple[float, ...]
) -> list[str]:
    total, lines = 0.0, []
    for end, count in zip((*meter.buckets, float("inf")), values, strict=False):
        total += count
        lines.append(f"{name}_bucket{_braced([*pairs, ('le', _number(end))])} {_number(total)}")
    lines.append(f"{name}_sum{_braced(pairs)} {_number(values[-1])}")
    lines.append(f"{name}_count{_braced(pairs)} {_number(total)}")
    return lines


def _braced(pairs: list[tuple[str, str]]) -> str:
    told = ",".join(
        '{}="{}"'.format(label, _escaped(value).replace('"', '\\"')) for label, value in pairs
    )
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)


def _width(meter: Meter) -> int:
    # A histogram: its buckets, the one to infinity, the sum.
    return len(meter.buckets) + 2 if meter.kind == "histogram" else 1


def _opened(folder: Path, size: int) -> mmap.mmap:
    number = 0
    while True:  # a process may have had our number before us
        path = folder / f"{os.getpid()}-{number}.meters"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        try:
            os.ftruncate(handle, size)
            return mmap.mmap(handle, size)
        finally:
            os.close(handle)


def _summed(files: list[bytes]) -> list[Series]:
    sums: dict[tuple[str, Labels], list[float]] = {}
    for data in files:
        if len(data) < NAMES:  # made this moment, and not yet as long as it will be
            continue
        (end,) = struct.unpack_from("<q", data)
        place = NAMES
        for line in data[8:end].splitlines() if end else ():
            name, *labels = json.loads(line)
            width = _width(METERS[name])
            values = struct.unpack_from(f"{width}d", data, place)
            place += 8 * width
            before = sums.setdefault((name, tuple(labels)), [0.0] * width)
            sums[name, tuple(labels)] = [a + b for a, b in zip(before, values, strict=True)]
    return [Series(name, labels, tuple(sums[name, labels])) for name, labels in sorted(sums)]
