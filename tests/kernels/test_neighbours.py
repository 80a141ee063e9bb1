from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_neighbours as naive
from naive_ratings import ratings, some
from penchant.kernels.neighbours import Alike, from_items, from_people, nearest


def rows_of(csr):
    return [
        dict(zip(csr.indices[a:b].tolist(), csr.data[a:b].tolist(), strict=True))
        for a, b in zip(csr.indptr[:-1], csr.indptr[1:], strict=True)
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.sampled_from(["cosine", "msd", "pearson"]),
    st.sampled_from([0.0, 1.0, 100.0]),
    st.integers(1, 4),
)
def test_neighbours_equal_their_slow_twin(seed, k, measure, shrinkage, support):
    dense = some(seed, users=9, items=12) - np.float32(3.1)
    found = rows_of(nearest(ratings(dense), k=k, how=Alike(measure, shrinkage, support)))
    for r, row in enumerate(found):
        alike = [naive.similarity(dense[r], o, shrinkage, measure, support) for o in dense]
        alike[r] = 0
        assert row == pytest.approx({s: alike[s] for s in row}, rel=1e-5, abs=1e-6)
        best = sorted((max(s, 0) for s in alike), reverse=True)[:k]
        ours = sorted([*row.values(), *[0] * k], reverse=True)[: len(best)]
        assert ours == pytest.approx(best, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("k", [1, 3, 70, 199, 500])
@pytest.mark.parametrize("levels", [3, 40, 10_000])
def test_the_most_alike_of_many_rows_are_kept_with_their_ties(k, levels):
    # One column: two values are as alike as they are near. Few levels make many equals.
    values = np.random.default_rng(levels).integers(0, levels, 200) / levels
    found = nearest(ratings(values[:, None]), k=k, how=Alike("msd"))
    alike = np.float32(1) / np.float32(1 + (values[:, None] - values) ** 2)
    np.fill_diagonal(alike, 0)
    for r in (0, 57, 199):
        best = np.sort(np.argsort(-alike[r], kind="stable")[: min(k, 199)])
        row = found.rows(r, r + 1)
        if levels < 10_000:  # where nothing is a near tie
            assert row.indices.tolist() == best.tolist()
        np.testing.assert_allclose(np.sort(row.data), np.sort(alike[r, best]), rtol=1e-6)


def test_equal_values_have_no_correlation():
    rng = np.random.default_rng(0)
    equal = np.repeat([[1.1], [3.3], [0.7], [2.3]], 1001, axis=1)  # sums of so many are rounded
    varied = rng.normal(size=(1, 1001)) + 5
    for order in (slice(None), slice(None, None, -1)):
        dense = np.vstack([equal, varied, 2 * varied + 1])[order]
        found = nearest(ratings(dense), k=5, how=Alike("pearson"))
        assert found.nnz == 2
        assert found.data == pytest.approx(1)


def test_similarities_by_hand():
    dense = np.array([[1.0, 2.0, np.nan], [2.0, 4.0, 5.0], [-1.0, np.nan, 1.0]])
    found = rows_of(nearest(ratings(dense), k=5, how=Alike()))
    assert found == [{1: 1.0}, {0: 1.0, 2: pytest.approx(3 / np.sqrt(29 * 2))}, {1: found[1][2]}]
    assert rows_of(nearest(ratings(dense), k=5, how=Alike("cosine", 3.0)))[0] == {
        1: pytest.approx(1 / 4)
    }


def test_ties_go_to_the_lower_number_and_columns_ascend():
    dense = np.ones((6, 2))
    found = nearest(ratings(dense), k=2, how=Alike())
    assert found.indices.reshape(6, 2).tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1], [0, 1]]


def test_values_of_zero_are_like_nothing():
    assert nearest(ratings(np.zeros((3, 4))), k=2, how=Alike()).nnz == 0
    assert nearest(ratings(np.full((3, 4), np.nan)), k=2, how=Alike()).nnz == 0
    assert nearest(ratings(np.array([[1.0]])), k=2, how=Alike()).nnz == 0


@pytest.mark.parametrize("k", [1, 2, 40])
@pytest.mark.parametrize("least", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_predictions_from_items_equal_their_slow_twin(seed, k, least):
    dense = some(seed, users=6, items=20) - 3.1
    dense[2] = np.nan
    neighbours = nearest(ratings(some(seed + 50, users=20, items=9) - 2.9), k=7, how=Alike())
    alike = rows_of(neighbours)
    asked = np.array([[3, 0, -1, 19]], np.int32)
    found = from_items(ratings(dense), asked, neighbours, k=k, least=least)
    each = np.tile(asked, (len(dense), 1))
    each[1] = [0, -1, 3, 3]
    others = from_items(ratings(dense), each, neighbours, k=k, least=least)
    np.testing.assert_array_equal(others[[0, 2, 3, 4, 5]], found[[0, 2, 3, 4, 5]])
    assert others[1].tolist() == found[1, [1, 2, 0, 0]].tolist()
    for u, row in enumerate(dense):
        for t, item in enumerate(asked[0]):
            pairs = [(s, row[j]) for j, s in alike[item].items() if not np.isnan(row[j])]
            expected = naive.mean_of_best(pairs if item >= 0 else [], k, least) or 0
            assert found[u, t] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize(
    "how", [Alike(), Alike("cosine", 5.0), Alike("msd"), Alike("pearson", 0, 3)]
)
def test_predictions_from_people_equal_their_slow_twin(k, how):
    people = some(7, users=12, items=10) - np.random.default_rng(0).normal(3, 1, (12, 10))
    askers = np.vstack([people[:3], some(8, users=2, items=10) - 3.3])
    raters = ratings(people.T)
    residuals = (raters.data / 2 + 1).astype(np.float32)  # need not be what is compared
    asked = np.array([[0, 5], [1, -1], [9, 2], [3, 4], [8, 0]], np.int32)
    found = from_people(ratings(askers), asked, raters, residuals, how=how, k=k, least=2)
    for r, row in enumerate(askers):
        for t, item in enumerate(asked[r]):
            pairs = [
                (
                    naive.similarity(row, other, how.shrinkage, how.measure, how.support),
                    other[item] / 2 + 1,
                )
                for other in people
                if not np.isnan(other[item])
            ]
            expected = naive.mean_of_best(pairs if item >= 0 else [], k, 2) or 0
            assert found[r, t] == pytest.approx(expected, abs=1e-5)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    values = ratings(some(1, users=40, items=60) - 3.1)
    asked = np.arange(60, dtype=np.int32)[None]
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        alike = nearest(values.transposed(), k=10, how=Alike("pearson", 2.0))
        other = values.transposed()
        found.append((
            alike.indices, alike.data, from_items(values, asked, alike, k=5),
            from_people(values, asked, other, other.data, how=Alike(), k=5),
        ))  # fmt: skip
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_pearson_is_the_correlation_where_rows_are_full():
    # Golden numbers from numpy: without gaps, values less their row's mean are correlated.
    dense = np.random.default_rng(3).normal(size=(5, 30))
    values = ratings(dense)
    centred = replace(
        values, data=(dense - dense.mean(1, keepdims=True)).ravel().astype(np.float32)
    )
    correlation = np.corrcoef(dense)
    plain = rows_of(nearest(ratings(dense), k=5, how=Alike("pearson")))
    assert plain == [
        pytest.approx(row, rel=1e-5) for row in rows_of(nearest(centred, k=5, how=Alike()))
    ]
    for r, row in enumerate(rows_of(nearest(centred, k=5, how=Alike()))):
        assert row == pytest.approx(
            {s: c for s, c in enumerate(correlation[r]) if s != r and c > 0}, rel=1e-5
        )
