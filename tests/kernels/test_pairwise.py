import numpy as np
import pytest

from naive_pairwise import epoch
from penchant.kernels import pairwise
from penchant.kernels.csr import CSR
from penchant.kernels.threads import boundaries


def table(users=40, items=530, each=8, seed=0):
    """Enough rows and columns for two blocks of each."""
    met = np.zeros((users, items), int)
    rng = np.random.default_rng(seed)
    for row in met:
        row[rng.choice(items, rng.integers(0, each), replace=False)] = 1
    return met


def csr(met):
    rows, columns = np.nonzero(met)
    return CSR.from_pairs(rows, columns, None, met.shape)


def start(met, factors=5, seed=1):
    rng = np.random.default_rng(seed)
    users, items = (rng.standard_normal((n, factors), np.float32) for n in met.shape)
    biases = 0.1 * rng.standard_normal(met.shape[1], np.float32)
    return pairwise.Vectors(users, items, biases)


HOW = [
    {"draws": 1},
    {"draws": 4, "biased": True},
    {"draws": 6, "ranked": True},
    {"draws": 3, "ranked": True, "biased": True},
]


@pytest.mark.parametrize("how", HOW)
def test_an_epoch_is_its_steps_one_by_one(how):
    met = table()
    x, vectors = csr(met), start(met)
    assert pairwise.blocks_of(x) == 2
    naive = [part.astype(float) for part in vectors]
    losses = epoch(
        met, *naive, np.random.default_rng(7), 2, boundaries(x.indptr, 2), 0.1, 0.02,
        how["draws"], how.get("ranked", False), how.get("biased", False),
    )  # fmt: skip
    lost = pairwise.epoch(x, vectors, np.random.default_rng(7), rate=0.1, l2=0.02, told=True, **how)
    for got, want in zip(vectors, naive, strict=True):
        assert np.allclose(got, want, atol=1e-4)
    assert lost == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("how", HOW)
def test_threads_change_no_bit(how):
    met = table(users=90, items=1200, each=30)
    answers = set()
    for threads in (1, 2, 7):
        vectors, rng = start(met, 16), np.random.default_rng(3)
        lost = [
            pairwise.epoch(csr(met), vectors, rng, rate=0.1, l2=0.1, told=True, threads=threads,
                           **how)
            for _ in range(3)
        ]  # fmt: skip
        answers.add((str(lost), *(part.tobytes() for part in vectors)))
    assert len(answers) == 1


def test_one_step_by_hand():
    vectors = pairwise.Vectors(
        np.array([[2.0, 0.0], [0.0, 0.0]], np.float32),
        np.array([[1.0, 1.0], [1.0, -1.0]], np.float32),
        np.zeros(2, np.float32),
    )
    met = CSR.from_pairs([0, 1, 1], [0, 0, 1], None, (2, 2))  # The second met all: no steps.
    lost = pairwise.epoch(
        met, vectors, np.random.default_rng(0), rate=0.5, l2=0.1, draws=1, told=True
    )
    # s = 0, g = 1/2: x + .5 (.5 (0, 2) - .1 x), y_i + .5 (.5 x - .1 y_i), y_j - .5 (.5 x + .1 y_j)
    assert np.allclose(vectors.users, [[1.9, 0.5], [0, 0]])
    assert np.allclose(vectors.items, [[1.45, 0.95], [0.45, -0.95]])
    assert lost == pytest.approx(np.log(2))


def test_the_loss_is_told_only_when_asked_and_of_something():
    met = table()
    rng = np.random.default_rng(0)
    assert np.isnan(pairwise.epoch(csr(met), start(met), rng, rate=0.1, l2=0.0, draws=1))
    full = np.ones((3, 2), int)
    vectors = start(full)
    before = [part.copy() for part in vectors]
    assert np.isnan(pairwise.epoch(csr(full), vectors, rng, rate=0.1, l2=0.1, draws=1, told=True))
    assert all(np.array_equal(a, b) for a, b in zip(vectors, before, strict=True))


def test_far_apart_is_no_overflow():
    vectors = pairwise.Vectors(
        np.array([[1e3], [0.0]], np.float32),
        np.array([[-1e3], [1e3]], np.float32),
        np.zeros(2, np.float32),
    )
    met = CSR.from_pairs([0, 1], [0, 1], None, (2, 2))
    lost = pairwise.epoch(
        met, vectors, np.random.default_rng(0), rate=1e-6, l2=0.0, draws=1, told=True
    )
    assert lost == pytest.approx((2e6 + np.log(2)) / 2)
    assert all(np.isfinite(part).all() for part in vectors)
