from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import naive_features
import penchant as pt
from penchant.errors import BadEvents, BadParameter, Incompatible
from penchant.features import before_each, of_items, of_users
from penchant.kernels import threads

DAY = 86_400 * 10**6
GENRES = {"a": {"war"}, "b": {"war", "love"}, "c": {"love", "noir"}, "d": set()}
ITEMS = pl.DataFrame(
    {"item": list(GENRES), "genres": ["|".join(sorted(GENRES[i])) or None for i in GENRES]}
)
WEIGHTS = {"view": 0.5, "purchase": 3.0}
FEEDBACK = pt.Feedback(weights=WEIGHTS, half_life="2d")

events = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["ann", "bob", "cid"]),
        "item": st.sampled_from(list(GENRES)),
        "time": st.integers(-1, 12).map(lambda half: -1 if half < 0 else half * DAY // 2),
        "kind": st.sampled_from(["rating", "rating", "view", "purchase", "hide"]),
        "value": st.sampled_from([1.0, 2.5, 4.0, None]),
    }
)
logs = st.lists(events, min_size=1, max_size=25)


def dataset(log):
    """The events as a dataset whose histories hold them in this order; time -1: unknown."""
    log = sorted(log, key=lambda e: (e["user"], e["time"]))
    frame = pl.DataFrame(log, schema_overrides={"value": pl.Float64})
    times = pl.from_epoch(frame["time"].clip(0), time_unit="us")
    data = pt.Dataset.of(frame.with_columns(time=times), items=ITEMS, feedback=FEEDBACK)
    time = np.array([e["time"] for e in log])
    data = replace(data, histories=replace(data.histories, time=time))
    assert data.items.decode(data.histories.item) == [e["item"] for e in log]
    return log, data


def close(frame, rows):
    assert frame.columns == list(rows[0])
    for name in frame.columns:
        expected = [row[name] for row in rows]
        assert frame[name].to_list() == [
            None if e is None else pytest.approx(e, abs=1e-9) for e in expected
        ], name


@settings(max_examples=50)
@given(logs)
def test_what_came_before_each_event_is_the_naive_answer(log):
    log, data = dataset(log)
    if data.until < 0:
        with pytest.raises(BadEvents, match="no event has a time"):
            before_each(data)
        return
    rows = [
        naive_features.person_before(log, e["user"], e["time"], GENRES)
        | naive_features.item_before(log, e["item"], e["time"], WEIGHTS, 2, 10)
        for e in log
    ]
    rows = [row if e["time"] >= 0 else dict.fromkeys(row) for e, row in zip(log, rows, strict=True)]
    close(before_each(data), rows)


@settings(max_examples=50)
@given(logs, st.integers(0, 14))
def test_what_everybody_was_like_at_a_moment_is_the_naive_answer(log, half):
    log, data = dataset(log)
    now = half * DAY // 2
    people = of_users(data, now)
    assert people["user"].to_list() == list(data.users)
    close(
        people.drop("user"),
        [naive_features.person_before(log, user, now, GENRES) for user in data.users],
    )
    things = of_items(data, now, prior=3)
    assert things["item"].to_list() == list(data.items)
    close(
        things.drop(ITEMS.columns),
        [naive_features.item_before(log, i, now, WEIGHTS, 2, 3) for i in data.items],
    )


@settings(max_examples=50)
@given(logs)
def test_a_person_as_of_an_event_is_as_before_that_event(log):
    _, data = dataset([e for e in log if e["time"] >= 0] or [log[0] | {"time": 0}])
    each, h = before_each(data), data.histories
    for row in range(0, len(data), 3):
        now = int(h.time[row])
        person, thing = (
            of_users(data, now)[int(h.person()[row])],
            of_items(data, now)[int(h.item[row])],
        )
        mine = person.drop("user").hstack(thing.drop(ITEMS.columns))
        assert mine.equals(each[row])


def changed_by_the_future(features, data, moment, keep, values):
    """Whether a feature of an event up to a moment changes if later or simultaneous ones do.

    Later and simultaneous events are left out unless ``keep``, and their ratings changed to
    ``values``. (Read backwards, those left out were added.) The last of those at the moment stays.
    """
    h = data.histories
    future = h.time >= moment
    look = np.zeros(len(data), bool)
    look[np.flatnonzero(h.time == moment)[-1]] = True
    stays = ~future | keep | look
    other = replace(data, histories=replace(h, value=np.where(future, values, h.value)))
    mine = features(data).filter(~future | look)
    theirs = features(other.where(stays)).filter((~future | look)[stays])
    return not mine.equals(theirs)


futures = st.data()


def drawn(data, draws):
    n = len(data)
    moment = draws.draw(st.sampled_from(data.histories.time[data.histories.time >= 0].tolist()))
    keep = np.array(draws.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    values = draws.draw(st.lists(st.sampled_from([1.0, 5.0, np.nan]), min_size=n, max_size=n))
    return moment, keep, np.array(values, np.float32)


@settings(max_examples=50)
@given(logs, futures)
def test_nothing_at_or_after_a_moment_changes_a_feature_of_that_moment(log, draws):
    _, data = dataset(log)
    assume(data.until >= 0)
    moment, keep, values = drawn(data, draws)
    assert not changed_by_the_future(before_each, data, moment, keep, values)
    h = data.histories
    before = data.where(h.time < moment)
    for features in (of_users, of_items):
        assert features(data, moment).equals(features(before, moment))


def plain(data):
    h = data.histories
    return pl.DataFrame({"user": h.person(), "time": h.time, "value": np.nan_to_num(h.value)})


def mean_of_everything(data):
    return plain(data).select(pl.col("value").mean().over("user"))


def mean_of_the_others(data):
    value, n = pl.col("value"), pl.len().over("user")
    return plain(data).select((value.sum().over("user") - value) / n)


def mean_so_far_with_ties(data):
    """By place: of events with one time, the second knows the first."""
    value = pl.col("value")
    before = value.cum_sum().over("user") - value
    return plain(data).select(before / (pl.col("value").cum_count().over("user")))


@pytest.mark.parametrize("leaky", [mean_of_everything, mean_of_the_others, mean_so_far_with_ties])
def test_a_leak_is_caught(leaky):
    """Planted: the next rating is high, or missing, or was not made."""
    log = [
        {"user": "ann", "item": "a", "time": day * DAY, "kind": "rating", "value": 2.0}
        for day in (0, 1, 1, 2)
    ]
    _, data = dataset(log)
    unchanged, changed = np.full(4, 2, np.float32), np.array([2, 5, 2, 5], np.float32)
    everything, nothing = np.ones(4, bool), np.zeros(4, bool)
    planted = [(everything, changed), (nothing, unchanged), (nothing, changed)]
    caught = [changed_by_the_future(leaky, data, DAY, *future) for future in planted]
    assert any(caught)
    assert not any(changed_by_the_future(before_each, data, DAY, *future) for future in planted)


def test_numbers_by_hand():
    day = "2024-03-0{}T00:00:00".format
    data = pt.Dataset.of(
        {
            "user": ["ann"] * 4 + ["bob"],
            "item": ["a", "b", "a", "b", "a"],
            "event": ["rating", "rating", "view", "rating", "rating"],
            "rating": [1.0, 4.0, None, 5.0, 3.0],
            "time": [day(1), day(2), day(4), day(4), day(4)],
        },
        items=ITEMS,
        feedback=pt.Feedback(weights={"view": 0.5}),
    )
    last = before_each(data, prior=2)[3]
    # Before the fourth of March ann rated a with 1 and b with 4, three and two days earlier.
    half = np.array([3, 2]) / 30
    assert last.row(0, named=True) == {
        "user_count": 2, "user_mean": 2.5, "user_variance": 2.25, "user_recency": 2.0,
        "user_tenure": 3.0, "user_entropy": pytest.approx(np.log(3) - 2 / 3 * np.log(2)),
        "item_count": 1, "item_mean": 4.0, "item_bayes": 3.0,
        "item_popularity": pytest.approx(2 ** -half[1]), "item_age": 2.0,
    }  # fmt: skip
    now = int(data.until) + 2 * DAY
    (a,) = of_items(data, now).filter(pl.col("item") == "a").rows(named=True)
    assert a["item_popularity"] == pytest.approx(2 ** (-5 / 30) + 1.5 * 2 ** (-2 / 30))


def test_age_may_count_from_a_release():
    items = pl.DataFrame({"item": [1, 2, 3], "out": [date(1970, 1, 1), date(1970, 1, 3), None]})
    log = {"user": [7, 7, 7], "item": [1, 2, 3], "time": [60 * 60 * 24 * 3] * 3}
    data = pt.Dataset.of(log, items=items)
    assert before_each(data, released="out")["item_age"].to_list() == [3, 1, None]
    assert of_items(data, 4 * DAY, released="out")["item_age"].to_list() == [4, 2, None]
    for wrong, message in [
        ("gone", r"released: no column 'gone'"),
        ("item", "holds Int64, not dates"),
    ]:
        with pytest.raises(BadParameter, match=message):
            before_each(data, released=wrong)


def test_without_times_everything_counts_and_nothing_ages():
    data = pt.Dataset.of({"user": [1, 1], "item": ["a", "b"], "rating": [2, 4]}, items=ITEMS)
    (row,) = of_users(data).rows(named=True)
    assert (row["user_count"], row["user_mean"], row["user_recency"]) == (2, 3.0, None)
    items = of_items(data, feedback=pt.Feedback(weights={"rating": 2}))
    assert items["item_popularity"].to_list() == [2, 2, 0, 0]
    assert items["item_bayes"].to_list() == [pytest.approx(v) for v in (32 / 11, 34 / 11, 3, 3)]
    assert of_users(data, now=5)["user_count"].to_list() == [0]


def test_tables_go_along_and_can_be_learned_from():
    log = {"user": ["ann", "bob"], "item": ["a", "b"], "rating": [2, 5]}
    people = pl.DataFrame({"user": ["bob", "ann"], "age": [30, 40]})
    data = pt.Dataset.of(log, items=ITEMS, users=people)
    assert of_users(data)["age"].to_list() == [40, 30]
    joined = replace(data, item_table=of_items(data), user_table=of_users(data))
    encoder = pt.features.Encoder.learn(joined.item_table, ["genres", "item_bayes"], scale="design")
    assert encoder.names == ("genres:love", "genres:noir", "genres:war", "item_bayes")
    with pytest.raises(Incompatible, match="has a column 'item_count' already"):
        of_items(joined)
    assert "user_entropy" not in of_users(pt.Dataset.of(log)).columns


def test_categories_may_be_another_column():
    items = pl.DataFrame({"item": [1, 2], "makers": [["x", "X"], ["y"]], "year": [1, 2]})
    data = pt.Dataset.of({"user": [1, 1], "item": [1, 2]}, items=items)
    assert of_users(data, categories="makers")["user_entropy"].to_list() == [
        pytest.approx(np.log(2))
    ]
    with pytest.raises(BadParameter, match=r"no column 'maker' of items\. Did you mean makers"):
        of_users(data, categories="maker")
    with pytest.raises(BadParameter, match="'year' holds Int64, not text"):
        of_users(data, categories="year")
    with pytest.raises(BadParameter, match=r"now is a whole number of microseconds .*, got 1\.5"):
        of_users(data, now=1.5)
    with pytest.raises(BadParameter, match=r"now is a whole number of microseconds .*, got -1"):
        of_users(data, now=-1)
    with pytest.raises(BadParameter, match="prior must be a positive number"):
        of_items(data, prior=0)


def test_the_number_of_threads_changes_no_bit(movielens):
    with threads.limited(1):
        alone = before_each(movielens)
    with threads.limited(3):
        assert before_each(movielens).equals(alone)


def test_real_ratings_agree_with_polars(movielens):
    """Films and people by running sums in polars, where no two of their events share a time."""
    h = movielens.histories
    log = pl.DataFrame({"user": h.person(), "item": h.item, "time": h.time, "value": h.value})
    found = before_each(movielens).hstack(log.with_row_index())
    for key, name in (("user", "user"), ("item", "item")):
        by_time = found.sort("time", maintain_order=True)
        value = pl.col("value").cast(pl.Float64)
        running = by_time.with_columns(
            expected=value.cum_sum().shift(1).over(key)
            / (pl.col("value").cum_count().over(key) - 1),
            alone=~pl.struct(key, "time").is_duplicated(),
        ).filter("alone")
        assert running.height > 10_000
        late = running.filter(pl.col(f"{name}_count") > 0)
        np.testing.assert_allclose(late[f"{name}_mean"], late["expected"], rtol=1e-6)


@pytest.mark.parametrize("prior", ["x", None, 0, float("inf")])
def test_a_prior_that_is_no_number_is_named(prior):
    data = pt.Dataset.of({"user": [1], "item": [2], "rating": [3.0]})
    with pytest.raises(BadParameter, match="prior must be a positive number of ratings, got"):
        of_items(data, prior=prior)
