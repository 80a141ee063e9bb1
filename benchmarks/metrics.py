"""NDCG, recall and MAP at 20 of 30,000 people's lists.

python benchmarks/metrics.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import race
from numpy.typing import NDArray

import penchant as pt
from penchant.evaluation.metrics import per_query
from penchant.histories import Histories

K = 20
SIZE = {"smoke": (200, 300), "quick": (30_000, 5000), "full": (30_000, 40_000)}
"""People, items."""
NOTE = (
    f"NDCG, recall and MAP at {K}, from what each library reads to the means over people, in 64 "
    "bits, all metrics in one call: penchant takes codes and histories; RecTools data frames; ranx "
    "its Qrels and Run, made beforehand, and saves no scores; 'ranx, converted' takes the typed "
    "lists that it makes of them in every call, made beforehand. Definitions are the peer's own: "
    "recall is hits over relevant and MAP sum(P@i rel) over relevant with both; the ideal of NDCG "
    f"is min(relevant, {K}) hits with ranx (pt.NDCG) and always {K} hits with RecTools "
    "(pt.NDCGOverK). Not raced: implicit's precision pools hits over people and divides them by "
    "sum(min(K, relevant)), and Elliot's MAP averages precisions at every place, relevant or not: "
    "they compute something else."
)


def lists(size: str) -> tuple[NDArray[np.int32], Histories]:
    """Draw lists of 20 and truths of 1 to 30, of which some are in the lists."""
    people, items = SIZE[size]
    rng = np.random.default_rng(0)
    codes = np.argsort(rng.random((people, min(items, 200))), axis=1)[:, :K].astype(np.int32)
    codes += rng.integers(0, items - 200, people, np.int32)[:, None] if items > 200 else 0
    many = rng.integers(1, 31, people)
    who = np.repeat(np.arange(people), many)
    liked = rng.random(len(who)) < 0.3
    random = rng.integers(0, items, len(who))
    what = np.where(liked, codes[who, rng.integers(0, K, len(who))], random)
    pairs = np.unique(who * items + what)
    return codes, Histories.of(pairs // items, pairs % items, people=people)


def ours(
    codes: NDArray[np.int32], truth: Histories, ndcg: pt.NDCG | pt.NDCGOverK
) -> race.Contestant:
    metrics = {"NDCG": ndcg, "recall": pt.Recall(K), "MAP": pt.MAPOverRelevant(K)}

    def means() -> dict[str, float]:
        found = per_query(metrics.values(), codes, truth)
        return {name: float(np.nanmean(found[metric])) for name, metric in metrics.items()}

    return race.Contestant(means)


def rectools(codes: NDArray[np.int32], truth: Histories) -> race.Contestant:
    import pandas as pd
    from rectools.metrics import MAP, NDCG, Recall, calc_metrics

    people = np.arange(len(codes))
    reco = pd.DataFrame(
        {
            "user_id": np.repeat(people, K),
            "item_id": codes.ravel(),
            "rank": np.tile(np.arange(1, K + 1), len(codes)),
        }
    )
    met = pd.DataFrame({"user_id": truth.person(), "item_id": truth.item})
    metrics = {"NDCG": NDCG(k=K), "recall": Recall(k=K), "MAP": MAP(k=K)}
    return race.Contestant(lambda: calc_metrics(metrics, reco, met))


def ranx(converted: bool, codes: NDArray[np.int32], truth: Histories) -> race.Contestant:
    import ranx as peer

    names = {"NDCG": f"ndcg@{K}", "recall": f"recall@{K}", "MAP": f"map@{K}"}
    people = range(len(codes))
    qrels = peer.Qrels.from_dict(
        {str(p): {str(i): 1 for i in truth.item[slice(*truth.indptr[[p, p + 1]])]} for p in people}
    )
    run = peer.Run.from_dict(
        {str(p): {str(i): float(K - n) for n, i in enumerate(codes[p])} for p in people}
    )

    told = (qrels.to_typed_list(), run.to_typed_list()) if converted else (qrels, run)
    how: dict[str, Any] = {"threads": race.THREADS, "save_results_in_run": False}

    def answer(found: dict[str, float]) -> dict[str, float]:
        return {name: float(found[theirs]) for name, theirs in names.items()}

    return race.Contestant(lambda: peer.evaluate(*told, list(names.values()), **how), answer)


def races(size: str) -> Iterator[race.Race]:
    codes, truth = lists(size)
    theirs: dict[str, tuple[pt.NDCG | pt.NDCGOverK, float, dict[str, Any]]] = {
        "RecTools": (pt.NDCGOverK(K), 10.0, {"RecTools": rectools}),
        "ranx": (
            pt.NDCG(K), 3.0, {"ranx": partial(ranx, False), "ranx, converted": partial(ranx, True)}
        ),
    }  # fmt: skip
    for peer, (ndcg, target, makes) in theirs.items():
        yield race.Race(
            work=f"NDCG, recall, MAP at {K} of {len(codes):,} people, as {peer} defines them",
            contestants={
                "penchant": partial(ours, codes, truth, ndcg),
                **{name: partial(make, codes, truth) for name, make in makes.items()},
            },
            judge=dict,
            targets=dict.fromkeys(makes, target),
            tolerance=1e-6,
            exact=True,
            repeats=7,
        )


if __name__ == "__main__":
    race.main("metrics", races, NOTE)
