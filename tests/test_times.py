"""Times are read from whatever exports hold, and what was understood is told."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import BadEvents, BadParameter
from penchant.events import Events
from penchant.times import read_times

UTC = dt.UTC
MICRO = 10**6
MOMENTS = st.datetimes(dt.datetime(1990, 1, 2), dt.datetime(2099, 12, 30))


def micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)


def read(times, **options):
    found = read_times(pl.Series("t", times), **options)
    return found.micros.to_list(), found.unit, found.notes


# --- numbers


@given(
    st.lists(st.tuples(MOMENTS, st.sampled_from([1, 10**3, 10**6, 10**9])), min_size=1),
    st.sampled_from([int, str]),
)
def test_mixed_units_are_each_read_in_their_own(rows, kind):
    seconds = [micros(m.replace(microsecond=0, tzinfo=UTC)) // MICRO for m, _ in rows]
    column = [kind(s * f) for s, (_, f) in zip(seconds, rows, strict=True)]
    assert read(column)[0] == [s * MICRO for s in seconds]


def test_mixed_units_are_told():
    found, unit, notes = read([1_577_836_800, 1_577_836_801, 1_577_836_802_000])
    assert found == [(1_577_836_800 + n) * MICRO for n in range(3)]
    assert unit == "s"
    assert notes == ("1 times are in ms and others in s; each is read in its own unit",)
    table = {"user": [1, 2], "item": [1, 2], "time": [1_577_836_800_000, 1_577_836_800]}
    assert any("in its own unit" in line for line in Events.from_frame(table).reading.lines())


def test_small_numbers_are_no_mixture():
    assert read([0, 5, 10])[0] == [0, 5 * MICRO, 10 * MICRO]
    assert read([5, 10, 1_577_836_800_000])[0] == [5 * MICRO, 10 * MICRO, 1_577_836_800_000 * MICRO]
    assert read([5, 10, 1_577_836_800_000])[2] == ()


@pytest.mark.parametrize("kind", [int, str, float])
def test_dates_written_as_numbers_are_dates(kind):
    found, unit, notes = read([kind(20240105), kind(20240229)])
    if kind is float:
        assert unit == "s"
        return
    assert found == [micros(dt.datetime(2024, 1, 5, tzinfo=UTC)),
                     micros(dt.datetime(2024, 2, 29, tzinfo=UTC))]  # fmt: skip
    assert (unit, notes) == ("date", ("times such as 20240105 are taken as dates, %Y%m%d",))
    assert read([kind(20240105), kind(20240230)])[1] == "s", "not most of them are dates"
    for wrong in (20240230, 0, -1, 99999999, 1_704_412_800):
        some = read([kind(wrong), kind(20240105), kind(20240229)])
        assert some == ([None, *found], unit, notes), "one wrong date makes no seconds of others"
    clock = read([kind(20240105101530)])
    assert clock[0] == [micros(dt.datetime(2024, 1, 5, 10, 15, 30, tzinfo=UTC))]


# --- text


FORMS = ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f")
LAST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%Y %H:%M:%S.%f", "%d.%m.%Y, %H:%M:%S.%f")


def aware(moment, hours, suffix, form):
    local = moment.replace(tzinfo=UTC).astimezone(dt.timezone(dt.timedelta(hours=hours)))
    sign = "+" if hours >= 0 else "-"
    shown = {"colon": f"{sign}{abs(hours):02}:00", "plain": f"{sign}{abs(hours):02}00",
             "short": f"{sign}{abs(hours):02}", "blank": f" {sign}{abs(hours):02}:00"}  # fmt: skip
    return local.strftime(form) + shown[suffix]


@given(
    st.lists(
        st.tuples(
            MOMENTS, st.integers(-11, 12), st.sampled_from(["colon", "plain", "short", "blank"]),
            st.sampled_from(FORMS),
        ),
        min_size=1,
    )
)  # fmt: skip
def test_offsets_are_read_in_every_spelling(rows):
    found, unit, notes = read([aware(*row) for row in rows])
    assert found == [micros(row[0].replace(tzinfo=UTC)) for row in rows]
    assert (unit, notes) == ("text", ())


@pytest.mark.parametrize(
    "text",
    ["2024-01-05 10:00:00 UTC", "2024-01-05T10:00:00Z", "2024-01-05 10:00 GMT", "2024/01/05 10:00Z",
     "2024-01-05 10:00:00+00", "2024-01-05T10:00:00.000+0000", "2024-1-5 10:00 AM",
     "5.1.2024 10:00", "2024-01-05 10:00:00.000000000", "05.01.2024, 10:00:00",
     "2024-01-05 12:00:00+02:00", "2024-01-05T10:00"],
)  # fmt: skip
def test_one_moment_in_many_forms(text):
    assert read([text])[0] == [micros(dt.datetime(2024, 1, 5, 10, tzinfo=UTC))]


@given(
    st.lists(MOMENTS, min_size=1),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]),
    st.sampled_from(["text", "naive"]),
)
def test_times_without_a_zone_are_of_the_zone_that_is_given(moments, zone, kind):
    place = ZoneInfo(zone)

    def there(moment):
        local = moment.replace(tzinfo=place, fold=0)
        back = local.astimezone(UTC).astimezone(place).replace(tzinfo=None)
        return micros(local.astimezone(UTC)) if back == moment else None  # a clock never showed it

    column = [m.isoformat(" ") for m in moments] if kind == "text" else moments
    assert read(column, zone=zone)[0] == [there(m) for m in moments]


def test_clocks_put_back_and_forward():
    twice, never = dt.datetime(2024, 10, 27, 2, 30), dt.datetime(2024, 3, 31, 2, 30)
    found, _, notes = read([twice, never], zone="Europe/Berlin")
    assert found == [micros(dt.datetime(2024, 10, 27, 0, 30, tzinfo=UTC)), None]
    assert notes == (
        "2 times name no zone; they are taken to be Europe/Berlin",
        "1 times came twice in Europe/Berlin, as clocks were put back; the first is taken",
    )
    table = {"user": [1, 2], "item": [1, 2], "time": [twice, never]}
    with pytest.raises(BadEvents, match=r"1 with a time that cannot be read \(.*\) \(row 1\)"):
        Events.from_frame(table, zone="Europe/Berlin")


def test_a_zone_that_is_named_goes_before_the_one_given():
    column = ["2024-01-05 10:00:00+02:00", "2024-01-05 10:00:00", "2024-01-05"]
    found, _, notes = read(column, zone="Asia/Tokyo")
    assert found == [micros(dt.datetime(2024, 1, 5, 8, tzinfo=UTC)),
                     micros(dt.datetime(2024, 1, 5, 1, tzinfo=UTC)),
                     micros(dt.datetime(2024, 1, 4, 15, tzinfo=UTC))]  # fmt: skip
    assert notes == ("1 times name no zone; they are taken to be Asia/Tokyo",)


def test_pandas_zones_are_kept():
    pd = pytest.importorskip("pandas")
    local = pd.Series(pd.to_datetime(["2024-01-05 10:00:00"])).dt.tz_localize("Europe/Berlin")
    mixed = pd.Series([local[0], local[0].tz_convert("Asia/Tokyo")], dtype=object)
    for column in (local, mixed):
        n = len(column)
        frame = pd.DataFrame({"user": range(n), "item": range(n), "time": column})
        made = Events.from_frame(frame, zone="America/New_York")
        assert made.frame["time"].to_list() == [micros(dt.datetime(2024, 1, 5, 9, tzinfo=UTC))] * n


def test_text_and_numbers_in_one_column():
    found, unit, notes = read(["2020-01-01", "1577836800", "1577836800000", None, "soon"])
    assert found == [1_577_836_800 * MICRO] * 3 + [None, None]
    assert unit == "text"
    assert notes[-1] == "2 times are numbers, read as s"


def test_datetimes_and_dates_in_one_column():
    table = {"user": [1, 2], "item": [1, 2]}
    table["time"] = [dt.datetime(2020, 1, 1, 1), dt.date(2020, 1, 1)]
    made = Events.from_frame(table)
    assert made.frame["time"].to_list() == [1_577_840_400 * MICRO, 1_577_836_800 * MICRO]


# --- the year last


@given(st.lists(st.tuples(MOMENTS, st.sampled_from(LAST)), min_size=1), st.booleans())
def test_days_above_twelve_tell_which_comes_first(rows, american):
    rows = [*rows, (dt.datetime(2024, 2, 13), "%d/%m/%Y")]
    shown, expected = [], []
    for moment, form in rows:
        if american and "." not in form[:3]:
            form = form.replace("%d", "?").replace("%m", "%d").replace("?", "%m")
        shown.append(moment.strftime(form))
        expected.append(micros(dt.datetime.strptime(shown[-1], form).replace(tzinfo=UTC)))
    found, unit, notes = read(shown)
    assert found == expected
    assert unit == "text"
    assert any(f"have the {'month' if american else 'day'} first" in n for n in notes)


def test_dates_that_nothing_tells_apart_are_an_error():
    message = (
        r"^dict, column 'time': '01/02/2024' may have the day or the month first, and no other "
        r"date tells; name the form: time_format='%d/%m/%Y' in Python, --time-format .* "
        r"\(or '%m/%d/%Y'\)$"
    )
    table = {"user": [1, 2], "item": [1, 2], "time": ["01/01/2024", "01/02/2024"]}
    for bad in ("raise", "drop"):
        with pytest.raises(BadEvents, match=message):
            Events.from_frame(table, bad=bad)
    day = Events.from_frame(table, time_format="%d/%m/%Y").frame["time"].to_list()
    month = Events.from_frame(table, time_format="%m/%d/%Y").frame["time"].to_list()
    first = micros(dt.datetime(2024, 1, 1, tzinfo=UTC))
    assert (day, month) == ([first, first + 31 * 86_400 * MICRO], [first, first + 86_400 * MICRO])
    assert read(["01/01/2024", "05/05/2024"])[0][0] == first, "it is the same either way"


def test_dates_that_contradict_each_other_are_an_error():
    with pytest.raises(BadEvents, match="'13/02/2024' has the day first, '02/13/2024' the month"):
        read(["01/02/2024", "13/02/2024", "02/13/2024"])
    assert read(["13/02/2024", "31/31/2024"])[0][1] is None, "no date at all does not confuse"


# --- a format that is given


@pytest.mark.parametrize(
    ("text", "form", "zone", "hour"),
    [
        ("05 Jan 2024 10h15", "%d %b %Y %Hh%M", "UTC", 10.25),
        ("05 Jan 2024 10h15", "%d %b %Y %Hh%M", "Europe/Berlin", 9.25),
        ("05 Jan 2024 10h15 -0100", "%d %b %Y %Hh%M %z", "Europe/Berlin", 11.25),
        (" 05/01/24 ", "%d/%m/%y", "UTC", 0),
        (20240105, "%Y%m%d", "UTC", 0),
    ],
)
def test_a_format_is_taken_at_its_word(text, form, zone, hour):
    made = Events.from_frame(
        {"user": [1], "item": [1], "time": [text]}, time_format=form, zone=zone
    )
    expected = dt.datetime(2024, 1, 5, tzinfo=UTC) + dt.timedelta(hours=hour)
    assert made.frame["time"].to_list() == [micros(expected)]


def test_what_a_format_does_not_fit():
    table = {"user": [1, 2], "item": [1, 2], "time": ["5/1/2024", "gestern"]}
    with pytest.raises(BadEvents, match=r"1 with a time that cannot be read \(.*\) \(row 1\)"):
        Events.from_frame(table, time_format="%d/%m/%Y")
    with pytest.raises(
        BadEvents, match=r"'time': no time is written like '%d %B %Y' .* \['5/1/2024'\]"
    ):
        Events.from_frame(table, time_format="%d %B %Y")
    with pytest.raises(BadParameter, match="time_format is text like"):
        Events.from_frame(table, time_format=5)
    with pytest.raises(BadParameter, match=r"time_format is written like .* got '%H'"):
        Events.from_frame(table, time_format="%H")


@pytest.mark.parametrize("zone", ["Europa/Berlin", "", None, 2])
def test_zones_that_do_not_exist_are_said(zone):
    for table in ({"user": [1], "item": [1]}, {"user": [1], "item": [1], "time": [5]}):
        with pytest.raises(BadParameter, match=f"or 'UTC', got {zone!r}"):
            Events.from_frame(table, zone=zone)
