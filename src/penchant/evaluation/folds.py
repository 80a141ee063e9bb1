"""Cross-validation: models fitted and asked once for each of several splits."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtrit

from penchant.dataset import Dataset
from penchant.errors import BadParameter, UnknownId
from penchant.evaluation.evaluator import LEVEL, Estimate, by_name, evaluate, predicting
from penchant.evaluation.metrics import MAE, NDCG, RMSE, Metric, OfRatings, Recall
from penchant.recommender import Recommender
from penchant.split import Rng, Split, kfold, seeded

if TYPE_CHECKING:
    from rich.console import RenderableType

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What models scored in each fold.

    Parameters
    ----------
    models, metrics : what was measured.
    values : for each model and metric, (folds,) values; NaN where the metric does not apply.
    seconds : for each model, (folds,) CPU seconds of fitting.
    trained, tested : (folds,) events learned from and asked about.
    description : how the folds were cut.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted(noise=0.1)
    >>> found = pt.cross_validate([pt.EASE(l2=20.0), pt.Popularity()], data, 4)
    >>> found.mean(pt.NDCG(10), "EASE") > found.mean(pt.NDCG(10), "Popularity")
    True
    """

    models: tuple[str, ...]
    metrics: tuple[Metric, ...]
    values: Mapping[tuple[str, Metric], Floats]
    seconds: Mapping[str, Floats]
    trained: NDArray[np.int64]
    tested: NDArray[np.int64]
    description: str

    def __getitem__(self, metric: Metric) -> float:
        """Return the first model's mean over the folds."""
        return self.mean(metric)

    def mean(self, metric: Metric, model: str | None = None) -> float:
        """Return a model's mean over the folds; by default the first's."""
        return float(self._of(metric, model).mean())

    def sd(self, metric: Metric, model: str | None = None) -> float:
        """Return the standard deviation over the folds (ddof = 1)."""
        return float(self._of(metric, model).std(ddof=1))

    def difference(self, metric: Metric, model: str, other: str) -> Estimate:
        """Return how far a model is above another, fold by fold, with a 95 % interval.

        The interval is Student's for paired values, widened since the folds share training data:
        variance times 1/k + tested/trained instead of 1/k. Nadeau and Bengio, "Inference for the
        Generalization Error", Machine Learning 52 (2003).
        """
        apart = self._of(metric, model) - self._of(metric, other)
        share = float((self.tested / np.maximum(self.trained, 1)).mean())
        wide = np.sqrt(apart.var(ddof=1) * (1 / len(apart) + share))
        wide *= stdtrit(len(apart) - 1, (1 + LEVEL) / 2)
        middle = float(apart.mean())
        return Estimate(middle, middle - float(wide), middle + float(wide))

    def to_frame(self) -> pl.DataFrame:
        """Return a row for each model and metric.

        Columns: model, metric, mean, sd, fold 1, fold 2, …, seconds (mean CPU time of a fit).
        """
        rows = []
        for (model, metric), values in self.values.items():
            row = {"model": model, "metric": metric.name}
            folds = {f"fold {n}": float(value) for n, value in enumerate(values, 1)}
            known = {"mean": self.mean(metric, model), "sd": self.sd(metric, model)}
            rows.append(row | known | folds | {"seconds": float(self.seconds[model].mean())})
        return pl.DataFrame(rows).with_columns(pl.selectors.float().fill_nan(None))

    def _of(self, metric: Metric, model: str | None) -> Floats:
        model = self.models[0] if model is None else model
        if (model, metric) not in self.values:
            raise UnknownId(
                f"{metric!r} of {model!r} was not measured, only {', '.join(self.models)} by "
                f"{', '.join(map(repr, self.metrics))}"
            )
        return self.values[model, metric]

    def _rows(self) -> list[list[str]]:
        """Return a head and a line for each model: mean ± sd for each metric."""
        lines = [["", *(metric.name for metric in self.metrics), "fit, CPU s"]]
        for model in self.models:
            texts = [
                "-" if np.isnan(self.mean(m, model))
                else f"{self.mean(m, model):.4f} ± {self.sd(m, model):.4f}"
                for m in self.metrics
            ]  # fmt: skip
            lines.append([model, *texts, f"{self.seconds[model].mean():.2f}"])
        return lines

    def _said(self) -> str:
        return f"mean ± standard deviation over {len(self.tested)} folds: {self.description}"

    def __rich__(self) -> RenderableType:
        """Return the table for a terminal."""
        from penchant.evaluation.tables import grid

        return grid(self._rows(), self._said())

    def __str__(self) -> str:
        from penchant.evaluation.tables import plain

        return plain(self.__rich__())

    def __repr__(self) -> str:
        return f"<CrossValidation of {', '.join(self.models)} on {len(self.tested)} folds>"

    def _repr_html_(self) -> str:
        head, *body = (
            "".join(f"<td>{escape(text)}</td>" for text in line) for line in self._rows()
        )
        rows = "".join(f"<tr>{line}</tr>" for line in body)
        head = head.replace("td>", "th>")
        return f"<table><tr>{head}</tr>{rows}</table><p>{escape(self._said())}</p>"


def cross_validate(
    models: Recommender | Sequence[Recommender] | Mapping[str, Recommender],
    data: Dataset | None = None,
    folds: int | Sequence[Split] = 5,
    metrics: Metric | Sequence[Metric] | None = None,
    *,
    rng: Rng = None,
) -> CrossValidation:
    """Fit models on each of several training sets and measure them on what was held out.

    The models passed are left as they are; copies are fitted. Every model gets the same folds and,
    in each fold, the same seed.

    Parameters
    ----------
    models : a model, several, or names to models.
    data : what to cut; None if ``folds`` are splits.
    folds : into how many parts the shuffled events are cut (see ``split.kfold``), or splits that
        are ready, such as u1 to u5 of MovieLens 100K.
    metrics : by default NDCG(10) and Recall(10), RMSE() and MAE(), as far as they apply.
    rng : a seed or generator, of the cut and of the fits; None is the seed 0.

    Raises
    ------
    BadParameter : neither data nor splits, or fewer than two folds; rating errors, and no model
        that predicts ratings.
    """
    generator = seeded(rng)
    who = by_name(models)
    if isinstance(folds, Sequence):
        splits = list(folds)
        if len(splits) < 2 or not all(isinstance(one, Split) for one in splits):
            raise BadParameter(f"folds must be a number, or at least two splits, got {folds!r}")
        how = f"the first of them split by {splits[0].description}"
    elif data is None:
        raise BadParameter("pass the data to cut into folds, or splits as folds=")
    else:
        splits = kfold(data, folds, rng=generator)
        how = f"shuffled and cut into {folds} parts, each held out once"
    chosen = _metrics(metrics, who)
    for metric in chosen:
        if isinstance(metric, OfRatings):
            predicting(who, metric)
    values = {(name, m): np.full(len(splits), np.nan) for name in who for m in chosen}
    seconds = {name: np.zeros(len(splits)) for name in who}
    for n, split in enumerate(splits):
        seed = int(generator.integers(2**31))
        for name, model in who.items():
            begun = process_time()
            fitted = copy.copy(model).fit(split.train, rng=seed)
            seconds[name][n] = process_time() - begun
            able = [m for m in chosen if fitted.scores == "rating" or not isinstance(m, OfRatings)]
            if able:
                result = evaluate({name: fitted}, split, able, baseline=None)
                for metric in able:
                    values[name, metric][n] = result.value(metric, name)
    return CrossValidation(
        models=tuple(who),
        metrics=chosen,
        values=values,
        seconds=seconds,
        trained=np.array([len(split.train) for split in splits]),
        tested=np.array([len(split.test.truth.item) for split in splits]),
        description=f"{splits[0].train.name}, {how}",
    )


def _metrics(
    metrics: Metric | Sequence[Metric] | None, models: Mapping[str, Recommender]
) -> tuple[Metric, ...]:
    if metrics is not None:
        return tuple(metrics) if isinstance(metrics, Sequence) else (metrics,)
    kinds = {model.scores == "rating" for model in models.values()}
    ranking: list[Metric] = [NDCG(10), Recall(10)]
    ratings: list[Metric] = [RMSE(), MAE()]
    return tuple(ranking * (False in kinds) + ratings * (True in kinds))
