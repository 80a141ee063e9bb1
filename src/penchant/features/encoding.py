"""What rows of a table are like: columns of text, numbers, dates and vectors as weighted features.

Text becomes TF-IDF features (Salton and Buckley, "Term-weighting approaches in automatic text
retrieval", IPM 24 (1988)), with the smoothed inverse frequency of scikit-learn,

    weight of feature f in item i = count(f, i) * (1 + ln((1 + n) / (1 + n_f)))

where n is the number of items that have anything in the column and n_f of those that have f; or
BM25 (Robertson and Zaragoza, "The probabilistic relevance framework", FnTIR 3 (2009)), with l_i the
number of terms of item i, l their mean, k1 = 1.2 and b = 0.75,

    weight = ln(1 + (n - n_f + 0.5) / (n_f + 0.5)) * c (k1 + 1) / (c + k1 (1 - b + b l_i / l))

It is counted in polars: scikit-learn gives the same numbers (a test compares them) but takes about
a second to import, twenty times what the counting takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter, Incompatible, UnknownId, near
from penchant.features.blocks import (
    SCHEMA,
    Options,
    Scale,
    check_column,
    completed,
    learn,
    read,
    read_by_default,
)
from penchant.features.terms import Norm, Weighting
from penchant.ids import IdMap
from penchant.kernels.csr import CSR

Codes = NDArray[np.int32]
Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Features:
    """Weighted features of items, or of whatever a table has rows of.

    Parameters
    ----------
    names : one name a feature, ``"column:value"``, as in "genres:Sci-Fi" or "title:story"; a number
        goes by its column, "age", an entry of a vector by its place, "plot[0]". Columns cut into
        words come after all others.
    matrix : items x features, float32; row i is item code i, and empty if nothing is known of it.
    """

    names: tuple[str, ...]
    matrix: CSR

    def called(self) -> tuple[IdMap, Codes]:
        """Return what features may be called, in lower case, and the number of each.

        A feature goes by its whole name, "genres:action", and by its value alone, "action"; a value
        that occurs in several columns means the feature that most items have, or of equals the one
        whose column comes first.
        """
        items = np.bincount(self.matrix.indices, minlength=len(self.names))
        lower = [name.lower() for name in self.names]
        known = {name: number for number, name in enumerate(lower)}
        for number in np.argsort(-items, kind="stable").tolist():
            _, colon, value = lower[number].partition(":")
            if colon:
                known.setdefault(value, number)
        return IdMap(list(known)), np.array(list(known.values()), np.int32)

    def named(self, tastes: Mapping[str, float] | Iterable[str]) -> tuple[Codes, Weights]:
        """Find the features that somebody names; see ``find``."""
        return find(tastes, *self.called())

    def beside(self, *others: Features, weights: Sequence[float] | None = None) -> Features:
        """Return these and other features of the same items as one.

        Parameters
        ----------
        weights : what each of the blocks, this one first, is multiplied by; all are then divided by
            the length of the weights, so that an item whose rows have length 1 in every block has
            length 1. None leaves the blocks as they are.

        Raises
        ------
        Incompatible : the blocks are of different numbers of items, or share a name.
        BadParameter : not one positive weight for each block.

        Examples
        --------
        >>> films = pl.DataFrame({"genre": ["Noir", "War"], "colour": ["black", "red"]})
        >>> both = tfidf(films, ["genre"]).beside(tfidf(films, ["colour"]), weights=[2, 1])
        >>> both.names
        ('genre:Noir', 'genre:War', 'colour:black', 'colour:red')
        """
        blocks = (self, *others)
        sizes = [block.matrix.shape[0] for block in blocks]
        if len(set(sizes)) > 1:
            raise Incompatible(f"features stand beside each other for the same items, got {sizes}")
        names = tuple(name for block in blocks for name in block.names)
        if len(set(names)) < len(names):
            twice = next(name for n, name in enumerate(names) if name in names[:n])
            raise Incompatible(f"the feature {twice!r} occurs in more than one of the blocks")
        given = np.ones(len(blocks)) if weights is None else np.asarray(weights, np.float64)
        if given.shape != (len(blocks),) or not ((given > 0) & (given < np.inf)).all():
            raise BadParameter(f"{len(blocks)} blocks need a positive weight each, got {weights!r}")
        scale = 1.0 if weights is None else 1 / np.sqrt((given**2).sum())
        entries = [
            (block.matrix.row_numbers(), block.matrix.indices, block.matrix.data * (w * scale))
            for block, w in zip(blocks, given, strict=True)
        ]
        matrix = _side_by_side(entries, [len(block.names) for block in blocks], sizes[0])
        return Features(names, matrix)


def find(
    tastes: Mapping[str, float] | Iterable[str], called: IdMap, numbers: Codes
) -> tuple[Codes, Weights]:
    """Find the features that somebody names.

    Parameters
    ----------
    tastes : names, in any case, with weights if it is a mapping (else 1 each).
    called, numbers : from ``Features.called``.

    Returns
    -------
    Feature numbers (n,) int32, and their weights (n,) float32, in the order given.

    Raises
    ------
    UnknownId : no feature is called that; the message lists near matches.
    """
    weights = tastes if isinstance(tastes, Mapping) else dict.fromkeys(tastes, 1.0)
    at = called.encode([name.lower() for name in weights])
    for name, code in zip(weights, at, strict=True):
        if code < 0:
            raise UnknownId(f"no item is described by {name!r}.{near(name.lower(), called)}")
    return numbers[at], np.array(list(weights.values()), np.float32)


def _side_by_side(
    blocks: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    widths: Sequence[int],
    rows: int,
) -> CSR:
    """Return one matrix from blocks of (row, column, value), each by row and column."""
    counts = [np.bincount(row, minlength=rows) for row, _, _ in blocks]
    indptr = np.zeros(rows + 1, np.int64)
    np.cumsum(sum(counts, np.zeros(rows, np.int64)), out=indptr[1:])
    indices, data = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    into, first = indptr[:-1].copy(), 0
    for (row, column, value), count, width in zip(blocks, counts, widths, strict=True):
        at = (into - np.cumsum(count) + count)[row] + np.arange(len(row))
        indices[at], data[at] = column + first, value
        into += count
        first += width
    return CSR(indptr, indices, data, first)


@dataclass(frozen=True, eq=False)
class Encoder:
    """What was learned of how a table's columns become features; new rows become the same ones.

    Make it with ``Encoder.learn``. A model keeps ``encoder.table``, which holds all of it and is
    saved with the model, and asks ``Encoder(self.encoder_)``.

    Parameters
    ----------
    table : a row a feature, in order: its ``name``, the ``column`` it came from, what that
        ``holds``, how it is read, and the numbers that were learned.

    Examples
    --------
    >>> people = pl.DataFrame({"age": [20, 30, 40], "job": ["cook", "poet", "cook"]})
    >>> encoder = Encoder.learn(people, scale="design")
    >>> encoder.names
    ('age', 'job:cook', 'job:poet')
    >>> new = pl.DataFrame({"job": ["poet", "pope"], "age": [30, 40]})
    >>> encoder.encode(new).to_scipy().toarray()
    array([[0.       , 0.       , 1.       ],
           [1.2247449, 0.       , 0.       ]], dtype=float32)
    """

    table: pl.DataFrame

    @classmethod
    def learn(
        cls,
        table: pl.DataFrame,
        columns: Mapping[str, float] | Iterable[str] | None = None,
        *,
        scale: Scale = "cosine",
        weighting: Weighting = "tfidf",
        ngrams: tuple[int, int] = (1, 1),
        min_df: int = 1,
        bins: int | Mapping[str, int] | None = None,
        norm: Norm = "l2",
    ) -> Self:
        """Learn how the columns of a table become features.

        - **Text.** Lists, categories, booleans, strings that separate values by ``|`` and columns
          where no string has a blank keep their values whole ("Sci-Fi" is one feature, "sci-fi" the
          same one). Other strings are cut into words: lower-case, two characters or more, without
          stop words; a year that ends a title, as in "Babe (1995)", also counts as its decade,
          "title:1990s". A row with nothing missing or nothing known has no feature: a value that
          was not met in learning says as little as a missing one.
        - **Numbers and dates** (days since 1970). With ``scale="design"`` a z-score, 0 where
          missing, and if any was missing in learning "age:missing", which is 1 there. With "cosine"
          two features, "year:low" and "year:high", cos and sin of an angle from 0 to 90 degrees
          that grows with the z-score: near numbers are alike, and a missing one says nothing.
        - **Vectors** (arrays of numbers, or lists of one length). With "design" centred and divided
          by one number, so that a row's mean squared length is 1, and "missing" as for numbers;
          with "cosine" as they are, each row at length 1.

        Parameters
        ----------
        table : row i describes item or user i; null where nothing is known.
        columns : which columns to read, with weights if it is a mapping (else 1 each). By default,
            for "design" every column; for "cosine" text, arrays, and lists of floats.
        scale : "cosine": each column is a block whose rows have the column's weight as their
            length, so that a long text does not drown a short list of genres; all is divided so
            that a row described in every column has length 1, and one that lacks a column is
            shorter. "design": plain values for a factorization machine or a regression; each block
            is multiplied by its weight.
        weighting : of words and, with "cosine", of values: "tfidf", "bm25", "count" or "binary".
            With "design" values are binary.
        ngrams : shortest and longest run of words that is a feature.
        min_df : leave out values and words that fewer rows have.
        bins : cut numbers and dates into this many equally full classes instead, "age:18 to 25";
            for all columns or by name.
        norm : with "design", what the values of a row are divided by: "l2" makes n values
            1 / sqrt(n) each, "l1" 1 / n, "none" 1.

        Raises
        ------
        BadParameter : a column that is not there or cannot be read, a weight that is not positive,
            or an option outside its range.
        """
        options = Options(
            scale=scale, weighting=weighting, ngrams=ngrams, min_df=min_df, bins=bins, norm=norm
        )
        if columns is None:
            columns = [n for n, dtype in table.schema.items() if read_by_default(dtype, scale)]
        weights = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, 1.0)
        for name, weight in weights.items():
            check_column(table, name, weight)
        for name in bins if isinstance(bins, Mapping) else ():
            if name not in weights:
                raise BadParameter(f"bins: column {name!r} is not read.{near(name, weights)}")
        learned = {name: learn(table[name], options) for name in weights}
        there = {name: block for name, block in learned.items() if block.height}
        total = np.sqrt(sum(weights[name] ** 2 for name in there)) if scale == "cosine" else 1.0
        words_last = sorted(there.items(), key=lambda item: item[1]["reading"][0] == "words")
        rows = [
            completed(block.with_columns(column=pl.lit(name), weight=weights[name] / total))
            for name, block in words_last
        ]
        return cls(pl.concat([pl.DataFrame(schema=SCHEMA), *rows]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name a feature: "genres:Sci-Fi", "age", "age:missing", "plot[0]"."""
        return tuple(self.table["name"])

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The column that each feature came from."""
        return tuple(self.table["column"])

    def encode(self, table: pl.DataFrame) -> CSR:
        """Return rows x features, float32.

        A column that ``table`` lacks counts as missing in every row; others it has are ignored.

        Raises
        ------
        BadParameter : a column that holds something else than the one learned from.
        """
        found = []
        for block in self._blocks:
            name = block["column"][0]
            column = table[name] if name in table.columns else pl.Series(name, [None] * len(table))
            rows, codes, data = read(column, block)
            found.append((rows, codes, data * block["weight"][0]))
        return _side_by_side(found, [block.height for block in self._blocks], len(table))

    def features(self, table: pl.DataFrame) -> Features:
        """Return what ``encode`` gives, with the names."""
        return Features(self.names, self.encode(table))

    @cached_property
    def _blocks(self) -> list[pl.DataFrame]:
        return self.table.partition_by("column", maintain_order=True)


def tfidf(
    table: pl.DataFrame, columns: Mapping[str, float] | Iterable[str] | None = None
) -> Features:
    """Turn a table of items into TF-IDF features; see ``Encoder.learn``.

    Each column becomes a block whose rows have the column's weight as their length, so that a long
    text does not drown a short list of genres. All is then divided so that an item described in
    every column has length 1; one that lacks a column is shorter.
    """
    return Encoder.learn(table, columns).features(table)
