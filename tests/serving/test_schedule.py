"""A schedule: when a training is due, and that nothing a training does harms the service."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from made_up_shop import NOW, act, stock
from penchant.errors import BadParameter
from penchant.serving import schedule
from penchant.serving.moments import clock
from penchant.serving.schedule import Plan, due, scheduled, tick
from penchant.store.erasure import erase
from penchant.store.store import Store

HOUR = 3600 * 10**6
POPULARITY = ("--model", "popularity")


@pytest.fixture(scope="session")
def a_day(tmp_path_factory):
    """A store with a day of 20 people, to be copied."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    with Store.open(str(path)) as store:
        stock(store)
        act(store, 0, people=20)
    return path


@pytest.fixture
def store(a_day, tmp_path):
    shutil.copy(a_day, tmp_path)
    with Store.open(str(tmp_path / "shop.db")) as opened:
        yield opened


@pytest.fixture
def plan(store):
    return Plan(store=store.url, every=HOUR, options=POPULARITY)


def ended(store: Store, begun: int, state: str = "accepted") -> None:
    number = store.trainings.begin(by="test", now=begun)
    store.trainings.end(number, state, now=begun + 1)


def registered(store: Store, *, erasures: int = 0) -> None:
    """Register a model that has learned from all there is, and use it; of files it has none."""
    from penchant.store.schema import models, promotions

    with store.writing() as connection:
        connection.execute(
            models.insert().values(
                version="m00000001", path="m00000001", name="one", state="accepted", events=1,
                position=store.events.last(), erasures=erasures, created=NOW, metrics="{}",
                gate="[]",
            )
        )  # fmt: skip
        connection.execute(
            promotions.insert().values(version="m00000001", time=NOW, by="test", why="promote")
        )


def test_the_first_training_is_due_once_there_are_events(store, tmp_path):
    assert "position 80" in due(store, HOUR, NOW)
    with Store.open(str(tmp_path / "empty.db")) as empty:
        assert due(empty, HOUR, NOW) is None


def test_the_next_is_due_when_it_is_time_and_something_happened(store):
    ended(store, NOW)
    assert due(store, HOUR, NOW + HOUR - 1) is None
    assert "it is time" in due(store, HOUR, NOW + HOUR)
    registered(store)
    assert due(store, HOUR, NOW + HOUR) is None
    act(store, 1, people=1)
    assert "it is time" in due(store, HOUR, NOW + HOUR)


def test_one_that_failed_is_tried_again_when_it_is_time(store):
    ended(store, NOW, "failed")
    assert due(store, HOUR, NOW + HOUR - 1) is None
    assert due(store, HOUR, NOW + HOUR) is not None


def test_none_is_due_while_one_runs(store):
    number = store.trainings.begin(by="somebody else", now=NOW)
    until = store.trainings.latest()[0].until
    assert due(store, 1, until - 1) is None
    assert due(store, 1, until) is not None
    store.trainings.end(number, "accepted", now=NOW)
    assert due(store, 1, until) is not None


def test_an_erasure_is_a_reason_at_once_and_then_when_it_is_time(store):
    registered(store)
    ended(store, NOW)
    assert due(store, HOUR, NOW + HOUR) is None
    erase(store, "p3", now=NOW + 10)
    assert "someone was erased" in due(store, HOUR, NOW + 11)
    ended(store, NOW + 12, "refused")
    assert due(store, HOUR, NOW + 13) is None
    assert "erased" in due(store, HOUR, NOW + 12 + HOUR)


def test_a_training_in_its_own_process_is_recorded_and_used(store, plan, caplog):
    caplog.set_level("INFO", "penchant.serving")
    assert due(store, HOUR, clock()) is not None
    done = tick(store, plan, threading.Event())
    assert (done.state, done.version) == ("accepted", "m00000001")
    assert done.by.startswith("schedule on ")
    assert store.models.in_use().version == "m00000001"
    assert tick(store, plan, threading.Event()) is None
    said = caplog.text
    assert "training 1 begins: it is time" in said
    assert "passed  read back" in said
    assert "training 1 ended, accepted: m00000001" in said


def trainers() -> list[psutil.Process]:
    """The trainings among this process's children."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it may have ended meanwhile
            if "--run" in child.cmdline():
                found.append(child)
    return found


def failed(store: Store, plan: Plan, over: threading.Event | None = None) -> str:
    """Tick; the training has to fail, and leave no process, no model and no lease. Say why."""
    done = tick(store, plan, over or threading.Event())
    assert done.state == "failed"
    assert trainers() == []
    assert store.models.list() == []
    assert store.trainings.latest() == [done]
    store.trainings.end(store.trainings.begin(by="the next", now=clock()), "failed", now=clock())
    return done.reason


def test_one_that_needs_too_much_memory_is_ended(store, plan):
    reason = failed(store, replace(plan, memory=20 * 10**6))
    assert reason == "it needed more memory than the 0.02 GB allowed"


def test_one_that_takes_too_long_is_ended(store, plan):
    assert failed(store, replace(plan, seconds=0.01)) == "it took longer than the 0 s allowed"


def test_one_that_is_wrong_says_why(store, plan):
    reason = failed(store, replace(plan, options=("--weight", "view")))
    assert reason == "--weight is written KIND=NUMBER, such as purchase=5, got 'view'"


def test_the_end_of_the_service_ends_a_training(store, plan):
    over = threading.Event()
    over.set()
    assert failed(store, plan, over) == "the service that began it was stopped"


def until(found, seconds: float = 60.0):
    """Return what is found, once there is something."""
    end = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return got


def test_one_that_is_killed_is_recorded(store, plan):
    def kill() -> None:
        (child,) = until(trainers)
        child.send_signal(signal.SIGKILL)

    murderer = threading.Thread(target=kill)
    murderer.start()
    assert failed(store, plan) == (
        "its process was killed (SIGKILL), as the system does when memory runs out"
    )
    murderer.join()


def test_two_services_train_one_at_a_time(store, plan):
    store.trainings.begin(by="another service", now=clock())
    assert tick(store, plan, threading.Event()) is None
    assert len(store.trainings.latest()) == 1


@pytest.mark.slow
def test_a_training_of_a_service_that_died_ends_itself(store):
    number = store.trainings.begin(by="a service", now=clock())
    words = ["-m", "penchant", "train", "--run", f"{number}", "--memory", f"{10**9}"]
    orphan = subprocess.Popen(
        [sys.executable, *words],
        env=os.environ | {"PENCHANT_STORE": store.url},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    orphan.communicate(timeout=120)  # closes our end, as death does
    assert orphan.returncode == 128 + signal.SIGTERM
    assert store.models.list() == []
    assert left_in(store) == []


def left_in(store: Store) -> list[str]:
    return [path.name for path in store.models.folder.glob("*")]


@pytest.mark.slow
def test_memory_far_beyond_the_limit_cannot_be_had():
    code = (
        "import numpy as np; from penchant.serving.schedule import confine; confine(10**8)\n"
        "try: np.ones(2 * 10**9, np.uint8)\n"
        "except MemoryError: print('none left')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.read() == b"none left\n"


def test_the_schedule_looks_now_and_then_and_outlives_trouble(plan, store, monkeypatch, caplog):
    ticks = []

    def looked(*given: object) -> None:
        ticks.append(given)
        if len(ticks) == 1:
            raise ConnectionError("the store is out of reach")

    monkeypatch.setattr(schedule, "TICK", 0.001)
    monkeypatch.setattr(schedule, "tick", looked)
    with scheduled(plan):
        until(lambda: len(ticks) > 2)
    count = len(ticks)
    assert "no training now; the schedule goes on" in caplog.text
    assert "the store is out of reach" in caplog.text
    assert len(ticks) == count
    assert "schedule" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("name", ["every", "memory", "seconds", "threads"])
def test_a_plan_is_checked(name):
    with pytest.raises(BadParameter, match=f"Plan.{name} must be positive, got 0"):
        Plan(**{"store": "shop.db", "every": HOUR, name: 0})
