"""What is known of each item, in arrays: which items a condition holds for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels.csr import CSR
from penchant.serving.shapes import Condition

Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]
Word = tuple[str | None, str | bool]

LONGEST = 256
"""Characters of a text to filter by: longer ones are descriptions."""


@dataclass(frozen=True, eq=False)
class Facts:
    """Categories and attributes of items, a row a fact, by item.

    Parameters
    ----------
    item, word : (facts,) int32; a word stands for an attribute's name (None: a category) and text.
    measured, name, number : (facts,) the same of numbers, with the attribute's name.
    words, names : to their codes; they only grow, and later facts share them.
    """

    item: Codes
    word: Codes
    measured: Codes
    name: Codes
    number: NDArray[np.float64]
    words: dict[Word, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)

    @classmethod
    def none(cls) -> Facts:
        """Return the facts of no item."""
        empty = np.zeros(0, np.int32)
        return cls(empty, empty, empty, empty, np.zeros(0))

    def replaced(
        self, codes: Codes, categories: Iterable[list[str]], attributes: Iterable[Mapping[str, Any]]
    ) -> Facts:
        """Return the facts with those of some items replaced."""
        words: list[tuple[int, int]] = []
        numbers: list[tuple[int, int, float]] = []
        for code, own, told in zip(codes.tolist(), categories, attributes, strict=True):
            words += [(code, self.words.setdefault(w, len(self.words))) for w in _words(own, told)]
            numbers += [
                (code, self.names.setdefault(name, len(self.names)), number)
                for name, number in _numbers(told)
            ]
        told_words = np.array(words, np.int32).reshape(-1, 2)
        told_numbers = np.array(numbers, np.float64).reshape(-1, 3)
        old, measured = ~np.isin(self.item, codes), ~np.isin(self.measured, codes)
        return Facts(
            np.concatenate([self.item[old], told_words[:, 0]]),
            np.concatenate([self.word[old], told_words[:, 1]]),
            np.concatenate([self.measured[measured], told_numbers[:, 0].astype(np.int32)]),
            np.concatenate([self.name[measured], told_numbers[:, 1].astype(np.int32)]),
            np.concatenate([self.number[measured], told_numbers[:, 2]]),
            self.words,
            self.names,
        )

    def having(self, name: str | None, values: Iterable[str | float | bool], n: int) -> Mask:
        """Return which of ``n`` items have any of the values: an attribute's, or (None) categories.

        An item has a value that is in its list, if the attribute is a list.
        """
        mask = np.zeros(n, bool)
        wanted = [self.words.get((name, v), -1) for v in values if isinstance(v, (str, bool))]
        if wanted:
            mask[self.item[np.isin(self.word, wanted)]] = True
        numbers = [v for v in values if not isinstance(v, (str, bool))]
        if numbers and name in self.names:
            mine = self.name == self.names[name]
            mask[self.measured[mine & np.isin(self.number, numbers)]] = True
        return mask

    def meeting(self, name: str, condition: Condition, n: int) -> Mask:
        """Return which of ``n`` items meet a condition on an attribute."""
        mask = np.ones(n, bool)
        if condition.any is not None:
            mask &= self.having(name, condition.any, n)
        if condition.none is not None:
            mask &= ~self.having(name, condition.none, n)
        if condition.min is not None or condition.max is not None:
            low = -np.inf if condition.min is None else condition.min
            high = np.inf if condition.max is None else condition.max
            within = (self.name == self.names.get(name, -1)) & (self.number >= low)
            reached = np.zeros(n, bool)
            reached[self.measured[within & (self.number <= high)]] = True
            mask &= reached
        return mask

    def weighed(self, n: int) -> CSR:
        """Return ``n`` items by words, each word the heavier the fewer items have it."""
        items = np.maximum(np.bincount(self.word, minlength=len(self.words)), 1)
        weights = np.log1p(n / items).astype(np.float32)
        return CSR.from_pairs(self.item, self.word, weights[self.word], (n, len(self.words)))


def _words(categories: list[str], attributes: Mapping[str, Any]) -> Iterator[Word]:
    for category in categories:
        yield None, category
    for name, value in attributes.items():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, bool) or (isinstance(one, str) and len(one) <= LONGEST):
                yield name, one


def _numbers(attributes: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in attributes.items():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, (int, float)) and not isinstance(one, bool):
                yield name, float(one)
