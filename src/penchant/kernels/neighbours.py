"""Ratings predicted from neighbours: similarities over common columns, and their weighted means.

The similarity of two rows compares them where both have a value:

    s(a, b) = sum x y / sqrt(sum x^2  sum y^2)  *  (n - 1) / (n - 1 + shrinkage)

with ``x`` and ``y`` the values of the two rows in the ``n`` columns they share. What the values are
makes the measure (`Measure`); the shrinkage is Koren's, "Factor in the Neighbors" (TKDD 2010,
eq. 3), as the library Surprise has it. Only similarities above zero say whom to follow, so no
others are kept.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.threads import run
from penchant.kernels.topk import sift

Measure = Literal["cosine", "adjusted_cosine", "pearson", "pearson_baseline"]
"""What is compared: a rating itself; less its column's mean; less its row's; or less the baseline,
which knows both. With items as rows the second is that of Sarwar et al. (WWW 2001), section 3.1.
Pearson's means are over all of a row, not over the common columns only."""


def nearest(values: CSR, *, k: int, shrinkage: float = 0.0) -> CSR:
    """Return each row's ``k`` most similar other rows, ties going to the lower number.

    Costs a step for each pair of entries in the same column, and memory for ``k`` neighbours a
    row, never for all pairs.

    Parameters
    ----------
    values : rows x columns, what is compared.
    k : how many neighbours to keep.
    shrinkage : not negative; two rows with this many common columns and one are as similar as half
        their values say. With 0 a single common column counts in full.

    Returns
    -------
    (rows, rows), the similarities above zero; row ``i`` holds the neighbours of ``i``.
    """
    rows = values.shape[0]
    k = max(min(k, rows - 1), 1)
    columns = values.transposed()
    codes = np.zeros((rows, k), np.int32)
    similarities = np.zeros((rows, k), np.float32)
    pairs = np.zeros(values.nnz + 1, np.int64)
    np.cumsum(np.diff(columns.indptr)[values.indices], out=pairs[1:])
    run(
        _nearest,
        pairs[values.indptr],
        values.indptr, values.indices, values.data,
        columns.indptr, columns.indices, columns.data,
        float(shrinkage), codes, similarities,
    )  # fmt: skip
    kept = similarities > 0
    indptr = np.zeros(rows + 1, np.int64)
    np.cumsum(kept.sum(axis=1), out=indptr[1:])
    # Transposing twice puts each row's columns in order, in linear time.
    return CSR(indptr, codes[kept], similarities[kept], rows).transposed().transposed()


def from_items(
    residuals: CSR, items: NDArray[np.int32], neighbours: CSR, k: int
) -> NDArray[np.float32]:
    """Predict residuals from each person's own, on the items nearest to the one asked for.

    ``sum s(i, j) residual(j) / sum s(i, j)`` over the ``k`` nearest ``j`` that the person rated; 0
    if there is none (Koren 2010, eq. 4, less the baseline).

    Parameters
    ----------
    residuals : people x items, each rating less its baseline.
    items : (people, n) or (1, n) for all alike, the items asked for; -1 gives 0.
    neighbours : items x items, from `nearest`.
    k : how many neighbours to use at most.

    Returns
    -------
    (people, n) float32.
    """
    out = np.zeros((residuals.shape[0], items.shape[1]), np.float32)
    run(
        _from_items,
        residuals.shape[0],
        residuals.indptr, residuals.indices, residuals.data,
        items, neighbours.indptr, neighbours.indices, neighbours.data, residuals.columns, k, out,
    )  # fmt: skip
    return out


def from_people(
    values: CSR,
    items: NDArray[np.int32],
    raters: CSR,
    residuals: NDArray[np.float32],
    *,
    shrinkage: float,
    k: int,
) -> NDArray[np.float32]:
    """Predict residuals from those of the people most like each asker, of all who rated the item.

    The similarities are computed here: an asker need not be one of the people. One who is meets
    their own ratings too, which say nothing about items they did not rate.

    Parameters
    ----------
    values : askers x items, what is compared.
    items : (askers, n) or (1, n) for all alike, the items asked for; -1 gives 0.
    raters : items x people, the people's values to compare.
    residuals : (entries of ``raters``,) each of those ratings less its baseline.
    shrinkage : as in `nearest`.
    k : how many neighbours to use at most.

    Returns
    -------
    (askers, n) float32, 0 where nobody alike rated the item.
    """
    out = np.zeros((values.shape[0], items.shape[1]), np.float32)
    run(
        _from_people,
        values.shape[0],
        values.indptr, values.indices, values.data, items,
        raters.indptr, raters.indices, raters.data, residuals,
        raters.columns, float(shrinkage), k, out,
    )  # fmt: skip
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _compare(columns, values, indptr, indices, data, shrinkage, sums, met, alike):  # type: ignore[no-untyped-def]
    """Find the rows of the transpose that share a column with one row, and how alike they are.

    Their numbers go to ``met`` and their similarities to ``alike``; returns how many they are.
    ``sums`` has a line (n, sum xy, sum xx, sum yy) for each row, zero before and after.
    """
    size = 0
    for n in range(len(columns)):
        x = np.float64(values[n])
        for m in range(indptr[columns[n]], indptr[columns[n] + 1]):
            y = np.float64(data[m])
            row = indices[m]
            # Written always and counted the first time: a branch here would be mispredicted.
            met[size] = row
            size += sums[row, 0] == 0.0
            sums[row, 0] += 1.0
            sums[row, 1] += x * y
            sums[row, 2] += x * x
            sums[row, 3] += y * y
    for n in range(size):  # no branches: vectorised; 0 / 0 is NaN, and not above zero
        row = met[n]
        others = sums[row, 0] - 1.0
        sure = others / (others + shrinkage) if shrinkage > 0.0 else 1.0
        alike[n] = np.float32(sums[row, 1] / np.sqrt(sums[row, 2] * sums[row, 3]) * sure)
    for n in range(size):
        row = met[n]
        sums[row, 0] = sums[row, 1] = sums[row, 2] = sums[row, 3] = 0.0
    return size


@njit(nogil=True, cache=True)
def _keep(value, code, s, c):  # type: ignore[no-untyped-def]
    """Put ``(s, c)`` in a full heap with the worst on top, if it is better than that."""
    if s > value[0] or (s == value[0] and c < code[0]):
        sift(value, code, len(value), s, c)


@njit(nogil=True, cache=True)
def _nearest(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, t_indptr, t_indices, t_data, shrinkage, codes, values
):
    rows = len(indptr) - 1
    sums = np.zeros((rows, 4))
    met = np.empty(rows + 1, np.int32)
    alike = np.empty(rows + 1, np.float32)
    for r in range(lo, hi):
        a, b = indptr[r], indptr[r + 1]
        size = _compare(
            indices[a:b], data[a:b], t_indptr, t_indices, t_data, shrinkage, sums, met, alike
        )
        good = 0
        for n in range(size):
            s, c = alike[n], met[n]
            alike[good], met[good] = s, c
            good += (s > 0) & (c != r)
        code, value = codes[r], values[r]  # zeros: a full heap of the worst
        if good <= len(value):
            value[:good] = alike[:good]
            code[:good] = met[:good]
        else:
            for n in range(good):
                _keep(value, code, alike[n], met[n])


@njit(nogil=True, cache=True)
def _best_mean(alike, residuals, size, value, code):  # type: ignore[no-untyped-def]
    """Return the mean of the residuals of the most alike, weighted by how alike they are; else 0.

    ``value`` and ``code`` have room for as many as are to be used.
    """
    total = 0.0
    weight = 0.0
    if size <= len(value):
        for n in range(size):
            total += alike[n] * residuals[n]
            weight += alike[n]
    else:
        value[:] = 0.0
        for n in range(size):
            _keep(value, code, alike[n], n)
        for n in range(len(value)):
            total += value[n] * residuals[code[n]]
            weight += value[n]
    return total / weight if weight > 0 else 0.0


@njit(nogil=True, cache=True)
def _from_items(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, residuals, items, near_indptr, near, similarities, n_items, k, out
):
    mine = np.full(n_items, np.nan, np.float32)  # the asker's residuals
    alike = np.empty(n_items + 1, np.float32)
    theirs = np.empty(n_items + 1, np.float32)
    value = np.empty(k, np.float32)
    code = np.empty(k, np.int32)
    for r in range(lo, hi):
        for n in range(indptr[r], indptr[r + 1]):
            mine[indices[n]] = residuals[n]
        asked = items[min(r, len(items) - 1)]
        for t in range(len(asked)):
            if asked[t] < 0:
                continue
            size = 0
            for n in range(near_indptr[asked[t]], near_indptr[asked[t] + 1]):
                residual = mine[near[n]]
                alike[size] = similarities[n]
                theirs[size] = residual
                size += residual == residual
            out[r, t] = _best_mean(alike, theirs, size, value, code)
        for n in range(indptr[r], indptr[r + 1]):
            mine[indices[n]] = np.nan


@njit(nogil=True, cache=True)
def _from_people(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, items,
    t_indptr, t_indices, t_data, residuals, people, shrinkage, k, out,
):  # fmt: skip
    sums = np.zeros((people, 4))
    met = np.empty(people + 1, np.int32)
    alike = np.empty(people + 1, np.float32)
    theirs = np.empty(people + 1, np.float32)
    similarity = np.zeros(people, np.float32)
    value = np.empty(k, np.float32)
    code = np.empty(k, np.int32)
    for r in range(lo, hi):
        a, b = indptr[r], indptr[r + 1]
        met_people = _compare(
            indices[a:b], data[a:b], t_indptr, t_indices, t_data, shrinkage, sums, met, alike
        )
        for n in range(met_people):
            if alike[n] > 0:
                similarity[met[n]] = alike[n]
        asked = items[min(r, len(items) - 1)]
        for t in range(len(asked)):
            if asked[t] < 0:
                continue
            size = 0
            for n in range(t_indptr[asked[t]], t_indptr[asked[t] + 1]):
                s = similarity[t_indices[n]]
                alike[size] = s
                theirs[size] = residuals[n]
                size += s > 0
            out[r, t] = _best_mean(alike, theirs, size, value, code)
        for n in range(met_people):
            similarity[met[n]] = 0.0
