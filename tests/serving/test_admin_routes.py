"""The catalogue, people, models and rules over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

import penchant as pt
from penchant.serving.cursors import after, cursor
from penchant.serving.failures import Refusal
from penchant.store.store import Store
from small_shop import NOW

Asking = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def client(shop: Store, asking: Asking) -> Iterator[Any]:
    with asking(shop) as opened:
        yield opened


def pages(client: Any, path: str, what: str, limit: int) -> Iterator[Any]:
    """Every entry of a list, page by page."""
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get(path, params=query).json()
        assert len(page[what]) <= limit
        yield from page[what]
        if page["cursor"] is None:
            return
        assert len(page[what]) == limit
        query["cursor"] = page["cursor"]


def test_an_item_is_put_whole_and_again_without_a_difference(client: Any) -> None:
    told = {
        "title": "Heat", "categories": ["Crime"], "attributes": {"year": 1995, "cast": ["A", "B"]},
        "available_from": "2020-01-01T00:00:00+02:00", "available_until": 1_900_000_000,
    }  # fmt: skip
    first = client.put("/v1/items/heat", json=told)
    assert first.status_code == 200
    assert first.json()["available_from"] == "2019-12-31T22:00:00Z"
    assert first.json()["available_until"] == "2030-03-17T17:46:40Z"
    assert client.put("/v1/items/heat", json=told).json() == first.json()
    assert client.get("/v1/items/heat").json() == first.json()
    assert client.put("/v1/items/heat", json={}).json()["title"] is None


def test_a_batch_of_items_is_taken_whole_or_not_at_all(client: Any) -> None:
    rows = [{"item_id": f"n{n}", "title": f"New {n}"} for n in range(3)]
    assert client.post("/v1/items", json={"items": rows}).json() == {"items": 3}
    assert client.post("/v1/items", json={"items": []}).json() == {"items": 0}
    rows = [{"item_id": "n9"}, {"item_id": "n8", "attributes": {"x": 2**70}}]
    reply = client.post("/v1/items", json={"items": rows})
    assert reply.status_code == 422
    assert reply.json()["error"]["path"] == "$.items[1].attributes.x"
    assert client.get("/v1/items/n9").status_code == 404
    many = [{"item_id": str(n)} for n in range(1001)]
    assert client.post("/v1/items", json={"items": many}).status_code == 422


def test_lists_go_on_where_they_ended(client: Any) -> None:
    ids = [item["item_id"] for item in pages(client, "/v1/items", "items", 5)]
    assert ids == [f"i{n:02}" for n in range(12)]
    users = [user["user_id"] for user in pages(client, "/v1/users", "users", 4)]
    assert users == [f"u{n:02}" for n in range(15)]
    events = [e["event_id"] for e in pages(client, "/v1/users/u01/events", "events", 3)]
    assert events == [f"e1-{n}" for n in (3, 2, 1, 0)]
    found = client.get("/v1/items", params={"search": "item 1"}).json()["items"]
    assert {"i01", "i10", "i11"} <= {item["item_id"] for item in found}
    assert client.get("/v1/users", params={"search": "u1"}).json()["users"][0]["user_id"] == "u10"


def test_a_cursor_is_of_one_list_and_nothing_else(client: Any) -> None:
    assert after("items", cursor("items", "é/x"), str) == "é/x"
    assert after("events", cursor("events", 7), int) == 7
    assert after("events", None, int) is None
    wrong = [
        cursor("users", "a"), cursor("items", 7), cursor("items", "a\x00"), cursor("items", ""),
        "", "é", "====", "[" * 500, cursor("items", "a")[:-2],
    ]  # fmt: skip
    for given in wrong:
        with pytest.raises(Refusal):
            after("items", given, str)
        reply = client.get("/v1/items", params={"cursor": given})
        assert reply.status_code == 422, given
    for number in (-1, 2**63, 2**200):
        with pytest.raises(Refusal):
            after("events", cursor("events", number), int)


def test_a_removed_item_is_gone_and_not_recommended(client: Any) -> None:
    asked = {"user_id": "u01", "k": 12, "allow_seen": True}

    def shown() -> set[str]:
        found = client.post("/v1/recommendations", json=asked).json()["items"]
        return {item["item_id"] for item in found}

    assert "i01" in shown()
    assert client.delete("/v1/items/i01").status_code == 204
    assert client.get("/v1/items/i01").status_code == 404
    assert client.delete("/v1/items/i01").status_code == 404
    assert "i01" not in shown()


def test_a_rule_holds_from_the_next_request_on(client: Any) -> None:
    made = client.post("/v1/rules", json={"action": "pin", "item_id": "i00", "rank": 1})
    assert made.status_code == 201
    asked = {"user_id": "u01", "k": 3}
    assert client.post("/v1/recommendations", json=asked).json()["items"][0]["item_id"] == "i00"
    assert client.get("/v1/rules").json()["rules"] == [made.json()]
    path = f"/v1/rules/{made.json()['rule_id']}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    assert client.get("/v1/rules").json() == {"rules": []}
    timed = {
        "action": "boost", "category": "even", "amount": 2.0,
        "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-02-01T00:00:00Z",
    }  # fmt: skip
    stored = client.post("/v1/rules", json=timed).json()
    assert {name: stored[name] for name in timed} == timed
    for wrong in ({"action": "pin", "rank": 1}, {"action": "boost", "item_id": "i00"},
                  {**timed, "valid_until": "2025-01-01T00:00:00Z"}):  # fmt: skip
        assert client.post("/v1/rules", json=wrong).status_code == 422


def test_what_a_training_measured_is_told_of_metrics_without_an_interval_too(
    client: Any, shop: Store
) -> None:
    none = {"mean": 0.9, "low": None, "high": None}
    shop.models.add(
        lambda path: pt.save(pt.load(shop.models.path("m00000001")), path), name="x", position=1,
        erasures=0, events=1, metrics={"Coverage@10": none | {"popularity": none}}, gate=[],
        accepted=True, now=NOW,
    )  # fmt: skip
    reply = client.get("/v1/models")
    assert reply.status_code == 200, reply.text
    assert reply.json()["models"][0]["metrics"] == {"Coverage@10": none}


def test_models_are_promoted_and_rolled_back(client: Any) -> None:
    first, second = "m00000001", "m00000002"

    def post(what: str, **body: Any) -> Any:
        return client.post(f"/v1/models/{what}", json=body)

    assert client.get("/v1/models").json()["in_use"] == second
    assert post("rollback").json()["in_use"] == first
    assert post("promote", version=second, expected=second).status_code == 409
    assert post("promote", version="m00000009").status_code == 404
    reply = post("promote", version=second, expected=first)
    assert (reply.status_code, reply.json()["in_use"]) == (200, second)
    assert client.post("/v1/recommendations", json={}).json()["model"] == second
    assert [model["in_use"] for model in reply.json()["models"]] == [True, False]
    assert reply.json()["models"][0]["metrics"]["NDCG@10"] == {"mean": 0.3, "low": 0.2, "high": 0.4}
    assert post("rollback").json()["in_use"] == first
    assert post("rollback").status_code == 409


def test_of_several_who_promote_on_the_same_grounds_one_succeeds(client: Any, shop: Store) -> None:
    statuses = []

    def promote() -> None:
        body = {"version": "m00000001", "expected": "m00000002"}
        statuses.append(client.post("/v1/models/promote", json=body).status_code)

    threads = [threading.Thread(target=promote) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(statuses) == [200] + [409] * 5
    assert len(shop.models.history()) == 3
    assert shop.models.history()[-1].by == "without a key"


def test_a_session_becomes_a_user_and_a_user_is_exported_and_erased(client: Any) -> None:
    client.post("/v1/events", json={
        "session_id": "anon", "item_id": "i05", "context": {"page": "home"}, "event_id": "one",
    })  # fmt: skip
    merged = client.post("/v1/users/merge", json={"session_id": "anon", "user_id": "u01"})
    assert merged.json() == {"user_id": "u01", "events": 1}
    other = client.post("/v1/users/merge", json={"session_id": "anon", "user_id": "u02"})
    assert other.status_code == 409
    for wrong in ({"user_id": "u01"}, {"user_id": "u01", "session_id": "a", "from_user_id": "b"}):
        assert client.post("/v1/users/merge", json=wrong).status_code == 422
    client.put("/v1/users/u01", json={"attributes": {"country": "NZ"}})
    client.post("/v1/recommendations", json={"user_id": "u01"})
    export = client.get("/v1/users/u01/export").json()
    assert export["attributes"] == {"country": "NZ"}
    assert export["merged"] == ["sanon"]
    (one,) = [event for event in export["events"] if event["event_id"] == "one"]
    assert (one["user_id"], one["context"]) == ("u01", {"page": "home"})
    assert len(export["events"]) == 5
    assert len(export["recommendations"]) == 1
    reply = client.delete("/v1/users/u01")
    assert reply.status_code == 202
    erasure = reply.json()
    assert (erasure["events"], erasure["recommendations"]) == (5, 1)
    assert erasure["models"] == ["m00000001", "m00000002"]
    assert erasure["completed"] is None
    assert client.get(f"/v1/erasures/{erasure['erasure_id']}").json() == erasure
    assert client.get("/v1/erasures/none").status_code == 404
    assert client.get("/v1/users/u01").status_code == 404
    assert client.get("/v1/users/u01/export").json()["events"] == []


def test_a_user_of_whom_nothing_is_known_is_not_found(client: Any) -> None:
    assert client.get("/v1/users/nobody").status_code == 404
    assert client.get("/v1/users/nobody/events").status_code == 404
    assert client.get("/v1/users/u03").json() == {
        "user_id": "u03", "attributes": {}, "created": None, "updated": None,
    }  # fmt: skip
    put = client.put("/v1/users/u03", json={"attributes": {"age": 3}}).json()
    assert put["created"] is not None
