"""penchant train, models, promote and rollback, as somebody types them."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest

from commands import typed
from made_up_shop import act, stock
from penchant.cli.training import plan
from penchant.errors import BadParameter
from penchant.store.store import Store


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What three trainings said, the last of a model that was refused; and their folder."""
    folder = tmp_path_factory.mktemp("shop")
    path = str(folder / "shop.db")
    with Store.open(path) as store:
        stock(store)
        act(store, 0)
        act(store, 1)
    better = ("--model", "ease", "--set", "l2=5", "--weight", "view=2", "--half-life", "90d")
    return folder, [
        typed("models", "--store", path),
        typed("train", "--store", path, "--model", "popularity"),
        typed("train", "--store", path, *better, "--format", "json"),
        typed("train", "--store", path, "--model", "popularity", "--format", "csv", code=3),
    ]


@pytest.fixture
def shop(told, tmp_path):
    """The path of a store with three models, the second in use, the third refused."""
    shutil.copytree(told[0], tmp_path, dirs_exist_ok=True)
    return str(tmp_path / "shop.db")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def test_a_store_without_a_model_says_what_to_do(told, tmp_path):
    assert "There is no model yet: penchant train makes one." in told[1][0].output
    Store.open(str(tmp_path / "new.db")).close()
    said = typed("rollback", "--store", tmp_path / "new.db", code=2).output
    assert "There is no earlier version" in said


def test_training_prints_scores_and_verdicts(told):
    said = told[1][1].output
    assert "popularity (baseline)" in said
    assert "passed  enough data: 960 events; held out by" in said
    assert said.rstrip().endswith("m00000001, Popularity, is in use now.")


def test_a_better_model_takes_over_and_its_settings_are_those_typed(told):
    result = json.loads(told[1][2].stdout)
    assert result["version"] == "m00000002"
    assert result["state"] == "accepted"
    assert result["promoted"]
    assert result["name"] == "Fallback(EASE, Popularity)"
    assert "clearly better" in told[1][2].stderr
    manifest = json.loads((told[0] / "shop.db.models/m00000002/manifest.json").read_text())
    saved = manifest["models"]
    assert [one["fields"]["l2"] for one in saved if "l2" in one["fields"]] == [5.0, 5.0]
    feedback = saved[-1]["training"]["feedback"]
    assert feedback["weights"] == {"view": 2.0, "click": 1, "cart": 3, "purchase": 5}
    assert feedback["half_life"] == "90d"


def test_a_refused_model_ends_with_code_3(told):
    done = told[1][3]
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["state"] for row in rows} == {"refused"}
    assert {row["model"] for row in rows} == {"new", "in use", "popularity"}
    assert "refused not below in use: Over 67 people" in done.stderr
    assert "m00000003, Popularity, is not used." in done.stderr


def test_the_models_are_listed_for_people_and_for_programs(shop):
    said = typed("models", "--store", shop).output
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("m0")] == [
        ["m00000003", "refused"], ["m00000002", "in"], ["m00000001", "accepted"],
    ]  # fmt: skip
    assert "clearly worse" in said
    rows = json.loads(typed("models", "--store", shop, "--format", "json").stdout)
    assert [row["state"] for row in rows] == ["refused", "in use", "accepted"]
    assert rows[1]["NDCG@10"] > rows[1]["popularity"]


def test_back_and_forth(shop):
    assert "m00000001 is in use now, Popularity" in typed("rollback", "--store", shop).output
    assert "m00000002 is in use now" in typed("promote", "m00000002", "--store", shop).output
    late = typed("promote", "m00000001", "--expected", "m00000001", "--store", shop, code=2)
    assert "m00000002 is in use, not m00000001" in late.output
    refused = typed("promote", "m00000003", "--store", shop, code=2)
    assert "the gate refused it" in refused.output
    assert "there is no model 'm7'" in typed("promote", "m7", "--store", shop, code=2).output


def test_a_model_may_wait_to_be_promoted(shop):
    done = typed("train", "--store", shop, "--model", "ease", "--set", "l2=5", "--no-promote")
    assert "is accepted; penchant promote uses it." in done.output
    with Store.open(shop) as store:
        assert store.models.in_use().version == "m00000002"


def test_the_last_failure_is_shown(shop):
    with Store.open(shop) as store:
        number = store.trainings.begin(by="test", now=1)
        store.trainings.end(number, "failed", now=2, reason="it needed more memory")
    done = typed("models", "--store", shop)
    assert "The last training failed: it needed more memory." in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "l2=5"), "--set and --part belong to a model"),
        (("--weight", "view"), "--weight is written KIND=NUMBER"),
        (("--weight", "=3"), "--weight is written KIND=NUMBER"),
        (("--weight", "view=x"), "--weight is written KIND=NUMBER"),
        (("--half-life", "long"), "a duration is written like '90d'"),
        (("--model", "ease", "--set", "l2=x"), "EASE.l2 must be"),
    ],
)
def test_what_is_typed_wrongly_is_named(shop, words, said):
    assert said in typed("train", "--store", shop, *words, code=2).output


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    said = typed("train", "--store", str(tmp_path / "none.db"), code=2).output
    assert "does not exist" in said
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_as_it_is_typed(tmp_path):
    assert plan("shop.db", None, None, "2GB", 1) is None
    made = plan("shop.db", tmp_path, "6h", "1.5GB", 2)
    assert (made.every, made.memory, made.threads) == (6 * 3600 * 10**6, 1_500_000_000, 2)
    assert plan("shop.db", None, "1d", "500MB", 1).memory == 500_000_000
    for wrong in ("2", "2TB", "-1GB", "0GB", "GB", ""):
        with pytest.raises(BadParameter, match="like 2GB or 500MB"):
            plan("shop.db", None, "6h", wrong, 1)
    with pytest.raises(BadParameter, match="a duration is written like"):
        plan("shop.db", None, "often", "2GB", 1)
