"""Scores become short lists: what may not be shown is not, and ties have one answer."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import uuid

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_core import listed
from penchant.dataset import Dataset
from penchant.errors import BadParameter, Incompatible
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.models.popularity import Popularity
from penchant.queries import Queries
from penchant.ranking import Recommendations, Rules, joined, select

NAN = float("nan")
UUIDS = [uuid.UUID(int=5), uuid.UUID(int=6)]
ITEMS = ["a", "b", "c", "d", "e", "f"]
SOME = st.lists(st.sampled_from([*ITEMS, "stranger"]), max_size=5)
SCORE = st.one_of(st.just(NAN), st.sampled_from([-1.0, 0.0, 0.5, 2.0, float("inf"), -float("inf")]))


def asked(seen, items=ITEMS, users=None) -> Queries:
    """Queries of people who have met some items."""
    known = IdMap(items)
    codes = [known.encode(row) for row in seen]
    histories = Histories.of(
        np.repeat(np.arange(len(seen)), [len(c) for c in codes]),
        np.concatenate([*codes, np.zeros(0, np.int32)]),
        people=len(seen),
    )
    users = list(range(len(seen))) if users is None else users
    strangers = np.array([-1 if u is None else 0 for u in users], np.int32)
    people = IdMap([u for u in users if u is not None])
    user = np.where(strangers < 0, -1, np.cumsum(strangers >= 0) - 1).astype(np.int32)
    return Queries(known, people, histories, user)


def rows(*scores) -> np.ndarray:
    return np.array(scores, np.float32)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_lists_are_those_of_the_slow_twin(data):
    q = data.draw(st.integers(0, 4))
    seen = [data.draw(st.lists(st.sampled_from(ITEMS))) for _ in range(q)]
    scores = [data.draw(st.lists(SCORE, min_size=6, max_size=6)) for _ in range(q)]
    k = data.draw(st.integers(1, 9))
    per_query, allow_seen = data.draw(st.booleans()), data.draw(st.booleans())

    def lists():
        return [data.draw(SOME) for _ in range(q)] if per_query else data.draw(SOME)

    exclude, pins = lists(), lists()
    only = lists() if data.draw(st.booleans()) else None
    rules = Rules(exclude=exclude, only=only, pins=pins, per_query=per_query, allow_seen=allow_seen)
    found = select(rows(*scores).reshape(q, 6), asked(seen), k, rules)

    def of(given, r):
        return given[r] if per_query and given else given

    assert found.ids() == [
        listed(
            dict(zip(ITEMS, scores[r], strict=True)), k, seen=seen[r], exclude=of(exclude, r),
            only=of(only, r), pins=of(pins, r), allow_seen=allow_seen,
        )
        for r in range(q)
    ]  # fmt: skip
    for r, row in enumerate(found.codes):
        there = row >= 0
        assert (np.diff(there.astype(int)) <= 0).all()  # no holes
        shown = [scores[r][c] for c in row[there]]
        np.testing.assert_array_equal(found.scores[r][there], np.float32(shown))
        assert np.isnan(found.scores[r][~there]).all()
    assert found.codes.shape == found.source.shape == (q, min(k, 6))
    assert (found.codes.dtype, found.scores.dtype) == (np.int32, np.float32)
    assert np.isnan(found.propensity).all()


def test_seen_items_are_not_shown_again_unless_allowed():
    queries = asked([["a", "b"], []])
    scores = rows([6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1])
    assert select(scores, queries, 2).ids() == [["c", "d"], ["a", "b"]]
    assert select(scores, queries, 2, Rules(allow_seen=True)).ids() == [["a", "b"], ["a", "b"]]


def test_hidden_items_are_not_shown_even_where_seen_ones_are():
    data = Dataset.of(
        {"user": [1, 1, 1], "item": ["a", "b", "a"], "kind": ["view", "view", "hide"],
         "time": [1, 2, 3]}
    )  # fmt: skip
    found = select(rows([2, 1]), data.queries(), 2, Rules(allow_seen=True))
    assert found.ids() == [["b"]]


def test_what_was_seen_outlasts_a_shortened_history():
    queries = asked([["a", "b"]])
    short = Queries(
        queries.items, queries.users, Histories.empty(1), queries.user,
        seen=queries.already_seen(),
    )  # fmt: skip
    assert select(rows([6, 5, 4, 3, 2, 1]), short, 2).ids() == [["c", "d"]]


def test_ties_go_to_the_lower_code():
    assert select(rows([1, 2, 1, 2, 1, 2]), asked([[]]), 4).ids() == [["b", "d", "f", "a"]]


def test_nothing_scored_gives_an_empty_list_and_pins_still_show():
    scores = np.full((2, 6), np.nan, np.float32)
    queries = asked([[], ["a"]])
    assert select(scores, queries, 3).ids() == [[], []]
    pinned = select(scores, queries, 3, Rules(pins=["f", "a"]))
    assert pinned.ids() == [["f", "a"], ["f", "a"]]
    assert np.isnan(pinned.scores).all()


def test_k_may_be_larger_than_the_catalogue():
    found = select(rows([1, 2, 3, 4, 5, 6]), asked([["f"]]), 50)
    assert found.ids() == [["e", "d", "c", "b", "a"]]
    assert found.codes.shape == (1, 6)
    assert select(np.zeros((1, 0), np.float32), asked([[]], items=[]), 3).ids() == [[]]


def test_pins_come_first_once_and_never_against_an_exclusion():
    scores = rows([6, 5, 4, 3, 2, 1])
    pins = Rules(pins=["f", "e", "f", "nothing", "a"], exclude=["e"], only=["b", "c"])
    assert select(scores, asked([["a"]]), 4, pins).ids() == [["f", "a", "b", "c"]]
    assert select(scores, asked([["a"]]), 1, pins).ids() == [["f"]]


def test_rules_may_differ_by_asker_and_know_their_block():
    rules = Rules(only=[["a"], ["b"], ["c"]], per_query=True)
    scores = rows([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    assert select(scores, asked([[], []]), 3, rules.part(1, 2)).ids() == [["b"], ["c"]]
    with pytest.raises(BadParameter, match="Rules hold 3 lists for 2 queries"):
        select(scores, asked([[], []]), 3, rules)
    nobody = Rules(only=[], per_query=True)
    assert select(scores, asked([[], []]), 3, nobody).ids() == [[], []]


@pytest.mark.parametrize("field", ["exclude", "only", "pins"])
def test_rules_speak_the_ids_of_the_queries(field):
    scores = rows([1, 2, 3, 4, 5, 6])
    with pytest.raises(Incompatible, match="asked for 5: these ids are strings"):
        select(scores, asked([[]]), 3, Rules(**{field: [5]}))
    with pytest.raises(BadParameter, match="ids are given as a list"):
        select(scores, asked([[]]), 3, Rules(**{field: "abc"}))


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3", None])
def test_k_is_a_whole_number(k):
    with pytest.raises(BadParameter, match="k must be a whole number of at least 1, got"):
        select(rows([1, 2, 3, 4, 5, 6]), asked([[]]), k)


def test_scores_must_fit_the_queries():
    with pytest.raises(Incompatible, match=r"scores of shape \(1, 5\) for 1 queries on 6 items"):
        select(rows([1, 2, 3, 4, 5]), asked([[]]), 3)


def test_scores_are_not_written_to():
    scores = rows([1, 2, 3, 4, 5, 6])
    scores.setflags(write=False)
    assert select(scores, asked([["f"]]), 2, Rules(pins=["a"])).ids() == [["a", "e"]]


# --- Recommendations


def test_lists_become_a_table():
    found = select(rows([1, 2, NAN, NAN, NAN, NAN], [NAN] * 6), asked([[], []], users=["u", "v"]),
                   3, source="Model")  # fmt: skip
    table = found.to_frame()
    assert table.rows() == [("u", 1, "b", 2.0, "Model"), ("u", 2, "a", 1.0, "Model")]
    assert table.schema == {
        "user": pl.String, "rank": pl.Int32, "item": pl.String, "score": pl.Float32,
        "source": pl.String,
    }  # fmt: skip
    assert repr(found) == "<Recommendations: up to 3 items for 2 askers>"
    assert len(found) == 2


@pytest.mark.parametrize(
    ("users", "shown", "dtype"),
    [
        ([7, None], [7, None], pl.Int64),
        ([None, 7], [None, 7], pl.Int64),
        ([None, None], [None, None], pl.Null),
        (["u", None], ["u", None], pl.String),
        ([None, uuid.UUID(int=1)], [None, str(uuid.UUID(int=1))], pl.String),
    ],
    ids=str,
)
def test_strangers_and_people_share_a_table(users, shown, dtype):
    table = select(
        rows([1, 2, 3, 4, 5, 6]).repeat(2, 0), asked([[], []], users=users), 1
    ).to_frame()
    assert table["user"].to_list() == shown
    assert table["user"].dtype == dtype


@pytest.mark.parametrize(
    ("items", "dtype"),
    [([5, 6], pl.Int64), (["a", "b"], pl.String), (UUIDS, pl.String)],
    ids=str,
)  # fmt: skip
def test_items_keep_their_type_even_in_an_empty_table(items, dtype):
    full = select(rows([1, 2]), asked([[]], items=items), 1)
    assert full.ids() == [[items[1]]]
    assert full.to_frame()["item"].to_list() == [items[1] if dtype != pl.String else str(items[1])]
    empty = select(np.full((1, 2), np.nan, np.float32), asked([[]], items=items), 1).to_frame()
    assert empty.schema == full.to_frame().schema
    assert len(empty) == 0


def test_titles_and_reasons_stand_in_the_table():
    found = select(rows([1, 2], [2, 1]), asked([[], []], items=["a", "b"]), 1)
    told = Recommendations(
        **{**vars(found), "shown": pl.DataFrame({"title": ["Alien", "Babe"]}),
           "why": lambda row, codes: [f"because {row} {code}" for code in codes]}
    )  # fmt: skip
    assert told.to_frame().select("title", "reason").rows() == [
        ("Babe", "because 0 1"), ("Alien", "because 1 0"),
    ]  # fmt: skip
    assert "reason" not in told.to_frame(reasons=False).columns


def test_blocks_are_stacked_in_order():
    scores, queries = rows([1, 2], [2, 1], [NAN, NAN]), asked([[], [], []], items=["a", "b"])
    whole = select(scores, queries, 2)
    parts = joined([select(scores[n : n + 1], queries[n], 2) for n in range(3)])
    assert parts.ids() == whole.ids() == [["b", "a"], ["a", "b"], []]
    assert parts.asked == whole.asked == (0, 1, 2)
    assert parts.to_frame().equals(whole.to_frame())
    assert joined([whole]) is whole


# --- the promise about memory

MEMORY = """
    import numpy as np
    import polars as pl
    import penchant as pt

    people, items, each = 40_000, 12_000, 100
    rng = np.random.default_rng(0)
    item = (items * rng.random(people * each) ** 3).astype(np.int64)
    item[:items] = np.arange(items)
    data = pt.Dataset.of(
        pl.DataFrame({"user": np.repeat(np.arange(people), each), "item": item})
    )
    model = pt.Popularity().fit(data)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts again from here
    found = model.recommend(data.queries(), k=20)
    assert found.codes.shape == (people, 20) and (found.codes >= 0).all()
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_many_people_are_asked_about_within_a_gigabyte():
    """The whole process, data and model included, while 40,000 x 12,000 are ranked."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000


def test_rules_hold_a_list_for_each_asker():
    data = Dataset.of({"user": [1, 1, 2], "item": ["a", "b", "c"]})
    model = Popularity().fit(data)
    for lists in ([["a"]], [["a"]] * 3):
        for field in ("exclude", "only", "pins"):
            with pytest.raises(BadParameter, match=f"Rules hold {len(lists)} lists for 2 queries"):
                model.recommend(data.queries(), rules=Rules(**{field: lists}, per_query=True))
    found = model.recommend(data.queries(), rules=Rules(exclude=[[], ["a"]], per_query=True))
    assert found.ids() == [["c"], ["b"]]


def test_queries_of_a_dataset_make_lists():
    data = Dataset.of({"user": [1, 1, 2], "item": ["a", "b", "c"]})
    scores = rows([1, 2, 3], [1, 2, 3])
    assert select(scores, data.queries(), 3).ids() == [["c"], ["b", "a"]]
