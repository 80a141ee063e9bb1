"""What to measure, as values: ``NDCG(10)``, ``Recall(10, relevant=4.0)``, ``RMSE()``.

Libraries mean different things by one word, so every definition has its own name here, is written
out in its docstring and in `definition`, and is printed under each result. docs/metrics.md has them
all as formulas, and a table of what other libraries mean.

There are four kinds: `Ranking` (a value per asker from where the relevant items stand in the list),
`OfLists` (a value per asker from what is in the list), `OfCatalogue` (one value from all lists
together) and `OfRatings` (errors of predicted ratings).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from penchant.dataset import Dataset
from penchant.errors import BadParameter, Incompatible
from penchant.features import tfidf
from penchant.histories import Histories
from penchant.kernels.csr import CSR
from penchant.kernels.metrics import Standings, discounts, standings

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]


def _check_k(metric: Ranking | OfLists | OfCatalogue) -> None:
    k = metric.k
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise BadParameter(
            f"{type(metric).__name__}.k must be a whole number of at least 1, got {k!r}"
        )


@dataclass(frozen=True)
class Ranking(ABC):
    """A value per asker from the ranks of the relevant items among the first ``k``.

    An asker without a list, or with a short one, scores as if the missing places held irrelevant
    items. An asker without anything relevant has no value (NaN), and is left out of the mean.

    Parameters
    ----------
    k : how many places of the list to look at.
    relevant : None: every test interaction is relevant. A number: only those whose recorded value
        is at least that, so that an interaction without a value is not.
    """

    k: int = 10
    relevant: float | None = None
    formula: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the parameters."""
        _check_k(self)

    @property
    def name(self) -> str:
        """What tables call it."""
        at_least = "" if self.relevant is None else f" (>={self.relevant:g})"
        return f"{type(self).__name__}@{self.k}{at_least}"

    @property
    def definition(self) -> str:
        """What it is, in a sentence."""
        formula = self.formula.format(k=self.k)
        if self.relevant is None:
            return formula
        return f"{formula}; relevant: test interactions with a value of at least {self.relevant:g}"

    def per_query(self, codes: Codes, truth: Histories) -> Floats:
        """Return (q,) values, NaN for askers without anything relevant.

        Parameters
        ----------
        codes : (q, n) item codes, best first, -1 past the end; the first k count.
        truth : row r holds what query r is judged by.
        """
        return per_query([self], codes, truth)[self]

    @abstractmethod
    def _of(self, found: Standings) -> Floats:
        """Return values of askers each of whom has at least one relevant item."""


def per_query(metrics: Iterable[Ranking], codes: Codes, truth: Histories) -> dict[Ranking, Floats]:
    """Return (q,) values of each metric, as its ``per_query``; what they share is found once."""
    found: dict[tuple[int, float | None], Standings] = {}
    values = {}
    for metric in metrics:
        key = metric.k, metric.relevant
        if key not in found:
            judged = truth
            if metric.relevant is not None:
                judged = truth.where(truth.value >= metric.relevant)
            found[key] = standings(codes[:, : metric.k], judged.indptr, judged.item)
        some = found[key].relevant > 0
        if some.all():
            values[metric] = metric._of(found[key])
        else:
            values[metric] = np.full(len(codes), np.nan)
            values[metric][some] = metric._of(found[key].where(some))
    return values


class Precision(Ranking):
    """Share of the k places that hold a relevant item: hits / k, also for shorter lists."""

    formula = "hits among the first {k} / {k}"

    def _of(self, found: Standings) -> Floats:
        return found.hits / self.k


class Recall(Ranking):
    """Share of the relevant items that are in the list: hits / relevant.

    As in irspack, RecTools, Cornac, RecBole. See `CappedRecall` for hits / min(k, relevant).
    """

    formula = "hits among the first {k} / relevant"

    def _of(self, found: Standings) -> Floats:
        return found.hits / found.relevant


class CappedRecall(Ranking):
    """Share of the relevant items that the list could hold: hits / min(k, relevant).

    As in LensKit and in the papers that follow Liang et al., "Variational autoencoders for
    collaborative filtering" (WWW 2018), where it is called recall.
    """

    formula = "hits among the first {k} / min({k}, relevant)"

    def _of(self, found: Standings) -> Floats:
        return found.hits / np.minimum(self.k, found.relevant)


class F1(Ranking):
    """Harmonic mean of an asker's precision and recall: 2 hits / (k + relevant)."""

    formula = "2 hits among the first {k} / ({k} + relevant)"

    def _of(self, found: Standings) -> Floats:
        return 2 * found.hits / (self.k + found.relevant)


class HitRate(Ranking):
    """1 if any relevant item is in the list, else 0."""

    formula = "1 if there is a hit among the first {k}, else 0"

    def _of(self, found: Standings) -> Floats:
        return np.minimum(found.hits, 1.0)


class MRR(Ranking):
    """1 / rank of the first relevant item, 0 if none is among the first k (reciprocal rank)."""

    formula = "1 / rank of the first hit among the first {k}, else 0"

    def _of(self, found: Standings) -> Floats:
        return 1 / found.first


class MAP(Ranking):
    """Average precision: sum of precision at each hit's rank / min(k, relevant).

    As in implicit, RecBole, LensKit. See `MAPOverRelevant` and `MAPOverK` for other divisors.
    """

    formula = "sum over hits of precision at their rank / min({k}, relevant)"

    def _of(self, found: Standings) -> Floats:
        return found.precisions / np.minimum(self.k, found.relevant)


class MAPOverRelevant(Ranking):
    """Average precision: sum of precision at each hit's rank / relevant.

    As in trec_eval, ranx, irspack and RecTools' default: a list of k cannot reach 1 when more than
    k items are relevant.
    """

    formula = "sum over hits of precision at their rank / relevant"

    def _of(self, found: Standings) -> Floats:
        return found.precisions / found.relevant


class MAPOverK(Ranking):
    """Average precision: sum of precision at each hit's rank / k.

    As in RecTools with ``divide_by_k``: it cannot reach 1 when fewer than k items are relevant.
    """

    formula = "sum over hits of precision at their rank / {k}"

    def _of(self, found: Standings) -> Floats:
        return found.precisions / self.k


class NDCG(Ranking):
    """Discounted gain of the hits, 1 / log2(1 + rank) each, over that of the best possible list.

    The best possible list has min(k, relevant) hits at the top (Järvelin and Kekäläinen, TOIS 2002,
    with binary gains). As in implicit, irspack, Cornac, RecBole, LensKit, trec_eval, ranx. See
    `NDCGOverK` for an ideal with k hits whatever there is to find.
    """

    formula = "sum over hits of 1 / log2(1 + rank) / that of min({k}, relevant) hits at the top"

    def _of(self, found: Standings) -> Floats:
        best = discounts(self.k).cumsum()
        return np.asarray(found.gains / best[np.minimum(self.k, found.relevant) - 1])


class NDCGOverK(Ranking):
    """Discounted gain of the hits over that of k hits, even if fewer items are relevant.

    RecTools' default. With one relevant item it is at most 1 / 4.54 for k = 10.
    """

    formula = "sum over hits of 1 / log2(1 + rank) / that of {k} hits"

    def _of(self, found: Standings) -> Floats:
        return np.asarray(found.gains / discounts(self.k).sum())


@dataclass(frozen=True)
class OfLists(ABC):
    """A value per asker from what is in their list; NaN where the list is too short to say.

    Parameters
    ----------
    k : how many places of the list to look at.
    """

    k: int = 10
    formula: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the parameters."""
        _check_k(self)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{type(self).__name__}@{self.k}"

    @property
    def definition(self) -> str:
        """What it is, in a sentence."""
        return self.formula.format(k=self.k)

    @abstractmethod
    def on(self, train: Dataset) -> Callable[[Codes], Floats]:
        """Return a function from (q, n) lists of codes to (q,) values, knowing the train data."""


@dataclass(frozen=True)
class Novelty(OfLists):
    """How surprising the items are: mean of -log2(share of people who met the item in train), bits.

    The mean self-information of Zhou et al., "Solving the apparent diversity-accuracy dilemma of
    recommender systems" (PNAS 2010). An item nobody met counts as if one person had; so does
    RecTools' MeanInvUserFreq.
    """

    formula = (
        "mean over the first {k} of -log2(share of people in train who met the item), in bits; "
        "over askers with a list"
    )

    def on(self, train: Dataset) -> Callable[[Codes], Floats]:
        """Return a function from lists to values; NaN for an empty list."""
        events = train.histories
        shape = len(train.users), len(train.items)
        pairs = CSR.from_pairs(events.person(), events.item, None, shape)
        people = np.bincount(pairs.indices, minlength=len(train.items))
        bits = -np.log2(np.maximum(people, 1) / max(train.n_active_users, 1))

        def values(codes: Codes) -> Floats:
            codes = codes[:, : self.k]
            there = codes >= 0
            sums = np.where(there, bits[codes], 0.0).sum(axis=1)
            return _ratio(sums, there.sum(axis=1))

        return values


@dataclass(frozen=True)
class Diversity(OfLists):
    """How different a list's items are: mean of 1 - cosine similarity over its pairs of items.

    The intra-list diversity of Smyth and McClave, "Similarity vs. diversity" (ICCBR 2001), on
    TF-IDF vectors of item features. Items of which nothing is known are left out.

    Parameters
    ----------
    k : how many places of the list to look at.
    columns : columns of the item table to compare by; by default the genres (or categories) if
        there is such a column, else every column of text.
    """

    columns: tuple[str, ...] | None = None
    formula = "mean over pairs of the first {k} items of 1 - cosine of their TF-IDF features"

    @property
    def definition(self) -> str:
        """What it is, in a sentence."""
        by = "genres, or else all text" if self.columns is None else ", ".join(self.columns)
        return f"{self.formula.format(k=self.k)} ({by}); over askers with two such items"

    def on(self, train: Dataset) -> Callable[[Codes], Floats]:
        """Return a function from lists to values; NaN for lists with less than two known items.

        Raises
        ------
        Incompatible : the data has no item table.
        """
        table, shown, columns = train.item_table, train.shown, self.columns
        if table is None or (columns is None and table.width < 2):
            raise Incompatible(
                f"{self!r} compares items by their features, and the data has no item table: "
                "pass items= when you read it, or leave the metric out"
            )
        if columns is None and shown is not None and "genres" in shown.columns:
            table, columns = shown, ("genres",)
        # The item's own id comes first in a dataset's item table, and is no feature.
        features = tfidf(table if columns else table[:, 1:], columns).matrix.to_scipy()
        lengths = np.sqrt(features.power(2).sum(axis=1))
        known = np.append(lengths > 0, False)  # code -1 reads the last, which is False
        unit = diags_array(1 / np.where(lengths > 0, lengths, 1.0)) @ features

        def values(codes: Codes) -> Floats:
            codes = codes[:, : self.k]
            there = known[codes]
            count = there.sum(axis=1)
            chosen = csr_array(
                (np.ones(count.sum()), codes[there], np.append(0, count.cumsum())),
                shape=(len(codes), len(lengths)),
            )
            # The sum of cosines over ordered pairs, each item with itself included, is the squared
            # length of the sum of unit vectors.
            squared = (chosen @ unit).power(2).sum(axis=1)
            return 1 - _ratio(squared - count, count * (count - 1))

        return values


@dataclass(frozen=True)
class OfCatalogue(ABC):
    """One value from all lists together. It has no interval.

    A resample of askers repeats some and leaves out others, so its lists cover less of the
    catalogue than those of as many different askers: a bootstrap interval would be off to one side.

    Parameters
    ----------
    k : how many places of each list to look at.
    """

    k: int = 10
    formula: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the parameters."""
        _check_k(self)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{type(self).__name__}@{self.k}"

    @property
    def definition(self) -> str:
        """What it is, in a sentence."""
        return self.formula.format(k=self.k)

    def value(self, codes: Codes, items: int) -> float:
        """Return the value of (q, n) lists of codes from a catalogue of so many items."""
        shown = codes[:, : self.k]
        return self._of(np.bincount(shown[shown >= 0], minlength=items))

    @abstractmethod
    def _of(self, counts: NDArray[np.int64]) -> float:
        """Return the value from how often each item is in a list."""


class Coverage(OfCatalogue):
    """Share of the catalogue that is in at least one list.

    The catalogue is every item the data names, with or without events.
    """

    formula = "share of all items that are among the first {k} of at least one list"

    def _of(self, counts: NDArray[np.int64]) -> float:
        return float(np.count_nonzero(counts) / len(counts))


class Gini(OfCatalogue):
    """Gini coefficient of how often each item of the catalogue is recommended.

    0: all items equally often; towards 1: always the same few. Items never recommended count. The
    catalogue is as for `Coverage`. NaN without any list.
    """

    formula = (
        "Gini coefficient of how often each item is among the first {k}, items never recommended "
        "included; 0 is even"
    )

    def _of(self, counts: NDArray[np.int64]) -> float:
        n, total = len(counts), counts.sum()
        if total == 0:
            return float("nan")
        ranks = 2 * np.arange(1, n + 1) - n - 1
        return float((ranks * np.sort(counts)).sum() / (n * total))


@dataclass(frozen=True)
class OfRatings(ABC):
    """An error of predicted ratings, clipped to the scale of the training data.

    The mean is over pairs of asker and item, not over askers. Pairs the model cannot answer are
    left out, and the share it answered is shown; comparisons use pairs that all models answered.
    """

    formula: ClassVar[str]

    @property
    def name(self) -> str:
        """What tables call it."""
        return type(self).__name__

    @property
    def definition(self) -> str:
        """What it is, in a sentence."""
        return f"{self.formula} over the ratings the model answers, clipped to the train scale"

    @abstractmethod
    def cost(self, errors: Floats) -> Floats:
        """Return what each error costs."""

    @abstractmethod
    def finish(self, mean: Floats) -> Floats:
        """Return the metric from the mean cost."""


class RMSE(OfRatings):
    """Root of the mean squared error of predicted ratings."""

    formula = "root of the mean squared error"

    def cost(self, errors: Floats) -> Floats:
        """Square."""
        return np.asarray(np.square(errors))

    def finish(self, mean: Floats) -> Floats:
        """Take the root."""
        return np.asarray(np.sqrt(mean))


class MAE(OfRatings):
    """Mean absolute error of predicted ratings."""

    formula = "mean absolute error"

    def cost(self, errors: Floats) -> Floats:
        """Take the absolute value."""
        return np.abs(errors)

    def finish(self, mean: Floats) -> Floats:
        """Return the mean itself."""
        return mean


Metric = Ranking | OfLists | OfCatalogue | OfRatings


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Divide, NaN where there is nothing to divide by."""
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
