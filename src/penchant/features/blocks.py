"""One column as a block of features: learned from a table, and read again from new rows.

A block is a frame with a row a feature, in the columns of ``SCHEMA``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

from penchant.errors import BadParameter
from penchant.features import quantities, terms
from penchant.features.terms import Entries, Norm, Weighting

Scale = Literal["cosine", "design"]

FEW = 1000
"""Rows up to which it is not worth while to look for repeated values."""

FAR = 1e6
"""No number counts as more deviations from the mean than this, lest it drown or overflow a sum."""

SCHEMA = {
    "name": pl.String,
    "column": pl.String,
    "holds": pl.String,
    "reading": pl.String,
    "key": pl.String,
    "start": pl.Float64,
    "factor": pl.Float64,
    "weight": pl.Float64,
    "weighting": pl.String,
    "norm": pl.String,
    "shortest": pl.Int64,
    "longest": pl.Int64,
    "mean_length": pl.Float64,
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How columns are to become features; see ``Encoder.learn``."""

    scale: Scale
    weighting: Weighting
    ngrams: tuple[int, int]
    min_df: int
    bins: int | Mapping[str, int] | None
    norm: Norm

    def __post_init__(self) -> None:
        for name, known in (("scale", Scale), ("weighting", Weighting), ("norm", Norm)):
            value = getattr(self, name)
            if value not in get_args(known):
                raise BadParameter(f"{name} is one of {', '.join(get_args(known))}, got {value!r}")
        match self.ngrams:
            case (int(shortest), int(longest)) if 1 <= shortest <= longest:
                pass
            case other:
                raise BadParameter(
                    f"ngrams is the shortest and the longest run of words, as (1, 2), got {other!r}"
                )
        if not isinstance(self.min_df, int) or self.min_df < 1:
            raise BadParameter(f"min_df is a number of rows of at least 1, got {self.min_df!r}")
        for several in self.bins.values() if isinstance(self.bins, Mapping) else [self.bins]:
            if several is not None and (not isinstance(several, int) or several < 2):
                raise BadParameter(f"bins are a number of classes of at least 2, got {several!r}")

    def classes(self, column: str) -> int | None:
        """Return how many classes a column of numbers is to be cut into; None for none."""
        return self.bins.get(column) if isinstance(self.bins, Mapping) else self.bins


def check_column(table: pl.DataFrame, name: str, weight: float) -> None:
    """Raise ``BadParameter`` if the column is not there, cannot be read, or weighs nothing."""
    if name not in table.columns:
        raise BadParameter(f"the table has no column {name!r}, only {', '.join(table.columns)}")
    if _family(table.schema[name]) is None:
        raise BadParameter(
            f"column {name!r} holds {table.schema[name]}, which is neither text nor numbers, "
            "dates or vectors; cast it first"
        )
    if not 0 < weight < np.inf:
        raise BadParameter(f"the weight of column {name!r} must be positive, got {weight}")


def _family(dtype: pl.DataType) -> str | None:
    """Return what a column holds; rows to be encoded must hold the same."""
    if terms.is_text(dtype):
        return "text"
    if dtype.is_numeric():
        return "numbers"
    if dtype == pl.Boolean:
        return "booleans"
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return "dates"
    if dtype == pl.Null:
        return "nothing"
    return "vectors" if quantities.is_vector(dtype) else None


def read_by_default(dtype: pl.DataType, scale: Scale) -> bool:
    """Whether a column is read if none is named."""
    if scale == "design" or terms.is_text(dtype):
        return _family(dtype) is not None
    listed = isinstance(dtype, pl.List) and dtype.inner.is_float()
    return listed or (isinstance(dtype, pl.Array) and dtype.inner.is_numeric())


_NO_FEATURES = pl.DataFrame(schema={"name": pl.String})

_EMPTY: dict[str, pl.DataType] = {
    "text": pl.String(),
    "booleans": pl.Boolean(),
    "numbers": pl.Float64(),
    "dates": pl.Float64(),
    "vectors": pl.List(pl.Float64),
}


def _of_its_type(column: pl.Series, holds: str) -> pl.Series:
    """Return the column as it was when it was learned, or all null."""
    if column.dtype == pl.Null or column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), _EMPTY[holds])
    if _family(column.dtype) != holds:
        raise BadParameter(
            f"column {column.name!r} holds {column.dtype}, and {holds} were learned from; "
            "cast it first"
        )
    return column


def completed(block: pl.DataFrame) -> pl.DataFrame:
    """Return the block with all columns of the schema, null where they do not apply."""
    return block.select(
        (pl.col(name) if name in block.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in SCHEMA.items()
    )


def learn(column: pl.Series, options: Options) -> pl.DataFrame:
    """Return a row a feature of one column; none if nothing is known in it."""
    holds = _family(column.dtype)
    if holds in ("text", "booleans"):
        block = _learned_terms(column, options)
    elif holds == "vectors":
        block = _learned_vectors(column, options)
    elif holds == "nothing":
        block = _NO_FEATURES
    else:
        block = _learned_numbers(column, options)
    return block.with_columns(holds=pl.lit(holds))


def _learned_terms(column: pl.Series, options: Options) -> pl.DataFrame:
    prose = terms.is_prose(column)
    plain = options.scale == "design" and not prose
    weighting = "binary" if plain else options.weighting
    shortest, longest = options.ngrams
    long = terms.words(column, shortest, longest) if prose else terms.values(column)
    return terms.vocabulary(long, weighting, options.min_df).select(
        "key",
        "factor",
        name=pl.lit(f"{column.name}:") + pl.col("value"),
        reading=pl.lit("words" if prose else "values"),
        weighting=pl.lit(weighting),
        norm=pl.lit(options.norm if plain else "l2"),
        shortest=pl.lit(shortest),
        longest=pl.lit(longest),
        mean_length=pl.lit(terms.mean_length(long)),
    )


def _learned_numbers(column: pl.Series, options: Options) -> pl.DataFrame:
    name, several = column.name, options.classes(column.name)
    found = quantities.numbers(column)
    known = found[~np.isnan(found)]
    if not len(known):
        return _NO_FEATURES
    varies = known.min() < known.max()  # the deviation of equal numbers need not be quite 0
    z = {"start": float(known.mean()), "factor": 1 / float(known.std()) if varies else 0.0}
    if several is not None:
        cuts = quantities.edges(known, several)
        shown = quantities.spans(cuts, _family(column.dtype) == "dates")
        starts = [-np.inf, *cuts.tolist()]
        rows = [
            {"name": f"{name}:{span}", "reading": "bins", "start": start, "factor": 1.0}
            for span, start in zip(shown, starts, strict=True)
        ]
    elif options.scale == "cosine":
        rows = [{"name": f"{name}:{end}", "reading": "angle", **z} for end in ("low", "high")]
    else:
        rows = [{"name": name, "reading": "numbers", **z}]
    return pl.DataFrame(rows + _missing(name, len(known) < len(found), options))


def _learned_vectors(column: pl.Series, options: Options) -> pl.DataFrame:
    found = quantities.vectors(column)
    known = found[~np.isnan(found).any(axis=1)]
    if not known.size:
        return _NO_FEATURES
    start, factor = np.zeros(known.shape[1]), 1.0
    if options.scale == "design":
        start = known.mean(axis=0)
        length = float(np.sqrt(((known - start) ** 2).sum(axis=1).mean()))
        factor = 1 / length if np.ptp(known, axis=0).any() else 0.0
    norm = "l2" if options.scale == "cosine" else "none"
    rows = [
        {"name": f"{column.name}[{n}]", "reading": "vectors", "start": at, "factor": factor,
         "norm": norm}
        for n, at in enumerate(start.tolist())
    ]  # fmt: skip
    return pl.DataFrame(rows + _missing(column.name, len(known) < len(found), options))


def _missing(name: str, any_was: bool, options: Options) -> list[dict[str, object]]:
    if options.scale == "cosine" or not any_was:
        return []
    return [{"name": f"{name}:missing", "reading": "missing"}]


def read(column: pl.Series, block: pl.DataFrame) -> Entries:
    """Return (row, feature of the block, value) of what a column of new rows says.

    Raises
    ------
    BadParameter : the column holds something else than the one the block was learned from.
    """
    column = _of_its_type(column, block["holds"][0])
    reading = block["reading"][0]
    if reading in ("values", "words"):
        return _term_entries(column, block)
    matrix = _dense(column, block.filter(pl.col("reading") != "missing"), reading)
    unknown = np.isnan(matrix).any(axis=1)
    matrix[unknown] = 0
    if block["reading"][-1] == "missing":
        matrix = np.column_stack([matrix, unknown])
    rows, codes = np.nonzero(matrix)
    return rows, codes, matrix[rows, codes]


def _term_entries(column: pl.Series, block: pl.DataFrame) -> Entries:
    if len(column) > FEW and not column.dtype.is_nested():
        distinct = column.unique()
        if len(distinct) * 4 < len(column):  # what repeats is looked up once
            return _repeated(_term_entries(distinct, block), distinct, column)
    first = block.row(0, named=True)
    if first["reading"] == "words":
        long = terms.words(column, first["shortest"], first["longest"])
    else:
        long = terms.values(column)
    return terms.weighed(
        long,
        block["key"],
        block["factor"].to_numpy(),
        weighting=first["weighting"],
        mean_length=first["mean_length"],
        norm=first["norm"],
    )


def _repeated(found: Entries, distinct: pl.Series, column: pl.Series) -> Entries:
    """Return the entries of ``column`` from those of its ``distinct`` values."""
    rows, codes, data = found
    places = distinct.alias("value").to_frame().with_row_index("place")
    place = (
        column.alias("value")
        .to_frame()
        .join(places, on="value", how="left", nulls_equal=True, maintain_order="left")["place"]
        .to_numpy()
    )
    count = np.bincount(rows, minlength=len(distinct))
    first = np.cumsum(count) - count
    many = count[place]
    entries = np.arange(many.sum()) + np.repeat(first[place] - np.cumsum(many) + many, many)
    return np.repeat(np.arange(len(column)), many), codes[entries], data[entries]


def _dense(column: pl.Series, block: pl.DataFrame, reading: str) -> NDArray[np.float64]:
    """Return (rows, features of the block); a row of which nothing is known has NaN."""
    start, factor = block["start"].to_numpy(), block["factor"].to_numpy()
    if reading == "vectors":
        found = quantities.vectors(column)
        if np.isnan(found).all():
            return np.full((len(column), block.height), np.nan)
        if found.shape[1] != block.height:
            raise BadParameter(
                f"column {column.name!r} holds vectors of {found.shape[1]} numbers, and those "
                f"learned from had {block.height}"
            )
        scaled: NDArray[np.float64] = (found - start) * factor
        if block["norm"][0] == "l2":
            lengths = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
            scaled = np.divide(scaled, lengths, out=scaled, where=lengths != 0)
        return scaled
    found = quantities.numbers(column)[:, None]
    if reading == "bins":
        at = np.searchsorted(start, found[:, 0], side="right") - 1
        return np.where(np.isnan(found), np.nan, at[:, None] == np.arange(block.height))
    z: NDArray[np.float64] = np.clip((found - start[:1]) * factor[:1], -FAR, FAR)
    if reading == "numbers":
        return z
    angle = np.pi / 2 * ndtr(z)
    return np.column_stack([np.cos(angle), np.sin(angle)])
