"""The same data for BayesianFM and for myFM's factorization machine, and what each makes of it."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

import penchant as pt

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # myFM asks for its version in a way that is going away
    import myfm

USER_COLUMNS = ("age", "sex", "occupation")
ITEM_COLUMNS = ("genres",)


class Measured(NamedTuple):
    """Errors over all test ratings, the share of them within 90 % bounds, and CPU seconds."""

    rmse: float
    mae: float
    covered: float
    fit: float
    predict: float


@dataclass(frozen=True)
class Task:
    """Ratings to learn from, ratings to predict, and what is known of people and items.

    ``train`` and ``test`` have the columns user, item and rating, and perhaps timestamp; ``users``
    age (in classes), sex and occupation, ``items`` genres, a list each.
    """

    train: pl.DataFrame
    test: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame

    def errors(self, found: NDArray[np.floating]) -> tuple[float, float]:
        """Return RMSE and MAE of predictions, cut to the scale."""
        scale = self.train["rating"].min(), self.train["rating"].max()
        error = np.clip(found, *scale) - self.test["rating"].to_numpy()
        return float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error)))

    def penchant(self, *, side: bool, seed: int, **options: Any) -> Measured:
        """Fit BayesianFM and ask it for every test rating, with bounds; these are timed apart."""
        if side:
            options |= {"user_columns": USER_COLUMNS, "item_columns": ITEM_COLUMNS}
        model = pt.BayesianFM(**options)
        columns = ["user", "item", "rating"]
        if model.session_gap is not None:
            columns.append("timestamp")
        data = pt.Dataset.of(self.train.select(columns), users=self.users, items=self.items)
        asked = self.test.select(columns).drop("rating")
        start = time.process_time()
        model.fit(data, rng=seed)
        fitted = time.process_time()
        found = pt.predict(model, asked, data)["prediction"].to_numpy()
        told = time.process_time()
        bounds = pt.predict(model, asked, data, level=0.9)
        truth = self.test["rating"].to_numpy()
        inside = (bounds["low"].to_numpy() <= truth) & (truth <= bounds["high"].to_numpy())
        answered = ~np.isnan(found)
        found = np.where(answered, found, self._usual())
        return Measured(
            *self.errors(found), float(inside[answered].mean()), fitted - start, told - fitted
        )

    def myfm(self, *, side: bool, seed: int, rank: int, sweeps: int) -> Measured:
        """Fit myFM on the same features and ask it for every test rating."""
        user, item = (
            self.train[c].unique().append(self.test[c].unique()).unique().sort()
            for c in ("user", "item")
        )
        who, what = (
            {part: np.searchsorted(ids, frame[ids.name]) for part, frame in self._parts()}
            for ids in (user, item)
        )
        met = sparse.csr_matrix(
            (np.ones(len(self.train)), (who["train"], what["train"])), (len(user), len(item))
        )
        people = [sparse.eye(len(user)), _shared(met)]
        items = [sparse.eye(len(item)), _shared(met.T)]
        if side:
            known = user.to_frame().join(self.users, on="user", how="left", maintain_order="left")
            people += [_one_hot([[v] for v in known[c]]) for c in USER_COLUMNS]
            told = item.to_frame().join(self.items, on="item", how="left", maintain_order="left")
            items.append(_shared(_one_hot([v or [] for v in told["genres"].to_list()])))
        shapes = [block.shape[1] for block in people + items]
        rows, columns = (sparse.csr_matrix(sparse.hstack(b)) for b in (people, items))
        blocks = {
            part: [
                myfm.RelationBlock(who[part], rows), myfm.RelationBlock(what[part], columns)
            ]
            for part in ("train", "test")
        }  # fmt: skip
        ratings = self.train["rating"].to_numpy().astype(np.float64)
        start = time.process_time()
        model = myfm.MyFMRegressor(rank=rank, random_seed=seed)
        with contextlib.redirect_stderr(io.StringIO()):  # it draws a bar
            model.fit(None, ratings, X_rel=blocks["train"], n_iter=sweeps, n_kept_samples=sweeps,
                      group_shapes=shapes)  # fmt: skip
        fitted = time.process_time()
        found = model.predict(None, blocks["test"])
        told = time.process_time()
        return Measured(*self.errors(found), np.nan, fitted - start, told - fitted)

    def _usual(self) -> NDArray[np.floating]:
        """Return each test row's person's mean rating, for items that nobody rated."""
        means = self.train.group_by("user").agg(usual=pl.col("rating").mean())
        told = self.test.join(means, on="user", how="left", maintain_order="left")["usual"]
        return told.fill_null(self.train["rating"].mean()).to_numpy()

    def _parts(self) -> list[tuple[str, pl.DataFrame]]:
        return [("train", self.train), ("test", self.test)]


def _shared(met: Any) -> sparse.csr_matrix:
    """Return the rows divided by the root of their number of entries."""
    met = sparse.csr_matrix(met)
    each = 1 / np.sqrt(np.maximum(np.diff(met.indptr), 1))
    return sparse.csr_matrix(sparse.diags(each) @ met)


def _one_hot(values: Sequence[Sequence[Any]]) -> sparse.csr_matrix:
    """Return a row for each list, a column for each value."""
    names = sorted({v for row in values for v in row})
    rows = np.repeat(np.arange(len(values)), [len(row) for row in values])
    columns = [names.index(v) for row in values for v in row]
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(values), len(names)))


def row(model: str, library: str, runs: Sequence[Measured]) -> dict[str, Any]:
    """Return the means over runs as a row of a table."""
    rmse, mae, covered, fit, predict = np.mean(runs, axis=0).tolist()
    return {
        "model": model,
        "library": library,
        "RMSE": round(rmse, 4),
        "MAE": round(mae, 4),
        "within 90 % bounds": None if np.isnan(covered) else round(covered, 4),
        "fit, CPU s": round(fit, 2),
        "predict, CPU s": round(predict, 2),
        "RMSE of each": " ".join(f"{run.rmse:.4f}" for run in runs),
    }
