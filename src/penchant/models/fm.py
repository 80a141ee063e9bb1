"""BayesianFM: ratings from who rates what, what else they rated, and all else that is known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.features.encoding import Encoder
from penchant.feedback import Feedback, duration
from penchant.kernels import placing, threads
from penchant.kernels.placing import Samples
from penchant.models.fm_chains import Chains, with_average
from penchant.models.fm_evidence import (
    Evidence,
    design,
    encoded,
    encoder_of,
    moods_of,
    one_each,
    session_now,
    unit_of,
)
from penchant.models.ratings import ratings_of
from penchant.parameters import hyper
from penchant.queries import Queries
from penchant.recommender import Codes, Epoch, OnEpoch, Recommender, Scores

Vectors = NDArray[np.float32]

MOST_LEVELS = 50
"""Ordered ratings are levels; more of them than this are numbers."""


@dataclass(kw_only=True)
class BayesianFM(Recommender):
    """A factorization machine whose weights are sampled, not optimised.

    A rating is described by who gives it, the set of what they rated, what is known of them, what
    is rated, the set of who rated it, what is known of that, and the circumstances. Each of these
    features x_f has a weight and a vector (Rendle, "Factorization Machines", ICDM 2010, eq. 1)::

        r = w0 + sum_f w_f x_f + sum_{f < g} <v_f, v_g> x_f x_g

    Gibbs sampling draws all of them, and the spread of each group of them, in turn, ``sweeps``
    times in each of ``chains`` (Freudenthaler, Schmidt-Thieme and Rendle, "Bayesian Factorization
    Machines", 2011; sets of ratings as in Rendle, Zhang and Koren, "On the Difficulty of Evaluating
    Baselines", 2019). A prediction is the mean over samples; nothing has to be tuned. With
    ``likelihood="ordered"`` ratings are ordered levels, not numbers (`penchant.kernels.probit`).

    Whoever asks is placed in each sample by their own ratings (`penchant.kernels.placing`), met in
    training or not. ``bounds`` gives intervals.

    Reads the ratings in the history, the ``user_columns`` of the user table, the
    ``context_columns`` of the request, and with ``session_gap`` the times. Where a query brings no
    ratings, a known person is answered from what is stored, a stranger as the average person with
    their features. Items without ratings are NaN unless ``item_columns`` tell something of them.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.BayesianFM(sweeps=40, item_columns=("genres",)).fit(data)
    >>> asked = data.queries(users=[0])
    >>> low, high = model.bounds(asked, level=0.9)
    >>> model.score(asked).shape, bool((low < high).all())
    ((1, 100), True)
    """

    factors: int = hyper(10, "length of the vectors", at_least=1, search=(4, 32), log=True)
    sweeps: int = hyper(130, "how often everything is drawn", at_least=2)
    warm_up: float = hyper(0.15, "share of the sweeps that is not kept", at_least=0, at_most=0.9)
    chains: int = hyper(4, "independent runs, whose samples are put together", at_least=1)
    samples: int = hyper(120, "samples kept, of all chains together", at_least=1)
    likelihood: Literal["normal", "ordered"] = hyper(
        "normal", "normal: ratings are numbers; ordered: levels, by a probit with cuts"
    )
    rated: bool = hyper(True, "describe people by what they rated, and items by who rated them")
    item_columns: tuple[str, ...] = hyper((), "columns of the item table to read")
    user_columns: tuple[str, ...] = hyper((), "columns of the user table to read")
    context_columns: tuple[str, ...] = hyper((), "columns of the context to read")
    session_gap: str | None = hyper(
        None, "a person's ratings within this time of each other, '12h', have something in common"
    )

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        for name in ("item_columns", "user_columns", "context_columns"):
            for one in getattr(self, name):
                if not isinstance(one, str):
                    raise BadParameter(f"BayesianFM.{name} holds names of columns, got {one!r}")
        if self.session_gap is not None:
            duration(self.session_gap)

    @property
    def reads(self) -> frozenset[str]:
        """The ratings and, as far as the fields ask for them, features, context and times."""
        more = {
            "user_features": self.user_columns,
            "context": self.context_columns,
            "time": self.session_gap,
        }
        return frozenset({"user", "history", "values"} | {name for name, on in more.items() if on})

    @property
    def scores(self) -> str:
        """Scores are ratings."""
        return "rating"

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        ratings = ratings_of(data, self)
        of_items = encoder_of(data.item_table, self.item_columns, "item table")
        of_people = encoder_of(data.user_table, self.user_columns, "user table")
        of_context = encoder_of(data.histories.context, self.context_columns, "context")
        self.people_encoder_, self.context_encoder_ = of_people.table, of_context.table
        self.levels_ = self._levels(ratings.data)
        self.unit_ = np.array(1.0 if len(self.levels_) else unit_of(ratings.data))
        described = encoded(of_items, data.item_table, len(data.items))
        met = np.bincount(ratings.indices, minlength=len(data.items)) > 0
        self.met_ = met | (np.diff(described.indptr) > 0)
        everyone = np.arange(len(data.users), dtype=np.int32)
        told = self._evidence(
            Queries(
                data.items, data.users, data.histories, everyone, user_features=data.user_table
            ),
            data.feedback,
        )
        people = design(ratings, told.features, of_people.groups, rated=self.rated)
        items = design(ratings.transposed(), described, of_items.groups, rated=self.rated)
        blocks = [people.block(ratings.row_numbers()), items.block(ratings.indices)]
        if self.context_columns:
            context = design(None, told.contexts, of_context.groups, rated=False)
            blocks.append(context.block(np.arange(ratings.nnz, dtype=np.int32)))
        if told.sessions[-1]:
            blocks.append(moods_of(told.session, told.sessions[-1]))
        chains = Chains(self, told.values, blocks, people.matrix, items.matrix, rng)
        begun = time.perf_counter()
        with ThreadPoolExecutor(min(self.chains, threads.available())) as pool:
            for n in range(1, self.sweeps + 1):
                chains.sweep(n, pool)
                if on_epoch is not None:
                    self._keep(*chains.samples())
                    # Until the end everyone is average: placing them takes longer than a sweep.
                    self.people_ = np.zeros((len(data.users), *self.items_.shape[1:]), np.float32)
                    seconds = time.perf_counter() - begun
                    error = chains.error() * float(self.unit_)
                    if on_epoch(Epoch(n, self.sweeps, error, seconds, self)):
                        break
        self._keep(*chains.samples())
        self.people_ = self._placed(told)[0]

    def _levels(self, ratings: Vectors) -> Vectors:
        """Return the ratings there are, in order, if they are levels."""
        if self.likelihood == "normal":
            return np.zeros(0, np.float32)
        levels = np.unique(ratings)
        if not 2 <= len(levels) <= MOST_LEVELS:
            raise BadEvents(
                f"ordered ratings have from 2 to {MOST_LEVELS} levels, and here are "
                f"{len(levels):,}, such as {levels[0]:g}: use likelihood='normal', or round them"
            )
        return levels

    def _keep(self, samples: Samples, average: Vectors) -> None:
        """Learn from samples."""
        self.average_ = average
        self.items_, self.rated_, self.features_, self.contexts_ = samples[:4]
        self.own_, self.moods_, self.base_, self.noise_, self.cuts_ = samples[4:]

    def _evidence(self, queries: Queries, feedback: Feedback) -> Evidence:
        told = Evidence.of(
            queries, feedback, self.levels_, Encoder(self.people_encoder_),
            Encoder(self.context_encoder_), self.session_gap,
        )  # fmt: skip
        return replace(told, values=(told.values / self.unit_).astype(np.float32))

    def _placed(self, told: Evidence) -> tuple[Vectors, Vectors]:
        """Return (people, f + 1, S) places and (sessions, S) what sessions have in common."""
        samples = Samples(self.items_, self.rated_, self.features_, self.contexts_, self.own_,
                          self.moods_, self.base_, self.noise_, self.cuts_)  # fmt: skip
        placed = np.empty((len(told.features.indptr) - 1, *self.items_.shape[1:]), np.float32)
        moods = np.empty((told.sessions[-1], len(self.base_)), np.float32)
        threads.run(placing.place, told.ratings.indptr, told.arrays(), samples, placed, moods)
        silent = np.diff(told.ratings.indptr) == 0
        placed[silent] = with_average(placed[silent], self.average_)
        return placed, moods

    def _askers(self, queries: Queries) -> Vectors:
        """Return (q, f + 1, S) vectors of who asks; last, what does not depend on the item."""
        once, whose = one_each(queries) if self.session_gap else (queries, slice(None))
        told = self._evidence(once, self.training_.feedback)
        placed, moods = self._placed(told)
        silent = (np.diff(told.ratings.indptr) == 0) & (once.user >= 0)
        placed[silent] = self.people_[once.user[silent]]
        placed = placed[whose]
        mood = np.tile(self.moods_[0].astype(np.float32), (len(queries), 1))
        if self.session_gap is not None and queries.now is not None:
            asked = session_now(told, whose, queries.now, duration(self.session_gap))
            mood[asked >= 0] = moods[asked[asked >= 0]]
        placed[:, -1] += mood
        if self.context_columns:
            self._add_context(placed, queries)
        return placed

    def _add_context(self, placed: Vectors, queries: Queries) -> None:
        """Add the circumstances of the request to who asks."""
        told = encoded(Encoder(self.context_encoder_), queries.context, len(queries)).to_scipy()
        flat = self.contexts_.reshape(len(self.contexts_), -1)
        there = (told @ flat).reshape(placed.shape)[:, :-1]
        squares = (told.power(2) @ flat**2).reshape(placed.shape)[:, :-1]
        inner = (there * (there + 2 * placed[:, :-1]) - squares).sum(axis=1)
        placed[:, -1] += (told @ self.contexts_[:, -1]) + 0.5 * inner
        placed[:, :-1] += there

    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        askers = self._askers(queries)
        if len(self.levels_):
            each = self._each(items, len(queries))
            found = np.empty(each.shape, np.float32)
            for row, asker, codes in zip(found, askers, each, strict=True):
                row[:] = self._mean_level(self._drawn(asker, codes))
            return self._known_only(found, items)
        samples, width = len(self.base_), self.items_.shape[1] * self.items_.shape[2]
        total = askers[:, -1].mean(axis=1)
        askers[:, -1] = 1.0
        flat, sides = askers.reshape(-1, width) / samples, self.items_.reshape(-1, width)
        if items is None or items.ndim == 1:
            scores = (flat @ (sides if items is None else sides[items]).T).astype(np.float32)
        else:
            scores = np.empty(items.shape, np.float32)
            for row, one, codes in zip(scores, flat, items, strict=True):
                row[:] = sides[codes] @ one
        return self._known_only((scores + total[:, None]) * self.unit_, items)

    def _known_only(self, scores: Scores, items: Codes | None) -> Scores:
        """Put NaN where nothing is known of an item."""
        met = np.append(self.met_, False)
        known = met[:-1] if items is None else met[items]
        return np.where(known, scores, np.float32(np.nan)).astype(np.float32)

    def _drawn(self, asker: Vectors, items: Codes) -> NDArray[np.float64]:
        """Return (n, S) what each sample says of the items: a rating, or a hidden number."""
        sides = self.items_[items]
        drawn: NDArray[np.float64] = np.einsum("nds,ds->ns", sides[:, :-1], asker[:-1])
        drawn = drawn + sides[:, -1] + asker[-1]
        return drawn

    def _below(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, levels - 1) the chance of each level but the last, or one below it."""
        inner = self.cuts_[1:-1]
        return np.stack([ndtr(cut - drawn).mean(axis=1) for cut in inner], axis=1)

    def _mean_level(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = np.diff(self.levels_.astype(np.float64))
        mean: NDArray[np.float64] = self.levels_[0] + (1 - self._below(drawn)) @ steps
        return mean

    def bounds(
        self, queries: Queries, items: Codes | None = None, *, level: float = 0.9
    ) -> tuple[Scores, Scores]:
        """Return (q, n) lower and upper bounds between which a rating lies with chance ``level``.

        Normal ratings have the spread of the samples and that of the noise, together; the bounds
        lie the same distance above and below the score. Ordered ratings have levels for bounds,
        outside of which there is at most half the rest of the chance on either side, or the score
        itself where that lies further out.

        Raises
        ------
        BadParameter : ``level`` is not between 0 and 1.
        """
        if not (isinstance(level, (int, float, np.floating)) and 0 < level < 1):
            raise BadParameter(f"level must be between 0 and 1, got {level!r}")
        training = self._trained()
        mine = None if items is None else np.asarray(items, np.int32)
        recoding = queries.items.recoding(training.items)
        if recoding is not None:
            asked = np.arange(len(queries.items)) if mine is None else mine
            mine = np.where(asked >= 0, recoding[np.maximum(asked, 0)], -1).astype(np.int32)
        askers = self._askers(self._own(queries))
        between = self._levels_between if len(self.levels_) else self._numbers_between
        found = [
            between(self._drawn(one, codes), level)
            for one, codes in zip(askers, self._each(mine, len(askers)), strict=True)
        ]
        low, high = np.array(found, np.float32).reshape(len(askers), 2, -1).swapaxes(0, 1)
        return self._known_only(low, mine), self._known_only(high, mine)

    def _each(self, items: Codes | None, queries: int) -> Codes:
        """Return (queries, n) item codes."""
        every = np.arange(len(self.met_), dtype=np.int32) if items is None else items
        return np.broadcast_to(every, (queries, every.shape[-1]))

    def _numbers_between(
        self, drawn: NDArray[np.float64], level: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        away = ndtri((1 + level) / 2) * np.sqrt(drawn.var(axis=1) + np.mean(1 / self.noise_))
        mean = drawn.mean(axis=1)
        return (mean - away) * self.unit_, (mean + away) * self.unit_

    def _levels_between(
        self, drawn: NDArray[np.float64], level: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        below = self._below(drawn)
        low = (below <= (1 - level) / 2).sum(axis=1)
        high = (below < (1 + level) / 2).sum(axis=1)
        mean = self._mean_level(drawn)
        return np.minimum(self.levels_[low], mean), np.maximum(self.levels_[high], mean)
