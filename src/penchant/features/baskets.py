"""Vectors of items from what was taken together."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.features.skip_gram import Ints, at_least_one, cut, train
from penchant.features.vectors import Progress, column


def item2vec(
    data: Dataset,
    *,
    within: Literal["history", "session"] = "history",
    ordered: bool = False,
    dimensions: int = 64,
    window: int = 5,
    epochs: int = 30,
    negative: int = 5,
    exponent: float = 0.75,
    frequent: float = 1e-4,
    least: int = 5,
    seed: int = 0,
    on_epoch: Progress | None = None,
) -> pl.Series:
    """Train vectors of items on what was taken together; items with the same company are alike.

    Skip-gram with negative sampling over items instead of words: item2vec (Barkan and Koenigstein,
    2016), which shuffles each basket in every epoch, or with ``ordered=True`` prod2vec (Grbovic et
    al., "E-commerce in your inbox", KDD 2015), where near means near in time. Rows that weigh
    nothing (``Feedback``) are left out. It learns from all events of ``data``: give it the training
    part of a split, or it has seen the answers.

    Parameters
    ----------
    data : events; those of one person, or of one session of a person, make a basket.
    within : "session" needs a column of sessions.
    ordered : whether the order in time counts.
    dimensions : numbers in a vector.
    window : items on each side that count as near, at most.
    epochs : how often to go through the baskets.
    negative : items drawn at random against each true neighbour.
    exponent : those are drawn in proportion to their count to this power; what suits words, 0.75,
        need not suit items (Caselles-Dupré, Lesaint and Royo-Letelier, RecSys 2018).
    frequent : an item that is a larger share of events is passed over the more often; 0: never.
    least : items with fewer events have no vector.
    seed : of the first vectors, the order and the draws.
    on_epoch : called after each epoch with how many are done, and of how many.

    Returns
    -------
    (items,) column "vector" for ``data.item_table``: row i is item code i, null without a vector.

    Raises
    ------
    MissingExtra : gensim is not installed.
    BadEvents : no sessions are recorded, or no basket holds two items.
    BadParameter : a number below 1.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> vectors = item2vec(data, dimensions=8)
    >>> data.item_table.with_columns(company=vectors).schema["company"]
    Array(Float32, shape=(8,))
    """
    at_least_one(least=least)
    items, basket = _baskets(data, within)
    counts = np.bincount(items, minlength=len(data.items))
    often = counts >= least
    use = often[items]
    items, basket = (np.cumsum(often) - 1)[items[use]], basket[use]
    cuts = np.flatnonzero(np.diff(basket, prepend=-1, append=-1))
    if not (np.diff(cuts) > 1).any():
        raise BadEvents(
            f"no {within} holds two items that occur {least} times: there is nothing to learn from"
        )
    rng = np.random.default_rng(seed)

    def baskets(epoch: int) -> list[list[int]]:
        order = slice(None) if ordered else np.lexsort((rng.random(len(items)), basket))
        return cut(items[order], cuts)

    vectors = train(
        baskets, counts[often], dimensions=dimensions, window=window, epochs=epochs,
        negative=negative, frequent=frequent, exponent=exponent, seed=seed, on_epoch=on_epoch,
    )  # fmt: skip
    found = np.full((len(counts), dimensions), np.nan, np.float32)
    found[often] = vectors
    return column(found)


def _baskets(data: Dataset, within: str) -> tuple[Ints, Ints]:
    """Return the items of the rows that weigh something, and the basket of each, ascending."""
    histories = data.histories
    use = (data.feedback.row_weights(histories) > 0) & (histories.item >= 0)
    person = histories.person()
    if within == "history":
        return histories.item[use].astype(np.int64), person[use]
    if within != "session":
        raise BadParameter(f"within is 'history' or 'session', got {within!r}")
    use &= histories.session >= 0
    if not use.any():
        raise BadEvents("no sessions are recorded: name their column, or pass within='history'")
    person, session = person[use], histories.session[use]
    order = np.lexsort((session, person))
    new = (np.diff(person[order], prepend=-1) != 0) | (np.diff(session[order], prepend=-1) != 0)
    return histories.item[use][order].astype(np.int64), np.cumsum(new) - 1
