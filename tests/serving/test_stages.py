"""Why an item is in a list, and why another is not."""

from __future__ import annotations

import asyncio

import pytest

from penchant.serving.shapes import Ask, Filters, Pin
from penchant.store.catalogue import Item
from small_shop import NOW


def explained(client, item_id, **asked):
    reply = client.post("/v1/explain", json={"item_id": item_id, **asked})
    assert reply.status_code == 200, reply.text
    return reply.json()


def last(told):
    """Return the stage that decided, and what it says."""
    return told["stages"][-1]["stage"], told["stages"][-1]["why"]


def test_why(shop, asking):
    with asking(shop) as client:
        listed = client.post("/v1/recommendations", json={"user_id": "u00", "k": 2}).json()
        first = listed["items"][0]
        told = explained(client, first["item_id"], user_id="u00", k=2)
        same = client.get(
            "/v1/explain", params={"item_id": first["item_id"], "user_id": "u00", "k": 2}
        ).json()
    assert told == same
    assert (told["recommended"], told["rank"], told["score"]) == (True, 1, first["score"])
    assert told["sentence"] == first["reason"]
    assert told["title"] == first["title"]
    assert all(stage["kept"] for stage in told["stages"])
    total = told["base"] + sum(share["amount"] for share in told["shares"])
    assert total == pytest.approx(told["score"], rel=1e-4)
    assert {share["title"] for share in told["shares"]} <= {f"Item {n}" for n in range(0, 12, 2)}


@pytest.mark.parametrize(
    ("item", "asked", "stage", "said"),
    [
        ("nope", {}, "known", "neither the catalogue nor the model knows"),
        ("new", {}, "retrieve", "cannot say anything about it"),
        ("i00", {}, "filter", "taken out by what was seen before"),
        ("i08", {"exclude": ["i08"]}, "filter", "taken out by exclude"),
        ("i08", {"filters": {"categories": ["odd"]}}, "filter", "taken out by filters.categories"),
        ("gone", {}, "filter", "withdrawn or not available"),
        ("i01", {"k": 1}, "rank", "outranked: place "),
    ],
)
def test_why_not(shop, asking, item, asked, stage, said):
    shop.items.put([Item(item_id="new", title="New")], now=NOW)
    with asking(shop) as client:
        if item == "gone":
            item = "i10"
            shop.items.put([Item(item_id=item, withdrawn=True)], now=NOW)
        told = explained(client, item, user_id="u00", **asked)
    assert not told["recommended"]
    assert last(told)[0] == stage
    assert said in last(told)[1]
    assert told["sentence"].startswith("not shown: ")


def test_what_rules_and_variety_do(shop, asking):
    past = [{"item_id": "i00"}, {"item_id": "i02"}]
    with asking(shop) as client:
        pinned = explained(client, "i01", history=past, k=2, pins=[{"item_id": "i01", "rank": 1}])
        raised = explained(client, "i01", boosts=[{"item_id": "i01", "amount": 2}], bury=["i01"])
        plain = client.post("/v1/recommendations", json={"history": past, "k": 2}).json()
        second = plain["items"][1]["item_id"]
        left = explained(client, second, history=past, k=2, diversity=0.95)
    assert (pinned["recommended"], pinned["rank"]) == (True, 1)
    why = {stage["stage"]: stage["why"] for stage in raised["stages"]}
    assert "boosted by +" in why["rules"]
    assert "buried" in why["rules"]
    assert not left["recommended"]
    assert last(left) == ("rerank", "left out for variety: others are less like those above them")


def test_nobody_known_is_told_what_many_like(shop, asking):
    with asking(shop) as client:
        told = explained(client, "i00", user_id="nobody", k=12)
    assert told["sentence"] == "liked by many people"


def test_a_trace_follows_every_item(shop, asking):
    ask = Ask(
        user_id="u00", k=2, filters=Filters(categories=["even"]),
        pins=[Pin(item_id="i09", rank=2)],
    )  # fmt: skip
    with asking(shop) as client:
        found = asyncio.run(client.app.state.service.trace(ask, top=8))
        listed = client.post(
            "/v1/recommendations",
            json={"user_id": "u00", "k": 2, "filters": {"categories": ["even"]},
                  "pins": [{"item_id": "i09", "rank": 2}]},
        ).json()  # fmt: skip
    shown = [one for one in found.items if one.rank is not None]
    assert [one.item_id for one in shown] == [one["item_id"] for one in listed["items"]]
    assert [one.fate for one in shown] == ["shown", "pinned"]
    assert (found.source, found.fallback) == ("EASE", False)
    assert [part.name for part in found.proposed] == ["EASE"]
    assert len(found.proposed[0].items) == 8
    assert found.filtered["seen"] == 4
    assert found.filtered["filters.categories"] == 6
    fates = {one.item_id: one.fate for one in found.items}
    assert fates["i11"] == "filters.categories"
    assert fates["i10"] == "pushed out by what is pinned"
    assert shop.shown.page("uu00")[1:] == []
