"""The protocol of NeuMF on ml-1m: the last item of each person among 99 that they never met.

    PENCHANT_DATA=FOLDER python benchmarks/last_out.py [--tune]    # FOLDER holds ml-1m

Settings are those of settings/ml-1m.json, which ``--tune`` finds: the best of a few by the same
protocol on the item before the last, with the last left out. Metrics among sampled items mislead
about which model is better among all (Krichene and Rendle 2020), and so does tuning by them: this
is to compare with published numbers only.

``seq_pos`` says which item was a person's last, as in the published protocol. It is read for that
alone, and ratings are not read at all.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from record import local_data, machine, markdown, record

import penchant as pt
from penchant.split import Split

NEGATIVES = 99
SETTINGS = Path(__file__).parent / "settings" / "ml-1m.json"
MODELS = {"ALS": pt.ALS(factors=192), "EASE": pt.EASE()}
TRIED: dict[str, list[dict[str, Any]]] = {
    "ALS": [{"unobserved": weight} for weight in (0.1, 0.2, 0.3, 0.5)],
    "EASE": [{"l2": l2} for l2 in (250.0, 500.0, 1000.0, 2000.0, 4000.0)],
}
PUBLISHED = {"ALS": (0.730, 0.453), "EASE": (0.7192, 0.4494)}
"""HR@10 and NDCG@10: Rendle et al. 2022 (iALS), Anelli et al. 2021 (EASE)."""


def last_out(folder: Path) -> tuple[Split, Split]:
    """Return a split whose test is each person's last item, and one of the rest to tune by.

    The test of the second is the item before the last.
    """
    table = pl.read_parquet(
        folder / "ratings.parquet", columns=["user_id", "movie_id", "seq_pos"]
    ).with_columns(from_end=pl.col("seq_pos").rank("ordinal", descending=True).over("user_id"))
    pairs = table.select("user_id", "movie_id", from_end=pl.col("from_end").fill_null(0))
    data = pt.Dataset.of(pairs, context=("from_end",), name="ml-1m")
    whole = pt.split.where(data, data.histories.context["from_end"].to_numpy() == 1)
    rest = whole.train
    inner = pt.split.where(rest, rest.histories.context["from_end"].to_numpy() == 2)
    return whole, inner


def candidates(split: Split, seed: int) -> np.ndarray:
    """Return (people, 1 + NEGATIVES) codes: the item held out, and others that were never met."""
    rng = np.random.default_rng(seed)
    part = split.test
    met = np.zeros((len(part), len(split.train.items)), bool)
    met[part.queries.histories.person(), part.queries.histories.item] = True
    met[np.arange(len(part)), part.truth.item] = True
    drawn = rng.random(met.shape, np.float32)
    drawn[met] = 2.0
    others = np.argpartition(drawn, NEGATIVES, axis=1)[:, :NEGATIVES]
    return np.concatenate([part.truth.item[:, None], others], axis=1).astype(np.int32)


def among(model: pt.Recommender, split: Split, items: np.ndarray) -> tuple[float, float]:
    """Return HR@10 and NDCG@10 of the first candidate; of equal scores it comes last."""
    ranks = []
    for rows in np.array_split(np.arange(len(items)), 20):
        scores = np.nan_to_num(model.score(split.test.queries[rows], items[rows]), nan=-np.inf)
        ranks.append((scores[:, 1:] >= scores[:, :1]).sum(axis=1))
    rank = np.concatenate(ranks)
    return float((rank < 10).mean()), float(np.where(rank < 10, 1 / np.log2(rank + 2), 0).mean())


def tuned(name: str, split: Split) -> dict[str, Any]:
    """Return which of the settings to try has the highest HR@10, and that."""
    items = candidates(split, 0)
    found = {}
    for number, settings in enumerate(TRIED[name]):
        fitted = replace(MODELS[name], **settings).fit(split.train)
        found[number] = among(fitted, split, items)[0]
    best = max(found, key=found.__getitem__)
    return {
        "settings": TRIED[name][best],
        "validation": round(found[best], 4),
        "trials": len(found),
    }


def main() -> None:
    """Tune if asked, fit, ask, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="look for settings first")
    split, inner = last_out(local_data("ml-1m"))
    if parser.parse_args().tune:
        body = {
            "data": "ml-1m",
            "split": "the item before the last of each person",
            "metric": "HR@10 among 99 sampled items",
            "machine": machine(),
            "models": {name: tuned(name, inner) for name in MODELS},
        }
        SETTINGS.write_text(json.dumps(body, indent=1) + "\n")
    known = json.loads(SETTINGS.read_text())["models"]
    rows = []
    for name, model in MODELS.items():
        fitted = replace(model, **known[name]["settings"])
        begun = time.process_time()
        fitted.fit(split.train)
        seconds = time.process_time() - begun
        draws = np.array([among(fitted, split, candidates(split, seed)) for seed in range(5)])
        rows.append({
            "model": name,
            "HR@10": round(float(draws[:, 0].mean()), 4),
            "NDCG@10": round(float(draws[:, 1].mean()), 4),
            "spread of HR@10": round(float(draws[:, 0].std(ddof=1)), 4),
            "HR@10, published": PUBLISHED[name][0],
            "NDCG@10, published": PUBLISHED[name][1],
            "fit, CPU s": round(seconds, 2),
        })  # fmt: skip
    record(
        "last_out", rows,
        "ml-1m, the last item of each person among 99 that they never met; mean and standard "
        "deviation over five draws of the 99. Settings of settings/ml-1m.json: the best of a "
        "few by the same protocol on the item before the last. ALS has 192 factors.",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
