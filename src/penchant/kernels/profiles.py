"""Profiles of people in features of items, and how like them items are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run


class Likings(NamedTuple):
    """What ``likings`` returns.

    Parameters
    ----------
    scores : (q, items) float32.
    by_history, by_tastes : (q,) what each was multiplied by in the profile.
    known : (q,) whether anything is known of the person.
    """

    scores: NDArray[np.float32]
    by_history: NDArray[np.float64]
    by_tastes: NDArray[np.float64]
    known: NDArray[np.bool_]


def likings(x: CSR, tastes: CSR, items: CSR, by_feature: CSR, weight: float) -> Likings:
    """Score items by their product with p / |p|, for ``p = h / |h| + weight t / |t|``.

    Parameters
    ----------
    x : (q, items) what histories weigh; h is the sum of the rows of their items.
    tastes : (q, features), t.
    items : (items, features), and ``by_feature`` the same transposed. An item without features is
        NaN, and so is everything for a person without any.
    """
    q = len(x.indptr) - 1
    scores, known = np.empty((q, items.shape[0]), np.float32), np.empty(q, np.bool_)
    by_history, by_tastes = np.empty(q), np.empty(q)
    run(
        _likings, x.indptr,
        x.indptr, x.indices, x.data, tastes.indptr, tastes.indices, tastes.data,
        items.indptr, items.indices, items.data,
        by_feature.indptr, by_feature.indices, by_feature.data,
        float(weight), scores, by_history, by_tastes, known,
        threads=1 if scores.size < 1 << 20 else None,
    )  # fmt: skip
    return Likings(scores, by_history, by_tastes, known)


@njit(nogil=True, cache=True)
def _likings(  # type: ignore[no-untyped-def]
    lo, hi, starts, met, weights, taste_starts, tasted, tastes, item_starts, features, amounts,
    feature_starts, having, amounts_of, weight, scores, by_history, by_tastes, known,
):  # fmt: skip
    profile = np.empty(len(feature_starts) - 1)
    for r in range(lo, hi):
        profile[:] = 0
        some = taste_starts[r + 1] > taste_starts[r]
        for n in range(starts[r], starts[r + 1]):
            first, last = item_starts[met[n]], item_starts[met[n] + 1]
            some |= last > first
            for m in range(first, last):
                profile[features[m]] += weights[n] * amounts[m]
        h, t = 0.0, 0.0
        for f in range(len(profile)):
            h += profile[f] * profile[f]
        for n in range(taste_starts[r], taste_starts[r + 1]):
            t += np.float64(tastes[n]) * tastes[n]
        h = 1 / np.sqrt(h) if h > 0 else 0.0
        t = weight / np.sqrt(t) if t > 0 else 0.0
        total = 0.0
        for f in range(len(profile)):
            profile[f] *= h
        for n in range(taste_starts[r], taste_starts[r + 1]):
            profile[tasted[n]] += tastes[n] * t
        for f in range(len(profile)):
            total += profile[f] * profile[f]
        total = 1 / np.sqrt(total) if total > 0 else 0.0
        by_history[r], by_tastes[r], known[r] = h * total, t * total, some
        row = scores[r]
        row[:] = 0 if some else np.nan
        for f in range(len(profile)):
            p = np.float32(profile[f] * total)
            if p != 0:
                for m in range(feature_starts[f], feature_starts[f + 1]):
                    row[having[m]] += p * amounts_of[m]
        for i in range(len(row)):
            if item_starts[i] == item_starts[i + 1]:
                row[i] = np.nan


def agreement(
    history: NDArray[np.int32], asked: NDArray[np.int32], items: CSR
) -> NDArray[np.float64]:
    """Return (asked, history) the products of rows of ``items``."""
    out = np.zeros((len(asked), len(history)))
    _agreement(history, asked, items.indptr, items.indices, items.data, items.columns, out)
    return out


@njit(nogil=True, cache=True)
def _agreement(history, asked, starts, features, amounts, columns, out):  # type: ignore[no-untyped-def]
    one = np.zeros(columns)
    for i in range(len(asked)):
        for m in range(starts[asked[i]], starts[asked[i] + 1]):
            one[features[m]] = amounts[m]
        for j in range(len(history)):
            s = 0.0
            for m in range(starts[history[j]], starts[history[j] + 1]):
                s += one[features[m]] * amounts[m]
            out[i, j] = s
        for m in range(starts[asked[i]], starts[asked[i] + 1]):
            one[features[m]] = 0
