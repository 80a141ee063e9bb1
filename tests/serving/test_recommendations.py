"""Lists: for whom, of what, in which order, page after page."""

from __future__ import annotations

import msgspec
import pytest

from penchant.serving.cursors import cursor
from penchant.serving.paging import LIST
from penchant.store.catalogue import Item
from small_shop import NOW

EVEN = [f"i{n:02}" for n in range(0, 12, 2)]


def ids(reply):
    assert reply.status_code == 200, reply.text
    return [one["item_id"] for one in reply.json()["items"]]


def listed(client, **asked):
    return client.post("/v1/recommendations", json=asked)


def test_a_list_says_what_who_and_why(shop, asking):
    with asking(shop) as client:
        made = listed(client, user_id="u00", k=2).json()
    assert made["model"] == shop.models.in_use().version
    assert not made["fallback"]
    first = made["items"][0]
    assert first["item_id"] in EVEN
    assert (first["rank"], first["source"], first["categories"]) == (1, "EASE", ["even"])
    assert first["title"].startswith("Item ")
    assert first["reason"].startswith("because you liked Item ")


def test_what_was_met_is_not_shown_again_unless_it_may_be(shop, asking):
    met = set(shop.events.history(["uu00"]).item_id)
    with asking(shop) as client:
        assert not met & set(ids(listed(client, user_id="u00", k=12)))
        assert met <= set(ids(listed(client, user_id="u00", k=12, allow_seen=True)))


def test_what_someone_hid_stays_hidden(shop, asking):
    with asking(shop) as client:
        client.post("/v1/events", json={"user_id": "u00", "item_id": "i10", "event_type": "hide"})
        assert "i10" not in ids(listed(client, user_id="u00", k=12, allow_seen=True))


@pytest.mark.parametrize("who", [{"user_id": "nobody"}, {"session_id": "nobody"}, {}])
def test_someone_unknown_gets_what_many_like(shop, asking, who):
    with asking(shop) as client:
        made = listed(client, **who, k=3)
    assert len(ids(made)) == 3
    assert made.json()["fallback"]
    assert made.json()["items"][0]["source"] == "Popularity"


def test_a_history_that_is_handed_over_counts_like_a_stored_one(shop, asking):
    past = [{"item_id": one, "event_type": "view"} for one in EVEN[:3]]
    with asking(shop) as client:
        assert ids(listed(client, history=past, k=2))[0] in EVEN[3:]
        before = ids(listed(client, user_id="u01", k=12))
        after = ids(listed(client, user_id="u01", history=past, k=12))
    assert set(before) - set(after) == set(EVEN[:3])


def test_a_session_and_its_user_are_one_asker(shop, asking):
    with asking(shop) as client:
        client.post("/v1/events", json={"session_id": "now", "item_id": "i08"})
        both = ids(listed(client, user_id="u01", session_id="now", k=12))
        alone = ids(listed(client, user_id="u01", k=12))
    assert set(alone) - set(both) == {"i08"}


def test_an_event_changes_the_next_list(shop, asking):
    with asking(shop) as client:
        assert listed(client, session_id="new", k=1).json()["fallback"]
        client.post("/v1/events", json={"session_id": "new", "item_id": "i01"})
        made = listed(client, session_id="new", k=2)
    assert not made.json()["fallback"]
    assert set(ids(made)) <= {f"i{n:02}" for n in range(1, 12, 2)}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"categories": ["odd"]}, {1, 3, 5, 7, 9, 11}),
        ({"not_categories": ["odd"]}, {0, 2, 4, 6, 8, 10}),
        ({"attributes": {"size": {"min": 9}}}, {9, 10, 11}),
        ({"attributes": {"size": {"min": 3, "max": 4}}}, {3, 4}),
        ({"attributes": {"size": {"any": [2, 5]}, "made": {"any": ["here"]}}}, {2, 5}),
        ({"attributes": {"size": {"none": [2, 5]}}, "items": ["i02", "i03"]}, {3}),
        ({"categories": ["even", "odd"], "attributes": {"size": {"max": 1}}}, {0, 1}),
    ],
)
def test_filters(shop, asking, filters, found):
    with asking(shop) as client:
        shown = ids(listed(client, filters=filters, k=12))
    assert {int(one[1:]) for one in shown} == found


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        ({"filters": {"categories": ["none"]}}, ["filters.categories"]),
        ({"filters": {"attributes": {"weight": {"min": 1}}}}, ["filters.attributes.weight"]),
        (
            {"filters": {"categories": ["even"], "attributes": {"size": {"any": [3]}}}},
            ["filters.categories with filters.attributes.size"],
        ),
        ({"filters": {"items": ["i03"]}, "exclude": ["i03"]}, ["filters.items with exclude"]),
        (  # each item is kept out by two of the three
            {"filters": {"categories": ["even"], "items": ["i01"]}, "exclude": ["i01", *EVEN]},
            ["filters.categories with filters.items with exclude"],
        ),
    ],
)
def test_an_empty_list_says_what_emptied_it(shop, asking, asked, because):
    with asking(shop) as client:
        made = listed(client, **asked)
    assert ids(made) == []
    assert made.json()["empty_because"] == because


def test_exclude_boost_bury_and_pin(shop, asking):
    with asking(shop) as client:
        usual = ids(listed(client, k=6))
        assert ids(listed(client, k=5, exclude=[usual[0]])) == usual[1:]
        assert ids(listed(client, k=1, boosts=[{"item_id": usual[5], "amount": 9}])) == [usual[5]]
        odd = listed(client, k=6, boosts=[{"category": "odd", "amount": 9}])
        assert {int(one[1:]) % 2 for one in ids(odd)} == {1}
        everything = ids(listed(client, k=12, bury=[usual[0]]))
        assert everything[-1] == usual[0]
        pinned = listed(client, k=4, pins=[{"item_id": usual[5], "rank": 2}])
    assert ids(pinned) == [usual[0], usual[5], usual[1], usual[2]]
    assert pinned.json()["items"][1]["source"] == "pinned"


def test_standing_rules_hold_for_their_time_from_the_next_request_on(shop, asking):
    moments = [NOW]
    with asking(shop, now=lambda: moments[0]) as client:
        usual = ids(listed(client, k=12))
        shop.rules.add("bury", item_id=usual[0], now=NOW)
        shop.rules.add("pin", item_id=usual[7], rank=2, valid_until=NOW + 5, now=NOW)
        shop.rules.add("boost", item_id=usual[6], amount=10.0, valid_from=NOW + 9, now=NOW)
        ruled = ids(listed(client, k=12))
        assert (ruled[1], ruled[-1]) == (usual[7], usual[0])
        moments[0] = NOW + 5
        assert ids(listed(client, k=12))[0] == usual[1]
        moments[0] = NOW + 9
        assert ids(listed(client, k=12))[0] == usual[6]


def test_a_varied_list_holds_both_kinds(shop, asking):
    past = [{"item_id": one} for one in EVEN[:2]]
    with asking(shop) as client:
        plain = ids(listed(client, history=past, k=4))
        varied = ids(listed(client, history=past, k=4, diversity=0.9))
    assert {int(one[1:]) % 2 for one in plain} == {0}
    assert {int(one[1:]) % 2 for one in varied} == {0, 1}
    assert varied[0] == plain[0]


def test_pages_never_repeat_and_end(shop, asking):
    with asking(shop) as client:
        page = listed(client, user_id="u00", k=3).json()
        first, seen, ranks = page["recommendation_id"], [], []
        for _ in range(5):
            seen += [one["item_id"] for one in page["items"]]
            ranks += [one["rank"] for one in page["items"]]
            assert page["recommendation_id"] == first
            if page["cursor"] is None:
                break
            page = listed(client, cursor=page["cursor"]).json()
        whole = ids(listed(client, user_id="u00", k=12))
    assert seen == whole
    assert ranks == [*range(1, len(seen) + 1)]


def test_a_page_asked_for_twice_is_the_same_in_another_process_too(shop, asking):
    with asking(shop) as one, asking(shop) as other:
        after = listed(one, k=3).json()["cursor"]
        assert ids(listed(one, cursor=after)) == ids(listed(other, cursor=after))
        # An event between two pages changes what comes, and still nothing comes twice.
        page = listed(one, session_id="s", k=3).json()
        one.post("/v1/events", json={"session_id": "s", "item_id": "i11"})
        more = ids(listed(other, cursor=page["cursor"]))
    assert not set(more) & {i["item_id"] for i in page["items"]}


def test_what_was_withdrawn_since_is_not_on_a_page_any_more(shop, asking):
    with asking(shop) as client:
        after = listed(client, k=3).json()["cursor"]
        second = ids(listed(client, cursor=after))
        shop.items.put([Item(item_id=second[0], withdrawn=True)], now=NOW)
        assert ids(listed(client, cursor=after)) == second[1:]


@pytest.mark.parametrize("after", ["", "x", "WyJpdGVtcyIsMV0", "WyJyZWNvbW1lbmRhdGlvbnMiLCJ4Il0"])
def test_a_cursor_of_nothing(shop, asking, after):
    with asking(shop) as client:
        assert listed(client, cursor=after).status_code in (404, 422)


def test_an_item_of_which_the_model_can_say_nothing_is_told_apart_from_none(shop, asking):
    shop.items.put([Item(item_id="fresh", categories=["fresh"])], now=NOW)
    filters, pins = {"categories": ["fresh"]}, [{"item_id": "fresh", "rank": 1}]
    with asking(shop) as client:
        made = listed(client, filters=filters).json()
        told = client.post("/v1/explain", json={"item_id": "fresh", "pins": pins}).json()
    assert (made["items"], made["empty_because"]) == ([], ["filters.categories with no score"])
    assert told["rank"] == 1
    assert not [stage for stage in told["stages"] if "nan" in stage["why"]]


def test_a_cursor_of_a_list_that_is_gone_is_answered_as_documented(shop, asking):
    with asking(shop) as client:
        reply = client.get("/v1/recommendations", params={"cursor": cursor(LIST, "gone.3.3")})
        told = client.get("/openapi.json").json()["paths"]["/v1/recommendations"]["get"]
    assert reply.status_code == 404
    assert "404" in told["responses"]


@pytest.mark.parametrize("made_up", ["3.0", "3.999", "1000.3"])
def test_a_made_up_cursor_gets_no_page_that_could_not_be(shop, asking, made_up):
    with asking(shop) as client:
        first = listed(client, k=3).json()["recommendation_id"]
        reply = listed(client, cursor=cursor(LIST, f"{first}.{made_up}"))
    assert (reply.status_code, reply.json()["error"]["path"]) == (422, "$.cursor")


def test_whoever_asks_in_another_form_of_unicode_is_the_same(shop, asking):
    shop.items.put([Item(item_id="caf\u00e9", categories=["th\u00e9"])], now=NOW)
    with asking(shop) as client:
        for one in EVEN[:3]:
            client.post("/v1/events", json={"user_id": "Zo\u00e9", "item_id": one})
        apart = "Zoe\u0301"
        assert not listed(client, user_id=apart).json()["fallback"]
        assert not client.get("/v1/recommendations", params={"user_id": apart}).json()["fallback"]
        asked = listed(client, validate_only=True, filters={"categories": ["the\u0301"]})
        assert not [note for note in asked.json()["notes"] if "no such category" in note]
        assert "caf\u00e9" not in ids(listed(client, exclude=["cafe\u0301"], k=12))
        assert client.get("/v1/items/cafe\u0301/similar").status_code == 200
        assert client.get("/v1/recommendations", params={"user_id": "a\0"}).status_code == 422


@pytest.mark.parametrize(
    ("wrong", "path", "said"),
    [
        ({"boosts": [{"amount": 1}]}, "$.boosts[0]", "one of the two"),
        ({"boosts": [{"amount": 1, "item_id": "i00", "category": "odd"}]}, "$.boosts[0]", "one of"),
        ({"context": {"a": "x" * 17_000}}, "$.context", "context: up to 16,384 bytes"),
    ],
)
def test_what_would_say_nothing_or_too_much_is_refused(shop, asking, wrong, path, said):
    with asking(shop) as client:
        reply = listed(client, **wrong)
    assert (reply.status_code, reply.json()["error"]["path"]) == (422, path)
    assert said in reply.json()["error"]["message"]


def test_a_cursor_is_for_whoever_it_was_given_to(shop, asking):
    with asking(shop) as client:
        after = listed(client, user_id="u00", k=3).json()["cursor"]
        assert listed(client, user_id="u00", cursor=after).status_code == 200
        assert listed(client, user_id="u01", cursor=after).status_code == 422


def test_validating_answers_what_is_odd_and_logs_nothing(shop, asking):
    asked = {
        "user_id": "u00",
        "validate_only": True,
        "exclude": ["gone"],
        "filters": {"categories": ["odd", "none"]},
    }
    with asking(shop) as client:
        reply = listed(client, **asked).json()
    assert (reply["valid"], reply["fallback"]) == (True, False)
    assert reply["notes"][:2] == ["exclude: no such item: gone", "no such category: none"]
    assert shop.shown.page("uu00") == []


def test_what_was_shown_is_in_the_log_before_the_answer(shop, asking):
    with asking(shop) as client:
        made = listed(client, user_id="u00", k=2, context={"page": "home"}).json()
    row = shop.shown.get(made["recommendation_id"])
    assert (row.person, row.model, row.shown, row.time) == ("uu00", made["model"], 2, NOW)
    assert msgspec.json.decode(row.request) == {
        "user_id": "u00", "k": 2, "context": {"page": "home"},
    }  # fmt: skip
    logged = msgspec.json.decode(row.items)
    assert [one[0] for one in logged] == [one["item_id"] for one in made["items"]]
    assert logged[0][3] == made["items"][0]["reason"]


def test_another_model_can_be_asked(shop, asking):
    first, second = sorted(one.version for one in shop.models.list())
    with asking(shop) as client:
        assert listed(client, user_id="u00").json()["model"] == second
        assert listed(client, user_id="u00", model=first).json()["model"] == first
        assert listed(client, model="m99").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"k": 101},
        {"diversity": 2},
        {"user": "u"},
        {"history": [{"item_id": "i00", "timestamp": "x"}]},
    ],
)
def test_what_cannot_be_asked(shop, asking, wrong):
    with asking(shop) as client:
        reply = listed(client, **wrong)
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "invalid"


def test_get_asks_the_same(shop, asking):
    with asking(shop) as client:
        posted = listed(client, user_id="u00", k=2, filters={"categories": ["even"]})
        asked = {"user_id": "u00", "k": "2", "category": ["even"]}
        assert ids(client.get("/v1/recommendations", params=asked)) == ids(posted)


def test_no_model_yet(empty, asking):
    empty.items.put([Item(item_id=f"i{n}", title=f"Item {n}") for n in range(3)], now=NOW)
    with asking(empty) as client:
        client.post("/v1/events", json={"user_id": "u", "item_id": "i2"})
        made = listed(client, user_id="v", k=2)
        assert client.get("/health/ready").json()["status"] == "ok"
    assert made.json()["model"] is None
    assert made.json()["fallback"]
    assert len(ids(made)) == 2


def test_nothing_at_all(empty, asking):
    with asking(empty) as client:
        made = listed(
            client, user_id="v", history=[{"item_id": "x"}], boosts=[{"item_id": "y", "amount": 1}]
        )
    assert ids(made) == []
    assert made.json()["empty_because"] == ["there is nothing to choose from"]
