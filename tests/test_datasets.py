"""Ready data sets, and files and folders in every layout of GroupLens'."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import polars as pl
import pytest

from data import find
from penchant import datasets
from penchant.errors import BadEvents, BadParameter, MissingExtra
from penchant.feedback import Feedback

ITEM = "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
OTHER = "2|Amélie |01-Jan-2001||http://x|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0"


@pytest.fixture
def folder(tmp_path):
    """Fill a folder with files and return it."""

    def filled(**files):
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name.replace("__", ".")).write_bytes(raw)
        return tmp_path

    return filled


def test_the_planted_set_is_what_its_recipe_makes():
    shipped, made = datasets.planted(), datasets.planted(noise=0.1)
    assert shipped.fingerprint() == made.fingerprint()
    assert shipped.item_table.equals(made.item_table)
    assert (shipped.name, made.name) == ("planted", "planted, noise 0.1")
    assert (len(shipped.users), len(shipped.items)) == (200, 100)


def test_noise_is_a_dose():
    """The share of events within one's own group falls from all of them to a quarter."""
    shares = []
    for noise in (0.0, 0.25, 1.0):
        data = datasets.planted(noise=noise, rng=1)
        own = data.histories.person() % 4 == data.histories.item % 4
        shares.append(own.mean())
    assert shares[0] == 1
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] == pytest.approx(0.25, abs=0.03)


def test_planted_sets_of_other_seeds_and_sizes():
    assert (
        datasets.planted(noise=0.5, rng=1).fingerprint()
        != datasets.planted(noise=0.5, rng=2).fingerprint()
    )
    small = datasets.planted(noise=0.5, users=3, items=4)
    assert (len(small.users), len(small.items)) == (3, 4)
    for wrong in ({"noise": -0.1}, {"noise": 1.1}):
        with pytest.raises(BadParameter, match="noise must be from 0 to 1"):
            datasets.planted(**wrong)
    for wrong in ({"users": 0}, {"items": 3}):
        with pytest.raises(BadParameter, match="one user and four items are needed"):
            datasets.planted(noise=0.0, **wrong)


def test_movielens_is_whole(movielens):
    assert (len(movielens), movielens.n_active_users, movielens.n_active_items) == (
        100_836, 610, 9_724,
    )  # fmt: skip
    assert len(movielens.items) == 9_742
    assert movielens.name == "MovieLens latest-small"
    assert movielens.scale == (0.5, 5.0)
    one = movielens.item_table.row(by_predicate=pl.col("movieId") == 1, named=True)
    assert one["title"] == "Toy Story (1995)"
    assert "Animation" in one["genres"]
    assert set(one["tags"].split("|")) == {"pixar", "fun"}
    assert movielens.item_table.filter(genres="(no genres listed)").is_empty()


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "penchant_movielens", None)
    with pytest.raises(MissingExtra, match=r'pip install "penchant\[demo\]"'):
        datasets.movielens()


def test_the_layout_of_ml_100k(folder):
    path = folder(
        u__data="7\t1\t5\t100\n7\t2\t3\t200\n8\t1\t4\t300\n",
        u__item=f"{ITEM}\n{OTHER}\n".encode("latin-1"),
        u__user="7|24|M|technician|85711\n8|53|F|other|T8H1N\n",
    )
    data = datasets.movielens(path, feedback=Feedback(liked=4))
    assert len(data) == 3
    assert data.item_table.rows() == [
        (1, "Toy Story (1995)", "Animation|Children's|Comedy"), (2, "Amélie", "unknown"),
    ]  # fmt: skip
    assert data.user_table.row(1) == (8, 53, "F", "other", "T8H1N")
    assert data.feedback.liked == 4


def test_the_layout_of_ml_1m(folder):
    path = folder(
        ratings__dat="1::10::5::978300760\n2::10::3::978302109\n",
        movies__dat="10::Se7en (1995)::Crime|Thriller\n",
        users__dat="1::F::1::10::48067\n2::M::56::16::70072\n",
    )
    data = datasets.read(path)
    assert data.item_table.rows() == [(10, "Se7en (1995)", "Crime|Thriller")]
    assert data.user_table["zip"].to_list() == ["48067", "70072"]
    assert data.until == 978302109 * 10**6


@pytest.mark.parametrize("layout", ["csv", "gz", "parquet"])
def test_the_layout_of_newer_sets(folder, layout):
    ratings = "userId,movieId,rating,timestamp\n1,10,4.5,100\n2,20,3,200\n"
    path = folder(
        movies__csv="movieId,title,genres\n"
        '10,"Seven, or Se7en",Crime\n20,Plain,(no genres listed)\n',
        tags__csv="userId,movieId,tag,timestamp\n1,10,Dark,1\n2,10,a|b,2\n",
    )
    if layout == "csv":
        (path / "ratings.csv").write_text(ratings)
    elif layout == "gz":
        (path / "ratings.csv.gz").write_bytes(gzip.compress(ratings.encode()))
    else:
        pl.read_csv(ratings.encode()).write_parquet(path / "ratings.parquet")
    data = datasets.read(path, value="")
    assert data.item_table.rows() == [
        (10, "Seven, or Se7en", "Crime", "dark|a b"), (20, "Plain", None, None),
    ]  # fmt: skip
    assert data.scale is None


def test_ratings_alone_are_enough(folder):
    data = datasets.read(folder(ratings__csv="user,item\n1,2\n"))
    assert data.item_table is None
    assert data.user_table is None
    data = datasets.read(folder(u__data="1\t2\t3\t4\n"))
    assert data.item_table is data.user_table is None


def test_tables_of_grouplens_are_known_beside_any_ratings(folder):
    path = folder(
        u__item=f"{ITEM}\n{OTHER}\n".encode("latin-1"),
        movies__dat="1::Toy Story (1995)::Animation\n2::Amélie::Comedy\n".encode("latin-1"),
        movies__csv="item,title,genres\n1,Toy Story,Animation\n2,Amélie,(no genres listed)\n",
        users__dat="7::F::25::6::90210\n",
        r__csv="user,item\n7,1\n7,2\n",
    )
    tables = {
        name: datasets.read(path / "r.csv", items=path / name, users=path / "users.dat")
        for name in ("u.item", "movies.dat", "movies.csv")
    }
    assert [t.item_table["title"][1] for t in tables.values()] == ["Amélie"] * 3
    assert [t.item_table["genres"][1] for t in tables.values()] == ["unknown", "Comedy", None]
    assert all(t.user_table["gender"][0] == "F" for t in tables.values())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds neither u.data, ratings.dat, ratings.csv nor ratings.parquet; name a file"),
        ({"u__item": ITEM.replace("|0|0|0", "")}, "u.item: row 1 has .* cells, and 24 are needed"),
        ({"u__item": ITEM.replace("1|Toy", "one|Toy")}, "row 1, item: 'one' is not a whole number"),
        ({"u__user": "7|x|M|technician|85711"}, "row 1, age: 'x' is not a whole number"),
    ],
    ids=str,
)
def test_folders_that_cannot_be_read_are_said(folder, files, message):
    path = folder(**files, **({"u__data": "7\t1\t5\t100\n"} if files else {}))
    with pytest.raises(BadEvents, match=message):
        datasets.read(path)


def test_an_empty_user_file_describes_nobody(folder):
    data = datasets.read(folder(u__data="7\t1\t5\t100\n", u__user=""))
    assert data.user_table["age"].to_list() == [None]
    assert "1 of 1 users have no row in their table" in data.reading.lines()


def test_titles_without_tags(folder):
    data = datasets.read(
        folder(ratings__csv="userId,movieId\n1,10\n", movies__csv="movieId,title\n10,x\n")
    )
    assert data.item_table.rows() == [(10, "x")]


def test_tags_that_do_not_fit_are_said(folder):
    path = folder(
        ratings__csv="userId,movieId\n1,10\n",
        movies__csv="movieId,title\n10,x\n",
        tags__csv="userId,movieId,label\n1,10,x\n",
    )
    with pytest.raises(BadEvents, match=r"tags.csv needs a column 'tag', and 'movieId' as in"):
        datasets.read(path)
    (path / "tags.csv").write_text("movieId,tag\na10,x\n")
    with pytest.raises(BadEvents, match=r"it has movieId \(String\), tag \(String\)"):
        datasets.read(path)


def test_a_file_with_its_tables(folder):
    path = folder(
        plays__tsv="listener\tartist\tplays\nu1\ta1\t7\n", artists__csv="artist,name\na1,Nina\n"
    )
    options = {"user": "listener", "items": path / "artists.csv"}
    data = datasets.read(path / "plays.tsv", users=pl.DataFrame({"user": ["u1"]}), **options)
    assert data.shown.rows() == [("Nina",)]
    assert data.histories.kinds == ("count",)
    assert data.name == "plays.tsv"
    assert datasets.read(str(path / "plays.tsv"), **{**options, "items": None}).item_table is None
    with pytest.raises(BadEvents, match="no such file"):
        datasets.read(path / "nothing.csv")


def test_original_files_of_ml_100k():
    data = datasets.movielens(find("ml-100k"))
    assert (len(data), len(data.users), len(data.items)) == (100_000, 943, 1_682)
    assert np.bincount(data.histories.value.astype(int)).tolist() == [
        0, 6_110, 11_370, 27_145, 34_174, 21_201,
    ]  # fmt: skip
    assert data.item_table["title"][0] == "Toy Story (1995)"
    assert data.user_table["occupation"].null_count() == 0
