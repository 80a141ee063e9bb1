"""Vectors of words, trained on the catalogue's own texts or taken from a larger encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from penchant.errors import BadParameter
from penchant.features import terms
from penchant.features.skip_gram import Ints, at_least_one, cut, train
from penchant.features.vectors import Encodes, Matrix, Progress, embed, matrix
from penchant.ids import IdMap

COMMON = 1e-3
"""Words that are a larger share of all words than this weigh less than half."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """An encoder: a text is the weighted mean of the vectors of its words.

    With the smooth inverse frequency of Arora, Liang and Ma ("A simple but tough-to-beat baseline
    for sentence embeddings", ICLR 2017), a word that is the share p of all words weighs
    a / (a + p), a = 0.001. Their common component is taken out of the words' vectors as their mean.

    Parameters
    ----------
    words : the words known, in lower case.
    vectors : (words, d) float32.
    weights : (words,) float32.
    """

    words: IdMap
    vectors: Matrix
    weights: NDArray[np.float32]

    def encode(self, texts: Sequence[str], /) -> Matrix:
        """Return (n, d) float32; a row of NaN for a text of which no word is known."""
        long = terms.words(_column(texts), 1, 1)
        code = self.words.encode(long["key"])
        known = code >= 0
        rows, codes = long["row"].to_numpy()[known], code[known]
        shape = (len(texts), len(self.words))
        amounts = csr_array((self.weights[codes].astype(np.float64), (rows, codes)), shape=shape)
        total = np.bincount(rows, self.weights[codes], minlength=len(texts))[:, None]
        total[total == 0] = np.nan
        found: Matrix = ((amounts @ self.vectors.astype(np.float64)) / total).astype(np.float32)
        return found

    @classmethod
    def _of(cls, words: list[str], vectors: NDArray[np.floating[Any]], counts: Ints) -> WordVectors:
        share = counts / counts.sum()
        weights = COMMON / (COMMON + share)
        common = (weights * share) @ vectors / (weights * share).sum()
        return cls(IdMap(words), (vectors - common).astype(np.float32), weights.astype(np.float32))


def word2vec(
    texts: pl.Series | Sequence[str | None],
    *,
    dimensions: int = 100,
    window: int = 5,
    epochs: int = 20,
    negative: int = 5,
    frequent: float = 1e-3,
    least: int = 2,
    seed: int = 0,
    on_epoch: Progress | None = None,
) -> WordVectors:
    """Train vectors of words on texts; words that stand near the same words get like vectors.

    Skip-gram with negative sampling (Mikolov et al., "Distributed representations of words and
    phrases and their compositionality", NeurIPS 2013), by gensim on one thread: the same texts and
    seed give the same vectors.

    Parameters
    ----------
    texts : the catalogue's texts; null or blank where there is none.
    dimensions : numbers in a vector.
    window : words on each side that count as near, at most.
    epochs : how often to go through the texts.
    negative : words drawn at random against each true neighbour.
    frequent : a word that is a larger share of all words is passed over the more often; 0: never.
    least : words that occur less often have no vector.
    seed : of the first vectors and of the draws.
    on_epoch : called after each epoch with how many are done, and of how many.

    Returns
    -------
    An encoder for ``embed``.

    Raises
    ------
    MissingExtra : gensim is not installed.
    BadParameter : a number below 1, or texts without a word that occurs ``least`` times.

    Examples
    --------
    >>> plots = ["a robot in space", "a space robot", "love in paris", "paris in love"]
    >>> encoder = word2vec(plots, dimensions=8)
    >>> encoder.encode(["robot"]).shape
    (1, 8)
    """
    words, counts, sentences = _sentences(texts, least)
    vectors = train(
        lambda _: sentences, counts, dimensions=dimensions, window=window, epochs=epochs,
        negative=negative, frequent=frequent, seed=seed, on_epoch=on_epoch,
    )  # fmt: skip
    return WordVectors._of(words, vectors, counts)


def distilled(
    texts: pl.Series | Sequence[str | None],
    encoder: Encodes,
    *,
    least: int = 1,
    on_batch: Progress | None = None,
) -> WordVectors:
    """Let a large encoder see each word of the texts once, and keep what it says as a table.

    A text is then a mean of its words: far quicker than the encoder, and blind to their order. The
    idea is Model2Vec's (Tulkens and van Dongen, 2024), for the words of a catalogue. Reduce what it
    gives with ``Principal`` if it is too long.

    Parameters
    ----------
    texts : the catalogue's texts, and whatever else has words that later texts may hold; null or
        blank where there is none.
    encoder : such as ``penchant.features.texts.sentence_transformer(...)``.
    least : words that occur less often have no vector.
    on_batch : called with how many words are done, and of how many.

    Returns
    -------
    An encoder for ``embed``.

    Raises
    ------
    BadParameter : texts without a word that occurs ``least`` times.

    Examples
    --------
    >>> class Shapes:
    ...     def encode(self, words):
    ...         return [[len(word), sum(letter in "aeiou" for letter in word)] for word in words]
    >>> encoder = distilled(["red balloon", "blue balloon"], Shapes())
    >>> encoder.encode(["balloon red", "green"]).round(2)
    array([[-0.33, -0.33],
           [  nan,   nan]], dtype=float32)
    """
    words, counts, _ = _sentences(texts, least)
    vectors = matrix(embed(words, encoder, on_batch=on_batch))
    known = np.flatnonzero(~np.isnan(vectors).any(axis=1))
    return WordVectors._of([words[at] for at in known], vectors[known], counts[known])


def _sentences(
    texts: pl.Series | Sequence[str | None], least: int
) -> tuple[list[str], Ints, list[list[int]]]:
    """Return the words that occur often enough, their counts, and each text as numbers of words."""
    at_least_one(least=least)
    long = terms.words(_column(texts), 1, 1).select("row", "key")
    counted = long.group_by("key").len("count").filter(pl.col("count") >= least).sort("key")
    if not counted.height:
        raise BadParameter(f"no word occurs {least} times in {len(texts):,} texts; lower least")
    coded = long.join(counted.with_row_index("code"), on="key", maintain_order="left")
    cuts = np.flatnonzero(np.diff(coded["row"].to_numpy(), prepend=-1, append=-1))
    counts = counted["count"].to_numpy().astype(np.int64)
    return counted["key"].to_list(), counts, cut(coded["code"].to_numpy(), cuts)


def _column(texts: pl.Series | Sequence[str | None]) -> pl.Series:
    column = texts
    if not isinstance(texts, (pl.Series, str)):
        column = pl.Series("texts", list(texts), strict=False)
    if not isinstance(column, pl.Series) or not terms.is_text(column.dtype):
        got = f"a column of {column.dtype}" if isinstance(column, pl.Series) else repr(texts)
        raise BadParameter(f"texts are a column of strings, or of lists of strings, got {got}")
    return column
