"""The data-only distribution: complete, unchanged, and under GroupLens' own terms."""

import hashlib
from importlib.metadata import distribution

import polars as pl
import pytest

movielens = pytest.importorskip(
    "penchant_movielens", reason="needs penchant-movielens: pip install data/movielens"
)

HASHES = {
    "README.txt": "63d22ac138e80fae37021797ed8e1b9424b5239dc576a137422adf783ae3f404",
    "links.csv": "028a4a1d17751ca9276e0e0718cfc22356350f224a996e1ec348c23274b9209d",
    "movies.csv": "c47b783f23eb304413307e1bb05335e427737da20ec8d3c0e96335567dd5f3dc",
    "ratings.csv": "80da8b3393dae325bbba5a31f291a6ba55d8d4f4396de3c456f2c1635b1b70e8",
    "tags.csv": "68eec00a0820c2faa8863a6df7032f13d5899a4462bce9a97213905297ff3d34",
}


def test_every_file_is_the_published_one():
    for name, expected in HASHES.items():
        assert hashlib.sha256((movielens.path() / name).read_bytes()).hexdigest() == expected, name


def test_counts_are_those_of_the_read_me():
    ratings, movies, tags, links = (
        pl.read_csv(movielens.path() / f"{name}.csv")
        for name in ("ratings", "movies", "tags", "links")
    )
    assert ratings.columns == ["userId", "movieId", "rating", "timestamp"]
    assert ratings.height == 100_836
    assert ratings["userId"].n_unique() == 610
    assert ratings["movieId"].n_unique() == 9_724
    assert ratings.select("userId", "movieId").is_unique().all()
    assert ratings["rating"].min() == 0.5
    assert ratings["rating"].max() == 5.0
    assert movies.height == movies["movieId"].n_unique() == links.height == 9_742
    assert tags.height == 3_683
    assert movies.filter(pl.col("movieId") == 318)["title"].item() == (
        "Shawshank Redemption, The (1994)"
    )
    readme = (movielens.path() / "README.txt").read_text(encoding="utf-8")
    assert "100836 ratings and 3683 tag applications across 9742 movies" in readme
    assert "created by 610 users" in readme


def test_the_terms_travel_with_the_data():
    installed = distribution("penchant-movielens")
    assert installed.metadata["License-Expression"] == "LicenseRef-GroupLens-MovieLens"
    readme = (movielens.path() / "README.txt").read_text(encoding="utf-8")
    assert "may not state or imply any endorsement" in readme
    (licence,) = installed.metadata.get_all("License-File")
    shipped = installed.read_text(f"licenses/{licence}")
    if shipped is not None:  # an editable install keeps the metadata only
        assert shipped == readme
    about = installed.metadata.get_payload()
    for said in ("MovieLens", "GroupLens", "non-commercial research use", "not endorsed by"):
        assert said in about
    assert "F. Maxwell Harper and Joseph A. Konstan. 2015." in about


def test_nothing_but_a_path_is_executed():
    assert [n for n in vars(movielens) if not n.startswith("_")] == ["Path", "path"]
