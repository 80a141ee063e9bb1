"""Text to terms: values that stay whole, words of a text, runs of words; and what each weighs."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Weighting = Literal["tfidf", "bm25", "count", "binary"]
Norm = Literal["l2", "l1", "none"]

Entries = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Rows, columns and values."""

_STOP_WORDS = """
a about after all also am an and any are as at be been before being between both but by can could
de did do does down during each el few for from had has have he her here him his how i if in into
is it its la le les more most my no nor not of off on once only or other our out over own she
should so some such than that the their them then there these they this those through to too under
until up very was we were what when where which while who why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that say nothing about a text: English function words, articles of foreign titles."""

_YEAR = r"\(\s*(\d{3})(\d)[^()]*\)\s*$"

K1, B = 1.2, 0.75
"""Saturation and length normalisation of BM25, as Robertson and Zaragoza (2009) recommend."""


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column holds strings or categories, or lists of them."""
    inner = dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else dtype
    return inner in (pl.String, pl.Categorical, pl.Enum)


def is_prose(column: pl.Series) -> bool:
    """Whether a column is to be cut into words.

    It is if its strings have blanks and are neither categories nor values separated by ``|``.
    """
    if column.dtype != pl.String:
        return False
    blank = column.str.strip_chars().str.contains(r"\s").any()
    return bool(blank) and not column.str.contains("|", literal=True).any()


def values(column: pl.Series) -> pl.DataFrame:
    """Return (row, value, key) of each value of each row; the key is the value in lower case."""
    value = pl.col("value")
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return _long(column, value.cast(pl.List(pl.String)))
    return _long(column, value.cast(pl.String).str.split("|"))


def words(column: pl.Series, shortest: int, longest: int) -> pl.DataFrame:
    """Return (row, value, key) of each run of ``shortest`` to ``longest`` words of each row.

    Words are in lower case, of two characters or more, without stop words; runs are of what is
    left. A year that ends a text, as in "Babe (1995)", is a word, and its decade another.
    """
    text = pl.col("value")
    if isinstance(column.dtype, (pl.List, pl.Array)):
        text = text.cast(pl.List(pl.String)).list.join(" ")
    found = text.cast(pl.String).str.replace(_YEAR, " ${1}${2} ${1}0s").str.to_lowercase()
    found = found.str.extract_all(r"\b\w\w+\b")
    single = _long(column, found.list.eval(pl.element().filter(~pl.element().is_in(STOP_WORDS))))
    if longest == 1:
        return single
    runs = []
    for length in range(shortest, longest + 1):
        run = pl.concat_str([pl.col("key").shift(-n) for n in range(length)], separator=" ")
        whole = pl.col("row") == pl.col("row").shift(1 - length)
        runs.append(single.select("row", value=run, key=run, whole=whole).filter("whole"))
    return pl.concat(runs).drop("whole")


def _long(column: pl.Series, lists: pl.Expr) -> pl.DataFrame:
    return (
        pl.LazyFrame({"row": pl.arange(len(column), eager=True), "value": column})
        .with_columns(lists)
        .explode("value")
        .with_columns(pl.col("value").str.strip_chars())
        .filter(pl.col("value") != "")
        .with_columns(key=pl.col("value").str.to_lowercase())
        .collect()
    )


def vocabulary(long: pl.DataFrame, weighting: Weighting, min_df: int) -> pl.DataFrame:
    """Return (value, key, factor) of each term, sorted by key; ``factor`` says how rare it is.

    A term is spelt as it is most often, of equals the first in the alphabet.
    """
    described = long["row"].n_unique()
    rarity = {
        "tfidf": 1 + ((1 + described) / (1 + pl.col("items"))).log(),
        "bm25": (1 + (described - pl.col("items") + 0.5) / (pl.col("items") + 0.5)).log(),
        "count": pl.lit(1.0),
        "binary": pl.lit(1.0),
    }[weighting]
    return (
        long.group_by("key")
        .agg(value=pl.col("value").mode().min(), items=pl.col("row").n_unique())
        .filter(pl.col("items") >= min_df)
        .sort("key")
        .select("value", "key", factor=rarity)
    )


def weighed(
    long: pl.DataFrame,
    keys: pl.Series,
    factor: NDArray[np.float64],
    *,
    weighting: Weighting,
    mean_length: float,
    norm: Norm,
) -> Entries:
    """Return (row, term, weight) of the terms that are among ``keys``, by row and term.

    Rows have length 1 in the ``norm`` ("l2" or "l1") over their known terms, or are as they are.

    Parameters
    ----------
    long : of ``values`` or ``words``.
    keys, factor : a vocabulary's, sorted by key.
    """
    at = keys.search_sorted(long["key"]).to_numpy().astype(np.int64)
    known = (keys.gather(np.minimum(at, len(keys) - 1)) == long["key"]).to_numpy()
    rows = long["row"].to_numpy()
    pairs, times = np.unique(rows[known] * len(keys) + at[known], return_counts=True)
    row, term = np.divmod(pairs, len(keys))
    count = times.astype(np.float64)
    if weighting == "bm25":
        relative = 1 - B + B * np.bincount(rows)[row] / mean_length
        count *= (K1 + 1) / (count + K1 * relative)
    elif weighting == "binary":
        count[:] = 1
    weight = count * factor[term]
    if norm == "l2":
        weight /= np.sqrt(np.bincount(row, weight**2))[row]
    elif norm == "l1":
        weight /= np.bincount(row, weight)[row]
    return row, term, weight


def mean_length(long: pl.DataFrame) -> float:
    """Return the mean number of terms of the rows that have any."""
    return long.height / max(long["row"].n_unique(), 1)
