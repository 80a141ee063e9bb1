"""NDCG@10 on ml-100k, stratified 75/25 by item, five re-splits: popularity, EASE, ALS, item kNN.

    PENCHANT_DATA=FOLDER python benchmarks/topn.py    # FOLDER holds ml-100k

Protocol: a random quarter of each item's ratings is the test; every test rating is relevant; all
unseen items are ranked; mean over people with both a history and a truth.
"""

from __future__ import annotations

import time

import numpy as np
from record import local_data, markdown, record

import penchant as pt

MODELS = {
    "popularity": pt.Popularity(),
    "EASE, l2=300": pt.EASE(l2=300.0),
    "ALS, defaults": pt.ALS(),
    "item kNN, defaults": pt.ItemKNN(),
}
PUBLISHED = {"popularity": 0.2524, "EASE, l2=300": 0.4842, "ALS, defaults": 0.4514,
             "item kNN, defaults": 0.4177}  # fmt: skip


def ndcg(model: pt.Recommender, split: pt.split.Split, k: int = 10) -> float:
    """Return the mean NDCG@k over people who have a history, ideal of min(relevant, k) hits."""
    part = split.test.where(split.test.queries.histories.lengths > 0)
    lists = model.recommend(part.queries, k).codes
    gain = 1 / np.log2(np.arange(2, k + 2))
    found = []
    for row, (a, b) in enumerate(zip(part.truth.indptr[:-1], part.truth.indptr[1:], strict=True)):
        hits = np.isin(lists[row], part.truth.item[a:b])
        found.append((gain * hits).sum() / gain[: min(k, b - a)].sum())
    return float(np.mean(found))


def main() -> None:
    """Fit each model on five splits, print and record."""
    data = pt.datasets.read(local_data("ml-100k"))
    found: dict[str, list[float]] = {name: [] for name in MODELS}
    seconds: dict[str, list[float]] = {name: [] for name in MODELS}
    for seed in range(42, 47):
        split = pt.split.random(data, 0.25, by="item", rng=seed)
        for name, model in MODELS.items():
            start = time.process_time()
            model.fit(split.train, rng=seed)
            seconds[name].append(time.process_time() - start)
            found[name].append(ndcg(model, split))
    rows = [
        {
            "model": name,
            "NDCG@10": round(float(np.mean(values)), 4),
            "spread": round(float(np.std(values, ddof=1)), 4),
            "fit, CPU s": round(float(np.median(seconds[name])), 3),
            "elsewhere": PUBLISHED[name],
        }
        for name, values in found.items()
    ]
    record(
        "topn", rows,
        "ml-100k, a random quarter of each item's ratings held out, seeds 42 to 46; NDCG@10 over "
        "all unseen items, mean and standard deviation over the re-splits; 'elsewhere' is the "
        "value of the same kind of model measured with MS Recommenders' split (for item kNN: BM25; "
        "for ALS: implicit, 32 factors).",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
