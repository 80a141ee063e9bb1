"""GraphFilter: graph signal filters on who met what, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_dense, sparse_sparse, sparse_vector
from penchant.kernels.subspace import singular_vectors
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, OnEpoch, Recommender, Scores, alike, column_scores

BLOCK = 1 << 22
"""Numbers held at a time for people or items, of several askers."""


@dataclass(kw_only=True)
class GraphFilter(Recommender):
    """Filter a history as a signal on the graph of items: smooth parts pass, rough ones do not.

    With R the users x items weights, and D_U and D_I the sums of its rows and columns,

        R~ = D_U^-1/2 R D_I^-1/2        L = I - R~' R~
        scores of a history x:  x D_I^-b h(L) D_I^b + ideal x D_I^-c V V' D_I^c

    h is a low-pass filter: 1 at 0, the smoothest signal, 0 at 1, the roughest, and between them a
    plateau: ``h(t) = (1 - sign(u) |u|^flatness) / 2`` with u = 2 t - 1. V holds the first ``rank``
    right singular vectors of R~: the ideal filter passes those and nothing else. b is ``degree``,
    c is ``ideal_degree`` (b if None).

    These are the filters of ChebyCF (Kim, Sung, Han and Lee, "Graph Spectral Filtering with
    Chebyshev Interpolation for Recommendation", SIGIR 2025), which puts a polynomial of degree 8
    for h. Here h is exact along V and a straight line, s R~' R~, on what is left, whose values of
    R~' R~ are close to 0: two passes over the data instead of sixteen. GF-CF (Shen et al., "How
    Powerful is Graph Convolution for Recommendation?", CIKM 2021) has h(L) = R~' R~, and is
    ``GraphFilter(flatness=1.0, degree=0.0, ideal_degree=0.5, ideal=0.3, rank=256)``.

    Nothing is trained. The model holds R~, without the ids of whom its rows belong to and in no
    order of theirs, and V; never a matrix of items by items.

    Reads the history and its values. Items nobody met, and histories of no other, give NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.GraphFilter(rank=8).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    rank: int = hyper(
        128, "singular vectors to find, which the ideal filter passes", at_least=0,
        search=(16, 512), log=True,
    )  # fmt: skip
    flatness: float = hyper(
        10.0,
        "how flat the plateau of h is; 1 is a straight line",
        above=0,
        search=(1, 20),
        log=True,
    )
    ideal: float = hyper(0.4, "weight of the ideal filter", at_least=0, search=(0, 1))
    degree: float = hyper(
        0.2, "power of an item's weight in h: higher favours popular items", at_least=0,
        at_most=5, search=(0, 0.6),
    )  # fmt: skip
    ideal_degree: float | None = hyper(
        None, "the same in the ideal filter; None: as in h", at_least=0, at_most=5
    )

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        weights = data.weights()
        if not weights.nnz:
            raise BadEvents("GraphFilter needs at least one interaction that weighs something")
        by_user, by_item = _sums(weights), _sums(weights.transposed())
        scale = (
            _power(by_user, -0.5)[weights.row_numbers()] * _power(by_item, -0.5)[weights.indices]
        )
        self.rows_ = replace(weights, data=(weights.data * scale).astype(np.float32)).by_content()
        self.columns_ = self.rows_.transposed()
        self.degrees_ = by_item
        rank = min(self.rank, int((by_user > 0).sum()), int((by_item > 0).sum()))
        self.vectors_, squares = singular_vectors(self.rows_, self.columns_, rank, rng)
        # What is not along V has values from 0 to the least found; the line meets h in the middle.
        middle = max(squares.min(initial=1.0) / 2, 1e-6)
        slope = plateau(np.array(1 - middle), self.flatness) / middle
        self.slope_ = np.array(slope)
        self.passed_ = plateau(1 - squares, self.flatness) - slope * squares

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _from_weights(self, x: CSR) -> Scores:
        """Return (q, items) scores of weighed histories; NaN for those of no item that was met."""
        scores = np.empty(x.shape, np.float32)
        size = min(max(BLOCK // max(self.rows_.shape), 1), 256)
        for lo in range(0, len(scores), size):
            hi = min(lo + size, len(scores))
            scores[lo:hi] = self._passed(x.rows(lo, hi))
        met = self.degrees_ > 0
        scores[np.bincount(x.row_numbers(), met[x.indices], len(scores)) == 0] = np.nan
        scores[:, ~met] = np.nan
        return scores

    def _passed(self, x: CSR) -> NDArray[np.float64]:
        """Return (q, items): what the filters make of weighed histories.

        In 64 bits: what little passes between most items is the difference of two larger numbers.
        """
        total = np.zeros(x.shape)
        for degree, slope, gains in self._filters():
            own = self._scaled(x, degree)
            passed = _product(sparse_dense(own, self.vectors_) * gains, self.vectors_)
            if slope:
                people = sparse_sparse(own, self.columns_, np.float64)
                passed += slope * self._from_people(people)
            passed *= _power(self.degrees_, degree)
            total += passed
        return total

    def _filters(self) -> list[tuple[float, float, NDArray[np.float64]]]:
        """Return the filters whose outputs are added: degree, slope of the line, gains along V."""
        if self.ideal_degree is None or not self.ideal:
            return [(self.degree, float(self.slope_), self.passed_ + self.ideal)]
        alone = np.full_like(self.passed_, self.ideal)
        return [(self.degree, float(self.slope_), self.passed_), (self.ideal_degree, 0.0, alone)]

    def _scaled(self, x: CSR, degree: float) -> CSR:
        """Return x D_I^-degree."""
        scale = _power(self.degrees_, -degree)[x.indices]
        return replace(x, data=(x.data * scale).astype(np.float32))

    def _from_people(self, people: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (q, items): (q, people) signals times R~."""
        if len(people) == 1:
            return sparse_vector(self.columns_, people[0])[None]
        return sparse_dense(self.columns_, np.ascontiguousarray(people.T)).T

    def _amounts(self, x: CSR, item: int) -> NDArray[np.float64]:
        """Return (history,): what each item of one history adds to the score of ``item``."""
        people = np.zeros(self.columns_.columns)
        column = self.columns_.rows(item, item + 1)
        people[column.indices] = column.data
        met = [self.columns_.rows(i, i + 1) for i in x.indices]
        shared = np.array([row.data @ people[row.indices] for row in met])
        amounts = np.zeros(x.nnz)
        for degree, slope, gains in self._filters():
            low = self.vectors_[x.indices] @ (gains * self.vectors_[item])
            own = self._scaled(x, degree).data * _power(self.degrees_, degree)[item]
            amounts += own * (slope * shared + low)
        return amounts

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer; each history item adds what it passes on."""
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)

        def tell(row: int, asked: Codes) -> Told:
            mine = x.rows(row, row + 1)
            each = [self._amounts(mine, item) for item in asked.tolist()]
            amounts = np.array(each).reshape(len(each), mine.nnz)
            known = (self.degrees_[asked] > 0) & (self.degrees_[mine.indices] > 0).any()
            return Told.of(mine.indices, amounts, np.where(known, 0.0, np.nan))

        return Answered(column_scores(self._from_weights(x), items), tell)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items that score highest for somebody who met only this one."""
        training = self._trained()

        def alone(codes: Codes) -> Scores:
            shape = (len(codes), len(training.items))
            return self._from_weights(CSR.from_pairs(np.arange(len(codes)), codes, None, shape))

        return alike(training, items, k, alone, self.name)


def plateau(t: NDArray[np.float64], flatness: float) -> NDArray[np.float64]:
    """Return h at points from 0, the smoothest, to 1, the roughest."""
    u = np.clip(2 * t - 1, -1, 1)
    passed: NDArray[np.float64] = (1 - np.sign(u) * np.abs(u) ** flatness) / 2
    return passed


def _product(parts: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (q, items): ``parts @ vectors.T``."""
    if len(parts) == 1:  # BLAS would wake all its threads for so little
        return np.asarray(np.einsum("qr,ir->qi", parts, vectors))
    return np.asarray(parts @ vectors.T)


def _sums(rows: CSR) -> NDArray[np.float64]:
    sums = np.bincount(rows.row_numbers(), rows.data, rows.shape[0])
    return sums.astype(np.float64)


def _power(x: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Return x to a power; 0 stays 0."""
    out = np.zeros(len(x))
    out[x > 0] = x[x > 0] ** power
    return out
