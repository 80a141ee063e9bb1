import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from naive_rerank import cosine, few, worth
from penchant.errors import BadParameter, Incompatible
from penchant.kernels.csr import CSR
from penchant.ranking import Recommendations
from penchant.rerank import capped, diversified

ITEMS = 8


def lists(codes, **given_columns):
    """Recommendations with these codes, scores that fall, and reasons that tell row and item."""
    codes = np.array(codes, np.int32, ndmin=2)
    columns = {
        "scores": np.where(codes >= 0, 9 - np.arange(codes.shape[1]), np.nan).astype(np.float32),
        "source": np.where(codes >= 0, codes % 2, 0).astype(np.int16),
        "propensity": np.full(codes.shape, 0.25, np.float32),
        "why": lambda row, items: [f"{row}: {item}" for item in items],
    }
    return Recommendations(
        items=pt.IdMap([f"i{n}" for n in range(ITEMS)]),
        asked=(None,) * len(codes),
        codes=codes,
        sources=("even", "odd"),
        **columns | given_columns,
    )


def sparse(dense):
    rows, columns = np.nonzero(dense)
    return CSR.from_pairs(rows, columns, dense[rows, columns], dense.shape)


def as_dicts(dense, codes):
    return [{f: float(v) for f, v in enumerate(dense[c]) if v != 0} for c in codes if c >= 0]


@st.composite
def candidates(draw):
    """(q, n) codes, each once in a list, -1 past its end; and a table of small numbers."""
    orders = draw(st.lists(st.permutations(range(ITEMS)), min_size=1, max_size=3))
    ends = [draw(st.integers(0, ITEMS)) for _ in orders]
    codes = [[*o[:end], *[-1] * (ITEMS - end)] for o, end in zip(orders, ends, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    return codes, rng.integers(-1, 3, (ITEMS, 3)).astype(np.float32)


@given(candidates(), st.floats(0, 1), st.integers(1, ITEMS + 2))
@settings(max_examples=150, deadline=None)
def test_each_choice_is_the_best_of_those_left(made, amount, k):
    codes, dense = made
    recs = lists(codes)
    found = diversified(recs, amount, features=sparse(dense), k=k)
    np.testing.assert_array_equal(found.codes, diversified(recs, amount, features=dense, k=k).codes)
    assert found.codes.shape == (len(codes), min(k, ITEMS))
    for row, after in zip(codes, found.codes.tolist(), strict=True):
        rows = as_dicts(dense, row)
        chosen = [row.index(code) for code in after if code >= 0]
        assert len(set(chosen)) == len(chosen) == min(k, len(rows))
        assert after[len(chosen) :] == [-1] * (len(after) - len(chosen))
        for t, place in enumerate(chosen):
            left = {c: worth(c, chosen[:t], rows, amount) for c in set(range(len(rows)))}
            best = max(left[c] for c in left if c not in chosen[:t])
            assert left[place] >= best - 1e-9
            earlier = [c for c in left if c < place and c not in chosen[:t]]
            assert all(left[c] < best + 1e-9 for c in earlier)


@given(candidates(), st.integers(1, ITEMS))
@settings(max_examples=50, deadline=None)
def test_amount_0_changes_nothing(made, k):
    codes, dense = made
    recs = lists(codes)
    same = diversified(recs, 0, features=dense, k=k)
    np.testing.assert_array_equal(same.codes, recs.first(k).codes)
    np.testing.assert_array_equal(same.scores, recs.first(k).scores)


@given(candidates())
@settings(max_examples=50, deadline=None)
def test_amount_1_begins_with_the_best_and_goes_on_with_the_least_alike(made):
    codes, dense = made
    for row, after in zip(codes, diversified(lists(codes), 1.0, features=dense).codes, strict=True):
        rows = dict(zip(row, as_dicts(dense, row), strict=False))
        assert after[0] == row[0]
        if after[1] >= 0:
            alike = {c: cosine(rows[c], rows[row[0]]) for c in row[1:] if c >= 0}
            assert alike[after[1]] == pytest.approx(min(alike.values()), abs=1e-6)


def test_everything_about_an_item_moves_with_it():
    dense = np.eye(ITEMS, dtype=np.float32)
    dense[1] = dense[0]
    recs = lists([[0, 1, 2, 3], [4, 0, 1, -1]])
    found = diversified(recs, 0.5, features=dense, k=3)
    assert found.codes.tolist() == [[0, 2, 3], [4, 0, 1]]
    assert found.scores.tolist() == [[9, 7, 6], [9, 8, 7]]
    assert found.source.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert found.to_frame()["reason"].to_list() == [
        "0: 0", "0: 2", "0: 3", "1: 4", "1: 0", "1: 1",
    ]  # fmt: skip
    assert np.isnan(found.propensity).all()
    again = capped(found, 1, groups=np.array(["a", "a", "a", "b", "c", "d", "e", "f"]), k=2)
    assert again.codes.tolist() == [[0, 3], [4, 0]]
    assert again.to_frame()["reason"].to_list() == ["0: 0", "0: 3", "1: 4", "1: 0"]
    assert recs.codes.tolist()[0] == [0, 1, 2, 3]


def test_relevance_goes_by_places_so_that_scores_of_any_model_do():
    dense = np.zeros((ITEMS, 2), np.float32)
    dense[:4, 0] = dense[4:, 1] = 1
    codes = [[0, 1, 2, 3, 4, 5, 6, 7]]
    expected = diversified(lists(codes), 0.2, features=dense, k=4).codes
    assert expected.tolist() == [[0, 4, 1, 2]]  # .8 / 1.4 beats .8 / 1.1 - .2; then .8 / 1.1
    for scores in ([80, 7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7, np.nan]):
        recs = lists(codes, scores=np.array([scores], np.float32))
        assert diversified(recs, 0.2, features=dense, k=4).codes.tolist() == expected.tolist()


def test_an_amount_for_each_list():
    dense = np.ones((ITEMS, 1), np.float32)
    dense[5] = 0
    recs = lists([[0, 1, 5], [0, 1, 5]])
    found = diversified(recs, np.array([0.0, 0.9]), features=dense)
    assert found.codes.tolist() == [[0, 1, 5], [0, 5, 1]]


def test_what_is_not_known_is_like_nothing():
    dense = np.ones((ITEMS, 2), np.float32)
    dense[2] = np.nan
    dense[3] = 0
    found = diversified(lists([[0, 1, 2, 3]]), 0.5, features=dense)
    assert found.codes.tolist() == [[0, 2, 3, 1]]
    first = diversified(lists([[2, 0, 1, 3]]), 0.5, features=dense)
    assert first.codes.tolist() == [[2, 0, 3, 1]]


def test_vectors_may_point_away_from_each_other():
    dense = np.array([[1, 0], [0, 1], [-1, 0], *[[1, 1]] * 5], np.float32)
    found = diversified(lists([[0, 1, 2]]), 0.9, features=dense)
    assert found.codes.tolist() == [[0, 2, 1]]


@given(candidates(), st.integers(1, 3), st.integers(1, ITEMS))
@settings(max_examples=80, deadline=None)
def test_caps_hold_as_in_the_naive_twin(made, most, k):
    codes, dense = made
    found = capped(lists(codes), most, groups=sparse(dense), k=k)
    for row, after in zip(codes, found.codes.tolist(), strict=True):
        groups = [list(d) for d in as_dicts(dense, row)]
        assert [c for c in after if c >= 0] == [row[p] for p in few(groups, most, k)]


def test_labels_are_groups_and_null_is_none():
    labels = pl.Series(["x", "y", "x", None, "x", "y", None, None])
    found = capped(lists([[0, 1, 2, 3, 4, 5, 6, 7]]), 1, groups=labels, k=5)
    assert found.codes.tolist() == [[0, 1, 3, 6, 7]]
    assert capped(lists([[2, 0, 4, -1]]), 1, groups=labels).codes.tolist() == [[2, -1, -1, -1]]
    assert capped(lists([[-1, -1]]), 1, groups=labels).ids() == [[]]
    numbers = np.array([5, 5, 7, 7, 5, 1, 1, 1])
    assert capped(lists([[0, 1, 2, 3]]), 1, groups=numbers).ids() == [["i0", "i2"]]


def test_nobody_asked():
    recs = lists(np.zeros((0, 4), np.int32))
    assert len(diversified(recs, 0.5, features=np.ones((ITEMS, 2)))) == 0
    assert len(capped(recs, 1, groups=np.zeros(ITEMS, np.int64))) == 0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda r: diversified(r, 1.5, features=np.ones((8, 1))), BadParameter, "0 to 1, got 1.5"),
        (lambda r: diversified(r, np.nan, features=np.ones((8, 1))), BadParameter, "got nan"),
        (lambda r: diversified(r, "x", features=np.ones((8, 1))), BadParameter, "got 'x'"),
        (lambda r: diversified(r, [0.1, 0.2], features=np.ones((8, 1))), BadParameter, "1 lists"),
        (lambda r: diversified(r, 0.5, features=np.ones((8, 1)), k=0), BadParameter, "k must"),
        (lambda r: diversified(r, 0.5, features=np.ones((7, 1))), Incompatible, "of 7 items"),
        (lambda r: diversified(r, 0.5, features=np.ones(8)), Incompatible, "shape"),
        (lambda r: diversified(r, 0.5, features=["a"] * 8), Incompatible, "table of numbers"),
        (lambda r: r.first(0), BadParameter, "k must"),
        (lambda r: capped(r, 0, groups=np.ones(8)), BadParameter, "most must"),
        (lambda r: capped(r, True, groups=np.ones(8)), BadParameter, "got True"),
        (lambda r: capped(r, 1, groups=np.ones(9)), Incompatible, "of 9 items"),
        (lambda r: capped(r, 1, groups=np.ones(8), k=1.5), BadParameter, "k must"),
    ],
)
def test_bad_arguments_are_errors(call, error, says):
    with pytest.raises(error, match=says):
        call(lists([[0, 1, 2]]))


def test_the_first_of_lists_keep_all_that_was_known_of_them():
    recs = lists([[0, 1, 2, 3]])
    found = recs.first(2)
    assert found.ids() == [["i0", "i1"]]
    assert found.propensity.tolist() == [[0.25, 0.25]]
    assert found.to_frame()["reason"].to_list() == ["0: 0", "0: 1"]
    assert recs.first(9).ids() == recs.ids()


def test_amounts_tell_lists_of_films_apart(last_fifth):
    model = pt.Popularity().fit(last_fifth.train)
    asked = last_fifth.test.queries
    genres = pt.features.tfidf(last_fifth.train.item_table, ["genres"]).matrix
    recs = model.recommend(asked, k=100)
    variety = pt.Diversity(10).on(last_fifth.train)
    told = [
        float(np.nanmean(variety(diversified(recs, a, features=genres).codes)))
        for a in (0, 0.2, 0.4, 0.6, 0.8)
    ]
    assert told == sorted(told)
    assert told[0] == pytest.approx(float(np.nanmean(variety(recs.codes))), abs=1e-6)
    assert told[-1] - told[0] > 0.1
