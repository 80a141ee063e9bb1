"""Feedback: what a recorded row weighs as evidence, in training and at request time alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from penchant.errors import BadParameter, Incompatible
from penchant.histories import Histories
from penchant.ids import IdMap, Spelling
from penchant.kernels import evidence, reasons
from penchant.kernels.csr import CSR
from penchant.kernels.pairs import latest

Growth = Literal["linear", "log"]
Repeats = Literal["sum", "last", "most"]
REQUEST = 1 << 16
"""What histories of at most so many rows weigh is kept with them: requests, no training tables."""

LARGEST = float(np.finfo(np.float64).max)

Limits = tuple[float | None, float | None]

MICROSECONDS = {"s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6,
                "w": 7 * 86400 * 10**6}  # fmt: skip


def duration(text: str) -> int:
    """Return microseconds for "90d", "12h", "30min", "45s" or "2w".

    Raises
    ------
    BadParameter : any other text.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*", str(text))
    length = float(match[1]) * MICROSECONDS[match[2]] if match else 0.0
    if not 1 <= length < math.inf:
        raise BadParameter(
            f"a duration is written like '90d', '12h', '30min' or '2w', got {text!r}"
        )
    return round(length)


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What evidence weighs. It travels with the dataset into every model and its artifact.

    Models with ``scores="rank"`` see, for each person and item, the sum of the weights of their
    rows; those with ``scores="rating"`` see the last rating, clipped.

    Parameters
    ----------
    weights : weight of a row of each kind, at least 0; kinds not named weigh 1, "hide" and those
        of ``take_back`` 0.
    half_life : a row this old ("90d", "12h") weighs half; None: age does not matter.
    liked : a rating below this weighs 0; None: every rating weighs the same, whatever its stars.
    at_least : the same for other kinds, ``{"view": 30}``: a view of fewer than 30 seconds weighs 0,
        as does one that recorded nothing.
    clip : lowest and highest value of each kind, ``{"rating": (1, 5), "view": (None, 600)}``; a
        value outside becomes the nearest of the two.
    by_value : kinds that weigh more the higher their value: "linear" multiplies by the value, "log"
        by log2(1 + value), which is 1 for one, 2 for three and 10 for about a thousand. No recorded
        value counts as 1, one below 0 as 0.
    take_back : kinds that take back what the person did with the item before, such as
        ``("hide", "return")``.
    repeats : what several rows of one person and item come to: their "sum", the "last", or the
        "most" that one of them weighs.
    cap : what a person and an item come to at most; None: no limit.
    ids : which ids are the same: "exact", "trimmed" (but for blanks around them and the Unicode
        form), or "folded" (and for upper and lower case). The spelling met most often is shown.

    Raises
    ------
    BadParameter : a field of another form; the message shows how it is written.

    Notes
    -----
    The order, for each row by itself: ``clip``; ``liked`` and ``at_least``; ``weights``;
    ``by_value``; ``half_life``. Then for the rows of one person and item, in time order:
    ``take_back``; ``repeats``; ``cap``. Ids are compared before any of it. A row is not weighed
    above 1e30.

    "log" and "linear" are the confidences of Hu, Koren and Volinsky, "Collaborative Filtering for
    Implicit Feedback Datasets" (2008). Seconds of attention that count in full from a minute on are
    ``Feedback(clip={"view": (0, 60)}, by_value={"view": "linear"}, weights={"view": 1 / 60})``.

    Examples
    --------
    >>> Feedback(weights={"view": 1, "purchase": 3}, half_life="90d")
    Feedback(weights={'view': 1, 'purchase': 3}, half_life='90d')
    >>> Feedback(by_value={"count": "log"}, clip={"count": (None, 1000)}, take_back=("hide",))
    Feedback(clip={'count': (None, 1000)}, by_value={'count': 'log'}, take_back=('hide',))
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    half_life: str | None = None
    liked: float | None = None
    at_least: Mapping[str, float] = field(default_factory=dict)
    clip: Mapping[str, Limits] = field(default_factory=dict)
    by_value: Mapping[str, Growth] = field(default_factory=dict)
    take_back: tuple[str, ...] = ()
    repeats: Repeats = "sum"
    cap: float | None = None
    ids: Spelling = "exact"

    def __post_init__(self) -> None:
        for name, (read, form) in BY_KIND.items():
            given = getattr(self, name)
            if not isinstance(given, Mapping) or not all(isinstance(kind, str) for kind in given):
                raise BadParameter(f"Feedback.{name} maps kinds to {form}, got {given!r}")
            own = {kind: read(f"Feedback.{name}[{kind!r}]", one) for kind, one in given.items()}
            object.__setattr__(self, name, own)  # a copy: the caller's may change
        if self.liked is not None:
            must = "a number or None"
            object.__setattr__(self, "liked", _number("Feedback.liked", self.liked, must))
        if self.cap is not None:
            must = "a positive number or None"
            object.__setattr__(self, "cap", _number("Feedback.cap", self.cap, must, math.ulp(0.0)))
        back: Any = self.take_back
        if not isinstance(back, (list, tuple)) or not all(isinstance(kind, str) for kind in back):
            raise BadParameter(f"Feedback.take_back holds kinds, such as ('hide',), got {back!r}")
        object.__setattr__(self, "take_back", tuple(back))
        for name, options in (("repeats", get_args(Repeats)), ("ids", get_args(Spelling))):
            if getattr(self, name) not in options:
                words = ", ".join(map(repr, options))
                raise BadParameter(
                    f"Feedback.{name} must be one of {words}, got {getattr(self, name)!r}"
                )
        if "rating" in self.at_least:
            raise BadParameter(
                f"Feedback.at_least: of ratings, write liked={self.at_least['rating']!r} instead"
            )
        if self.half_life is not None:
            duration(self.half_life)

    def __repr__(self) -> str:
        usual = Feedback.__dataclass_fields__.values()
        own = {f.name: (getattr(self, f.name), f.default) for f in usual}
        said = [f"{n}={v!r}" for n, (v, default) in own.items() if v != default and v != {}]
        return f"Feedback({', '.join(said)})"

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of row that some field names."""
        return frozenset().union(*(getattr(self, name) for name in BY_KIND), self.take_back)

    def check_ids(self, *maps: IdMap) -> None:
        """Raise Incompatible unless the maps compare ids as ``ids`` says."""
        for one in maps:
            if one.spelling != self.ids:
                raise Incompatible(
                    f"Feedback.ids is {self.ids!r}, and these ids are compared as "
                    f"{one.spelling!r}, such as {one.decode(range(len(one))[:1])}: make the "
                    "dataset from its events with this feedback"
                )

    def row_weights(
        self, histories: Histories, now: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return (rows,) float32: the part of each row in what its person and item come to.

        Parameters
        ----------
        now : (people,) microseconds from which age is counted; rows or people without a time do
            not age.
        """
        return self._combined(histories, int(histories.item.max(initial=0)) + 1, now)[0]

    def weigh(
        self, histories: Histories, n_items: int, now: NDArray[np.int64] | None = None
    ) -> CSR:
        """Return people x items: the weight of each pair; pairs that weigh 0 are left out.

        This is the one function that turns rows into evidence, for a training table and for one
        person's rows at request time.
        """
        return self._combined(histories, n_items, now)[1]

    def ratings(self, histories: Histories, n_items: int) -> CSR:
        """Return people x items: the last value of each pair, clipped, of rows that are ratings."""
        rating = histories.kinds.index("rating") if "rating" in histories.kinds else -1
        return latest(
            histories.indptr, histories.item, histories.kind, self.clipped(histories),
            wanted=rating, n_items=n_items,
        )  # fmt: skip

    def clipped(self, histories: Histories) -> NDArray[np.float32]:
        """Return (rows,) float32: what each row recorded, within ``clip``; NaN if nothing."""
        value = histories.value
        for kind, (low, high) in self.clip.items():
            if kind in histories.kinds:
                mine = histories.kind == histories.kinds.index(kind)
                value = np.where(mine, np.clip(value, low, high), value)
        return value

    def _combined(
        self, histories: Histories, n_items: int, now: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float32], CSR]:
        """Return the part of each row, and what the pairs come to.

        Of a few rows it is kept with them: the parts of a composite ask for the same, and so does
        whoever explains.
        """
        h, ages = histories, self.half_life is not None and now is not None
        if len(h.item) > REQUEST:
            return self._weighed(h, n_items, now, ages)
        for feedback, then, amounts, pairs in h.weighed:
            if then is (now if ages else None) and (feedback is self or feedback == self):
                return amounts, CSR(pairs.indptr, pairs.indices, pairs.data, n_items)
        amounts, pairs = self._weighed(h, n_items, now, ages)
        h.weighed.append((self, now if ages else None, amounts, pairs))
        return amounts, pairs

    def _weighed(
        self, h: Histories, n_items: int, now: NDArray[np.int64] | None, ages: bool
    ) -> tuple[NDArray[np.float32], CSR]:
        return evidence.weighed(
            h.indptr, h.item, h.kind, h.value, h.time,
            now=np.full(len(h), -1) if now is None else now,
            table=np.array([self._of_kind(kind) for kind in h.kinds or ("",)]),
            halving=float(duration(str(self.half_life))) if ages else np.inf,
            repeats=get_args(Repeats).index(self.repeats),
            cap=np.inf if self.cap is None else self.cap,
            n_items=n_items,
        )  # fmt: skip

    def _of_kind(self, kind: str) -> tuple[float, ...]:
        """Return a row of the table that ``evidence.weigh`` reads."""
        back = kind in self.take_back
        low, high = self.clip.get(kind, (None, None))
        least = self.liked if kind == "rating" else self.at_least.get(kind)
        return (
            self.weights.get(kind, 0.0 if back or kind == "hide" else 1.0),
            -np.inf if low is None else low,
            np.inf if high is None else high,
            np.nan if least is None else least,
            1 + get_args(Growth).index(self.by_value[kind]) if kind in self.by_value else 0,
            evidence.TAKES_BACK if back else evidence.COUNTS,
        )

    def cited(
        self, histories: Histories, now: NDArray[np.int64] | None = None
    ) -> NDArray[np.bool_]:
        """Return (rows,) whether a reason may say "because you liked" this.

        A row that weighs nothing is never cited. A rating is cited if it reaches ``liked``; without
        ``liked``, if it is no lower than the person's own mean rating. Nor is a row cited that the
        person took back later, by a lower rating of the item or by hiding it.
        """
        good = self.row_weights(histories, now) > 0
        return reasons.cited(
            histories.indptr, histories.item, good, histories.rated(), histories.hidden(),
            self.clipped(histories), self.liked,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for a manifest; ``Feedback(**values)`` is the same again."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _number(where: str, value: Any, must: str = "a number", least: float = -LARGEST) -> float:
    plain = value.item() if isinstance(value, np.number) else value
    number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
    if not number or not least <= plain <= LARGEST:
        raise BadParameter(f"{where} must be {must}, got {value!r}")
    return plain  # type: ignore[no-any-return]


def _weight(where: str, value: Any) -> float:
    return _number(where, value, "a number of at least 0", 0.0)


def _limits(where: str, value: Any) -> Limits:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
        raise BadParameter(f"{where} must be (lowest, highest), got {value!r}")
    low, high = (None if one is None else _number(where, one) for one in value)
    if low is not None and high is not None and low > high:
        raise BadParameter(f"{where} must be (lowest, highest), got {value!r}")
    return low, high


def _growth(where: str, value: Any) -> Growth:
    if value not in get_args(Growth):
        raise BadParameter(f"{where} must be 'linear' or 'log', got {value!r}")
    chosen: Growth = value
    return chosen


BY_KIND: dict[str, tuple[Callable[[str, Any], Any], str]] = {
    "weights": (_weight, "numbers, such as {'view': 1}"),
    "at_least": (_number, "numbers, such as {'view': 30}"),
    "clip": (_limits, "pairs of numbers, such as {'rating': (1, 5)}"),
    "by_value": (_growth, "'linear' or 'log', such as {'count': 'log'}"),
}
"""Fields that map kinds to something: how it is read, and what it is."""
