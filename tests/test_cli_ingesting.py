"""penchant ingest, backup and restore, as somebody types them."""

from __future__ import annotations

import os

import polars as pl
import pytest

from commands import ITEMS, RATINGS, typed
from penchant.store.store import Store

CLICKS = """\
visitor,sku,event,when
ann,x1,view,2024-01-01T10:00:00Z
ann,x1,view,2024-01-01T10:00:00Z
bob,x2,purchase,2024-01-02T10:00:00Z
,x2,view,2024-01-02T10:00:00Z
cy,x3,view,soon
"""


@pytest.fixture
def clicks(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text(CLICKS)
    return path


@pytest.fixture
def url(tmp_path):
    return tmp_path / "shop.db"


def test_a_file_of_clicks(clicks, url, tmp_path):
    given = ("ingest", clicks, "--store", url, "--time-column", "when")
    told = typed(*given).output
    assert "3 accepted, 0 duplicates, 2 rejected" in told
    rejected = pl.read_csv(tmp_path / "clicks.rejected.csv")
    assert rejected["line"].to_list() == [5, 6]
    assert rejected["reason"][0] == "without a user"
    assert rejected["when"][1] == "soon"
    assert "0 accepted, 3 duplicates, 2 rejected" in typed(*given).output
    # The rejected rows, mended, are a file like any other.
    mended = tmp_path / "mended.csv"
    rejected.with_columns(
        visitor=pl.col("visitor").fill_null("dee"), when=pl.lit("2024-01-03T00:00:00Z")
    ).write_csv(mended)
    more = typed("ingest", mended, "--store", url, "--time-column", "when").output
    assert "2 accepted, 0 duplicates, 0 rejected" in more
    assert not (tmp_path / "mended.rejected.csv").exists()
    with Store.open(str(url)) as store:
        assert store.events.history(["uann"]).item_id == ["x1", "x1"]
        assert store.events.history(["udee"]).item_id == ["x2"]


def test_rejected_rows_go_where_they_are_told_to(clicks, url, tmp_path):
    given = ("ingest", clicks, "--store", url, "--time-column", "when")
    typed(*given, "--rejected", tmp_path / "out.csv")
    assert len(pl.read_csv(tmp_path / "out.csv")) == 2
    assert not (tmp_path / "clicks.rejected.csv").exists()
    told = typed(*given, clicks, "--rejected", tmp_path / "out.csv", code=2).output
    assert "one by one" in told


def test_items_and_users_with_what_is_known_of_them(url, tmp_path):
    users = tmp_path / "users.csv"
    users.write_text("user,age,zip\n0,31,01234\n1,,\n")
    items = tmp_path / "items.jsonl"
    items.write_text(
        '{"item":"a","name":"Ä","categories":["x","y"],"price":2.5,"until":null}\n'
        '{"item":"b","name":"B","categories":[],"price":3,"withdrawn":true,'
        '"available_from":"2024-01-01T00:00:00Z"}\n'
    )
    told = typed("ingest", RATINGS, "--items", items, "--users", users, "--store", url).output
    assert "2 items described" in told
    assert "2 users described" in told
    with Store.open(str(url)) as store:
        a, b = store.items.page()
        assert (a.title, a.categories, a.attributes, a.withdrawn) == (
            "Ä", ["x", "y"], {"price": 2.5}, False
        )  # fmt: skip
        assert (b.withdrawn, b.available_from) == (True, 1_704_067_200_000_000)
        assert store.users.get("0").attributes == {"age": 31, "zip": "01234"}
        assert store.users.get("1").attributes == {}
    assert "100 items described" in typed("ingest", "--items", ITEMS, "--store", url).output
    with Store.open(str(url)) as store:
        assert store.items.get("1").categories == ["Comedy"]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("item,withdrawn\na,maybe\n", "'maybe' is neither true nor false"),
        ("item,available_from\na,soon\nb,2024-01-01\n", "'soon' is no time"),
        ("item,title\na,x\na,y\n", "describes 'a' more than once"),
    ],
)
def test_items_that_cannot_be(url, tmp_path, items, said):
    path = tmp_path / "items.csv"
    path.write_text(items)
    assert said in typed("ingest", "--items", path, "--store", url, code=2).output


def test_what_cannot_be_ingested(url, tmp_path):
    assert "name a file of events" in typed("ingest", "--store", url, code=2).output
    assert "no such file" in typed("ingest", tmp_path / "no.csv", "--store", url, code=2).output
    path = tmp_path / "undated.csv"
    path.write_text("user,item\na,b\n")
    assert "--time-column" in typed("ingest", path, "--store", url, code=2).output


def test_a_backup_and_back(clicks, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed("ingest", clicks, "--store", url, "--time-column", "when")
    assert "3 events, 0 items" in typed("backup", "shop.zip", "--store", url).output
    assert "there already" in typed("backup", "shop.zip", "--store", url, code=2).output
    typed("backup", "shop.zip", "--store", url, "--overwrite")
    assert "3 events" in typed("restore", "shop.zip", "--store", "new.db").output
    assert "not empty" in typed("restore", "shop.zip", "--store", "new.db", code=2).output
    typed("restore", "shop.zip", "--store", "new.db", "--replace")
    with Store.open("new.db") as store:
        assert store.events.history(["uann"]).item_id == ["x1", "x1"]
    os.truncate("shop.zip", 1000)
    assert "damaged" in typed("restore", "shop.zip", "--store", "third.db", code=2).output
    assert not os.path.exists("third.db")
    assert "does not exist" in typed("backup", "x.zip", "--store", "absent.db", code=2).output
