from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant.errors import BadParameter
from penchant.store.catalogue import Item, User, folded
from penchant.store.log import Event
from penchant.store.numbers import bump
from penchant.store.schema import items
from store_rows import until_someone_waits


def ids(found) -> list[str]:
    return [one.item_id for one in found]


def test_an_item_comes_back_as_it_was_put(store):
    full = Item(
        item_id="Ä/1 '\"%_",
        title="Amélie's; DROP TABLE items",
        categories=["comedy", "Frankreich", "comedy"],
        attributes={"year": 2001, "stars": 4.5, "new": True, "tags": ["a|b", "c"], "名": "𝕏"},
        available_from=5,
        available_until=9,
    )
    assert store.items.put([full, Item(item_id="plain")], now=7) == 1
    found = store.items.get(full.item_id)
    assert found.categories == ["comedy", "Frankreich"]
    assert (found.title, found.attributes) == (full.title, full.attributes)
    assert (found.available_from, found.available_until, found.withdrawn) == (5, 9, False)
    assert (found.created, found.updated, found.change) == (7, 7, 1)
    assert store.items.get("nobody") is None
    assert store.items.count() == 2


def test_an_item_is_replaced_whole_and_keeps_when_it_was_made(store):
    store.items.put([Item(item_id="a", title="old", attributes={"x": 1})], now=1)
    two = [Item(item_id="a", title="older"), Item(item_id="a", categories=["c"])]
    assert store.items.put(two, now=2) == 2
    found = store.items.get("a")
    assert (found.title, found.attributes, found.categories) == (None, {}, ["c"])
    assert (found.created, found.updated, found.change) == (1, 2, 2)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"item_id": ""}, r"items\[1\].item_id: .*1 to 256"),
        ({"item_id": "a\n"}, r"items\[1\].item_id"),
        ({"item_id": "b", "title": "a\0b"}, r"items\[1\].title"),
        ({"item_id": "b", "categories": ["x", "\ud800"]}, r"items\[1\].categories"),
        ({"item_id": "b", "attributes": {"a": {"b": 1}}}, r"items\[1\].attributes.a is {'b': 1}"),
        ({"item_id": "b", "attributes": {"a": float("nan")}}, r"items\[1\].attributes.a is nan"),
        ({"item_id": "b", "attributes": {"a": None}}, r"items\[1\].attributes.a is None"),
        ({"item_id": "b", "attributes": {"a": 2**64}}, r"attributes.a is 18446744073709551616"),
        ({"item_id": "b", "attributes": {"a": "\ud800"}}, r"items\[1\].attributes.a"),
        ({"item_id": "b", "attributes": {"": 1}}, r"items\[1\].attributes has the name ''"),
        ({"item_id": "b", "attributes": {"title": "x"}}, r"attributes.title: .* of its own"),
        (
            {"item_id": "b", "attributes": {"a": "x" * 17_000}},
            r"takes 17,008 bytes; at most 16,384",
        ),
        ({"item_id": "b", "available_from": 3, "available_until": 3}, r"items\[1\]: .*withdrawn"),
    ],
)
def test_a_bad_item_is_named_and_nothing_is_written(sqlite_store, bad, said):
    with pytest.raises(BadParameter, match=said):
        sqlite_store.items.put([Item(item_id="good"), Item(**bad)], now=1)
    assert sqlite_store.items.changes(0) == []
    assert sqlite_store.numbers() == {}


def test_what_is_removed_is_heard_of_and_comes_back_only_by_being_put(store):
    store.items.put(
        [Item(item_id="a", title="Gone", attributes={"x": 1}), Item(item_id="b")], now=1
    )
    assert store.items.remove("a", now=2)
    assert not store.items.remove("a", now=3)
    assert not store.items.remove("nobody", now=3)
    assert store.numbers() == {"items": 2}
    (heard,) = store.items.changes(1)
    assert (heard.item_id, heard.withdrawn, heard.title, heard.attributes) == ("a", True, None, {})
    assert not heard.available(5)
    assert store.items.get("a") is None
    assert ids(store.items.page()) == ["b"]
    assert ids(store.items.page(search="gone")) == []
    assert store.items.frame()["item_id"].to_list() == ["b"]
    store.items.put([Item(item_id="a")], now=4)
    assert store.items.get("a").available(5)
    assert [(one.item_id, one.withdrawn) for one in store.items.changes(2)] == [("a", False)]


def test_a_catalogue_can_be_replaced(store):
    store.items.put([Item(item_id=one) for one in "abc"], now=1)
    assert store.items.replace_all([Item(item_id=one) for one in "bd"], now=2) == 2
    assert ids(store.items.page()) == ["b", "d"]
    assert [(one.item_id, one.withdrawn) for one in store.items.changes(1)] == [
        ("a", True), ("b", False), ("c", True), ("d", False),
    ]  # fmt: skip
    store.items.replace_all([Item(item_id="b")], now=3)
    assert {one.item_id for one in store.items.changes(2)} == {"b", "d"}, "a and c are long gone"


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "replace", "look"]), st.sets(st.sampled_from("abcde"))
    ),
    max_size=12,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=CHANGES)
def test_whoever_follows_the_changes_knows_the_catalogue(sqlite_store, steps):
    catalogue = sqlite_store.items
    catalogue.replace_all([], now=0)
    seen, known, there = sqlite_store.numbers()["items"], {}, {}
    for now, (step, some) in enumerate([*steps, ("look", set())], 1):
        if step == "put" and some:
            catalogue.put([Item(item_id=one, title=str(now)) for one in some], now=now)
            there |= dict.fromkeys(some, str(now))
        elif step == "replace":
            catalogue.replace_all([Item(item_id=one, title=str(now)) for one in some], now=now)
            there = dict.fromkeys(some, str(now))
        elif step == "remove":
            gone = {one for one in some if catalogue.remove(one, now=now)}
            assert gone == some & there.keys()
            there = {one: title for one, title in there.items() if one not in some}
        else:
            for one in catalogue.changes(seen):
                assert one.change > seen
                known.pop(one.item_id, None)
                if not one.withdrawn:
                    known[one.item_id] = one.title
            seen = sqlite_store.numbers()["items"]
            assert known == there
    assert {one.item_id: one.title for one in catalogue.page()} == there


def test_numbers_come_in_the_order_of_commits(store):
    """A change that is slow to commit does not come out below one that somebody saw already."""
    begun, numbers = threading.Event(), []

    def second() -> None:
        begun.set()
        numbers.append(store.items.put([Item(item_id="second")], now=2))

    with store.writing() as connection:
        number = bump(connection, "items")
        row = {"item_id": "first", "categories": "[]", "attributes": "{}", "withdrawn": False,
               "removed": False, "words": "", "created": 1, "updated": 1,
               "change": number}  # fmt: skip
        connection.execute(sa.insert(items).values(row))
        thread = threading.Thread(target=second)
        thread.start()
        begun.wait()
        until_someone_waits(store)  # at the row of the number
        assert store.items.changes(0) == []
        assert numbers == []
    thread.join()
    assert numbers == [2]
    assert [(one.item_id, one.change) for one in store.items.changes(0)] == [
        ("first", 1), ("second", 2),
    ]  # fmt: skip


def test_concurrent_changes_all_reach_a_follower(store):
    """Five writers, and a reader that goes on from the last number it saw: nothing is skipped."""
    done, heard, after = threading.Event(), set(), 0

    def write(who: str) -> None:
        for n in range(4):
            store.items.put([Item(item_id=f"{who}{n}"), Item(item_id=f"{who}{n}'")], now=n)

    threads = [threading.Thread(target=write, args=(who,)) for who in "abcde"]
    for thread in threads:
        thread.start()
    while not done.is_set():
        if not any(thread.is_alive() for thread in threads):
            done.set()  # and once more
        rows = store.items.changes(after)
        heard |= {one.item_id for one in rows}
        after = max([after, *(one.change for one in rows)])
    assert len(heard) == 40
    assert after == 20


def test_the_catalogue_is_searched_by_words(store):
    store.items.put(
        [
            Item(item_id="tt1", title="Le Fabuleux Destin d'Amélie Poulain"),
            Item(item_id="tt2", title="100% Wolf_e / ESCAPE"),
            Item(item_id="tt3", title="ΟΔΥΣΣΕΥΣ Straße"),
            Item(item_id="tt4"),
            Item(item_id="tt5", title="Wolf a e"),
        ],
        now=1,
    )

    def found(words: str) -> list[str]:
        return ids(store.items.page(search=words))

    assert found("AMELIE destin") == ["tt1"]
    assert found("amélie wolf") == []
    assert found("wolf") == ["tt2", "tt5"]
    assert found("100%") == ["tt2"]
    assert found("%") == ["tt2"]
    assert found("f_e") == ["tt2"]
    assert found("/") == ["tt2"]
    assert found("\\") == []
    assert found("οδυσσευς") == ["tt3"]
    assert found("STRASSE") == ["tt3"]
    assert found("TT4") == ["tt4"]
    assert found(" ") == ["tt1", "tt2", "tt3", "tt4", "tt5"]
    assert found("' OR 1=1 --") == []
    with pytest.raises(BadParameter, match="not text"):
        found("a\0")


def test_folding_is_idempotent_and_blind_to_case():
    for word in ("Straße", "ΣΊΣΥΦΟΣ", "İstanbul", "ﬁn", "Å", "A\u030a"):
        assert folded(folded(word)) == folded(word) == folded(word.upper())


def test_pages_go_through_everything_once_by_code_point(store):
    names = ["a", "B", "ä", "Z", "𝕏", "10", "9", "_", "a b", "ﬁ"]
    store.items.put([Item(item_id=one) for one in names], now=1)
    store.users.put([User(user_id=one) for one in names[:6]], now=1)
    acted = [
        Event(f"e{n}", f"u{one}", None, "i", "view", None, n) for n, one in enumerate(names[3:])
    ]
    acted.append(Event("es", "ssession", None, "i", "view", None, 1))
    store.events.append(acted * 1, now=1)
    for page, key in ((store.items.page, "item_id"), (store.users.page, "user_id")):
        seen, after = [], None
        while rows := page(after, 3):
            assert len(rows) <= 3
            seen += [getattr(one, key) for one in rows]
            after = seen[-1]
        assert seen == sorted(names)


def test_windows_of_availability():
    always = Item(item_id="a")
    some = Item(item_id="a", available_from=5, available_until=9)
    assert always.available(0)
    assert [some.available(now) for now in (4, 5, 8, 9)] == [False, True, True, False]
    assert not Item(item_id="a", withdrawn=True).available(0)


def test_a_frame_to_learn_from(store):
    store.items.put(
        [
            Item(
                item_id="b",
                title="B",
                categories=["x", "y"],
                attributes={"year": 2001, "new": True},
            ),
            Item(
                item_id="a",
                withdrawn=True,
                attributes={"year": 1.5, "mixed": 3, "tags": ["s", "t"]},
            ),
            Item(item_id="c", attributes={"mixed": "three"}),
        ],
        now=1,
    )
    frame = store.items.frame()
    assert frame.columns == ["item_id", "title", "categories", "mixed", "new", "tags", "year"]
    assert frame.rows() == [
        ("a", None, None, "3", None, "s|t", 1.5),
        ("b", "B", "x|y", None, "true", None, 2001.0),
        ("c", None, None, "three", None, None, None),
    ]


def test_an_empty_catalogue_has_a_frame(sqlite_store):
    assert sqlite_store.items.frame().columns == ["item_id", "title", "categories"]


def test_users(store):
    store.users.put([User(user_id="ann", attributes={"age": 31, "likes": ["a"]})], now=1)
    store.users.put([User(user_id="ann", attributes={"age": 32}), User(user_id="bob")], now=2)
    assert store.users.get("ann") == User(
        user_id="ann", attributes={"age": 32}, created=1, updated=2
    )
    store.events.append([Event("e", "uannabel", "s", "i", "view", None, 1)], now=1)
    assert store.users.get("annabel") == User(user_id="annabel")
    assert store.users.get("nobody") is None
    assert [one.user_id for one in store.users.page(search="ann")] == ["ann", "annabel"]
    assert [one.user_id for one in store.users.page(search="ANN")] == []
    assert [one.user_id for one in store.users.page("ann", search="ann")] == ["annabel"]
    with pytest.raises(BadParameter, match=r"users\[0\].attributes.x"):
        store.users.put([User(user_id="ann", attributes={"x": None})], now=3)
