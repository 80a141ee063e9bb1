"""A model of which it is known what its best settings are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

import penchant as pt
from penchant.parameters import hyper
from penchant.recommender import Epoch, Recommender

BEST = 3.7


@dataclass(kw_only=True)
class Constant(Recommender):
    """Predicts ``x`` for everything; among ratings of 3.7 its RMSE is |x - 3.7|."""

    x: float = hyper(1.0, "what to say", search=(0, 10))
    n: int = hyper(3, "a whole number", at_least=1, search=(1, 9))
    sign: Literal["plus", "minus", "never"] = hyper("plus", "of what is said")
    on: bool = hyper(True, "whether to say anything")
    label: str = hyper("it", "has no range")
    aloud: bool = hyper(False, "is not worth trying", search=())
    volume: float = hyper(1.0, "how loud", search=(0, 2), when="aloud")
    epochs: int = hyper(1, "how often to say it", at_least=1)

    @property
    def reads(self):
        return frozenset()

    @property
    def scores(self):
        return "rating"

    def __post_init__(self):
        super().__post_init__()
        if self.sign == "never":
            raise pt.BadParameter("Constant.sign must not be never")

    def _fit(self, data, rng, on_epoch):
        if self.x > 9:
            raise pt.BadEvents("too much")
        for number in range(1, self.epochs + 1):
            said = self.x if self.sign == "plus" else -self.x
            self.said_ = np.array(said if self.on else np.nan, np.float32)
            if on_epoch is not None and on_epoch(Epoch(number, self.epochs, 0.0, 0.0, self)):
                break
        self.spent_ = np.array(number)

    def _score(self, queries, items):
        n = len(queries.items) if items is None else items.shape[-1]
        return np.full((len(queries), n), self.said_, np.float32)
