"""A sparse matrix by rows, with 64-bit row pointers, 32-bit columns and 32-bit values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class CSR:
    """Rows of (column, value) pairs, columns ascending and without repeats in each row.

    Parameters
    ----------
    indptr : (rows + 1,) int64, where each row begins; more than 2**31 entries are fine.
    indices : (entries,) int32, columns.
    data : (entries,) float32, values.
    columns : number of columns.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]
    columns: int

    @classmethod
    def from_pairs(
        cls, rows: ArrayLike, columns: ArrayLike, data: ArrayLike | None, shape: tuple[int, int]
    ) -> CSR:
        """Build from coordinates; values of a repeated pair are added, in the order given."""
        r = np.asarray(rows, dtype=np.int64)
        c = np.asarray(columns, dtype=np.int32)
        v = np.ones(len(r), np.float32) if data is None else np.asarray(data, dtype=np.float32)
        indptr = np.zeros(shape[0] + 1, np.int64)
        np.cumsum(np.bincount(r, minlength=shape[0]), out=indptr[1:])
        key = r * shape[1] + c
        if len(key) and np.any(key[1:] <= key[:-1]):
            order = np.argsort(key, kind="stable")
            key, c, v = key[order], c[order], v[order]
            first = np.concatenate([[True], key[1:] != key[:-1]])
            if not first.all():
                starts = np.flatnonzero(first)
                v = np.add.reduceat(v, starts)
                c = c[starts]
                np.cumsum(
                    np.bincount(key[starts] // max(shape[1], 1), minlength=shape[0]), out=indptr[1:]
                )
        return cls(indptr, c, v, shape[1])

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> CSR:
        """Return a matrix without entries."""
        none = np.zeros(0, np.int32), np.zeros(0, np.float32)
        return cls(np.zeros(shape[0] + 1, np.int64), *none, shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.indptr) - 1, self.columns

    @property
    def nnz(self) -> int:
        """Number of stored entries."""
        return len(self.indices)

    def rows(self, lo: int, hi: int) -> CSR:
        """Rows ``lo`` to ``hi``, sharing the arrays."""
        a, b = self.indptr[lo], self.indptr[hi]
        return CSR(self.indptr[lo : hi + 1] - a, self.indices[a:b], self.data[a:b], self.columns)

    def with_rows(self, at: NDArray[np.integer], rows: CSR) -> CSR:
        """Return the matrix with ``rows`` in place of those at ``at``, or past its end.

        Parameters
        ----------
        at : (rows,) distinct places; those past the end leave no gap.
        """
        n = max(self.shape[0], int(np.max(at, initial=-1)) + 1)
        indices = np.concatenate([self.indices, rows.indices])
        data = np.concatenate([self.data, rows.data])
        if n == self.shape[0] + len(at):  # none is replaced
            after = np.argsort(at, kind="stable")
            if np.array_equal(after, np.arange(len(at))):
                indptr = np.concatenate([self.indptr, self.indptr[-1] + rows.indptr[1:]])
                return CSR(indptr, indices, data, self.columns)
        starts, lengths = np.zeros(n, np.int64), np.zeros(n, np.int64)
        starts[: self.shape[0]], lengths[: self.shape[0]] = self.indptr[:-1], np.diff(self.indptr)
        starts[at], lengths[at] = self.nnz + rows.indptr[:-1], np.diff(rows.indptr)
        indptr = np.append(np.int64(0), np.cumsum(lengths))
        entries = stretches(starts, indptr)
        return CSR(indptr, indices[entries], data[entries], self.columns)

    def with_columns(self, at: NDArray[np.integer], rows: CSR) -> CSR:
        """Return the transpose of what ``with_rows`` returns for the transpose of this, sooner."""
        n = max(self.columns, int(np.max(at, initial=-1)) + 1)
        gone = np.zeros(n, np.bool_)
        gone[at] = True
        places = np.asarray(at, np.int32)[rows.row_numbers()]
        more = CSR.from_pairs(rows.indices, places, rows.data, (self.shape[0], n))
        indptr, indices, data = _merged(
            self.indptr, self.indices, self.data, gone, more.indptr, more.indices, more.data
        )
        return CSR(indptr, indices, data, n)

    def row_numbers(self) -> NDArray[np.int32]:
        """(entries,) the row each entry stands in."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self.indptr))

    def transposed(self) -> CSR:
        """Return the same entries by columns, in time proportional to their number."""
        indptr, indices, data = _transpose(self.indptr, self.indices, self.data, self.columns)
        return CSR(indptr, indices, data, self.shape[0])

    def by_content(self) -> CSR:
        """Return the rows ordered by what they hold, an order that tells nothing of whose they are.

        The order is that of the bytes: empty rows come first, and more than that it does not mean.
        """
        cuts = list(zip(self.indptr[:-1].tolist(), self.indptr[1:].tolist(), strict=True))
        held = [self.indices[a:b].tobytes() + self.data[a:b].tobytes() for a, b in cuts]
        order = sorted(range(len(held)), key=held.__getitem__)
        lengths = np.diff(self.indptr)[order]
        indptr = np.append(np.int64(0), np.cumsum(lengths))
        entries = stretches(self.indptr[:-1][order], indptr)
        return CSR(indptr, self.indices[entries], self.data[entries], self.columns)

    def to_scipy(self) -> csr_array:
        """Return a scipy matrix that shares the values."""
        return csr_array((self.data, self.indices, self.indptr), shape=self.shape)


def stretches(starts: NDArray[np.int64], indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the entries of some rows stand, one row after another.

    Parameters
    ----------
    starts : (rows,) where each row begins.
    indptr : (rows + 1,) where it shall begin: from 0, as far apart as the rows are long.
    """
    out = np.empty(indptr[-1], np.int64)
    _stretches(starts, indptr, out)
    return out


@njit(nogil=True, cache=True)
def _stretches(starts, indptr, out):  # type: ignore[no-untyped-def]
    for r in range(len(starts)):
        for n in range(indptr[r], indptr[r + 1]):
            out[n] = starts[r] + n - indptr[r]


@njit(nogil=True, cache=True)
def _merged(indptr, indices, data, gone, more_indptr, more_indices, more_data):  # type: ignore[no-untyped-def]
    """Merge rows by column, leaving out of the first matrix the columns that are gone."""
    starts = np.zeros(len(indptr), np.int64)
    columns = np.empty(len(indices) + len(more_indices), np.int32)
    values = np.empty(len(columns), np.float32)
    n = 0
    for r in range(len(indptr) - 1):
        m = more_indptr[r]
        for e in range(indptr[r], indptr[r + 1]):
            column = indices[e]
            while m < more_indptr[r + 1] and more_indices[m] < column:
                columns[n], values[n] = more_indices[m], more_data[m]
                m += 1
                n += 1
            if not gone[column]:
                columns[n], values[n] = column, data[e]
                n += 1
        while m < more_indptr[r + 1]:
            columns[n], values[n] = more_indices[m], more_data[m]
            m += 1
            n += 1
        starts[r + 1] = n
    return starts, columns[:n], values[:n]


@njit(nogil=True, cache=True)
def _transpose(indptr, indices, data, columns):  # type: ignore[no-untyped-def]
    starts = np.zeros(columns + 1, np.int64)
    for c in indices:
        starts[c + 1] += 1
    for c in range(columns):
        starts[c + 1] += starts[c]
    into = starts[:-1].copy()
    rows = np.empty(len(indices), np.int32)
    values = np.empty(len(indices), np.float32)
    for r in range(len(indptr) - 1):
        for n in range(indptr[r], indptr[r + 1]):
            at = into[indices[n]]
            rows[at] = r
            values[at] = data[n]
            into[indices[n]] = at + 1
    return starts, rows, values
