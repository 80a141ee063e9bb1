"""Co-clusters of people and items: groups of people who rate groups of items alike.

    r(u, i) = A(g, h) + (mean(u) - A(g)) + (mean(i) - A(h))

for a person of group g and an item of group h, where A are the mean ratings of the two groups
together, of the people's and of the item's (George and Merugu, "A Scalable Collaborative Filtering
Framework Based on Co-Clustering", ICDM 2005, section 3).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from penchant.kernels.csr import CSR

Floats = NDArray[np.float64]
Groups = NDArray[np.int32]


def cluster(
    ratings: CSR, left: CSR, people: Groups, items: Groups, sizes: tuple[int, int], epochs: int
) -> Floats:
    """Move people, then items, to the group in which their squared error is least.

    Parameters
    ----------
    ratings : people x items.
    left : the same less the mean of the person and the mean of the item.
    people, items : the group of each, changed in place; who has no ratings stays.
    sizes : the number of groups of people and of items.
    epochs : how often at most; it ends when nobody moves.

    Returns
    -------
    (groups of people, groups of items): A(g, h) - A(g) - A(h).
    """
    by_item, row = left.transposed(), ratings.row_numbers()
    pulls = _pulls(ratings, row, people, items, sizes)
    for _ in range(epochs):
        moved = move(left, items, pulls, people)
        moved += move(by_item, people, np.ascontiguousarray(pulls.T), items)
        if not moved:
            break
        pulls = _pulls(ratings, row, people, items, sizes)
    return pulls


def _pulls(
    ratings: CSR, row: NDArray[np.int32], people: Groups, items: Groups, sizes: tuple[int, int]
) -> Floats:
    """Return A(g, h) - A(g) - A(h), where A of groups without ratings is the mean of all."""
    pair = people[row] * np.int32(sizes[1]) + items[ratings.indices]
    counts = np.bincount(pair, minlength=sizes[0] * sizes[1]).reshape(sizes)
    sums = np.bincount(pair, ratings.data, sizes[0] * sizes[1]).reshape(sizes)

    def averages(axis: int | None) -> Floats:
        n = counts if axis is None else counts.sum(axis, keepdims=True)
        total = sums if axis is None else sums.sum(axis, keepdims=True)
        return np.where(n > 0, total / np.maximum(n, 1), sums.sum() / counts.sum())

    return averages(None) - averages(1) - averages(0)


def move(left: CSR, others: Groups, pulls: Floats, groups: Groups) -> int:
    """Put each row in the group in which its squared error is least; the lower one of equals.

    The error of a row in a group g, ``sum (left - pulls(g, h))^2``, needs no more of the row than
    how many entries it has in each group h of columns, and their sum.

    Parameters
    ----------
    left : what is to be explained.
    others : the group of each column.
    pulls : (groups, groups of columns), what is predicted.
    groups : (rows,) changed in place; rows without entries stay.

    Returns
    -------
    How many rows moved.
    """
    others, pulls = others.view(), pulls.view()
    for array in (others, pulls):  # learned or not: compiled once
        array.setflags(write=False)
    moved: int = _move(left.indptr, left.indices, left.data, others, pulls, groups)
    return moved


@njit(nogil=True, cache=True)
def _move(indptr, indices, data, others, pulls, groups):  # type: ignore[no-untyped-def]
    moved = 0
    counts, sums = np.empty(pulls.shape[1]), np.empty(pulls.shape[1])
    for r in range(len(groups)):
        counts[:] = 0.0
        sums[:] = 0.0
        for n in range(indptr[r], indptr[r + 1]):
            counts[others[indices[n]]] += 1.0
            sums[others[indices[n]]] += data[n]
        best, least = groups[r], np.inf
        for g in range(len(pulls)):
            error = 0.0
            for h in range(pulls.shape[1]):
                error += pulls[g, h] * (pulls[g, h] * counts[h] - 2.0 * sums[h])
            if error < least:
                best, least = g, error
        if indptr[r] < indptr[r + 1] and best != groups[r]:
            groups[r] = best
            moved += 1
    return moved
