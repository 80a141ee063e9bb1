"""The catalogue as arrays: what may be shown, what meets a condition, what is said of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import BadParameter
from penchant.ids import IdMap
from penchant.serving.moments import SECOND, moment, written
from penchant.serving.shapes import Condition, Filters
from penchant.serving.shelf import Shelf
from penchant.serving.texts import Texts
from penchant.store.catalogue import Item

WORDS = st.sampled_from(["red", "blue", True, False])
VALUES = st.one_of(
    WORDS, st.integers(-2, 2), st.lists(st.one_of(WORDS, st.integers(-2, 2)), max_size=3)
)
ITEMS = st.builds(
    Item,
    item_id=st.sampled_from([f"i{n}" for n in range(6)]),
    categories=st.lists(st.sampled_from(["a", "b"]), unique=True),
    attributes=st.dictionaries(st.sampled_from(["x", "y"]), VALUES),
    withdrawn=st.booleans(),
    available_from=st.one_of(st.none(), st.integers(0, 9)),
    available_until=st.one_of(st.none(), st.integers(0, 9)),
)
CONDITIONS = st.builds(
    Condition,
    any=st.one_of(st.none(), st.lists(st.one_of(WORDS, st.floats(-2, 2, width=16)), max_size=2)),
    none=st.one_of(st.none(), st.lists(WORDS, max_size=2)),
    min=st.one_of(st.none(), st.integers(-2, 2)),
    max=st.one_of(st.none(), st.integers(-2, 2)),
)


def meets(item: Item, name: str, condition: Condition) -> bool:
    """Say the same in plain Python."""
    told = item.attributes.get(name, [])
    told = told if isinstance(told, list) else [told]
    same = lambda one, other: type(one) is type(other) and one == other  # noqa: E731
    told = [float(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in told]
    if condition.any is not None and not any(same(v, w) for v in told for w in condition.any):
        return False
    if condition.none is not None and any(same(v, w) for v in told for w in condition.none):
        return False
    if condition.min is None and condition.max is None:
        return True
    numbers = [v for v in told if isinstance(v, float)]
    low = -np.inf if condition.min is None else condition.min
    high = np.inf if condition.max is None else condition.max
    return any(low <= v <= high for v in numbers)


@given(st.lists(st.lists(ITEMS, max_size=5, unique_by=lambda i: i.item_id), max_size=3), CONDITIONS)
def test_a_shelf_is_what_the_last_change_of_each_item_says(changes, condition):
    ids = [f"i{n}" for n in range(6)]
    shelf, last = Shelf.bare(IdMap(ids)), {}
    for rows in changes:
        shelf = shelf.changed(rows)
        last |= {row.item_id: row for row in rows}
    shelf = shelf.recoded(IdMap([*ids[::-1], "more"]))
    names = shelf.items.decode(np.arange(len(shelf)))
    known = [last.get(name, Item(item_id=name)) for name in names]
    assert shelf.listed.tolist() == [name in last for name in names]
    assert shelf.open(5).tolist() == [item.available(5) for item in known]
    found = shelf.meeting(Filters(attributes={"x": condition}))
    assert found.tolist() == [meets(item, "x", condition) for item in known]
    found = shelf.meeting(Filters(categories=["a"], not_categories=["b"]))
    assert found.tolist() == [item.categories == ["a"] for item in known]
    titles, categories = shelf.told(np.arange(len(shelf), dtype=np.int32))
    assert categories == [item.categories for item in known]
    assert titles == [None] * 7


@given(st.lists(st.one_of(st.none(), st.text())), st.data())
def test_texts_come_out_as_they_went_in(texts, data):
    codes = data.draw(st.lists(st.integers(-1, len(texts) - 1)))
    made = Texts.of(pl.Series(texts, dtype=pl.String))
    expected = ["" if c < 0 else texts[c] or "" for c in codes]
    assert made.at(np.array(codes, np.int32)) == expected


def test_availability_is_remembered_as_long_as_nothing_turns():
    shelf = Shelf.bare(IdMap(["a", "b"])).changed([Item(item_id="a", available_from=10)])
    assert shelf.open(3) is shelf.open(9)
    assert shelf.open(9).tolist() == [False, True]
    assert shelf.open(10).tolist() == [True, True]
    assert shelf.open(3).tolist() == [False, True]


@given(st.integers(0, 253_402_300_799 * SECOND))
def test_times_go_out_and_come_back(micros):
    assert moment(written(micros), "time") == micros


@pytest.mark.parametrize("wrong", [True, float("nan"), float("inf"), -0.1, 3e11, "1", "2026-01-01"])
def test_what_is_no_time(wrong):
    with pytest.raises(BadParameter, match=r"^time "):
        moment(wrong, "time")
