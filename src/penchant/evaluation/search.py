"""Search: settings of one model, proposed by Optuna, tried on the validation part."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np

from penchant.errors import BadParameter, MissingExtra, PenchantError
from penchant.evaluation.evaluator import evaluate, predicted, predicting, rated
from penchant.evaluation.metrics import Gini, Metric, OfCatalogue, OfRatings
from penchant.evaluation.space import Choice, Range, Space, changed
from penchant.recommender import Epoch, Recommender
from penchant.split import Part, Split

FIRST_ASKED = 200
"""Askers of the validation part that a trial is at least judged by, before all are asked."""

SHARE_ASKED = 8
"""One in so many askers is asked first, if those are more than ``FIRST_ASKED``."""

PROPOSALS = 20
"""Proposals in a row that were tried before; then the search has nothing new to say."""

State = Literal["done", "pruned", "refused"]


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Parameters
    ----------
    number : 0 is the model as it was given.
    settings : what was set.
    value : the metric on the validation part; of a pruned trial, on those of it that were asked
        when it was cut short; NaN if there is none.
    state : "done"; "pruned", since others were better at that point; "refused" by the model.
    seconds : how long it took, by the clock.
    note : why it was refused.
    answered : of a rating error, the share of the validation pairs that the model predicted; NaN
        for other metrics, and of a refused trial.
    model : what the model is called.
    """

    number: int
    settings: Mapping[str, Any]
    value: float
    state: State
    seconds: float
    note: str = ""
    answered: float = float("nan")
    model: str = ""


OnTrial = Callable[[Trial], bool | None]
"""Called after each trial; returning True stops the tuning there."""


def lower_is_better(metric: Metric) -> bool:
    """Return whether less of the metric is better."""
    return isinstance(metric, (OfRatings, Gini))


class Search:
    """Proposals of Optuna on their way to trials of one model.

    A setting is tried once. Poor trials are cut short by successive halving (Li et al., "A System
    for Massively Parallel Hyperparameter Tuning", 2020), as Optuna does it for one after the other:
    a trial goes on if it is among the better half of all that came as far.
    """

    def __init__(
        self, optuna: Any, name: str, model: Recommender, splits: Sequence[Split], metric: Metric,
        space: Space, seed: int, *, prune: bool,
    ) -> None:  # fmt: skip
        self.name, self.model, self.splits, self.metric = name, model, splits, metric
        self.space, self.seed = space, seed
        self.trials: list[Trial] = []
        self.exhausted = not space
        self.known: dict[tuple[Any, ...], Trial] = {}
        self.prune = prune
        self.first = _first_asked(splits, metric, seed)
        halving = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
        self.study = optuna.create_study(
            direction="minimize" if lower_is_better(metric) else "maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=halving if prune else optuna.pruners.NopPruner(),
        )

    @property
    def loss(self) -> float:
        """What the best trial lacks: less is better, whatever the metric."""
        sign = 1 if lower_is_better(self.metric) else -1
        return min(sign * trial.value for trial in self.trials if trial.state == "done")

    def next(self) -> Trial | None:
        """Try the model as it is, and then something new; None if there is nothing new to try."""
        tried = self._next() if self.trials else self._as_given()
        if tried is None:
            self.exhausted = True
        else:
            self.trials.append(tried)
            self.known[tuple(tried.settings.values())] = tried
        return tried

    def _as_given(self) -> Trial:
        """Try the model as it is; tell the study, if the settings are within the space."""
        settings = {name: _current(self.model, name) for name in self.space}
        if not all(self.space[name].holds(value) for name, value in settings.items()):
            return self._tried(settings, None)
        self.study.enqueue_trial({n: _stored(self.space[n], v) for n, v in settings.items()})
        return self._tried(settings, self._proposal())

    def _next(self) -> Trial | None:
        for _ in range(0 if self.exhausted else PROPOSALS):
            proposal = self._proposal()
            settings = {name: _value(self.space[name], p) for name, p in proposal.params.items()}
            before = self.known.get(tuple(settings[name] for name in self.space))
            settings = {name: settings[name] for name in self.space}
            if before is None:
                return self._tried(settings, proposal)
            self._tell(proposal, before.state, before.value)
        return None

    def _proposal(self) -> Any:
        return self.study.ask({name: _distribution(one) for name, one in self.space.items()})

    def _tell(self, proposal: Any, state: State, value: float) -> None:
        from optuna.trial import TrialState

        told = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        ended = told.get(state, TrialState.FAIL)
        self.study.tell(proposal, value if state == "done" else None, state=ended)

    def _tried(self, settings: dict[str, Any], proposal: Any) -> Trial:
        number, begun = len(self.trials), perf_counter()
        value, note, share = float("nan"), "", float("nan")
        state: State = "done"
        try:
            value, share, pruned = self._measured(changed(self.model, settings), proposal)
            state = "pruned" if pruned else "done"
        except PenchantError as e:
            if number == 0:
                raise
            state, note = "refused", str(e)
        if state == "done" and math.isnan(value):
            state, note = "refused", "no value: nobody was answered"
            if number == 0:
                raise BadParameter(f"{self.model.name} has no {self.metric.name} to begin with")
        if proposal is not None:
            self._tell(proposal, state, value)
        seconds = perf_counter() - begun
        return Trial(number, settings, value, state, seconds, note, share, self.name)

    def _measured(self, model: Recommender, proposal: Any) -> tuple[float, float, bool]:
        """Return the means of metric and answered share, and whether it was cut short."""
        values: list[tuple[float, float]] = []
        for split in self.splits:
            fitted = copy.copy(model)
            rungs = _Rungs(self, fitted, split, proposal)
            fitted.fit(split.train, rng=self.seed, on_epoch=rungs.on_epoch)
            if rungs.pruned or rungs.asked_first():
                return *rungs.value, True
            values.append(self.on(fitted, split))
            if proposal is not None and 1 < len(self.splits) != len(values):
                value, share = np.mean(values, axis=0).tolist()
                proposal.report(value, len(values))
                if proposal.should_prune():
                    return value, share, True
        value, share = np.mean(values, axis=0).tolist()
        return value, share, False

    def on(self, model: Recommender, split: Split, part: Part | None = None) -> tuple[float, float]:
        """Return the metric on the validation part, and the share of pairs that were answered."""
        part, metric = part or split.validation, self.metric
        if part is None or not isinstance(metric, OfRatings):
            found = evaluate(model, split, metric, part=part, baseline=None)
            return found.value(metric), float("nan")
        predicting({model.name: model}, metric)
        truth = rated(part, metric)
        said = predicted(model, part, truth)
        silent = np.isnan(said)
        if silent.all():
            return float("nan"), 0.0
        known = split.train.histories
        said[silent] = known.value[known.rated()].mean(dtype=np.float64)
        errors = (said - truth.value).astype(np.float64)
        return float(metric.finish(metric.cost(errors).mean())), 1 - float(silent.mean())


class _Rungs:
    """Where a trial is asked how it does.

    After an eighth, a quarter and a half of the epochs; then, if there are many askers, when some
    have been asked.
    """

    def __init__(self, search: Search, model: Recommender, split: Split, proposal: Any) -> None:
        self.search, self.model, self.split, self.proposal = search, model, split, proposal
        self.value, self.pruned, self.step = (float("nan"), float("nan")), False, 0
        self.able = search.prune and proposal is not None and len(search.splits) == 1

    @property
    def on_epoch(self) -> Callable[[Epoch], bool] | None:
        return self._after_epoch if self.able else None

    def _after_epoch(self, epoch: Epoch) -> bool:
        if epoch.model is not self.model or epoch.number == epoch.total:
            return False
        eighths = 8 * epoch.number // epoch.total
        rung = 1 << (eighths.bit_length() - 1) if eighths else 0
        return rung > self.step and self._ask(rung)

    def asked_first(self) -> bool:
        """Ask some of the validation part, if it is large, and return whether to stop there."""
        few = self.search.first
        return self.able and few is not None and self._ask(max(1, 2 * self.step))

    def _ask(self, rung: int) -> bool:
        self.step = rung
        self.value = self.search.on(self.model, self.split, self.search.first)
        self.proposal.report(self.value[0], rung)
        self.pruned = bool(self.proposal.should_prune())
        return self.pruned


def _first_asked(splits: Sequence[Split], metric: Metric, seed: int) -> Part | None:
    """Return the askers that come first, the same in every trial; None: all are asked at once.

    What is a value of the whole catalogue, such as coverage, depends on how many are asked.
    """
    part = splits[0].validation
    if len(splits) > 1 or part is None or isinstance(metric, OfCatalogue):
        return None
    count = max(FIRST_ASKED, len(part) // SHARE_ASKED)
    if 2 * count > len(part):
        return None
    chosen = np.zeros(len(part), bool)
    chosen[np.random.default_rng(seed).permutation(len(part))[:count]] = True
    return part.where(chosen)


@contextmanager
def proposing() -> Iterator[Any]:
    """Give Optuna, silent for as long as it is used.

    Raises
    ------
    MissingExtra : it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtra("tuning", "optuna", "tune") from None
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(loud)


def _current(model: Recommender, name: str) -> Any:
    number, dot, rest = name.partition(".")
    if not dot:
        return getattr(model, name)
    parts: Sequence[Recommender] = getattr(model, "parts", ())
    return _current(parts[int(number)], rest)


def _distribution(one: Range | Choice) -> Any:
    from optuna import distributions

    if isinstance(one, Choice):  # by place: Optuna holds numbers and texts only
        return distributions.CategoricalDistribution(tuple(range(len(one.options))))
    if one.whole:
        return distributions.IntDistribution(int(one.low), int(one.high), log=one.log)
    return distributions.FloatDistribution(float(one.low), float(one.high), log=one.log)


def _stored(one: Range | Choice, value: Any) -> Any:
    return one.options.index(value) if isinstance(one, Choice) else value


def _value(one: Range | Choice, stored: Any) -> Any:
    """Return what a proposal means; numbers with four digits, so that what is printed was tried."""
    if isinstance(one, Choice):
        return one.options[stored]
    return stored if one.whole else min(max(float(f"{stored:.4g}"), one.low), one.high)
