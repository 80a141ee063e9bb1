import numpy as np

from naive_pairwise import told
from penchant.kernels import placement
from penchant.kernels.csr import CSR


def problem(users=60, items=30, factors=4, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((users, items)) < 0.2, 1 + rng.integers(0, 3, (users, items)), 0)
    dense[7] = 0
    rows, columns = np.nonzero(dense)
    x = CSR.from_pairs(rows, columns, dense[rows, columns], dense.shape)
    return dense, x, rng.standard_normal((items, factors), np.float32)


def test_what_a_person_is_placed_by():
    dense, x, items = problem()
    got = placement.sums(x, items)
    for row, weights in zip(got, dense, strict=True):
        met = weights > 0
        want = told(weights[met], items[met]) if met.any() else np.zeros(4)
        assert np.allclose(row, want)


def test_weights_count_by_their_ratio_alone():
    _, x, items = problem()
    more = CSR(x.indptr, x.indices, 7 * x.data, x.columns)
    assert np.allclose(placement.sums(x, items), placement.sums(more, items))


def test_the_map_is_the_ridge_regression_of_peoples_vectors():
    dense, x, items = problem()
    people = np.random.default_rng(1).standard_normal((60, 4), np.float32)
    turn, origin = placement.placement(x, items, people)
    some = dense.any(axis=1)
    z = np.array([told(w[w > 0], items[w > 0]) for w in dense[some]])
    ridge = placement.SHRINK * np.mean(np.sum(z**2, axis=0))
    # Rows of its own for the ridge, none for the intercept; numpy's least squares.
    rows = np.vstack([np.column_stack([z, np.ones(len(z))]),
                      np.column_stack([np.sqrt(ridge) * np.eye(4), np.zeros(4)])])  # fmt: skip
    want = np.linalg.lstsq(rows, np.vstack([people[some], np.zeros((4, 4))]), rcond=None)[0]
    assert np.allclose(np.vstack([turn, origin]), want, atol=1e-6)


def test_people_are_regressed_in_parts(monkeypatch):
    _, x, items = problem()
    people = np.random.default_rng(1).standard_normal((60, 4), np.float32)
    whole = placement.placement(x, items, people)
    monkeypatch.setattr(placement, "AT_ONCE", 7)
    for a, b in zip(whole, placement.placement(x, items, people), strict=True):
        assert np.allclose(a, b)


def test_threads_change_no_bit():
    _, x, items = problem(300, 50, 16)
    assert len({placement.sums(x, items, threads=n).tobytes() for n in (1, 2, 5)}) == 1
