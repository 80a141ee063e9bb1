import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naive_pairwise import bound, logistic_loss, logistic_row
from penchant.kernels import logistic
from penchant.kernels.csr import CSR

HOW = {"alpha": 2.0, "l2": 0.7, "t": 1.3}


def problem(users=30, items=20, factors=6, share=0.2, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((users, items)) < share, rng.integers(1, 4, (users, items)), 0)
    dense[3] = 0
    rows, columns = np.nonzero(dense)
    x = CSR.from_pairs(rows, columns, dense[rows, columns], dense.shape)
    people, vectors = (0.5 * rng.standard_normal((n, factors), np.float32) for n in dense.shape)
    people[3] = 0
    return dense, x, people, vectors


def test_enough_steps_solve_each_row():
    dense, x, people, items = problem()
    want = [
        logistic_row(row, w, items, 2.0, 0.7, 1.3, -1) if w.any() else 0 * row
        for row, w in zip(people.astype(float), dense, strict=True)
    ]
    logistic.half_epoch(people, items, x, held=-1, steps=30, **HOW)
    assert np.allclose(people, want, atol=1e-4)


def test_the_loss_is_the_bound_on_the_objective():
    dense, x, people, items = problem()
    got = logistic.loss(people, items, x, pairs=dense.size, **HOW)
    assert got == pytest.approx(logistic_loss(dense, people, items, 2.0, 0.7, 1.3), rel=1e-6)


def test_every_half_lowers_the_bound():
    dense, x, people, items = problem()
    told = []
    for _ in range(6):
        for solved, fixed, weights, held in (
            (people, items, x, -1), (items, people, x.transposed(), -2),
        ):  # fmt: skip
            t = logistic.spread(people, items, dense.size)
            told.append(logistic.loss(people, items, x, alpha=2.0, l2=0.7, t=t, pairs=dense.size))
            logistic.half_epoch(solved, fixed, weights, alpha=2.0, l2=0.7, t=t, held=held, steps=5)
    assert all(b < a for a, b in pairwise(told))


def test_the_shared_bound_touches_where_it_is_least():
    dense, x, people, items = problem()
    t = logistic.spread(people, items, dense.size)
    assert t == pytest.approx(np.sqrt(np.mean((people.astype(float) @ items.T.astype(float)) ** 2)))
    at = {
        s: logistic.loss(people, items, x, alpha=2.0, l2=0.7, t=s, pairs=dense.size)
        for s in (t / 2, t, 2 * t)
    }
    # Of all pairs as one; those met are left out of the bound, which moves the least place little.
    assert at[t] < at[t / 2]
    assert at[t] < at[2 * t]


@given(st.floats(-8, 8), st.floats(0.01, 8))
def test_the_bound_is_one(s, t):
    assert bound(s, t) >= math.log(1 + math.exp(s)) - 1e-9
    assert bound(t, t) == pytest.approx(math.log(1 + math.exp(t)))
    assert logistic.curvature(t) == pytest.approx(math.tanh(t / 2) / (4 * t))


def test_threads_change_no_bit():
    _, x, people, items = problem(300, 120, 18, 0.1)
    answers = set()
    for threads in (1, 2, 7):
        solved = people.copy()
        logistic.half_epoch(solved, items, x, held=-1, threads=threads, **HOW)
        lost = logistic.loss(solved, items, x, pairs=36000, threads=threads, **HOW)
        answers.add((solved.tobytes(), lost))
    assert len(answers) == 1
