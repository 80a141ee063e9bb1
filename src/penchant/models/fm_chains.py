"""The chains of BayesianFM, in step, and the samples kept of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from penchant.kernels.csr import CSR
from penchant.kernels.gibbs import Block, Chain, Part
from penchant.kernels.placing import Samples
from penchant.kernels.probit import Cuts

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


class Plan(Protocol):
    """How often to draw, and what to keep: fields of BayesianFM."""

    factors: int
    sweeps: int
    warm_up: float
    chains: int
    samples: int
    rated: bool
    levels_: NDArray[np.float32]


class Chains:
    """Several chains on the same ratings.

    Parameters
    ----------
    plan : how often to draw, and what to keep.
    values : (ratings,) numbers, or levels from 0.
    blocks : people, items, perhaps circumstances with vectors, perhaps sessions without.
    people, items : the designs behind the first two blocks, a row each.
    rng : each chain gets its own stream of it.
    """

    def __init__(
        self,
        plan: Plan,
        values: Vectors,
        blocks: Sequence[Block],
        people: CSR,
        items: CSR,
        rng: np.random.Generator,
    ) -> None:
        self._chains = [
            _OneChain(plan, values, blocks, people, items, one) for one in rng.spawn(plan.chains)
        ]
        each = math.ceil(plan.samples / plan.chains)
        first = min(1 + int(plan.warm_up * plan.sweeps), plan.sweeps)
        self._due = set(np.linspace(first, plan.sweeps, each).round().astype(int).tolist())
        self._first = first

    def sweep(self, number: int, pool: Executor) -> None:
        """Draw everything once in each chain, sweep ``number`` from 1, and keep what is due."""
        settled, due = number >= self._first, number in self._due
        for done in [pool.submit(c.sweep, settled=settled, due=due) for c in self._chains]:
            done.result()

    def error(self) -> float:
        """Return the root mean square of what the weights of now leave of the training ratings."""
        squares = [np.mean(c.chain.left**2) for c in self._chains]
        return float(np.sqrt(np.mean(squares)))

    def samples(self) -> tuple[Samples, Vectors]:
        """Return what was kept, or what is drawn now if nothing was.

        Beside the samples stands, (f + 1, S), what the set that a person rated adds on average.
        """
        kept = [one for c in self._chains for one in c.kept or [c.taken()]]
        columns = list(zip(*kept, strict=True))
        *parts, average = (np.ascontiguousarray(np.stack(column, axis=-1)) for column in columns)
        return Samples(*parts), average


class _OneChain:
    """A chain, the hidden numbers of ordered ratings, and its samples."""

    def __init__(
        self,
        plan: Plan,
        values: Vectors,
        blocks: Sequence[Block],
        people: CSR,
        items: CSR,
        rng: np.random.Generator,
    ) -> None:
        self.rng, self.plan = rng, plan
        self.mean = 0.0 if len(plan.levels_) else float(values.mean(dtype=np.float64))
        self.cuts: Cuts | None = None
        target: Floats = values.astype(np.float64) - self.mean
        if len(plan.levels_):
            self.cuts = Cuts(values.astype(np.int64), len(plan.levels_))
            target = self.cuts.hidden
        self.chain = Chain(blocks, target, plan.factors, rng)
        self.items = items.to_scipy().astype(np.float64)
        self.squares = self.items.power(2)
        n_users, n_items = people.shape[0], items.shape[0]
        self.sets = n_items if plan.rated else 0
        self.who, self.what = _with_sets(people, n_items), _with_sets(items, n_users)
        self.kept: list[tuple[NDArray[np.floating], ...]] = []

    def sweep(self, *, settled: bool, due: bool) -> None:
        if self.cuts is not None:
            self.cuts.draw(self.chain.left, self.rng, adapt=not settled)
        self.chain.sweep(noisy=self.cuts is None)
        if due:
            self.kept.append(self.taken())

    def taken(self) -> tuple[NDArray[np.floating], ...]:
        """Return the parts of one sample, in the order of ``Samples``, and the average set."""
        people, items, *others = self.chain.parts
        features = _stacked(people)
        n_users = people.block.features.columns
        rated = self.sets
        contexts = [p for p in others if p.block.crossed]
        moods = [p for p in others if not p.block.crossed]
        vectors = self.items @ items.vectors.T
        bias = self.items @ items.weights
        bias += 0.5 * ((vectors**2).sum(axis=1) - self.squares @ (items.vectors**2).sum(axis=0))
        sides = np.column_stack([vectors, bias]).astype(np.float32)
        nobody = np.bincount(items.block.at, minlength=len(sides)) == 0
        if self.plan.rated and nobody.any():
            sides[nobody] = with_average(sides[nobody], _average(self.what, items))
        average = np.zeros(features.shape[1], np.float32)
        if self.plan.rated:
            average = _average(self.who, people)
        own = np.stack([np.roll(people.mean[:, 0], -1), np.roll(people.precision[:, 0], -1)])
        mood = np.array([0.0, 1.0])
        for part in moods:
            mood = np.array([part.mean[0, 0], part.precision[0, 0]])
        return (
            sides,
            features[n_users : n_users + rated],
            features[n_users + rated :],
            _stacked(contexts[0]) if contexts else features[:0],
            own,
            mood,
            np.array(self.chain.intercept + self.mean),
            np.array(self.chain.precision),
            np.zeros(0) if self.cuts is None else self.cuts.at.copy(),
            average,
        )


def with_average(sides: Vectors, average: Vectors) -> Vectors:
    """Return (n, f + 1, ...) vectors and biases of who has no set, the average put to each.

    An empty set is not what nothing known looks like: nobody in training had one. How much a set
    adds on average cannot be told from the intercept, so that each chain has its own idea of it.
    """
    bias = sides[:, -1] + average[-1] + (sides[:, :-1] * average[:-1]).sum(axis=1)
    return np.concatenate([sides[:, :-1] + average[:-1], bias[:, None]], axis=1)


def _with_sets(design: CSR, width: int) -> csr_array:
    """Return who it is and the set, the first columns of a design, of rows with a set."""
    n = design.shape[0]
    whole = design.to_scipy().astype(np.float64)
    sets = whole[:, n : n + width]
    return whole[:, : n + width][np.diff(sets.indptr) > 0]


def _average(known: csr_array, part: Part) -> Vectors:
    """Return (f + 1,) what a set adds on average to whose own weight and vector are their mean."""
    own = _stacked(part)[: known.shape[1]]
    usual = np.roll(part.mean[:, 0], -1)
    vectors = known @ own[:, :-1]
    squares = known.power(2) @ (own[:, :-1] ** 2).sum(axis=1)
    bias = known @ own[:, -1] + 0.5 * ((vectors**2).sum(axis=1) - squares)
    vector = vectors.mean(axis=0) - usual[:-1]
    return np.append(vector, bias.mean() - usual[-1] - vector @ usual[:-1]).astype(np.float32)


def _stacked(part: Part) -> Vectors:
    """Return (features, f + 1) vectors with weights behind them."""
    return np.vstack([part.vectors, part.weights[None]]).T.astype(np.float32)
