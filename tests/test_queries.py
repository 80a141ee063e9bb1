"""A query is what is known about who asks; a part of some queries keeps everything with it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from penchant.dataset import Dataset
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.queries import Queries


@pytest.fixture
def asked() -> Queries:
    """Four askers who know their number in every field."""
    number = np.arange(4)
    return Queries(
        items=IdMap(["a", "b", "c", "d"]),
        users=IdMap([10, 11, 12, 13]),
        histories=Histories.of(number, number, people=4),
        user=number.astype(np.int32),
        seen=(np.array([0, 1, 3, 3, 4]), np.array([0, 1, 2, 3], np.int32)),
        now=number.astype(np.int64),
        context=pl.DataFrame({"n": number}),
        user_features=pl.DataFrame({"n": number}),
        tastes=tuple({"n": float(n)} for n in number),
    )


SEEN = [["a"], ["b", "c"], [], ["d"]]


def numbers(queries: Queries) -> list[int]:
    """Return which askers these are, after checking that all fields agree."""
    found = queries.user.tolist()
    assert queries.now.tolist() == queries.histories.item.tolist() == found
    assert queries.context["n"].to_list() == queries.user_features["n"].to_list() == found
    assert [t["n"] for t in queries.tastes] == found
    indptr, codes = queries.already_seen()
    theirs = [queries.items.decode(codes[a:b]) for a, b in itertools.pairwise(indptr)]
    assert theirs == [SEEN[n] for n in found]
    assert len(queries) == len(found)
    return found


@pytest.mark.parametrize(
    ("which", "who"),
    [
        (2, [2]),
        (-1, [3]),
        (np.int64(1), [1]),
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (slice(3, 1), []),
        (np.array([3, 0, 3]), [3, 0, 3]),
        (np.array([True, False, False, True]), [0, 3]),
        (np.zeros(0, np.int64), []),
    ],
    ids=str,
)
def test_some_of_the_queries_keep_all_that_is_known(asked, which, who):
    assert numbers(asked[which]) == who


def test_no_such_query(asked):
    with pytest.raises(IndexError):
        asked[4]


def test_fields_that_are_not_there_stay_away(asked):
    bare = Queries(asked.items, asked.users, asked.histories, asked.user)[1]
    assert bare.seen is bare.now is bare.context is bare.user_features is bare.tastes is None
    indptr, codes = bare.already_seen()
    assert (indptr.tolist(), codes.tolist()) == ([0, 1], [1])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_blocks_are_all_queries_in_order(asked, size):
    blocks = list(asked.blocks(size))
    assert [n for _, block in blocks for n in numbers(block)] == [0, 1, 2, 3]
    assert [first for first, _ in blocks] == list(range(0, 4, size))
    assert all(len(block) <= size for _, block in blocks)


def test_recoded_queries_speak_in_the_other_maps_codes(asked):
    items, users = IdMap(["c", "x", "a"]), IdMap([13, 11])
    recoded = asked.recoded(items, users)
    assert recoded.items is items
    assert recoded.users is users
    assert recoded.user.tolist() == [-1, 1, -1, 0]
    theirs = recoded.histories
    assert theirs.person().tolist() == [0, 2]  # "b" and "d" are unknown there
    assert items.decode(theirs.item) == ["a", "c"]
    indptr, codes = recoded.already_seen()
    assert (indptr.tolist(), items.decode(codes)) == ([0, 1, 2, 2, 2], ["a", "c"])
    assert recoded.now is asked.now
    assert asked.user.tolist() == [0, 1, 2, 3]


def test_strangers_stay_strangers_when_recoded(asked):
    unknown = replace(asked, user=np.array([-1, 0, -1, 3], np.int32))
    assert unknown.recoded(asked.items, IdMap([13, 12, 11, 10])).user.tolist() == [-1, 3, -1, 0]


def test_recoding_onto_the_same_map_changes_nothing(asked):
    assert asked.recoded(asked.items, asked.users) is asked
    same = asked.recoded(IdMap(["a", "b", "c", "d"]), IdMap([10, 11, 12, 13]))
    assert numbers(same) == [0, 1, 2, 3]


def test_recoding_onto_an_empty_map_forgets_everything(asked):
    lost = asked.recoded(IdMap([]), IdMap([]))
    assert lost.user.tolist() == [-1] * 4
    assert lost.histories.lengths.tolist() == [0] * 4


def test_strangers_of_an_empty_user_map_stay_strangers():
    data = Dataset.of({"user": [1], "item": ["a"]})
    nobody = Queries(data.items, IdMap([]), Histories.empty(2), np.full(2, -1, np.int32))
    assert nobody.recoded(data.items, data.users).user.tolist() == [-1, -1]
