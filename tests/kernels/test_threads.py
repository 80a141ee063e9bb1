"""Every row is done once, whatever the number of threads, and a failure is not swallowed."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.kernels.csr import CSR
from penchant.kernels.products import dense_sparse, sparse_dense, sparse_sparse
from penchant.kernels.threads import available, boundaries, run

WORK = st.lists(st.integers(0, 1000), max_size=40).map(
    lambda sizes: np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
)


@given(WORK, st.integers(1, 50), st.integers(0, 2**40))
def test_blocks_cover_all_rows_in_order(work, blocks, start):
    cuts = boundaries(work + start, blocks)
    rows = len(work) - 1
    assert cuts.tolist() == sorted(set(cuts.tolist()))
    assert cuts[0] == 0
    assert cuts[-1] == rows
    assert len(cuts) - 1 <= max(blocks, 1)


@given(st.lists(st.integers(0, 5), min_size=100, max_size=400), st.integers(2, 10))
def test_blocks_cost_about_the_same(sizes, blocks):
    work = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    cost = work + np.arange(len(work))
    cuts = boundaries(work, blocks)
    assert np.diff(cost[cuts]).max() <= cost[-1] / blocks + 6 + 6


@pytest.mark.parametrize("threads", [1, 2, 8, 100])
@pytest.mark.parametrize("work", [0, 1, 7, np.array([0, 5, 5, 900, 901], np.int64)], ids=str)
def test_every_row_is_done_once(threads, work):
    rows = work if isinstance(work, int) else len(work) - 1
    done = np.zeros(rows, int)
    lock = threading.Lock()

    def kernel(lo, hi, out, amount):
        with lock:
            out[lo:hi] += amount

    run(kernel, work, done, 3, threads=threads)
    assert (done == 3).all()


def test_one_thread_runs_in_the_caller():
    seen = []
    run(lambda lo, hi: seen.append(threading.get_ident()), 10, threads=1)
    assert seen == [threading.get_ident()]


@pytest.mark.parametrize("work", [10, np.array([3, 5, 8, 13], np.int64)], ids=str)
def test_little_work_runs_in_the_caller(work):
    for least, alone in ((10, False), (11, True)):
        seen = []
        run(lambda lo, hi, seen: seen.append((lo, hi)), work, seen, threads=2, least=least)
        assert (len(seen) == 1) == alone


@pytest.mark.parametrize("threads", [1, 4])
def test_a_failure_in_any_block_is_raised(threads):
    def kernel(lo, hi):
        if lo <= 37 < hi:
            raise ValueError("row 37")

    with pytest.raises(ValueError, match="row 37"):
        run(kernel, 100, threads=threads)


@pytest.mark.parametrize(("text", "threads"), [("3", 3), ("16", 16)])
def test_the_environment_sets_the_threads(monkeypatch, text, threads):
    monkeypatch.setenv("PENCHANT_THREADS", text)
    assert available() == threads


@pytest.mark.parametrize("text", ["", "0", "many", "-2"])
def test_without_a_number_all_cores_are_used(monkeypatch, text):
    monkeypatch.setenv("PENCHANT_THREADS", text)
    assert 1 <= available() <= (os.cpu_count() or 1)


def test_systems_that_cannot_say_which_cores_are_ours(monkeypatch):
    monkeypatch.delenv("PENCHANT_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert available() == 3


def random_sparse(rng, rows, columns, entries):
    return CSR.from_pairs(
        rng.integers(0, rows, entries), rng.integers(0, columns, entries),
        rng.normal(size=entries), (rows, columns),
    )  # fmt: skip


def test_products_are_the_same_bit_for_bit_with_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    left, right = random_sparse(rng, 300, 200, 20_000), random_sparse(rng, 200, 150, 9_000)
    wide = rng.normal(size=(200, 150)).astype(np.float32)
    tall = rng.normal(size=(150, 200)).astype(np.float32)
    found = []
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("PENCHANT_THREADS", threads)
        answers = sparse_dense(left, wide), dense_sparse(tall, right), sparse_sparse(left, right)
        found.append([a.tobytes() for a in answers])
    assert found[0] == found[1] == found[2]


def test_several_callers_at_once_do_not_disturb_each_other(monkeypatch):
    monkeypatch.setenv("PENCHANT_THREADS", "4")
    rng = np.random.default_rng(1)
    left, right = random_sparse(rng, 300, 200, 20_000), random_sparse(rng, 200, 150, 9_000)
    expected = sparse_sparse(left, right).tobytes()
    answers = [b""] * 8

    def ask(n):
        answers[n] = sparse_sparse(left, right).tobytes()

    callers = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert answers == [expected] * 8
