"""Scores brought to a common scale and added up, and what adds up to them."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.als import read_only
from penchant.kernels.products import FAST
from penchant.kernels.threads import run


def add_standardised(
    scores: NDArray[np.float32],
    sums: NDArray[np.float32],
    said: NDArray[np.bool_],
    *,
    fitted: int,
    weight: float = 1.0,
    given: tuple[float, float] | None = None,
    as_it_is: bool = False,
) -> NDArray[np.float64]:
    """Add scores to ``sums``, less their row's mean and by their row's spread, and say which.

    Parameters
    ----------
    scores : (q, n); NaN counts as the mean. A row without a score in its first ``fitted`` columns
        adds nothing.
    sums, said : (q, n), what is added to, and where it is noted that there was a score.
    fitted : mean and spread are those of so many columns.
    weight : what to multiply by.
    given : mean and spread to take instead. A spread of 0 makes every score 0.
    as_it_is : whether to add scores as they are, and their mean for NaN.

    Returns
    -------
    (3, q) float64: the number of scores, mean and spread.
    """
    told = np.empty((3, len(scores)))
    mean, spread = given or (np.nan, np.nan)
    run(
        _add_standardised, len(scores),
        read_only(scores), fitted, weight, float(mean), float(spread), as_it_is, sums, said, told,
        threads=1 if scores.size < 1 << 20 else None,
    )  # fmt: skip
    return told


@njit(nogil=True, cache=True, fastmath=FAST)
def _add_standardised(  # type: ignore[no-untyped-def]
    lo, hi, scores, fitted, weight, mean, spread, as_it_is, sums, said, told
):
    zero = np.float32(0)
    for r in range(lo, hi):
        row, into, noted = scores[r], sums[r], said[r]
        total, count = 0.0, 0.0
        for i in range(fitted):
            known = row[i] == row[i]
            total += np.float64(row[i] if known else zero)
            count += 1.0 if known else 0.0
        middle = total / max(count, 1.0)
        if mean == mean and not as_it_is:
            middle = mean
        shift = np.float32(middle)
        wide = spread
        if spread != spread:
            squares = 0.0
            for i in range(fitted):
                off = np.float64(row[i] - shift if row[i] == row[i] else zero)
                squares += off * off
            wide = np.sqrt(squares / max(count, 1.0))
        told[0, r], told[1, r], told[2, r] = count, middle, wide
        if count == 0:
            continue
        for i in range(len(row)):
            noted[i] |= row[i] == row[i]
        if as_it_is:
            w = np.float32(weight)
            for i in range(len(row)):
                into[i] += w * (row[i] if row[i] == row[i] else shift)
        else:
            w = np.float32(weight / wide if wide > 0 else 0.0)
            for i in range(len(row)):
                into[i] += w * (row[i] - shift if row[i] == row[i] else zero)


def carried(
    base: NDArray[np.float64],
    amounts: NDArray[np.float64],
    others: NDArray[np.float64],
    *,
    factor: float,
    mean: float,
    usual: float,
    explains: bool,
) -> tuple[NDArray[np.float64], ...]:
    """Return what adds up to ``factor * (score - mean)`` of m items.

    Parameters
    ----------
    base, amounts, others : (m,), (m, h) and (m, n), what adds up to their scores; NaN: unknown.
    usual : what an unknown item comes to.
    explains : whether the amounts are worth telling.

    Returns
    -------
    Base, amounts and others; (m,) what those items come to of which nothing is told, 0 for the
    others; (m,) 1 for items that are known, else 0.
    """
    out = np.empty(base.shape), np.empty(amounts.shape), np.empty(others.shape)
    own, known = np.zeros(len(base)), np.empty(len(base))
    _carried(base, amounts, others, factor, mean, usual, explains, *out, own, known)
    return *out, own, known


@njit(nogil=True, cache=True)
def _carried(  # type: ignore[no-untyped-def]
    base, amounts, others, factor, mean, usual, explains, new_base, new_amounts, new_others, own,
    known,
):  # fmt: skip
    for m in range(len(base)):
        total, some = base[m], False
        for n in range(amounts.shape[1]):
            total += amounts[m, n]
            some |= amounts[m, n] != 0
        for n in range(others.shape[1]):
            total += others[m, n]
            some |= others[m, n] != 0
        known[m] = total == total
        told = known[m] and some and explains
        new_base[m] = factor * (base[m] - mean) if told else 0.0
        for n in range(amounts.shape[1]):
            new_amounts[m, n] = factor * amounts[m, n] if told else 0.0
        for n in range(others.shape[1]):
            new_others[m, n] = factor * others[m, n] if told else 0.0
        if not told:
            own[m] = factor * (total - mean) if known[m] else usual
