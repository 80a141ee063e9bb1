"""Lists made of vectors are those made of all scores, whatever the rules and the vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant import ranking
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.queries import Queries
from penchant.ranking import Rules, nearest, select

OWN = [f"i{n:02}" for n in range(40)]
SOME = st.lists(st.sampled_from([*OWN, "stranger"]), max_size=12)


@st.composite
def asked(draw):
    """Queries on the model's items, on the same in another order, on some, or on more."""
    items = draw(st.sampled_from([OWN, OWN[::-1], OWN[5:30], [*OWN, "new", "newer"]]))
    known = IdMap(items)
    seen = draw(st.lists(st.lists(st.sampled_from(items), max_size=10), max_size=5))
    codes = [known.encode(row) for row in seen]
    histories = Histories.of(
        np.repeat(np.arange(len(seen)), [len(c) for c in codes]),
        np.concatenate([*codes, np.zeros(0, np.int32)]),
        people=len(seen),
    )
    return Queries(known, IdMap([]), histories, np.full(len(seen), -1, np.int32))


@st.composite
def rules(draw, n):
    per_query = draw(st.booleans())
    some = st.lists(SOME, min_size=n, max_size=n) if per_query else SOME
    return Rules(
        exclude=draw(some), pins=draw(some), only=draw(st.none() | some), per_query=per_query,
        allow_seen=draw(st.booleans()),
    )  # fmt: skip


@given(data=st.data(), queries=asked(), k=st.integers(1, 50), few=st.sampled_from([0, 100]))
@settings(max_examples=80, deadline=None)
def test_equal_to_select_on_all_scores(data, queries, k, few):
    chosen = data.draw(rules(len(queries)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    factors = rng.integers(-2, 3, (len(OWN), 3)).astype(np.float32)  # many ties
    factors[rng.random(len(OWN)) < 0.1] = np.nan
    vectors = rng.integers(-2, 3, (len(queries), 3)).astype(np.float64)
    vectors[rng.random(len(queries)) < 0.2] = np.nan
    scores = np.full((len(queries), len(queries.items)), np.nan, np.float32)
    codes = IdMap(OWN).encode(list(queries.items))
    scores[:, codes >= 0] = (vectors @ factors.T)[:, codes[codes >= 0]]
    rows = iter(vectors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "FEW", few)
        patch.setattr(ranking, "AT_ONCE", 2)  # rules per query must find their block
        patch.setattr(ranking, "BLOCK_BYTES", 400)
        found = nearest(
            queries, k, chosen, items=IdMap(OWN), factors=factors,
            vectors=lambda block: np.array([next(rows) for _ in range(len(block))]).reshape(-1, 3),
        )  # fmt: skip

    expected = select(scores, queries, k, chosen)
    np.testing.assert_array_equal(found[0], expected.codes)
    np.testing.assert_array_equal(found[1], expected.scores)
    assert [a.dtype for a in found] == [np.int32, np.float32]


@pytest.mark.parametrize("few", [0, 10**9])
def test_als_recommends_the_best_of_its_scores(movielens, monkeypatch, few):
    model = pt.ALS(factors=12, epochs=2).fit(movielens)
    monkeypatch.setattr(ranking, "FEW", few)
    queries = movielens.queries()
    some = list(movielens.items)[100:4000]
    for chosen in (Rules(), Rules(only=some, pins=some[:2]), Rules(exclude=some)):
        found = model.recommend(queries, 25, chosen)
        wanted = select(model.score(queries), queries, 25, chosen)
        assert found.sources == ("ALS",)
        np.testing.assert_array_equal(found.codes, wanted.codes)
        np.testing.assert_array_equal(found.scores, wanted.scores)


def test_rules_are_checked():
    queries = Queries(IdMap(OWN), IdMap([]), Histories.empty(2), np.full(2, -1, np.int32))
    factors = np.ones((40, 2), np.float32)
    for k, chosen, said in [
        (0, Rules(), "k must be a whole number of at least 1, got 0"),
        (3, Rules(only=[OWN], per_query=True), "Rules hold 1 lists for 2 queries"),
    ]:
        with pytest.raises(pt.BadParameter, match=said):
            nearest(
                queries, k, chosen, items=IdMap(OWN), factors=factors,
                vectors=lambda block: np.ones((len(block), 2)),
            )  # fmt: skip
