"""One trains at a time, whatever process or machine it is on, and each attempt is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import penchant as pt
from penchant.errors import Conflict
from penchant.serving.training import train
from penchant.store.erasure import erase, outdated
from penchant.store.log import Event
from penchant.store.store import Store
from penchant.store.trainings import DIED, LEASE, Training

NOW = 1_700_000_000 * 10**6


def test_an_attempt_from_its_beginning_to_its_end(store):
    number = store.trainings.begin(by="somebody", now=NOW)
    begun = Training(number, NOW, NOW + LEASE, None, "running", "somebody", None, None)
    assert store.trainings.latest() == [begun]
    assert store.trainings.end(number, "refused", now=NOW + 5, version="m1", reason="too slow")
    ended = Training(number, NOW, NOW + LEASE, NOW + 5, "refused", "somebody", "m1", "too slow")
    assert store.trainings.latest() == [ended]


def test_what_was_said_first_stays(store):
    number = store.trainings.begin(by="somebody", now=NOW)
    assert store.trainings.end(number, "failed", now=NOW, reason="killed")
    assert not store.trainings.end(number, "accepted", now=NOW, version="m1")
    assert not store.trainings.alive(number, now=NOW)
    assert store.trainings.latest()[0].reason == "killed"


def test_another_waits_until_the_first_has_ended(store):
    number = store.trainings.begin(by="one", now=NOW)
    with pytest.raises(Conflict, match=f"training {number}, begun by one, still runs"):
        store.trainings.begin(by="two", now=NOW + LEASE - 1)
    store.trainings.end(number, "accepted", now=NOW)
    assert store.trainings.begin(by="two", now=NOW) > number


def test_one_that_gives_no_sign_of_life_is_taken_for_dead(store):
    first = store.trainings.begin(by="one", now=NOW)
    assert store.trainings.alive(first, now=NOW + LEASE)
    with pytest.raises(Conflict):
        store.trainings.begin(by="two", now=NOW + 2 * LEASE - 1)
    second = store.trainings.begin(by="two", now=NOW + 2 * LEASE)
    late, dead = store.trainings.latest()
    assert (late.number, late.state) == (second, "running")
    assert (dead.state, dead.finished, dead.reason) == ("failed", NOW + 2 * LEASE, DIED)
    assert not store.trainings.alive(first, now=NOW)


def test_of_many_at_once_one_begins(store_url):
    def attempt(n: int) -> int | None:
        with Store.open(store_url) as mine:
            try:
                return mine.trainings.begin(by=f"{n}", now=NOW)
            except Conflict:
                return None

    with ThreadPoolExecutor(6) as pool:
        begun = [number for number in pool.map(attempt, range(6)) if number is not None]
    assert len(begun) == 1


def test_the_latest_attempts_come_first(store):
    for n in range(5):
        number = store.trainings.begin(by=f"{n}", now=NOW + n)
        store.trainings.end(number, "accepted", now=NOW + n)
    assert [one.by for one in store.trainings.latest(3)] == ["4", "3", "2"]


def test_a_model_is_outdated_by_the_erasure_of_someone_it_could_know(store, tmp_path):
    store.models.folder = tmp_path / "models"
    assert outdated(store) is None
    come(store, "p1")
    model = pt.Popularity().fit(pt.datasets.planted())
    row = store.models.add(
        lambda path: pt.save(model, path),
        name="one", position=store.events.last(), erasures=0, events=1, metrics={}, gate=[],
        accepted=True, now=NOW,
    )  # fmt: skip
    store.models.promote(row.version, by="test", now=NOW)
    come(store, "p2")
    erase(store, "p2", now=NOW + 1)
    assert outdated(store) is None  # they came after it had read the log
    erase(store, "p1", now=NOW + 2)
    assert outdated(store) == NOW + 2


def test_a_model_is_trained_and_used(store, tmp_path):
    store.models.folder = tmp_path / "models"
    for n in range(20):
        come(store, f"p{n}")
    result = train(store, now=NOW)
    assert result.promoted
    assert store.models.in_use() == result.model
    assert store.trainings.latest()[0].version == result.version


def come(store: Store, user: str) -> None:
    store.events.append([Event(f"e-{user}", f"u{user}", None, "i1", "view", None, NOW)], now=NOW)
