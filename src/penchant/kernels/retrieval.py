"""The k best products of each vector with many others, exact, without a matrix of all of them.

Every product is bounded before it is computed, or computed in registers and compared there with a
bar that rises as better ones are found:

- Items go by length, longest first. By Cauchy and Schwarz no item from the n-th on scores above
  ``|x| |y_n|``; an asker whose bar is above that is done (the prefix of Teflioudi, Gemulla and
  Mykytiuk, "LEMP", SIGMOD 2015).
- Vectors are turned to the principal axes of the items, which changes no product. After the first
  axes the rest adds at most the product of the lengths of what is left, and a tile of products that
  cannot reach a bar is dropped (Li, Chan, Yiu and Mamoulis, "FEXIPRO", SIGMOD 2017).
- Products are in 32 bits. The bar stands lower than the k-th best of them by what rounding may have
  changed, so that the best are among those kept; those alone are summed in 64 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.threads import run
from penchant.kernels.tiles import COLUMNS, ROWS, lowest_bit, reaches
from penchant.kernels.topk import in_order, kth_largest, push

Codes = NDArray[np.int32]
Floats = NDArray[np.float32]
Wide = NDArray[np.float64]

BLOCK = 256
"""Vectors worked on at a time, so that they stay in the second cache."""
GROUP = 32
"""Panels of items between two looks at who is done."""
SPARE = 32
"""Candidates kept beyond 2 k before the worst are dropped."""
HEAD = 8
"""One in so many axes is summed before a tile is first compared."""
UNIT = 1.01 * 2.0**-24
"""What rounding to 32 bits changes at most, relatively, and a little more."""
OVERFLOWN = -1
"""The number of candidates of a vector with too many nearly equal: all are summed in 64 bits."""
MOST = 1e15
"""Products of vectors longer than this are not computed in 32 bits."""


class Catalogue(NamedTuple):
    """Item vectors made ready for ``best_products``.

    Parameters
    ----------
    factors : (n, f) float32, as they were given.
    axes : (f, f) float64, the principal axes of the items as columns, longest first.
    panels : the items' vectors along these axes, longest vector first, as (items / COLUMNS, f,
        COLUMNS); zeros fill the last.
    codes : the item codes in that order; -1 for filling.
    lengths : of the vectors, in that order.
    rests : lengths of what is beyond the first axes, rounded up.
    head : how many the first axes are.
    """

    factors: Floats
    axes: Wide
    panels: Floats
    codes: Codes
    lengths: Wide
    rests: Floats
    head: int


def catalogue(factors: Floats, allowed: NDArray[np.bool_]) -> Catalogue:
    """Make item vectors ready.

    Parameters
    ----------
    factors : (n, f) float32; a row with a NaN is never chosen.
    allowed : (n,) the items to choose from, or (0,) for all.
    """
    width = factors.shape[1]
    usable = ~np.isnan(factors.sum(axis=1))
    if allowed.size:
        usable &= allowed
    codes = np.flatnonzero(usable)
    lengths = np.sqrt(np.einsum("nf,nf->n", factors, factors, dtype=np.float64)[codes])
    order = np.argsort(-lengths, kind="stable")
    codes, lengths = codes[order], lengths[order]
    kept = factors[codes]
    if len(codes) and not lengths[0] < MOST:
        kept = np.zeros_like(kept)  # not used: all is summed in 64 bits
    axes = np.linalg.eigh((kept.T @ kept).astype(np.float64))[1][:, ::-1]
    head = max(width // HEAD, min(width, 8))
    full = -(-len(codes) // COLUMNS) * COLUMNS
    turned = np.zeros((full, width), np.float32)
    turned[: len(codes)] = _turned(kept, axes)
    return Catalogue(
        np.ascontiguousarray(factors),
        axes,
        turned.reshape(-1, COLUMNS, width).transpose(0, 2, 1).ravel(),
        np.concatenate([codes, np.full(full - len(codes), -1)]).astype(np.int32),
        lengths,
        _rests(turned, head),
        head,
    )


def best_products(
    vectors: Wide, items: Catalogue, k: int, banned_indptr: NDArray[np.int64], banned: Codes
) -> tuple[Codes, Floats]:
    """Return the ``k`` best items of each vector, best first, ties broken by the lower code.

    A score is the product of a vector with an item's, summed in 64 bits and rounded to float32. The
    answer is that of ``top_k`` on all of them, on any number of threads.

    Parameters
    ----------
    vectors : (q, f); a row with a NaN has no answer.
    items : from ``catalogue``.
    k, banned_indptr, banned : as in ``top_k``.

    Returns
    -------
    codes : (q, k) int32, padded with -1.
    values : (q, k) float32, their scores, padded with NaN.
    """
    codes = np.full((len(vectors), k), -1, np.int32)
    values = np.full((len(vectors), k), np.nan, np.float32)
    if not k or not len(items.lengths):
        return codes, values
    vectors = np.ascontiguousarray(vectors, np.float64)
    lengths = np.sqrt(np.einsum("qf,qf->q", vectors, vectors))
    turned = _turned(np.where((lengths < MOST)[:, None], vectors, 0.0), items.axes)
    run(
        _best,
        len(vectors),
        vectors,
        turned,
        lengths,
        _rests(turned, items.head),
        items.factors,
        items.panels,
        items.codes,
        items.lengths,
        items.rests,
        items.head,
        UNIT * (vectors.shape[1] + 8) * items.lengths[0],
        banned_indptr,
        banned,
        codes,
        values,
    )
    return codes, values


def products_at(vectors: Wide, factors: Floats, codes: Codes) -> Floats:
    """Return (q, m): the products of row r with the items ``codes[r]``, NaN for -1."""
    out = np.full(codes.shape, np.nan, np.float32)
    _at(np.ascontiguousarray(vectors, np.float64), np.ascontiguousarray(factors), codes, out)
    return out


def _turned(vectors: NDArray[np.floating], axes: Wide) -> Floats:
    """Return float32 rows along other axes, each as good as rounded once."""
    turned: Floats = (vectors.astype(np.float64, copy=False) @ axes).astype(np.float32)
    return turned


def _rests(turned: Floats, head: int) -> Floats:
    """Return the lengths of what comes after the first ``head`` axes, rounded up."""
    rest = turned[:, head:]
    squared = np.einsum("nf,nf->n", rest, rest, dtype=np.float64)
    lengths: Floats = (np.sqrt(squared) * (1 + 1e-6)).astype(np.float32)
    return lengths


@njit(nogil=True, cache=True)
def _best(  # type: ignore[no-untyped-def]
    lo, hi, vectors, turned, lengths, tails, factors, panels, panel_codes, panel_lengths, rests,
    head, rounding, indptr, banned, codes, values,
):  # fmt: skip
    n, f = factors.shape
    k = codes.shape[1]
    room = 2 * k + SPARE
    words = (n + 31) // 32 if len(indptr) > 0 else 0
    seen = np.zeros((BLOCK, words), np.uint32)  # a bit an item, where anything is banned
    tile = np.empty(BLOCK * f, np.float32)
    active = np.empty(BLOCK, np.int64)  # who of the block is not done
    bars = np.empty(BLOCK, np.float32)  # their bars, and lengths beyond the first axes
    left = np.empty(BLOCK, np.float32)
    bar = np.empty(BLOCK, np.float32)  # the bar of each, and the candidates at or above it
    size = np.empty(BLOCK, np.int64)
    found = np.empty((BLOCK, room), np.float32)
    found_codes = np.empty((BLOCK, room), np.int32)
    scratch = np.empty(room, np.float32)
    scores = np.empty(ROWS * COLUMNS, np.float32)
    masks = np.empty(ROWS, np.uint32)
    for start in range(lo, hi, BLOCK):
        people = min(BLOCK, hi - start)
        _mark(seen, start, people, n, indptr, banned, True)
        count = 0
        for u in range(people):
            bar[u] = -np.inf
            size[u] = 0
            if lengths[start + u] < MOST and panel_lengths[0] < MOST:
                active[count] = u
                count += 1
            elif lengths[start + u] == lengths[start + u]:
                size[u] = OVERFLOWN
        panel = 0
        step = 1  # bars rise fast at first
        while panel * COLUMNS < len(panel_codes) and count > 0:
            longest = panel_lengths[panel * COLUMNS] * (1 + 1e-6)
            last, count = count, 0
            for a in range(last):
                u = active[a]
                slack = rounding * lengths[start + u]
                if size[u] >= k + (k >> 1):
                    bar[u], size[u] = _raised(found[u], found_codes[u], size[u], k, slack, scratch)
                if size[u] != OVERFLOWN and lengths[start + u] * longest >= bar[u]:
                    active[count] = u
                    count += 1
            tiles = (count + ROWS - 1) // ROWS
            for a in range(tiles * ROWS):
                if a < count:
                    bars[a], left[a] = bar[active[a]], tails[start + active[a]]
                    _pack(tile, a, turned[start + active[a]])
                else:
                    bars[a], left[a] = np.nan, 0  # nothing reaches it, whatever stands there
            stop = min(panel + step, len(panel_codes) // COLUMNS)
            for p in range(panel, stop):
                for t in range(tiles):
                    if not reaches(
                        panels, p * f * COLUMNS, tile, t * f * ROWS, f, head, left, rests,
                        bars, t * ROWS, scores, masks,
                    ):  # fmt: skip
                        continue
                    for r in range(ROWS):
                        if masks[r] == 0:
                            continue
                        u = active[t * ROWS + r]
                        size[u], bar[u] = _taken(
                            masks[r], scores[r * COLUMNS : (r + 1) * COLUMNS],
                            panel_codes[p * COLUMNS : (p + 1) * COLUMNS], seen[u], found[u],
                            found_codes[u], size[u], bar[u], k, rounding * lengths[start + u],
                            scratch,
                        )  # fmt: skip
                        bars[t * ROWS + r] = bar[u]
            panel = stop
            step = min(2 * step, GROUP)
        for u in range(people):
            q = start + u
            if size[u] == OVERFLOWN:
                _all(vectors[q], factors, panel_codes, seen[u], codes[q], values[q])
                continue
            if size[u] > k:
                slack = rounding * lengths[q]
                _, size[u] = _raised(found[u], found_codes[u], size[u], k, slack, scratch)
            got = 0
            for m in range(size[u]):
                c = found_codes[u, m]
                got = _offered(values[q], codes[q], got, _product(vectors[q], factors[c]), c)
            in_order(values[q], codes[q], got)
        _mark(seen, start, people, n, indptr, banned, False)


@njit(nogil=True, cache=True)
def _mark(seen, start, people, n, indptr, banned, on):  # type: ignore[no-untyped-def]
    """Set the bits of what each may not be given, or clear them."""
    if len(indptr) == 0:
        return
    for u in range(people):
        for b in range(indptr[start + u], indptr[start + u + 1]):
            c = banned[b]
            if 0 <= c < n:
                bit = np.uint32(1) << np.uint32(c & 31)
                seen[u, c >> 5] = (seen[u, c >> 5] | bit) if on else np.uint32(0)


@njit(nogil=True, cache=True)
def _has(seen, c):  # type: ignore[no-untyped-def]
    """Whether an item's bit is set; none is where there are no bits."""
    return len(seen) > 0 and (seen[c >> 5] >> np.uint32(c & 31)) & np.uint32(1) != 0


@njit(nogil=True, cache=True)
def _pack(tile, a, x):  # type: ignore[no-untyped-def]
    """Put a vector in the a-th row of the tiles, which stand as (tiles, factors, ROWS)."""
    at = (a // ROWS) * len(x) * ROWS + a % ROWS
    for j in range(len(x)):
        tile[at + j * ROWS] = x[j]


@njit(nogil=True, cache=True)
def _taken(  # type: ignore[no-untyped-def]
    mask, scores, panel_codes, seen, found, codes, size, bar, k, slack, scratch
):
    """Take the products that reached the bar as candidates; return their number and the new bar."""
    while mask != 0:
        at = lowest_bit(mask)
        mask &= mask - np.uint32(1)
        c = panel_codes[at]
        if c < 0 or scores[at] < bar or _has(seen, c):
            continue
        if size == len(found):
            bar, size = _raised(found, codes, size, k, slack, scratch)
            if size == len(found):
                return OVERFLOWN, np.float32(np.inf)
            if scores[at] < bar:
                continue
        found[size] = scores[at]
        codes[size] = c
        size += 1
    return size, bar


@njit(nogil=True, cache=True)
def _all(x, factors, panel_codes, seen, code, value):  # type: ignore[no-untyped-def]
    """Put the best of all items in order, one by one; for a vector with very many equal scores."""
    got = 0
    for c in panel_codes:
        if c >= 0 and not _has(seen, c):
            got = _offered(value, code, got, _product(x, factors[c]), c)
    in_order(value, code, got)


@njit(nogil=True, cache=True)
def _offered(value, code, size, s, c):  # type: ignore[no-untyped-def]
    """Add to a heap what is good enough, and return its new size."""
    if s != s:
        return size
    if size == len(value) and not (s > value[0] or (s == value[0] and c < code[0])):
        return size
    return push(value, code, size, s, c)


@njit(nogil=True, cache=True)
def _raised(found, codes, size, k, slack, scratch):  # type: ignore[no-untyped-def]
    """Drop what cannot be among the k best, and return the new bar and how many are left."""
    low = np.float64(kth_largest(found, size, k, scratch)) - 3 * slack - 1e-37
    bar = np.float32(low - abs(low) * 1.2e-7)
    left = 0
    for m in range(size):
        if found[m] >= bar:
            found[left] = found[m]
            codes[left] = codes[m]
            left += 1
    return bar, left


@njit(nogil=True, cache=True)
def _product(x, y):  # type: ignore[no-untyped-def]
    """Sum in 64 bits and in one order, whoever compiles it, and round once."""
    f = len(x)
    a = b = c = d = 0.0
    for j in range(0, f - 3, 4):
        a += x[j] * np.float64(y[j])
        b += x[j + 1] * np.float64(y[j + 1])
        c += x[j + 2] * np.float64(y[j + 2])
        d += x[j + 3] * np.float64(y[j + 3])
    for j in range(f - f % 4, f):
        a += x[j] * np.float64(y[j])
    return np.float32((a + b) + (c + d))


@njit(nogil=True, cache=True)
def _at(vectors, factors, codes, out):  # type: ignore[no-untyped-def]
    for q in range(len(vectors)):
        for m in range(codes.shape[1]):
            if codes[q, m] >= 0:
                out[q, m] = _product(vectors[q], factors[codes[q, m]])
