"""What items are like: a table of titles, genres, tags and texts turned into weighted features.

TF-IDF (Salton and Buckley, "Term-weighting approaches in automatic text retrieval", IPM 24 (1988))
with the smoothed inverse frequency of scikit-learn:

    weight of feature f in item i = count(f, i) * (1 + ln((1 + n) / (1 + n_f)))

where n is the number of items that have anything in the column and n_f of those that have f. It is
counted in polars: scikit-learn gives the same numbers (a test compares them) but takes about a
second to import, twenty times what the counting takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter, UnknownId, near
from penchant.ids import IdMap
from penchant.kernels.csr import CSR

Codes = NDArray[np.int32]
Weights = NDArray[np.float32]

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


@dataclass(frozen=True, eq=False)
class Features:
    """Weighted features of items.

    Parameters
    ----------
    names : one name a feature, ``"column:value"``, as in "genres:Sci-Fi" or "title:story". Columns
        whose values stay whole come before those that were cut into words.
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
            known.setdefault(lower[number].partition(":")[2], number)
        return IdMap(list(known)), np.array(list(known.values()), np.int32)

    def named(self, tastes: Mapping[str, float] | Iterable[str]) -> tuple[Codes, Weights]:
        """Find the features that somebody names; see ``find``."""
        return find(tastes, *self.called())


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


def tfidf(
    table: pl.DataFrame, columns: Mapping[str, float] | Iterable[str] | None = None
) -> Features:
    """Turn a table of items into TF-IDF features.

    Each column becomes a block whose rows have the column's weight as their length, so that a long
    text does not drown a short list of genres. All is then divided so that an item described in
    every column has length 1; one that lacks a column is shorter.

    Parameters
    ----------
    table : row i describes item code i; null where nothing is known.
    columns : which columns to read, with weights if it is a mapping (else 1 each). By default every
        column of strings or lists. Lists, categories, strings that separate values by ``|`` and
        columns where no string has a blank keep their values whole ("Sci-Fi" is one feature,
        "sci-fi" the same one). Other strings are cut into words: lower-case, two characters or
        more, without stop words; a year that ends a title, as in "Babe (1995)", also counts as its
        decade, "title:1990s".

    Raises
    ------
    BadParameter : a column that is not there or holds neither strings nor lists, or a weight that
        is not positive.
    """
    if columns is None:
        columns = [name for name in table.columns if _readable(table.schema[name])]
    weights = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, 1.0)
    for name, weight in weights.items():
        if name not in table.columns:
            raise BadParameter(
                f"the item table has no column {name!r}, only {', '.join(table.columns)}"
            )
        if not _readable(table.schema[name]):
            raise BadParameter(
                f"column {name!r} holds {table.schema[name]}, not strings or lists; cast it first"
            )
        if not 0 < weight < np.inf:
            raise BadParameter(f"the weight of column {name!r} must be positive, got {weight}")
    lists = {name: _values(table[name]) for name in weights}
    whole_first = sorted(weights, key=lambda name: lists[name][1])
    blocks = {name: _block(lists[name][0]) for name in whole_first}
    shared = np.sqrt(sum(weights[name] ** 2 for name, (_, values) in blocks.items() if values))
    names: list[str] = []
    rows, codes, data = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for name, (entries, values) in blocks.items():
        rows.append(entries["row"].to_numpy())
        codes.append(entries["code"].to_numpy() + len(names))
        data.append(entries["weight"].to_numpy() * (weights[name] / max(shared, 1e-300)))
        names += [f"{name}:{value}" for value in values]
    matrix = CSR.from_pairs(
        np.concatenate(rows),
        np.concatenate(codes),
        np.concatenate(data),
        (table.height, len(names)),
    )
    return Features(tuple(names), matrix)


def _readable(dtype: pl.DataType) -> bool:
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    return inner in (pl.String, pl.Categorical, pl.Enum)


def _values(column: pl.Series) -> tuple[pl.Series, bool]:
    """Return each row's list of values, and whether they are words of a text."""
    if isinstance(column.dtype, pl.List):
        return column.cast(pl.List(pl.String)), False
    text = column.cast(pl.String)
    whole = column.dtype != pl.String or not text.str.strip_chars().str.contains(r"\s").any()
    if whole or text.str.contains("|", literal=True).any():
        return text.str.split("|"), False
    words = text.str.replace(_YEAR, " ${1}${2} ${1}0s").str.to_lowercase()
    words = words.str.extract_all(r"\b\w\w+\b")
    return words.list.eval(pl.element().filter(~pl.element().is_in(STOP_WORDS))), True


def _block(lists: pl.Series) -> tuple[pl.DataFrame, list[str]]:
    """Return one column's entries (row, code, weight), rows of length 1, and its values by code."""
    long = (
        pl.DataFrame({"row": pl.arange(len(lists), eager=True), "value": lists})
        .explode("value")
        .with_columns(pl.col("value").str.strip_chars())
        .filter(pl.col("value") != "")
        .with_columns(key=pl.col("value").str.to_lowercase())
    )
    values = (
        long.group_by("key")
        .agg(name=pl.col("value").mode().min(), items=pl.col("row").n_unique())
        .sort("key")
        .with_row_index("code")
        .with_columns(pl.col("code").cast(pl.Int64))
    )
    described = long["row"].n_unique()
    rarity = 1 + ((1 + described) / (1 + pl.col("items"))).log()
    entries = (
        long.group_by("row", "key")
        .agg(count=pl.len())
        .join(values, on="key")
        .sort("row", "code")  # a group's order is not fixed, and sums of floats depend on it
        .select("row", "code", weight=pl.col("count") * rarity)
        .with_columns(pl.col("weight") / (pl.col("weight") ** 2).sum().sqrt().over("row"))
    )
    return entries, values["name"].to_list()
