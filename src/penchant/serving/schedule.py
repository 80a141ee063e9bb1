"""A schedule: models are trained in a process of their own, whatever becomes of it."""

from __future__ import annotations

import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from penchant.errors import BadParameter, Conflict, MissingExtra

try:
    import psutil
except ImportError as e:
    raise MissingExtra("a schedule of trainings", "psutil", "serve") from e

from penchant.serving.logs import LOG
from penchant.serving.moments import clock
from penchant.store.erasure import outdated, settle
from penchant.store.store import Store
from penchant.store.trainings import Training

REFUSED = 3
"""The exit code of ``penchant train`` when the gate refused the model."""

TICK = 15.0
"""Seconds between two looks at whether a training is due."""

LOOK = 0.1
"""Seconds between two looks at a training that runs."""

GRACE = 10.0
"""Seconds that a training has to end by itself when it is told to."""


MEMORY = "it needed more memory"

RESERVED = 10**9
"""Bytes of address space that libraries reserve and do not use."""

THREADS = ("PENCHANT_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS",
           "OMP_NUM_THREADS", "MKL_NUM_THREADS")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When to train, and what a training may take.

    Parameters
    ----------
    store : URL of the store.
    models : folder of the models; None: beside the SQLite file.
    every : microseconds from one training to the next.
    memory : bytes of its own that it may use, files that it maps aside.
    seconds : how long it may take.
    threads : how many it may use.
    options : further words for ``penchant train``.
    """

    store: str
    models: Path | None = None
    every: int
    memory: int = 2 * 10**9
    seconds: float = 6 * 3600.0
    threads: int = 1
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("every", "memory", "seconds", "threads"):
            if not getattr(self, name) > 0:
                raise BadParameter(f"Plan.{name} must be positive, got {getattr(self, name)!r}")


def due(store: Store, every: int, now: int) -> str | None:
    """Return why a training is due now; None: it is not.

    It is when ``every`` has passed since the last one began and something has happened since; and
    at once, and then again as often, when the model in use could have learned from someone erased.
    Trainings that other processes or people began count alike.
    """
    last = next(iter(store.trainings.latest(1)), None)
    erased = outdated(store)
    if last is not None and last.state == "running" and now < last.until:
        return None
    if erased is not None and (last is None or last.started <= erased):
        return "someone was erased from whom the model in use could have learned"
    if last is not None and now < last.started + every:
        return None
    if erased is not None:
        return "the model in use could have learned from someone who was erased"
    newest = next(iter(store.models.list()), None)
    end = store.events.last()
    if end <= (0 if newest is None else newest.position):
        return None
    return f"it is time, and the log has come to position {end}"


@contextmanager
def scheduled(plan: Plan) -> Iterator[None]:
    """Train as planned while the block runs, in a thread that waits for processes.

    A training that runs at the end of the block is ended too, and leaves nothing half done. One
    service or ten on one store: one trains at a time.
    """
    over = threading.Event()
    thread = threading.Thread(target=_go_on, args=(plan, over), name="schedule")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _go_on(plan: Plan, over: threading.Event) -> None:
    while not over.wait(TICK):
        try:
            with Store.open(plan.store, models=plan.models) as store:
                tick(store, plan, over)
        except Exception:  # noqa: BLE001 - the store may be out of reach for a while
            LOG.exception("no training now; the schedule goes on")


def tick(store: Store, plan: Plan, over: threading.Event) -> Training | None:
    """Train if that is due; return how it ended.

    Parameters
    ----------
    over : set when everything is to end.
    """
    settle(store, now=clock())
    reason = due(store, plan.every, clock())
    if reason is None:
        return None
    try:
        number = store.trainings.begin(by=f"schedule on {platform.node()}", now=clock())
    except Conflict:  # someone else was first
        return None
    LOG.info("training %d begins: %s", number, reason)
    failure = _trained(store, plan, number, over)
    if failure is not None:
        store.trainings.end(number, "failed", now=clock(), reason=failure)
        settle(store, now=clock())
    ended = next(one for one in store.trainings.latest() if one.number == number)
    told = f"{ended.version or 'no model'}: {ended.reason or 'every check was passed'}"
    level = logging.INFO if ended.state == "accepted" else logging.WARNING
    LOG.log(level, "training %d ended, %s: %s", number, ended.state, told)
    return ended


def _trained(store: Store, plan: Plan, number: int, over: threading.Event) -> str | None:
    """Train in a process of its own; return why that failed, None if it came to a verdict."""
    words = [sys.executable, "-m", "penchant", "train", "--run", f"{number}"]
    words += ["--memory", f"{plan.memory}", *plan.options]
    if plan.models is not None:
        words += ["--models", str(plan.models)]
    threads = dict.fromkeys(THREADS, f"{plan.threads}")
    child = subprocess.Popen(
        words,
        env=os.environ | threads | {"PENCHANT_STORE": plan.store},  # a URL may hold a password
        stdin=subprocess.PIPE,  # which ends with this process, however that ends
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the service, which then ends its training
    )
    last: deque[str] = deque(maxlen=1)
    with child:
        reader = threading.Thread(target=_log, args=(child, number, last), daemon=True)
        reader.start()
        try:
            reason = _watched(child, plan, over)
            if reason is not None:
                store.trainings.end(number, "failed", now=clock(), reason=reason)
                _end(child, at_once=reason.startswith(MEMORY))
        finally:
            child.kill()
            reader.join()
    return _why(child.returncode, last) if reason is None else reason


def _log(child: subprocess.Popen[str], number: int, last: deque[str]) -> None:
    """Write what a training says to the log, and keep the last line."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip():
            last.append(line.strip())
            LOG.info("training %d: %s", number, line.strip())


def _watched(child: subprocess.Popen[str], plan: Plan, over: threading.Event) -> str | None:
    """Wait for the end of a training; return why it has to be ended, None if it ended itself."""
    until, process = monotonic() + plan.seconds, psutil.Process(child.pid)
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK)
            return None
        if over.is_set():
            return "the service that began it was stopped"
        if monotonic() > until:
            return f"it took longer than the {plan.seconds:,.0f} s allowed"
        if _private(process) > plan.memory:
            return f"{MEMORY} than the {plan.memory / 1e9:g} GB allowed"


def _private(process: psutil.Process) -> int:
    """Return the bytes of memory that a process has of its own; 0 if it has ended."""
    try:
        used = process.memory_info()
    except psutil.Error:
        return 0
    return int(used.rss - getattr(used, "shared", 0))


def _end(child: subprocess.Popen[str], *, at_once: bool) -> None:
    if not at_once:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    child.kill()
    child.wait()


def _why(code: int, last: deque[str]) -> str | None:
    """Return why a training that ended by itself failed; None if it came to a verdict."""
    if code in (0, REFUSED):
        return None
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if code < 0:
        return f"its process ended by {signal.Signals(-code).name}"
    return last[0].removeprefix("Error: ") if last else f"its process ended with code {code}"


def confine(memory: int) -> None:
    """Make this process a training of a service: it steps back, and ends when the service does.

    Parameters
    ----------
    memory : bytes of its own that it is to use; far beyond that allocations fail.
    """
    if sys.platform != "win32":
        import resource

        os.nice(10)
        # What is reserved counts here, used or not: stacks of threads, buffers.
        resource.setrlimit(resource.RLIMIT_DATA, (memory + RESERVED, memory + RESERVED))
    threading.Thread(target=_until_alone, name="service", daemon=True).start()


def _until_alone() -> None:
    while os.read(0, 1024):  # ends when nobody holds the other end
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)  # compiled code hears of no signal
    os._exit(128 + signal.SIGTERM)
