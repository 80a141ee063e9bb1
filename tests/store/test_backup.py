"""A store becomes one file and comes back, on the same database or the other."""

from __future__ import annotations

import random
import threading
import zipfile
from pathlib import Path

import msgspec
import pytest

import penchant as pt
from penchant.errors import BadParameter, BadStore, Conflict
from penchant.store import backup as module
from penchant.store.backup import Manifest, backup, checked, restore
from penchant.store.catalogue import Item, User
from penchant.store.erasure import erase, merge
from penchant.store.log import Event
from penchant.store.numbers import driver
from penchant.store.schema import metadata
from penchant.store.store import Store

NOW = 1_700_000_000_000_000


def event(n: int, who: str = "uann") -> Event:
    odd = {"value": 0.1 * n, "context": '{"a":"\\",\\n"}', "rank": n} if n % 2 else {}
    return Event(f"é{n}", who, "s1" if n % 3 else None, f'"i,{n}', "view", odd.pop("value", None),
                 NOW + n, digest=-n, **odd)  # fmt: skip


def content(store: Store) -> dict[str, list]:
    with store.reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in metadata.sorted_tables
        }


@pytest.fixture
def filled(store_url, tmp_path):
    """A store with something in most tables, whose last event was erased."""
    with Store.open(store_url, models=tmp_path / "models") as store:
        fill(store)
        yield store


def fill(store):
    store.events.append([event(n) for n in range(40)], now=NOW)
    store.events.append([event(40, "ubob")], now=NOW)
    store.events.append([event(41, "s7")], now=NOW)
    erase(store, "bob", now=NOW)
    merge(store, "s7", "uann", now=NOW)
    items = [Item(item_id="i1", title="", categories=["a", "ü"], attributes={"x": [1, True]}),
             Item(item_id="i2", withdrawn=True, available_from=5)]  # fmt: skip
    store.items.put(items, now=NOW)
    store.users.put([User(user_id="ann", attributes={"age": 3})], now=NOW)
    store.keys.create("shop", ["read"], now=NOW)
    saved = {"name": "Popularity", "position": 42, "erasures": 1, "events": 41,
             "metrics": {}, "gate": [], "accepted": True, "now": NOW}  # fmt: skip
    model = pt.Popularity().fit(pt.datasets.planted())
    for _ in range(2):
        store.models.add(lambda path: pt.save(model, path), **saved)
    store.models.promote("m00000002", by="test", now=NOW)


@pytest.fixture
def other(other_url, tmp_path):
    """Another empty store, with a folder of models of its own."""
    with Store.open(other_url, models=tmp_path / "other.models") as opened:
        yield opened


def test_a_store_comes_back_from_its_backup(filled, other, tmp_path):
    path = tmp_path / "shop.zip"
    made = backup(filled, path)
    assert made == checked(path)
    assert made.tables["events"] == 41
    assert made.models == ["m00000002"]
    assert restore(path, other) == made
    before, after = content(filled), content(other)
    states = [row[3] for row in after.pop("models")]
    assert states == ["retired", "accepted"]
    assert [row[3] for row in before.pop("models")] == ["accepted", "accepted"]
    assert after == before
    used = other.models.path("m00000002")
    there = filled.models.path("m00000002")
    assert {one.name: one.read_bytes() for one in used.iterdir()} == {
        one.name: one.read_bytes() for one in there.iterdir()
    }
    # What is known still is, what was erased stays so, and numbers go on.
    assert other.events.append([event(3), event(40, "ubob")], now=NOW) == ["duplicate", "erased"]
    other.events.append([event(99)], now=NOW)
    assert other.events.last() == 43
    other.models.promote("m00000002", by="test", now=NOW)
    assert other.models.in_use().version == "m00000002"


def test_only_an_empty_store_is_filled_unless_it_is_to_be_replaced(filled, tmp_path):
    path = tmp_path / "shop.zip"
    backup(filled, path)
    before = content(filled)
    filled.events.append([event(50)], now=NOW)
    now = content(filled)
    with pytest.raises(Conflict, match=r"not empty.*--replace"):
        restore(path, filled)
    assert content(filled) == now
    restore(path, filled, replace=True)
    after = content(filled)
    assert after["events"] == before["events"]
    filled.events.append([event(60)], now=NOW)
    assert filled.events.last() == 43


def test_a_backup_is_not_overwritten_by_accident(sqlite_store, tmp_path):
    path = tmp_path / "shop.zip"
    path.write_text("mine")
    with pytest.raises(BadParameter, match="there already"):
        backup(sqlite_store, path)
    assert path.read_text() == "mine"
    backup(sqlite_store, path, overwrite=True)
    assert checked(path).position == 0
    with pytest.raises(BadParameter, match="no folder"):
        backup(sqlite_store, tmp_path / "nowhere" / "shop.zip")
    assert [one.name for one in tmp_path.iterdir() if one.suffix not in (".db", ".lock")
            and "shop.db" not in one.name] == ["shop.zip"]  # fmt: skip


def test_a_backup_that_breaks_off_leaves_nothing(sqlite_store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_numbered", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backup(sqlite_store, tmp_path / "shop.zip")
    assert not [one for one in tmp_path.iterdir() if ".zip" in one.name]


def test_no_damage_goes_unseen(sqlite_store, tmp_path):
    """Every byte of members is under a hash, every other under the zip's own structure."""
    sqlite_store.events.append([event(n) for n in range(20)], now=NOW)
    path, bad = tmp_path / "shop.zip", tmp_path / "bad.zip"
    made = backup(sqlite_store, path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        inside = {one.filename: archive.read(one) for one in archive.infolist()}
    generator = random.Random(3)
    for data in inside.values():
        at = whole.index(data) + generator.randrange(len(data))
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BadStore):
            checked(bad)
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:cut])
        with pytest.raises(BadStore, match="damaged, or no backup"):
            restore(bad, sqlite_store, replace=True)
    with pytest.raises(BadStore, match="does not exist"):
        checked(tmp_path / "absent.zip")
    changed = {"tables/events/00000.parquet": inside["tables/secrets/00000.parquet"]}
    rewritten(bad, inside | changed)
    with pytest.raises(BadStore, match=r"tables/events/00000\.parquet is not as it was written"):
        checked(bad)
    rewritten(bad, inside | {"tables/events/00001.parquet": b""})
    with pytest.raises(BadStore, match="missing or added"):
        checked(bad)
    for field, value, said in (
        ("schema", 999, "schema 999"), ("form", "x", "another form"),
        ("files", {"models/../../x": ""}, "does not belong"),
        ("files", {"tables/events; DROP/00000.parquet": ""}, "does not belong"),
    ):  # fmt: skip
        other = msgspec.structs.replace(made, **{field: value})
        rewritten(bad, inside | {"manifest.json": msgspec.json.encode(other)})
        with pytest.raises(BadStore, match=said):
            checked(bad)
    assert sqlite_store.events.last() == 20


def rewritten(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_a_backup_beside_a_writer_is_of_one_moment(store, tmp_path, monkeypatch):
    """Two tables are written together; whatever happens meanwhile, the backup has both or none."""
    monkeypatch.setattr(module, "PART", 10)
    stop, wrote = threading.Event(), threading.Semaphore(0)

    def write():
        n = 0
        while not stop.is_set():
            with store.writing() as connection:
                store.events.append([event(n)], now=NOW, connection=connection)
                driver(connection).execute(f"INSERT INTO tombstones (hash) VALUES ({blob(n)})")
            n += 1
            wrote.release()

    def blob(n):
        return f"x'{n:08x}'" if store.kind == "sqlite" else f"'\\x{n:08x}'::bytea"

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(3):
            for _ in range(12):
                wrote.acquire()
            made = backup(store, tmp_path / f"{n}.zip", on_step=lambda _: wrote.acquire())
            assert made.tables["events"] == made.tables["tombstones"] == made.position >= 12
            assert checked(tmp_path / f"{n}.zip") == made
    finally:
        stop.set()
        thread.join()


def test_the_manifest_is_json_that_people_can_read(sqlite_store, tmp_path):
    backup(sqlite_store, tmp_path / "shop.zip")
    with zipfile.ZipFile(tmp_path / "shop.zip") as archive:
        told = msgspec.json.decode(archive.read("manifest.json"), type=Manifest)
    assert told.kind == "sqlite"
    assert told.tables["events"] == 0
