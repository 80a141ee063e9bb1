"""Feedback: what a recorded row weighs as evidence, in training and at request time alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import BadParameter
from penchant.histories import Histories
from penchant.kernels.csr import CSR

MICROSECONDS = {"s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6,
                "w": 7 * 86400 * 10**6}  # fmt: skip


def duration(text: str) -> int:
    """Return microseconds for "90d", "12h", "30min", "45s" or "2w".

    Raises
    ------
    BadParameter : any other text.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*", str(text))
    length = round(float(match[1]) * MICROSECONDS[match[2]]) if match else 0
    if length < 1:
        raise BadParameter(
            f"a duration is written like '90d', '12h', '30min' or '2w', got {text!r}"
        )
    return length


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What evidence weighs. It travels with the dataset into every model and its artifact.

    Models with ``scores="rank"`` see, for each person and item, the sum of the weights of their
    rows; those with ``scores="rating"`` see the last rating.

    Parameters
    ----------
    weights : weight of a row of each kind, at least 0; kinds not named weigh 1, "hide" weighs 0.
    half_life : a row this old ("90d", "12h") weighs half; None: age does not matter.
    liked : a rating below this weighs 0; None: every rating weighs the same, whatever its stars.

    Examples
    --------
    >>> Feedback(weights={"view": 1, "purchase": 3}, half_life="90d")
    Feedback(weights={'view': 1, 'purchase': 3}, half_life='90d', liked=None)
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    half_life: str | None = None
    liked: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping):
            raise BadParameter(
                f"Feedback.weights maps kinds to numbers, such as {{'view': 1}}, got "
                f"{self.weights!r}"
            )
        own: dict[str, Any] = dict(self.weights)  # a copy: the caller's may change
        for kind, weight in own.items():
            if not (isinstance(weight, (int, float, np.number)) and 0 <= weight < np.inf):
                raise BadParameter(
                    f"Feedback.weights[{kind!r}] must be a number of at least 0, got {weight!r}"
                )
            own[kind] = weight.item() if isinstance(weight, np.number) else weight
        object.__setattr__(self, "weights", own)
        if self.liked is not None and not (
            isinstance(self.liked, (int, float)) and math.isfinite(self.liked)
        ):
            raise BadParameter(f"Feedback.liked must be a number or None, got {self.liked!r}")
        if self.half_life is not None:
            duration(self.half_life)

    def row_weights(
        self, histories: Histories, now: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return (rows,) float32: the weight of each row of ``histories``.

        Parameters
        ----------
        now : (people,) microseconds from which age is counted; rows or people without a time do
            not age.
        """
        usual = {"hide": 0.0}
        by_kind = np.array(
            [self.weights.get(k, usual.get(k, 1.0)) for k in histories.kinds] or [1.0], np.float32
        )
        weights = by_kind[histories.kind]
        if self.liked is not None and "rating" in histories.kinds:
            rated = histories.kind == histories.kinds.index("rating")
            weights = np.where(rated & ~(histories.value >= self.liked), np.float32(0), weights)
        if self.half_life is not None and now is not None:
            since = np.repeat(now, np.diff(histories.indptr)) - histories.time
            known = (histories.time >= 0) & (since > 0)
            halves = np.where(known, since, 0) / duration(self.half_life)
            weights = weights * np.exp2(-halves).astype(np.float32)
        return weights

    def weigh(
        self, histories: Histories, n_items: int, now: NDArray[np.int64] | None = None
    ) -> CSR:
        """Return people x items: the summed weight of each pair; pairs that weigh 0 are left out.

        This is the one function that turns rows into evidence, for a training table and for one
        person's rows at request time.
        """
        weights = self.row_weights(histories, now)
        use = (weights > 0) & (histories.item >= 0)
        rows = np.repeat(np.arange(len(histories), dtype=np.int64), np.diff(histories.indptr))
        return CSR.from_pairs(
            rows[use], histories.item[use], weights[use], (len(histories), n_items)
        )

    def ratings(self, histories: Histories, n_items: int) -> CSR:
        """Return people x items: the last recorded value of each pair, of rows that are ratings."""
        use = histories.rated() & (histories.item >= 0)
        rows = np.repeat(np.arange(len(histories), dtype=np.int64), np.diff(histories.indptr))[use]
        items, values = histories.item[use], histories.value[use]
        # Reversed, so that the first of each pair is the last that was recorded.
        _, last = np.unique((rows * n_items + items)[::-1], return_index=True)
        keep = len(rows) - 1 - last
        return CSR.from_pairs(rows[keep], items[keep], values[keep], (len(histories), n_items))

    def cited(self, histories: Histories) -> NDArray[np.bool_]:
        """Return (rows,) whether a reason may say "because you liked" this.

        A row that weighs nothing is never cited. A rating is cited if it reaches ``liked``; without
        ``liked``, if it is no lower than the person's own mean rating. Nor is a row cited that the
        person took back later, by a lower rating of the item or by hiding it.
        """
        good = self.row_weights(histories) > 0
        rated, people = histories.rated(), histories.person()
        count = np.bincount(people[rated], minlength=len(histories))
        total = np.bincount(people[rated], histories.value[rated], minlength=len(histories))
        mean = total / np.maximum(count, 1)
        limit = mean[people] - 1e-6 if self.liked is None else self.liked
        against = (rated & (histories.value < limit)) | (histories.hidden() & ~good)
        if not against.any():
            return good
        pairs = people * (int(histories.item.max()) + 2) + histories.item + 1  # -1 is unknown
        _, pair = np.unique(pairs, return_inverse=True)
        last = np.full(len(pair), -1)  # of each pair, the last row against the item
        last[pair[against]] = np.flatnonzero(against)
        cited: NDArray[np.bool_] = good & (np.arange(len(pair)) > last[pair])
        return cited

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for a manifest."""
        return {"weights": dict(self.weights), "half_life": self.half_life, "liked": self.liked}
