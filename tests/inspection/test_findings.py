"""What is odd is found where it was planted, and nowhere else; and each call mends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from naive_inspection import hasty
from odd_data import NOW, START, clean, look, mended, names, one
from penchant.inspection.habits import BURST
from penchant.inspection.report import report
from reading_html import Page

Table = pl.DataFrame

VALUE, TIME = pl.col("rating"), pl.col("timestamp")
ROW = pl.int_range(pl.len())


def text(column: str) -> pl.Expr:
    return pl.format("{}x", pl.col(column)).alias(column)


def added(table: Table, **columns: Any) -> Table:
    """Return the table with further rows."""
    more = pl.DataFrame(columns).cast(dict(table.schema))
    return pl.concat([table, more])


def burst(table: Table, dose: int) -> Table:
    """One user with ``dose`` rows within a minute, and some later."""
    time = [START + 59 * n // max(dose, 1) for n in range(dose)] + [
        START + 9000 + n for n in range(9)
    ]
    item = [n % 40 for n in range(dose + 9)]
    stars = [1.0 + n % 5 for n in range(dose + 9)]
    wide = added(table, user=[500] * (dose + 9), item=item, rating=stars, timestamp=time)
    return wide.unique(["user", "item"], keep="any") if dose < 30 else wide


def instant(table: Table, dose: int) -> Table:
    """``dose`` users whose rows all stand at one instant each."""
    return table.with_columns(
        timestamp=pl.when(pl.col("user") < dose).then(START + pl.col("user")).otherwise(TIME)
    )


def crowd(table: Table, dose: int) -> Table:
    """One row of each of ``dose`` users at the same second."""
    first = pl.col("user").is_first_distinct() & (pl.col("user") < dose)
    return table.with_columns(timestamp=pl.when(first).then(START).otherwise(TIME))


def alike(table: Table, dose: int) -> Table:
    """The first user rates ``dose`` items, and all the same."""
    others = table.filter(pl.col("user") > 0)
    n = list(range(dose))
    return added(
        others, user=[0] * dose, item=n, rating=[4.0] * dose, timestamp=[START + 90 * k for k in n]
    )


def once(column: str, other: str) -> Callable[[Table, int], Table]:
    def plant(table: Table, dose: int) -> Table:
        new = {column: list(range(1000, 1000 + dose)), other: [n % 40 for n in range(dose)]}
        time = [START + 300 * n for n in range(dose)]
        return added(table, **{k: new[k] for k in ("user", "item")},
                     rating=[1.0 + n % 5 for n in range(dose)], timestamp=time)  # fmt: skip

    return plant


def lion(column: str) -> Callable[[Table, int], Table]:
    """``dose`` rows of one more user (or item), beside users and items enough."""

    def plant(table: Table, dose: int) -> Table:
        large = clean(1, users=400, items=300)
        n = np.arange(dose)
        new = {"user": n % 300, "item": n % 300, column: np.full(dose, 999)}
        time = START + 900 * n
        return added(large, user=new["user"], item=new["item"], rating=1.0 + n % 5, timestamp=time)

    return plant


def copies(table: Table, dose: int) -> Table:
    return pl.concat([table, table.sort("user", "item").head(dose)])


def again(table: Table, dose: int) -> Table:
    """The first ``dose`` ratings once more, later and other."""
    more = table.sort("user", "item").head(dose)
    return pl.concat([table, more.with_columns(rating=6 - VALUE.clip(1, 2.5), timestamp=TIME + 1)])


def spelt(change: Callable[[pl.Expr], pl.Expr]) -> Callable[[Table, int], Table]:
    """Half of the rows of the first ``dose`` users under another spelling."""

    def plant(table: Table, dose: int) -> Table:
        words = table.with_columns(pl.format("ué{}", pl.col("user")).alias("name"))
        other = (pl.col("user") < dose) & (pl.col("item") % 2 == 0)
        spelling = pl.when(other).then(change(pl.col("name"))).otherwise("name")
        return words.with_columns(spelling.alias("user")).drop("name")

    return plant


def stray(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        rating=pl.when(dose > ROW).then(99.0).otherwise(VALUE)
    )


def no_value(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        rating=pl.when(dose > ROW * 7 % 1000).then(None).otherwise(VALUE)
    )


def no_session(table: Table, dose: int) -> Table:
    session = pl.when(dose > ROW * 7 % 1000).then(None).otherwise(pl.col("user") * 9)
    return table.sort("user", "item").with_columns(session=session)


def old(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        timestamp=pl.when(dose > ROW).then(ROW).otherwise(TIME)
    )


def future(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        timestamp=pl.when(dose > ROW).then(NOW // 10**6 + 1 + ROW).otherwise(TIME)
    )


def units(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        timestamp=pl.when(dose > ROW).then(TIME * 1000).otherwise(TIME)
    )


def untimed(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        timestamp=pl.when(dose > ROW * 7 % 1000).then(None).otherwise(TIME)
    )


def words(table: Table, dose: int) -> Table:
    return table.sort("user", "item").with_columns(
        rating=pl.when(dose > ROW).then(pl.lit("good")).otherwise(VALUE.cast(pl.String))
    )


def leak(table: Table, dose: int) -> Table:
    """A column missing from 30 % of low ratings, and from ``dose`` in a thousand more of high."""
    gone = 300 + pl.when(VALUE >= 4).then(dose).otherwise(0) > ROW * 7919 % 1000
    return table.sort("user", "item").with_columns(
        place=pl.when(gone).then(None).otherwise(ROW * 31 % 977)
    )


def agree(table: Table, dose: int) -> Table:
    """Two columns that agree on 30 % of low ratings, and on ``dose`` in a thousand more of high."""
    same = 300 + pl.when(VALUE >= 4).then(dose).otherwise(0) > ROW * 7919 % 1000
    seen = ROW * 31 % 977
    left = pl.when(same).then(seen).otherwise(seen + 1)
    return table.sort("user", "item").with_columns(seen=seen, left=left)


def made(table: Table, dose: int) -> Table:
    """A column made from the rating, in ``dose`` of a thousand rows."""
    word = pl.when(dose > ROW * 7919 % 1000).then(VALUE * 10).otherwise(ROW * 31 % 977)
    return table.sort("user", "item").with_columns(verdict=word)


def constant(table: Table, dose: int) -> Table:
    return table.with_columns(shop=pl.when(pl.col("user") < 120 - dose).then(1).otherwise(2))


def days(table: Table, dose: int) -> Table:
    """All at midnight; those of the first ``dose`` users on one day each."""
    day = pl.when(pl.col("user") < dose).then(19_700).otherwise(19_700 + pl.col("item"))
    return table.with_columns(timestamp=day * 86_400)


def heavy(table: Table, dose: int) -> Table:
    plays = pl.when(ROW == 0).then(dose).otherwise(1 + ROW % 3)
    return table.sort("user", "item").select("user", "item", plays=plays)


def nobody(column: str) -> Callable[[Table, int], Table]:
    """``dose`` rows whose user, or item, is the text NA."""

    def plant(table: Table, dose: int) -> Table:
        ids = pl.when(dose > ROW).then(pl.lit("NA")).otherwise(pl.format("x{}", column))
        return table.sort("user", "item").with_columns(ids.alias(column))

    return plant


PLANTED: dict[str, tuple[str, Callable[[Table, int], Table], int, int]] = {
    "bursts": ("bursts", burst, BURST, BURST + 1),
    "one instant": ("one instant", instant, 0, 1),
    "crowd": ("crowded instants", crowd, 19, 20),
    "alike": ("one rating for everything", alike, 9, 15),
    "users once": ("users met once", once("user", "item"), 12, 20),
    "items once": ("items met once", once("item", "user"), 3, 9),
    "one user": ("one user dominates", lion("user"), 290, 600),
    "one item": ("one item dominates", lion("item"), 290, 600),
    "copies": ("exact duplicates", copies, 0, 1),
    "rated again": ("rated more than once", again, 0, 1),
    "blanks": ("user ids spelt differently", spelt(lambda u: pl.format(" {}", u)), 0, 1),
    "case": ("user ids spelt differently", spelt(lambda u: u.str.to_uppercase()), 0, 1),
    "unicode": ("user ids spelt differently", spelt(lambda u: u.str.normalize("NFD")), 0, 1),
    "no user": ("user ids that look like missing", nobody("user"), 0, 9),
    "no item": ("item ids that look like missing", nobody("item"), 0, 9),
    "strays": ("values off the scale", stray, 0, 1),
    "no value": ("values missing", no_value, 0, 1),
    "no session": ("sessions missing", no_session, 0, 1),
    "old": ("times before 1990", old, 0, 1),
    "future": ("times in the future", future, 0, 1),
    "units": ("several units of time", units, 0, 1),
    "a few untimed": ("rows that cannot be used", untimed, 0, 1),
    "many untimed": ("rows that cannot be used", untimed, 0, 500),
    "words": ("rows that cannot be used", words, 0, 1),
    "leak": ("missing gives the value away", leak, 60, 400),
    "agreement": ("agreement gives the value away", agree, 60, 400),
    "made": ("a column determines the value", made, 300, 1000),
    "constant": ("constant columns", constant, 1, 0),
    "heavy": ("a few heavy values", heavy, 10, 3000),
}
"""What is planted: the finding, how, the most that is not told, and a dose that is."""


READ = ("units", "a few untimed", "many untimed", "words")
"""What reading deals with: events have none of it."""


def test_clean_data_has_no_findings() -> None:
    for seed in range(3):
        assert look(clean(seed)).findings == ()
    assert look(clean().drop("timestamp")).findings == ()
    assert look(clean().drop("timestamp", "rating")).findings == ()


@pytest.mark.parametrize("what", PLANTED)
def test_a_finding_appears_where_it_was_planted_and_its_call_mends_it(what: str) -> None:
    name, plant, little, much = PLANTED[what]
    assert name not in names(look(plant(clean(), little)))
    table = plant(clean(), much)
    found = look(table)
    finding = one(found, name)
    assert finding.rows > 0
    assert finding.sentence[-1] in ".?"
    assert mended(found, finding, table=table) < finding.rows


@pytest.mark.parametrize("what", [w for w in PLANTED if w not in READ])
def test_events_and_datasets_show_what_their_table_showed(what: str) -> None:
    name, plant, _, much = PLANTED[what]
    table = plant(clean(), much)
    taken = {"user", "item", "rating", "timestamp", "plays", "session"}
    context = [c for c in table.columns if c not in taken]
    events = pt.Events.from_frame(table, context=context)
    told = one(look(table), name)
    found = look(events)
    same = one(found, name)
    assert (same.rows, same.users, same.items) == (told.rows, told.users, told.items)
    assert same.severity == told.severity
    assert mended(found, same, events=events) < same.rows
    data = pt.Dataset.from_events(events)
    of_data = look(data)
    again = one(of_data, name)
    assert (again.rows, again.users, again.items) == (told.rows, told.users, told.items)
    assert mended(of_data, again, data=data) < again.rows


@settings(max_examples=8)
@given(st.sampled_from(sorted(PLANTED)), st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(what: str, seed: int) -> None:
    _, plant, _, much = PLANTED[what]
    table = plant(clean(), much)
    first = look(table)
    second = look(table.sample(fraction=1, shuffle=True, seed=seed))
    assert first.findings == second.findings
    assert first.numbers() == second.numbers()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 130)), min_size=1, max_size=40))
def test_bursts_are_those_of_the_definition(rows: list[tuple[int, int]]) -> None:
    """Each row stands for fifty; the window is a minute."""
    many = [(user, START + second) for user, second in rows for _ in range(50)]
    table = {"user": [u for u, _ in many], "item": list(range(len(many))),
             "time": [t for _, t in many]}  # fmt: skip
    found = [f for f in look(table).findings if f.name == "bursts"]
    expected = hasty(many, BURST, 60)
    assert (found[0].users if found else 0) == len(expected)


@pytest.mark.parametrize(("apart", "told"), [(59, True), (60, False)])
def test_a_burst_is_less_than_a_minute_long(apart: int, told: bool) -> None:
    time = [START] * 51 + [START + apart] * 50
    table = {"user": [1] * 101, "item": list(range(101)), "time": time}
    assert ("bursts" in names(look(table))) is told


def test_the_busiest_are_named_first() -> None:
    user = np.repeat([4, 2, 9, 7], [110, 150, 130, 110])
    n = np.arange(len(user))
    found = one(look({"user": user, "item": n, "time": START + 9999 * user + n % 50}), "bursts")
    assert found.examples == (2, 9, 4, 7)
    assert "up to 150" in found.sentence
    assert "Users: 2, 9, 4, …" in found.sentence


def test_one_row_at_another_time_is_no_history_of_one_instant() -> None:
    table = instant(clean(), 1)
    first = (pl.col("user") == 0) & (
        pl.col("item") == pl.col("item").filter(pl.col("user") == 0).min()
    )
    other = pl.when(first).then(START + 77).otherwise(TIME)
    assert "one instant" in names(look(table))
    assert "one instant" not in names(look(table.with_columns(timestamp=other)))


def test_now_is_not_in_the_future() -> None:
    table = {"user": [1, 2], "item": [1, 1], "time": [NOW // 10**6 - 5, NOW // 10**6]}
    assert "times in the future" not in names(look(table))
    assert one(pt.inspect(table, now=NOW - 1), "times in the future").rows == 1


def test_items_without_a_description() -> None:
    table = clean()
    items = pl.DataFrame({"item": range(40), "title": [f"t{n}" for n in range(40)]})
    assert look(table, items=items).findings == ()
    fewer = items.head(38)
    found = look(table, items=fewer)
    finding = one(found, "items without a description")
    assert finding.items == 2
    assert finding.rows == table.filter(pl.col("item") >= 38).height
    assert mended(found, finding, table=table, items=fewer) == 0
    blank = items.with_columns(title=pl.when(pl.col("item") < 39).then("title"))
    assert one(look(table, items=blank), "items without a description").items == 1
    data = pt.Dataset.of(table, items=fewer)
    assert one(look(data), "items without a description").items == 2
    twice = look(table, items=pl.concat([items, items.head(1)]))
    assert one(twice, "items described twice").examples == (0,)
    assert one(twice, "items described twice").mend == (
        'pt.Dataset.from_events(events, items=items.unique("item", keep="first"))'
    )
    other = look(table, items=items.with_columns(text("item")))
    assert "318 and '318'" in one(other, "item table of other ids").sentence
    who = pl.DataFrame({"user": range(119), "age": range(119)})
    assert one(look(table, users=who), "users without a description").users == 1


def test_a_mend_names_only_what_stands_above_it(tmp_path: Path) -> None:
    """Calls run with nothing but penchant and the lines that the inspection gives."""
    table = clean().with_columns(rating=pl.when(ROW < 3).then(99.0).otherwise(VALUE))
    table.write_csv(tmp_path / "ratings.csv")
    for described in (38, 15):  # few are named, many are looked up
        items = pl.DataFrame({"item": range(described), "title": "t"})
        items.write_csv(tmp_path / "items.csv")
        found = look(tmp_path / "ratings.csv", items=tmp_path / "items.csv")
        known: dict[str, Any] = {"pt": pt}
        for line in found.first:
            name, call = line.split(" = ", 1)
            known[name] = eval(call, known)
        finding = one(found, "items without a description")
        assert ("DropValues" in str(finding.mend)) == (described == 38)
        assert one(found, "values off the scale").mend == (
            'pt.prepare(events, [pt.DropValues(among=(99.0,), kind="rating")])'
        )
        for each in found.findings:
            assert each.mend is not None
            eval(each.mend, known)
    assert found.first[1] in str(found)
    assert found.first[1] in Page(report(found)).text


def test_days_only() -> None:
    assert names(look(days(clean(), 5))) == []
    assert names(look(days(clean(), 60))) == ["days only"]


def test_a_scale_whose_ends_are_rare_has_no_strays() -> None:
    stars = np.repeat(np.arange(1, 11), [1, 4, 30, 90, 200, 300, 250, 100, 15, 3])
    n = np.arange(len(stars))
    table = {
        "user": n % 50,
        "item": n // 50 + n % 7,
        "rating": np.random.default_rng(0).permutation(stars),
    }
    assert "values off the scale" not in names(look(table))


def test_times_that_cannot_be_read_are_said_and_the_rest_is_looked_at() -> None:
    table = clean().with_columns(timestamp=pl.lit("soon"))
    found = look(table)
    assert [f.severity for f in found.findings if f.name == "rows that cannot be used"] == ["high"]
    assert found.rows == len(table)
    assert found.times is None
    assert len(eval(found.reading, {"pt": pt, "table": table})) == len(table)


def test_rows_without_a_user_are_counted_and_left_out() -> None:
    table = clean().with_columns(user=pl.when(pl.col("user") == 3).then(None).otherwise("user"))
    found = look(table)
    finding = one(found, "rows that cannot be used")
    assert finding.rows == 15
    assert "without a user" in finding.sentence
    assert found.users == 119
    assert mended(found, finding, table=table) == 0
