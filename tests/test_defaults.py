"""Defaults are part of the product: whoever sets nothing still gets better lists than popularity's.

Every model that ranks is asked, found among the classes that an artifact may name, so that a new
one cannot be forgotten. Exempt, and why: popularity itself; composites, which are as good as their
parts; models of ratings, whose scores are not meant for lists; and models of content, which need
what a table of interactions does not have.
"""

import importlib

import polars as pl
import pytest

import penchant as pt
from data import find
from penchant.artifact import CLASSES
from penchant.split import Split

NDCG = pt.NDCG(10)
slow = pytest.mark.slow


def ranking(cls: type[pt.Recommender]) -> bool:
    """Whether a class is a model that makes lists out of who met what."""
    if "parts" in cls.__dataclass_fields__ or "Popularity" in cls.__name__:
        return False
    model = cls()
    return model.scores == "rank" and "tastes" not in model.reads


FOUND = [getattr(importlib.import_module(module), name) for module, name in CLASSES]
MODELS = {cls.__name__: cls for cls in FOUND if ranking(cls)}


def ml_1m() -> pt.Dataset:
    pairs = pl.read_parquet(find("ml-1m") / "ratings.parquet", columns=["user_id", "movie_id"])
    return pt.Dataset.of(pairs)


READ = {
    "ml-latest-small": pt.datasets.movielens,
    "ml-100k": lambda: pt.datasets.read(find("ml-100k")),
    "lastfm-2k": lambda: pt.datasets.read(find("lastfm-2k") / "user_artists.dat"),
    "ml-1m": ml_1m,
}
ORDERED = ["ml-latest-small", "ml-100k"]
UNORDERED = ["ml-latest-small", "ml-100k", "lastfm-2k", pytest.param("ml-1m", marks=slow)]
LONG = ("SLIM", "ml-latest-small")
"""A case that takes as long as many others; SLIM is asked on the others' data all the same."""
CASES = [
    pytest.param(
        name,
        *getattr(data, "values", [data]),
        marks=slow if (name, data) == LONG else getattr(data, "marks", ()),
    )
    for name, cls in MODELS.items()
    for data in (ORDERED if "order" in cls().reads else UNORDERED)
]
"""Sequence models are asked where the order is known."""


class Asked:
    """Splits with popularity fitted on their train, each made once."""

    def __init__(self):
        self.made = {}

    def __call__(self, name: str, reads: frozenset[str]) -> tuple[Split, pt.Popularity]:
        cut = "last" if "order" in reads else "random"
        if (name, cut) not in self.made:
            data = READ[name]()
            split = (
                pt.split.last(data, n=1)
                if cut == "last"
                else pt.split.random(data, 0.2, by="user", rng=0)
            )
            self.made[name, cut] = split, pt.Popularity().fit(split.train)
        return self.made[name, cut]


@pytest.fixture(scope="module")
def asked() -> Asked:
    return Asked()


def better(model: pt.Recommender, split: Split, popularity: pt.Popularity) -> bool:
    """Whether the paired interval of the difference to popularity is clear of zero."""
    fitted = model.fit(split.train)
    found = pt.evaluate(fitted, split, NDCG, baseline=popularity)
    return found.difference(NDCG, found.models[0]).low > 0


def test_the_models_are_found():
    assert {"ALS", "EASE", "ItemKNN", "UserKNN"} <= MODELS.keys()
    assert not {"Popularity", "Weighted", "SVD", "ContentBased"} & MODELS.keys()


@pytest.mark.parametrize(("name", "data"), CASES)
def test_defaults_beat_popularity(name, data, asked):
    model = MODELS[name]()
    assert better(model, *asked(data, model.reads))


def test_what_is_as_good_or_worse_is_not_better(asked):
    split, popularity = asked("ml-latest-small", frozenset())
    assert not better(pt.Popularity(), split, popularity)
    assert not better(pt.ContentBased(), split, popularity)
