"""Predicted ratings on ml-100k, u1 to u5: penchant and Surprise in turn, errors and CPU seconds.

Run it with the environment of ``requirements.txt``; FOLDER holds ml-100k:

    PENCHANT_DATA=FOLDER .venv-bench/bin/python benchmarks/ratings.py
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import surprise
from numpy.typing import NDArray
from record import local_data, markdown, record

import penchant as pt
from penchant.kernels import sgd
from penchant.kernels.biases import fit_biases

SEEDS = (0, 1, 2)
RANDOM = (surprise.SVD, surprise.SVDpp, surprise.NMF, surprise.CoClustering)
QUICK = (surprise.SVD, surprise.NMF, surprise.CoClustering, surprise.BaselineOnly)
"""Surprise's others take seconds each time: once a fold has to do."""
FORMS = {
    "basic": surprise.KNNBasic,
    "means": surprise.KNNWithMeans,
    "z_score": surprise.KNNWithZScore,
    "baseline": surprise.KNNBaseline,
}


def neighbours(
    form: str, similarity: str, kind: type[pt.ItemKNN | pt.UserKNN]
) -> tuple[type, dict[str, Any], pt.Recommender]:
    """Return the same neighbours in both libraries; Surprise shrinks no similarity but one."""
    sides = {"name": similarity, "user_based": kind is pt.UserKNN}
    shrinkage = 100.0 if similarity == "pearson_baseline" else 0.0
    model = kind(target="rating", form=form, similarity=similarity, shrinkage=shrinkage)
    return FORMS[form], {"sim_options": sides, "verbose": False}, model


MODELS: dict[str, tuple[type, dict[str, Any], pt.Recommender]] = {
    "biases": (surprise.BaselineOnly, {"verbose": False}, pt.Biases()),
    "biases, by descent": (
        surprise.BaselineOnly,
        {"bsl_options": {"method": "sgd"}, "verbose": False},
        pt.Biases(method="sgd"),
    ),
    "SlopeOne": (surprise.SlopeOne, {}, pt.SlopeOne()),
    "CoClustering": (surprise.CoClustering, {}, pt.CoClustering()),
    "SVD": (surprise.SVD, {}, pt.SVD()),
    "SVD++": (surprise.SVDpp, {}, pt.SVDpp()),
    "NMF": (surprise.NMF, {}, pt.NMF()),
    **{
        f"{side} kNN, {form}, {similarity}": neighbours(form, similarity, kind)
        for side, kind in (("item", pt.ItemKNN), ("user", pt.UserKNN))
        for similarity in ("pearson_baseline", "msd")
        for form in FORMS
    },
}
Measured = tuple[float, float, float, float, float]


class Fold:
    """One of the splits, as each library takes it, and the errors of predictions for its test."""

    def __init__(self, folder: Path, number: int) -> None:
        paths = [folder / f"u{number}.{part}" for part in ("base", "test")]
        names = ["user", "item", "rating", "timestamp"]
        rows, self.test = (
            pl.read_csv(p, separator="\t", has_header=False, new_columns=names)[:, :3]
            for p in paths
        )
        self.train = pt.Dataset.of(rows)
        reader = surprise.Reader(line_format="user item rating timestamp", sep="\t")
        theirs = surprise.Dataset.load_from_file(str(paths[0]), reader)
        self.their_train = theirs.build_full_trainset()
        self.their_test = [(str(u), str(i), float(r)) for u, i, r in self.test.iter_rows()]
        # What Surprise's biases and vectors answer for items that nobody rated.
        mean, _, bias = fit_biases(
            self.train.ratings(), item_penalty=10, user_penalty=15, epochs=10
        )
        self.answers = self.stand_in = mean + bias[self.train.users.encode(self.test["user"])]

    def errors(
        self, found: NDArray[np.floating], instead: NDArray[np.floating]
    ) -> tuple[float, float, float]:
        """Return RMSE and MAE over all pairs, and the share answered without ``instead``."""
        truth = self.test["rating"].to_numpy()
        error = np.where(np.isnan(found), instead, found).clip(1, 5) - truth
        return (
            float(np.sqrt(np.mean(error**2))),
            float(np.mean(np.abs(error))),
            float(np.mean(~np.isnan(found))),
        )

    def surprise(self, kind: type, options: dict[str, Any], seed: int) -> Measured:
        """Fit and ask Surprise."""
        chance = {"random_state": seed} if kind in RANDOM else {}
        start = time.process_time()
        model = kind(**options, **chance).fit(self.their_train)
        fitted = time.process_time()
        said = model.test(self.their_test)
        asked = time.process_time()
        self.answers = np.array([p.est for p in said])
        return (*self.errors(self.answers, self.answers), fitted - start, asked - fitted)

    def penchant(self, model: pt.Recommender, seed: int) -> Measured:
        """Fit and ask penchant; what it cannot say is as Surprise's last model said it."""
        start = time.process_time()
        model.fit(self.train, rng=seed)
        fitted = time.process_time()
        said = pt.predict(model, self.test, self.train)
        asked = time.process_time()
        found = said["prediction"].to_numpy()
        return (*self.errors(found, self.answers), fitted - start, asked - fitted)

    def descent(self, seed: int) -> Measured:
        """Return the errors of the vectors that descent itself gives to people."""
        ratings = self.train.ratings()
        rng = np.random.default_rng(seed)
        p, q = (0.1 * rng.standard_normal((n, 100), np.float32) for n in ratings.shape)
        b_user, b_item = (np.zeros(n, np.float32) for n in ratings.shape)
        mean = float(ratings.data.mean())
        for _ in range(20):
            sgd.epoch(ratings, mean, p, q, b_user, b_item, rate=0.005, penalty=0.02)
        u = self.train.users.encode(self.test["user"])
        i = self.train.items.encode(self.test["item"])
        found = mean + b_user[u] + b_item[i] + np.einsum("nf,nf->n", p[u], q[i])
        return (*self.errors(np.where(i >= 0, found, np.nan), self.stand_in), np.nan, np.nan)

    def strangers(self, seed: int) -> Measured:
        """Return the errors of SVD for people each of whom it was not fitted on, in five parts."""
        found = np.full(len(self.test), np.nan)
        asked = self.train.users.encode(self.test["user"])
        part = np.random.default_rng(seed).integers(0, 5, len(self.train.users))
        for n in range(5):
            known = self.train.where(part[self.train.histories.person()] != n)
            model = pt.SVD().fit(known, rng=seed)
            rows = part[asked] == n
            said = pt.predict(model, self.test.filter(rows), self.train)
            found[rows] = said["prediction"].to_numpy()
        return (*self.errors(found, self.stand_in), np.nan, np.nan)


def row(model: str, library: str, runs: list[list[Measured]]) -> dict[str, Any]:
    """Summarise runs[fold][seed]: errors by their mean, seconds by the median over seeds."""
    each = np.array(runs)
    rmse, mae, answered = each[:, :, :3].mean(axis=(0, 1)).tolist()
    fit, ask = np.median(each[:, :, 3:], axis=1).mean(axis=0).tolist()
    return {
        "model": model,
        "library": library,
        "RMSE": round(rmse, 4),
        "MAE": round(mae, 4),
        "answered": round(answered, 4),
        "fit, CPU s": None if np.isnan(fit) else round(fit, 3),
        "predict, CPU s": None if np.isnan(ask) else round(ask, 3),
    }


def main() -> None:
    """Measure, print and record."""
    folder = local_data("ml-100k")
    folds = [Fold(folder, number) for number in range(1, 6)]
    rows = []
    for name, (kind, options, model) in MODELS.items():
        folds[0].penchant(model, seed=0)  # compiles
        theirs: list[list[Measured]] = [[] for _ in folds]
        ours: list[list[Measured]] = [[] for _ in folds]
        for n, fold in enumerate(folds):
            for seed in SEEDS:
                if seed == SEEDS[0] or kind in QUICK:
                    theirs[n].append(fold.surprise(kind, options, seed))
                ours[n].append(fold.penchant(model, seed))
        pair = [row(name, "surprise", theirs), row(name, "penchant", ours)]
        costs = [r["fit, CPU s"] + r["predict, CPU s"] for r in pair]
        rows += [r | {"times less": round(costs[0] / c, 1)} for r, c in zip(pair, costs)]
        print(markdown(rows[-2:]), flush=True)
    alone = [[fold.descent(seed) for seed in SEEDS] for fold in folds]
    rows.append(row("SVD, people as descent left them", "penchant", alone) | {"times less": None})
    apart = [[fold.strangers(seed) for seed in SEEDS] for fold in folds]
    rows.append(row("SVD, everyone a stranger", "penchant", apart) | {"times less": None})
    record(
        "ratings", rows,
        "ml-100k, the files u1 to u5, library defaults (SVD: 100 factors, 20 epochs; neighbours: "
        "k = 40, msd not shrunk); fits and predictions of 20,000 test ratings in turn, after "
        "compilation, seeds 0 to 2 (Surprise's neighbours, SlopeOne and SVD++ once a fold). "
        "Errors: mean over folds and seeds, over all pairs, where an item that nobody rated gets "
        "what Surprise's model of the same row says. "
        "Seconds: median over seeds, mean over folds. 'times less': Surprise's seconds over this "
        "row's. 'Everyone a stranger': each person's ratings are predicted from their own by a "
        "model fitted without them (five parts of the people).",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
