"""Gibbs sampling for factorization machines over blocks of features.

An event n is described by one row of each block: one row of the people's block says who it was, one
of the items' block what it was about. Its prediction is that of a factorization machine (Rendle,
"Factorization Machines", ICDM 2010, eq. 1) on all its features x together::

    y = w0 + sum_f w_f x_f + sum_{f < g} <v_f, v_g> x_f x_g
      = w0 + sum_f w_f x_f + 1/2 sum_k (q_k^2 - s_k)
    q_k = sum_f v_fk x_f,   s_k = sum_f (v_fk x_f)^2

Every weight is normal given the rest (Freudenthaler, Schmidt-Thieme and Rendle, "Bayesian
Factorization Machines", 2011). The derivative of y by v_fk is ``h = x_f (q_k - x_f v_fk)``; with
its part d from the row's own block and o from the other blocks, ``h = x_f (d + o)``. Where many
events share a row, their sums of 1, o, o^2, e and e o are all that a feature of the row needs
(Rendle, "Scaling Factorization Machines to Relational Data", VLDB 2013, section 4): a sweep costs
as much as the events and the entries of the blocks added up, not multiplied.

Everything is in 64 bits. Each weight depends on those drawn before it, so a chain has no threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR

Floats = NDArray[np.float64]

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}

Q, COUNT, REST, REST2, ERROR, ERROR_REST, A, B = range(8)
"""What is known of a row of a block, in one cache line: q, the number of its events, the sums of o,
o^2, e and e o over them, and what changed: e loses A + B o."""


@dataclass(frozen=True, eq=False)
class Block:
    """Features that whole groups of events share.

    Parameters
    ----------
    at : (events,) int32, the row of each event.
    features : features x rows, the design matrix by columns.
    group : (features,) int64, ascending from 0: the features of a group share a prior.
    crossed : whether features have vectors besides weights.
    """

    at: NDArray[np.int32]
    features: CSR
    group: NDArray[np.int64]
    crossed: bool = True

    def counts(self) -> NDArray[np.int64]:
        """Return (rows,) the number of events that share each row."""
        return np.bincount(self.at, minlength=self.features.columns)

    def starts(self) -> NDArray[np.int64]:
        """Return (rows + 1,) where each row's events begin, or (0,) if they stand apart."""
        if np.any(self.at[1:] < self.at[:-1]):
            return np.zeros(0, np.int64)
        return np.concatenate([[0], np.cumsum(self.counts())])


class Part:
    """The weights and vectors of one block, their prior, and what the kernels keep of it.

    The prior of each group's weights, and of each of its vectors' components, is normal with a mean
    and a precision, ``mean`` and ``precision`` of shape (1 + factors, groups), weights first.
    """

    def __init__(self, block: Block, factors: int, rng: np.random.Generator) -> None:
        self.block = block
        n, rows = len(block.group), block.features.columns
        self.weights = np.zeros(n)
        self.vectors = 0.1 * rng.standard_normal((factors if block.crossed else 0, n))
        f = block.features
        self.matrix = f.indptr, f.indices, f.data
        self.starts = block.starts()
        self.known = np.zeros((rows, 8))
        self.known[:, COUNT] = block.counts()
        self.sums = np.zeros((len(self.vectors), rows))
        for vector, total in zip(self.vectors, self.sums, strict=True):
            _product(*self.matrix, vector, total)
        self.sizes = np.bincount(block.group)
        self.first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.mean = np.zeros((1 + len(self.vectors), len(self.sizes)))
        self.precision = np.ones_like(self.mean)

    def draw_prior(self, rng: np.random.Generator) -> None:
        """Draw precisions, then means (Freudenthaler et al., section 3.2), given the weights."""
        both = np.vstack([self.weights[None], self.vectors])
        apart = both - self.mean[:, self.block.group]
        spread = np.add.reduceat(apart * apart, self.first, axis=1) + self.mean**2
        shape = np.broadcast_to((2 + self.sizes) / 2, spread.shape)
        self.precision = rng.gamma(shape, 2 / (1 + spread))
        deviation = 1 / np.sqrt((1 + self.sizes) * self.precision)
        self.mean = np.add.reduceat(both, self.first, axis=1) / (1 + self.sizes)
        self.mean += deviation * rng.standard_normal(deviation.shape)

    def prior(self, k: int) -> tuple[Floats, Floats]:
        """Return mean and precision of each feature's weight (0) or component ``k - 1``."""
        return self.mean[k][self.block.group], self.precision[k][self.block.group]


class Chain:
    """One Markov chain: the weights of every block, and what they leave of each event.

    Parameters
    ----------
    blocks : descriptions of the events.
    target : (events,) what is to be predicted.
    factors : length of the vectors.
    rng : where all draws come from.
    """

    def __init__(
        self, blocks: Sequence[Block], target: Floats, factors: int, rng: np.random.Generator
    ) -> None:
        self.rng = rng
        self.intercept, self.precision = 0.0, 1.0
        self.parts = [Part(block, factors, rng) for block in blocks]
        self.crossed = [part for part in self.parts if part.block.crossed]
        self.left = target.astype(np.float64)
        self._total = np.empty(len(target))
        for k in range(factors):
            self._add_up(k)
            self.left -= 0.5 * self._total**2
        for part in self.crossed:
            f, own = part.block.features, np.zeros(part.block.features.columns)
            _product(f.indptr, f.indices, f.data * f.data, (part.vectors**2).sum(axis=0), own)
            self.left += 0.5 * own[part.block.at]

    def _add_up(self, k: int) -> None:
        """Put q_k of each event into ``_total``."""
        self._total[:] = 0.0
        for part in self.crossed:
            _gather(part.block.at, part.sums[k], self._total)

    def sweep(self, *, noisy: bool = True) -> None:
        """Draw every weight once, given the rest.

        Parameters
        ----------
        noisy : whether the precision of the noise is drawn as well, or stays as it is.
        """
        rng, left = self.rng, self.left
        if noisy:
            self.precision = float(rng.gamma((1 + len(left)) / 2, 2 / (1 + np.sum(left * left))))
        exact = 1 + self.precision * len(left)
        mean = self.precision * (left.sum() + len(left) * self.intercept) / exact
        drawn = float(mean + rng.standard_normal() / np.sqrt(exact))
        left -= drawn - self.intercept
        self.intercept = drawn
        for part in self.parts:
            part.draw_prior(rng)
            z = rng.standard_normal(len(part.weights))
            _linear(left, part.block.at, part.known, *part.matrix, part.weights, *part.prior(0),
                    self.precision, z)  # fmt: skip
        for k in range(len(self.crossed[0].vectors)):
            self._add_up(k)
            for part in self.crossed:
                z = rng.standard_normal(len(part.weights))
                _factor(left, self._total, part.block.at, part.starts, part.known, part.sums[k],
                        *part.matrix, part.vectors[k], *part.prior(k + 1), self.precision,
                        z)  # fmt: skip


@njit(nogil=True, cache=True)
def _product(indptr, rows, values, weights, out):  # type: ignore[no-untyped-def]
    for f in range(len(indptr) - 1):
        for p in range(indptr[f], indptr[f + 1]):
            out[rows[p]] += values[p] * weights[f]


@njit(nogil=True, cache=True)
def _gather(at, sums, total):  # type: ignore[no-untyped-def]
    for n in range(len(at)):
        total[n] += sums[at[n]]


@njit(nogil=True, cache=True, fastmath=FAST)
def _linear(  # type: ignore[no-untyped-def]
    left, at, known, indptr, rows, values, w, mean, precision, alpha, z
):
    for r in range(len(known)):
        known[r, ERROR] = 0.0
        known[r, A] = 0.0
    for n in range(len(at)):
        known[at[n], ERROR] += left[n]
    for f in range(len(w)):
        xx, xe = 0.0, 0.0
        for p in range(indptr[f], indptr[f + 1]):
            row, x = known[rows[p]], float(values[p])
            xx += x * x * row[COUNT]
            xe += x * row[ERROR]
        exact = precision[f] + alpha * xx
        new = (precision[f] * mean[f] + alpha * (xe + w[f] * xx)) / exact + z[f] / np.sqrt(exact)
        step = new - w[f]
        w[f] = new
        for p in range(indptr[f], indptr[f + 1]):
            row, move = known[rows[p]], step * values[p]
            row[ERROR] -= move * row[COUNT]
            row[A] += move
    for n in range(len(at)):
        left[n] -= known[at[n], A]


@njit(nogil=True, cache=True, fastmath=FAST)
def _factor(  # type: ignore[no-untyped-def]
    left, total, at, starts, known, sums, indptr, rows, values, v, mean, precision, alpha, z
):
    for r in range(len(known)):
        known[r, Q] = sums[r]
        known[r, REST:] = 0.0
    for r in range(len(starts) - 1):  # sums over events that stand together stay in registers
        own, so, soo, se, seo = sums[r], 0.0, 0.0, 0.0, 0.0
        for n in range(starts[r], starts[r + 1]):
            o = total[n] - own
            so += o
            soo += o * o
            se += left[n]
            seo += left[n] * o
        known[r, REST], known[r, REST2], known[r, ERROR], known[r, ERROR_REST] = so, soo, se, seo
    for n in range(0 if len(starts) else len(at)):
        row = known[at[n]]
        o = total[n] - row[Q]
        row[REST] += o
        row[REST2] += o * o
        row[ERROR] += left[n]
        row[ERROR_REST] += left[n] * o
    for f in range(len(v)):
        hh, he, old = 0.0, 0.0, v[f]
        for p in range(indptr[f], indptr[f + 1]):
            row, x = known[rows[p]], float(values[p])
            d = row[Q] - x * old
            hh += x * x * (d * (d * row[COUNT] + 2.0 * row[REST]) + row[REST2])
            he += x * (d * row[ERROR] + row[ERROR_REST])
        exact = precision[f] + alpha * hh
        new = (precision[f] * mean[f] + alpha * (he + old * hh)) / exact + z[f] / np.sqrt(exact)
        step = new - old
        v[f] = new
        for p in range(indptr[f], indptr[f + 1]):
            row, x = known[rows[p]], float(values[p])
            d, move = row[Q] - x * old, x * step
            row[Q] += move
            row[ERROR] -= move * (d * row[COUNT] + row[REST])
            row[ERROR_REST] -= move * (d * row[REST] + row[REST2])
            row[A] += move * d
            row[B] += move
    for n in range(len(at)):
        row, o = known[at[n]], total[n] - sums[at[n]]
        left[n] -= row[A] + row[B] * o
        total[n] += row[B]
    for r in range(len(known)):
        sums[r] = known[r, Q]
