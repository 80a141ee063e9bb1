"""evaluate: models and a baseline on the same questions, with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter, UnknownId
from penchant.evaluation.metrics import (
    Metric,
    OfCatalogue,
    OfLists,
    OfRatings,
    Ranking,
    per_query,
)
from penchant.histories import Histories
from penchant.kernels.metrics import resampled_sums
from penchant.models.popularity import Popularity
from penchant.ranking import BLOCK_BYTES, EVERYTHING, Rules
from penchant.recommender import Recommender
from penchant.split import Part, Rng, Split

if TYPE_CHECKING:
    from penchant.evaluation.tables import Shown

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

POPULARITY = Popularity()
"""The default baseline; ``evaluate`` fits a copy of it."""

LEVEL = 0.95
"""Share of resamples that an interval holds."""


class Estimate(NamedTuple):
    """A mean, and the interval that holds the middle 95% of its resamples (NaN: none)."""

    value: float
    low: float
    high: float


NOTHING = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What several models scored on the same questions. Print it, or show it in a notebook.

    Parameters
    ----------
    models : names, in the order given; the baseline is last unless it was among them.
    baseline : the name of the model that the others are compared with, or None.
    metrics : what was measured.
    asked : who was asked, an id each; None for a stranger.
    description : the split, the candidates, and how ties were broken, a line each.
    notes : what a reader should know, such as unanswered questions.
    costs : for each model and metric with a value per asker, (q, 2): what it adds to the numerator
        and to the denominator of the metric. Nothing for models the metric does not apply to.
    shared : the same for rating errors, counting only pairs that all models answered.
    overall : for each model and metric without a value per asker, the value.
    draws, seed : of the bootstrap.

    Examples
    --------
    >>> import penchant as pt
    >>> split = pt.split.last(pt.datasets.planted(noise=0.1), fraction=0.2)
    >>> model = pt.EASE(l2=20.0).fit(split.train)
    >>> result = pt.evaluate(model, split, [pt.NDCG(10), pt.Coverage(10)])
    >>> result.models
    ('EASE', 'Popularity')
    >>> result[pt.NDCG(10)] > result.value(pt.NDCG(10), "Popularity")
    True
    """

    models: tuple[str, ...]
    baseline: str | None
    metrics: tuple[Metric, ...]
    asked: tuple[Any, ...]
    description: tuple[str, ...]
    notes: tuple[str, ...]
    costs: Mapping[tuple[str, Metric], Floats]
    shared: Mapping[tuple[str, Metric], Floats]
    overall: Mapping[tuple[str, Metric], float]
    draws: int
    seed: int

    def __getitem__(self, metric: Metric) -> float:
        """Return what the first model scored."""
        return self.value(metric)

    def value(self, metric: Metric, model: str | None = None) -> float:
        """Return what a model (by default the first) scored; NaN: the metric does not apply."""
        model = self._known(metric, model)
        if (model, metric) in self.overall:
            return self.overall[model, metric]
        if (model, metric) not in self.costs:
            return np.nan
        return float(_finished(metric, self.costs[model, metric].sum(axis=0)))

    def per_query(self, metric: Metric, model: str | None = None) -> Floats:
        """Return (q,) values, an asker each, NaN where there is none.

        Raises
        ------
        BadParameter : the metric has no value per asker.
        """
        model = self._known(metric, model)
        if isinstance(metric, OfCatalogue):
            raise BadParameter(f"{metric.name} is one value for all lists, not one for each asker")
        if (model, metric) not in self.costs:
            return np.full(len(self.asked), np.nan)
        return _finished(metric, self.costs[model, metric])

    def estimate(self, metric: Metric, model: str | None = None) -> Estimate:
        """Return the mean over askers with its bootstrap interval (askers are resampled)."""
        model = self._known(metric, model)
        value = self.value(metric, model)
        costs = self.costs.get((model, metric))
        if costs is None or np.count_nonzero(costs[:, 1]) < 2:
            return Estimate(value, np.nan, np.nan)
        return Estimate(value, *_middle(_finished(metric, self._drawn[id(costs)])))

    def difference(
        self, metric: Metric, model: str | None = None, other: str | None = None
    ) -> Estimate:
        """Return how far a model is above another, and the paired bootstrap interval of that.

        Only askers that both have a value for count; in rating errors, pairs all models answered.

        Parameters
        ----------
        model : by default the first.
        other : by default the baseline.
        """
        model = self._known(metric, model)
        if other is None and self.baseline is None:
            raise BadParameter("there is no baseline: name the model to compare with as other=")
        other = self._known(metric, other or self.baseline)
        if (model, metric) in self.overall:
            apart = self.overall[model, metric] - self.overall[other, metric]
            return Estimate(apart, np.nan, np.nan)
        known = self.shared if isinstance(metric, OfRatings) else self.costs
        if (model, metric) not in known or (other, metric) not in known:
            return NOTHING
        one, two = known[model, metric], known[other, metric]
        both = ((one[:, 1] > 0) & (two[:, 1] > 0))[:, None]
        pair = np.concatenate([one * both, two * both], axis=1)
        total = pair.sum(axis=0)
        apart = float(_finished(metric, total[:2]) - _finished(metric, total[2:]))
        if np.count_nonzero(both) < 2:
            return Estimate(apart, np.nan, np.nan)
        if np.array_equal(pair[:, 1], one[:, 1]) and np.array_equal(pair[:, 3], two[:, 1]):
            first, second = self._drawn[id(one)], self._drawn[id(two)]
        else:
            drawn = resampled_sums(pair, self.draws, self.seed)
            first, second = drawn[:, :2], drawn[:, 2:]
        return Estimate(apart, *_middle(_finished(metric, first) - _finished(metric, second)))

    def to_frame(self) -> pl.DataFrame:
        """Return a row for each model and metric.

        Columns: model, metric, value, low, high (the interval), difference (to the baseline),
        difference_low, difference_high, askers (how many have a value), definition.
        """
        rows = []
        for model in self.models:
            for metric in self.metrics:
                estimate, apart = self.cells[model, metric]
                costs = self.costs.get((model, metric))
                askers = None if costs is None else int(np.count_nonzero(costs[:, 1]))
                rows.append([model, metric.name, *estimate, *apart, askers, metric.definition])
        names = ["model", "metric", "value", "low", "high", "difference", "difference_low",
                 "difference_high", "askers", "definition"]  # fmt: skip
        floats = dict.fromkeys(names[2:8], pl.Float64)
        frame = pl.DataFrame(
            rows, schema=names, orient="row", schema_overrides={**floats, "askers": pl.Int64}
        )
        return frame.with_columns(pl.col(list(floats)).fill_nan(None))

    @cached_property
    def cells(self) -> dict[tuple[str, Metric], tuple[Estimate, Estimate]]:
        """For each model and metric, the estimate and the difference to the baseline."""
        return {
            (model, metric): (
                self.estimate(metric, model),
                NOTHING if self.baseline in (None, model) else self.difference(metric, model),
            )
            for model in self.models
            for metric in self.metrics
        }

    def _known(self, metric: Metric, model: str | None) -> str:
        if metric not in self.metrics:
            raise UnknownId(
                f"{metric!r} was not measured, only {', '.join(map(repr, self.metrics))}"
            )
        if model is None:
            return self.models[0]
        if model not in self.models:
            raise UnknownId(f"no model is called {model!r} here, only {', '.join(self.models)}")
        return model

    @cached_property
    def _drawn(self) -> dict[int, Floats]:
        """(draws, 2) resampled sums of each array of costs, by identity; the same askers in all."""
        every = [*self.costs.values(), *self.shared.values()]
        sums = resampled_sums(np.concatenate(every, axis=1), self.draws, self.seed)
        return {id(costs): sums[:, 2 * n : 2 * n + 2] for n, costs in enumerate(every)}

    def __rich__(self) -> Shown:
        """Return the table for a terminal."""
        from penchant.evaluation.tables import Shown

        return Shown(self)

    def __str__(self) -> str:
        from penchant.evaluation.tables import text

        return text(self)

    def __repr__(self) -> str:
        return f"<Evaluation of {', '.join(self.models)} on {len(self.asked):,} askers>"

    def _repr_html_(self) -> str:
        from penchant.evaluation.tables import html

        return html(self)


def evaluate(
    models: Recommender | Sequence[Recommender] | Mapping[str, Recommender],
    split: Split,
    metrics: Metric | Sequence[Metric],
    *,
    part: Part | None = None,
    baseline: Recommender | None = POPULARITY,
    rules: Rules = EVERYTHING,
    rng: Rng = None,
    draws: int = 1000,
) -> Evaluation:
    """Ask fitted models the questions of a split, and measure the answers.

    A ranking metric gives an asker without a list 0. Lists are made as ``recommend`` makes them:
    from all items that the asker has not met. Nothing is sampled.

    Parameters
    ----------
    models : fitted on ``split.train``; a name for each if it is a mapping.
    split : where the questions come from.
    metrics : such as ``[NDCG(10), Coverage(10)]``.
    part : the questions; by default ``split.test``. Pass ``split.validation`` to choose between
        models, or ``split.test.where(mask)`` to look at some askers.
    baseline : what to show beside the models and compare them with: one of them, or another model,
        which is fitted on ``split.train`` if it is not yet; None for none. The default is left out
        if one of the models is a Popularity, which then takes its place, or if only rating errors
        are asked for.
    rules : what may be recommended; for ``split.cold_items``, ``Rules(only=...)`` the items held
        out, since among all others a cold item hardly ever comes first.
    rng : seed of the bootstrap, or a generator; None is the seed 0.
    draws : how many resamples.

    Raises
    ------
    NotFitted : a model has not been fitted.
    BadParameter : no metric or no model; rating errors, and no model that predicts ratings.
    """
    chosen = tuple(metrics) if isinstance(metrics, Sequence) else (metrics,)
    if not chosen:
        raise BadParameter("metrics must hold at least one, such as NDCG(10)")
    for metric in chosen:
        if not isinstance(metric, Metric):
            raise BadParameter(f"metrics are values such as NDCG(10), got {metric!r}")
    named = by_name(models)
    compared = _with_baseline(named, baseline, split, chosen)
    part = split.test if part is None else part
    costs: dict[tuple[str, Metric], Floats] = {}
    shared: dict[tuple[str, Metric], Floats] = {}
    overall: dict[tuple[str, Metric], float] = {}
    notes = list(split.notes) if part is split.test else []
    notes += _unlike(named, split)
    k = max((metric.k for metric in chosen if not isinstance(metric, OfRatings)), default=0)
    if k:
        on_lists = {m: m.on(split.train) for m in chosen if isinstance(m, OfLists)}
        for name, model in named.items():
            codes = model.recommend(part.queries, k, rules).codes
            silent = int(np.count_nonzero((codes < 0).all(axis=1)))
            if silent:
                notes.append(f"{name} had no list for {silent:,} of {len(part):,} askers")
            ranking = [metric for metric in chosen if isinstance(metric, Ranking)]
            for metric, values in per_query(ranking, codes, part.truth).items():
                costs[name, metric] = mean_of(values)
            for metric in chosen:
                if isinstance(metric, OfLists):
                    costs[name, metric] = mean_of(on_lists[metric](codes))
                elif isinstance(metric, OfCatalogue):
                    overall[name, metric] = metric.value(codes, len(part.queries.items))
    on_ratings = [m for m in chosen if isinstance(m, OfRatings)]
    if on_ratings:
        found, said = _rating_costs(named, part, on_ratings)
        costs |= found[0]
        shared |= found[1]
        notes += said
    return Evaluation(
        models=tuple(named),
        baseline=compared,
        metrics=chosen,
        asked=tuple(part.queries.users.decode(part.queries.user)),
        description=_described(split, part, rules),
        notes=tuple(notes),
        costs=costs,
        shared=shared,
        overall=overall,
        draws=draws,
        seed=seeded(rng),
    )


def by_name(
    models: Recommender | Sequence[Recommender] | Mapping[str, Recommender],
) -> dict[str, Recommender]:
    """Return models by name: as given, or their own with a number where several have the same.

    Raises
    ------
    BadParameter : no model, or something else, such as a class.
    """
    if not isinstance(models, Iterable):
        models = [models]
    for one in models.values() if isinstance(models, Mapping) else models:
        if not isinstance(one, Recommender):
            raise BadParameter(f"a model is a value such as SVD(), got {one!r}")
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        named = {}
        for model in models:
            name, n = model.name, 2
            while name in named:
                name, n = f"{model.name} {n}", n + 1
            named[name] = model
    if not named:
        raise BadParameter("there is no model to evaluate")
    return named


def _with_baseline(
    named: dict[str, Recommender],
    baseline: Recommender | None,
    split: Split,
    metrics: Sequence[Metric],
) -> str | None:
    """Add the baseline to the models if it is not one of them, and return its name."""
    if baseline is None:
        return None
    for name, model in named.items():
        if model is baseline or (baseline is POPULARITY and type(model) is Popularity):
            return name
    if baseline is POPULARITY and all(isinstance(metric, OfRatings) for metric in metrics):
        return None
    name, n = baseline.name, 2
    while name in named:
        name, n = f"{baseline.name} {n}", n + 1
    fitted = "training_" in vars(baseline)
    named[name] = baseline if fitted else replace(baseline).fit(split.train)  # type: ignore[type-var]
    return name


def _unlike(named: Mapping[str, Recommender], split: Split) -> list[str]:
    """Say which models learned from something else than the split's training data."""
    expected = split.train.fingerprint()
    return [
        f"{name} was fitted on other data than this split's train ({training.events:,} events "
        f"against {len(split.train):,}); if it met the test, its numbers are too good"
        for name, training in ((name, model._trained()) for name, model in named.items())
        if training.fingerprint != expected
    ]


def _described(split: Split, part: Part, rules: Rules) -> tuple[str, ...]:
    if rules is EVERYTHING:
        candidates = f"all {len(part.queries.items):,} items less those the asker had met"
    elif rules.only is not None and not rules.per_query:
        candidates = f"the {len(rules.only):,} items that the rules allow"
    else:
        candidates = "what the rules passed to evaluate allow"
    which = {id(split.test): "test", id(split.validation): "validation"}.get(id(part), "chosen")
    return (
        f"{split.train.name}, split by {split.description}; {len(part):,} {which} askers with "
        f"{len(part.truth.item):,} interactions",
        f"candidates: {candidates}; of equal scores the item that comes first in the catalogue "
        "stands first",
    )


def _finished(metric: Metric, sums: Floats) -> Floats:
    """Return the metric from (..., 2) sums of numerators and denominators."""
    below = sums[..., 1]
    means = np.divide(sums[..., 0], below, out=np.full(below.shape, np.nan), where=below > 0)
    return metric.finish(means) if isinstance(metric, OfRatings) else means


def _middle(means: Floats) -> tuple[float, float]:
    """Return the interval that holds the middle of resampled means, those without a value aside."""
    low, high = np.nanquantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def seeded(rng: Rng) -> int:
    """Return the seed of a bootstrap: drawn from a generator, or as given; None is 0."""
    return int(rng.integers(2**32)) if isinstance(rng, np.random.Generator) else int(rng or 0)


def mean_of(values: Floats) -> Floats:
    """Return (q, 2) costs whose ratio is the mean of the values that are not NaN."""
    return np.stack([np.nan_to_num(values), ~np.isnan(values)], axis=1)


def _rating_costs(
    named: Mapping[str, Recommender], part: Part, metrics: Sequence[OfRatings]
) -> tuple[tuple[dict[tuple[str, Metric], Floats], dict[tuple[str, Metric], Floats]], list[str]]:
    """Return costs on each model's own pairs and on those all answered, and what to note."""
    able = predicting(named, metrics[0])
    truth = rated(part, metrics[0])
    errors = {name: predicted(model, part, truth) - truth.value for name, model in able.items()}
    answered = {name: ~np.isnan(wrong) for name, wrong in errors.items()}
    common = np.logical_and.reduce(list(answered.values()))
    own: dict[tuple[str, Metric], Floats] = {}
    shared: dict[tuple[str, Metric], Floats] = {}
    person, q = truth.person(), len(part)
    for metric in metrics:
        for name in able:
            cost = metric.cost(np.nan_to_num(errors[name]).astype(np.float64))
            for costs, count in ((own, answered[name]), (shared, common)):
                costs[name, metric] = np.stack(
                    [np.bincount(person, cost * count, q), np.bincount(person, count, q)], axis=1
                )
    said = [
        f"{name} predicted {answered[name].mean():.1%} of {len(common):,} test ratings"
        for name in able
    ]
    if len(able) > 1 and not common.all():
        said.append(f"differences in rating errors are on the {common.mean():.1%} all predicted")
    return (own, shared), said


def predicting(named: Mapping[str, Recommender], metric: Metric) -> dict[str, Recommender]:
    """Return the models that predict ratings; raises BadParameter if there are none."""
    able = {name: model for name, model in named.items() if model.scores == "rating"}
    if not able:
        raise BadParameter(
            f"{metric.name} needs a model that predicts ratings, and {', '.join(named)} "
            "only ranks: leave the metric out, or add a model such as SVD"
        )
    return able


def rated(part: Part, metric: Metric) -> Histories:
    """Return the truth that has ratings; raises BadParameter if none has."""
    truth = part.truth.where(part.truth.rated() & (part.truth.item >= 0))
    if not len(truth.item):
        raise BadParameter(f"{metric.name} needs ratings in the test, and there are none")
    return truth


def predicted(model: Recommender, part: Part, truth: Histories) -> NDArray[np.float32]:
    """Return (events,) predictions for each event of ``truth``, clipped; NaN: cannot say."""
    lengths = truth.lengths
    widest = max(int(lengths.max(initial=0)), len(part.queries.items), 1)
    answers = np.full(len(truth.item), np.nan, np.float32)
    for first, queries in part.queries.blocks(max(1, BLOCK_BYTES // (4 * widest))):
        rows = truth.take(slice(first, first + len(queries)))
        place = np.arange(len(rows.item)) - np.repeat(rows.indptr[:-1], rows.lengths)
        items = np.full((len(queries), int(rows.lengths.max(initial=0))), -1, np.int32)
        items[rows.person(), place] = rows.item
        scores = model.score(queries, items)[rows.person(), place]
        answers[truth.indptr[first] : truth.indptr[first + len(queries)]] = scores
    scale = model.training_.scale
    return answers if scale is None else np.clip(answers, *scale)
