"""Events come in: read one by one, stored once, seen by the next list."""

from __future__ import annotations

import pytest

from penchant.serving.moments import SECOND
from penchant.serving.taking import AHEAD, MOST
from small_shop import NOW

GOOD = {
    "user_id": "new",
    "item_id": "i00",
    "event_type": "view",
    "timestamp": "2026-05-01T10:00:00+02:00",
}


def test_an_event_is_stored_as_it_was_sent(shop, asking):
    sent = {
        **GOOD, "value": 2.5, "event_id": "mine", "session_id": "s", "recommendation_id": "r",
        "rank": 3, "context": {"page": "home"}, "properties": {"a": [1, None]},
    }  # fmt: skip
    with asking(shop) as client:
        reply = client.post("/v1/events", json=sent)
    assert reply.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "event_ids": ["mine"]}
    row = shop.events.read(60, 10)[0].to_dicts()[0]
    assert row["person"] == "unew"
    assert row["time"] == 1_777_622_400 * SECOND
    assert (row["kind"], row["value"], row["session_id"], row["rank"]) == ("view", 2.5, "s", 3)
    assert (row["context"], row["properties"]) == ('{"page":"home"}', '{"a":[1,null]}')


def test_the_same_event_again_is_a_duplicate_and_another_under_its_id_a_conflict(shop, asking):
    other = {**GOOD, "event_id": "mine", "item_id": "i01"}
    with asking(shop) as client:
        first = client.post("/v1/events", json={**GOOD, "event_id": "mine"}).json()
        again = client.post("/v1/events", json={**GOOD, "event_id": "mine"}).json()
        conflict = client.post("/v1/events", json={"events": [GOOD, other]}).json()
    assert (first["accepted"], again["accepted"], again["duplicates"]) == (1, 0, 1)
    assert [(r["index"], r["code"]) for r in conflict["rejected"]] == [(1, "conflict")]
    assert conflict["accepted"] == 1
    assert conflict["event_ids"][1] is None


def test_without_a_time_a_retry_is_still_the_same_event(shop, asking):
    sent = {"user_id": "new", "item_id": "i00", "event_id": "mine"}
    times = iter(range(NOW, NOW + 10**9, 10**6))
    with asking(shop, now=lambda: next(times)) as client:
        replies = [client.post("/v1/events", json=sent).json() for _ in range(2)]
    assert [reply["duplicates"] for reply in replies] == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ({"user_id": None}, "invalid", "$.events[1].user_id: an event needs a user_id"),
        ({"user_id": 3}, "invalid", "Expected `str | null`, got `int` - at `$.events[1].user_id`"),
        ({"user_id": "a\nb"}, "invalid", "$.events[1].user_id: An id holds no control"),
        ({"item_id": None}, "invalid", "$.events[1].item_id: an event of type 'view' needs"),
        ({"items": ["i00"]}, "invalid", "$.events[1].items: only an impression has items"),
        ({"event_type": "impression", "item_id": None}, "invalid", "$.events[1].items: an impress"),
        (
            {"timestamp": "2026-05-01T10:00:00"},
            "invalid",
            "$.events[1].timestamp: the time must na",
        ),
        ({"timestamp": "yesterday"}, "invalid", "$.events[1].timestamp: the time is written like"),
        ({"timestamp": -1}, "invalid", "$.events[1].timestamp: the time must lie between 1970"),
        ({"timestamp": 1.7e12}, "invalid", "(milliseconds? seconds are meant)"),
        ({"timestamp": NOW / SECOND + 301}, "in_the_future", "more than 5 minutes from now"),
        ({"properties": {"a": "b" * 17_000}}, "too_large", "$.events[1].properties: up to 16,384"),
        ({"user": "x"}, "invalid", "Object contains unknown field `user` - at `$.events[1]`"),
        ({"value": -1e300}, "invalid", "Expected `float` >= -3e+38 - at `$.events[1].value`"),
        ({"event_type": ""}, "invalid", "length >= 1 - at `$.events[1].event_type`"),
    ],
)
def test_a_bad_event_is_told_and_the_others_are_taken(shop, asking, wrong, code, said):
    with asking(shop) as client:
        reply = client.post("/v1/events", json={"events": [GOOD, {**GOOD, **wrong}, GOOD]})
    assert reply.status_code == 200
    assert reply.json()["accepted"] == 2
    assert [r["index"] for r in reply.json()["rejected"]] == [1]
    assert reply.json()["rejected"][0]["code"] == code
    assert said in reply.json()["rejected"][0]["message"]


def test_a_clock_that_is_a_little_ahead_is_taken_at_its_word(shop, asking):
    with asking(shop) as client:
        sent = {**GOOD, "timestamp": (NOW + AHEAD) / SECOND}
        assert client.post("/v1/events", json=sent).json()["accepted"] == 1


def test_an_impression_carries_items_and_is_no_history(shop, asking):
    shown = {"session_id": "fresh", "event_type": "impression", "items": ["i00", "i02"]}
    with asking(shop) as client:
        assert client.post("/v1/events", json=shown).json()["accepted"] == 1
        asked = {"session_id": "fresh", "k": 12}
        listed = client.post("/v1/recommendations", json=asked).json()
    assert shop.events.read(60, 1)[0]["items"][0] == '["i00","i02"]'
    assert listed["fallback"]
    assert {"i00", "i02"} <= {one["item_id"] for one in listed["items"]}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b'{"events": 3}'])
def test_a_body_that_holds_no_event_is_an_error(shop, asking, body):
    with asking(shop) as client:
        reply = client.post(
            "/v1/events", content=body, headers={"content-type": "application/json"}
        )
    assert reply.status_code in (400, 422) or reply.json()["rejected"]
    assert shop.events.last() == 60


def test_too_many_at_once_are_refused_whole(shop, asking):
    with asking(shop) as client:
        reply = client.post("/v1/events", json={"events": [{}] * (MOST + 1)})
    assert reply.status_code == 422
    assert "10,000" in reply.json()["error"]["message"]


def test_ids_that_look_alike_are_one(shop, asking):
    with asking(shop) as client:
        for name in ("Zoe\u0301", "Zo\u00e9"):
            client.post("/v1/events", json={**GOOD, "user_id": name})
    assert shop.events.read(60, 10)[0]["person"].to_list() == ["uZo\u00e9"] * 2
