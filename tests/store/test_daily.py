from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from penchant.errors import BadParameter
from penchant.identity import made_id
from penchant.store.daily import count_up, popular, trending
from penchant.store.log import Event
from penchant.store.schema import daily
from penchant.times import DAY

TODAY = 20_000
NOW = TODAY * DAY + DAY // 2


def met(item: str | None, many: int = 1, *, ago: int = 0, kind: str = "view") -> list[Event]:
    time = NOW - ago * DAY
    return [Event(made_id(time), "uann", None, item, kind, None, time) for _ in range(many)]


def counted(store, *events: list[Event]) -> None:
    store.events.append([one for some in events for one in some], now=NOW)
    while count_up(store):
        pass


def counts(store) -> dict[tuple[int, str, str], int]:
    with store.reading() as connection:
        rows = connection.execute(sa.select(daily)).all()
    return {(row.day, row.kind, row.item_id): row[3] for row in rows}


def test_events_are_counted_by_day_in_bounded_steps(store):
    events = (
        met("a", 3) + met("b", 2, ago=1) + met("a", 1, kind="buy") + met(None, kind="impression")
    )
    store.events.append(events, now=NOW)
    assert [count_up(store, 3) for _ in range(4)] == [3, 3, 1, 0]
    expected = {(TODAY, "view", "a"): 3, (TODAY - 1, "view", "b"): 2, (TODAY, "buy", "a"): 1}
    assert counts(store) == expected
    counted(store, met("a", 2))
    assert counts(store) == expected | {(TODAY, "view", "a"): 5}


def test_days_begin_at_midnight_before_1970_too(store):
    times = [0, -1, DAY - 1, DAY, -DAY, -DAY - 1]
    counted(store, [Event(f"e{t}", "u", None, "a", "view", None, t) for t in times])
    assert counts(store) == {
        (0, "view", "a"): 2, (1, "view", "a"): 1, (-1, "view", "a"): 2, (-2, "view", "a"): 1,
    }  # fmt: skip


def test_each_event_is_counted_once_by_however_many(store):
    store.events.append(met("a", 150), now=NOW)
    together, done = threading.Barrier(4), []

    def work() -> None:
        together.wait()
        while many := count_up(store, 10):
            done.append(many)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 150
    assert counts(store) == {(TODAY, "view", "a"): 150}


def test_what_is_popular(store):
    counted(
        store,
        met("a", 3), met("b", 5, ago=1), met("c", 3, ago=1), met("old", 9, ago=2),
        met("hidden", 9, kind="hide"), met("bought", 2, kind="buy"), met("c", 1, kind="buy"),
    )  # fmt: skip
    assert popular(store, 2, None, 10, now=NOW) == [("b", 5), ("c", 4), ("a", 3), ("bought", 2)]
    assert popular(store, 2, None, 2, now=NOW) == [("b", 5), ("c", 4)]
    assert popular(store, 2, ["view"], 10, now=NOW) == [("b", 5), ("a", 3), ("c", 3)]
    assert popular(store, 3, ["view", "buy"], 1, now=NOW) == [("old", 9)]
    assert popular(store, 1, ["hide"], 9, now=NOW) == [("hidden", 9)]
    assert popular(store, 2, None, 9, now=NOW, items={"a", "c", "x"}) == [("c", 4), ("a", 3)]
    assert popular(store, 2, [], 9, now=NOW) == []
    assert popular(store, 2, None, 9, now=NOW, items=set()) == []
    with pytest.raises(BadParameter, match="from 1 to 3660, got 0"):
        popular(store, 0, None, 9, now=NOW)


def test_an_old_log_has_popular_items_too_and_the_future_has_none(store):
    counted(store, met("a"), met("b", 2, ago=-3))
    assert popular(store, 1, None, 9, now=NOW) == [("a", 1)]
    assert popular(store, 1, None, 9, now=NOW + 700 * DAY) == [("b", 2)]
    assert trending(store, 1, None, 9, now=NOW + 700 * DAY) == [("b", pytest.approx(1.2))]


def test_an_empty_log_has_no_popular_items(sqlite_store):
    assert count_up(sqlite_store) == 0
    assert popular(sqlite_store, 7, None, 9, now=NOW) == []
    assert trending(sqlite_store, 7, None, 9, now=NOW) == []


def test_what_is_trending(store):
    counted(
        store,
        met("steady", 20, ago=1), met("steady", 80, ago=5),
        met("rising", 50, ago=0), met("rising", 20, ago=9),
        met("lucky", 3), met("lucky", 1, ago=5),
        met("gone", 70, ago=9), met("older", 99, ago=10),
        met("new", 12, ago=1),
    )  # fmt: skip
    found = dict(trending(store, 2, None, 9, now=NOW))
    assert list(found) == ["rising", "new", "lucky", "steady"]
    scale = 85 / 171
    assert found["rising"] == pytest.approx((50 + 10) / (20 * scale + 10))
    assert found["new"] == pytest.approx((12 + 10) / 10)
    assert found["steady"] == pytest.approx((20 + 10) / (80 * scale + 10))
    assert trending(store, 2, None, 1, now=NOW, items={"new", "lucky"})[0][0] == "new"
    assert list(dict(trending(store, 2, ["buy"], 9, now=NOW))) == []


def test_in_a_doubled_world_nothing_trends(sqlite_store):
    counted(sqlite_store, *(met(item, 8, ago=1) + met(item, 16, ago=3) for item in "cab"))
    assert trending(sqlite_store, 2, None, 9, now=NOW) == [("a", 1.0), ("b", 1.0), ("c", 1.0)]
