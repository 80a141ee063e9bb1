import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_ranking import similarities as naive
from penchant.kernels.csr import CSR
from penchant.kernels.similarity import Alike, bm25, nearest_to, neighbours, sizes, tf_idf

MEASURES = ["dot", "cosine", "asymmetric", "tversky", "jaccard", "dice"]

# Items by users.
SMALL = [
    [5, 3, 0, 0, 1],
    [4, 0, 0, 2, 0],
    [0, 0, 5, 4, 0],
    [1, 1, 0, 0, 0],
    [0, 0, 2, 0, 0],
    [3, 0, 0, 0, 0],
]


def sparse(matrix):
    dense = np.array(matrix, np.float32)
    r, c = np.nonzero(dense)
    return CSR.from_pairs(r, c, dense[r, c], dense.shape)


def dense(matrix):
    return matrix.to_scipy().toarray()


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 80),
    users=st.integers(1, 12),
    k=st.integers(1, 20),
    measure=st.sampled_from(MEASURES),
    shrinkage=st.sampled_from([0.0, 10.0]),
    alpha=st.sampled_from([0.0, 0.3, 1.0]),
    beta=st.sampled_from([0.0, 0.6, 2.0]),
)
@settings(max_examples=100, deadline=None)
def test_equals_comparing_every_pair(seed, n, users, k, measure, shrinkage, alpha, beta):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(1, 6, (n, users)) * (rng.random((n, users)) < 0.3)
    rows = sparse(matrix)

    found = neighbours(rows, k, Alike(measure, shrinkage, alpha, beta)).transposed()

    expected = np.array(naive(matrix.tolist(), measure, shrinkage, alpha, beta))
    kept = dense(found)
    np.testing.assert_allclose(kept[kept > 0], expected[kept > 0], rtol=1e-5)
    for i in range(n):  # compare by value: rounding may decide between equals
        best = np.sort(expected[i])[::-1][:k]
        np.testing.assert_allclose(np.sort(kept[i])[::-1][:k], best, rtol=1e-5)
        row = found.indices[found.indptr[i] : found.indptr[i + 1]]
        assert len(row) == np.count_nonzero(best)
        assert (np.diff(row) > 0).all()
        assert i not in row


def test_same_for_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    rows = sparse(rng.random((60, 30)) * (rng.random((60, 30)) < 0.4))
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers.append(neighbours(rows, 7, Alike("cosine", 1.0)))
    np.testing.assert_array_equal(answers[0].indices, answers[1].indices)
    np.testing.assert_array_equal(answers[0].data, answers[1].data)


# The numbers below: implicit 0.7.3, nearest_neighbours.tfidf_weight, bm25_weight and the
# `similarity` of its recommenders with K=3 (which counts an item as its own neighbour), on SMALL.
def test_tf_idf_as_implicit():
    expected = [
        [0.4076833947548713, 1.2005661338529439, 0, 0, 1.0986122886681096],
        [0.36464311358790935, 0, 0, 0.9802581434685473, 0],
        [0, 0, 1.5499242141443588, 1.3862943611198908, 0],
        [0.18232155679395468, 0.6931471805599454, 0, 0, 0],
        [0, 0, 0.9802581434685473, 0, 0],
        [0.3157901996821841, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(dense(tf_idf(sparse(SMALL))), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("k1", "b", "first", "third"),
    [
        (100.0, 0.8, [0.56020490, 1.29360848, 0, 0, 0.69196441], [2.12977804, 1.71425262]),
        (1.2, 0.75, [0.29202278, 0.93981387, 0, 0, 0.84280493], [1.11020756, 1.03953024]),
    ],
)
def test_bm25_as_implicit(k1, b, first, third):
    weighted = dense(bm25(sparse(SMALL), k1, b))
    np.testing.assert_allclose(weighted[0], first, rtol=1e-6)
    np.testing.assert_allclose(weighted[2, 2:4], third, rtol=1e-6)


@pytest.mark.parametrize(
    ("weigh", "measure", "expected"),
    [
        (lambda rows: rows, "cosine", {(0, 3): 0.956183, (0, 5): 0.845154, (1, 0): 0.755929}),
        (tf_idf, "cosine", {(0, 3): 0.753899, (2, 1): 0.624836, (2, 4): 0.745356}),
        (bm25, "dot", {(0, 3): 1.941178, (0, 5): 0.4456, (2, 4): 5.629887, (3, 5): 0.281854}),
    ],
)
def test_neighbours_as_implicit(weigh, measure, expected):
    rows = weigh(sparse(SMALL))
    found = dense(neighbours(rows, 2, Alike(measure))).T
    for pair, value in expected.items():
        assert found[pair] == pytest.approx(value, abs=1e-6)
    assert found[0, 1] == 0  # item 1 comes third


def test_jaccard_and_dice_by_hand():
    rows = sparse([[1, 9, 1, 0], [0, 1, 5, 1], [2, 0, 0, 0]])
    assert dense(neighbours(rows, 2, Alike("jaccard")))[:, 0].tolist() == pytest.approx(
        [0, 2 / 4, 1 / 3]
    )
    assert dense(neighbours(rows, 2, Alike("dice")))[:, 0].tolist() == pytest.approx(
        [0, 4 / 6, 2 / 4]
    )
    assert dense(neighbours(rows, 2, Alike("jaccard", 6.0)))[:, 0].tolist() == pytest.approx(
        [0, 2 / 10, 1 / 9]
    )
    # Each weight is 1 in the row above, so cosine is 2/3 with the second on the support alone.
    ones = sparse([[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 0]])
    assert dense(neighbours(ones, 2, Alike("cosine", 1.0)))[:, 0].tolist() == (
        pytest.approx([0, 2 / 4, 1 / (3**0.5 + 1)])
    )


def test_ties_go_to_the_lower_row():
    rows = sparse([[1, 1], [1, 1], [1, 1], [1, 1]])
    found = neighbours(rows, 2, Alike("cosine")).transposed()
    assert found.indices.reshape(4, 2).tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_a_column_in_every_row_weighs_nothing():
    rows = sparse([[1, 1], [1, 0], [1, 0]])
    assert tf_idf(rows).data.tolist()[0] == 0
    assert bm25(rows).data.tolist()[0] == 0


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 2)])
def test_nothing_to_compare(shape):
    rows = CSR.from_pairs([], [], None, shape)
    found = neighbours(bm25(tf_idf(rows)), 5, Alike("cosine"))
    assert found.shape == (shape[0], shape[0])
    assert found.nnz == 0


@pytest.mark.parametrize("measure", MEASURES)
def test_other_rows_find_what_rows_of_the_matrix_find(measure):
    rows = sparse(SMALL)
    asked = rows.rows(1, 4)
    alike = Alike(measure, 2.0, 0.8, 0.1)
    found = dense(nearest_to(asked, rows.transposed(), sizes(rows, measure), 9, alike))
    expected = dense(neighbours(rows, 9, alike)).T[1:4]
    itself = np.zeros_like(expected, dtype=bool)
    itself[[0, 1, 2], [1, 2, 3]] = True
    np.testing.assert_allclose(found[~itself], expected[~itself], rtol=1e-6)
    assert (found[itself] > 0).all()
    best = nearest_to(asked, rows.transposed(), sizes(rows, measure), 1, alike)
    assert best.nnz == 3


def test_other_rows_are_weighed_as_rows_of_the_matrix_are():
    rows = sparse(SMALL)
    for weigh in (tf_idf, bm25):
        np.testing.assert_array_equal(
            dense(weigh(rows.rows(1, 3), like=rows)), dense(weigh(rows))[1:3]
        )


# irspack 0.5.2, AsymmetricSimilarityComputer and TverskyIndexComputer, on SMALL: the entries (j, i)
# of alpha 0.3, beta 0.8 and shrinkage 2.
@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("asymmetric", {(0, 1): 0.77954455, (0, 3): 1.19047715, (3, 0): 0.4753267}),
        ("tversky", {(0, 1): 0.22727268, (1, 0): 0.20408159, (3, 0): 0.41666658}),
    ],
)
def test_asymmetric_and_tversky_as_irspack(measure, expected):
    found = dense(neighbours(sparse(SMALL), 5, Alike(measure, 2.0, 0.3, 0.8)))
    for pair, value in expected.items():
        assert found[pair] == pytest.approx(value, rel=1e-6)
