"""A right model, and what goes wrong with models: each breaks the law named in WRONG."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import penchant as pt
from penchant.answers import Answered
from penchant.explanations import Told
from penchant.parameters import hyper
from penchant.recommender import Recommender, column_scores


@dataclass(kw_only=True)
class Right(Recommender):
    """Conditional probabilities between items, summed over the history."""

    shrink: float = hyper(1.0, "added to counts", at_least=0)

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"history", "values"})

    def _fit(self, data, rng, on_epoch):
        x = data.weights().to_scipy()
        both = (x.T @ x).toarray().astype(np.float64)
        met = np.diag(both).copy()
        np.fill_diagonal(both, 0)
        weights = both / (met[:, None] + self.shrink)
        self.weights_ = np.where(met > 0, weights, np.nan).astype(np.float32)

    def _score(self, queries, items):
        x = self.evidence(queries)
        known = np.nan_to_num(self.weights_)
        scores = (x.to_scipy() @ known).astype(np.float32)
        scores[:, np.isnan(self.weights_[0])] = np.nan
        scores[np.diff(x.indptr) == 0] = np.nan
        return column_scores(scores, items)

    def evidence(self, queries):
        return self.training_.feedback.weigh(queries.histories, len(queries.items), queries.now)

    def _answer(self, queries, items):
        x = self.evidence(queries)
        silent = np.isnan(self._score(queries, None)).all(axis=1)

        def tell(row, asked):
            mine = x.rows(row, row + 1)
            amounts = self.weights_[mine.indices[None], asked[:, None]] * mine.data
            return Told.of(mine.indices, amounts, np.nan if silent[row] else 0.0)

        return Answered(self._score(queries, items), tell)

    def similar(self, items, k=10):
        from penchant.recommender import alike

        return alike(self.training_, items, k, lambda codes: self.weights_[codes], self.name)


class TransposedWeights(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self.weights_ = np.ascontiguousarray(self.weights_.T)
        self.weights_[:, np.isnan(self.weights_).all(axis=0)] = np.nan

    def _score(self, queries, items):
        x = self.evidence(queries)
        scores = (x.to_scipy() @ np.nan_to_num(self.weights_)).astype(np.float32)
        met = ~np.isnan(self.weights_).all(axis=0)
        scores[:, ~met] = np.nan
        scores[np.diff(x.indptr) == 0] = np.nan
        return column_scores(scores, items)

    _answer = None


class ReadsThatWrite(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self.asked_ = [np.zeros(1, np.float32)]

    def _score(self, queries, items):
        self.asked_[0] = self.asked_[0] + len(queries)
        return super()._score(queries, items)


class WritesToTheQuery(Right):
    def _score(self, queries, items):
        scores = super()._score(queries, items)
        queries.histories.value[:] = 0
        return scores


class SeenItemsShown(Right):
    def recommend(self, queries, k=10, rules=None):
        return super().recommend(queries, k, pt.Rules(allow_seen=True))


@dataclass(kw_only=True)
class AnotherPersonsVector(Recommender):
    """Takes the codes of a query for its own, whatever map they belong to."""

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"user"})

    def _fit(self, data, rng, on_epoch):
        x = data.weights().to_scipy()
        rows = (x @ x.T @ x).toarray().astype(np.float32)
        self.rows_ = np.where(rows.any(axis=0), rows, np.nan).astype(np.float32)

    def _score(self, queries, items):
        scores = self.rows_[queries.user % len(self.rows_)].copy()
        scores[queries.user < 0] = np.nan
        return column_scores(scores, items)

    def score(self, queries, items=None):
        self._trained()
        found = np.full((len(queries), len(queries.items)), np.nan, np.float32)
        own = self._score(queries, None)[:, : len(queries.items)]
        found[:, : own.shape[1]] = own
        return column_scores(found, items)


class ReadsTheUserUnlisted(Right):
    def _score(self, queries, items):
        return super()._score(queries, items) + queries.user[:, None].astype(np.float32)

    _answer = None


class ReadsTheTimeUnlisted(Right):
    def _score(self, queries, items):
        late = 1 + (queries.now > self.training_.until)[:, None].astype(np.float32)
        return super()._score(queries, items) * late

    _answer = None


class ListsWhatItIgnores(Right):
    @property
    def reads(self):
        return frozenset({"history", "values", "order"})


class ResumesOnRefit(Right):
    memory: Any = None

    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        if type(self).memory is not None and type(self).memory.shape == self.weights_.shape:
            self.weights_ = (self.weights_ + type(self).memory) / 2
        type(self).memory = self.weights_.copy()


class _Told(Right):
    """A right model whose explanations are changed on their way."""

    def _answer(self, queries, items):
        answered = super()._answer(queries, items)
        return answered._replace(tell=lambda row, asked: self.turned(answered.tell, row, asked))


class ExplanationOfAnother(_Told):
    def turned(self, tell, row, asked):
        told = tell(row, asked)
        return told._replace(base=told.base + 0.1)


class ExplanationWithoutTheLast(_Told):
    def turned(self, tell, row, asked):
        told = tell(row, asked)
        return told._replace(history=told.history[:-1], amounts=told.amounts[:, :-1])


class ExplainsTheFirstQuery(_Told):
    def turned(self, tell, row, asked):
        return tell(0, asked)


class ExplainsTheFirstItem(_Told):
    def turned(self, tell, row, asked):
        return tell(row, np.repeat(asked[:1], len(asked)))


class ExplainsWhatItCannotSay(_Told):
    def turned(self, tell, row, asked):
        told = tell(row, asked)
        return told._replace(amounts=np.nan_to_num(told.amounts))


class ExplainsOtherScores(_Told):
    """The scores that come with explanations are not those of ``score``."""

    def _answer(self, queries, items):
        return Answered(2 * self._score(queries, items), lambda row, asked: None)


class ZeroForUnmetItems(Right):
    def _score(self, queries, items):
        return np.nan_to_num(super()._score(queries, items))


class PopularityForStrangers(Right):
    def _score(self, queries, items):
        scores = super()._score(queries, None)
        popular = np.where(np.isnan(self.weights_[0]), np.nan, np.nansum(self.weights_, axis=0))
        scores[np.isnan(scores).all(axis=1)] = popular
        return column_scores(scores, items)


class InfiniteScores(Right):
    def _score(self, queries, items):
        scores = super()._score(queries, items)
        scores[scores == np.nanmin(scores)] = -np.inf
        return scores


class IgnoresItems(Right):
    def _score(self, queries, items):
        whole = super()._score(queries, None)
        return whole if items is None else whole[:, : items.shape[-1]].copy()


class NormalisesOverTheBatch(Right):
    def _score(self, queries, items):
        scores = super()._score(queries, items)
        return scores - np.nanmean(scores) if len(scores) else scores

    _answer = None


class RandomWithoutSeed(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        noise = np.random.default_rng().normal(size=self.weights_.shape)
        self.weights_ = (self.weights_ + 0.001 * noise).astype(np.float32)


class GlobalRandomness(Right):
    def _fit(self, data, rng, on_epoch):
        np.random.random()
        super()._fit(data, rng, on_epoch)


class WritesToTheData(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        data.histories.value[:] = 1


class HiddenState(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self.offset = 3.0


class ChangesItsFields(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self.shrink = 2.0


class Noise(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        shuffled = rng.permutation(self.weights_[0].size)
        self.weights_ = np.ascontiguousarray(self.weights_[:, shuffled])


class SimilarToItself(Right):
    def similar(self, items, k=10):
        found = super().similar(items, k)
        codes = found.codes.copy()
        codes[:, 0] = self.training_.items.encode(items)
        return replace(found, codes=codes)


class DependsOnThreads(Right):
    def _fit(self, data, rng, on_epoch):
        from penchant.kernels import threads

        super()._fit(data, rng, on_epoch)
        self.weights_ = self.weights_ * np.float32(1 + threads.available() / 1e6)


class UnknownWords(Right):
    @property
    def reads(self):
        return frozenset({"history", "values", "horoscope"})


class VectorsThatDoNotMultiply(Right):
    def user_vectors(self, queries):
        return self.evidence(queries).to_scipy().toarray()

    def item_vectors(self):
        return 2 * np.nan_to_num(self.weights_).T


class FailsOnOnePerson(Right):
    def _fit(self, data, rng, on_epoch):
        if len(data.users) < 2:
            raise IndexError("list index out of range")
        super()._fit(data, rng, on_epoch)


class NeedsFullLists(Right):
    def _score(self, queries, items):
        scores = super()._score(queries, items)
        return scores.astype(np.float64)


class ReasonsFromElsewhere(_Told):
    def turned(self, tell, row, asked):
        told = tell(row, asked)
        return told._replace(history=(told.history + 1) % len(self.weights_))


class VectorsInAnotherMap(Right):
    def user_vectors(self, queries):
        return self.evidence(queries).to_scipy().toarray()

    def item_vectors(self):
        unmet = np.isnan(self.weights_[:1].T)
        return np.where(unmet, np.nan, np.nan_to_num(self.weights_).T)


class LearnsFromWhatIsHidden(Right):
    def _fit(self, data, rng, on_epoch):
        feedback = replace(data.feedback, weights={"hide": 1})
        super()._fit(replace(data, feedback=feedback), rng, on_epoch)


class LearnsFromWhatIsNotLiked(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(replace(data, feedback=pt.Feedback()), rng, on_epoch)


class TakesTheHiddenForLiked(Right):
    def evidence(self, queries):
        feedback = replace(self.training_.feedback, weights={"hide": 1})
        return feedback.weigh(queries.histories, len(queries.items), queries.now)


class PrefersWhatItStored(Right):
    """Knows people by what they did in training, and looks at their history only a little."""

    _answer = None

    @property
    def reads(self):
        return frozenset({"user", "history", "values"})

    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        stored = data.weights().to_scipy() @ np.nan_to_num(self.weights_)
        self.stored_ = np.where(np.isnan(self.weights_[0]), np.nan, stored).astype(np.float32)

    def _score(self, queries, items):
        scores, known = super()._score(queries, None), queries.user >= 0
        scores[known] = np.nan_to_num(scores[known]) / 2 + self.stored_[queries.user[known]]
        return column_scores(scores, items)


class ReadsWhatWasSeen(Right):
    _answer = None

    def _score(self, queries, items):
        scores = super()._score(queries, None)
        indptr, seen = queries.already_seen()
        scores[np.repeat(np.arange(len(scores)), np.diff(indptr)), seen] *= 2
        return column_scores(scores, items)


class StateThatIsNotSaved(Right):
    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self._titles_ = data.item_table


class CertainAsCanBe(Right):
    @property
    def scores(self):
        return "probability"


class OrderBackwards(pt.MarkovChain):
    """Shows what came before."""

    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        self.rules_ = self.rules_.transposed()


class OrderForgotten(pt.MarkovChain):
    """Starts from the last event, and knows only what goes together."""

    def _fit(self, data, rng, on_epoch):
        super()._fit(data, rng, on_epoch)
        one, other = self.rules_, self.rules_.transposed()
        rows = np.append(one.row_numbers(), other.row_numbers())
        columns, values = np.append(one.indices, other.indices), np.append(one.data, other.data)
        self.rules_ = type(one).from_pairs(rows, columns, values, one.shape)


class OrderUnheard(Noise):
    """Says that it reads the order, and finds groups at best."""

    @property
    def reads(self):
        return frozenset({"history", "values", "order"})


WRONG = {
    OrderBackwards: "tells_signal_from_noise",
    OrderForgotten: "tells_signal_from_noise",
    OrderUnheard: "tells_signal_from_noise",
    TransposedWeights: "weights_point_the_right_way",
    ReadsThatWrite: "reads_do_not_write",
    WritesToTheQuery: "reads_do_not_write",
    SeenItemsShown: "lists_follow_the_rules",
    AnotherPersonsVector: "codes_keep_to_their_map",
    ReadsTheUserUnlisted: "unlisted_evidence_is_ignored",
    ReadsTheTimeUnlisted: "unlisted_evidence_is_ignored",
    ListsWhatItIgnores: "listed_evidence_counts",
    ResumesOnRefit: "fits_the_same_again",
    ExplanationOfAnother: "explanations_add_up",
    ExplanationWithoutTheLast: "explanations_add_up",
    ZeroForUnmetItems: "unmet_items_are_unknown",
    PopularityForStrangers: "strangers_are_alike",
    InfiniteScores: "scores_are_numbers_or_nan",
    IgnoresItems: "scores_what_is_asked",
    NormalisesOverTheBatch: "askers_do_not_mix",
    RandomWithoutSeed: "fits_the_same_again",
    GlobalRandomness: "fits_without_side_effects",
    WritesToTheData: "fits_without_side_effects",
    HiddenState: "keeps_state_in_learned_attributes",
    ChangesItsFields: "keeps_state_in_learned_attributes",
    Noise: "tells_signal_from_noise",
    SimilarToItself: "similar_items_are_others",
    DependsOnThreads: "fits_alike_on_any_number_of_threads",
    UnknownWords: "declares_itself",
    VectorsThatDoNotMultiply: "vectors_multiply_to_scores",
    FailsOnOnePerson: "tiny_data_is_no_accident",
    NeedsFullLists: "scores_are_numbers_or_nan",
    ExplainsTheFirstQuery: "explanations_add_up",
    ExplainsTheFirstItem: "explanations_add_up",
    ExplainsWhatItCannotSay: "explanations_add_up",
    ExplainsOtherScores: "explanations_add_up",
    ReasonsFromElsewhere: "explanations_add_up",
    VectorsInAnotherMap: "vectors_multiply_to_scores",
    LearnsFromWhatIsHidden: "what_weighs_nothing_says_nothing",
    LearnsFromWhatIsNotLiked: "what_weighs_nothing_says_nothing",
    TakesTheHiddenForLiked: "what_weighs_nothing_says_nothing",
    PrefersWhatItStored: "history_beats_stored_state",
    ReadsWhatWasSeen: "unlisted_evidence_is_ignored",
    StateThatIsNotSaved: "keeps_state_in_learned_attributes",
    CertainAsCanBe: "scores_are_numbers_or_nan",
}
