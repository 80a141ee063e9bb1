"""Tuning: settings tried one after the other, on the validation part, by Optuna."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from penchant.errors import BadParameter, MissingExtra, PenchantError
from penchant.evaluation.evaluator import by_name, evaluate, predicted, predicting, rated
from penchant.evaluation.metrics import Gini, Metric, OfRatings
from penchant.evaluation.space import Asked, Choice, Range, Space, changed, space_of
from penchant.recommender import Epoch, Recommender
from penchant.split import Rng, Split, seeded

if TYPE_CHECKING:
    from rich.console import RenderableType

TRIED_FIRST = 5
"""Trials that are finished whatever they look like, before any is cut short."""

LEADERS = 10
"""Trials that the table shows."""

State = Literal["done", "pruned", "refused"]


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Parameters
    ----------
    number : 0 is the model as it was given.
    settings : what was set.
    value : the metric on the validation part; of a pruned trial, when it was cut short; NaN if
        there is none.
    state : "done"; "pruned", since others were better at that point; "refused" by the model.
    seconds : how long it took, by the clock.
    note : why it was refused.
    answered : of a rating error, the share of the validation pairs that the model predicted; NaN
        for other metrics, and of a refused trial.
    """

    number: int
    settings: Mapping[str, Any]
    value: float
    state: State
    seconds: float
    note: str = ""
    answered: float = float("nan")


OnTrial = Callable[[Trial], bool | None]
"""Called after each trial; returning True stops the tuning there."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was tried, and what was best.

    Parameters
    ----------
    model : as it was given.
    metric : what was to be as high, or as low, as it can.
    space : what was searched, by name.
    trials : in order; the first is the model as it was given.
    description : the split, in words.

    Examples
    --------
    >>> import penchant as pt
    >>> split = pt.split.last(pt.datasets.planted(noise=0.3), fraction=0.2, validation=0.2)
    >>> found = pt.tune(pt.EASE(l2=3000.0), split, pt.NDCG(10), trials=4)
    >>> found.value >= found.trials[0].value, found.best.l2 < 3000
    (True, True)
    """

    model: Recommender
    metric: Metric
    space: Space
    trials: tuple[Trial, ...]
    description: str

    @cached_property
    def winner(self) -> Trial:
        """The best of the trials that were done; of equal ones the first."""
        sign = 1 if lower_is_better(self.metric) else -1
        done = [t for t in self.trials if t.state == "done"]
        return min(done, key=lambda trial: (sign * trial.value, trial.number))

    @property
    def best(self) -> Recommender:
        """The model with the best settings, not fitted."""
        return changed(self.model, self.winner.settings)

    @property
    def value(self) -> float:
        """What the best settings scored on the validation part, by which they were chosen."""
        return self.winner.value

    def to_frame(self) -> pl.DataFrame:
        """Return a row for each trial.

        Columns: number, value, answered (of a rating error only: the share of the validation
        pairs), state, seconds, note, and each setting.
        """
        rating = isinstance(self.metric, OfRatings)
        return pl.DataFrame(
            [
                {
                    "number": t.number, "value": _or_null(t.value),
                    **({"answered": _or_null(t.answered)} if rating else {}),
                    "state": t.state, "seconds": t.seconds, "note": t.note or None,
                }
                | {name: _shown(t.settings[name]) for name in self.space}
                for t in self.trials
            ],
            schema_overrides={"value": pl.Float64, "note": pl.String},
            infer_schema_length=None,
        )  # fmt: skip

    def leaders(self) -> list[Trial]:
        """Return the best trials that were done, best first."""
        sign = 1 if lower_is_better(self.metric) else -1
        done = [t for t in self.trials if t.state == "done"]
        return sorted(done, key=lambda trial: (sign * trial.value, trial.number))[:LEADERS]

    def remarks(self) -> list[str]:
        """Return what has to be said under the table."""
        counted = {s: sum(t.state == s for t in self.trials) for s in ("done", "pruned", "refused")}
        told = ", ".join(f"{n:,} {state}" for state, n in counted.items() if n)
        first = self.trials[0].value
        why = next((t.note for t in self.trials if t.note), None)
        return [
            f"{len(self.trials):,} trials ({told}) of {self.description}",
            *([] if why is None else [f"refused: the model raised an error, such as: {why}"]),
            self._measured(),
            f"as it was given: {first:.4f}; best: {self.value:.4f}, on what it was chosen by: "
            "expect less elsewhere",
        ]

    def _measured(self) -> str:
        """Return what the value of a trial is."""
        if not isinstance(self.metric, OfRatings):
            return f"{self.metric.name}: {self.metric.definition}"
        return (
            f"{self.metric.name}: {self.metric.formula}, clipped to the train scale; answered: the "
            "share of pairs that the model predicts; others count as predicted by the train mean"
        )

    def html(self, command: str | None = None) -> str:
        """Return a self-contained page with plots.

        Parameters
        ----------
        command : the line that fits the best model, shown at the end.
        """
        from penchant.evaluation.tuning_report import report

        return report(self, command)

    def __rich__(self) -> RenderableType:
        """Return the best trials for a terminal."""
        from penchant.evaluation.tables import grid

        rating = isinstance(self.metric, OfRatings)
        lines = [["trial", self.metric.name, *["answered"] * rating, *self.space]]
        for t in self.leaders():
            settings = [shown(t.settings[name]) for name in self.space]
            share = [f"{t.answered:.1%}"] * rating
            lines.append([f"{t.number}", f"{t.value:.4f}", *share, *settings])
        return grid(lines, "\n".join(self.remarks()))

    def __str__(self) -> str:
        from penchant.evaluation.tables import plain

        return plain(self.__rich__())

    def __repr__(self) -> str:
        return (
            f"<Tuning of {self.model.name}: {len(self.trials)} trials, best "
            f"{self.metric.name} {self.value:.4f} with {dict(self.winner.settings)}>"
        )

    def _repr_html_(self) -> str:
        from penchant.evaluation.tuning_report import parts

        return "".join(parts(self))


def tune(
    model: Recommender,
    split: Split | Sequence[Split],
    metric: Metric,
    space: Asked | None = None,
    *,
    trials: int = 50,
    rng: Rng = None,
    seconds: float | None = None,
    prune: bool = True,
    on_trial: OnTrial | None = None,
) -> Tuning:
    """Search for the settings of a model that are best on the validation part of a split.

    Nothing of the test is looked at. The first trial is the model as it was given, so that the
    result is never worse than that on the validation part. Further settings are proposed by a
    tree-structured Parzen estimator: Bergstra et al., "Algorithms for Hyper-Parameter Optimization"
    (NIPS 2011), as in Optuna. Numbers that are proposed have four digits.

    Rating errors are compared over all pairs of the validation part: one that a model does not
    answer counts as predicted by the mean rating of the training data, which is what can be said
    without a model. So no setting is best since it answers fewer pairs; ``Trial.answered`` has
    their share. Where all are answered, the value is that of ``evaluate``.

    Parameters
    ----------
    model : left as it is; copies with other settings are fitted.
    split : made with ``validation=``; or several such, whose mean counts.
    metric : what is to be as high as it can; rating errors and ``Gini``, as low.
    space : what to search: None for all that the fields declare; names of fields; or a mapping such
        as ``{"l2": (1, 1000), "k": [50, 100], "alpha": ...}``, see ``space.space_of``.
    trials : how many settings are tried, at most.
    rng : seed of the proposals, and of every fit; None is the seed 0. The result depends on nothing
        else, unless ``seconds`` ends it.
    seconds : no trial is begun after that time.
    prune : whether to cut trials short that look worse than half of the others did: in models with
        epochs after 1, 2, 4, 8, … of them; with several splits, after each.
    on_trial : called after each trial; True stops.

    Raises
    ------
    BadParameter : a split without a validation part; a space the model does not have; no trial.
    MissingExtra : Optuna is not installed.
    """
    by_name(model)
    splits = list(split) if isinstance(split, Sequence) else [split]
    for one in splits:
        if not isinstance(one, Split):
            raise BadParameter(f"split is one such as split.last(data, ...), got {one!r}")
        if one.validation is None or not len(one.validation):
            raise BadParameter(
                f"tuning needs a validation part, and {one!r} has none: pass validation= when "
                "splitting, as in split.last(data, fraction=0.2, validation=0.2)"
            )
    if not splits:
        raise BadParameter("tuning needs a split")
    if not isinstance(metric, Metric):
        raise BadParameter(f"metric is a value such as NDCG(10), got {metric!r}")
    if seconds is not None and (not isinstance(seconds, (int, float)) or not seconds >= 0):
        raise BadParameter(f"seconds must be a number of at least 0, or None, got {seconds!r}")
    if isinstance(trials, bool) or not isinstance(trials, (int, np.integer)) or trials < 1:
        raise BadParameter(f"trials must be a whole number of at least 1, got {trials!r}")
    searched = space_of(model, space)
    seed = int(seeded(rng).integers(2**31))
    asked = sum(len(one.validation) for one in splits if one.validation is not None)
    tuning = _Search(model, splits, metric, searched, seed)
    return Tuning(
        model=model,
        metric=metric,
        space=searched,
        trials=tuple(tuning.run(trials, seconds, prune=prune, on_trial=on_trial)),
        description=f"{splits[0].train.name}, split by {splits[0].description}"
        + (f" and {len(splits) - 1} more" if len(splits) > 1 else "")
        + f"; {asked:,} validation askers",
    )


def lower_is_better(metric: Metric) -> bool:
    """Return whether less of the metric is better."""
    return isinstance(metric, (OfRatings, Gini))


def shown(value: Any) -> str:
    """Return a setting as tables show it: numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _Search:
    """Proposals of Optuna on their way to trials."""

    def __init__(
        self, model: Recommender, splits: Sequence[Split], metric: Metric, space: Space, seed: int
    ) -> None:
        self.model, self.splits, self.metric = model, splits, metric
        self.space, self.seed = space, seed

    def run(
        self, trials: int, seconds: float | None, *, prune: bool, on_trial: OnTrial | None
    ) -> Iterator[Trial]:
        with _optuna() as optuna:
            pruner = (
                optuna.pruners.MedianPruner(n_startup_trials=TRIED_FIRST)
                if prune
                else optuna.pruners.NopPruner()
            )
            study = optuna.create_study(
                direction="minimize" if lower_is_better(self.metric) else "maximize",
                sampler=optuna.samplers.TPESampler(seed=self.seed),
                pruner=pruner,
            )
            begun = perf_counter()
            for number in range(trials):
                if number and seconds is not None and perf_counter() - begun >= seconds:
                    return
                done = self.first(study) if number == 0 else self.next(study, number)
                yield done
                if on_trial is not None and on_trial(done):
                    return

    def first(self, study: Any) -> Trial:
        """Try the model as it is; tell the study, if the settings are within the space."""
        settings = {name: _current(self.model, name) for name in self.space}
        if not all(self.space[name].holds(value) for name, value in settings.items()):
            return self.tried(0, settings, None)
        study.enqueue_trial({n: _stored(self.space[n], v) for n, v in settings.items()})
        return self.tried(0, settings, self.proposal(study), study)

    def next(self, study: Any, number: int) -> Trial:
        trial = self.proposal(study)
        settings = {name: _value(self.space[name], p) for name, p in trial.params.items()}
        return self.tried(number, settings, trial, study)

    def proposal(self, study: Any) -> Any:
        return study.ask({name: _distribution(one) for name, one in self.space.items()})

    def tried(self, number: int, settings: dict[str, Any], trial: Any, study: Any = None) -> Trial:
        from optuna.trial import TrialState

        begun, value, note, share = perf_counter(), float("nan"), "", float("nan")
        state: State = "done"
        try:
            value, share, pruned = self.measured(changed(self.model, settings), trial)
            state = "pruned" if pruned else "done"
        except PenchantError as e:
            if number == 0:
                raise
            state, note = "refused", str(e)
        if state == "done" and np.isnan(value):
            state, note = "refused", "no value: nobody was answered"
            if number == 0:
                raise BadParameter(f"{self.model.name} has no {self.metric.name} to begin with")
        if study is not None:
            told = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
            ended = told.get(state, TrialState.FAIL)
            study.tell(trial, value if state == "done" else None, state=ended)
        return Trial(number, settings, value, state, perf_counter() - begun, note, share)

    def measured(self, model: Recommender, trial: Any) -> tuple[float, float, bool]:
        """Return the means of metric and answered share, and whether it was cut short."""
        values: list[tuple[float, float]] = []
        for split in self.splits:
            fitted = copy.copy(model)
            watch = _Watch(self, fitted, split, trial) if len(self.splits) == 1 else None
            fitted.fit(split.train, rng=self.seed, on_epoch=None if trial is None else watch)
            if watch is not None and watch.pruned:
                return *watch.value, True
            values.append(self.on(fitted, split))
            if trial is not None and 1 < len(self.splits) != len(values):
                value, share = np.mean(values, axis=0).tolist()
                trial.report(value, len(values))
                if trial.should_prune():
                    return value, share, True
        value, share = np.mean(values, axis=0).tolist()
        return value, share, False

    def on(self, model: Recommender, split: Split) -> tuple[float, float]:
        """Return the metric on the validation part, and the share of pairs that were answered."""
        part, metric = split.validation, self.metric
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


class _Watch:
    """An ``on_epoch`` that asks the model after 1, 2, 4, 8, … epochs whether to go on."""

    def __init__(self, search: _Search, model: Recommender, split: Split, trial: Any) -> None:
        self.search, self.model, self.split, self.trial = search, model, split, trial
        self.value, self.pruned = (float("nan"), float("nan")), False

    def __call__(self, epoch: Epoch) -> bool | None:
        """Report the metric, and stop where it is worse than that of most."""
        power = epoch.number & (epoch.number - 1) == 0
        if epoch.model is not self.model or not power or epoch.number == epoch.total:
            return None
        self.value = self.search.on(self.model, self.split)
        self.trial.report(self.value[0], epoch.number)
        self.pruned = bool(self.trial.should_prune())
        return self.pruned


@contextmanager
def _optuna() -> Iterator[Any]:
    """Give Optuna, silent for as long as it is used."""
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


def _shown(value: Any) -> Any:
    """Return a setting as a cell of a table."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _or_null(number: float) -> float | None:
    return None if np.isnan(number) else number
