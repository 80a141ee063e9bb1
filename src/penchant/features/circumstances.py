"""The circumstances of an event or a request: when it is, where, and how far into a session.

``contexts`` is one function for both. Given histories it says what each event's circumstances
were; given queries, what those of the request are, from its ``now``, its context and the asker's
history. A model that learned from the one can therefore be asked with the other.

===================  =============================================================================
column               is
===================  =============================================================================
hour                 "00" to "23"
hour_sin, hour_cos   the time of day on a circle, so that 23:59 is close to 00:00
weekday              "Monday" to "Sunday"
weekday_sin, _cos    the day of the week on a circle
weekend              whether it is Saturday or Sunday
season               "winter" (December to February), "spring", "summer" or "autumn"
season_sin, _cos     the day of the year on a circle
session_position     1 for the first event of a session, 2 for the next
session_minutes      minutes since the session began
since_minutes        minutes since the person's event before; null for their first
===================  =============================================================================

All are null where the time is unknown. The recorded context stands before them, as it was.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from penchant.errors import BadEvents, BadParameter, Incompatible
from penchant.features.quantities import numbers
from penchant.feedback import duration
from penchant.histories import Histories
from penchant.queries import Queries
from penchant.times import known_zone

Ints = NDArray[np.int64]
Vector = NDArray[np.float64]

EARTH = 6371.0088
"""Mean radius in kilometres (IUGG)."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SEASONS = ("winter", "spring", "summer", "autumn")
_MINUTE = 60e6

LATITUDES, LONGITUDES = ("lat", "latitude"), ("lon", "lng", "long", "longitude")
"""What columns of a place are called, in any case."""


def contexts(
    of: Histories | Queries, *, zone: str = "UTC", pause: str = "30min", south: bool = False
) -> pl.DataFrame:
    """Return what is known of the circumstances of events or of requests.

    Parameters
    ----------
    of : histories, for a row an event, in their order; or queries, for a row an asker.
    zone : the time zone of the clock on the wall, such as "Europe/Paris".
    pause : a session ends when a person does nothing for longer than this. Recorded sessions are
        not read: a request has none yet.
    south : whether the seasons are those of the southern half of the world.

    Raises
    ------
    BadParameter : no such time zone, or a pause that is no duration.
    Incompatible : the context has a column of one of these names already.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.Dataset.of({"user": [1, 1], "item": [7, 8], "time": ["2024-06-01", "2024-06-03"]})
    >>> contexts(data.histories).select("weekday", "weekend", "session_position").rows()
    [('Saturday', True, 1), ('Monday', False, 1)]
    """
    if isinstance(of, Queries):
        asked = np.full(len(of), -1, np.int64) if of.now is None else of.now
        indptr, time = _followed(of.histories, asked)
        sessions = _sessions(indptr, time, duration(pause))[indptr[1:] - 1]
    else:
        asked = of.time
        sessions = _sessions(of.indptr, of.time, duration(pause))
    context = of.context
    found = clock(asked, zone=zone, south=south).hstack(sessions)
    if context is None:
        return found
    for name in found.columns:
        if name in context.columns:
            raise Incompatible(f"the context has a column {name!r} already: rename it")
    return context.hstack(found)


def clock(time: ArrayLike, *, zone: str = "UTC", south: bool = False) -> pl.DataFrame:
    """Return the columns from hour to season for moments in time.

    Parameters
    ----------
    time : microseconds since 1970 (UTC), -1 if unknown.
    zone, south : as for ``contexts``.

    Examples
    --------
    >>> noon = 12 * 3600 * 10**6
    >>> clock([noon], zone="Asia/Tokyo").select("hour", "weekday", "season").row(0)
    ('21', 'Thursday', 'winter')
    """
    micros = pl.Series("at", np.asarray(time, np.int64))
    moments = micros.set(micros < 0, None).cast(pl.Datetime("us", "UTC"))
    known_zone(zone)
    at = moments.dt.convert_time_zone(zone)
    day = at.dt.hour() / 24 + at.dt.minute() / 1440 + at.dt.second() / 86400
    year = (at.dt.ordinal_day() - 1) / (365 + at.dt.is_leap_year().cast(pl.Int16))
    weekday = at.dt.weekday() - 1
    season = (at.dt.month() % 12) // 3 + (2 if south else 0)
    return pl.DataFrame(
        {
            "hour": at.dt.strftime("%H"),
            **_circle("hour", day),
            "weekday": _named(weekday, _WEEKDAYS),
            **_circle("weekday", weekday / 7),
            "weekend": weekday >= 5,
            "season": _named(season % 4, _SEASONS),
            **_circle("season", year),
        }
    )


def distances(
    places: pl.DataFrame, items: pl.DataFrame, codes: NDArray[np.integer] | None = None
) -> Vector:
    """Return kilometres along a great circle from each place to items.

    Parameters
    ----------
    places : a row an event or request, as in a context, with columns of latitude and longitude in
        degrees (see ``LATITUDES`` and ``LONGITUDES``).
    items : the item table, with such columns; row i is item code i.
    codes : which items: None for all, (m,) for the same ones from every place, (rows, m) for each;
        -1 for none. For a table of events it is ``data.histories.item[:, None]``.

    Returns
    -------
    (rows, items asked for) float64; NaN where a place is unknown.

    Raises
    ------
    BadEvents : a table without such columns, or a latitude or longitude that is not on the globe.
    BadParameter : a code that no item has.

    Notes
    -----
    By the haversine formula (Sinnott, "Virtues of the haversine", Sky and Telescope 68 (1984)), on
    a sphere of 6371.0088 km: within 0.6 % of the true distance.

    Examples
    --------
    >>> here = pl.DataFrame({"lat": [48.8566], "lon": [2.3522]})
    >>> shops = pl.DataFrame({"lat": [48.8566, 51.5074], "lon": [2.3522, -0.1278]})
    >>> distances(here, shops).round().tolist()
    [[0.0, 344.0]]
    """
    latitude, longitude = _place(places, "the context")
    there = [np.append(degrees, np.nan) for degrees in _place(items, "the item table")]
    chosen = np.arange(len(items)) if codes is None else np.asarray(codes)
    wrong = chosen[(chosen < -1) | (chosen >= len(items))]
    if wrong.size:
        raise BadParameter(f"codes are from 0 to {len(items) - 1}, or -1 for none, got {wrong[0]}")
    to_latitude, to_longitude = (np.atleast_2d(degrees[chosen]) for degrees in there)
    return haversine(latitude[:, None], longitude[:, None], to_latitude, to_longitude)


def haversine(
    latitude: Vector, longitude: Vector, to_latitude: Vector, to_longitude: Vector
) -> Vector:
    """Return kilometres between points in degrees; the arrays are broadcast."""
    a, b = np.radians(latitude), np.radians(to_latitude)
    across = np.sin(np.radians(to_longitude - longitude) / 2) ** 2
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * across
    kilometres: Vector = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return kilometres


def _circle(name: str, turn: pl.Series) -> dict[str, pl.Series]:
    angle = turn * (2 * np.pi)
    return {f"{name}_sin": angle.sin(), f"{name}_cos": angle.cos()}


def _named(number: pl.Series, names: tuple[str, ...]) -> pl.Series:
    return number.replace_strict(dict(enumerate(names)), return_dtype=pl.String)


def _followed(h: Histories, now: Ints) -> tuple[Ints, Ints]:
    """Return where each person's events begin, and their times, with ``now`` after the last."""
    indptr = h.indptr + np.arange(len(h.indptr))
    time = np.empty(indptr[-1], np.int64)
    is_request = np.zeros(len(time), bool)
    is_request[indptr[1:] - 1] = True
    time[is_request], time[~is_request] = now, h.time
    return indptr, time


def _sessions(indptr: Ints, time: Ints, pause: int) -> pl.DataFrame:
    n = len(time)
    before = np.append(-1, time[:-1])
    before[indptr[:-1][indptr[:-1] < n]] = -1
    alone = (before < 0) | (time - before > pause)
    start = np.maximum.accumulate(np.where(alone, np.arange(n), 0))
    return pl.DataFrame(
        {
            "session_position": np.arange(n) - start + 1,
            "session_minutes": (time - time[start]) / _MINUTE,
            "since_minutes": np.where(before < 0, np.nan, (time - before) / _MINUTE),
        },
        nan_to_null=True,
    ).with_columns(pl.when(pl.Series(time >= 0)).then(pl.all()))


def _place(table: pl.DataFrame, what: str) -> tuple[Vector, Vector]:
    """Return latitudes and longitudes, (rows,) each; NaN where they are not known."""
    called = {name.lower(): name for name in table.columns}
    found = []
    for names, limit in ((LATITUDES, 90), (LONGITUDES, 180)):
        name = next((called[n] for n in names if n in called), None)
        if name is None:
            raise BadEvents(
                f"{what} has no column called {' or '.join(names)}, only {', '.join(table.columns)}"
            )
        if not table.schema[name].is_numeric():
            raise BadEvents(f"{what}, column {name!r} holds {table.schema[name]}, not degrees")
        degrees = numbers(table[name])
        wrong = np.flatnonzero(np.abs(degrees) > limit)
        if len(wrong):
            raise BadEvents(
                f"{what}, column {name!r}, row {wrong[0]}: {degrees[wrong[0]]:g} is not between "
                f"-{limit} and {limit} degrees"
            )
        found.append(degrees)
    return found[0], found[1]
