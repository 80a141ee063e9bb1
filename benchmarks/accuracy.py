"""How good the lists of every model are, with its defaults and tuned: three data sets.

    PENCHANT_DATA=FOLDER python benchmarks/accuracy.py [DATA ...] [--model NAME ...]

FOLDER holds ml-100k, lastfm-2k and douban-implicit; what is not there is left out. Tuned settings
are those of settings/DATA.json, which accuracy_tuning.py finds on validation data only. Results of
models and data that are not asked for stay as they were.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from record import found, local_data, markdown, record

import penchant as pt

MODELS = (
    "Popularity", "ItemKNN", "UserKNN", "RP3beta", "P3alpha", "GraphFilter", "EASE", "SLIM", "ALS",
    "BPR", "WARP", "LogisticMF",
)  # fmt: skip
METRICS = [pt.NDCG(10), pt.MAPOverRelevant(10), pt.Precision(10), pt.Recall(10)]
HERE = Path(__file__).parent
ELSEWHERE = {"EASE": 0.4842, "ALS": 0.4514, "BPR": 0.4450, "RP3beta": 0.4363, "ItemKNN": 0.4177,
             "Popularity": 0.2524}  # fmt: skip
"""NDCG@10 on ml-100k of the same kind of model, by others' code on MS Recommenders' split."""


@dataclass(frozen=True)
class Protocol:
    """How a data set is read and cut.

    Parameters
    ----------
    by : of whose events a part is held out, "user" or "item".
    test, validation : how much of all is the test, and of the rest is held out to tune by.
    cuts : how often that is done, each time anew, for a tuning by the mean.
    seeds : of the splits whose mean is reported.
    """

    read: Callable[[Path], pt.Dataset]
    by: Literal["user", "item"]
    test: float
    validation: float
    cuts: int
    seeds: tuple[int, ...]
    note: str

    def split(self, data: pt.Dataset, seed: int) -> pt.split.Split:
        """Hold out the test. Means are over people in both parts, as in the protocols."""
        split = pt.split.random(data, self.test, by=self.by, rng=seed)
        return replace(split, test=split.test.where(split.test.queries.histories.lengths > 0))

    def tuning(self, data: pt.Dataset) -> list[pt.split.Split]:
        """Hold out some of what is not the test of the first split, ``cuts`` times."""
        whole = self.split(data, self.seeds[0])
        parts = [
            pt.split.random(whole.train, self.validation, by=self.by, rng=n)
            for n in range(self.cuts)
        ]
        return [replace(whole, train=part.train, validation=part.test) for part in parts]


PROTOCOLS = {
    "ml-100k": Protocol(
        pt.datasets.read, "item", 0.25, 0.1, 3, (42, 43, 44, 45, 46),
        "a random quarter of each item's ratings is the test, five re-splits",
    ),
    "lastfm-2k": Protocol(
        lambda folder: pt.datasets.read(folder / "user_artists.dat"), "user", 0.1, 1 / 9, 1, (0,),
        "a random tenth of each person's artists is the test, a ninth of the rest the validation",
    ),
    "douban-implicit": Protocol(
        lambda folder: pt.datasets.read(folder / "interactions.parquet"),
        "user", 0.1, 1 / 9, 1, (0,),
        "a random tenth of each person's items is the test, a ninth of the rest the validation",
    ),
}  # fmt: skip


def tuned(data: str) -> dict[str, dict[str, Any]]:
    """Return the settings found for a data set, by model."""
    path = HERE / "settings" / f"{data}.json"
    if not path.exists():
        return {}
    return {name: one["settings"] for name, one in json.loads(path.read_text())["models"].items()}


def versions(data: str, names: list[str]) -> Iterator[tuple[str, str, pt.Recommender]]:
    """Yield name, kind of settings and model."""
    known = tuned(data)
    for name in names:
        model = getattr(pt, name)()
        yield name, "default", model
        if name in known:
            yield name, "tuned", replace(model, **known[name])


def measured(data: str, names: list[str]) -> list[dict[str, Any]]:
    """Return a row for each version of each model."""
    protocol = PROTOCOLS[data]
    whole = protocol.read(local_data(data))
    splits = {seed: protocol.split(whole, seed) for seed in protocol.seeds}
    rows, each = [], []
    for name, kind, model in versions(data, names):
        values, seconds = [], []
        for seed, split in splits.items():
            fitted = copy.copy(model)
            begun = time.process_time()
            fitted.fit(split.train, rng=seed)
            seconds.append(time.process_time() - begun)
            found = pt.evaluate({name: fitted}, split, METRICS, baseline=None)
            values.append([found.value(metric) for metric in METRICS])
        each.append(found.per_query(METRICS[0]))
        interval = found.estimate(METRICS[0])
        means = np.mean(values, axis=0)
        row = {"data": data, "model": name, "settings": kind}
        row |= {m.name: round(float(v), 4) for m, v in zip(METRICS, means, strict=True)}
        if len(splits) > 1:
            row["spread"] = round(float(np.std(np.array(values)[:, 0], ddof=1)), 4)
            row["elsewhere"] = ELSEWHERE.get(name)
        else:
            row |= {"low": round(interval.low, 4), "high": round(interval.high, 4)}
        row["fit, CPU s"] = round(float(np.median(seconds)), 3)
        rows.append(row)
        print(markdown([row]).splitlines()[-1], flush=True)
    if len(splits) == 1 and set(names) == set(MODELS):
        against_best(rows, each)
    return rows


def against_best(rows: list[dict[str, Any]], each: list[np.ndarray]) -> None:
    """Say how far each is below the best, and the interval of that, person by person."""
    best = int(np.argmax([row["NDCG@10"] for row in rows]))
    drawn = np.random.default_rng(0).integers(0, len(each[best]), (1000, len(each[best])))
    for row, values in zip(rows, each, strict=True):
        apart = values - each[best]
        low, high = np.quantile(apart[drawn].mean(axis=1), [0.025, 0.975])
        row["minus the best"] = round(float(apart.mean()), 4)
        row["minus the best, low"] = round(float(low), 4)
        row["minus the best, high"] = round(float(high), 4)


def kept(data: list[str], names: list[str]) -> list[dict[str, Any]]:
    """Return the rows of the last record that are not measured now."""
    path = HERE / "results" / "accuracy.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    return [row for row in rows if row["data"] not in data or row["model"] not in names]


def main() -> None:
    """Fit and ask, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", choices=[*PROTOCOLS, []])
    parser.add_argument("--model", action="append", choices=MODELS)
    asked = parser.parse_args()
    names = asked.model or list(MODELS)
    data = [name for name in asked.data or PROTOCOLS if found(name)]
    rows = kept(data, names)
    for name in data:
        rows += measured(name, names)
    order = {name: n for n, name in enumerate([*PROTOCOLS, *MODELS])}
    rows.sort(key=lambda row: (order[row["data"]], order[row["model"]], row["settings"]))
    notes = "; ".join(f"{name}: {one.note}" for name, one in PROTOCOLS.items())
    record(
        "accuracy", rows,
        f"{notes}. Every test event is relevant, all unseen items are ranked. 'default' is the "
        "model as it comes, 'tuned' has the settings of benchmarks/settings, found on validation "
        "data only; both are fitted on all that is not test. 'low' and 'high' hold 95% of "
        "resamples of the people, also of the paired difference to the best; 'spread' is the "
        "standard deviation over the re-splits, 'elsewhere' the value of the same kind of model "
        "measured with others' code.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
