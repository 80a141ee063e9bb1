"""The sampler against one that predicts every event anew, from the same stream of chance."""

import numpy as np
import pytest

from naive_fm import NaiveChain
from penchant.kernels.csr import CSR
from penchant.kernels.gibbs import Block, Chain


def sparse(rng, rows, features):
    dense = np.where(rng.random((rows, features)) < 0.6, rng.standard_normal((rows, features)), 0)
    dense = dense.astype(np.float32)
    at = np.nonzero(dense)
    return dense, CSR.from_pairs(*at, dense[at], dense.shape)


def case(rng, *, third=None):
    """Events of 4 people on 5 items; ``third``: a block of circumstances, with vectors or not."""
    n = 14
    people, items = np.sort(rng.integers(0, 4, n)), rng.integers(0, 5, n)
    ats, sizes = [people, items], [(4, 6), (5, 4)]
    groups = [np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 1])]
    crossed = [True, True]
    if third is not None:
        ats.append(rng.integers(0, 3, n))
        sizes.append((3, 3))
        groups.append(np.array([0, 0, 0]))
        crossed.append(third)
    dense, blocks = [], []
    for at, size, group, on in zip(ats, sizes, groups, crossed):
        x, matrix = sparse(rng, *size)
        dense.append(x.astype(float)[at])
        blocks.append(Block(at.astype(np.int32), matrix.transposed(), group, crossed=on))
    return dense, blocks, groups, crossed, rng.standard_normal(n) + 1


@pytest.mark.parametrize("third", [None, True, False])
@pytest.mark.parametrize("noisy", [True, False])
def test_a_sweep_is_the_naive_sweep(third, noisy):
    dense, blocks, groups, crossed, y = case(np.random.default_rng(3), third=third)
    chain = Chain(blocks, y, 2, np.random.default_rng(7))
    naive = NaiveChain(dense, groups, crossed, y, 2, np.random.default_rng(7))
    for _ in range(3):
        chain.sweep(noisy=noisy)
        naive.sweep(noisy=noisy)
        np.testing.assert_allclose(chain.left, y - naive.predicted(), atol=1e-6)
        assert chain.precision == pytest.approx(naive.precision, rel=1e-6)
        assert chain.intercept == pytest.approx(naive.intercept, abs=1e-6)
        weights = np.concatenate([part.weights for part in chain.parts])
        np.testing.assert_allclose(weights, naive.weights, atol=1e-6)
        vectors = np.vstack([part.vectors.T for part in chain.crossed])
        np.testing.assert_allclose(vectors, naive.vectors[: len(vectors)], atol=1e-6)
    for part, mean, exact in zip(chain.parts, naive.mean, naive.exact):
        np.testing.assert_allclose(part.mean, mean, atol=1e-6)
        np.testing.assert_allclose(part.precision, exact, rtol=1e-6)


def test_the_order_of_events_does_not_matter():
    dense, blocks, _, _, y = case(np.random.default_rng(5))
    del dense
    mixed = np.random.default_rng(1).permutation(len(y))
    again = [Block(b.at[mixed], b.features, b.group) for b in blocks]
    assert len(again[0].starts()) == 0  # nobody's events stand together: the other way of adding up
    assert len(blocks[0].starts()) > 0
    one = Chain(blocks, y, 2, np.random.default_rng(7))
    other = Chain(again, y[mixed], 2, np.random.default_rng(7))
    for _ in range(3):
        one.sweep()
        other.sweep()
    np.testing.assert_allclose(one.left[mixed], other.left, atol=1e-6)


def test_weights_have_the_posterior_that_algebra_gives():
    """A linear model with everything but its weights fixed: mean and spread over many sweeps."""
    rng = np.random.default_rng(0)
    at = np.repeat(np.arange(5, dtype=np.int32), 8)
    one_hot = CSR.from_pairs(np.arange(5), np.arange(5), None, (5, 5))
    y = rng.standard_normal(40) + np.arange(5)[at]
    chain = Chain([Block(at, one_hot, np.zeros(5, np.int64), crossed=True)], y, 1, rng)
    drawn, noise = [], []
    for _ in range(3000):
        chain.sweep()
        noise.append(chain.precision**-0.5)
        drawn.append(chain.intercept + chain.parts[0].weights)
    means = np.array([y[at == g].mean() for g in range(5)])
    found = np.array(drawn[200:])
    # Groups 4 apart from end to end with 8 events each are hardly shrunk.
    np.testing.assert_allclose(found.mean(axis=0), means, atol=0.15)
    np.testing.assert_allclose(found.std(axis=0), np.mean(noise) / np.sqrt(8), rtol=0.1)
