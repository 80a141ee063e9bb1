"""Times as they go over HTTP: ISO 8601 with a zone, or seconds since 1970."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta

from penchant.errors import BadParameter

SECOND = 10**6
"""Microseconds."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 253_402_300_799 * SECOND
"""The last second that has a calendar date of four digits."""


def clock() -> int:
    """Return the time now, in microseconds since 1970 (UTC)."""
    return time.time_ns() // 1000


def moment(given: str | float, where: str) -> int:
    """Return microseconds since 1970 (UTC).

    Parameters
    ----------
    given : text in ISO 8601 that names its zone, or seconds since 1970.
    where : the field, for the message.

    Raises
    ------
    BadParameter : anything else, or a time before 1970 or after 9999.
    """
    if isinstance(given, str):
        micros = _written(given, where)
    elif isinstance(given, bool) or (isinstance(given, float) and not math.isfinite(given)):
        raise BadParameter(f"{where} is text in ISO 8601, or seconds since 1970, got {given!r}")
    else:
        micros = round(max(-1, min(given, LAST)) * SECOND)  # what is outside stays so, and finite
    if not 0 <= micros <= LAST:
        unit = " (milliseconds? seconds are meant)" if micros > LAST else ""
        raise BadParameter(f"{where} must lie between 1970 and 9999, got {given!r}{unit}")
    return micros


def _written(text: str, where: str) -> int:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(
            f"{where} is written like '2026-05-04T12:30:00Z', got {text[:40]!r}"
        ) from None
    if read.tzinfo is None:
        raise BadParameter(
            f"{where} must name its zone, such as '2026-05-04T12:30:00+02:00', got {text[:40]!r}"
        )
    return (read - EPOCH) // timedelta(microseconds=1)


def written(micros: int) -> str:
    """Return ISO 8601 in UTC of microseconds since 1970.

    >>> written(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")
