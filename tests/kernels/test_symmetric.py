import numpy as np
import pytest

from penchant.kernels import symmetric
from penchant.kernels.csr import CSR
from penchant.kernels.symmetric import Scale, nearest_columns


def columns(seed, rows, n, share, *, ties=False):
    """Rows of different lengths over columns of different lengths, transposed."""
    rng = np.random.default_rng(seed)
    chance = share * rng.random((rows, 1)) * 4 * rng.random(n)
    matrix = (rng.random((rows, n)) < chance) * (1.0 if ties else rng.random((rows, n)))
    r, c = np.nonzero(matrix.T)
    return matrix, CSR.from_pairs(r, c, matrix[c, r], (n, rows))


def scale(n, seed=0):
    rng = np.random.default_rng(seed)
    arrays = (rng.random(n).astype(np.float32) + np.float32(0.1) for _ in range(4))
    return Scale(*arrays, np.float32(-0.2), np.float32(2))


def compared(matrix, how):
    p = matrix.T @ matrix
    more = np.outer(how.times_i, how.times_j) + how.plus_i[:, None] + how.plus_j
    found = p / (more + how.both * p + how.rest)
    np.fill_diagonal(found, 0)
    return found


@pytest.mark.parametrize("k", [1, 7, 1000])
@pytest.mark.parametrize("buffer", [1, 1 << 14, symmetric.BUFFER])
def test_the_best_of_all_pairs_are_kept_however_many_sums_fit(monkeypatch, k, buffer):
    monkeypatch.setattr(symmetric, "BUFFER", buffer)
    monkeypatch.setattr(symmetric, "AT_LEAST", 1)
    matrix, transposed = columns(3, 90, 150, 0.3)
    how = scale(150)
    found = nearest_columns(transposed, k, how).to_scipy().toarray().T
    expected = compared(matrix, how)
    kept = found > 0
    np.testing.assert_allclose(found[kept], expected[kept], rtol=1e-5)
    assert kept.sum(axis=1).tolist() == [min(k, np.count_nonzero(row)) for row in expected]
    for mine, row in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.sort(mine)[::-1][:k], np.sort(row)[::-1][:k], rtol=1e-5)


@pytest.mark.parametrize("ties", [False, True])
def test_same_for_any_number_of_threads(monkeypatch, ties):
    monkeypatch.setattr(symmetric, "LEAST", 0)
    monkeypatch.setattr(symmetric, "BUFFER", 1 << 15)
    monkeypatch.setattr(symmetric, "AT_LEAST", 1)
    _, transposed = columns(5, 60, 300, 0.2, ties=ties)
    answers = []
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers.append(nearest_columns(transposed, 9, scale(300)))
    for other in answers[1:]:
        np.testing.assert_array_equal(answers[0].indptr, other.indptr)
        np.testing.assert_array_equal(answers[0].indices, other.indices)
        np.testing.assert_array_equal(answers[0].data, other.data)


def test_of_equals_those_with_more_entries_are_kept_then_those_of_a_lower_number():
    # Column 0 shares one row with each other; 5 and then 2 have more entries than the rest.
    sets = [[0], [0, 9], [0, 7, 8], [0, 9], [0, 1], [0, 2, 3, 4], [0, 5]]
    r, c = np.concatenate([[n] * len(s) for n, s in enumerate(sets)]), np.concatenate(sets)
    transposed = CSR.from_pairs(r, c, None, (7, 10))
    none = np.zeros(7, np.float32)
    counts = Scale(none, none, none, none, np.float32(0), np.float32(1))
    for k, kept in [(1, [5]), (2, [2, 5]), (3, [1, 2, 5]), (4, [1, 2, 3, 5])]:
        found = nearest_columns(transposed, k, counts).transposed()
        assert found.rows(0, 1).indices.tolist() == kept


@pytest.mark.parametrize(("shape", "entries"), [((0, 0), 0), ((3, 0), 0), ((5, 4), 0), ((5, 4), 1)])
def test_nothing_to_compare(shape, entries):
    matrix = CSR.from_pairs([2] * entries, [1] * entries, None, shape)
    found = nearest_columns(matrix, 3, scale(shape[0]))
    assert found.shape == (shape[0], shape[0])
    assert found.nnz == 0
