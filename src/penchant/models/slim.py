"""SLIM: a sparse linear item-to-item model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.kernels.coordinate import elastic_nets, gram_of
from penchant.kernels.csr import CSR
from penchant.models.item_weights import ItemWeights, Sparse
from penchant.parameters import hyper
from penchant.recommender import Codes, OnEpoch, Scores


@dataclass(kw_only=True)
class SLIM(ItemWeights):
    """Sparse linear method: each item's score is a weighted sum over a few items of the history.

    With X the users x items weights, the item-to-item weights B minimise, column by column,

        1/2 |X - X B|^2 + l2/2 |B|^2 + l1 |B|_1      with B_jj = 0 and, if ``positive``, B >= 0

    and a history x scores x B (Ning and Karypis 2011, equation 4). ``l1`` makes most weights 0: the
    model takes memory for the others alone.

    Solved by coordinate descent on the Gram matrix X'X, or on its entries that are not 0 where they
    are sure to take less memory (`penchant.kernels.coordinate`).

    Reads the history and its values. Items nobody met, and histories of no other, give NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.SLIM(l1=1.0, l2=20.0).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    l1: float = hyper(
        1.0, "regularisation that makes weights 0: larger leaves fewer", at_least=0,
        search=(0.1, 30), log=True,
    )  # fmt: skip
    l2: float = hyper(
        100.0, "regularisation: larger spreads a score over more items", above=0,
        search=(10, 3000), log=True,
    )  # fmt: skip
    positive: bool = hyper(True, "no item speaks against another")
    k: int | None = hyper(
        None, "only the k most alike (by cosine) may speak for an item; default: all", at_least=1
    )
    tolerance: float = hyper(
        1e-7, "share of an item's squared weights below which no step counts", above=0
    )

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        x = data.weights()
        if not x.nnz:
            raise BadEvents("SLIM needs at least one interaction that weighs something")
        columns = x.transposed()
        found = elastic_nets(
            gram_of(columns, x), self.l1, self.l2,
            positive=self.positive, k=self.k, tolerance=self.tolerance,
        )  # fmt: skip
        # Row i: what item i says of others, so that a history reads only its own rows.
        self.weights_ = found.transposed()
        self.met_ = np.diff(columns.indptr) > 0

    def _from_weights(self, x: CSR) -> Scores:
        return Sparse(self.weights_, self.met_).scores(x)

    def item_weights(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return (items, history): the weight learned from each history item to each item."""
        return Sparse(self.weights_, self.met_).to_items(history, items)
