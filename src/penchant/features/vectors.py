"""Vectors of texts and images: a column goes in, a column of vectors comes out.

An encoder is anything with a method ``encode``: a sentence-transformer or static vectors
(``penchant.features.texts``), vectors trained on the catalogue itself
(``penchant.features.words``), a network for images (``penchant.features.images``), or an object of
your own. ``embed`` asks it in batches and puts the answer into a column for the item table, null
where nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadParameter, Incompatible
from penchant.features import quantities

Matrix = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is in all."""

_ENCODABLE = (pl.String, pl.Categorical, pl.Enum, pl.Binary, pl.Object)


class Encodes(Protocol):
    """Whatever turns texts or images into vectors."""

    def encode(self, values: list[Any], /) -> Any:
        """Return (n, d) numbers for n values; a row of NaN or zeros: nothing can be said of it."""


def embed(
    values: pl.Series | Sequence[Any],
    encoder: Encodes,
    *,
    batch: int = 1024,
    on_batch: Progress | None = None,
) -> pl.Series:
    """Turn a column of texts or images into a column of vectors.

    Equal texts are encoded once.

    Parameters
    ----------
    values : (n,) texts; for an encoder of images, paths or arrays. None, NaN and blank texts are
        missing.
    encoder : see ``Encodes``.
    batch : how many values the encoder is given at a time.
    on_batch : called after each batch with how many distinct values are done, and of how many.

    Returns
    -------
    (n,) column "vector" of ``Array(Float32, d)``. Null means that nothing is known of the row: the
    value was missing, or the encoder had nothing to say of it.

    Raises
    ------
    BadParameter : a column of another type, an encoder without ``encode``, no value at all.
    Incompatible : an answer of the encoder that is not one vector of finite numbers per value.

    Examples
    --------
    >>> class Lengths:
    ...     def encode(self, texts):
    ...         return [[len(text), text.count(" ") + 1] for text in texts]
    >>> embed(["Babe", None, "Toy Story"], Lengths()).to_list()
    [[4.0, 1.0], None, [9.0, 2.0]]
    """
    given: object = encoder
    if isinstance(given, str) or not hasattr(given, "encode"):  # a string has an encode too
        raise BadParameter(
            f"an encoder has a method encode, as those of penchant.features.texts; got {encoder!r}"
        )
    if batch < 1:
        raise BadParameter(f"batch must be at least 1, got {batch}")
    rows = _listed(values)
    known = [at for at, value in enumerate(rows) if not _missing(value)]
    if not known:
        raise BadParameter(f"there is nothing to encode: all of {len(rows):,} values are missing")
    distinct, place = _distinct([rows[at] for at in known])
    vectors = np.concatenate(list(_encoded(distinct, encoder, batch, on_batch)))
    found = np.full((len(rows), vectors.shape[1]), np.nan, np.float32)
    vectors[~vectors.any(axis=1)] = np.nan
    found[known] = vectors[place]
    return column(found)


def column(vectors: NDArray[np.floating[Any]]) -> pl.Series:
    """Return (n, d) vectors as a column "vector"; rows of NaN become null.

    Examples
    --------
    >>> column(np.array([[1, 2], [np.nan, np.nan]])).to_list()
    [[1.0, 2.0], None]
    """
    known = ~np.isnan(vectors).any(axis=1)
    kind = pl.Array(pl.Float32, vectors.shape[1])
    held = pl.Series("vector", np.ascontiguousarray(vectors, np.float32), kind)
    return pl.select(pl.when(pl.Series(known)).then(held).alias("vector")).to_series()


def matrix(vectors: pl.Series) -> NDArray[np.float64]:
    """Return a column of vectors as (n, d) float64; rows of NaN where it is null.

    Raises
    ------
    BadParameter : a column of anything but vectors of one length.
    """
    if not quantities.is_vector(vectors.dtype):
        raise BadParameter(f"column {vectors.name!r} holds {vectors.dtype}, not vectors of numbers")
    return quantities.vectors(vectors)


def normalised(vectors: pl.Series) -> pl.Series:
    """Return vectors of length 1, which keep their direction alone.

    Nulls stay; a vector of zeros has no direction and becomes null.

    Examples
    --------
    >>> normalised(pl.Series([[3.0, 4.0]])).to_list() == [[np.float32(0.6), np.float32(0.8)]]
    True
    """
    found = matrix(vectors)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    lengths[lengths == 0] = np.nan
    return column(found / lengths)


@dataclass(frozen=True, eq=False)
class Principal:
    """The directions in which vectors differ most: fewer numbers that keep most of the differences.

    Principal component analysis (Hotelling, J. Educational Psychology 24 (1933)). What was learned
    from one column turns any other of the same encoder, such as that of new items, into the same
    few numbers.

    Parameters
    ----------
    mean : (d,) what is taken away first.
    axes : (d, k) orthonormal; each points to where its greatest entry by size is positive.
    kept : (k,) the share of the variance along each axis, descending.

    Examples
    --------
    >>> vectors = pl.Series([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> found = Principal.of(vectors, 1)
    >>> found.kept, found.reduce(vectors).to_list()
    (array([1.]), [[-1.4142135381698608], [0.0], [1.4142135381698608]])
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    kept: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: pl.Series, dimensions: int) -> Principal:
        """Learn ``dimensions`` directions from a column of vectors; nulls are left out.

        Raises
        ------
        BadParameter : more dimensions than the vectors or their number allow.
        """
        found = matrix(vectors.drop_nulls())
        most = min(len(found) - 1, found.shape[1])
        if not 1 <= dimensions <= most:
            raise BadParameter(
                f"{len(found):,} vectors of {found.shape[1]} numbers have at most {most} principal "
                f"directions, asked for {dimensions}"
            )
        mean = found.mean(axis=0)
        centred = found - mean
        variances, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :dimensions]
        largest = np.abs(axes).argmax(axis=0)
        axes = axes * np.sign(axes[largest, np.arange(dimensions)])
        shares = np.maximum(variances[::-1], 0) / max(variances.sum(), 1e-300)
        return cls(mean, axes, shares[:dimensions])

    def reduce(self, vectors: pl.Series) -> pl.Series:
        """Return each vector's coordinates along the axes; nulls stay.

        Raises
        ------
        Incompatible : vectors of another length than those learned from.
        """
        found = matrix(vectors)
        if found.shape[1] != len(self.mean):
            raise Incompatible(
                f"learned from vectors of {len(self.mean)} numbers, got {found.shape[1]}"
            )
        return column((found - self.mean) @ self.axes)


def _listed(values: pl.Series | Sequence[Any]) -> list[Any]:
    if not isinstance(values, pl.Series):
        if isinstance(values, str):
            raise BadParameter(f"values is a column of texts, not one text: [{values!r}]")
        return list(values)
    if isinstance(values.dtype, pl.List):
        raise BadParameter(
            f"column {values.name!r} holds lists; join each into a text first: "
            f"table[{values.name!r}].list.join(', ')"
        )
    if not isinstance(values.dtype, _ENCODABLE):
        raise BadParameter(f"column {values.name!r} holds {values.dtype}, not texts or images")
    return values.to_list()


def _missing(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def _distinct(values: list[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """Return each text once, and which of them each value is; what is no text stays as it is."""
    if not all(isinstance(value, str) for value in values):
        return values, np.arange(len(values))
    number = {text: at for at, text in enumerate(dict.fromkeys(values))}
    return list(number), np.array([number[text] for text in values], np.int64)


def _encoded(
    values: list[Any], encoder: Encodes, batch: int, on_batch: Progress | None
) -> Iterator[Matrix]:
    width = None
    for lo in range(0, len(values), batch):
        asked = values[lo : lo + batch]
        found = np.asarray(encoder.encode(asked), np.float32)
        if (
            found.ndim != 2
            or len(found) != len(asked)
            or found.shape[1] != (width or found.shape[1])
        ):
            raise Incompatible(
                f"the encoder answered {len(asked)} values with numbers of shape {found.shape}, "
                f"not ({len(asked)}, {width or 'd'})"
            )
        width = found.shape[1]
        wrong = ~np.isfinite(found).all(axis=1) & ~np.isnan(found).all(axis=1)
        if wrong.any():
            raise Incompatible(
                f"the encoder's vector of {asked[int(wrong.argmax())]!r} is not finite"
            )
        yield found
        if on_batch is not None:
            on_batch(lo + len(asked), len(values))
