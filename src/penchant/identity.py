"""Ids of the service, which are text: which are allowed, and new ones that sort by time."""

from __future__ import annotations

import os
import threading
import unicodedata

from penchant.errors import BadParameter

LONGEST = 256
"""Characters of an id."""

FORBIDDEN = {
    "Cc": "control characters",
    "Cs": "halves of surrogate pairs",
    "Zl": "line separators",
    "Zp": "paragraph separators",
}
"""Categories of Unicode that no id holds."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


def clean_id(text: object) -> str:
    r"""Return an id in the form in which a store keeps it: NFC, 1 to 256 characters.

    Raises
    ------
    BadParameter : not text, empty, too long, or with control characters, line separators or
        halves of surrogate pairs.

    Examples
    --------
    >>> clean_id("Cafe\u0301") == "Caf\u00e9"
    True
    """
    if not isinstance(text, str):
        raise BadParameter(f"An id is text, not {type(text).__name__}: {_short(text)}.")
    if text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST:
        return text
    # Normalising takes time that grows with the square of what some texts are long.
    normal = unicodedata.normalize("NFC", text) if len(text) <= 4 * LONGEST else text
    if not 0 < len(normal) <= LONGEST:
        told = f"An id has 1 to {LONGEST} characters, not {len(normal)}"
        raise BadParameter(f"{told}: {_short(text)}.")
    for character in normal:
        kind = unicodedata.category(character)
        if kind in FORBIDDEN:
            raise BadParameter(
                f"An id holds no {FORBIDDEN[kind]}, but {_short(text)} has {character!a}."
            )
    return normal


def _short(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


class _Counted:
    """Milliseconds, then 64 random bits that are counted up within a millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, now: int) -> int:
        start = min(max(now // 1000, 0), 2**48 - 1) << 64
        with self._lock:
            if start > self._last:
                # Below half, so that counting up does not reach the next millisecond.
                self._last = start | int.from_bytes(os.urandom(8), "big") >> 1
            else:
                self._last += 1
            return self._last

    def forget(self) -> None:
        """In a child after a fork: its parent will count on from the same number."""
        self._lock, self._last = threading.Lock(), 0


_counted = _Counted()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_counted.forget)


def made_id(now: int) -> str:
    """Return a new id of 20 letters and digits that sorts by time.

    Unique across processes and machines. Within a process each is greater than the one before,
    even if the clock stands or goes back.

    Parameters
    ----------
    now : microseconds since 1970 (UTC).

    Examples
    --------
    >>> made_id(1_000_000) < made_id(1_000_000) < made_id(2_000_000)
    True
    """
    number, text = _counted.next(now), ""
    for _ in range(10):
        number, pair = divmod(number, len(PAIRS))
        text = PAIRS[pair] + text
    return text
