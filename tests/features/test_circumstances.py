import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant.errors import BadEvents, BadParameter, Incompatible
from penchant.features import Encoder, clock, contexts, distances

MINUTE = 60 * 10**6


def micros(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**6


def test_the_clock_by_hand():
    quarter_past_six = clock([micros(2024, 7, 6, 18, 15)]).row(0, named=True)
    turn, year = 2 * math.pi * 18.25 / 24, 2 * math.pi * 187 / 366
    week = 2 * math.pi * 5 / 7
    assert quarter_past_six == {
        "hour": "18", "hour_sin": pytest.approx(math.sin(turn)),
        "hour_cos": pytest.approx(math.cos(turn)),
        "weekday": "Saturday", "weekday_sin": pytest.approx(math.sin(week)),
        "weekday_cos": pytest.approx(math.cos(week)),
        "weekend": True, "season": "summer", "season_sin": pytest.approx(math.sin(year)),
        "season_cos": pytest.approx(math.cos(year)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "hour", "weekday"),
    [
        ("UTC", "23", "Sunday"),
        ("Europe/Paris", "01", "Monday"),
        ("America/New_York", "19", "Sunday"),
    ],
)
def test_the_clock_hangs_in_a_zone_with_its_summer_time(zone, hour, weekday):
    found = clock([micros(2024, 6, 30, 23, 30)], zone=zone)
    assert found.select("hour", "weekday").row(0) == (hour, weekday)


def test_seasons_of_the_year_in_north_and_south():
    months = [micros(2023, month, 15) for month in range(1, 13)]
    north = ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + ["winter"]
    assert clock(months)["season"].to_list() == north
    assert clock(months, south=True)["season"].to_list() == north[6:] + north[:6]


def test_circles_close():
    late, early = clock([micros(2023, 12, 31, 23, 59), micros(2024, 1, 1)]).rows(named=True)
    for name in ("hour_sin", "hour_cos", "season_sin", "season_cos"):
        assert late[name] == pytest.approx(early[name], abs=0.02)
    for name in ("hour", "weekday", "season"):
        angles = clock(np.arange(400) * 86_400 * 10**6 // 10)
        squares = angles[f"{name}_sin"] ** 2 + angles[f"{name}_cos"] ** 2
        np.testing.assert_allclose(squares, 1)


def test_an_unknown_time_has_no_circumstances():
    assert clock([-1]).row(0) == (None,) * 10
    data = pt.Dataset.of({"user": [1, 1], "item": [1, 2]})
    assert contexts(data.histories).null_count().row(0) == (2,) * 13
    assert contexts(data.queries()).row(0) == (None,) * 13


def log(minutes, devices=None):
    frame = {"user": [7] * len(minutes), "item": range(len(minutes)),
             "time": [datetime.fromtimestamp(60 * m, UTC) for m in minutes]}  # fmt: skip
    if devices:
        frame["device"] = devices
    return pt.Dataset.of(frame, context=["device"] if devices else [])


def test_sessions_by_hand():
    found = contexts(log([5, 10, 40, 71, 72]).histories, pause="30min")
    assert found["session_position"].to_list() == [1, 2, 3, 1, 2]
    assert found["session_minutes"].to_list() == [0, 5, 35, 0, 1]
    assert found["since_minutes"].to_list() == [None, 5, 30, 31, 1]


def test_sessions_of_two_people_do_not_mix():
    times = [datetime.fromtimestamp(60 * m, UTC) for m in (1, 2, 1, 2)]
    data = pt.Dataset.of({"user": [1, 2, 2, 1], "item": [1, 2, 3, 4], "time": times})
    found = contexts(data.histories)
    assert found["session_position"].to_list() == [1, 2, 1, 2]
    assert found["since_minutes"].to_list() == [None, 1, None, 1]


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 3), st.integers(-1, 200), st.sampled_from("ab")), min_size=1
    ),
    zone=st.sampled_from(["UTC", "Asia/Kolkata"]),
)
def test_a_request_is_told_what_its_event_would_have_been_told(rows, zone):
    """For each event: ask as the person would have at that moment, with what came before."""
    rows = sorted(rows, key=lambda row: row[:2])
    users, minutes, devices = zip(*rows, strict=True)
    data = pt.Dataset.of(
        {"user": users, "item": range(len(rows)), "device": devices}, context=["device"]
    )
    times = np.array([m * MINUTE if m >= 0 else -1 for m in minutes])
    h = replace(data.histories, time=times)
    told = contexts(h, zone=zone)
    for row in range(len(rows)):
        person = h.person() == h.person()[row]
        asked = data.queries([users[row]])
        asked = replace(
            asked,
            histories=h.where(person & (np.arange(len(rows)) < row)).take(asked.user),
            now=h.time[row : row + 1],
            context=h.context[row],
        )
        assert contexts(asked, zone=zone).equals(told[row])


def test_the_encoder_reads_all_of_it():
    data = log([5, 10, 900, 5000], ["tv", "phone", "tv", None])
    encoder = Encoder.learn(contexts(data.histories), scale="design")
    assert {"device:phone", "hour:15", "weekend:false", "session_position"} <= set(encoder.names)
    asked = data.queries(now=int(data.until) + MINUTE, context={"device": ["radio"]})
    known = contexts(asked)
    assert known.columns == contexts(data.histories).columns
    row = encoder.encode(known).to_scipy().toarray()[0]
    on = {name for name, value in zip(encoder.names, row, strict=True) if value}
    assert "weekday:Sunday" in on
    assert not any(name.startswith("device") for name in on)


def naive_distance(a, b):
    """Through the angle between two unit vectors."""

    def point(lat, lon):
        lat, lon = math.radians(lat), math.radians(lon)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    p, q = point(*a), point(*b)
    cross = [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]]
    return 6371.0088 * math.atan2(math.hypot(*cross), sum(map(math.prod, zip(p, q, strict=True))))


PLACES = {"here": (0.0, 0.0), "quarter": (0.0, 90.0), "pole": (90.0, 12.0), "behind": (0.0, 180.0),
          "Paris": (48.8566, 2.3522), "Sydney": (-33.8688, 151.2093)}  # fmt: skip


def places(of):
    return pl.DataFrame({"Latitude": [p[0] for p in of], "lng": [p[1] for p in of]})


def test_distances_by_hand_and_by_vectors():
    table = places(PLACES.values())
    found = distances(table, table)
    half = math.pi * 6371.0088
    np.testing.assert_allclose(found[0, :4], [0, half / 2, half / 2, half], rtol=1e-12)
    expected = [[naive_distance(a, b) for b in PLACES.values()] for a in PLACES.values()]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found[4, 5], 16_960, rtol=1e-3)  # Paris to Sydney


def test_distances_of_events_and_of_requests_are_alike():
    table = places(PLACES.values())
    whole = distances(table, table)
    codes = np.array([5, 4, -1, 2, 0, 1])
    of_events = distances(table, table, codes[:, None])
    expected = [[np.nan if c < 0 else whole[row, c]] for row, c in enumerate(codes)]
    np.testing.assert_array_equal(of_events, expected)
    np.testing.assert_array_equal(distances(table, table, codes[[0, 1]]), whole[:, [5, 4]])
    unknown = pl.DataFrame({"lat": [None, 1.0], "lon": [2.0, math.nan]})
    assert np.isnan(distances(unknown, table)).all()


def test_what_cannot_be_is_named():
    data = log([1])
    for wrong in ("Paris", "", None):
        with pytest.raises(BadParameter, match=f"zone is a time zone, such as .* got {wrong!r}"):
            contexts(data.histories, zone=wrong)
    with pytest.raises(BadParameter, match="a duration is written like"):
        contexts(data.histories, pause="soon")
    named = replace(data.histories, context=pl.DataFrame({"hour": [3]}))
    with pytest.raises(Incompatible, match="the context has a column 'hour' already: rename it"):
        contexts(named)
    table = places(PLACES.values())
    for wrong, message in [
        ({"lat": [1.0], "east": [2.0]}, "the context has no column called lon or lng"),
        ({"lat": [1.0, 91.0], "lon": [2.0, 0.0]}, r"'lat', row 1: 91 is not between -90 and 90"),
        ({"lat": ["1"], "lon": [2.0]}, "'lat' holds String, not degrees"),
    ]:
        with pytest.raises(BadEvents, match=message):
            distances(pl.DataFrame(wrong), table)


@pytest.mark.parametrize("code", [-2, 1])
def test_a_code_that_no_item_has_is_named(code):
    here = pl.DataFrame({"lat": [48.0], "lon": [2.0]})
    with pytest.raises(BadParameter, match=f"codes are from 0 to 0, or -1 for none, got {code}"):
        distances(here, here, np.array([[code, -1]]))
