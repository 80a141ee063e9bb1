"""Stochastic steps on pairs of items, one met and one not: BPR and WARP, the same on any threads.

A person's vector x should meet that of an item i they met with a larger product than that of an
item j they did not meet. For one such triple, with s = x . (y_i - y_j) + b_i - b_j, a step is::

    x   += rate (g (y_i - y_j) - l2 x)
    y_i += rate (g x - l2 y_i)          b_i += rate (g - l2 b_i)
    y_j += rate (-g x - l2 y_j)         b_j += rate (-g - l2 b_j)

with g = 1 / (1 + e^s) for BPR (Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian
Personalized Ranking from Implicit Feedback", UAI 2009, figure 4), where j is a random item, or the
one with the largest product of a few (Zhang, Chen, Wang and Yu, "Optimizing Top-N Collaborative
Filtering via Dynamic Negative Item Sampling", SIGIR 2013). For WARP (Weston, Bengio and Usunier,
"WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI 2011) j is the first random item
that comes within 1 of i. If it took t draws, i's rank is about (items - 1) / t, and g the logarithm
of that, here divided by that of the number of items.

Threads that take steps on the same vectors would race, and each run give another model. So an epoch
is cut into strata (Gemulla, Nijkamp, Haas and Sismanis, "Large-Scale Matrix Factorization with
Distributed Stochastic Gradient Descent", KDD 2011): people fall into as many blocks as items, and
in turn t block b of the people meets block b + t of the items, in which j is drawn too. Blocks in
one turn share no vector, so that any number of threads does the same. Items are dealt into other
blocks in each epoch, so that all meet all; and a block of item vectors fits the processor's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import boundaries, run

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
APART = 256
"""Elements kept free around a scratch vector; see als.APART."""
TRIES = 20
"""Draws in vain, of what was met, before a person who met almost all of a block is let go."""
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Vectors(NamedTuple):
    """What is learned: vectors (rows, f) float32, and the items' biases (items,) float32."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    biases: NDArray[np.float32]


def blocks_of(met: CSR) -> int:
    """Return how many blocks people and items are cut into, from the size of the table alone."""
    return int(max(1, min(16, met.columns // 128, met.shape[0] // 16)))


def epoch(
    met: CSR,
    vectors: Vectors,
    rng: np.random.Generator,
    *,
    rate: float,
    l2: float,
    draws: int,
    ranked: bool = False,
    biased: bool = False,
    told: bool = False,
    threads: int | None = None,
) -> float:
    """Take one step for each met pair, changing the vectors in place.

    Parameters
    ----------
    met : users x items, the met pairs; their weights are not read.
    vectors : what is learned. It is quickest where f is a multiple of 16; zeros stay zeros.
    rng : gives the epoch's seed and the blocks of the items.
    rate : length of a step.
    l2 : pull towards zero.
    draws : for BPR, how many items not met are drawn for each step, which is taken with the
        hardest; for WARP, how many at most.
    ranked : WARP's steps instead of BPR's.
    biased : whether the items' biases learn too; if not they should be zero.
    told : whether to work out the loss, which costs time.
    threads : how many threads; the result does not depend on it.

    Returns
    -------
    The mean loss of the triples, before their steps: for BPR ``-ln sigmoid(s)``, for WARP
    ``g (1 - s)`` or 0; NaN if not ``told``, or if there was no triple.
    """
    blocks = blocks_of(met)
    block = np.empty(met.columns, np.int32)
    block[rng.permutation(met.columns)] = np.arange(met.columns) * blocks // met.columns
    pool = np.flatnonzero(np.bincount(met.indices, minlength=met.columns))
    members = pool[np.argsort(block[pool], kind="stable")].astype(np.int32)
    starts = np.searchsorted(block[members], np.arange(blocks + 1))
    counts = np.zeros((blocks, met.shape[0]), np.int64)
    run(_count, met.indptr, met.indptr, met.indices, block, counts, threads=threads)
    cuts = np.concatenate([[0], np.cumsum(counts)])
    at, entries = cuts[:-1].reshape(counts.shape).copy(), np.empty(met.nnz, np.int32)
    run(_deal, met.indptr, met.indptr, met.indices, block, at, entries, threads=threads)
    people = boundaries(met.indptr, blocks)
    lost = np.zeros((blocks, 2))
    seed = rng.integers(0, 2**64, dtype=np.uint64)
    for turn in range(blocks):
        run(
            _steps, len(people) - 1, turn, people, entries, cuts, members, starts, *vectors,
            seed, np.float32(rate), np.float32(l2), draws, ranked, biased, told, lost,
            threads=threads,
        )  # fmt: skip
    triples = lost[:, 1].sum()
    return float(lost[:, 0].sum() / triples) if told and triples else np.nan


@njit(nogil=True, cache=True)
def _count(lo, hi, indptr, indices, block, counts):  # type: ignore[no-untyped-def]
    for u in range(lo, hi):
        for n in range(indptr[u], indptr[u + 1]):
            counts[block[indices[n]], u] += 1


@njit(nogil=True, cache=True)
def _deal(lo, hi, indptr, indices, block, at, entries):  # type: ignore[no-untyped-def]
    for u in range(lo, hi):
        for n in range(indptr[u], indptr[u + 1]):
            b = block[indices[n]]
            entries[at[b, u]] = indices[n]
            at[b, u] += 1


@njit(nogil=True, cache=True, inline="always")
def _hashed(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True, cache=True, fastmath=FAST)
def _steps(  # type: ignore[no-untyped-def]
    lo, hi, turn, people, entries, cuts, members, starts, users, items, biases,
    seed, rate, l2, draws, ranked, biased, told, lost,
):  # fmt: skip
    factors = users.shape[1]
    blocks = len(starts) - 1
    x = np.empty(factors + 2 * APART, np.float32)[APART : APART + factors]
    mine = np.zeros(len(items) // 8 + 1, np.uint8)  # a bit for each item
    kept = np.float32(1) - rate * l2
    full = np.log(max(len(items), 2))
    for row in range(lo, hi):
        b = (row + turn) % blocks
        first, size = starts[b], np.uint64(starts[b + 1] - starts[b])
        for u in range(people[row], people[row + 1]):
            begin, end = cuts[b * len(users) + u], cuts[b * len(users) + u + 1]
            if begin == end:
                continue
            state = _hashed(seed + GOLDEN * np.uint64(u * blocks + b))
            for n in range(begin, end):
                mine[entries[n] >> 3] |= np.uint8(1 << (entries[n] & 7))
            for k in range(factors):
                x[k] = users[u, k]
            for n in range(begin, end):
                i = entries[n]
                yi = items[i]
                si = biases[i]
                for k in range(factors):
                    si += x[k] * yi[k]
                j, sj, tried = -1, np.float32(-np.inf), 0
                for _ in range(draws + TRIES):
                    state += GOLDEN
                    # The upper half of the hash, scaled to 0 <= place < size without a division.
                    place = ((_hashed(state) >> np.uint64(32)) * size) >> np.uint64(32)
                    c = members[first + np.int64(place)]
                    if mine[c >> 3] & (1 << (c & 7)):
                        continue
                    y = items[c]
                    s = biases[c]
                    for k in range(factors):
                        s += x[k] * y[k]
                    if s > sj:
                        j, sj = c, s
                    tried += 1
                    if tried == draws or (ranked and s > si - 1):
                        break
                if j < 0:
                    continue
                apart = si - sj
                lost[row, 1] += 1
                if ranked:
                    if apart >= 1:
                        continue
                    g = np.float32(np.log(max(1.0, (len(items) - 1) / tried)) / full)
                    lost[row, 0] += g * (1 - apart)
                else:
                    g = 1 / (1 + np.exp(apart))
                    if told:
                        # -ln sigmoid, so that neither end overflows.
                        lost[row, 0] += np.log1p(np.exp(-abs(apart))) + max(-apart, np.float32(0))
                step = rate * g
                yj = items[j]
                for k in range(factors):
                    xk, ik, jk = x[k], yi[k], yj[k]
                    x[k] = kept * xk + step * (ik - jk)
                    yi[k] = kept * ik + step * xk
                    yj[k] = kept * jk - step * xk
                if biased:
                    biases[i] = kept * biases[i] + step
                    biases[j] = kept * biases[j] - step
            for k in range(factors):
                users[u, k] = x[k]
            for n in range(begin, end):
                mine[entries[n] >> 3] = 0
