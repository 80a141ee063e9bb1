import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_als import descended, normal_equations, objective, solution
from penchant.kernels import als
from penchant.kernels.csr import CSR


def problem(rows=30, columns=20, factors=6, density=0.3, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((rows, columns)) < density, rng.integers(1, 5, (rows, columns)), 0)
    dense[1] = 0  # Someone without a history.
    r, c = np.nonzero(dense)
    weights = CSR.from_pairs(r, c, dense[r, c], dense.shape)
    x = rng.standard_normal((rows, factors)).astype(np.float32)
    y = rng.standard_normal((columns, factors)).astype(np.float32)
    return dense, weights, x, y


@settings(max_examples=25, deadline=None)
@given(
    factors=st.integers(1, 19),
    columns=st.integers(1, 25),
    alpha=st.floats(0.01, 40),
    l2=st.floats(0.1, 20),
    seed=st.integers(0, 1000),
)
def test_folding_in_solves_the_normal_equations(factors, columns, alpha, l2, seed):
    dense, weights, _, y = problem(7, columns, factors, 0.4, seed)
    got = als.fold_in(weights, y, als.gram(y, l2), alpha=alpha)
    for row, x in zip(dense, got, strict=True):
        want = solution(row, y, alpha, l2)
        assert np.allclose(x, want, rtol=1e-8, atol=1e-9 * max(1.0, np.abs(want).max()))
    assert not got[1].any()


def half_epoch(x, y, weights, **how):
    """Return what x becomes, in the axes it had; y must have as many directions as factors."""
    solved, fixed = x.copy(), y.copy()
    als.half_epoch(solved, fixed, weights, **how)
    axes = np.linalg.lstsq(y, fixed)[0]
    assert np.allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-4)
    return solved @ axes.T


@pytest.mark.parametrize("factors", [1, 3, 16, 37])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_half_epoch_is_so_many_conjugate_gradient_steps(factors, steps):
    dense, weights, x, y = problem(columns=40, factors=factors, density=0.2)
    y /= np.float32(np.sqrt(factors))  # Well conditioned, so that rounding does not decide.
    got = half_epoch(x, y, weights, alpha=2.0, l2=3.0, steps=steps)
    for row, before, after in zip(dense, x, got, strict=True):
        want = descended(before, row, y, 2.0, 3.0, min(steps, factors)) if row.any() else 0 * after
        assert np.allclose(after, want, atol=2e-5)


def test_turning_the_axes_changes_no_product(monkeypatch):
    _, weights, x, y = problem()
    answers = []
    for rows_at_a_time in (7, 1000):
        monkeypatch.setattr(als, "AT_ONCE", rows_at_a_time)
        solved, fixed = x.copy(), y.copy()
        als.half_epoch(solved, fixed, weights, alpha=1.0, l2=1.0, steps=0)
        met = np.diff(weights.indptr) > 0
        assert np.allclose(solved[met] @ fixed.T, x[met] @ y.T, atol=1e-5)
        assert np.allclose(fixed.T @ fixed, np.diag(np.sum(fixed**2, axis=0)), atol=1e-4)
        answers.append(solved)
    assert np.allclose(*answers, atol=1e-6)


def test_rows_too_long_to_copy_are_solved_the_same():
    columns = als.GATHERED + 100
    rng = np.random.default_rng(4)
    dense = np.ones((3, columns))
    dense[1, als.GATHERED - 1 :] = 0  # One below, one at, one above the limit.
    dense[2, als.GATHERED :] = 0
    r, c = np.nonzero(dense)
    weights = CSR.from_pairs(r, c, None, dense.shape)
    y = rng.standard_normal((columns, 5)).astype(np.float32) / 20
    got = half_epoch(np.zeros((3, 5), np.float32), y, weights, alpha=3.0, l2=0.5, steps=20)
    assert np.allclose(got, [solution(row, y, 3.0, 0.5) for row in dense], atol=1e-5)


def test_enough_steps_reach_the_exact_solution_from_anywhere():
    _, weights, x, y = problem()
    exact = als.fold_in(weights, y, als.gram(y, 2.0), alpha=5.0)
    got = half_epoch(x, y, weights, alpha=5.0, l2=2.0, steps=30)
    assert np.allclose(got, exact, atol=1e-4)
    at_rest = half_epoch(exact.astype(np.float32), y, weights, alpha=5.0, l2=2.0)
    assert np.allclose(at_rest, exact, atol=1e-5)


def test_the_loss_counts_every_pair():
    dense, weights, x, y = problem()
    assert als.loss(x, y, weights, alpha=3.0, l2=0.7) == pytest.approx(
        objective(x, y, dense, 3.0, 0.7), rel=1e-5
    )


def test_no_half_epoch_makes_the_loss_worse():
    _, weights, x, y = problem()
    columns = weights.transposed()
    losses = [als.loss(x, y, weights, alpha=3.0, l2=0.7)]
    for _ in range(4):
        als.half_epoch(x, y, weights, alpha=3.0, l2=0.7)
        losses.append(als.loss(x, y, weights, alpha=3.0, l2=0.7))
        als.half_epoch(y, x, columns, alpha=3.0, l2=0.7)
        losses.append(als.loss(x, y, weights, alpha=3.0, l2=0.7))
    assert np.all(np.diff(losses) <= 1e-6)
    assert losses[-1] < 0.5 * losses[0]


def test_other_right_hand_sides_can_be_solved_for():
    dense, weights, x, y = problem()
    got = als.fold_in(weights, y, als.gram(y, 2.0), alpha=5.0, right=x)
    want = [
        np.linalg.solve(normal_equations(w, y, 5.0, 2.0)[0], r)
        for w, r in zip(dense, x, strict=True)
    ]
    assert np.allclose(got, want, rtol=1e-8)


@pytest.mark.parametrize("rows", [0, 1, als.FEW, als.FEW + 1])
def test_products_are_the_same_however_few(rows):
    _, _, x, y = problem(factors=13)
    y[3] = np.nan
    got = als.products(x[:rows].astype(float), y)
    want = [[sum(float(a) * float(b) for a, b in zip(p, q, strict=True)) for q in y] for p in x]
    assert got.shape == (rows, len(y))
    assert got.dtype == np.float32
    assert np.allclose(got, np.reshape(want, (len(x), len(y)))[:rows], rtol=1e-6, equal_nan=True)


def test_nearly_dependent_vectors_are_solved_in_64_bits():
    # Condition number about 1e9: a 32-bit factorisation has no correct digit left.
    rng = np.random.default_rng(2)
    y = (rng.standard_normal((200, 1)) + 1e-3 * rng.standard_normal((200, 8))).astype(np.float32)
    weights = CSR.from_pairs([0, 0, 0], [3, 50, 120], None, (1, 200))
    got = als.fold_in(weights, y, als.gram(y, 1e-6), alpha=10.0)[0]
    want = solution(weights.to_scipy().toarray()[0], y, 10.0, 1e-6)
    assert np.allclose(got, want, rtol=1e-5)


def test_threads_change_no_bit():
    _, weights, x, y = problem(300, 120, 12, 0.1)
    answers = []
    for threads in (1, 2, 7):
        solved, fixed = x.copy(), y.copy()
        als.half_epoch(solved, fixed, weights, alpha=3.0, l2=0.7, threads=threads)
        folded = als.fold_in(weights, y, als.gram(y, 0.7), alpha=3.0, threads=threads)
        lost = als.loss(solved, fixed, weights, alpha=3.0, l2=0.7, threads=threads)
        answers.append((solved.tobytes(), folded.tobytes(), lost))
    assert answers[0] == answers[1] == answers[2]


def test_read_only_arrays_compile_nothing_new():
    _, weights, _, y = problem()
    regularised = als.gram(y, 1.0)
    als.fold_in(weights, y, regularised, alpha=1.0)
    before = len(als._cholesky.signatures)
    for array in (weights.indptr, weights.indices, weights.data, y, regularised):
        array.setflags(write=False)
    als.fold_in(weights, y, regularised, alpha=1.0)
    assert len(als._cholesky.signatures) == before
