"""Lists for nobody in particular."""

from __future__ import annotations

import pytest

from penchant.store import daily
from penchant.store.catalogue import Item
from small_shop import NOW


def asked(client, path, **params):
    reply = client.get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


def test_similar(shop, asking):
    with asking(shop) as client:
        found = asked(client, "/v1/items/i00/similar", k=3)
        odd = asked(client, "/v1/items/i00/similar", category="odd", k=12)
        shop.items.put([Item(item_id=found[0]["item_id"], withdrawn=True)], now=NOW)
        after = asked(client, "/v1/items/i00/similar", k=2)
        missing = client.get("/v1/items/nope/similar")
    assert {int(one["item_id"][1:]) % 2 for one in found} == {0}
    assert "i00" not in {one["item_id"] for one in found}
    assert {one["categories"][0] for one in odd} <= {"odd"}
    assert [one["item_id"] for one in after] == [one["item_id"] for one in found[1:]]
    assert [one["rank"] for one in after] == [1, 2]
    assert missing.status_code == 404


@pytest.mark.parametrize("path", ["/v1/popular", "/v1/trending"])
def test_what_people_go_for(shop, asking, path):
    daily.count_up(shop)
    moments = [NOW]
    with asking(shop, now=lambda: moments[0]) as client:
        found = asked(client, path, k=12)
        odd = asked(client, path, k=2, category="odd")
        first = found[0]["item_id"]
        shop.items.put([Item(item_id=first, withdrawn=True)], now=NOW)
        assert first not in {one["item_id"] for one in asked(client, path, k=12)}
        assert client.get(path, params={"days": 0}).status_code in (400, 422)
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert {one["categories"][0] for one in odd} == {"odd"}
    assert [one["rank"] for one in odd] == [1, 2]


def test_counts_are_kept_for_some_seconds(shop, asking):
    daily.count_up(shop)
    moments = [NOW]
    with asking(shop, now=lambda: moments[0]) as client:
        before = asked(client, "/v1/popular", k=1)[0]
        for n in range(30):
            client.post("/v1/events", json={"user_id": f"x{n}", "item_id": "i11"})
        daily.count_up(shop)
        assert asked(client, "/v1/popular", k=1)[0] == before
        moments[0] += 6 * 10**6
        assert asked(client, "/v1/popular", k=1)[0]["item_id"] == "i11"


def test_before_there_is_a_catalogue_or_a_model(empty, asking):
    with asking(empty) as client:
        assert asked(client, "/v1/popular") == []
        for user, item in (("a", "x"), ("b", "y"), ("c", "y")):
            client.post("/v1/events", json={"user_id": user, "item_id": item})
        client.app.state.service.look(count=False)
        found = asked(client, "/v1/trending")
        listed = asked(client, "/v1/recommendations", user_id="new")
    assert [(one["item_id"], one["title"]) for one in found] == [("y", None), ("x", None)]
    assert [one["item_id"] for one in listed] == ["y", "x"]
    assert listed[0]["reason"] == "liked by many people"
