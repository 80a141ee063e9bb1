from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

import penchant as pt
from penchant.errors import BadArtifact, BadParameter, Conflict, UnknownId
from penchant.store.numbers import bump
from penchant.store.registry import Registry
from penchant.store.schema import models, promotions
from penchant.store.store import Store
from store_rows import until_someone_waits


@pytest.fixture(scope="module")
def fitted() -> pt.Popularity:
    return pt.Popularity().fit(pt.datasets.planted())


@pytest.fixture
def registry(store, tmp_path: Path) -> Registry:
    return Registry(store, tmp_path / "models")


@pytest.fixture
def here(sqlite_store) -> Registry:
    return sqlite_store.models


def added(registry: Registry, fitted, *, accepted: bool = True, **other):
    given = {
        "name": "Popularity",
        "position": 7,
        "erasures": 0,
        "events": 5,
        "metrics": {"NDCG@10": {"mean": 0.3, "low": 0.2, "high": 0.4}},
        "gate": [{"check": "better", "passed": accepted, "reason": "0.3 is not above 0.4"}],
        "now": 11,
    }
    return registry.add(lambda path: pt.save(fitted, path), accepted=accepted, **(given | other))


def test_a_model_is_written_and_registered(registry, fitted):
    assert registry.list() == []
    assert registry.in_use() is None
    one, two = added(registry, fitted), added(registry, fitted, accepted=False)
    assert (one.version, one.path, one.state) == ("m00000001", "m00000001", "accepted")
    assert (one.name, one.position, one.erasures, one.events, one.created) == (
        "Popularity", 7, 0, 5, 11,
    )  # fmt: skip
    assert one.metrics["NDCG@10"]["low"] == 0.2
    assert two.state == "refused"
    assert [one.version for one in registry.list()] == ["m00000002", "m00000001"]
    assert registry.get("m00000001") == one
    assert isinstance(pt.load(registry.path("m00000001"), verify=False), pt.Popularity)
    assert registry.in_use() is None


def test_the_folder_is_beside_the_file_or_where_it_is_told(tmp_path):
    with Store.open(str(tmp_path / "shop.db")) as store:
        assert store.models.folder == tmp_path / "shop.db.models"
    with Store.open(str(tmp_path / "shop.db"), models=tmp_path / "other") as store:
        assert store.models.folder == tmp_path / "other"


def test_what_cannot_be_saved_leaves_nothing(here, fitted):
    def dies(path: Path) -> None:
        path.mkdir()
        (path / "half").write_text("x")
        raise OSError("disk full")

    def damages(path: Path) -> None:
        pt.save(fitted, path)
        array = next(path.rglob("*.npy"))
        array.write_bytes(array.read_bytes()[:-1] + b"\xff")

    rest = {"name": "x", "position": 1, "erasures": 0, "events": 1, "gate": [], "now": 1}
    with pytest.raises(OSError, match="disk full"):
        here.add(dies, metrics={}, accepted=True, **rest)
    with pytest.raises(BadArtifact):
        here.add(damages, metrics={}, accepted=True, **rest)
    with pytest.raises(BadArtifact):
        here.add(lambda path: None, metrics={}, accepted=True, **rest)
    with pytest.raises(BadParameter, match="what JSON can"):
        here.add(lambda path: None, metrics={"a": object()}, accepted=True, **rest)
    assert list(here.folder.iterdir()) == []
    assert here.list() == []
    with here._store.reading() as connection:
        assert connection.execute(sa.select(models)).all() == []


def test_models_added_at_once_have_versions_of_their_own(registry, fitted):
    together, found = threading.Barrier(3), []

    def add() -> None:
        together.wait()
        found.append(added(registry, fitted).version)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["m00000001", "m00000002", "m00000003"]
    for version in found:
        pt.load(registry.path(version))


def test_one_that_is_being_saved_is_not_offered(here, fitted):
    seen = []

    def save(path: Path) -> None:
        seen.append(here.list())
        with pytest.raises(Conflict, match="still being saved"):
            here.promote(path.name, by="me", now=1)
        pt.save(fitted, path)

    rest = {"metrics": {}, "gate": [], "accepted": True, "now": 1}
    here.add(save, name="x", position=1, erasures=0, events=1, **rest)
    assert seen == [[]]


def test_one_that_is_retired_while_it_is_saved_stays_so(here, fitted):
    def save(path: Path) -> None:
        pt.save(fitted, path)
        here.retire(path.name)
        pt.save(fitted, path)

    with pytest.raises(Conflict, match="retired while"):
        here.add(save, name="x", position=1, erasures=0, events=1, metrics={}, gate=[],
                 accepted=True, now=1)  # fmt: skip
    here.retire("m00000001")
    assert here.gone("m00000001")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../../etc/passwd", "/etc/passwd", "m00000001/../m00000001", "m00000001/",
     "stray", "link", "M00000001", "m1", "m00000001\n", "%2e%2e", "' OR 1=1 --"],
)  # fmt: skip
def test_only_registered_versions_have_a_path(here, fitted, name):
    added(here, fitted)
    pt.save(fitted, here.folder / "stray")
    (here.folder / "link").symlink_to("/etc")
    for ask in (
        here.path, here.get, here.retire, lambda version: here.promote(version, by="me", now=1)
    ):  # fmt: skip
        with pytest.raises(UnknownId, match="there is no model"):
            ask(name)
    assert (here.folder / "stray").is_dir()


@pytest.mark.parametrize("elsewhere", ["../outside", "/etc", ".", "inside/deeper"])
def test_a_path_does_not_leave_the_folder_whatever_the_table_says(here, fitted, elsewhere):
    added(here, fitted)
    (here.folder.parent / "outside").mkdir()
    (here.folder / "inside" / "deeper").mkdir(parents=True)
    with here._store.writing() as connection:
        connection.execute(sa.update(models).values(path=elsewhere))
    with pytest.raises(BadArtifact, match="and is not"):
        here.path("m00000001")


def test_nor_through_a_link(here, fitted, tmp_path):
    added(here, fitted)
    (here.folder / "m00000001").rename(tmp_path / "elsewhere")
    (here.folder / "m00000001").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadArtifact, match="and is not"):
        here.path("m00000001")
    here.retire("m00000001")
    assert (tmp_path / "elsewhere").is_dir(), "what is not ours is not deleted"
    assert not here.gone("m00000001")


def test_promoting(registry, fitted):
    one, two = added(registry, fitted), added(registry, fitted)
    registry.promote(one.version, by="ann", now=20)
    assert registry.in_use() == one
    registry.promote(two.version, by="train", now=21, expected=one.version)
    assert registry.in_use() == two
    registry.promote(two.version, by="bob", now=22)
    assert [(move.version, move.time, move.by, move.why) for move in registry.history()] == [
        (one.version, 20, "ann", "promote"),
        (two.version, 21, "train", "promote"),
    ]
    with pytest.raises(Conflict, match="m00000002 is in use, not m00000001"):
        registry.promote(one.version, by="ann", now=23, expected=one.version)
    with pytest.raises(Conflict, match="m00000002 is in use, not none"):
        registry.promote(one.version, by="ann", now=23, expected="")
    assert registry.in_use() == two


def test_the_first_can_expect_that_there_is_none(here, fitted):
    one = added(here, fitted)
    with pytest.raises(Conflict, match="no model is in use, not m00000009"):
        here.promote(one.version, by="ann", now=1, expected="m00000009")
    here.promote(one.version, by="ann", now=1, expected="")
    assert here.in_use() == one


def test_what_cannot_be_promoted(here, fitted):
    refused, retired, lost = (added(here, fitted, accepted=n > 0) for n in range(3))
    here.retire(retired.version)
    (here.folder / lost.version).rename(here.folder / "elsewhere")
    before = here._store.numbers()
    with pytest.raises(Conflict, match=r"gate refused it \(better: 0.3 is not above 0.4\)"):
        here.promote(refused.version, by="ann", now=1)
    with pytest.raises(Conflict, match="files are deleted"):
        here.promote(retired.version, by="ann", now=1)
    with pytest.raises(BadArtifact, match="is missing"):
        here.promote(lost.version, by="ann", now=1)
    assert here.in_use() is None
    assert here._store.numbers() == before


def test_of_several_who_expect_the_same_one_wins(registry, fitted):
    first, *others = (added(registry, fitted) for _ in range(4))
    registry.promote(first.version, by="ann", now=1)
    together, outcomes = threading.Barrier(3), []

    def promote(version: str) -> None:
        together.wait()
        try:
            registry.promote(version, by=version, now=2, expected=first.version)
        except Conflict:
            outcomes.append("late")
        else:
            outcomes.append(version)

    threads = [threading.Thread(target=promote, args=(one.version,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(outcomes) - {"late"}
    assert outcomes.count("late") == 2
    assert registry.in_use().version == winner
    assert len(registry.history()) == 2


def test_who_promotes_waits_for_who_is_at_it(registry, fitted):
    first, mine, theirs = (added(registry, fitted).version for _ in range(3))
    store, outcomes = registry._store, []
    registry.promote(first, by="ann", now=1)
    assert store.numbers()["promotions"] == 1

    def promote() -> None:
        with pytest.raises(Conflict, match=f"{theirs} is in use, not {first}"):
            registry.promote(mine, by="ann", now=2, expected=first)
        outcomes.append("late")

    with store.writing() as connection:
        bump(connection, "promotions")
        thread = threading.Thread(target=promote)
        thread.start()
        until_someone_waits(store)
        row = {"version": theirs, "time": 2, "by": "bob", "why": "promote"}
        connection.execute(sa.insert(promotions).values(row))
    thread.join()
    assert outcomes == ["late"]
    assert store.numbers()["promotions"] == 2, "what failed changed nothing"


def test_rolling_back_goes_further_each_time(registry, fitted):
    versions = [added(registry, fitted).version for _ in range(4)]
    with pytest.raises(Conflict, match="no earlier version"):
        registry.roll_back(by="ann", now=1)
    for version in versions[:3]:
        registry.promote(version, by="train", now=1)
    assert registry.roll_back(by="ann", now=2).version == versions[1]
    assert registry.in_use().version == versions[1]
    registry.promote(versions[3], by="train", now=3)
    assert registry.roll_back(by="ann", now=4).version == versions[1]
    assert registry.roll_back(by="ann", now=5).version == versions[0]
    with pytest.raises(Conflict, match="no earlier version"):
        registry.roll_back(by="ann", now=6)
    assert registry.in_use().version == versions[0]
    assert [move.why for move in registry.history()] == [
        "promote", "promote", "promote", "rollback", "promote", "rollback", "rollback",
    ]  # fmt: skip


def test_rolling_back_passes_over_what_is_retired(here, fitted):
    versions = [added(here, fitted).version for _ in range(3)]
    for version in versions:
        here.promote(version, by="train", now=1)
    here.retire(versions[1])
    assert here.roll_back(by="ann", now=2).version == versions[0]


def test_retiring_deletes_the_files_and_keeps_the_row(registry, fitted):
    one, two = added(registry, fitted), added(registry, fitted)
    registry.promote(one.version, by="ann", now=1)
    with pytest.raises(Conflict, match="is in use"):
        registry.retire(one.version)
    assert registry.path(one.version).is_dir()
    loaded = pt.load(registry.path(two.version))
    registry.retire(two.version)
    registry.retire(two.version)
    assert registry.gone(two.version)
    assert [path.name for path in registry.folder.iterdir()] == [one.version]
    assert registry.get(two.version).state == "retired"
    with pytest.raises(Conflict, match="files are deleted"):
        registry.path(two.version)
    data = pt.datasets.planted()
    asked = data.queries(users=[0])
    assert loaded.recommend(asked, k=3).ids() == pt.load(
        registry.path(one.version)
    ).recommend(asked, k=3).ids(), "whoever has it open goes on"  # fmt: skip


def test_what_a_dead_process_left_is_deleted_with_the_model(here, fitted):
    one = added(here, fitted)
    for left in (f".{one.version}.0badcafe", f".{one.version}.penchant-new"):
        pt.save(fitted, here.folder / left)
    here.retire(one.version)
    assert list(here.folder.iterdir()) == []
