import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_als import (
    block_by_block,
    descended,
    normal_equations,
    objective,
    penalties,
    solution,
    start,
)
from penchant.kernels import als, als_blocks, als_exact
from penchant.kernels.csr import CSR

SOLVERS = [als, als_exact, als_blocks]


def problem(rows=30, columns=20, factors=6, density=0.3, seed=0, **how):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((rows, columns)) < density, rng.integers(1, 5, (rows, columns)), 0)
    dense[1] = 0  # Someone without a history.
    x = rng.standard_normal((rows, factors)).astype(np.float32)
    y = rng.standard_normal((columns, factors)).astype(np.float32)
    return dense, *als.halves(csr(dense), **{"unobserved": 0.5, "l2": 3.0, "nu": 0.0} | how), x, y


def csr(dense):
    r, c = np.nonzero(dense)
    return CSR.from_pairs(r, c, dense[r, c], dense.shape)


def half_epoch(x, y, half, solver=als, **how):
    """Return what x becomes, in the axes it had; y must have as many directions as factors."""
    solved, fixed = x.copy(), y.copy()
    solver.half_epoch(solved, fixed, half, **how)
    axes = np.linalg.lstsq(y, fixed)[0]
    assert np.allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-4)
    return solved @ axes.T


@settings(max_examples=25, deadline=None)
@given(
    l2=st.floats(0.01, 10), unobserved=st.floats(0.01, 2), nu=st.floats(0, 1.5),
    of_all=st.booleans(), seed=st.integers(0, 1000),
)  # fmt: skip
def test_penalties_grow_with_the_weight_of_a_row(l2, unobserved, nu, of_all, seed):
    how = {"l2": l2, "unobserved": unobserved, "nu": nu, "of_all": of_all}
    dense, by_row, by_column, _, _ = problem(density=0.1, seed=seed, **how)
    assert np.allclose(by_row.ridge, penalties(dense, unobserved, l2, nu, of_all))
    assert np.allclose(by_column.ridge, penalties(dense.T, unobserved, l2, nu, of_all))
    assert np.allclose(by_row.shares, dense.sum(axis=0) / dense.sum())
    assert np.allclose(by_column.weights.to_scipy().toarray(), dense.T)


@settings(max_examples=25, deadline=None)
@given(
    factors=st.integers(1, 19),
    columns=st.integers(1, 25),
    unobserved=st.floats(0.01, 40),
    l2=st.floats(0.1, 20),
    seed=st.integers(0, 1000),
)
def test_folding_in_solves_the_normal_equations(factors, columns, unobserved, l2, seed):
    dense, half, _, _, y = problem(7, columns, factors, 0.4, seed)
    ridge = l2 * np.arange(1.0, 8.0)
    got = als_exact.fold_in(half.weights, y, unobserved * als.gram(y), ridge)
    for row, penalty, x in zip(dense, ridge, got, strict=True):
        want = solution(row, y, unobserved, penalty)
        assert np.allclose(x, want, rtol=1e-8, atol=1e-9 * max(1.0, np.abs(want).max()))
    assert not got[1].any()


@pytest.mark.parametrize("factors", [1, 3, 16, 37])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_half_epoch_is_so_many_conjugate_gradient_steps(factors, steps):
    dense, half, _, x, y = problem(columns=40, factors=factors, density=0.2, nu=0.3)
    y /= np.float32(np.sqrt(factors))  # Well conditioned, so that rounding does not decide.
    got = half_epoch(x, y, half, steps=steps, close=0)
    for u, (row, before, after) in enumerate(zip(dense, x, got, strict=True)):
        how = (0.5, half.ridge[u], half.shares, min(steps, factors))
        want = descended(before, row, y, *how) if row.any() else 0 * after
        assert np.allclose(after, want, atol=2e-5)


@pytest.mark.parametrize("factors", [3, 8])
def test_a_start_is_the_space_of_the_largest_singular_values(factors):
    dense, by_row, by_column, _, _ = problem(columns=6)
    drawn = np.random.default_rng(5).standard_normal((6, factors)).astype(np.float32)
    got = als.start(by_row, by_column, drawn)
    want = start(dense, drawn)
    assert np.allclose(got @ got.T, want @ want.T, atol=1e-3)


@pytest.mark.parametrize("block", [1, 4, 16, 99])
def test_a_half_epoch_in_blocks_solves_one_after_another(block):
    dense, half, _, x, y = problem(columns=40, factors=18, density=0.2, nu=0.3)
    got = half_epoch(x, y, half, als_blocks, block=block)
    for u, (row, before, after) in enumerate(zip(dense, x, got, strict=True)):
        how = (0.5, half.ridge[u], block)
        want = block_by_block(before, row, y, *how) if row.any() else 0 * after
        assert np.allclose(after, want, atol=2e-5)


@pytest.mark.parametrize("factors", [1, 3, 16, 37])
def test_a_half_epoch_by_cholesky_is_exact(factors):
    dense, half, _, x, y = problem(columns=40, factors=factors, density=0.2, nu=0.3)
    got = half_epoch(x, y, half, als_exact)
    want = [solution(row, y, 0.5, p) for row, p in zip(dense, half.ridge, strict=True)]
    assert np.allclose(got, want, atol=2e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rows_can_be_drawn_by_more_than_their_pairs(solver):
    dense, half, _, x, y = problem()
    rng = np.random.default_rng(7)
    root = rng.standard_normal((6, 6))
    right = rng.standard_normal((30, 6)).astype(np.float32)
    how = {als: {"steps": 40, "close": 0}, als_blocks: {"block": 6}, als_exact: {}}[solver]
    got = half_epoch(x, y, half, solver, pull=als.Pull(root @ root.T, right), **how)
    for row, also, after in zip(dense, right, got, strict=True):
        a, b = normal_equations(row, y, 0.5, 3.0)
        want = np.linalg.solve(a + root @ root.T, b + also) if row.any() else 0 * after
        assert np.allclose(after, want, atol=1e-4)


def test_turning_the_axes_changes_no_product(monkeypatch):
    _, half, _, x, y = problem()
    answers = []
    for rows_at_a_time in (7, 1000):
        monkeypatch.setattr(als, "AT_ONCE", rows_at_a_time)
        solved, fixed = x.copy(), y.copy()
        als.half_epoch(solved, fixed, half, steps=0)
        met = np.diff(half.weights.indptr) > 0
        assert np.allclose(solved[met] @ fixed.T, x[met] @ y.T, atol=1e-5)
        assert np.allclose(fixed.T @ fixed, np.diag(np.sum(fixed**2, axis=0)), atol=1e-4)
        answers.append(solved)
    assert np.allclose(*answers, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_long_rows_are_solved_the_same(solver):
    columns = als.GATHERED + 100
    rng = np.random.default_rng(4)
    dense = np.ones((3, columns))
    dense[1, als.GATHERED - 1 :] = 0  # One below, one at, one above the limit.
    dense[2, als.GATHERED :] = 0
    half, _ = als.halves(csr(dense), unobserved=0.4, l2=0.5, nu=0.0)
    y = rng.standard_normal((columns, 5)).astype(np.float32) / 20
    how = {als: {"steps": 20, "close": 0}, als_blocks: {"block": 5}, als_exact: {}}[solver]
    got = half_epoch(np.zeros((3, 5), np.float32), y, half, solver, **how)
    assert np.allclose(got, [solution(row, y, 0.4, 0.5) for row in dense], atol=1e-5)


def test_enough_steps_reach_the_exact_solution_from_anywhere():
    _, half, _, x, y = problem()
    exact = als_exact.fold_in(half.weights, y, 0.5 * als.gram(y), half.ridge.astype(float))
    assert np.allclose(half_epoch(x, y, half, steps=30, close=0), exact, atol=1e-4)
    near = half_epoch(x, y, half, steps=30)
    assert 1e-4 < np.abs(near - exact).max() < 0.1
    assert np.allclose(half_epoch(exact.astype(np.float32), y, half), exact, atol=1e-5)
    for block in (2, 5):
        at_rest = half_epoch(exact.astype(np.float32), y, half, als_blocks, block=block)
        assert np.allclose(at_rest, exact, atol=1e-5)


@pytest.mark.parametrize("nu", [0.0, 0.8])
def test_the_loss_counts_every_pair(nu):
    dense, by_row, by_column, x, y = problem(unobserved=0.3, l2=0.7, nu=nu)
    assert als.loss(x, y, by_row, by_column) == pytest.approx(
        objective(x, y, dense, 0.3, 0.7, nu), rel=1e-5
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_half_epoch_makes_the_loss_worse(solver):
    _, by_row, by_column, x, y = problem(unobserved=0.3, l2=0.3, nu=0.5)
    losses = [als.loss(x, y, by_row, by_column)]
    for _ in range(4):
        solver.half_epoch(x, y, by_row)
        losses.append(als.loss(x, y, by_row, by_column))
        solver.half_epoch(y, x, by_column)
        losses.append(als.loss(x, y, by_row, by_column))
    assert np.all(np.diff(losses) <= 1e-6)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("pairs_pull", [False, True])
def test_other_right_hand_sides_can_be_solved_for(pairs_pull):
    dense, half, _, x, y = problem()
    got = als_exact.fold_in(
        half.weights, y, 5.0 * als.gram(y), np.full(30, 2.0), right=x, pairs_pull=pairs_pull
    )
    for row, right, solved in zip(dense, x, got, strict=True):
        a, b = normal_equations(row, y, 5.0, 2.0)
        assert np.allclose(solved, np.linalg.solve(a, right + pairs_pull * b), rtol=1e-7)


@pytest.mark.parametrize("rows", [0, 1, als.FEW, als.FEW + 1])
def test_products_are_the_same_however_few(rows):
    _, _, _, x, y = problem(factors=13)
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
    got = als_exact.fold_in(weights, y, als.gram(y), np.array([1e-6]))[0]
    want = solution(weights.to_scipy().toarray()[0], y, 1.0, 1e-6)
    assert np.allclose(got, want, rtol=1e-5)


def test_threads_change_no_bit():
    _, by_row, by_column, x, y = problem(300, 120, 12, 0.1, unobserved=0.3, l2=0.7)
    answers = []
    for threads in (1, 2, 7):
        found = []
        for solver in SOLVERS:
            solved, fixed = x.copy(), y.copy()
            solver.half_epoch(solved, fixed, by_row, threads=threads)
            found += [solved.tobytes(), als.loss(solved, fixed, by_row, by_column, threads=threads)]
        ridge = by_row.ridge.astype(float)
        folded = als_exact.fold_in(by_row.weights, y, als.gram(y), ridge, threads=threads)
        answers.append((*found, folded.tobytes()))
    assert answers[0] == answers[1] == answers[2]


def test_read_only_arrays_compile_nothing_new():
    _, half, _, _, y = problem()
    common, ridge = als.gram(y), half.ridge.astype(float)
    als_exact.fold_in(half.weights, y, common, ridge)
    before = len(als_exact._cholesky.signatures)
    for array in (half.weights.indptr, half.weights.indices, half.weights.data, y, common, ridge):
        array.setflags(write=False)
    als_exact.fold_in(half.weights, y, common, ridge)
    assert len(als_exact._cholesky.signatures) == before
