"""Tuning: the settings of a model, or of the best of several, by the validation part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import polars as pl

from penchant.errors import BadParameter, near
from penchant.evaluation.evaluator import by_name
from penchant.evaluation.halving import Budget, halve
from penchant.evaluation.metrics import Metric, OfRatings
from penchant.evaluation.search import OnTrial, Search, Trial, lower_is_better, proposing
from penchant.evaluation.space import Asked, Space, changed, declared, space_of
from penchant.recommender import Recommender
from penchant.split import Rng, Split, seeded

if TYPE_CHECKING:
    from rich.console import RenderableType

LEADERS = 10
"""Trials that the table shows."""


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
    >>> found = pt.tune(pt.EASE(l2=3000.0), split, pt.NDCG(10), ["l2"], trials=4)
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
            self.measured(),
            f"as it was given: {first:.4f}; best: {self.value:.4f}, on the validation "
            "part, which chose it: expect less elsewhere",
        ]

    def measured(self) -> str:
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


@dataclass(frozen=True, eq=False)
class Contest:
    """Several models tuned within one budget, and which was best.

    Parameters
    ----------
    tunings : one for each model, by name, in the order given.

    Examples
    --------
    >>> import penchant as pt
    >>> split = pt.split.last(pt.datasets.planted(noise=0.3), fraction=0.2, validation=0.2)
    >>> found = pt.tune([pt.EASE(), pt.ItemKNN()], split, pt.NDCG(10), trials=8)
    >>> found.value == max(one.value for one in found.tunings.values())
    True
    """

    tunings: Mapping[str, Tuning]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The names, best first; of equal ones the first."""
        sign = 1 if lower_is_better(next(iter(self.tunings.values())).metric) else -1
        return tuple(sorted(self.tunings, key=lambda name: sign * self.tunings[name].value))

    @property
    def winner(self) -> Tuning:
        """What was tried of the best model."""
        return self.tunings[self.order[0]]

    @property
    def best(self) -> Recommender:
        """The best model with its best settings, not fitted."""
        return self.winner.best

    @property
    def value(self) -> float:
        """What it scored on the validation part, by which it was chosen."""
        return self.winner.value

    def to_frame(self) -> pl.DataFrame:
        """Return a row for each trial, model by model.

        Columns: model, number, value, answered (of a rating error only), state, seconds, note, and
        the settings in one text.
        """
        frames = []
        for name, one in self.tunings.items():
            frame = one.to_frame().drop(one.space.keys())
            texts = pl.Series("settings", [written_out(t.settings) for t in one.trials], pl.String)
            frames.append(frame.insert_column(0, pl.lit(name).alias("model")).with_columns(texts))
        return pl.concat(frames)

    def remarks(self) -> list[str]:
        """Return what has to be said under the table."""
        first = next(iter(self.tunings.values()))
        count = sum(len(one.trials) for one in self.tunings.values())
        return [
            f"{count:,} trials of {len(self.tunings)} models, by halving: {first.description}",
            first.measured(),
            "as given, best: on the validation part, which chose them; expect less elsewhere",
        ]

    def html(self, command: str | None = None) -> str:
        """Return a self-contained page with plots.

        Parameters
        ----------
        command : the line that fits the best model, shown at the end.
        """
        from penchant.evaluation.tuning_report import report

        return report(self, command)

    def rows(self) -> list[list[str]]:
        """Return the table: a head, and a line for each model, best first."""
        metric = next(iter(self.tunings.values())).metric
        lines = [["model", "as given", f"best {metric.name}", "trials", "seconds", "settings"]]
        for name in self.order:
            one = self.tunings[name]
            spent = sum(trial.seconds for trial in one.trials)
            lines.append([
                name, f"{one.trials[0].value:.4f}", f"{one.value:.4f}", f"{len(one.trials):,}",
                f"{spent:.1f}", written_out(one.winner.settings),
            ])  # fmt: skip
        return lines

    def __rich__(self) -> RenderableType:
        """Return the models for a terminal."""
        from penchant.evaluation.tables import grid

        return grid(self.rows(), "\n".join(self.remarks()), prose=True)

    def __str__(self) -> str:
        from penchant.evaluation.tables import plain

        return plain(self.__rich__())

    def __repr__(self) -> str:
        return f"<Contest of {', '.join(self.tunings)}: best {self.winner!r}>"

    def _repr_html_(self) -> str:
        from penchant.evaluation.tuning_report import parts

        return "".join(parts(self))


@overload
def tune(
    models: Recommender,
    split: Split | Sequence[Split],
    metric: Metric,
    space: Asked | None = None,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    rng: Rng = None,
    prune: bool = True,
    on_trial: OnTrial | None = None,
) -> Tuning: ...


@overload
def tune(
    models: Sequence[Recommender] | Mapping[str, Recommender],
    split: Split | Sequence[Split],
    metric: Metric,
    space: Mapping[str, Asked] | None = None,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    rng: Rng = None,
    prune: bool = True,
    on_trial: OnTrial | None = None,
) -> Contest: ...


def tune(
    models: Recommender | Sequence[Recommender] | Mapping[str, Recommender],
    split: Split | Sequence[Split],
    metric: Metric,
    space: Asked | Mapping[str, Asked] | None = None,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    rng: Rng = None,
    prune: bool = True,
    on_trial: OnTrial | None = None,
) -> Tuning | Contest:
    """Search for the settings of a model that are best on the validation part of a split.

    Nothing of the test is looked at. The first trial is the model as it was given, so that the
    result is never worse than that on the validation part. Further settings are proposed by a
    tree-structured Parzen estimator: Bergstra et al., "Algorithms for Hyper-Parameter Optimization"
    (NIPS 2011), as in Optuna. Numbers that are proposed have four digits.

    Several models share the budget by successive halving (Jamieson and Talwalkar, "Non-stochastic
    Best Arm Identification and Hyperparameter Optimization", 2016): each is tried as it was given,
    then all get equal parts of the first round; the better half goes on to the next, and so on
    until one is left. Every round costs the same, so a model that goes on gets twice as much.

    Rating errors are compared over all pairs of the validation part: one that a model does not
    answer counts as predicted by the mean rating of the training data, which is what can be said
    without a model. So no setting is best since it answers fewer pairs; ``Trial.answered`` has
    their share. Where all are answered, the value is that of ``evaluate``.

    Parameters
    ----------
    models : a model, or several, by name if it is a mapping. They are left as they are; copies with
        other settings are fitted.
    split : made with ``validation=``; or several such, whose mean counts.
    metric : what is to be as high as it can; rating errors and ``Gini``, as low.
    space : what to search: None for all that the fields declare; names of fields; or a mapping such
        as ``{"l2": (1, 1000), "k": [50, 100], "alpha": ...}``, see ``space.space_of``. Of several
        models, such a space for each that has one, by its name.
    trials : how many settings are tried in all, at most, but each model once; None is 50, or no
        limit with ``minutes``.
    minutes : how long it may take, by the clock. Each model is tried once as it was given, whatever
        that takes; then no trial is begun that would end later, if it took as long as those before.
    rng : seed of the proposals, and of every fit; None is the seed 0. The result depends on nothing
        else, unless ``minutes`` ends it.
    prune : whether to cut trials short that are not in the better half of those that came as far:
        in models with epochs after an eighth, a quarter and a half of them; in all, once an eighth
        of the askers (at least 200) have been asked; with several splits, after each.
    on_trial : called after each trial; True stops.

    Returns
    -------
    A ``Tuning`` of one model, a ``Contest`` of several.

    Raises
    ------
    BadParameter : a split without a validation part; a space the model does not have; no trial.
    MissingExtra : Optuna is not installed.
    """
    named = by_name(models)
    splits = list(split) if isinstance(split, Sequence) else [split]
    _check(splits, metric)
    budget = Budget.of(trials, minutes)
    alone = isinstance(models, Recommender)
    spaces = _spaces(named, space, alone=alone)
    seed = int(seeded(rng).integers(2**31))
    with proposing() as optuna:
        searches = [
            Search(optuna, name, model, splits, metric, spaces[name], seed, prune=prune)
            for name, model in named.items()
        ]
        halve(searches, budget, on_trial)
    asked = sum(len(one.validation) for one in splits if one.validation is not None)
    description = (
        f"{splits[0].train.name}, split by {splits[0].description}"
        + (f" and {len(splits) - 1} more" if len(splits) > 1 else "")
        + f"; {asked:,} validation askers"
    )
    tunings = {
        one.name: Tuning(one.model, metric, one.space, tuple(one.trials), description)
        for one in searches
        if one.trials
    }
    return next(iter(tunings.values())) if alone else Contest(tunings)


def _check(splits: Sequence[Split], metric: Metric) -> None:
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


def _spaces(
    named: Mapping[str, Recommender], space: Asked | Mapping[str, Asked] | None, *, alone: bool
) -> dict[str, Space]:
    """Return what is searched of each model; of several, one with nothing to tune is tried once."""
    if alone:
        return {name: space_of(model, space) for name, model in named.items()}
    asked = {} if space is None else space
    if not isinstance(asked, Mapping):
        raise BadParameter(f"with several models, space is one for each by name, got {asked!r}")
    for name in asked:
        if name not in named:
            raise BadParameter(f"space: no model is called {name!r}.{near(name, named)}")
    return {
        name: space_of(model, asked[name]) if name in asked else declared(model)
        for name, model in named.items()
    }


def shown(value: Any) -> str:
    """Return a setting as tables show it: numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def written_out(settings: Mapping[str, Any]) -> str:
    """Return settings as one line of text."""
    return ", ".join(f"{name}={shown(value)}" for name, value in settings.items())


def _shown(value: Any) -> Any:
    """Return a setting as a cell of a table."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _or_null(number: float) -> float | None:
    return None if np.isnan(number) else number
