"""Ratings predicted from neighbours: similarities over common columns, and their weighted means.

The similarity of two rows compares them where both have a value. With ``x`` and ``y`` the values of
the two rows in the ``n`` columns they share, it is one of

    cosine   sum x y / sqrt(sum x^2  sum y^2)
    msd      1 / (1 + sum (x - y)^2 / n)
    pearson  the cosine of what is left of x and y less their means over those columns

times ``(n - 1) / (n - 1 + shrinkage)``, Koren's, "Factor in the Neighbors" (TKDD 2010, eq. 3), as
the library Surprise has it. What the values are makes adjusted cosines and correlations of the
first. Only similarities above zero say whom to follow, so no others are kept.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.kernels.lanes import LANES, add_products, add_values
from penchant.kernels.threads import run

Measure = Literal["cosine", "msd", "pearson"]
"""How two rows are compared; the order is the kernel's switch."""

MSD, PEARSON = 1, 2
STRIDE = 64
"""Rows that share one mark saying whether any of them was met."""


class Alike(NamedTuple):
    """What alike means.

    Parameters
    ----------
    measure : one of the two above.
    shrinkage : not negative; two rows with this many common columns and one are as similar as half
        their values say. With 0 a single common column counts in full.
    support : rows with fewer common columns are not alike at all.
    """

    measure: Measure = "cosine"
    shrinkage: float = 0.0
    support: int = 1


def nearest(values: CSR, *, k: int, how: Alike) -> CSR:
    """Return each row's ``k`` most similar other rows, ties going to the lower number.

    Costs a step for each pair of entries in the same column, and memory for ``k`` neighbours a
    row, never for all pairs.

    Parameters
    ----------
    values : rows x columns, what is compared.
    k : how many neighbours to keep.

    Returns
    -------
    (rows, rows), the similarities above zero; row ``i`` holds the neighbours of ``i``.
    """
    rows = values.shape[0]
    columns = values.transposed()
    pairs = np.zeros(values.nnz + 1, np.int64)
    np.cumsum(np.diff(columns.indptr)[values.indices], out=pairs[1:])
    work = pairs[values.indptr]
    # One place more a row than it can fill, for what is written and not counted.
    starts = np.append(np.int64(0), np.cumsum(np.minimum(np.diff(work), k) + 1))
    codes, similarities = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    counts = np.zeros(rows, np.int64)
    run(
        _nearest,
        work,
        values.indptr, values.indices, values.data,
        columns.indptr, columns.indices, columns.data,
        *_plain(how), k, starts, codes, similarities, counts,
    )  # fmt: skip
    indptr = np.append(np.int64(0), np.cumsum(counts))
    for held in (codes, similarities):
        _close_up(held, starts, indptr)
        held.resize(indptr[-1], refcheck=False)  # gives the end back without a copy
    return CSR(indptr, codes, similarities, rows)


def from_items(
    values: CSR, items: NDArray[np.int32], neighbours: CSR, *, k: int, least: int = 1
) -> NDArray[np.float32]:
    """Predict values from each person's own, of the items nearest to the one asked for.

    ``sum s(i, j) value(j) / sum s(i, j)`` over the ``k`` nearest ``j`` that the person has a value
    for (Koren 2010, eq. 4, less the baseline).

    Parameters
    ----------
    values : people x items, such as ratings less their baselines.
    items : (people, n) or (1, n) for all alike, the items asked for; -1 gives 0.
    neighbours : items x items, from `nearest`.
    k : how many neighbours to use at most.
    least : how many to use at least.

    Returns
    -------
    (people, n) float32, 0 where there are fewer than ``least``.
    """
    people, width = values.shape[0], items.shape[1]
    out = np.zeros((people, width), np.float32)
    if len(items) == people:
        # An item's neighbours are laid out once, for all who ask for it.
        order = np.argsort(items, axis=None, kind="stable")
        asked, starts = np.unique(items.ravel()[order], return_index=True)
        starts = np.append(starts, len(order))
    else:
        order = np.empty(0, np.int64)
        asked, starts = items[0], np.arange(width + 1) * people
    run(
        _from_items,
        starts, asked, starts, order,
        values.indptr, values.indices, values.data,
        neighbours.indptr, neighbours.indices, neighbours.data, values.columns, k, least, out,
    )  # fmt: skip
    return out


def from_people(
    compared: CSR,
    items: NDArray[np.int32],
    raters: CSR,
    values: NDArray[np.float32],
    *,
    how: Alike,
    k: int,
    least: int = 1,
) -> NDArray[np.float32]:
    """Predict values from those of the people most like each asker, of all who rated the item.

    The similarities are computed here: an asker need not be one of the people. One who is meets
    their own ratings too, which say nothing about items they did not rate.

    Parameters
    ----------
    compared : askers x items, what is compared.
    items : (askers, n) or (1, n) for all alike, the items asked for; -1 gives 0.
    raters : items x people, what is compared of the people.
    values : (entries of ``raters``,) what is predicted, such as ratings less their baselines.
    k, least : how many neighbours to use at most, and at least.

    Returns
    -------
    (askers, n) float32, 0 where fewer than ``least`` people alike rated the item.
    """
    out = np.zeros((compared.shape[0], items.shape[1]), np.float32)
    run(
        _from_people,
        compared.shape[0],
        compared.indptr, compared.indices, compared.data, items,
        raters.indptr, raters.indices, raters.data, values, raters.columns,
        *_plain(how), k, least, out,
    )  # fmt: skip
    return out


def _plain(how: Alike) -> tuple[int, np.float32, np.float32]:
    """Return what the kernels below take."""
    return get_args(Measure).index(how.measure), np.float32(how.shrinkage), np.float32(how.support)


@njit(nogil=True, cache=True, error_model="numpy")
def _compare(  # type: ignore[no-untyped-def]
    columns, values, indptr, indices, data, measure, shrinkage, support, sums, met, alike
):
    """Write to ``alike`` how alike one row is to each row of the transpose.

    ``sums`` has a line (n, sum xy, sum xx, sum yy) for each row, zero before and after. Only
    strides of ``alike`` that are marked in ``met`` are written.
    """
    rows = len(sums) // 2
    for n in range(len(columns)):
        x = np.float64(values[n])
        a, b = indptr[columns[n]], indptr[columns[n] + 1]
        numbers, ys = indices[a:b], data[a:b]
        for m in range(len(numbers)):
            row = np.uint32(numbers[m])  # unsigned: spares a test for negative indices
            add_products(sums, row, x, np.float64(ys[m]))
            met[row // np.uint32(STRIDE)] = True
        for m in range(len(numbers) if measure == PEARSON else 0):
            add_values(sums, np.uint32(numbers[m] + rows), x, np.float64(ys[m]))
    one, zero = np.float32(1.0), np.float32(0.0)
    common, over, under, size = np.empty((4, STRIDE), np.float32)
    for t in range(len(met)):
        if not met[t]:
            continue
        line = sums[t * STRIDE : (t + 1) * STRIDE]
        said = alike[t * STRIDE : (t + 1) * STRIDE]
        # Short loops without branches are vectorised; one long loop is not.
        for j in range(STRIDE):
            n, xy, xx, yy = line[j, 0], line[j, 1], line[j, 2], line[j, 3]
            common[j], size[j] = n, yy
            over[j] = n if measure == MSD else xy
            under[j] = n + (xx + yy - 2.0 * xy) if measure == MSD else xx
        if measure == PEARSON:
            more = sums[rows + t * STRIDE : rows + (t + 1) * STRIDE]
            for j in range(STRIDE):
                n, xy, xx, yy = line[j, 0], line[j, 1], line[j, 2], line[j, 3]
                over[j] = n * xy - more[j, 0] * more[j, 1]
                under[j], size[j] = n * xx - more[j, 0] ** 2, n * yy - more[j, 1] ** 2
                # Of equal values rounding may leave something.
                if (under[j] <= 1e-12 * n * xx) | (size[j] <= 1e-12 * n * yy):
                    over[j] = under[j] = zero
            more[:] = 0.0
        if measure != MSD:
            for j in range(STRIDE):
                under[j] = np.sqrt(under[j]) * np.sqrt(size[j])
        for j in range(STRIDE):
            n, s = common[j], over[j] / under[j]  # 0 / 0 is NaN, and not above zero
            sure = (n - one) / (n - one + shrinkage) if shrinkage > zero else one
            said[j] = s * sure if (s > zero) & (n >= support) else zero
        line[:] = 0.0


@njit(nogil=True, cache=True, forceinline=True)
def _cut(bits, size, k):  # type: ignore[no-untyped-def]
    """Return where to cut positive numbers so that ``k`` are left, and how many stand on the cut.

    ``bits`` are the numbers read as integers, whose order is the same; there are ``size``, more
    than ``k``. Left are those above the cut, and of those that equal it as many as is said second.
    Counting is vectorised and a heap is not: halving the range 10 to 30 times is the faster.
    """
    low, high = bits[0], bits[0]
    for n in range(size):
        low, high = min(low, bits[n]), max(high, bits[n])
    low -= np.int32(1)
    above = np.int32(0)  # of high: at most k; above low there are more
    while high - low > 1:
        middle = low + (high - low) // 2
        count = np.int32(0)
        for n in range(size):
            count += np.int32(bits[n] > middle)
        if count > k:
            low = middle
        else:
            high, above = middle, count
            if count == k:
                break
    return high, k - above


@njit(nogil=True, cache=True, error_model="numpy")
def _nearest(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, t_indptr, t_indices, t_data,
    measure, shrinkage, support, k, starts, codes, similarities, counts,
):  # fmt: skip
    strides = len(indptr) // STRIDE + 1
    sums = np.zeros((2 * strides * STRIDE, LANES))
    met = np.zeros(strides, np.bool_)
    alike = np.empty(strides * STRIDE, np.float32)
    code = np.empty(strides * STRIDE + 1, np.int32)
    value = np.empty(strides * STRIDE + 1, np.float32)
    bits = value.view(np.int32)
    for r in range(lo, hi):
        a, b = indptr[r], indptr[r + 1]
        _compare(
            indices[a:b], data[a:b], t_indptr, t_indices, t_data, measure, shrinkage, support,
            sums, met, alike,
        )  # fmt: skip
        size = 0
        for t in range(strides):
            if met[t]:
                met[t] = False
                for j in range(t * STRIDE, (t + 1) * STRIDE):
                    # Written always and counted if it is good: a branch would be mispredicted.
                    code[size], value[size] = j, alike[j]
                    size += (alike[j] > 0) & (j != r)
        cut, room = _cut(bits, size, k) if size > k else (np.int32(0), 0)
        kept = 0
        for n in range(size):
            codes[starts[r] + kept], similarities[starts[r] + kept] = code[n], value[n]
            equal = bits[n] == cut
            kept += (bits[n] > cut) | (equal & (room > 0))
            room -= equal
        counts[r] = kept


@njit(nogil=True, cache=True)
def _close_up(held, starts, indptr):  # type: ignore[no-untyped-def]
    """Move what the rows hold, from ``starts`` on, to where the sparse matrix has it."""
    for r in range(len(indptr) - 1):
        shift = starts[r] - indptr[r]
        for n in range(indptr[r], indptr[r + 1]):
            held[n] = held[n + shift]


@njit(nogil=True, cache=True, forceinline=True, fastmath={"reassoc", "contract"})
def _mean(near, indices, values, k, least, weight, bits, value):  # type: ignore[no-untyped-def]
    """Return the mean of the values of the ``k`` most alike, weighted by how alike they are.

    ``near`` says how alike each row is, ``indices`` whose the values are; the last three are room
    to work in. It is 0 if fewer than ``least`` are alike.
    """
    size = 0
    for n in range(len(indices)):
        s = near[np.uint32(indices[n])]
        weight[size], value[size] = s, values[n]
        size += s > 0
    if size < least:
        return np.float32(0.0)
    cut, room = _cut(bits, size, k) if size > k else (np.int32(0), 0)
    total, weights = 0.0, 0.0
    for n in range(size):
        w = np.float64(weight[n]) if bits[n] > cut else 0.0
        total += w * value[n]
        weights += w
    for n in range(size if room > 0 else 0):
        if bits[n] == cut and room > 0:
            total += np.float64(weight[n]) * value[n]
            weights += np.float64(weight[n])
            room -= 1
    return np.float32(total / weights)


@njit(nogil=True, cache=True)
def _from_items(  # type: ignore[no-untyped-def]
    lo, hi, asked, starts, order, indptr, indices, values,
    near_indptr, near, similarities, n_items, k, least, out,
):  # fmt: skip
    alike = np.zeros(n_items, np.float32)
    weight = np.empty(n_items + 1, np.float32)
    bits = weight.view(np.int32)
    value = np.empty(n_items + 1, np.float32)
    for g in range(lo, hi):
        if asked[g] < 0:
            continue
        a, b = near_indptr[asked[g]], near_indptr[asked[g] + 1]
        for n in range(a, b):
            alike[near[n]] = similarities[n]
        for p in range(starts[g], starts[g + 1]):
            if len(order) > 0:
                r, t = divmod(order[p], out.shape[1])
            else:
                r, t = p - starts[g], g
            c, d = indptr[r], indptr[r + 1]
            out[r, t] = _mean(alike, indices[c:d], values[c:d], k, least, weight, bits, value)
        for n in range(a, b):
            alike[near[n]] = 0.0


@njit(nogil=True, cache=True)
def _from_people(  # type: ignore[no-untyped-def]
    lo, hi, indptr, indices, data, items,
    t_indptr, t_indices, t_data, values, people, measure, shrinkage, support, k, least, out,
):  # fmt: skip
    strides = people // STRIDE + 1
    sums = np.zeros((2 * strides * STRIDE, LANES))
    met = np.zeros(strides, np.bool_)
    alike = np.zeros(strides * STRIDE, np.float32)
    weight = np.empty(people + 1, np.float32)
    bits = weight.view(np.int32)
    value = np.empty(people + 1, np.float32)
    for r in range(lo, hi):
        a, b = indptr[r], indptr[r + 1]
        _compare(
            indices[a:b], data[a:b], t_indptr, t_indices, t_data, measure, shrinkage, support,
            sums, met, alike,
        )  # fmt: skip
        asked = items[min(r, len(items) - 1)]
        for t in range(len(asked)):
            if asked[t] >= 0:
                c, d = t_indptr[asked[t]], t_indptr[asked[t] + 1]
                out[r, t] = _mean(alike, t_indices[c:d], values[c:d], k, least, weight, bits, value)
        met[:] = False
        alike[:] = 0.0
