"""SlopeOne: how much higher an item is rated than the ones a person rated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.answers import Answered
from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.explanations import Told
from penchant.kernels import slope_one
from penchant.kernels.biases import shrunk_means
from penchant.models.ratings import rated, ratings_of
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, OnEpoch, Recommender, Scores


@dataclass(kw_only=True)
class SlopeOne(Recommender):
    """Predict a person's mean plus how much higher an item is rated than the items they rated.

    ``r(u, i) = mean(u) + mean over j in R of deviation(i, j)``, where ``deviation(i, j)`` is the
    mean of r(i) - r(j) over those who rated both, and R are the items u rated, other than i, for
    which there is one (Lemire and Maclachlan, "Slope One Predictors for Online Rating-Based
    Collaborative Filtering", SDM 2005, section 3.3; ``SlopeOne`` of the library Surprise).

    Reads the history and its values; strangers are answered like anyone else. NaN where no
    deviation is known: for who rated nothing, and for items that nobody rated.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.SlopeOne().fit(data)
    >>> model.score(data.queries(users=[0])).shape
    (1, 100)
    """

    memory: float = hyper(2.0, "GB that the deviations, 4 bytes for each two items, may take",
                          above=0)  # fmt: skip

    @property
    def reads(self) -> frozenset[str]:
        """The ratings in the history."""
        return frozenset({"history", "values"})

    @property
    def scores(self) -> str:
        """Scores are ratings."""
        return "rating"

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        needed = 4e-9 * len(data.items) ** 2
        if needed > self.memory:
            raise BadEvents(
                f"SlopeOne keeps a deviation for each two of {len(data.items):,} items, "
                f"{needed:.3g} GB, and SlopeOne.memory allows {self.memory:g}: raise it, or leave "
                "out items with few ratings, pt.prepare(events, [pt.KCore(items=20)])"
            )
        counts = np.bincount(ratings.indices, minlength=len(data.items))
        totals = np.bincount(ratings.indices, ratings.data, len(data.items))
        self.means_ = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan).astype("f4")
        self.deviations_ = slope_one.deviations(ratings)

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        return self._answer(queries, items).scores

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Answer with an item's mean rating, and what each rating says beside that.

        Who rated both gave the item some deviation more than j. So the rating of j says, of n that
        do, (r(j) + deviation - the item's mean) / n.
        """
        ratings = rated(self.training_, queries, self.means_)
        asked = np.arange(len(self.means_), dtype=np.int32) if items is None else items
        scores = slope_one.lifts(ratings, np.atleast_2d(asked), self.deviations_)
        scores += shrunk_means(ratings, 0.0)[:, None].astype(np.float32)

        def tell(row: int, asked: Codes) -> Told:
            mine, base = ratings.rows(row, row + 1), self.means_[asked].astype(np.float64)
            deviation = self.deviations_[asked[:, None], mine.indices].astype(np.float64)
            many = np.count_nonzero(~np.isnan(deviation), axis=1)
            base[many == 0] = np.nan
            amounts = (mine.data - base[:, None]) / max(mine.nnz, 1)
            amounts += np.nan_to_num(deviation) / np.maximum(many, 1)[:, None]
            return Told.of(mine.indices, amounts, base)

        return Answered(scores, tell)
