"""prepare's report and errors, replaying on new rows, restoring the scale, saving and loading."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

import penchant as pt
from penchant.preparation import keeping
from penchant.preparation.step import Outcome, Step

TABLE = {
    "user": ["ann", "ann", "ann", "bob", "bob", "cid"],
    "item": ["tea", "cup", "pot", "tea", "cup", "tea"],
    "rating": [1.0, 3.0, 5.0, 4.0, 5.0, None],
    "time": [10, 20, 30, 10, 20, 30],
    "device": ["tv", None, "tv", "phone", " ", "tv"],
    "price": [1.0, None, 3.0, 1.0, 5.0, None],
}


def events(**columns) -> pt.Events:
    return pt.Events.from_frame(TABLE | columns, context=("device", "price"))


def test_the_report_has_a_row_a_step_and_the_reading_says_the_same():
    found = pt.prepare(events(), [pt.DropMissing(), pt.KCore(users=2, items=2), pt.Normalise()])
    assert found.report.drop("why").rows() == [
        ("DropMissing(columns=('value',))", 6, 5, 3, 2, 3, 3, 0),
        ("KCore(users=2, items=2)", 5, 4, 2, 2, 3, 2, 0),
        ("Normalise(how='z_score', by='user')", 4, 4, 2, 2, 2, 2, 4),
    ]
    assert found.report["why"].to_list() == [
        "1 row without a value",
        "1 row of users with fewer than 2 items and items with fewer than 2 users, in 1 round",
        "less the mean, by the standard deviation of each user",
    ]
    lines = pt.Dataset.from_events(found.events).reading.lines()
    assert any("left out 2 rows: 1 by DropMissing" in line for line in lines)
    assert any("Normalise(how='z_score', by='user') changed 4 rows" in line for line in lines)


def test_what_is_printed_is_the_report():
    found = pt.prepare(events(), [pt.DropMissing(), pt.KCore(users=2, items=2)])
    assert str(found).splitlines()[:2] == [
        "DropMissing(columns=('value',)): 1 row without a value",
        "    leaves 5 of 6 rows, 2 users, 3 items",
    ]
    assert repr(found).startswith("<Prepared: DropMissing(columns=('value',)), KCore(users=2,")
    assert str(pt.prepare(events(), [])) == "no steps"


def test_events_stay_as_they_were_and_so_do_their_columns():
    before = events()
    copy = before.frame.clone()
    found = pt.prepare(before, [pt.ClipValues(low=2)])
    assert before.frame.equals(copy, null_equal=True)
    assert found.events.frame.schema == before.frame.schema
    assert found.events.frame.columns == before.frame.columns


def test_no_steps_change_nothing():
    found = pt.prepare(events(), [])
    assert found.events.frame.equals(events().frame, null_equal=True)
    assert found.report.height == 0
    assert found.report.columns[:3] == ["step", "rows_before", "rows"]


def test_uuids_and_integers_keep_their_type():
    import uuid

    ids = [uuid.UUID(int=n) for n in (5, 5, 7)]
    table = {"user": [3, 3, 4], "item": ids, "rating": [1, 2, 3]}
    frame = pt.prepare(table, [pt.Deduplicate()]).events.frame
    assert frame["item"].to_list() == [ids[0].bytes, ids[2].bytes]
    assert frame["user"].to_list() == [3, 4]


def test_impute_fills_circumstances():
    frame = pt.prepare(events(), [pt.Impute(column="device", by="mode")]).events.frame
    assert frame["device"].to_list() == ["tv", "tv", "tv", "phone", "tv", "tv"]
    frame = pt.prepare(events(), [pt.Impute(column="price", by="item")]).events.frame
    assert frame["price"].to_list() == [1.0, 5.0, 3.0, 1.0, 5.0, 1.0]
    steps = [
        pt.Impute(column="price", by="constant", constant=9.5),
        pt.Impute(column="device", by="constant", constant="none"),
    ]
    frame = pt.prepare(events(), steps).events.frame
    assert frame["price"].to_list() == [1.0, 9.5, 3.0, 1.0, 5.0, 9.5]
    assert frame["device"].to_list() == ["tv", "none", "tv", "phone", "none", "tv"]


def test_the_values_of_one_kind_are_meant():
    table = {
        "user": [1, 1, 2, 2],
        "item": ["a", "a", "a", "a"],
        "kind": ["rating", "view", "rating", "view"],
        "value": [4.0, 300.0, 2.0, 20.0],
    }
    with pytest.raises(
        pt.BadParameter, match=r"ClipValues.kind: rows of several kinds .* rating, view"
    ):
        pt.prepare(table, [pt.ClipValues(high=60)])
    with pytest.raises(
        pt.BadParameter, match=r"Normalise.kind: no row of kind 'buy' records a value"
    ):
        pt.prepare(table, [pt.Normalise(kind="buy")])
    found = pt.prepare(table, [pt.ClipValues(high=60, kind="view")])
    assert found.events.frame["value"].to_list() == [4.0, 60.0, 2.0, 20.0]
    other = {"user": [7], "item": ["a"], "kind": ["view"], "value": [500.0]}
    assert found.replay(other).events.frame["value"].to_list() == [60.0]


@pytest.mark.parametrize(
    ("step", "left", "why"),
    [
        (pt.DropValues(among=[5]), [0, 1, 3, 5], "2 rows with a value one of 5"),
        (pt.DropValues(low=2, high=4, among=(3,)), [3, 5],
         "1 row with a value below 2, 2 rows with a value above 4, 1 row with a value one of 3"),
        (pt.DropValues(column="user", among=("ann", "zoe")), [3, 4, 5],
         "3 rows with a user one of 'ann', 'zoe'"),
        (pt.DropValues(column="item", among=("tea",), kind="view"), [0, 1, 2, 3, 4, 5], "no row"),
        (pt.DropValues(column="time", among=("1970-01-01T00:00:10",)), [1, 2, 4, 5],
         "2 rows with a time one of '1970-01-01T00:00:10'"),
        (pt.DropValues(column="device", among=("tv",)), [1, 3, 4],
         "3 rows with a device one of 'tv'"),
        (pt.DropValues(column="price", high=3, among=(3,)), [0, 1, 3, 5],
         "1 row with a price above 3, 1 row with a price one of 3"),
    ],
    ids=repr,
)  # fmt: skip
def test_rows_go_by_one_entry(step, left, why, tmp_path):
    found = pt.prepare(events(), [step])
    assert found.events.frame.equals(events().frame[left], null_equal=True)
    assert found.report["why"].to_list() == [why]
    assert sum(found.events.reading.dropped.values()) == 6 - len(left)
    found.save(tmp_path / "steps")
    again = pt.Preparation.load(tmp_path / "steps").replay(events())
    assert again.events.frame.equals(found.events.frame, null_equal=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "among must name what goes"),
        ({"low": 3, "high": 2}, "high must be at least low, 3"),
        ({"among": (math.nan,)}, "among must hold numbers or texts"),
        ({"among": (True,)}, "among must hold numbers or texts"),
        ({"among": ("NA",)}, "among must hold numbers"),
        ({"among": ("NA", 3), "column": "user"}, "among must hold numbers only, or texts only"),
        ({"among": ("soon",), "column": "time"}, "among must hold moments"),
        ({"low": 3, "column": "time"}, "low must be None for times"),
        ({"high": 3, "column": "user"}, "high must be None for users"),
        ({"low": 3, "column": "device"}, "column must hold numbers, not String"),
        ({"among": (3,), "column": "device"}, "among must hold what 'device' holds, String"),
        ({"among": ("x",), "column": "price"}, "among must hold what 'price' holds, Float64"),
        ({"among": ("x",), "column": "colour"}, "column 'colour' does not exist"),
    ],
    ids=repr,
)
def test_what_goes_is_checked(fields, message):
    with pytest.raises(pt.BadParameter, match=message):
        pt.prepare(events(), [pt.DropValues(**fields)])


def test_ids_that_are_spelt_otherwise_become_one():
    table = {
        "user": ["Ann", " ann", "ann", "Ann", "Bo"],
        "item": ["a", "a", "A", "a", "a"],
    }
    found = pt.prepare(table, [pt.CleanIds(), pt.Deduplicate()])
    assert found.events.frame.select("user", "item").rows() == [("Ann", "a"), ("Bo", "a")]
    assert found.report["changed"][0] == 2
    assert found.report["users"].to_list() == [2, 2]
    assert found.report["why"][0] == "2 user ids spelt otherwise, 1 item id spelt otherwise"
    again = found.replay({"user": ["ANN ", "cy", "Cy", "cy"], "item": ["a", "b", "b", "A"]})
    assert again.events.frame.select("user", "item").rows() == [
        ("Ann", "a"), ("cy", "b"), ("cy", "a")
    ]  # fmt: skip
    only = pt.prepare(table, [pt.CleanIds(spelling="trimmed", of="user")]).events.frame
    assert only["user"].to_list() == ["Ann", " ann", " ann", "Ann", "Bo"]
    assert only["item"].to_list() == table["item"]


def test_a_replay_uses_what_was_learned_and_says_what_is_new():
    steps = [pt.Impute(by="item"), pt.ClipValues(quantiles=(0, 0.5)), pt.Normalise(how="centre")]
    found = pt.prepare(events(), steps)
    new = {
        "user": ["ann", "zoe"], "item": ["tea", "jug"], "rating": [None, 50.0], "time": [1, 2],
        "device": ["tv", "tv"], "price": [1.0, 1.0],
    }  # fmt: skip
    again = found.replay(pt.Events.from_frame(new, context=("device", "price")))
    # tea has mean 2.5; half of 1, 3, 5, 4, 5, 2.5 lies below 3.5; ann's mean is then 2.5.
    known = found.learned[2]["user"].filter(pl.col("user") == "ann")["centre"].item()
    assert known == pytest.approx((1 + 3 + 3.5) / 3)
    overall = found.learned[2]["overall"]["centre"].item()
    assert again.events.frame["value"].to_list() == pytest.approx([2.5 - known, 3.5 - overall])
    assert again.report["why"][2].endswith("; 1 user not known, taken as all are")
    assert again.steps == found.steps


def test_a_replay_leaves_out_robots_and_what_is_outside_of_the_core():
    table = {
        "user": [1] * 5 + [2, 2, 3, 3], "item": [*"abcde", *"abab"],
        "time": [*range(5), 10, 500, 20, 700],
    }  # fmt: skip
    steps = [pt.DropRobots(burst=3), pt.KCore(users=2, items=2)]
    found = pt.prepare(table, steps)
    assert sorted(set(found.events.frame["user"])) == [2, 3]
    new = {
        "user": [1, 2, 2, 9, 9, 9, 9, 3],
        "item": [*"aacabcda"],
        "time": [1, 1, 500, *range(4), 9],
    }
    again = found.replay(new)
    assert again.events.frame.select("user", "item").rows() == [(2, "a"), (3, "a")]
    assert again.report["why"][0] == (
        "1 user with more than 3 events within 60s, 0 users with more than 1,000 events within "
        "1d, 1 user known as robots"
    )
    assert again.report["why"][1] == "0 rows of users and 1 row of items outside of the core"
    nobody = found.replay({"user": [77], "item": ["zz"]})
    assert len(nobody.events) == 0
    with pytest.raises(pt.Incompatible, match="asked for"):
        found.replay({"user": ["2"], "item": ["a"]})


@pytest.mark.parametrize("how", ["centre", "z_score", "min_max"])
@pytest.mark.parametrize("by", ["all", "user", "item"])
def test_restore_is_the_inverse(how, by):
    found = pt.prepare(events(), [pt.DropMissing(), pt.Normalise(how=how, by=by)])
    table = found.events.frame.select("user", "item", prediction="value")
    assert found.restore(table)["prediction"].to_list() == pytest.approx([1, 3, 5, 4, 5])
    stranger = {"user": ["zoe"], "item": ["jug"], "prediction": [0.0]}
    centre = found.learned[1]["overall"]["centre"].item()
    assert found.restore(stranger)["prediction"].item() == pytest.approx(centre)


def test_restore_goes_back_through_every_scale_in_reverse():
    steps = [pt.DropMissing(), pt.Normalise(by="item", how="centre"), pt.Normalise(how="min_max")]
    found = pt.prepare(events(), steps)
    table = found.events.frame.select("user", "item", prediction="value")
    assert found.restore(table)["prediction"].to_list() == pytest.approx([1, 3, 5, 4, 5])
    gaps = {"user": ["ann"], "item": ["tea"], "prediction": [None]}
    assert math.isnan(found.restore(gaps)["prediction"].item())


def test_ids_are_restored_in_any_spelling():
    table = {"user": ["Ann", "ann ", "Ann", "bo"], "item": ["a", "b", "c", "A"],
             "rating": [1.0, 3.0, 5.0, 4.0]}  # fmt: skip
    found = pt.prepare(table, [pt.CleanIds(), pt.Normalise(how="centre", by="user")])
    asked = {"user": ["Ann", " ANN", "BO", "zoe"], "item": ["a"] * 4, "prediction": [0.0] * 4}
    again = found.restore(asked)
    assert again["prediction"].to_list() == pytest.approx([3, 3, 4, 13 / 4])
    assert again["user"].to_list() == asked["user"]
    late = pt.prepare(table, [pt.Normalise(how="centre", by="user"), pt.CleanIds()])
    other = {"user": ["ann "], "item": ["a"], "prediction": [0.0]}
    assert late.restore(other)["prediction"].to_list() == [3.0]
    of_items = pt.prepare(table, [pt.CleanIds(of="item"), pt.Normalise(how="centre", by="item")])
    other = {"user": ["x"], "item": [" A "], "prediction": [0.0]}
    assert of_items.restore(other)["prediction"].to_list() == [2.5]
    many = {"user": ["ANN"] * 2000, "item": ["a"] * 2000, "prediction": [0.0] * 2000}
    assert set(found.restore(many)["prediction"]) == {3.0}


def test_a_replay_on_other_kinds_says_so():
    found = pt.prepare(events(), [pt.Deduplicate(), pt.ClipValues(high=4), pt.DropMissing()])
    views = events(kind=["view"] * 6)
    again = found.replay(views)
    missing = "no row is of kind 'rating'; there are 'view'"
    assert again.report["why"][1] == f"0 values lowered to 4; {missing}"
    assert f"ClipValues(high=4): {missing}" in again.events.reading.lines()
    assert missing not in str(found.replay(events()))
    scaled = pt.prepare(events(), [pt.ClipValues(high=4), pt.Normalise()])
    with pytest.raises(pt.Incompatible, match=f"none of the steps applies: {missing}"):
        scaled.replay(views)
    one = pt.prepare(events(), [pt.DropMissing(kind="rating"), pt.Deduplicate()]).replay(views)
    assert missing in one.report["why"][0]


def test_a_path_is_read(tmp_path):
    file = tmp_path / "ratings.csv"
    file.write_text("user,item,stars\nann,tea,9\n")
    for path in (file, str(file)):
        found = pt.prepare(path, [pt.ClipValues(high=5)], value="stars")
        assert found.events.frame["value"].to_list() == [5.0]
        assert found.events.reading.source == "ratings.csv"
        assert len(found.replay(path).events) == 1


def test_what_cannot_be_restored_is_said():
    found = pt.prepare(events(), [pt.Normalise(), pt.Binarise(at=0, below="zero")])
    pair = {"user": ["ann"], "item": ["tea"]}
    with pytest.raises(pt.Incompatible, match=r"Binarise\(at=0, below='zero'\) cannot be undone"):
        found.restore(pair | {"prediction": [1.0]})
    with pytest.raises(pt.BadEvents, match="no column 'prediction' among user, item"):
        found.restore(pair)
    with pytest.raises(pt.BadEvents, match="column 'prediction' holds String, not numbers"):
        pt.prepare(events(), [pt.Normalise()]).restore(pair | {"prediction": ["x"]})


@pytest.mark.parametrize(("learned", "met"), [(["a", "b"], [1, None]), ([1, 2], ["a", None])])
def test_a_circumstance_of_another_type_is_not_filled_in(learned, met):
    table = {"user": [1, 2], "item": [1, 2]}
    found = pt.prepare(table | {"at": learned}, [pt.Impute(column="at", by="mode")], context=["at"])
    with pytest.raises(pt.Incompatible, match=r"Impute.column: 'at' holds .* was learned from"):
        found.replay(table | {"at": met}, context=["at"])
    nested = table | {"at": [["a"], None]}
    with pytest.raises(pt.BadParameter, match=r"Impute\.column must hold single entries, not List"):
        pt.prepare(nested, [pt.Impute(column="at", by="mode")], context=["at"])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: pt.KCore(users=0), r"KCore.users must be at least 1, got 0"),
        (lambda: pt.KCore(items=2.5), r"KCore.items must be a whole number, got 2.5"),
        (lambda: pt.Deduplicate(keep="best"), r"Deduplicate.keep must be one of 'first', .*'best'"),
        (lambda: pt.DropMissing(columns="value"), r"DropMissing.columns must be a tuple"),
        (lambda: pt.DropMissing(columns=()), r"DropMissing.columns must name one column or more"),
        (lambda: pt.Between(), r"Between.start must be a moment, or end, got None"),
        (lambda: pt.Between(start="soon"), r"Between.start must be a moment such as .* got 'soon'"),
        (lambda: pt.Between(start="2024-02-01", end="2024-01-01"), r"Between.end must be later"),
        (lambda: pt.ClipValues(), r"ClipValues.quantiles must be given if neither low nor high is"),
        (lambda: pt.ClipValues(low=1, quantiles=(0, 1)), r"ClipValues.quantiles must be given if"),
        (lambda: pt.ClipValues(low=5, high=1), r"ClipValues.high must be at least low, 5, got 1"),
        (lambda: pt.ClipValues(low=math.nan), r"ClipValues.low must be a finite number"),
        (lambda: pt.ClipValues(quantiles=(0.9, 0.1)), r"ClipValues.quantiles must be two shares"),
        (lambda: pt.ClipValues(quantiles=(1, 99)), r"ClipValues.quantiles must be two shares"),
        (lambda: pt.DropRobots(burst=None, per_day=None), r"DropRobots.burst must be a number, or"),
        (lambda: pt.DropRobots(window="soon"), r"a duration is written like .* got 'soon'"),
        (lambda: pt.DropRobots(burst=0), r"DropRobots.burst must be at least 1, got 0"),
        (lambda: pt.DropOutliers(spread=0), r"DropOutliers.spread must be a positive number"),
        (lambda: pt.Impute(by="constant"), r"Impute.constant must be given with by='constant'"),
        (lambda: pt.Impute(constant=3), r"Impute.constant must be given with by='constant'"),
        (lambda: pt.Impute(by="constant", constant="x"), r"Impute.constant must be a number for"),
        (lambda: pt.Impute(column="price", kind="rating"), r"Impute.kind must be None for .*price"),
        (lambda: pt.Normalise(how="rank"), r"Normalise.how must be one of 'centre', .*'rank'"),
        (lambda: pt.CleanIds(spelling="exact"), r"CleanIds.spelling must be one of 'trimmed', "),
    ],
)  # fmt: skip
def test_bad_parameters_are_named_on_construction(make, complaint):
    with pytest.raises(pt.BadParameter, match=complaint):
        make()


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (pt.DropMissing(columns=["prise"]), r"DropMissing.columns: column 'prise' does not exist; "
         r"the columns are value, time, session, device, price. Did you mean price"),
        (pt.Impute(column="cost"), r"Impute.column: column 'cost' does not exist; the columns are"),
        (pt.Impute(column="time"), r"Impute.column must be 'value' or a circumstance"),
        (pt.Impute(column="device"), r"Impute.by must be 'mode' or 'constant' for 'device', which"),
        (pt.Impute(column="device", by="constant", constant=1), r"Impute.constant must be a text"),
        (pt.Impute(column="price", by="constant", constant="x"), r"Impute.constant must be "),
        ("KCore", r"steps are values such as KCore\(users=5, items=5\), got 'KCore'"),
        (pt.KCore, r"steps are values such as .*got <class"),
    ],
)  # fmt: skip
def test_steps_that_do_not_fit_the_events_are_named(step, complaint):
    with pytest.raises(pt.BadParameter, match=complaint):
        pt.prepare(events(), [step])


def test_a_step_that_leaves_nothing_is_named():
    with pytest.raises(
        pt.BadEvents, match=r"KCore\(users=9, items=5\) leaves none of 6 rows: 6 rows"
    ):
        pt.prepare(events(), [pt.KCore(users=9)])
    huge = {"user": [1, 1], "item": ["a", "a"], "rating": [3e38, 3e38]}
    with pytest.raises(pt.BadEvents, match=r"Deduplicate\(keep='sum'\) makes values too large"):
        pt.prepare(huge, [pt.Deduplicate(keep="sum")])
    with pytest.raises(pt.BadParameter, match="those that record values are none"):
        pt.prepare({"user": [1], "item": [2]}, [pt.Normalise()])
    with pytest.raises(pt.BadParameter, match=r"Events have their columns already; got user"):
        pt.prepare(events(), [], user="user")


def test_moments_and_numbers_of_numpy_are_taken():
    moment = datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC)
    assert len(pt.prepare(events(), [pt.Between(start=moment)]).events) == 4
    assert pt.KCore(users=np.int64(2)) == pt.KCore(users=2)
    assert dataclasses.asdict(pt.ClipValues(quantiles=[0.1, 0.9]))["quantiles"] == (0.1, 0.9)


EVERY = [
    pt.CleanIds(), pt.Deduplicate(keep="mean"), pt.Impute(column="device", by="mode"),
    pt.Impute(by="biases"), pt.Between(end="2030-01-01"), pt.DropMissing(columns=["value"]),
    pt.ClipValues(quantiles=(0.01, 0.9)), pt.DropOutliers(spread=9),
    pt.DropValues(high=5, among=(4.5,)), pt.DropRobots(),
    pt.KCore(users=1, items=1), pt.Normalise(by="item"), pt.Binarise(at=-9.0, below="zero"),
]  # fmt: skip


def test_a_replay_may_be_left_with_nothing():
    found = pt.prepare(events(), [pt.KCore(users=1, items=1), *EVERY])
    new = {name: column[:1] for name, column in TABLE.items()} | {"user": ["zoe"]}
    again = found.replay(pt.Events.from_frame(new, context=("device", "price")))
    assert again.report["rows"].to_list() == [0] * (1 + len(EVERY))
    assert again.events.frame.schema == found.events.frame.schema


def test_a_saved_preparation_replays_the_same(tmp_path):
    assert {type(step) for step in EVERY} == set(keeping.STEPS)
    found = pt.prepare(events(), EVERY)
    found.save(tmp_path / "steps")
    loaded = pt.Preparation.load(tmp_path / "steps")
    assert loaded.steps == tuple(EVERY)
    again = loaded.replay(events())
    assert again.events.frame.equals(found.events.frame, null_equal=True)
    content = json.loads((tmp_path / "steps" / "manifest.json").read_text())
    assert content["format"] == "penchant preparation"


def test_what_is_saved_is_replaced_only_if_asked_and_only_if_it_is_ours(tmp_path):
    found = pt.prepare(events(), [pt.KCore(users=1, items=1)])
    path = tmp_path / "steps"
    found.save(path)
    with pytest.raises(pt.BadParameter, match="holds a preparation already; pass overwrite=True"):
        found.save(path)
    found.save(path, overwrite=True)
    with pytest.raises(pt.BadParameter, match="save replaces a penchant model and nothing else"):
        pt.save(pt.Popularity().fit(pt.datasets.planted()), path, overwrite=True)
    (path / "notes.txt").write_text("mine")
    with pytest.raises(pt.BadParameter, match=r"notes.txt, which save did not write"):
        found.save(path, overwrite=True)


def test_what_is_damaged_or_foreign_is_refused(tmp_path):
    found = pt.prepare(events(), [pt.KCore(users=1, items=1)])
    path = tmp_path / "steps"
    with pytest.raises(pt.BadArtifact, match="there is nothing at"):
        pt.Preparation.load(path)
    found.save(path)
    with pytest.raises(pt.BadArtifact, match="not that of a penchant model"):
        pt.load(path)
    whole = (path / "0-users.arrow").read_bytes()
    (path / "0-users.arrow").write_bytes(whole[:-1] + b"!")
    with pytest.raises(pt.BadArtifact, match=r"0-users.arrow is damaged"):
        pt.Preparation.load(path)
    (path / "0-users.arrow").write_bytes(whole[:9])
    with pytest.raises(pt.BadArtifact, match=r"is truncated or damaged"):
        pt.Preparation.load(path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halve(Step):
    """A step of one's own."""

    by: float = 2.0

    def run(self, rows, learned):
        halved = dataclasses.replace(rows, value=rows.value / self.by)
        return Outcome(halved, "halved", changed=len(rows))


def test_own_steps_are_handed_to_load(tmp_path):
    found = pt.prepare(events(), [Halve(by=4.0)])
    found.save(tmp_path / "steps")
    with pytest.raises(pt.BadArtifact, match=r"a step 'Halve' that penchant does not know"):
        pt.Preparation.load(tmp_path / "steps")
    loaded = pt.Preparation.load(tmp_path / "steps", known=(Halve,))
    assert loaded.replay(events()).events.frame["value"][0] == 0.25


def test_on_movielens_nothing_is_lost_uncounted(movielens):
    h = movielens.histories
    table = {"user": h.person(), "item": h.item, "rating": h.value, "time": h.time}
    steps = [
        pt.Deduplicate(),
        pt.ClipValues(low=1, high=5),
        pt.DropRobots(),
        pt.KCore(),
        pt.Normalise(),
    ]
    found = pt.prepare(table, steps)
    data = pt.Dataset.from_events(found.events)
    assert len(data) + sum(data.reading.dropped.values()) == len(movielens)
    assert data.histories.lengths[data.histories.lengths > 0].min() >= 5
    assert np.unique(data.histories.item, return_counts=True)[1].min() >= 5
    sums = np.bincount(data.histories.person(), data.histories.value)
    assert np.abs(sums).max() < 1e-3
