from __future__ import annotations

import sqlite3

import psycopg
import pytest

from penchant.store.erasure import merge
from penchant.store.log import Event
from penchant.store.shown import MINUTE, Followed, Minute, Shown


def listed(n: int, person: str | None = "uann", time: int = 0, **other) -> Shown:
    given = {"model": "m1", "fallback": False, "shown": 2, "request": '{"k":2}', "items": "[]"}
    return Shown(recommendation_id=f"r{n}", person=person, time=time, **(given | other))


def followed(n: int, to: int | None, item: str | None = "a", kind: str = "view", **other) -> Event:
    named = None if to is None else f"r{to}"
    return Event(f"e{n}", "uann", None, item, kind, None, 7 * MINUTE, named, **other)


def test_a_list_comes_back_as_it_was_noted(store):
    full = listed(
        1, time=5, experiment="x", variant="a", fallback=True, items='[["ä",1.5,"ALS","why",0.25]]'
    )
    bare = listed(2, person=None, model=None)
    store.shown.add([full, bare])
    store.shown.add([])
    found = store.shown.get("r1")
    assert found == Shown(**{name: getattr(full, name) for name in full.__struct_fields__[:-1]},
                          position=found.position)  # fmt: skip
    assert store.shown.get("r2").person is None
    assert store.shown.get("r3") is None
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        store.shown.add([listed(3), listed(1)])
    assert store.shown.get("r3") is None, "all or none"


def test_lists_are_noted_with_other_writes(store):
    def fail() -> None:
        with store.writing() as connection:
            store.shown.add([listed(1)], connection=connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.shown.get("r1") is None


def test_pages_of_lists_go_newest_first(store):
    times = [5, 3, 5, 9, 1, 5, 3]
    store.shown.add([listed(n, time=time) for n, time in enumerate(times)])
    store.shown.add([listed(99, person="ubob", time=4)])
    seen, before = [], None
    while page := store.shown.page("uann", before, 2):
        seen += [one.recommendation_id for one in page]
        before = page[-1].position
    assert seen == ["r3", "r5", "r2", "r0", "r6", "r1", "r4"]
    assert store.shown.page("ucarl") == []


def test_lists_of_someone_known_as_another_are_noted_as_the_other(store):
    store.shown.add([listed(1, person="ss1")])
    assert merge(store, "ss1", "uann", now=1).recommendations == 1
    store.shown.add([listed(2, person="ss1", time=1)])
    assert [one.recommendation_id for one in store.shown.page("uann")] == ["r2", "r1"]
    assert store.shown.page("ss1") == []


def test_what_followed_a_list(store):
    store.shown.add([listed(1), listed(2)])
    store.events.append(
        [followed(1, 1, rank=2), followed(2, 2), followed(3, 1, "b", "purchase"), followed(4, None),
         followed(5, 1, None, "impression")],
        now=1,
    )  # fmt: skip
    assert store.shown.followed("r1") == [
        Followed(item_id="a", kind="view", time=7 * MINUTE, rank=2),
        Followed(item_id="b", kind="purchase", time=7 * MINUTE, rank=None),
        Followed(item_id=None, kind="impression", time=7 * MINUTE, rank=None),
    ]
    assert store.shown.followed("r3") == []


def test_click_through_by_the_minute(store):
    store.shown.add(
        [
            listed(1, time=5 * MINUTE - 1),  # before
            listed(2, time=5 * MINUTE),
            listed(3, time=6 * MINUTE - 1, fallback=True, shown=3),
            listed(4, time=8 * MINUTE, shown=1),
            listed(5, time=9 * MINUTE),  # after
        ]
    )
    events = [
        followed(1, 1),
        followed(2, 2, "a"), followed(3, 2, "a", "purchase"), followed(4, 2, "b"),
        followed(5, 2, None, "impression"), followed(6, 2, None, "impression"),
        followed(7, 3, None, "impression"), followed(8, 3, "c", "hide"),
        followed(9, None), followed(10, 5), followed(11, 77),
    ]  # fmt: skip
    store.events.append(events, now=1)
    assert store.shown.clicks(5 * MINUTE, 9 * MINUTE) == [
        Minute(
            minute=5 * MINUTE, lists=2, items=5, fallbacks=1, impressions=2, clicks=2, clicked=1
        ),
        Minute(
            minute=8 * MINUTE, lists=1, items=1, fallbacks=0, impressions=0, clicks=0, clicked=0
        ),
    ]
    assert store.shown.clicks(0, 1) == []


def test_click_through_reads_two_indexes_and_no_table(store):
    if store.kind == "sqlite":
        from penchant.store.shown import _clicks

        asked = str(_clicks(0, 1).compile(store.engine, compile_kwargs={"literal_binds": True}))
        with store.reading() as connection:
            plan = " ".join(
                str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")
            )
        assert "USING COVERING INDEX recommendations_time" in plan
        assert "USING COVERING INDEX events_recommendation" in plan
