"""measure: ranking metrics of lists made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import BadParameter
from penchant.evaluation.evaluator import Evaluation, mean_of, seeded
from penchant.evaluation.metrics import Metric, Ranking, per_query
from penchant.histories import Histories
from penchant.ids import IdMap
from penchant.split import Rng

Lists = Mapping[Any, Sequence[Any]]


def measure(
    lists: Lists | Mapping[str, Lists],
    truth: Lists,
    metrics: Ranking | Sequence[Ranking],
    *,
    rng: Rng = None,
    draws: int = 1000,
) -> Evaluation:
    """Measure lists made elsewhere, with intervals and, of several, paired differences.

    Parameters
    ----------
    lists : item ids by user id, best first; or several such by name. The first is what the others
        are compared with. A user of ``truth`` without a list scores 0.
    truth : the relevant item ids by user id. Only these users are measured; one with nothing
        relevant has no value.
    metrics : such as ``[NDCG(10), Recall(20)]``, which look at where relevant items stand.
    rng, draws : of the bootstrap, as in ``evaluate``.

    Raises
    ------
    BadParameter : no lists, no truth, or a metric that needs more than lists and truth.
    BadEvents : item ids of different types, or a missing one.

    Examples
    --------
    >>> import penchant as pt
    >>> truth = {"ann": ["tea", "jam"], "bob": ["rye"]}
    >>> result = pt.measure({"ann": ["jam", "oil"], "bob": ["tea", "rye"]}, truth, pt.MRR(2))
    >>> result[pt.MRR(2)]
    0.75
    """
    chosen = (metrics,) if isinstance(metrics, (str, Ranking)) else tuple(metrics)
    for metric in chosen:
        if not isinstance(metric, Ranking) or metric.relevant is not None:
            raise BadParameter(
                f"{metric!r} needs more than lists and what is relevant: leave it out, or measure "
                "a model with evaluate"
            )
    for given, said in ((lists, "lists"), (truth, "truth")):
        if not isinstance(given, Mapping):
            raise BadParameter(
                f"{said} must be a mapping from user ids to item ids, got {given!r:.60}"
            )
    named: dict[str, Any] = dict(lists)
    if not all(isinstance(one, Mapping) for one in named.values()):
        named = {"lists": lists}
    if not chosen or not named or not truth:
        raise BadParameter("measure needs at least one list, one user in truth and one metric")
    for given in (truth, *named.values()):
        for user, listed in given.items():
            if isinstance(listed, str):
                raise BadParameter(f"user {user!r}: a list of item ids is needed, got {listed!r}")
    people = list(truth)
    wanted = [truth[one] for one in people]
    k = max(metric.k for metric in chosen)
    found = {name: [given.get(one, ())[:k] for one in people] for name, given in named.items()}
    ids = [list(chain.from_iterable(rows)) for rows in (wanted, *found.values())]
    items = IdMap.of(list(chain.from_iterable(ids)))
    relevant = Histories.of(
        np.repeat(np.arange(len(people)), [len(row) for row in wanted]),
        items.encode(ids[0]),
        people=len(people),
    )
    costs: dict[tuple[str, Metric], NDArray[np.float64]] = {}
    for (name, rows), listed in zip(found.items(), ids[1:], strict=True):
        codes = _padded(items.encode(listed), rows, k)
        for metric, values in per_query(chosen, codes, relevant).items():
            costs[name, metric] = mean_of(values)
    strangers = {name: len(given.keys() - truth.keys()) for name, given in named.items()}
    empty = {name: len(truth.keys() - given.keys()) for name, given in named.items()}
    return Evaluation(
        models=tuple(named),
        baseline=next(iter(named)) if len(named) > 1 else None,
        metrics=chosen,
        asked=tuple(people),
        description=(f"lists as given, for {len(people):,} users with a truth",),
        notes=tuple(
            f"{name}: {n:,} users without a truth left out" for name, n in strangers.items() if n
        )
        + tuple(f"{name}: {n:,} users without a list score 0" for name, n in empty.items() if n),
        costs=costs,
        shared={},
        overall={},
        draws=draws,
        seed=seeded(rng),
    )


def _padded(codes: NDArray[np.int32], rows: Sequence[Sequence[Any]], k: int) -> NDArray[np.int32]:
    """Return (rows, k) codes, -1 past the end of a row."""
    lengths = np.array([len(row) for row in rows])
    out = np.full((len(rows), k), -1, np.int32)
    out[np.arange(k) < lengths[:, None]] = codes
    return out
