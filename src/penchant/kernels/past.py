"""What was known before each row of a group: counts, moments, decayed sums, entropies.

Rows stand by group, within a group in the order of time. Rows of one time know nothing of each
other. Every group is gone through once, by itself, so that what happens later or elsewhere changes
no bit of what comes out.
"""

from __future__ import annotations

import numpy as np
from numba import njit

DAY = 86_400e6
"""Microseconds."""

COLUMNS = ("count", "rated", "mean", "variance", "recency", "tenure", "popularity")
"""What ``moments`` writes; recency and tenure in days."""


@njit(nogil=True, cache=True)
def moments(lo, hi, indptr, time, value, weight, counts, half, out):  # type: ignore[no-untyped-def]
    """Write (rows, 7) what came before each row; see ``COLUMNS``.

    Mean and variance (of the population) are by Welford's recurrence ("Note on a method for
    calculating corrected sums of squares and products", Technometrics 4 (1962)).

    Parameters
    ----------
    indptr : (groups + 1,) where each group's rows begin.
    time : (rows,) int64 microseconds, -1 if unknown: such rows come first and are told nothing.
    value : (rows,) float64, NaN if nothing was recorded.
    weight : (rows,) float64, what a row adds to the popularity.
    counts : (rows,) bool, whether later rows know of this one.
    half : microseconds after which a weight has halved; infinite: never.
    """
    for group in range(lo, hi):
        count, rated, mean, squares = 0, 0, 0.0, 0.0
        ageless, popularity = 0.0, 0.0  # of rows without a time, and of the others as of ``last``
        first, last = -1, -1
        at, end = indptr[group], indptr[group + 1]
        while at < end:
            now, then = time[at], at
            faded = popularity * 2.0 ** (-(now - last) / half) if last >= 0 else 0.0
            while then < end and time[then] == now:
                out[then, 0] = count if now >= 0 else np.nan
                out[then, 1] = rated if now >= 0 else np.nan
                out[then, 2] = mean if now >= 0 and rated > 0 else np.nan
                out[then, 3] = squares / rated if now >= 0 and rated > 0 else np.nan
                out[then, 4] = (now - last) / DAY if last >= 0 else np.nan
                out[then, 5] = (now - first) / DAY if last >= 0 else np.nan
                out[then, 6] = ageless + faded if now >= 0 else np.nan
                then += 1
            for row in range(at, then):
                if not counts[row]:
                    continue
                count += 1
                if not np.isnan(value[row]):
                    rated += 1
                    off = value[row] - mean
                    mean += off / rated
                    squares += off * (value[row] - mean)
                if now < 0:
                    ageless += weight[row]
                    continue
                popularity = faded = faded + weight[row]
                first, last = (now if first < 0 else first), now
            at = then


@njit(nogil=True, cache=True)
def entropies(lo, hi, indptr, time, item, counts, by_item, category, categories, out):  # type: ignore[no-untyped-def]
    """Write (rows,) the entropy, in nats, of the categories of the items met before each row.

    With c_k meetings of category k and N = sum c_k it is ln N - (sum c_k ln c_k) / N.

    Parameters
    ----------
    indptr, time, counts : as for ``moments``.
    item : (rows,) int32, -1 for none.
    by_item, category : the categories of each item, as (items + 1,) and (entries,).
    categories : how many there are.
    """
    met = np.zeros(categories, np.int64)
    for group in range(lo, hi):
        total, folded = 0, 0.0
        at, end = indptr[group], indptr[group + 1]
        while at < end:
            then = at
            while then < end and time[then] == time[at]:
                known = time[then] >= 0 and total > 0
                out[then] = max(np.log(total) - folded / total, 0.0) if known else np.nan
                then += 1
            for row in range(at, then):
                if not counts[row] or item[row] < 0:
                    continue
                for k in category[by_item[item[row]] : by_item[item[row] + 1]]:
                    before = met[k]
                    folded += (before + 1) * np.log(before + 1)
                    folded -= before * np.log(before) if before > 0 else 0.0
                    met[k] = before + 1
                    total += 1
            at = then
        for row in range(indptr[group], end):
            if item[row] >= 0:
                for k in category[by_item[item[row]] : by_item[item[row] + 1]]:
                    met[k] = 0
