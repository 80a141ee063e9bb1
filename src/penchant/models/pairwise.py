"""BPR and WARP: vectors under which what somebody met stands above what they did not."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.kernels import pairwise
from penchant.kernels.csr import CSR
from penchant.models.factored import Factored
from penchant.parameters import hyper
from penchant.recommender import Epoch, OnEpoch

START = 0.3
"""Length of the random vectors that training starts from."""
WIDTH = 16
"""Vectors are trained with zeros on their right up to a multiple of this, which is quickest."""


@dataclass(kw_only=True)
class _Pairwise(Factored):
    """What models trained on a met item and one not met have in common."""

    factors: int = hyper(64, "length of the vectors", at_least=1, search=(16, 256), log=True)
    epochs: int = hyper(20, "passes over the met pairs", at_least=1, search=(5, 100), log=True)
    rate: float = hyper(
        0.15, "length of the first step; later ones fall evenly to zero", above=0,
        search=(0.02, 0.5), log=True,
    )  # fmt: skip
    biases: bool = hyper(False, "learn besides how much everybody is drawn to an item")

    l2: float
    draws: int
    _ranked: ClassVar[bool] = False

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        met = data.weights()
        if not met.nnz:
            raise BadEvents(f"{self.name} needs at least one interaction that weighs something")
        users, items = (self._start(rows, rng) for rows in met.shape)
        vectors = pairwise.Vectors(users, items, np.zeros(met.columns, np.float32))
        begun = perf_counter()
        with threadpool_limits(1, "blas"):
            for number in range(1, self.epochs + 1):
                rate = self.rate * (1 - (number - 1) / self.epochs)
                loss = pairwise.epoch(
                    met, vectors, rng, rate=rate, l2=self.l2, draws=self.draws,
                    biased=self.biases, ranked=self._ranked, told=on_epoch is not None,
                )  # fmt: skip
                if on_epoch is not None:
                    self._keep(met, vectors)
                    if on_epoch(Epoch(number, self.epochs, loss, perf_counter() - begun, self)):
                        return
            self._keep(met, vectors)

    def _start(self, rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
        vectors = np.zeros((rows, -(-self.factors // WIDTH) * WIDTH), np.float32)
        vectors[:, : self.factors] = rng.standard_normal((rows, self.factors), np.float32)
        vectors *= np.float32(START / np.sqrt(self.factors))
        return vectors

    def _keep(self, met: CSR, vectors: pairwise.Vectors) -> None:
        """Learn these item vectors, and how to tell a person's vector from what they met."""
        people, items = (v[:, : self.factors] for v in (vectors.users, vectors.items))
        if self.biases:  # People's vectors end in a 1.
            people = np.column_stack([people, np.ones(len(people), np.float32)])
            items = np.column_stack([items, vectors.biases])
        with np.errstate(invalid="ignore"):
            found = np.isfinite(items.sum())
        if not found:
            raise BadParameter(f"{self.name} diverged: lower {self.name}.rate ({self.rate:g})")
        self._learn(met, items, people)


@dataclass(kw_only=True)
class BPR(_Pairwise):
    """Vectors under which an item somebody met stands above one they did not.

    Minimises, over user vectors x_u and item vectors y_i, by stochastic gradient descent,

        sum over met (u, i) and random j of -ln sigmoid(x_u . y_i - x_u . y_j) + penalties

    (Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from
    Implicit Feedback", UAI 2009). With ``draws`` above 1 each j is the hardest of a few (Zhang,
    Chen, Wang and Yu, "Optimizing Top-N Collaborative Filtering via Dynamic Negative Item
    Sampling", SIGIR 2013), which learns the top of the lists in far fewer epochs. The result does
    not depend on the number of threads.

    Only item vectors are kept, and the linear map that tells, best over the training table, a
    person's vector from the sum of the vectors of what they met. Whoever asks, known or not, is
    placed by it, so that the last click counts at once (docs/models/bpr.md has the numbers).

    Reads the history and its values. A history without evidence, and items nobody met, are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.BPR(factors=8, epochs=5).fit(data)
    >>> len(model.recommend(data.queries(likes=[[0, 4]]), k=3).ids()[0])
    3
    """

    l2: float = hyper(
        0.025, "pull of a pair's vectors towards zero in each step", at_least=0,
        search=(0.003, 0.1), log=True,
    )  # fmt: skip
    draws: int = hyper(
        6, "items not met that are drawn for each step, which is then taken with the hardest; 1 is "
        "plain BPR", at_least=1, search=(1, 12), log=True,
    )  # fmt: skip


@dataclass(kw_only=True)
class WARP(_Pairwise):
    """Vectors whose steps count most where an item somebody met stands far down their list.

    For each met item, items not met are drawn until one comes within 1 of its product. How long
    that took tells the rank of the met item, and the step is in proportion to the rank's logarithm
    (Weston, Bengio and Usunier, "WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI
    2011), as in the library LightFM. Here the logarithm is divided by that of the number of items,
    so that ``rate`` means the same on any data.

    Everything else is as in `BPR`: the same on any number of threads; whoever asks is placed by
    what they met.

    Reads the history and its values. A history without evidence, and items nobody met, are NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.WARP(factors=8, epochs=5).fit(data)
    >>> len(model.recommend(data.queries(likes=[[0, 4]]), k=3).ids()[0])
    3
    """

    rate: float = hyper(
        0.1, "length of the first step; later ones fall evenly to zero", above=0,
        search=(0.02, 0.3), log=True,
    )  # fmt: skip
    l2: float = hyper(
        0.1, "pull of a pair's vectors towards zero in each step", at_least=0,
        search=(0.01, 0.3), log=True,
    )  # fmt: skip
    draws: int = hyper(
        50, "items drawn at most before a met item is taken to stand above all", at_least=1,
        search=(5, 100), log=True,
    )  # fmt: skip
    _ranked: ClassVar[bool] = True
