"""The log of events, on SQLite and PostgreSQL."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
import threading
from itertools import pairwise

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant.errors import BadParameter
from penchant.identity import clean_id
from penchant.store.log import (
    HISTORIES,
    ONE_HISTORY,
    Event,
    Logged,
    Rows,
    digest,
    person,
    tombstone,
)
from penchant.store.schema import events, merges, tombstones
from penchant.store.store import Store
from waiting import until


def clicked(n: int, who: str = "uann", item: str | None = "i1", **other) -> Event:
    """An event whose id, time and digest are ``n``."""
    given = {"session_id": None, "kind": "view", "value": None, "time": n, "digest": n}
    return Event(event_id=f"e{n}", person=who, item_id=item, **given | other)


def test_events_are_appended_once(store):
    assert store.events.append([clicked(1), clicked(2)], now=5) == ["accepted", "accepted"]
    assert store.events.append([clicked(2), clicked(3)], now=6) == ["duplicate", "accepted"]
    assert store.events.append([], now=6) == []
    assert store.events.history(["uann"]).time == [1, 2, 3]
    assert [one.received for one in store.events.page("uann", None, 9)] == [6, 5, 5]
    assert store.events.last() == 3


def test_another_body_under_a_known_id_is_a_conflict_and_changes_nothing(store):
    store.events.append([clicked(1, item="first")], now=5)
    before, _ = store.events.read(0, 10)
    changed = clicked(1, item="other", digest=77)
    assert store.events.append([changed, clicked(2)], now=6) == ["conflict", "accepted"]
    after, _ = store.events.read(0, 10)
    assert after.head(1).equals(before)


def test_repeats_within_a_batch(store):
    batch = [clicked(1), clicked(1), clicked(1, digest=2), clicked(2)]
    assert store.events.append(batch, now=5) == ["accepted", "duplicate", "conflict", "accepted"]
    assert store.events.history(["uann"]).time == [1, 2]


def test_raw_repeats_are_events(store):
    plays = [clicked(n, time=7, item="song") for n in range(10)]
    assert store.events.append(plays, now=8) == ["accepted"] * 10
    assert len(store.events.frame()) == 10


def test_an_erased_event_stays_erased(store):
    with store.writing() as connection:
        dead = {"hash": tombstone(store.salt, "e1")}
        connection.execute(sa.insert(tombstones).values(dead))
    assert store.events.append([clicked(1), clicked(2)], now=5) == ["erased", "accepted"]
    assert store.events.append([clicked(1, digest=9)], now=5) == ["erased"]
    assert store.events.history(["uann"]).time == [2]


def test_who_was_merged_acts_as_whom_they_became(store):
    with store.writing() as connection:
        connection.execute(sa.insert(merges).values(person="ss1", into="uann", time=1))
    store.events.append([clicked(1, "ss1", session_id="s1"), clicked(2, "sother")], now=5)
    assert store.events.history(["uann", "ss1", "sother"]).row == [0, 2]
    assert store.events.append([clicked(1, "ss1", session_id="s1")], now=6) == ["duplicate"]


def test_a_history_is_by_person_and_time(store):
    store.events.append(
        [
            clicked(5, "ub", "x", kind="rating", value=3.5, session_id="s1"),
            clicked(3, "ua", "y"),
            clicked(4, "ub", None, kind="impression", items=["x", "y"]),
            clicked(1, "ub", "z"),
            clicked(9, "ub", "w", time=1),  # the same time: in the order of arrival
        ],
        now=10,
    )
    rows = store.events.history(["ub", "unobody", "ua", "ub"])
    assert rows.row == [0, 0, 0, 2, 3, 3, 3]
    assert rows.item_id == ["z", "w", "x", "y", "z", "w", "x"]
    assert rows.kind == ["view", "view", "rating", "view", "view", "view", "rating"]
    assert rows.time == [1, 1, 5, 3, 1, 1, 5]
    assert rows.session_id == [None, None, "s1", None, None, None, "s1"]
    assert math.isnan(rows.value[0])
    assert rows.value[2] == 3.5
    assert (
        store.events.history(["unobody"])
        == store.events.history([])
        == Rows([], [], [], [], [], [])
    )


def test_the_latest_of_a_history(store):
    batch = [clicked(n, who) for who in ("ua", "ub") for n in (range(5) if who == "ua" else (7, 8))]
    store.events.append(batch, now=10)
    rows = store.events.history(["ub", "ua"], latest=3)
    assert rows.row == [0, 0, 1, 1, 1]
    assert rows.time == [7, 8, 2, 3, 4]


def test_a_history_may_be_of_the_moment_of_other_reads(store):
    store.events.append([clicked(1)], now=5)
    with store.reading() as connection:
        assert store.numbers(connection) == {}
        store.events.append([clicked(2)], now=5)
        seen = store.events.history(["uann"], connection=connection).time
    assert seen == ([1] if store.kind == "sqlite" else [1, 2])


@pytest.mark.parametrize("time", [-(2**63), -1, 0, 2**63 - 1])
def test_times_far_away_are_kept(store, time):
    store.events.append([clicked(1, time=time)], now=5)
    assert store.events.history(["uann"]).time == [time]
    assert store.events.frame()["time"].to_list() == [time]
    assert store.events.page("uann", None, 1)[0].time == time


WORDS = [
    "",
    "a",
    "B",
    "Z",
    "z",
    "É",
    "é",
    "ß",
    "Ω",
    "я",
    "中",
    "\uffff",
    "\U0001f3ac",
    "~",
    "-",
    "_",
    " ",
]


def test_ids_sort_by_code_point(store):
    ids = [f"u{word}{end}" for word in WORDS for end in ("", "a", "B")]
    store.events.append([clicked(n, one, item=one) for n, one in enumerate(ids)], now=5)
    with store.reading() as connection:
        ordered = sa.select(events.c.person).order_by(events.c.person)
        found = list(connection.execute(ordered).scalars())
        least = connection.execute(sa.select(sa.func.min(events.c.item_id))).scalar_one()
        above = sa.select(sa.func.count()).where(events.c.person > "uz")
        count = connection.execute(above).scalar_one()
    assert found == sorted(ids)
    assert least == min(ids)
    assert count == sum(one > "uz" for one in ids)


ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
facts = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    item=ids,
    kind=ids,
    session=st.none() | ids,
    value=st.none() | st.floats(allow_nan=False),
    properties=facts,
    items=st.none() | st.lists(ids, max_size=3),
)
def test_what_goes_in_comes_out(store, item, kind, session, value, properties, items):
    try:
        item, kind = clean_id(item), clean_id(kind)
        session = None if session is None else clean_id(session)
    except BadParameter:
        return
    at = store.events.last() + 1
    event = Event(
        event_id=str(at), person=f"u{at}", session_id=session, item_id=item, kind=kind,
        value=value, time=at, items=items, properties=properties, digest=digest(item, value),
    )  # fmt: skip
    assert store.events.append([event], now=9) == ["accepted"]
    (found,) = store.events.page(f"u{at}", None, 5)
    assert Event(**{name: getattr(found, name) for name in Event.__struct_fields__}) == event
    rows = store.events.history([f"u{at}"])
    assert (rows.item_id, rows.kind, rows.session_id) == ([item], [kind], [session])
    assert value is None or rows.value == [value]
    read, position = store.events.read(at - 1, 5)
    assert read.row(0, named=True)["properties"] == properties
    assert position == at
    learned = store.events.frame().row(-1, named=True)
    assert [learned[name] for name in ("item", "kind", "session", "value")] == [
        item,
        kind,
        session,
        value,
    ]


def test_reading_on(store):
    store.events.append([clicked(n) for n in range(1, 8)], now=5)
    first, position = store.events.read(0, 3)
    assert first.columns == list(events.columns.keys())
    second, end = store.events.read(position, 10)
    assert pl.concat([first, second])["event_id"].to_list() == [f"e{n}" for n in range(1, 8)]
    nothing, still = store.events.read(end, 10)
    assert (nothing.schema, len(nothing), still) == (first.schema, 0, end)


def test_what_is_learned_from(store):
    assert len(store.events.frame()) == 0
    store.events.append(
        [
            clicked(1, value=0.1 + 0.2, session_id="s"),
            clicked(2, item=None, kind="impression", items=["a"]),
            clicked(3, item='quo"ted, \\N'),
        ],
        now=5,
    )
    frame = store.events.frame()
    assert frame.to_dicts() == [
        {"user": "uann", "item": "i1", "kind": "view", "value": 0.1 + 0.2, "time": 1,
         "session": "s", "position": 1},
        {"user": "uann", "item": 'quo"ted, \\N', "kind": "view", "value": None, "time": 3,
         "session": None, "position": 3},
    ]  # fmt: skip
    assert store.events.frame(until=2).equals(frame.head(1))


def test_pages_of_a_person_are_newest_first_and_meet_each_event_once(store):
    times = [5, 1, 5, 5, 3, 9]
    batch = [clicked(n, time=time) for n, time in enumerate(times)]
    batch += [clicked(9, item=None, kind="impression", items=["a", "b"]), clicked(10, "uother")]
    store.events.append(batch, now=50)
    found: list[Logged] = []
    before = None
    while page := store.events.page("uann", before, 2):
        found += page
        before = page[-1].position
    assert [one.time for one in found] == [9, 9, 5, 5, 5, 3, 1]
    assert found[0].items == ["a", "b"]
    assert all((a.time, a.position) > (b.time, b.position) for a, b in pairwise(found))


def test_a_late_commit_is_not_skipped(store):
    """Whoever took its positions first commits first, even if it takes its time."""
    waiting, appended = threading.Event(), threading.Event()

    def second() -> None:
        waiting.wait(60)
        store.events.append([clicked(2)], now=5)
        appended.set()

    thread = threading.Thread(target=second)
    thread.start()
    with store.writing() as connection:
        store.events.append([clicked(1)], now=5, connection=connection)
        waiting.set()
        if store.kind == "postgresql":
            until(lambda: someone_waits(store))  # it stands behind us, and has no position yet
        assert store.events.read(0, 10)[1] == 0
        assert not appended.is_set()
    thread.join(60)
    frame, position = store.events.read(0, 10)
    assert frame["event_id"].to_list() == ["e1", "e2"]
    assert position == 2


def someone_waits(store: Store) -> bool:
    """Whether another connection waits for an advisory lock."""
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with store.reading() as connection:
        return connection.exec_driver_sql(waits).scalar_one() > 0


def test_a_history_is_read_from_its_index_alone(store):
    people = [f"u{n % 50}" for n in range(3000)]
    store.events.append([clicked(n, who) for n, who in enumerate(people)], now=5)
    engine = store.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if store.kind == "sqlite":
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN " + ONE_HISTORY, ("u7", -1)
            ).fetchall()
            assert [row[-1] for row in plan] == [
                "SEARCH events USING COVERING INDEX events_history (person=?)"
            ]
            return
        connection.exec_driver_sql("VACUUM ANALYZE events")
        explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + HISTORIES
        lines = connection.exec_driver_sql(explain, (["u7", "u8"], None)).scalars()
        plan = "\n".join(lines)
    assert "Index Only Scan" in plan
    assert "Heap Fetches: 0" in plan
    assert "Seq Scan" not in plan


def append_all(store: Store, name: str) -> list[str]:
    """Append what all append and what nobody else does; return the ids that were accepted."""
    accepted = []
    for turn in range(20):
        names = [f"{who}-{turn}-{n}" for who in ("same", name) for n in range(3)]
        batch = [Event(one, "uann", None, "i1", "view", None, turn) for one in names]
        became = store.events.append(batch, now=5)
        accepted += [one for one, how in zip(names, became) if how == "accepted"]
    return accepted


APPENDING = f"""
import sys
from penchant.store.log import Event
from penchant.store.store import Store
{inspect.getsource(append_all)}
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    print(*append_all(store, sys.argv[2]))
"""


def test_processes_append_at_once_and_each_event_is_accepted_once(store, store_url):
    command = [sys.executable, "-c", APPENDING, store_url]
    names = ["a", "b"]
    running = [subprocess.Popen([*command, one], stdin=-1, stdout=-1, text=True) for one in names]
    for one in running:
        assert one.stdout.readline() == "ready\n"
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    accepted = append_all(store, "here")
    for one in running:
        accepted += one.communicate(timeout=120)[0].split()
        assert one.returncode == 0
    turns = [f"{turn}-{n}" for turn in range(20) for n in range(3)]
    wanted = [f"{who}-{turn}" for who in ("same", "here", *names) for turn in turns]
    assert sorted(accepted) == sorted(wanted)
    frame, _ = store.events.read(0, 1000)
    assert sorted(frame["event_id"]) == sorted(wanted)
    assert frame["position"].is_sorted()


def test_who_acts():
    assert person("ann", "s1") == "uann"
    assert person(None, "ann") == "sann"
    with pytest.raises(BadParameter, match="user_id or a session_id"):
        person(None, None)


def test_a_digest_tells_apart_what_was_sent():
    one = digest("uann", None, 1.5, ["a", "b"])
    assert one == digest("uann", None, 1.5, ["a", "b"])
    assert one != digest("uann", None, 1.5, ["ab"])
    assert digest("a", "bc") != digest("ab", "c")
    assert -(2**63) <= one < 2**63
