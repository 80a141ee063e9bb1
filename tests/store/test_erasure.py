from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import penchant as pt
from naive_people import DAY, NaivePeople
from penchant.errors import BadParameter, BadStore, Conflict, UnknownId
from penchant.store import erasure as module
from penchant.store import schema
from penchant.store.catalogue import User
from penchant.store.daily import count_up, popular
from penchant.store.erasure import erase, erasure, merge, settle
from store_rows import event, listed, rows


def test_nothing_is_left_of_whoever_is_erased(store):
    store.users.put([User(user_id=one) for one in ("ann", "old", "bob")], now=1)
    store.events.append(
        [event("e1", "uann"), event("e2", "ss"), event("e3", "uold"), event("e4", "ubob"),
         event("e5", "uann", None)],
        now=1,
    )  # fmt: skip
    store.shown.add([listed("r1", "uann"), listed("r2", "ss"), listed("r3", "ubob")])
    merge(store, "ss", "uold", now=2)
    merge(store, "uold", "uann", now=2)
    while count_up(store):
        pass
    assert popular(store, 9, None, 9, now=DAY) == [("a", 4)]
    done = erase(store, "ann", now=50)
    assert (done.events, done.recommendations, done.models) == (4, 2, [])
    assert (done.requested, done.completed) == (50, None)
    assert erasure(store, done.erasure_id) == done
    assert settle(store, now=51) == []
    assert erasure(store, done.erasure_id).completed == 51
    assert [row.event_id for row in rows(store, schema.events)] == ["e4"]
    assert [row.recommendation_id for row in rows(store, schema.recommendations)] == ["r3"]
    assert [row.user_id for row in rows(store, schema.users)] == ["bob"]
    assert rows(store, schema.merges) == []
    assert popular(store, 9, None, 9, now=DAY) == [("a", 1)]
    assert store.numbers()["erasures"] == 1
    assert store.numbers()["merges"] == 3, "whoever keeps merges in memory hears of it"


def test_what_was_erased_is_not_brought_back_and_what_comes_later_is_new(store):
    store.events.append([event("e1", "uann"), event("e2", "uann")], now=1)
    first = erase(store, "ann", now=2)
    again = [event("e1", "uann"), event("e2", "ubob"), event("e3", "uann")]
    assert store.events.append(again, now=3) == ["erased", "erased", "accepted"]
    assert len(store.events.history(["uann"]).row) == 1
    second = erase(store, "ann", now=4)
    assert second.erasure_id != first.erasure_id
    assert second.events == 1
    assert store.events.append(again, now=5) == ["erased"] * 3


def test_erasing_again_answers_as_before(store):
    store.events.append([event("e1", "uann")], now=1)
    first = erase(store, "ann", now=2)
    assert erase(store, "ann", now=3) == first
    settle(store, now=4)
    assert erase(store, "ann", now=5).completed == 4
    stranger = erase(store, "nobody", now=4)
    assert (stranger.events, stranger.recommendations, stranger.completed) == (0, 0, 4)
    assert erase(store, "nobody", now=5) == stranger
    assert len(rows(store, schema.erasures)) == 2
    assert store.numbers()["erasures"] == 2
    with pytest.raises(UnknownId, match="there is no erasure 'x'"):
        erasure(store, "x")


def test_whoever_was_merged_is_the_other(store):
    store.events.append([event("e1", "uann"), event("e2", "uold")], now=1)
    merge(store, "uold", "uann", now=2)
    assert erase(store, "old", now=3).events == 2
    assert rows(store, schema.events) == []


@pytest.fixture(scope="module")
def fitted() -> pt.Popularity:
    return pt.Popularity().fit(pt.datasets.planted())


def trained(store, fitted, position: int, *, erasures: int = 0, now: int = 1):
    return store.models.add(
        lambda path: pt.save(fitted, path),
        name="x", position=position, erasures=erasures, events=1, metrics={}, gate=[],
        accepted=True, now=now,
    )  # fmt: skip


def test_an_erasure_is_complete_when_no_model_could_have_learned_from_it(store, fitted, tmp_path):
    store.models.folder = tmp_path / "models"
    store.events.append([event("e1", "ubob"), event("e2", "uann"), event("e3", "uann")], now=1)
    before, second, third = (trained(store, fitted, position) for position in (1, 2, 3))
    store.models.promote(before.version, by="x", now=1)
    store.models.promote(third.version, by="x", now=1)
    done = erase(store, "ann", now=2)
    assert done.models == [second.version, third.version]
    assert done.completed is None
    assert erase(store, "ann", now=3) == done
    assert settle(store, now=4) == [second.version]
    left = erasure(store, done.erasure_id)
    assert (left.models, left.completed) == ([third.version], None)
    seen = store.numbers()["erasures"]
    store.events.append([event(f"later{n}", "ubob") for n in range(5)], now=4)
    newer = trained(store, fitted, store.events.last(), erasures=seen)
    assert newer.position > third.position
    assert erasure(store, done.erasure_id).models == [third.version], "the newer one knows nothing"
    assert settle(store, now=5) == []
    store.models.promote(newer.version, by="x", now=6)
    assert settle(store, now=7) == [third.version]
    left = erasure(store, done.erasure_id)
    assert (left.models, left.completed) == ([], 7)
    assert store.models.get(before.version).state == "accepted"
    assert store.models.roll_back(by="x", now=8).version == before.version
    assert settle(store, now=9) == []
    assert erasure(store, done.erasure_id).completed == 7


def test_files_that_are_left_count(sqlite_store, fitted):
    """A process that dies between the row and the files leaves both to the next ``settle``."""
    store = sqlite_store
    store.events.append([event("e1", "uann")], now=1)
    model = trained(store, fitted, 1)
    with store.writing() as connection:
        connection.execute(sa.update(schema.models).values(state="retired"))
    done = erase(store, "ann", now=2)
    assert (done.models, done.completed) == ([model.version], None)
    assert settle(store, now=3) == [model.version]
    assert list(store.models.folder.iterdir()) == []
    assert erasure(store, done.erasure_id).completed == 3


def test_a_training_that_runs_may_know_the_person(store, fitted, tmp_path):
    store.models.folder = tmp_path / "models"
    store.events.append([event("e1", "uann")], now=1)
    number = store.trainings.begin(by="test", now=5)
    done = erase(store, "ann", now=6)
    assert (done.models, done.completed) == ([], None)
    assert erase(store, "nobody", now=6).completed == 6, "no training knows nobody"
    settle(store, now=7)
    assert erasure(store, done.erasure_id).completed is None
    model = trained(store, fitted, 1)
    assert erasure(store, done.erasure_id).models == [model.version]
    with store.writing() as connection:
        connection.execute(sa.update(schema.trainings).values(state="accepted", finished=8))
    assert number == 1
    assert settle(store, now=9) == [model.version]
    assert erasure(store, done.erasure_id).completed == 9


def test_a_model_that_learned_before_a_complete_erasure_is_not_registered(store, fitted, tmp_path):
    store.models.folder = tmp_path / "models"
    store.events.append([event("e1", "ubob"), event("e2", "uann")], now=1)
    done = erase(store, "ann", now=2)
    settle(store, now=2)
    assert erasure(store, done.erasure_id).completed == 2
    with pytest.raises(Conflict, match="erased since it read the log"):
        trained(store, fitted, 2, erasures=0)
    assert trained(store, fitted, 1, erasures=0).state == "accepted"
    assert trained(store, fitted, 2, erasures=1).state == "accepted"


def test_a_model_left_half_saved_is_deleted_after_a_day(sqlite_store, fitted):
    store = sqlite_store
    store.events.append([event("e1", "uann")], now=1)
    model = trained(store, fitted, 1, now=1)
    with store.writing() as connection:
        connection.execute(sa.update(schema.models).values(state="saving"))
    done = erase(store, "ann", now=2)
    assert settle(store, now=DAY) == []
    assert erasure(store, done.erasure_id).models == [model.version]
    assert settle(store, now=DAY + 2) == [model.version]
    assert erasure(store, done.erasure_id).completed == DAY + 2


def test_no_byte_is_left_in_the_files_of_sqlite(sqlite_store):
    """Pages split and are freed while the person acts; then nothing of them may be anywhere."""
    store, chance = sqlite_store, random.Random(1)
    victims = ["uVICTIM", "sVICTIM-1", "sVICTIM-2"]
    numbered = itertools.count()
    for _ in range(60):
        some = []
        for _ in range(40):
            n = next(numbered)
            who = chance.choice(victims) if chance.random() < 0.05 else f"u{chance.randrange(90)}"
            name = "VICTIM" if "VICTIM" in who else "other"
            some.append(
                event(
                    f"{name}-{chance.randrange(10**12)}-{n}",
                    who,
                    f"i{chance.randrange(50)}",
                    chance.randrange(10**15),
                    properties=f'{{"{name}":"{"x" * chance.randrange(60)}"}}',
                )
            )
        store.events.append(some, now=1)
        shown = [listed(f"{one.event_id}-r", one.person) for one in some[::4]]
        store.shown.add(shown)
    store.users.put([User(user_id="VICTIM", attributes={"name": "VICTIM"})], now=1)
    for who in victims[1:]:
        merge(store, who, victims[0], now=2)
    path = Path(store.engine.url.database)

    def written() -> bytes:
        return b"".join(one.read_bytes() for one in path.parent.glob("shop.db*") if one.is_file())

    assert written().count(b"VICTIM") > 500
    with store.reading() as reader:  # someone reads what was there before, and stays
        reader.exec_driver_sql("SELECT count(*) FROM events").scalar()
        done = erase(store, "VICTIM", now=3)
        assert done.events > 80
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("penchant.store.erasure.READERS", 0)
            settle(store, now=3)
        left = erasure(store, done.erasure_id)
        assert left.completed is None, "the journal still holds the pages as they were"
        assert b"VICTIM" in written()
    settle(store, now=4)
    assert erasure(store, done.erasure_id).completed == 4
    assert written().count(b"VICTIM") == 0
    assert len(written()) > 500_000


def test_events_that_come_in_meanwhile_are_erased_or_new(store):
    """Whatever the order, nothing that was erased is there, and what is there is whole."""
    ids = [f"e{n}" for n in range(120)]
    answers: dict[str, str] = {}
    together = threading.Barrier(3)

    def send(some: list[str]) -> None:
        together.wait()
        for at in range(0, len(some), 6):
            batch = [event(one, "uann") for one in some[at : at + 6]]
            answers.update(zip(some[at : at + 6], store.events.append(batch, now=1)))

    threads = [threading.Thread(target=send, args=(ids[start::2],)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    together.wait()
    for now in range(6):
        erase(store, "ann", now=now)
    for thread in threads:
        thread.join()
    last = erase(store, "ann", now=9)
    assert set(answers.values()) == {"accepted"}
    assert rows(store, schema.events) == []
    assert len(rows(store, schema.tombstones)) == 120
    assert sum(row.events for row in rows(store, schema.erasures)) == 120
    assert store.events.append([event(one, "uann") for one in ids], now=9) == ["erased"] * 120
    settle(store, now=10)
    assert erasure(store, last.erasure_id).completed == 10


PEOPLE = ["ua", "ub", "uc", "ud", "ss1", "ss2"]
USERS = PEOPLE[:4]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(PEOPLE), st.integers(0, 30)),
        st.tuples(st.just("merge"), st.sampled_from(PEOPLE), st.sampled_from(USERS)),
        st.tuples(st.just("erase"), st.sampled_from(USERS), st.none()),
        st.tuples(st.just("count"), st.integers(1, 5), st.none()),
    ),
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_merging_and_erasing_in_any_order(sqlite_store, steps):
    store, naive = sqlite_store, NaivePeople()
    clear(store)
    for step, one, other in steps:
        if step == "append":
            item, time = f"i{other % 3}", other * DAY // 7
            made = store.events.append([event(f"e{other}", one, item, time)], now=1)
            assert made == [naive.append(f"e{other}", one, item, time)]
        elif step == "merge":
            expected = naive.merge(one, other)
            if expected is None:
                with pytest.raises((BadParameter, Conflict)):
                    merge(store, one, other, now=1)
            else:
                assert merge(store, one, other, now=1).events == expected
        elif step == "erase":
            before = {row.erasure_id for row in rows(store, schema.erasures)}
            expected, done = naive.erase(one), erase(store, one[1:], now=1)
            assert done.events == expected or (not expected and done.erasure_id in before)
        else:
            count_up(store, one)
            naive.count(one)
    assert [
        [row.event_id, row.person, row.item_id, row.time] for row in in_order(store)
    ] == naive.log
    found = {(row.day, row.item_id): row[3] for row in rows(store, schema.daily)}
    assert found == naive.counts()
    known = {row.person: row.into for row in rows(store, schema.merges)}
    assert known == {who: naive.final(who) for who in naive.known_as}
    assert settle(store, now=2) == []
    assert all(row.completed for row in rows(store, schema.erasures))


def in_order(store) -> list:
    return sorted(rows(store, schema.events), key=lambda row: row.position)


def clear(store) -> None:
    with store.writing() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.secrets:
                connection.execute(sa.delete(table))


def test_of_several_who_settle_one_writes_the_file_anew(sqlite_store, monkeypatch):
    store = sqlite_store
    store.events.append([event("e1", "uann")], now=1)
    done = erase(store, "ann", now=2)
    together, emptied, really = threading.Barrier(3), [], module._emptied

    def watched(cursor) -> bool:
        emptied.append(1)
        return really(cursor)

    def work() -> None:
        together.wait()
        settle(store, now=3)

    monkeypatch.setattr(module, "_emptied", watched)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(emptied) == 2, "before and after"
    assert erasure(store, done.erasure_id).completed == 3


def test_a_file_that_cannot_be_written_anew_leaves_an_erasure_incomplete(sqlite_store, monkeypatch):
    store = sqlite_store
    store.events.append([event("e1", "uann")], now=1)
    done = erase(store, "ann", now=2)
    with monkeypatch.context() as patch:  # nothing can be written anew within a transaction
        patch.setattr(module, "_emptied", lambda cursor: bool(cursor.execute("BEGIN")))
        with pytest.raises(BadStore, match="Twice its size is needed"):
            settle(store, now=3)
    assert erasure(store, done.erasure_id).completed is None
    settle(store, now=4)
    assert erasure(store, done.erasure_id).completed == 4
