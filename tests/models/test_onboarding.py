"""New items without a refit: in ContentBased, and in whatever has it as a part."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant.errors import BadEvents, BadParameter, Incompatible, NotFitted
from penchant.kernels.csr import CSR
from penchant.models.onboarding import onboarded, onboards
from penchant.recommender import Onboards, Recommender, column_scores
from penchant.testing.case import fingerprint

FILMS = pl.DataFrame(
    {
        "item": ["alien", "babe", "cars", "dune", "emma", "fargo"],
        "title": ["Alien (1979)", "Babe (1995)", None, "Dune (2021)", "Emma (1996)", None],
        "genres": ["Horror|Sci-Fi", "Children|Drama", "Children", "Sci-Fi|Action", "Drama", None],
    }
)
EVENTS = {
    "user": ["ann", "ann", "bob", "bob", "cid", "cid"],
    "item": ["alien", "babe", "babe", "emma", "fargo", "gone"],
}
NEW = pl.DataFrame(
    {
        "item": ["gattaca", "heat", "iris"],
        "title": ["Gattaca (1997)", "Heat (1995)", None],
        "genres": ["Sci-Fi|Drama", "Crime", "Crime"],
    }
)


@pytest.fixture(scope="module")
def data():
    return pt.Dataset.of(EVENTS, items=FILMS)


@pytest.fixture(scope="module")
def model(data):
    return pt.ContentBased().fit(data)


def asked(model, data, **who):
    queries = data.queries(**who)
    return queries.recoded(model.training_.items, queries.users)


def score(model, queries, item):
    return float(model.score(queries, model.training_.items.encode([item]))[0, 0])


def test_new_items_score_as_if_they_had_been_described_all_along(data, model):
    """Against a model whose encoder met the old films alone, and reads both tables."""
    longer = model.with_items(NEW)
    both = pl.concat([FILMS, NEW])
    rows = both.join(pl.DataFrame({"item": list(longer.training_.items)}), on="item", how="right")
    features = pt.features.Encoder(model.encoder_).encode(rows).to_scipy().toarray()
    queries = asked(longer, data, likes=[["alien"], ["babe", "emma"]])
    found = longer.score(queries)
    for q, liked in enumerate((["alien"], ["babe", "emma"])):
        profile = features[longer.training_.items.encode(liked)].sum(axis=0)
        want = features @ profile / np.linalg.norm(profile)
        want[~features.any(axis=1)] = np.nan
        np.testing.assert_allclose(found[q], want, atol=1e-6)
    assert np.isnan(score(longer, queries, "iris"))  # crime is a word nobody had said
    assert score(longer, queries, "heat") >= 0  # 1995 and the 1990s are known


def test_it_is_a_new_model_that_shares_what_is_the_same(data, model):
    before = fingerprint(model), list(model.training_.items), model.training_.shown
    longer = model.with_items(NEW)
    assert (fingerprint(model), list(model.training_.items)) == before[:2]
    assert model.training_.shown.equals(before[2])
    assert longer.numbers_ is model.numbers_
    assert longer.encoder_ is model.encoder_
    assert list(longer.training_.items)[-3:] == NEW["item"].to_list()
    assert (longer.training_.fitted, model.training_.fitted) == (7, 7)
    assert not longer.items_.data.flags.writeable
    np.testing.assert_array_equal(longer.score(data.queries()), model.score(data.queries()))


def test_titles_and_reasons_come_with_new_items(data, model):
    longer = model.with_items(NEW)
    queries = asked(longer, data, likes=[["dune"]])
    frame = longer.recommend(queries, k=3).to_frame()
    row = frame.row(by_predicate=pl.col("item") == "gattaca", named=True)
    assert row["title"] == "Gattaca (1997)"
    assert row["reason"] == "because you liked Dune"
    assert longer.similar(["gattaca"], k=1).to_frame()["title"].to_list() == ["Emma (1996)"]
    liked = asked(longer, data, likes=[[]])
    rows = np.zeros(1, np.int32), longer.training_.items.encode(["gattaca"])
    liked = replace(liked, histories=pt.Dataset.of({"user": [0], "item": ["x"]}).histories)
    liked = replace(liked, histories=replace(liked.histories, item=rows[1]))
    assert longer.recommend(liked, k=2).to_frame()["reason"][0] == "because you liked Gattaca"


def test_who_asks_in_codes_of_before_gets_lists_of_before(data, model):
    longer = model.with_items(NEW)
    queries = data.queries()
    before, after = model.recommend(queries, k=9), longer.recommend(queries, k=9)
    assert before.to_frame().equals(after.to_frame())
    assert len(after.shown) == len(data.items)
    later = model.recommend(asked(longer, data), k=9)
    assert later.to_frame().equals(before.to_frame())
    assert len(later.shown) == len(longer.training_.items)


def test_a_row_of_a_known_item_replaces_what_was_known(data, model):
    edit = {
        "item": ["cars", "gone"],
        "title": ["Cars (2006)", "Gone"],
        "genres": ["Sci-Fi", "Drama"],
    }
    edited = model.with_items(edit)
    assert list(edited.training_.items) == list(model.training_.items)
    assert edited.training_.title("cars") == "Cars (2006)"
    assert edited.training_.title("alien") == "Alien (1979)"
    queries = data.queries(likes=[["dune"]])
    assert score(edited, queries, "cars") > score(model, queries, "cars") == 0
    assert np.isnan(score(model, queries, "gone"))
    assert score(edited, queries, "gone") == 0
    others = [n for n, one in enumerate(data.items) if one not in edit["item"]]
    np.testing.assert_array_equal(edited.score(queries)[:, others], model.score(queries)[:, others])
    again = model.with_items(FILMS)
    np.testing.assert_array_equal(again.score(data.queries()), model.score(data.queries()))
    forgotten = model.with_items({"item": ["cars"], "title": [None], "genres": [None]})
    assert np.isnan(score(forgotten, queries, "cars"))


def test_items_may_be_taken_up_one_after_another(data, model):
    step = model
    for row in range(3):
        step = step.with_items(NEW[row : row + 1])
    once = model.with_items(NEW)
    assert list(step.training_.items) == list(once.training_.items)
    assert step.training_.shown.equals(once.training_.shown)
    queries = asked(once, data)
    np.testing.assert_array_equal(step.score(queries), once.score(queries))
    assert once.with_items(NEW.clear()).training_.items is once.training_.items


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        ({"item": [1, 2], "genres": ["Drama", "War"]}, BadEvents, "holds int ids such as 1"),
        ({"item": ["x", "x"], "genres": ["Drama", "War"]}, BadEvents, "'x' more than once"),
        ({"item": ["x", None], "genres": ["Drama", "War"]}, BadEvents, "row 1 has no id"),
        ({"item": ["x"], "genres": [7]}, BadParameter, "'genres' holds Int64"),
        ({"item": ["x"], "title": [["a", "b"]]}, BadEvents, "title holds List"),
        (pl.DataFrame(), BadEvents, "no columns"),
    ],
)
def test_bad_tables_are_errors(model, table, error, says):
    with pytest.raises(error, match=says):
        model.with_items(table)


def test_who_cannot_take_up_items_says_so(data, model):
    ease = pt.EASE().fit(data)
    nested = pt.Fallback([pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[1, 1])]).fit(data)
    without = pt.Weighted([pt.EASE(), pt.Popularity()], weights=[1, 1]).fit(data)
    assert [onboards(m) for m in (model, ease, nested, without)] == [True, False, True, False]
    assert not isinstance(nested, Onboards)
    with pytest.raises(Incompatible, match="EASE knows items by their events only"):
        onboarded(ease, NEW)
    with pytest.raises(Incompatible, match="Weighted knows items by their events only"):
        onboarded(without, NEW)
    with pytest.raises(NotFitted):
        onboarded(pt.ContentBased(), NEW)


@pytest.fixture(scope="module")
def planted():
    return pt.datasets.planted(users=60, items=40)


COMPOSITES = [
    pt.Weighted([pt.EASE(), pt.ContentBased(), pt.Popularity()], weights=[3, 2, 1]),
    pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[3, 1], normalise="fit"),
    pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[3, 1], normalise="none"),
    pt.Switching([pt.ContentBased(), pt.EASE()], at=[3]),
    pt.Fallback([pt.EASE(), pt.ContentBased(), pt.Popularity()]),
    pt.Mixed([pt.EASE(), pt.ContentBased(), pt.Popularity()]),
    pt.Fallback([pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[1, 2]), pt.Popularity()]),
]


@pytest.mark.parametrize("model", COMPOSITES, ids=repr)
def test_composites_keep_every_score_they_gave(planted, model, tmp_path):
    model.fit(planted)
    mark = fingerprint(model)
    new = {"item": range(900, 920), "title": ["Sci-Fi story"] * 20, "genres": ["Sci-Fi"] * 20}
    longer = pt.onboarded(model, new)
    assert fingerprint(model) == mark
    assert longer.training_.title(905) == "Sci-Fi story"
    pt.save(longer, tmp_path / "longer.model")
    loaded = pt.load(tmp_path / "longer.model")
    assert loaded.training_.fitted == len(planted.items)
    tastes = [{"Sci-Fi": 1.0}, {}]
    for queries in (planted.queries(), planted.queries(likes=[[1], []], tastes=tastes)):
        own = queries.recoded(longer.training_.items, queries.users)
        scores = longer.score(own)
        np.testing.assert_array_equal(scores[:, : len(planted.items)], model.score(queries))
        np.testing.assert_array_equal(loaded.score(own), scores)
        before, after = model.recommend(queries, k=9), longer.recommend(own, k=40)
        for one, more in zip(before.ids(), after.ids(), strict=True):
            assert [i for i in more if i < 900][: len(one)] == one
        for row, code in ((0, 3), (1, len(planted.items))):
            if not np.isnan(scores[row, code]):
                why = longer.answer(own[row]).explain(0, [code])[0]
                amounts = [share.amount for share in why.shares]
                assert why.base + sum(amounts) == pytest.approx(scores[row, code], abs=1e-4)


REMAKE = {"item": ["remake"], "title": ["Alien (1979)"], "genres": ["Horror|Sci-Fi"]}


def test_a_new_item_can_be_the_best_of_a_hybrid(data):
    model = pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[1, 9]).fit(data)
    longer = pt.onboarded(model, REMAKE)
    assert longer.recommend(asked(longer, data, likes=[["alien"]]), k=1).ids() == [["remake"]]
    assert longer.parts_[0] is model.parts_[0]
    assert longer.parts_[1].training_.items is longer.training_.items


def test_in_turns_a_new_item_takes_none(data):
    model = pt.Mixed([pt.ContentBased(), pt.EASE()]).fit(data)
    longer = pt.onboarded(model, REMAKE)
    lists = longer.recommend(asked(longer, data, likes=[["alien"]]), k=3).to_frame()
    assert lists["item"].to_list() == ["dune", "remake", "babe"]
    assert lists["score"].to_list() == [1, 1, 0.5]
    assert lists["source"].to_list() == ["ContentBased", "ContentBased", "EASE"]


@dataclass(kw_only=True)
class OnlyNew(Recommender):
    """Speaks of items taken up alone."""

    @property
    def reads(self):
        return frozenset()

    def _fit(self, data, rng, on_epoch):
        self.none_ = np.zeros(0)

    def with_items(self, items):
        new = OnlyNew()
        new.none_ = self.none_
        ids = self.training_.items.extended(items["item"])
        new.training_ = replace(self.training_, items=ids)
        return new

    def _score(self, queries, items):
        scores = np.full((len(queries), len(queries.items)), np.nan, np.float32)
        scores[:, self.training_.fitted :] = 5
        return column_scores(scores, items)


def test_a_part_without_a_scale_drops_out(planted):
    model = pt.Weighted([OnlyNew(), pt.Popularity()], weights=[1, 1]).fit(planted)
    longer = pt.onboarded(model, {"item": [900]})
    own = asked(longer, planted, users=[0])
    np.testing.assert_array_equal(
        longer.score(own)[:, :-1], model.score(planted.queries(users=[0]))
    )
    assert not np.isinf(longer.score(own)).any()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_rows_take_the_place_of_others(draw):
    n, columns, more = (draw.draw(st.integers(*ends)) for ends in ((0, 5), (1, 4), (0, 3)))
    replaced = [r for r in range(n) if draw.draw(st.booleans())]
    at = np.array(draw.draw(st.permutations([*replaced, *range(n, n + more)])), np.int64)
    rng = np.random.default_rng(draw.draw(st.integers(0, 99)))
    old = rng.integers(-1, 2, (n, columns)).astype(np.float32)
    rows = rng.integers(-1, 2, (len(at), columns)).astype(np.float32)
    expected = np.concatenate([old, np.zeros((more, columns), np.float32)])
    expected[at] = rows
    found = sparse(old).with_rows(at, sparse(rows))
    np.testing.assert_array_equal(found.to_scipy().toarray(), expected)
    assert (found.indices.dtype, found.data.dtype) == (np.int32, np.float32)
    turned = sparse(old).transposed().with_columns(at, sparse(rows))
    for name in ("indptr", "indices", "data", "columns"):
        np.testing.assert_array_equal(getattr(turned, name), getattr(found.transposed(), name))


def sparse(dense):
    rows, columns = np.nonzero(dense)
    return CSR.from_pairs(rows, columns, dense[rows, columns], dense.shape)
