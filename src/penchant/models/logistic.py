"""LogisticMF: the chance that somebody met an item, as the logistic function of a product."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.kernels import logistic
from penchant.models.factored import Factored
from penchant.parameters import hyper
from penchant.recommender import Epoch, OnEpoch


@dataclass(kw_only=True)
class LogisticMF(Factored):
    """Factor the chance that somebody met an item: ``sigmoid(x_u . y_i + b_u + b_i)``.

    Maximises the likelihood of who met what and who did not, a met pair of weight w counting
    ``alpha w`` times, less ``l2 / 2`` times the squares of all that is learned (Johnson, "Logistic
    Matrix Factorization for Implicit Feedback Data", NIPS workshop 2014, equation 3). Not by its
    gradients: a quadratic bound on the likelihood makes each half of an epoch one of least squares,
    as in `ALS`, in which no pair is left out (kernels/logistic.py).

    Only item vectors are kept, and the linear map that tells, best over the training table, a
    person's vector from the sum of the vectors of what they met, as in `BPR`.

    Reads the history and its values. A history without evidence, and items nobody met, are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.LogisticMF(factors=8, epochs=5).fit(data)
    >>> len(model.recommend(data.queries(likes=[[0, 4]]), k=3).ids()[0])
    3
    """

    factors: int = hyper(64, "length of the vectors", at_least=1, search=(16, 256), log=True)
    alpha: float = hyper(
        3.0, "how often a met pair counts for one of weight 1", above=0, search=(0.5, 30), log=True
    )
    l2: float = hyper(
        10.0, "regularisation: larger keeps vectors smaller", above=0, search=(1, 50), log=True
    )
    epochs: int = hyper(15, "times that users and items are each solved for", at_least=1)
    cg_steps: int = hyper(3, "conjugate-gradient steps for each row in each epoch", at_least=1)

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        by_user = data.weights()
        if not by_user.nnz:
            raise BadEvents("LogisticMF needs at least one interaction that weighs something")
        by_item = by_user.transposed()
        people, items = (self._start(rows, rng) for rows in by_user.shape)
        people[:, -1] = items[:, -2] = 1  # What the other side's bias is multiplied by.
        active, met = (np.diff(side.indptr) > 0 for side in (by_user, by_item))
        people[~active], items[~met] = 0, 0
        pairs = int(np.count_nonzero(active)) * int(np.count_nonzero(met))
        sides = (people, items, by_user, -1), (items, people, by_item, -2)
        begun = perf_counter()
        with threadpool_limits(1, "blas"):
            for number in range(1, self.epochs + 1):
                for solved, fixed, weights, held in sides:
                    logistic.half_epoch(
                        solved, fixed, weights, alpha=self.alpha, l2=self.l2,
                        t=logistic.spread(people, items, pairs), held=held, steps=self.cg_steps,
                    )  # fmt: skip
                with np.errstate(invalid="ignore"):
                    found = np.isfinite(items.sum())
                if not found:
                    raise BadParameter(
                        f"{self.name} found vectors that are not numbers with alpha="
                        f"{self.alpha:g} and l2={self.l2:g}: lower {self.name}.alpha, or l2"
                    )
                if on_epoch is not None:
                    loss = logistic.loss(
                        people, items, by_user, alpha=self.alpha, l2=self.l2,
                        t=logistic.spread(people, items, pairs), pairs=pairs,
                    )  # fmt: skip
                    self._learn(by_user, items, people)
                    if on_epoch(Epoch(number, self.epochs, loss, perf_counter() - begun, self)):
                        return
            self._learn(by_user, items, people)

    def _start(self, rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return random vectors and two coordinates more: the user's bias, the item's."""
        vectors = np.zeros((rows, self.factors + 2), np.float32)
        vectors[:, :-2] = rng.standard_normal((rows, self.factors), np.float32)
        vectors *= np.float32(0.3 / np.sqrt(self.factors))
        return vectors
