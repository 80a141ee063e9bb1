"""Loading many events at once comes to the same as sending them one by one."""

from __future__ import annotations

import itertools

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant.errors import BadEvents
from penchant.events import Events
from penchant.serving.taking import taken
from penchant.store import bulk
from penchant.store.bulk import load
from penchant.store.erasure import erase, merge
from penchant.store.history import history
from penchant.store.ingest import ingest
from penchant.store.log import Event, person
from penchant.store.numbers import driver

DAY = 86_400 * 10**6
NOW = 20_000 * DAY


def table(n: int = 60, people: int = 7, first: int = 0) -> pl.DataFrame:
    """Plays without ids, in an order that is nobody's."""
    rows = range(first, first + n)
    return pl.DataFrame(
        {
            "user": [f"p{n * 5 % people}" for n in rows],
            "item": [f"i{n * 3 % 11}" for n in rows],
            "event": ["play" if n % 3 else "skip" for n in rows],
            "value": [None if n % 4 else n / 2 for n in rows],
            "timestamp": [1_700_000_000 + n * 7919 % 1000 for n in rows],
        }
    )


def took(store, frame, **options):
    found = ingest(store, frame, now=NOW, source="plays", **options)
    return found.accepted, found.duplicates, len(found.rejected)


def log(store) -> pl.DataFrame:
    return store.events.read(0, 10**6)[0]


def test_a_file_again_is_duplicates_and_one_that_grew_adds_what_is_new(store):
    assert took(store, table(60)) == (60, 0, 0)
    assert took(store, table(60)) == (0, 60, 0)
    assert took(store, table(80).reverse()) == (20, 60, 0)
    kept = log(store).sort("time", "person", "item_id")
    assert len(kept) == 80
    assert kept["received"].unique().to_list() == [NOW]
    sent = table(80).sort("timestamp", "user", "item")
    assert kept["person"].to_list() == [f"u{one}" for one in sent["user"]]
    assert kept["value"].to_list() == sent["value"].to_list()
    assert kept["time"].to_list() == (sent["timestamp"] * 10**6).to_list()


def test_ten_plays_are_ten_events(store):
    ten = pl.concat([table(1)] * 10)
    assert took(store, ten) == (10, 0, 0)
    assert took(store, ten) == (0, 10, 0)
    assert took(store, pl.concat([ten, table(1)])) == (1, 10, 0)


def test_a_person_lies_together_oldest_first(store):
    ingest(store, table(200), now=NOW, source="plays")
    people = log(store)["person"].to_list()
    assert len(list(itertools.groupby(people))) == 7
    for _, rows in log(store).group_by("person"):
        assert rows["time"].is_sorted()
    assert store.events.history(["up3"]).time == sorted(store.events.history(["up3"]).time)


def test_events_have_the_digest_that_they_have_over_http(store):
    sent = [
        {"user_id": "ann", "item_id": "i1", "event_type": "view", "timestamp": 1_700_000_000},
        {"user_id": "ann", "item_id": "ö", "event_type": "rating", "value": 4,
         "session_id": "s1", "timestamp": 1_700_000_001.5},
        {"user_id": "u\u0308", "item_id": '"', "event_type": "impression",
         "timestamp": 1_700_000_002, "context": {"device": "phone", "slot": 3}},
    ]  # fmt: skip
    rows = [one | {"event_id": f"e{n}"} for n, one in enumerate(sent)]
    by_http = taken(msgspec.json.encode({"events": rows}), NOW)
    assert not by_http.rejected
    frame = pl.DataFrame(
        [{k: v for k, v in row.items() if k != "context"} | row.get("context", {}) for row in rows],
        infer_schema_length=None,
    )
    frame = frame.rename({"event_type": "kind"})
    columns = {"event_id": "event_id", "context": ["device", "slot"]}
    assert took(store, frame, **columns) == (3, 0, 0)
    assert store.events.append(by_http.events, now=NOW) == ["duplicate"] * 3
    kept = log(store).sort("event_id")
    for row, event in zip(kept.iter_rows(named=True), by_http.events, strict=True):
        items = None if row["items"] is None else msgspec.json.decode(row["items"])
        fields = [row[name] for name in Event.__struct_fields__ if name != "items"]
        theirs = [getattr(event, name) for name in Event.__struct_fields__ if name != "items"]
        assert (fields, items) == (theirs, event.items)


def test_rows_that_cannot_be_used_come_back_with_line_and_reason(store):
    frame = pl.DataFrame(
        {
            "user": ["a", None, "b\n", "c", "d", "e"],
            "item": ["i", "i", "i", "x" * 257, "i", "i"],
            "timestamp": [
                "2024-01-01",
                "2024-01-01",
                "2024-01-01",
                "2024-01-01",
                "?",
                "2090-01-01",
            ],
            "shop": ["n", "n", "o", "p", "q", "r"],
            "reason": ["of before"] * 6,
        }
    )
    found = ingest(store, frame, now=NOW, source="clicks", first_row=2)
    assert found.accepted == 1
    assert found.rejected.columns == ["line", "reason", "user", "item", "timestamp", "shop"]
    assert found.rejected["line"].to_list() == [3, 4, 5, 6, 7]
    assert found.rejected["shop"].to_list() == ["n", "o", "p", "q", "r"]
    for said, part in zip(
        found.rejected["reason"],
        ("without a user", "control", "1 to 256", "without a time", "the future"),
        strict=True,
    ):
        assert part in said


def test_events_with_ids_of_their_own_conflict_or_are_duplicates(store):
    frame = table(6).with_columns(event_id=pl.Series([f"e{n}" for n in range(6)]))
    assert took(store, frame) == (6, 0, 0)
    again = frame.with_columns(item=pl.Series(["i0", "other", *frame["item"][2:]]))
    again = pl.concat([again, again[:1]])  # and one twice
    found = ingest(store, again, now=NOW, source="plays")
    assert (found.accepted, found.duplicates) == (0, 6)
    assert found.rejected["event_id"].to_list() == ["e1"]
    assert "another event" in found.rejected["reason"][0]
    assert log(store).filter(pl.col("event_id") == "e1")["item_id"].to_list() == ["i3"]


@pytest.mark.parametrize("first", [True, False])
def test_ids_that_occur_twice_in_one_file(store, first, monkeypatch):
    monkeypatch.setattr(bulk, "FIRST", (1 if first else 10**6, 10**6))
    frame = table(4).with_columns(event_id=pl.Series(["a", "b", "a", None]))
    frame = pl.concat([frame, frame[1:2]])
    found = ingest(store, frame, now=NOW, source="plays")
    assert (found.accepted, found.duplicates) == (3, 1)
    assert found.rejected["event_id"].to_list() == ["a"]


def test_what_was_erased_stays_so_and_merged_people_are_known(store):
    ingest(store, table(40), now=NOW, source="plays")
    mine = log(store).filter(pl.col("person") == "up1")
    erase(store, "p1", now=NOW)
    merge(store, "up2", "up3", now=NOW)
    found = ingest(store, table(60), now=NOW, source="plays")
    assert found.rejected["user"].to_list() == ["p1"] * len(mine)
    assert set(found.rejected["reason"]) == {"the event was erased with its person"}
    assert found.duplicates == 40 - len(mine)
    people = log(store)["person"]
    assert "up2" not in people
    assert (people == "up3").sum() == table(60)["user"].is_in(["p2", "p3"]).sum()


EVENTS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["x", "y"]), st.integers(0, 2)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=EVENTS, events=EVENTS)
def test_loading_is_appending(sqlite_store, before, events):
    """The same outcome, row by row, whatever was there before."""
    store = sqlite_store

    def emptied():
        with store.writing() as connection:
            driver(connection).execute("DELETE FROM events")

    def rows(some):
        frame = pl.DataFrame(some, schema=["event_id", "user", "time"], orient="row")
        frame = frame.with_columns(time=pl.col("time") + 1_700_000_000, item=pl.lit("i"))
        made = history(Events.from_frame(frame, context=["event_id"]), now=NOW, event_id="event_id")
        return made.rows.sort("row")

    def appended(frame):
        names = ["event_id", "person", "session_id", "item_id", "kind", "value", "time"]
        return store.events.append(
            [
                Event(*row[:-1], digest=row[-1])
                for row in frame.select(*names, "digest").iter_rows()
            ],
            now=NOW,
        )

    emptied()
    appended(rows(before))
    became = appended(rows(events))
    expected = log(store).drop("position")
    emptied()
    appended(rows(before))
    done = load(store, rows(events), now=NOW)
    assert log(store).drop("position").equals(expected)
    assert (done.accepted, done.duplicates) == (became.count("accepted"), became.count("duplicate"))
    assert done.refused["row"].to_list() == [n for n, one in enumerate(became) if one == "conflict"]


def indexes(store) -> list[str]:
    with store.reading() as connection:
        return sorted(
            name
            for (name,) in driver(connection).execute(
                "SELECT name FROM sqlite_master WHERE tbl_name = 'events' AND type = 'index'"
            )
        )


def test_a_first_load_that_is_interrupted_leaves_an_empty_store(sqlite_store, monkeypatch):
    monkeypatch.setattr(bulk, "FIRST", (10, 10**6))
    monkeypatch.setattr(bulk, "MOST", 10)
    had = indexes(sqlite_store)
    assert "events_event_id" in had

    class Interrupted(Exception):
        pass

    def stop(n):
        if n >= 30:
            raise Interrupted

    with pytest.raises(Interrupted):
        ingest(sqlite_store, table(60), now=NOW, source="plays", on_rows=stop)
    assert indexes(sqlite_store) == had
    assert sqlite_store.events.last() == 0
    seen = []
    assert took(sqlite_store, table(60), on_rows=seen.append) == (60, 0, 0)
    assert seen == [0, 10, 20, 30, 40, 50, 60]
    assert indexes(sqlite_store) == had
    assert took(sqlite_store, table(70)) == (10, 60, 0)


def test_a_first_load_may_be_followed_by_turns(sqlite_store, monkeypatch):
    monkeypatch.setattr(bulk, "FIRST", (10, 40))
    seen = []
    assert took(sqlite_store, table(60), on_rows=seen.append) == (60, 0, 0)
    assert seen[-2:] == [40, 60]
    assert sqlite_store.events.last() == 60


def test_a_load_that_is_interrupted_goes_on(store, monkeypatch):
    monkeypatch.setattr(bulk, "FEWEST", 7)
    monkeypatch.setattr(bulk, "MOST", 7)

    def stop(n):
        if n == 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(store, table(60), now=NOW, source="plays", on_rows=stop)
    assert len(log(store)) == 21
    assert took(store, table(60)) == (39, 21, 0)


def test_transactions_grow_and_shrink_to_their_time():
    size, sizes = bulk.FEWEST, []
    for row in (1e-5,) * 4 + (1e-4, 1e-7):  # seconds that a row takes
        size = bulk.sized(size, row * size)
        sizes.append(size)
    assert sizes == [4_000, 6_000, 6_000, 6_000, 2_000, 4_000]


def test_a_table_needs_times(store):
    with pytest.raises(BadEvents, match=r"no time column found among user, item.*--time-column"):
        ingest(store, table().drop("timestamp"), now=NOW, source="plays")


def test_a_person_is_written_as_elsewhere():
    made = history(Events.from_frame(table(1)), now=NOW)
    assert made.rows["person"].to_list() == [person("p0", None)]
