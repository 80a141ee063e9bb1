from __future__ import annotations

import pytest

from penchant.errors import BadParameter


def test_rules_come_back_and_go(store):
    boost = store.rules.add("boost", now=1, category="comedy", amount=-2.5, valid_from=5)
    pin = store.rules.add("pin", now=2, item_id="i'1", rank=3, valid_until=9)
    bury = store.rules.add("bury", now=3, category="x")
    assert store.rules.list() == [boost, pin, bury]
    assert (boost.category, boost.amount, pin.item_id, pin.rank) == ("comedy", -2.5, "i'1", 3)
    assert store.numbers() == {"rules": 3}
    assert store.rules.remove(pin.rule_id)
    assert not store.rules.remove(pin.rule_id)
    assert store.rules.list() == [boost, bury]
    assert store.numbers() == {"rules": 4}


def test_a_rule_holds_from_its_beginning_and_before_its_end(sqlite_store):
    rule = sqlite_store.rules.add("bury", now=1, item_id="a", valid_from=5, valid_until=9)
    assert [rule.holds(now) for now in (4, 5, 8, 9)] == [False, True, True, False]
    assert sqlite_store.rules.add("bury", now=1, item_id="a").holds(0)


@pytest.mark.parametrize(
    ("action", "rest", "said"),
    [
        ("hide", {"item_id": "a"}, "boost, pin or bury, got 'hide'"),
        ("bury", {}, "an item_id or a category, one of the two"),
        ("bury", {"item_id": "a", "category": "b"}, "one of the two"),
        ("bury", {"item_id": ""}, "1 to 256"),
        ("bury", {"category": "a\0"}, "control characters"),
        ("bury", {"item_id": "a", "rank": 1}, "a bury has no rank"),
        ("pin", {"category": "a", "rank": 1}, "a category has no one rank"),
        ("pin", {"item_id": "a"}, "a pin needs rank"),
        ("pin", {"item_id": "a", "rank": 0}, "from 1 to 100, got 0"),
        ("boost", {"item_id": "a"}, "a boost needs amount"),
        ("boost", {"item_id": "a", "amount": 11.0}, "from -10 to 10"),
        ("boost", {"item_id": "a", "amount": float("nan")}, "got nan"),
        ("bury", {"item_id": "a", "valid_from": 5, "valid_until": 5}, "not after valid_from"),
    ],
)
def test_what_makes_no_rule_is_refused(sqlite_store, action, rest, said):
    with pytest.raises(BadParameter, match=said):
        sqlite_store.rules.add(action, now=1, **rest)
    assert sqlite_store.rules.list() == []
    assert sqlite_store.numbers() == {}
