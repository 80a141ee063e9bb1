"""Ratings from neighbours: what is averaged, what the mean is added to, and what is compared.

Every form takes from a rating what is usual, averages what is left over the neighbours, and adds
what is usual where the rating is asked for:

    z(u, i) = (r(u, i) - c(i) - c(u)) / (d(i) d(u))
    r(u, i) = c(i) + c(u) + d(i) d(u) mean of z

The forms differ in the centres c and the spreads d, which are 0 and 1 where nothing else is said:

    basic      c(i) the mean of all ratings; so without neighbours it is the prediction
    means      c of each item or person, whichever is compared, the mean of its ratings
    z_score    the same, and d their standard deviation
    baseline   c(i) the mean of all ratings plus b(i), c(u) = b(u), of ``Biases``

A mean of neighbours weighs 1 in all, so ``basic`` is Surprise's, whose c is 0 and which says the
mean of all ratings where there are no neighbours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penchant.errors import BadEvents
from penchant.kernels.biases import fit_biases, shrunk_means
from penchant.kernels.csr import CSR
from penchant.recommender import Codes, Scores

Form = Literal["baseline", "basic", "means", "z_score"]
Side = Literal["items", "people"]
Floats = NDArray[np.float32]

SIMILARITIES = ("pearson_baseline", "pearson", "adjusted_cosine", "cosine", "msd")
USUAL_SHRINKAGE = {"msd": 10.0, "cosine": 0.0}
"""Of similarities that are best served by less than 100, on ml-100k's u1."""
ITEM_PENALTY, USER_PENALTY, EPOCHS = 10.0, 15.0, 10
"""Of the baselines: Surprise's, and the defaults of ``Biases``."""


LARGEST = 1e15
"""A rating above that has a square of which 32 bits hold no sum of millions."""


class Usual(NamedTuple):
    """Centres c and spreads d, (n,) each, of items or of people."""

    centre: Floats
    spread: Floats


def plain(centre: Floats) -> Usual:
    """Return centres with spreads of 1."""
    return Usual(centre, np.ones_like(centre))


def overall(ratings: CSR) -> Floats:
    """Return the mean and the standard deviation of all ratings, (2,).

    Raises
    ------
    BadEvents : a rating so large that sums of squares would not fit in 32 bits.
    """
    largest = float(np.abs(ratings.data).max(initial=0))
    if largest > LARGEST:
        raise BadEvents(
            f"neighbours are found by squares of ratings, which {largest:g} is too large for: "
            f"ratings must be within {LARGEST:g}. Divide all of them, or prepare with ClipValues"
        )
    return np.array([ratings.data.mean(dtype=float), ratings.data.std(dtype=float)], np.float32)


def usual_items(form: Form, side: Side, ratings: CSR, every: Floats) -> Usual:
    """Return what is usual for each item of people x items ratings; NaN if nobody rated it.

    Parameters
    ----------
    side : what is compared.
    every : ``overall`` of the training ratings.
    """
    if form == "baseline":
        return plain(baselines(ratings))
    rated = np.bincount(ratings.indices, minlength=ratings.columns) > 0
    usual = plain(np.zeros(ratings.columns, np.float32))
    if form == "basic":
        usual.centre[:] = every[0]
    elif side == "items":
        usual = _usual_rows(form, ratings.transposed(), every)
    usual.centre[~rated] = np.nan
    return usual


def usual_people(form: Form, side: Side, ratings: CSR, centre: Floats, every: Floats) -> Usual:
    """Return what is usual for each person, met in training or not, of people x items ratings.

    Parameters
    ----------
    side, every : as in `usual_items`.
    centre : of the items.
    """
    if form == "baseline":
        return plain(shrunk_means(_less(ratings, centre), USER_PENALTY).astype(np.float32))
    if form == "basic" or side == "items":
        return plain(np.zeros(ratings.shape[0], np.float32))
    return _usual_rows(form, ratings, every)


def normalised(ratings: CSR, items: Usual, people: Usual) -> CSR:
    """Return z of the equation above: what is averaged."""
    rows = ratings.row_numbers()
    left = ratings.data - items.centre[ratings.indices] - people.centre[rows]
    return replace(ratings, data=left / (items.spread[ratings.indices] * people.spread[rows]))


def predicted(means: Scores, asked: Codes, items: Usual, people: Usual) -> Scores:
    """Return (q, n) ratings from means of z for the items asked for; code -1 gives NaN."""
    centre = np.where(asked >= 0, items.centre[asked], np.float32(np.nan))
    scores: Scores = means * (items.spread[asked] * people.spread[:, None])
    scores += centre
    scores += people.centre[:, None]
    return scores


def baselines(ratings: CSR) -> Floats:
    """Return the mean plus the bias of each item, NaN for an item that nobody rated."""
    mean, item_bias, _ = fit_biases(
        ratings, item_penalty=ITEM_PENALTY, user_penalty=USER_PENALTY, epochs=EPOCHS
    )
    return (mean + item_bias).astype(np.float32)


def compared_centre(similarity: str, side: Side, ratings: CSR, base: Floats | None) -> Floats:
    """Return (items,) what is taken from ratings of each before they are compared.

    ``base`` are the items' baselines, if they are known already.

    Adjusted cosine takes the mean of the other side (Sarwar et al., "Item-Based Collaborative
    Filtering Recommendation Algorithms", WWW 2001, section 3.1, where items are compared);
    pearson_baseline the baseline, which knows both sides.
    """
    if similarity == "pearson_baseline":
        return baselines(ratings) if base is None else base
    if similarity == "adjusted_cosine" and side == "people":
        return shrunk_means(ratings.transposed(), 0.0).astype(np.float32)
    return np.zeros(ratings.columns, np.float32)


def compared_values(similarity: str, side: Side, ratings: CSR, centre: Floats) -> CSR:
    """Return people x items: ratings less ``compared_centre``, and less what is each person's."""
    left = _less(ratings, centre)
    if similarity == "pearson_baseline":
        own = shrunk_means(left, USER_PENALTY)
    elif similarity == "adjusted_cosine" and side == "items":
        own = shrunk_means(left, 0.0)
    else:
        return left
    return replace(left, data=left.data - own.astype(np.float32)[left.row_numbers()])


def _less(ratings: CSR, centre: Floats) -> CSR:
    return replace(ratings, data=ratings.data - centre[ratings.indices])


def _usual_rows(form: Form, rows: CSR, every: Floats) -> Usual:
    """Return each row's mean and, for z scores, its standard deviation.

    What no rating says is as ``every`` rating has it: the mean of an empty row, and, as in
    Surprise, the deviation of a row whose ratings are all equal.
    """
    some = np.diff(rows.indptr) > 0
    centre = np.where(some, shrunk_means(rows, 0.0), every[0]).astype(np.float32)
    if form == "means":
        return plain(centre)
    squares = np.square(rows.data - centre[rows.row_numbers()])
    spread = np.sqrt(shrunk_means(replace(rows, data=squares), 0.0))
    usual = every[1] if every[1] > 0 else 1.0  # nothing is spread: every z is 0
    return Usual(centre, np.where(spread > 1e-5 * usual, spread, usual).astype(np.float32))
