"""Raw rows become events, or it is said which cannot and why; nothing changes silently."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import BadEvents, BadParameter
from penchant.events import NAMES, Events, find_columns

PAIR = {"user": [1, 2], "item": [10, 20]}
MICRO = 1_000_000


def events(bad="raise", **columns):
    return Events.from_frame({**PAIR, **columns}, bad=bad)


def test_events_have_their_columns_in_the_order_of_the_source():
    table = {
        "userId": ["b", "a"],
        "movieId": [7, 3],
        "rating": [4, 5],
        "timestamp": [20, 10],
        "device": ["tv", None],
    }
    made = Events.from_frame(table, context=("device",), source="ratings")
    assert made.frame.schema == {
        "user": pl.String, "item": pl.Int64, "kind": pl.String, "value": pl.Float64,
        "time": pl.Int64, "session": pl.Int64, "device": pl.String,
    }  # fmt: skip
    assert made.frame.rows() == [
        ("b", 7, "rating", 4.0, 20 * MICRO, None, "tv"),
        ("a", 3, "rating", 5.0, 10 * MICRO, None, None),
    ]
    assert made.context_columns == ["device"]
    assert len(made) == made.reading.rows == 2
    assert made.reading.lines() == [
        "ratings: 2 rows; columns user = 'userId', item = 'movieId', value = 'rating', "
        "time = 'timestamp'",
        "times are numbers, read as s since 1970 (UTC)",
    ]


# --- columns


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["user", "item"], {"user": "user", "item": "item"}),
        (["User ID", "Film-Id", "Stars"], {"user": "User ID", "item": "Film-Id", "value": "Stars"}),
        (["movieId", "userId", "item_id"], {"user": "userId", "item": "item_id"}),
        (["customer.id", "asin", "unixReviewTime"],
         {"user": "customer.id", "item": "asin", "time": "unixReviewTime"}),
        (["uid", "iid", "event_type", "sessionId"],
         {"user": "uid", "item": "iid", "kind": "event_type", "session": "sessionId"}),
        (["userid", "artist", "plays", "weight"],
         {"user": "userid", "item": "artist", "value": "weight"}),
    ],
    ids=str,
)  # fmt: skip
def test_columns_are_found_by_name(columns, found):
    assert find_columns(columns, {}, "f") == found


def test_each_role_knows_its_own_name():
    assert all(role in names for role, names in NAMES.items())


def test_columns_may_be_given_or_done_without():
    table = {"a": [1], "b": [2], "rating": [5], "date": ["2020-01-01"]}
    made = Events.from_frame(table, user="b", item="a", value="", time="")
    assert made.frame.row(0)[:5] == (2, 1, "view", pytest.approx(float("nan"), nan_ok=True), -1)
    assert made.reading.columns == {"user": "b", "item": "a"}


@pytest.mark.parametrize(
    ("table", "given", "message"),
    [
        ({"a": [1], "item": [2]}, {}, r"no user column found among a, item. .*--user-column"),
        ({"user": [1], "b": [2]}, {}, r"no item column found among user, b. .*item='NAME'"),
        (PAIR, {"user": "usr"}, r"no column 'usr' for user; .* user, item. Did you mean user\?"),
        (PAIR, {"user": ""}, "no user column found"),
        (PAIR, {"user": "item", "item": "item"}, "'item' cannot be both user and item"),
        (PAIR, {"context": ("devise",)}, "no column 'devise' for context"),
        ({**PAIR, "value": ["a", "b"], "rating": [1, 2]}, {"context": ("value",)},
         "a context column cannot be called 'value'"),
        ({**PAIR, "d": [1, "x"]}, {"context": ("d",)}, r"column 'd': values of several types"),
        ({}, {}, "dict has no columns"),
        ([], {}, "list has no columns"),
        ({"user": [], "item": []}, {}, r"has columns \['user', 'item'\] but no rows"),
        (pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64}), {}, "but no rows"),
    ],
    ids=str,
)  # fmt: skip
def test_missing_columns_are_named_with_what_to_do(table, given, message):
    with pytest.raises(BadEvents, match=message):
        Events.from_frame(table, **given)


def test_arguments_are_checked():
    with pytest.raises(BadParameter, match="bad must be 'raise' or 'drop', got 'ignore'"):
        events(bad="ignore")
    with pytest.raises(BadParameter, match=r"write context=\('device',\)"):
        Events.from_frame(PAIR, context="device")


# --- ids


@pytest.mark.parametrize(
    ("users", "left"),
    [
        ([None, 2], [2]),
        (["", "b"], ["b"]),
        ([" \t", "b"], ["b"]),
        ([float("nan"), 2.0], [2]),
        (pl.Series([None, "b"], dtype=pl.Categorical), ["b"]),
    ],
    ids=str,
)
def test_rows_without_an_id_raise_or_are_counted(users, left):
    with pytest.raises(BadEvents, match=r"1 of 2 rows cannot be used: 1 without a user \(row 0\)"):
        events(user=users)
    made = events(user=users, bad="drop")
    assert made.frame["user"].to_list() == left
    assert type(made.frame["user"][0]) is type(left[0])
    assert made.reading.dropped == {"without a user": 1}
    assert "left out 1 rows: 1 without a user" in made.reading.lines()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([True, False], "not Boolean"),
        ([1.0, 2.0], "not Float64"),
        ([1.5, None], "not Float64"),
        ([float("inf"), None], "not Float64"),
        ([1, "1"], "several types"),
        ([[1], [2]], "not List"),
        ([dt.date(2020, 1, 1)] * 2, "not Date"),
        ([1, 2**70], "does not fit"),
    ],
    ids=str,
)
def test_ids_of_other_types_name_the_column(items, message):
    with pytest.raises(BadEvents, match=f"dict, column 'item': .*{message}"):
        events(item=items, bad="drop")


def test_ids_stay_as_they_are_written():
    assert events(user=["007", "7"]).frame["user"].to_list() == ["007", "7"]
    assert events(user=[" a", "a"]).frame["user"].to_list() == [" a", "a"]


# --- values


@pytest.mark.parametrize(
    ("ratings", "values"),
    [
        ([4, 5], [4, 5]),
        (["4", " 3.5 "], [4, 3.5]),
        ([True, False], [1, 0]),
        ([-10, 1e3], [-10, 1000]),
        (pl.Series(["4", "5"], dtype=pl.Categorical), [4, 5]),
        (pl.Series(["1.5", "2"]).cast(pl.Decimal(5, 2)), [1.5, 2]),
        ([2**60, 1], [2**60, 1]),
    ],
    ids=str,
)
def test_values_are_numbers_however_they_are_written(ratings, values):
    made = events(rating=ratings)
    assert made.frame["value"].to_list() == values
    assert made.reading.missing_values == 0


@pytest.mark.parametrize("nothing", [None, float("nan"), "", "  ", "nan"], ids=repr)
def test_a_row_without_a_value_is_kept_and_counted(nothing):
    made = events(rating=["4" if isinstance(nothing, str) else 4, nothing])
    assert np.isnan(made.frame["value"][1])
    assert made.frame["kind"].to_list() == ["rating", "rating"]
    assert made.reading.missing_values == 1
    assert "1 rows record no value; they count as interactions" in made.reading.lines()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x", "with a value that is not a number ('x')"),
        ("4,5", "with a value that is not a number ('4,5')"),
        ([4], "with a value that is not a number ([4])"),
        (dt.date(2020, 1, 1), "with a value that is not a number (datetime.date(2020, 1, 1))"),
        ("inf", "with an infinite or too large value ('inf')"),
        (float("-inf"), "with an infinite or too large value (-inf)"),
        (1e39, "with an infinite or too large value (1e+39)"),
    ],
    ids=repr,
)
def test_values_that_are_no_numbers_raise_or_are_counted(value, reason):
    ratings = pl.Series([4.0, value]) if isinstance(value, float) else [None, value]
    with pytest.raises(
        BadEvents, match=rf"1 of 2 rows cannot be used: 1 {re.escape(reason)} \(row 1\)"
    ):
        events(rating=ratings)
    made = events(rating=ratings, bad="drop")
    assert len(made) == 1
    assert made.reading.dropped == {reason: 1}


WORDS = ["NA", "N/A", "null", "None", "nan", "?", "-", " na ", "NULL"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("other", ["4", 4], ids=repr)
def test_words_for_nothing_are_nothing_and_noted(word, other):
    made = events(rating=[word, other], timestamp=[DAY, DAY])
    assert np.isnan(made.frame["value"][0])
    assert made.frame["value"][1] == 4
    assert made.reading.missing_values == 1
    assert made.reading.notes == (f"1 rows say {word!r} for the value; read as nothing",)
    with pytest.raises(BadEvents, match=r"1 without a time \(row 0\)"):
        events(timestamp=[word, str(DAY)])
    left = events(timestamp=[word, str(DAY)], bad="drop").reading
    assert left.dropped == {"without a time": 1}
    assert f"1 rows say {word!r} for the time; read as nothing" in left.lines()


def test_several_words_for_nothing_are_counted_together():
    table = {"user": [1, 2, 3, 4], "item": [1] * 4, "rating": ["null", "NA", "NA", "3"]}
    notes = Events.from_frame(table).reading.notes
    assert notes == ("3 rows say 'NA', 'null' for the value; read as nothing",)


def test_words_for_nothing_stay_ids_and_are_noted():
    made = Events.from_frame({"user": ["NA", "ann", "na"], "item": ["?", "-", "tea"]})
    assert made.frame["user"].to_list() == ["NA", "ann", "na"]
    assert made.reading.notes == (
        "2 rows have 'NA', 'na' for the user; it stays an id",
        "2 rows have '-', '?' for the item; it stays an id",
    )


def test_values_of_several_types_are_read_one_by_one():
    assert events(rating=[4, "x"], bad="drop").frame["value"].to_list() == [4]
    assert events(rating=[4, "3.5"]).frame["value"].to_list() == [4, 3.5]


def test_a_row_is_counted_for_its_first_fault_only():
    table = {"user": [None, 1, 2, 3], "item": [None, None, 5, 6], "rating": ["x", "x", "x", "4"]}
    made = Events.from_frame(table, bad="drop")
    assert made.reading.dropped == {
        "without a user": 1, "without an item": 1, "with a value that is not a number ('x')": 1,
    }  # fmt: skip
    assert len(made) + sum(made.reading.dropped.values()) == made.reading.rows


def test_no_usable_row_is_an_error_even_when_dropping():
    with pytest.raises(BadEvents, match=r"no row can be used. .*2 of 2 rows .*\(row 0, 1\)"):
        events(user=[None, None], bad="drop")


def test_many_bad_rows_are_counted_and_the_first_shown():
    table = {"user": [None] * 8 + [1], "item": range(9)}
    with pytest.raises(BadEvents, match=r"8 without a user \(row 0, 1, 2, 3, 4, …\)"):
        Events.from_frame(table)


# --- times


DAY = 1_577_836_800  # 2020-01-01 in seconds


@pytest.mark.parametrize(
    ("times", "unit", "micros"),
    [
        ([DAY, DAY + 1], "s", [DAY * MICRO, (DAY + 1) * MICRO]),
        ([float(DAY), DAY + 0.5], "s", [DAY * MICRO, DAY * MICRO + 500_000]),
        (["1577836800", "1577836801"], "s", [DAY * MICRO, (DAY + 1) * MICRO]),
        (["1.5778368e9", "0"], "s", [DAY * MICRO, 0]),
        ([DAY * 1000, DAY * 1000 + 1], "ms", [DAY * MICRO, DAY * MICRO + 1000]),
        ([DAY * MICRO, DAY * MICRO + 1], "us", [DAY * MICRO, DAY * MICRO + 1]),
        ([DAY * 10**9 + 1999, DAY * 10**9], "ns", [DAY * MICRO + 1, DAY * MICRO]),
        ([0, 1], "s", [0, MICRO]),
        ([dt.date(2020, 1, 1), dt.date(2020, 1, 2)], "datetime",
         [DAY * MICRO, (DAY + 86400) * MICRO]),
        ([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 0, 0, 1)], "datetime",
         [DAY * MICRO, (DAY + 1) * MICRO]),
        (pl.Series([dt.datetime(2020, 1, 1, 1)] * 2).dt.replace_time_zone("Europe/Paris"),
         "datetime", [DAY * MICRO] * 2),
        (pl.Series([dt.datetime(2020, 1, 1)] * 2).cast(pl.Datetime("ns")), "datetime",
         [DAY * MICRO] * 2),
        (["2020-01-01T00:00:00Z", "2020-01-01T02:00:00+02:00"], "text", [DAY * MICRO] * 2),
        (["2020-01-01 00:00:00", " 2020-01-01 "], "text", [DAY * MICRO] * 2),
        (["2020-01-01 02:00:00+02:00", "2020-01-01T00:00:00.5"], "text",
         [DAY * MICRO, DAY * MICRO + 500_000]),
        (["2020-01-01 00:01", "2020-01-01T00:00:01.25Z"], "text",
         [(DAY + 60) * MICRO, (DAY + 1) * MICRO + 250_000]),
    ],
    ids=str,
)  # fmt: skip
def test_times_are_microseconds_however_they_are_written(times, unit, micros):
    made = events(timestamp=times)
    assert made.frame["time"].to_list() == micros
    assert made.reading.time_unit == unit


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ([DAY, None], "without a time"),
        ([DAY, float("nan")], "without a time"),
        (pl.Series([float(DAY), float("nan")]), "without a time"),
        ([str(DAY), " "], "without a time"),
        ([dt.datetime(2020, 1, 1), None], "without a time"),
        ([DAY, -5], "with a negative time"),
        ([dt.datetime(2020, 1, 1), dt.datetime(1956, 1, 1)], "with a negative time"),
        ([float(DAY), float("inf")], "with a time that cannot be read (inf)"),
        (["2020-01-01", "yesterday"], "with a time that cannot be read ('yesterday')"),
        (["2020-01-01", "2020-02-30"], "with a time that cannot be read ('2020-02-30')"),
        ([str(DAY), "yesterday"], "with a time that cannot be read ('yesterday')"),
        (
            pl.Series([1, 2**64 - 1], dtype=pl.UInt64),
            f"with a time that cannot be read ({2**64 - 1})",
        ),
    ],
    ids=str,
)
def test_times_that_are_none_raise_or_are_counted(times, reason):
    with pytest.raises(
        BadEvents, match=rf"1 of 2 rows cannot be used: 1 {re.escape(reason)} \(row 1\)"
    ):
        events(timestamp=times)
    made = events(timestamp=times, bad="drop")
    assert made.reading.dropped == {reason: 1}
    assert made.frame["time"][0] > 0


@pytest.mark.parametrize("far", [18_446_744_073_709, 9_000_000_000_000_000, 2**63 - 1])
@pytest.mark.parametrize("kind", [int, float, str])
def test_a_time_too_far_away_does_not_come_round_again(far, kind):
    table = {"user": [1, 2, 3], "item": [1, 2, 3], "time": [kind(5), kind(10), kind(far)]}
    with pytest.raises(BadEvents, match=r"1 with a time that cannot be read \(.*\) \(row 2\)"):
        Events.from_frame(table)


def test_most_times_missing_does_not_change_how_the_rest_are_read():
    table = {"user": [1, 2, 3], "item": [1, 2, 3], "time": ["100", "", ""]}
    made = Events.from_frame(table, bad="drop")
    assert made.frame["time"].to_list() == [100 * MICRO]
    assert made.reading.dropped == {"without a time": 2}


@pytest.mark.parametrize("column", [[dt.time(1), dt.time(2)], [dt.timedelta(1)] * 2, [True, False]])
def test_times_without_a_date_are_an_error(column):
    with pytest.raises(BadEvents, match=r"column 'time': .* says nothing about the date"):
        events(time=column)


@given(
    st.lists(st.integers(10**8, 10**10), min_size=1),
    st.sampled_from([("s", 1), ("ms", 1000), ("us", MICRO), ("ns", 10**9)]),
)
def test_integer_times_keep_every_digit(seconds, unit):
    name, factor = unit
    seconds = [s for s in seconds if s * factor < 2**63] or [10**9]
    made = Events.from_frame(
        {"user": seconds, "item": seconds, "time": [s * factor for s in seconds]}
    )
    assert made.frame["time"].to_list() == [s * MICRO for s in seconds]
    assert made.reading.time_unit == name


# --- kinds, sessions, repeats


def test_rows_without_a_kind_column_are_what_their_value_column_says():
    assert events().frame["kind"].to_list() == ["view", "view"]
    assert events(rating=[1, 2]).frame["kind"].to_list() == ["rating", "rating"]
    assert events(plays=[1, 2]).frame["kind"].to_list() == ["count", "count"]


def test_rows_that_name_no_kind_are_the_usual_kind_and_counted():
    made = events(event=["buy", None])
    assert made.frame["kind"].to_list() == ["buy", "view"]
    assert "1 rows name no kind; they count as 'view'" in made.reading.lines()
    made = events(event=["buy", " "], rating=[None, 5])
    assert made.frame["kind"].to_list() == ["buy", "rating"]
    assert "1 rows name no kind; they count as 'rating'" in made.reading.lines()
    assert events(event=pl.Series(["a", "b"], dtype=pl.Categorical)).reading.notes == ()
    assert events(event=[1, 2]).frame["kind"].to_list() == ["1", "2"]


def test_kinds_are_text():
    for kinds in ([["a"], ["b"]], ["a", 3]):
        with pytest.raises(BadEvents, match=r"column 'kind': kinds must be text, not .*such as"):
            events(kind=kinds)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["x", None], ["x", None]),
        (["x", ""], ["x", None]),
        ([None, 7.0], [None, 7]),
        ([None, None], [None, None]),
        ([3, 4], [3, 4]),
    ],
    ids=str,
)
def test_sessions_keep_their_ids(given, kept):
    assert events(session=given).frame["session"].to_list() == kept


def test_sessions_are_ids_too():
    with pytest.raises(BadEvents, match="column 'session': ids of several types"):
        events(session=["x", 4])


def test_repeats_are_kept_and_counted():
    table = {"user": [1, 1, 1, 1], "item": [5, 5, 5, 6], "kind": ["view", "view", "buy", "view"]}
    made = Events.from_frame(table)
    assert len(made) == 4
    assert made.reading.repeats == 1
    assert "1 rows repeat a user, item and kind; they are kept" in made.reading.lines()


def test_one_user_one_item_one_row_will_do():
    made = Events.from_frame({"user": ["only"], "item": ["one"]})
    assert made.frame.row(0)[:3] == ("only", "one", "view")


# --- files


def test_files_are_read_with_their_lines_and_notes(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n1,2,5\n,3,4\n3,4,x\n")
    with pytest.raises(BadEvents, match=r"ratings.csv: 2 of 3 rows .*\(line 3\); .*\(line 4\)"):
        Events.read(path)
    made = Events.read(path, bad="drop")
    assert made.frame.rows() == [(1, 2, "rating", 5.0, -1, None)]
    path.write_text("1,2,5\n2,3,4\n")
    assert Events.read(path).reading.notes == (
        "no header: columns are taken as user, item, rating",
    )
    assert Events.read(path, value="").reading.columns == {"user": "user", "item": "item"}
    path.write_text("user,item,rating,timestamp\n1,2\n1,2,3,4\n")
    with pytest.raises(BadEvents, match=r"1 without a time \(line 2\)"):
        Events.read(path)
