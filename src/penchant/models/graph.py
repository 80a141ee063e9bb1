"""Random walks on the graph of people and items: P3alpha and RP3beta."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.kernels.csr import CSR
from penchant.kernels.symmetric import Scale, nearest_columns
from penchant.models.item_weights import ItemWeights, Sparse
from penchant.parameters import hyper
from penchant.recommender import Codes, OnEpoch, Scores


@dataclass(kw_only=True)
class _Walk(ItemWeights):
    """What walks that end at an item of no weight, and those that do not, have in common."""

    alpha: float = hyper(
        0.5, "power of each step's chance: below 1, people and items with many events count more",
        at_least=0, at_most=10, search=(0.2, 1.2),
    )  # fmt: skip
    k: int = hyper(
        100, "items a walk to an item may start from: the likeliest", at_least=1,
        search=(10, 400), log=True,
    )  # fmt: skip

    @abstractmethod
    def _power(self) -> float:
        """Return the power of an item's popularity that its chance is divided by."""

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        x = data.weights()
        if not x.nnz:
            raise BadEvents(f"{self.name} needs at least one interaction that weighs something")
        self.weights_ = _walks(x, self.alpha, self._power(), self.k)
        self.met_ = np.bincount(x.indices, minlength=x.columns) > 0

    def _from_weights(self, x: CSR) -> Scores:
        return Sparse(self.weights_, self.met_).scores(x)

    def item_weights(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return (items, history): the chance of a walk from each history item to each item."""
        return Sparse(self.weights_, self.met_).to_items(history, items)


@dataclass(kw_only=True)
class P3alpha(_Walk):
    """An item's score is the chance that a walk of three steps from the asker ends at it.

    The walk goes from the asker to an item of the history, from there to somebody who met it, and
    on to an item that they met. With w(v, i) what the events of a person with an item weigh, a step
    takes one of the edges with chance ``w / sum of w`` over those that leave, to the power
    ``alpha`` (Cooper et al., "Random walks in recommender systems: exact computation and
    simulations", WWW 2014):

        weight(j, i) = sum over v of ((w(v, j) / sum of w(., j)) (w(v, i) / sum of w(v, .)))^alpha

    of which the ``k`` largest of each item i are kept, never that of i itself. A history x scores
    ``sum over j of x(j) weight(j, i)``: its first step is not divided by the length of the history,
    which orders the same.

    Reads the history and its values. Items nobody met, and histories of no other, give NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.P3alpha().fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    def _power(self) -> float:
        return 0.0


@dataclass(kw_only=True)
class RP3beta(_Walk):
    """Three steps at random, with popular items discounted: P3alpha over popularity^beta.

    The weights of ``P3alpha``, divided by what the item weighs in all, its popularity, to the power
    ``beta`` (Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for
    interactive applications", ACM TiiS 2017): walks end at popular items too often. With ``beta``
    0 it is ``P3alpha``.

    Reads the history and its values. Items nobody met, and histories of no other, give NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.RP3beta(beta=0.3).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    """

    beta: float = hyper(
        0.4, "power of the popularity that an item's chance is divided by", at_least=0,
        at_most=10, search=(0.0, 1.0),
    )  # fmt: skip

    def _power(self) -> float:
        return self.beta


def _walks(x: CSR, alpha: float, beta: float, k: int) -> CSR:
    """Return (items, items): column i holds the k largest weights to i, in the rows they are from.

    A walk from j to i passes v with chance ``(w(v, j) w(v, i) / s(v) s(j))^alpha``, s being sums:
    a product of a factor of v and j with the same of v and i, over what j and i alone decide.
    """
    numbers = x.row_numbers()
    people = np.bincount(numbers, x.data, x.shape[0])
    items = np.bincount(x.indices, x.data, x.columns)
    through = x.data**alpha * (np.where(people > 0, people, 1) ** (-alpha / 2))[numbers]
    columns = replace(x, data=through.astype(np.float32)).transposed()
    into, start = (items**beta).astype(np.float32), (items**alpha).astype(np.float32)
    none = np.zeros_like(into)
    return nearest_columns(columns, k, Scale(into, start, none, none, np.float32(0), np.float32(0)))
