"""Skip-gram with negative sampling over sequences of whole numbers, by gensim on one thread.

Mikolov et al., "Distributed representations of words and phrases and their compositionality",
NeurIPS 2013. The numbers may be those of words (``penchant.features.words``) or of items
(``penchant.features.baskets``).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import BadParameter, MissingExtra
from penchant.features.vectors import Matrix, Progress

Ints = NDArray[np.int64]

_FIRST_RATE, _LAST_RATE = 0.05, 0.0001
_LONGEST = 10_000
"""gensim passes over whatever stands behind this many numbers of a sequence."""


def cut(codes: NDArray[Any], cuts: Ints) -> list[list[int]]:
    """Return the runs of ``codes`` between ``cuts``, long ones in pieces."""
    numbers = codes.tolist()
    return [numbers[n : min(n + _LONGEST, b)] for a, b in pairwise(cuts.tolist())
            for n in range(a, b, _LONGEST)]  # fmt: skip


def train(
    sentences: Callable[[int], list[list[int]]],
    counts: Ints,
    *,
    dimensions: int,
    window: int,
    epochs: int,
    negative: int,
    frequent: float,
    seed: int,
    on_epoch: Progress | None,
    exponent: float = 0.75,
) -> Matrix:
    """Return (n, d) vectors of n codes.

    Parameters
    ----------
    sentences : asked for the codes of each epoch, by its number, since their order may change.
    counts : (n,) how often each code occurs, at least once.
    dimensions, window, epochs, negative, frequent, seed, on_epoch, exponent : see ``item2vec``.

    Raises
    ------
    MissingExtra : gensim is not installed.
    BadParameter : a number out of range.
    """
    at_least_one(dimensions=dimensions, window=window, epochs=epochs, negative=negative)
    if not 0 <= frequent < np.inf:
        raise BadParameter(f"frequent must be 0 or a positive share, got {frequent}")
    try:
        from gensim.models import Word2Vec
    except ImportError as e:
        raise MissingExtra("training vectors of words or items", "gensim", "text") from e
    model = Word2Vec(
        vector_size=dimensions, window=window, negative=negative, ns_exponent=exponent,
        sg=1, min_count=1, sample=frequent, workers=1, seed=seed,
    )  # fmt: skip
    model.build_vocab_from_freq(dict(enumerate(counts.tolist())))
    rates = np.linspace(_FIRST_RATE, _LAST_RATE, epochs + 1).tolist()
    # An epoch at a time: after an exception in an iterator of ours, gensim would wait for ever.
    for epoch, (start, end) in enumerate(pairwise(rates)):
        told = sentences(epoch)
        model.train(told, total_examples=len(told), epochs=1, start_alpha=start, end_alpha=end)
        if on_epoch is not None:
            on_epoch(epoch + 1, epochs)
    place = [model.wv.key_to_index[code] for code in range(len(counts))]
    vectors: Matrix = model.wv.vectors[place]
    return vectors


def at_least_one(**numbers: int) -> None:
    """Raise BadParameter for a number, given by name, that is not whole or below 1."""
    for name, number in numbers.items():
        if not (isinstance(number, (int, np.integer)) and number >= 1):
            raise BadParameter(f"{name} must be a whole number of at least 1, got {number!r}")
