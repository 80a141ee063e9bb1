from __future__ import annotations

import threading

import pytest

from penchant.errors import BadParameter, Conflict
from penchant.store import schema
from penchant.store.catalogue import User
from penchant.store.erasure import export, merge
from store_rows import event, listed, rows


def test_a_session_becomes_a_user_before_and_after(store):
    store.events.append([event("e1", "ss1"), event("e2", "uann"), event("e3", "ss2")], now=1)
    store.shown.add([listed("r1", "ss1")])
    merged = merge(store, "ss1", "uann", now=9)
    assert (merged.person, merged.events, merged.recommendations) == ("uann", 1, 1)
    assert len(store.events.history(["uann"]).row) == 2
    assert store.events.history(["ss1"]).row == []
    store.events.append([event("e4", "ss1")], now=1)
    assert len(store.events.history(["uann"]).row) == 3
    again = merge(store, "ss1", "uann", now=10)
    assert (again.person, again.events, again.recommendations) == ("uann", 0, 0)
    assert store.numbers() == {"merges": 1}


def test_chains_lead_to_the_last(store):
    store.events.append([event(f"e{who}", f"u{who}") for who in "abcd"], now=1)
    assert merge(store, "ua", "ub", now=1).events == 1
    assert merge(store, "ub", "uc", now=2).events == 2
    assert merge(store, "ud", "ua", now=3).person == "uc"
    assert len(store.events.history(["uc"]).row) == 4
    store.events.append([event(f"f{who}", f"u{who}") for who in "abcd"], now=1)
    assert len(store.events.history(["uc"]).row) == 8
    assert export(store, "a").merged == ["ua", "ub", "ud"]


@pytest.mark.parametrize(
    ("person", "into", "error", "said"),
    [
        ("ub", "ua", BadParameter, "user 'a' is user 'b' already"),
        ("ub", "ub", BadParameter, "user 'b' cannot be merged into itself"),
        ("ua", "ss", BadParameter, "into a user, not into a session"),
        ("x", "ua", BadParameter, "a session or a user"),
        ("ua", "uc", Conflict, "user 'a' is known as user 'b' and cannot be user 'c' too"),
    ],
)
def test_what_cannot_be_merged(sqlite_store, person, into, error, said):
    merge(sqlite_store, "ua", "ub", now=1)
    before = rows(sqlite_store, schema.merges)
    with pytest.raises(error, match=said):
        merge(sqlite_store, person, into, now=2)
    assert rows(sqlite_store, schema.merges) == before
    assert sqlite_store.numbers() == {"merges": 1}


def test_attributes_go_over_where_there_are_none(store):
    store.users.put([User(user_id="a", attributes={"x": 1, "y": 1})], now=1)
    store.users.put([User(user_id="b", attributes={"y": 2})], now=2)
    merge(store, "ua", "ub", now=3)
    assert store.users.get("a") is None
    assert store.users.get("b").attributes == {"x": 1, "y": 2}
    assert store.users.get("b").created == 1
    merge(store, "ub", "uc", now=4)
    assert store.users.get("c").attributes == {"x": 1, "y": 2}
    merge(store, "ss", "uc", now=5)
    assert store.users.get("c").updated == 4


def test_an_export_holds_everything(store, monkeypatch):
    monkeypatch.setattr("penchant.store.erasure.BATCH", 3)
    store.users.put([User(user_id="ann", attributes={"age": 31})], now=1)
    store.events.append(
        [
            event(
                "e1", "uann", time=9, context='{"device":"tv"}', properties='{"p":[1]}', digest=7
            ),
            event("e2", "uann", None, time=3, items=["a", "b"], recommendation_id="r1", rank=2),
            *(event(f"s{n}", "ss", time=4) for n in range(5)),
            event("other", "ubob"),
        ],
        now=11,
    )
    store.shown.add([listed("r2", "uann", 8), listed("r1", "ss", 2), listed("r3", "ubob")])
    merge(store, "ss", "uann", now=12)
    found = export(store, "ann")
    assert (found.user.attributes, found.merged) == ({"age": 31}, ["ss"])
    events = list(found.events)
    assert [one["event_id"] for one in events] == ["e2", "s0", "s1", "s2", "s3", "s4", "e1"]
    assert events[0]["items"] == ["a", "b"]
    assert (events[-1]["context"], events[-1]["properties"]) == ({"device": "tv"}, {"p": [1]})
    assert "digest" not in events[0]
    assert (events[0]["recommendation_id"], events[0]["rank"], events[0]["received"]) == (
        "r1",
        2,
        11,
    )
    assert events[1]["session_id"] == "s"
    shown = list(found.recommendations)
    assert [one["recommendation_id"] for one in shown] == ["r1", "r2"]
    assert (shown[0]["request"], shown[0]["items"]) == ({"k": 1}, [["a", 1.0, "ALS", None, None]])


def test_nothing_is_known_of_a_stranger(sqlite_store):
    found = export(sqlite_store, "nobody")
    assert (found.user, found.merged) == (User(user_id="nobody"), [])
    assert list(found.events) == list(found.recommendations) == []
    with pytest.raises(BadParameter, match="1 to 256"):
        export(sqlite_store, "")


def test_events_that_come_in_while_a_session_is_merged_end_at_the_user(store):
    together = threading.Barrier(2)

    def send() -> None:
        together.wait()
        for n in range(40):
            store.events.append([event(f"e{n}", "ss")], now=1)

    thread = threading.Thread(target=send)
    thread.start()
    together.wait()
    merge(store, "ss", "uann", now=1)
    thread.join()
    assert {row.person for row in rows(store, schema.events)} == {"uann"}
    assert len(rows(store, schema.events)) == 40
