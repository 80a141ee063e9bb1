"""GraphFilter: graph signal filters on who met what, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Explanation, Share
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_dense
from penchant.kernels.subspace import right_singular_vectors
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.ranking import Recommendations
from penchant.recommender import Codes, OnEpoch, Recommender, Scores, alike, column_scores


@dataclass(kw_only=True)
class GraphFilter(Recommender):
    """Filter a history as a signal on the graph of items: smooth parts pass, rough ones do not.

    With R the users x items weights, and D_U and D_I the sums of its rows and columns,

        R~ = D_U^-1/2 R D_I^-1/2        L = I - R~' R~
        scores of a history x:  x D_I^-b h(L) D_I^b + ideal x D_I^-c V V' D_I^c

    h is a low-pass filter: 1 at 0, the smoothest signal, 0 at 1, the roughest, between them a
    plateau at 1/2: ``h(t) = (1 - sign(u) |u|^flatness) / 2`` with u = 2 t - 1, by interpolation
    at the ``order + 1`` Chebyshev nodes. V holds the first ``rank`` right singular vectors of R~:
    the ideal low-pass filter. b is ``degree``, c is ``ideal_degree`` (b if None).

    This is ChebyCF (Kim, Sung, Han and Lee, "Graph Spectral Filtering with Chebyshev Interpolation
    for Recommendation", SIGIR 2025). GF-CF (Shen et al., "How Powerful is Graph Convolution for
    Recommendation?", CIKM 2021) is ``GraphFilter(order=1, flatness=1.0, degree=0.0,
    ideal_degree=0.5, ideal=0.3, rank=256)``, with h(L) = R~' R~.

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

    order: int = hyper(8, "degree of the polynomial that h is", at_least=1, search=(2, 12))
    flatness: float = hyper(
        2.0, "how flat the plateau of h is; 1 is a straight line", above=0, search=(1, 10), log=True
    )
    rank: int = hyper(
        256, "singular vectors of the ideal filter", at_least=1, search=(16, 512), log=True
    )
    ideal: float = hyper(0.2, "weight of the ideal filter", at_least=0, search=(0, 1))
    degree: float = hyper(
        0.4, "power of an item's weight in h: higher favours popular items", at_least=0,
        search=(0, 1),
    )  # fmt: skip
    ideal_degree: float | None = hyper(
        None, "the same in the ideal filter; None: as in h", at_least=0
    )

    @property
    def reads(self) -> frozenset[str]:
        """The history, and what was recorded in it."""
        return frozenset({"history", "values"})

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        weights = data.weights()
        if not weights.nnz:
            raise BadEvents("GraphFilter needs at least one interaction that weighs something")
        columns = weights.transposed()
        by_user, by_item = _sums(weights), _sums(columns)
        scale = (
            _power(by_user, -0.5)[weights.row_numbers()] * _power(by_item, -0.5)[weights.indices]
        )
        normal = CSR(weights.indptr, weights.indices, (weights.data * scale).astype(np.float32),
                     weights.columns).by_content()  # fmt: skip
        self.rows_, self.columns_ = normal, normal.transposed()
        self.degrees_ = by_item.astype(np.float32)
        rank = min(self.rank, int((by_user > 0).sum()), int((by_item > 0).sum()))
        self.vectors_ = right_singular_vectors(self.rows_, self.columns_, rank, rng)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        x = self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)
        return column_scores(self._filtered(x), items)

    def _filtered(self, x: CSR) -> Scores:
        """Return (q, items) scores of weighed histories."""
        b, c = self._degrees()
        scores = self._smoothed(self._scaled(x, -b)).T * _power(self.degrees_, b)
        if self.ideal:
            low = sparse_dense(self._scaled(x, -c), self.vectors_) @ self.vectors_.T
            scores += np.float32(self.ideal) * low * _power(self.degrees_, c)
        met = self.degrees_ > 0
        told = np.bincount(x.row_numbers(), met[x.indices], x.shape[0])
        scores[told == 0] = np.nan
        scores[:, ~met] = np.nan
        return np.ascontiguousarray(scores, np.float32)

    def _degrees(self) -> tuple[float, float]:
        return self.degree, self.degree if self.ideal_degree is None else self.ideal_degree

    def _scaled(self, x: CSR, power: float) -> CSR:
        """Return x with its columns times a power of their items' weights."""
        scale = _power(self.degrees_, power)[x.indices]
        return CSR(x.indptr, x.indices, x.data * scale, x.columns)

    def _smoothed(self, x: CSR) -> NDArray[np.float32]:
        """Return (items, q): h(L) x for each row of x.

        Chebyshev's recursion T(k + 1) = 2 (2 L - I) T(k) - T(k - 1), where 2 L - I = I - 2 R~' R~.
        """
        weights = transfer(self.order, self.flatness).astype(np.float32)
        last = np.ascontiguousarray(x.to_scipy().toarray().T, np.float32)
        this = self._turned(last)
        total = weights[0] * last + weights[1] * this
        for weight in weights[2:]:
            last, this = this, 2 * self._turned(this) - last
            total += weight * this
        smoothed: NDArray[np.float32] = total
        return smoothed

    def _turned(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (I - 2 R~' R~) x."""
        turned: NDArray[np.float32] = x - 2 * sparse_dense(
            self.columns_, sparse_dense(self.rows_, x)
        )
        return turned

    def explain(self, query: Queries, item: int) -> Explanation:
        """Explain an item code: what each item of the history adds by itself."""
        own, mine = self._own(query), self._own_item(query, item)
        score = float(self.score(query, np.array([item], np.int32))[0, 0])
        if np.isnan(score):
            return self._explained(query, item, score, (), score)
        x = self.training_.feedback.weigh(own.histories, len(own.items), own.now)
        each = CSR(np.arange(x.nnz + 1), x.indices, x.data, x.columns)
        amounts = np.nan_to_num(self._filtered(each)[:, mine])
        ids = own.items.decode(x.indices)
        shares = [Share("history", one, float(a)) for one, a in zip(ids, amounts, strict=True)]
        return self._explained(query, item, 0.0, shares, score)

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items that having met only this one speaks for most."""
        training = self._trained()

        def alone(codes: Codes) -> Scores:
            shape = (len(codes), len(training.items))
            return self._filtered(CSR.from_pairs(np.arange(len(codes)), codes, None, shape))

        return alike(training, items, k, alone, self.name)


def transfer(order: int, flatness: float) -> NDArray[np.float64]:
    """Return the ``order + 1`` Chebyshev coefficients, in u = 2 t - 1, that interpolate h."""
    nodes = chebyshev.chebpts1(order + 1)
    plateau = (1 - np.sign(nodes) * np.abs(nodes) ** flatness) / 2
    return np.asarray(chebyshev.chebfit(nodes, plateau, order), np.float64)


def _sums(rows: CSR) -> NDArray[np.float64]:
    sums = np.bincount(rows.row_numbers(), rows.data, rows.shape[0])
    return sums.astype(np.float64)


def _power(x: NDArray[Any], power: float) -> NDArray[np.float32]:
    """Return x to a power; 0 stays 0."""
    out = np.zeros(len(x), np.float32)
    out[x > 0] = x[x > 0] ** power
    return out
