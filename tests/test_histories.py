"""Histories group events by person in stable time order, and keep rows whole."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.histories import Histories

PEOPLE = 5
ROWS = st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, 3)), max_size=30)


def made(rows) -> Histories:
    """Events that carry their place in the source in every column."""
    person, time = (np.array(c, np.int64) for c in (zip(*rows, strict=True) if rows else ([], [])))
    place = np.arange(len(rows))
    return Histories.of(
        person, place, people=PEOPLE, kind=place, value=place.astype(float), time=time,
        session=place, kinds=("view",), context=pl.DataFrame({"place": place}),
    )  # fmt: skip


def places(histories: Histories) -> list[list[int]]:
    """Return the source places of each person's events, after checking that rows are whole."""
    for column in (histories.kind, histories.value, histories.session, histories.context["place"]):
        assert list(column) == histories.item.tolist()
    return [
        histories.item[a:b].tolist()
        for a, b in zip(histories.indptr[:-1], histories.indptr[1:], strict=True)
    ]


def expected(rows) -> list[list[int]]:
    """By sorting: stable in time, equal times in the order recorded."""
    of = [[n for n, (p, _) in enumerate(rows) if p == person] for person in range(PEOPLE)]
    return [sorted(theirs, key=lambda n: rows[n][1]) for theirs in of]


@given(ROWS)
def test_events_are_grouped_and_ordered_stably(rows):
    histories = made(rows)
    assert places(histories) == expected(rows)
    assert len(histories) == PEOPLE
    assert histories.lengths.tolist() == [len(x) for x in expected(rows)]
    assert histories.person().tolist() == [p for p, x in enumerate(expected(rows)) for _ in x]
    assert histories.indptr.dtype == histories.time.dtype == np.int64
    assert histories.item.dtype == histories.session.dtype == np.int32
    assert histories.kind.dtype == np.int16
    assert histories.value.dtype == np.float32


@given(ROWS, st.lists(st.integers(0, PEOPLE - 1)), st.data())
def test_people_are_taken_in_the_order_asked_for(rows, people, data):
    histories, all_of = made(rows), expected(rows)
    assert places(histories.take(np.array(people, np.int64))) == [all_of[p] for p in people]
    cut = data.draw(st.slices(PEOPLE))
    assert places(histories.take(cut)) == all_of[cut]
    mask = np.array([p in people for p in range(PEOPLE)])
    assert places(histories.take(mask)) == [x for p, x in enumerate(all_of) if p in people]


@given(ROWS, st.data())
def test_events_are_kept_where_asked(rows, data):
    histories = made(rows)
    keep = np.array([data.draw(st.booleans()) for _ in rows], bool)
    kept = histories.where(keep)
    left = set(histories.item[keep].tolist())
    assert places(kept) == [[n for n in x if n in left] for x in expected(rows)]


@given(ROWS, st.integers(0, 9))
def test_shuffled_people_keep_their_events(rows, seed):
    histories = made(rows)
    mixed = places(histories.shuffled(np.random.default_rng(seed)))
    assert [sorted(x) for x in mixed] == [sorted(x) for x in expected(rows)]
    assert mixed == places(histories.shuffled(np.random.default_rng(seed)))


@given(ROWS, st.data())
def test_recoding_drops_what_the_other_map_does_not_know(rows, data):
    histories = made(rows)
    onto = np.array([data.draw(st.integers(-1, 9)) for _ in rows], np.int32)
    recoded = histories.recoded(onto)
    assert [
        recoded.item[a:b].tolist()
        for a, b in zip(recoded.indptr[:-1], recoded.indptr[1:], strict=True)
    ] == [[int(onto[n]) for n in x if onto[n] >= 0] for x in expected(rows)]
    assert recoded.session.tolist() == [n for x in expected(rows) for n in x if onto[n] >= 0]


def test_unknown_items_stay_unknown_when_recoded():
    histories = Histories.of(np.zeros(2, int), np.array([-1, 0]), people=1)
    assert histories.recoded(np.array([3], np.int32)).item.tolist() == [3]
    assert histories.recoded(np.zeros(0, np.int32)).item.tolist() == []


def test_nothing_recorded_has_its_own_sign_in_every_column():
    histories = Histories.of(np.zeros(1, int), np.zeros(1, int), people=2)
    assert np.isnan(histories.value).all()
    assert histories.time.tolist() == histories.session.tolist() == [-1]
    assert histories.context is None
    assert histories.kinds == ("view",)


def test_nobody_and_nothing():
    assert len(Histories.empty(0)) == 0
    empty = Histories.empty(3, ("view",))
    assert empty.lengths.tolist() == [0, 0, 0]
    assert len(empty.take(slice(3, 1))) == 0
    assert empty.rated().tolist() == []


@pytest.mark.parametrize(
    ("kinds", "rated"),
    [(("rating",), [True, False, True]), (("rating", "view"), [True, False, False]),
     (("view", "x"), [False, False, False])],
)  # fmt: skip
def test_rated_are_ratings_with_a_value(kinds, rated):
    histories = Histories.of(
        np.zeros(3, int), np.arange(3), people=1, kind=np.array([0, 0, len(kinds) - 1]),
        value=np.array([4, np.nan, 5]), kinds=kinds,
    )  # fmt: skip
    assert histories.rated().tolist() == rated
