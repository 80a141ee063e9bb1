"""A right model with every capability, and what goes wrong with capabilities."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from penchant.ids import IdMap
from penchant.models.onboarding import taken_up
from penchant.models.ratings import Biases
from penchant.ranking import select
from penchant.recommender import column_scores
from wrong_models import Right


class WithEverything(Right):
    """Right, with the capabilities that Right lacks."""

    recall = 1.0
    counts = True

    def retrieve(self, queries, k, rules):
        found = select(self.score(queries), queries, k, rules)
        return found.codes, found.scores

    def updated(self, data, queries, fresh):
        return type(self)(shrink=self.shrink).fit(data)

    def with_items(self, items):
        new = copy.copy(self)
        new.training_ = taken_up(self.training_, items).training
        n = len(new.training_.items)
        new.weights_ = np.zeros((n, n), np.float32)
        new.weights_[: len(self.weights_), : len(self.weights_)] = self.weights_
        return new

    def sample(self, queries, k, rng, rules):
        scores = np.nan_to_num(self.score(queries), nan=-np.inf)
        indptr, seen = queries.already_seen()
        scores[np.repeat(np.arange(len(scores)), np.diff(indptr)), seen] = -np.inf
        drawn = select(self.score(queries), queries, k, rules)
        codes, chances = drawn.codes.copy(), drawn.propensity.copy()
        for rank in range(k):
            weight = np.exp(scores - scores.max(axis=1, keepdims=True))
            share = weight / weight.sum(axis=1, keepdims=True)
            at = (share.cumsum(axis=1) < rng.random((len(share), 1))).sum(axis=1)
            rows = np.arange(len(share))
            codes[:, rank], chances[:, rank] = at, share[rows, at]
            scores[rows, at] = -np.inf
        return replace(drawn, codes=codes, propensity=self.stated(chances))

    def stated(self, chances):
        return chances


class RetrievesRoughScores(WithEverything):
    def retrieve(self, queries, k, rules):
        codes, scores = super().retrieve(queries, k, rules)
        return codes, scores * np.float32(0.9)


class RetrievesTooLittle(WithEverything):
    def retrieve(self, queries, k, rules):
        found = select(self.score(queries), queries, k)
        keep = found.codes
        if rules.only is not None:  # the filter comes after the search: what is left may be nothing
            keep = np.where(np.isin(keep, queries.items.encode(rules.only)), keep, -1)
        return keep, found.scores


class RetrievesTheWorst(WithEverything):
    def retrieve(self, queries, k, rules):
        scores = self.score(queries)
        found = select(-scores, queries, k, rules)
        return found.codes, -found.scores


class StatesEvenChances(WithEverything):
    def stated(self, chances):
        return np.full_like(chances, 1 / 80)


class UpdatesThatLearnNothing(Right):
    counts = False

    def updated(self, data, queries, fresh):
        return copy.copy(self)


class UpdatesThatForget(WithEverything):
    def updated(self, data, queries, fresh):
        lengths = data.histories.lengths
        place = np.arange(len(data)) - np.repeat(data.histories.indptr[:-1], lengths)
        return type(self)().fit(data.where(place >= np.repeat(lengths - fresh, lengths)))


class UpdatesInPlace(WithEverything):
    def updated(self, data, queries, fresh):
        return self.fit(data)


class OnboardsWithoutAnswer(WithEverything):
    def with_items(self, items):
        new = super().with_items(items)
        new.weights_[:, self.training_.fitted :] = np.nan
        return new

    def _score(self, queries, items):
        scores = super()._score(queries, None)
        scores[:, np.isnan(self.weights_[0])] = np.nan
        return column_scores(scores, items)


class OnboardsInPlace(WithEverything):
    def with_items(self, items):
        new = super().with_items(items)
        self.weights_ = self.weights_ * np.float32(2)
        return new


class OnboardsAtTheCostOfOthers(WithEverything):
    def with_items(self, items):
        new = super().with_items(items)
        new.weights_ = new.weights_ * np.float32(len(self.weights_) / len(new.weights_))
        return new


class OnboardsByRenumbering(WithEverything):
    def with_items(self, items):
        new = super().with_items(items)
        new.weights_ = new.weights_[::-1, ::-1].copy()
        new.training_ = replace(new.training_, items=IdMap(list(new.training_.items)[::-1]))
        return new


class OnboardsWithoutKeeping(WithEverything):
    def with_items(self, items):
        new = super().with_items(items)
        new.taken_up = True
        return new

    def _score(self, queries, items):
        scores = super()._score(queries, None)
        if not hasattr(self, "taken_up"):
            scores[:, self.training_.fitted :] = np.nan
        return column_scores(scores, items)


class WithBounds(Biases):
    """What is usual, give or take what the training ratings are away from it."""

    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        h = data.histories
        usual = self._score(data.queries(), None)[h.person(), h.item]
        self.apart_ = np.array(np.nanstd(h.value - usual))

    def bounds(self, queries, items=None, *, level=0.9):
        scores = self.score(queries, items)
        away = np.float32(norm.ppf((1 + level) / 2) * self.apart_)
        return scores - away, scores + away


class BoundsTooNarrow(WithBounds):
    def bounds(self, queries, items=None, *, level=0.9):
        return super().bounds(queries, items, level=level / 2)


class BoundsThatShrink(WithBounds):
    def bounds(self, queries, items=None, *, level=0.9):
        return super().bounds(queries, items, level=1 - level / 2)


class BoundsBesideTheScore(WithBounds):
    def bounds(self, queries, items=None, *, level=0.9):
        low, high = super().bounds(queries, items, level=level)
        return low + 9, high + 9


class BoundsOfWhatCannotBeSaid(WithBounds):
    def bounds(self, queries, items=None, *, level=0.9):
        low, high = super().bounds(queries, items, level=level)
        return np.nan_to_num(low, nan=1.0), np.nan_to_num(high, nan=5.0)


class BoundsThatSayNothing(WithBounds):
    def bounds(self, queries, items=None, *, level=0.9):
        low, high = super().bounds(queries, items, level=level)
        return low - 5, high + 5


WRONG = {
    BoundsTooNarrow: "bounds_hold_ratings",
    BoundsThatShrink: "bounds_hold_ratings",
    BoundsBesideTheScore: "bounds_hold_ratings",
    BoundsOfWhatCannotBeSaid: "bounds_hold_ratings",
    BoundsThatSayNothing: "bounds_hold_ratings",
    UpdatesThatLearnNothing: "updates_make_a_new_model",
    UpdatesThatForget: "updates_make_a_new_model",
    UpdatesInPlace: "updates_make_a_new_model",
    OnboardsWithoutAnswer: "onboarding_keeps_known_scores",
    OnboardsInPlace: "onboarding_keeps_known_scores",
    OnboardsAtTheCostOfOthers: "onboarding_keeps_known_scores",
    OnboardsByRenumbering: "onboarding_keeps_known_scores",
    OnboardsWithoutKeeping: "onboarding_keeps_known_scores",
    RetrievesRoughScores: "retrieving_finds_the_best",
    RetrievesTooLittle: "retrieving_finds_the_best",
    RetrievesTheWorst: "retrieving_finds_the_best",
    StatesEvenChances: "samples_follow_their_propensities",
}
