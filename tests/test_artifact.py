"""What is saved comes back the same, bit for bit, and holds nothing that it should not."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import mmap
import pkgutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numba
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant import artifact, models
from penchant.datasets import planted_tables
from penchant.kernels.csr import CSR
from penchant.models.ratings import Biases
from penchant.recommender import Explains, Recommender, Similar, arrays_in


@dataclass(kw_only=True)
class Remembers(Recommender):
    """Scores what each known person met, and has an attribute of every type that is saved."""

    label: str = "é \ud800"
    steps: tuple[Any, ...] = (1, 2.5, None, [True])
    options: Mapping[str, Any] = field(default_factory=lambda: {"a/../b": 0.1, "": (1e-300,)})
    parts: Sequence[Recommender] = ()

    @property
    def reads(self):
        return frozenset({"user"})

    def _fit(self, data, rng, on_epoch):
        self.met_ = data.weights()
        self.names_ = data.items
        kinds = pl.Series(["é", None], dtype=pl.Categorical)
        self.table_ = pl.DataFrame({"n": [1, None], "who": [["x"], []], "kind": kinds})
        self.scale_ = np.array(rng.random())
        self.nothing_ = np.zeros((0, 3), np.float32)
        self.several_ = [np.asfortranarray(rng.random((3, 2))), self.met_, data.users, [], [[]]]
        self.parts_ = [part.fit(data) for part in self.parts]

    def _score(self, queries, items):
        dense = self.met_.to_scipy().toarray() * np.float32(self.scale_)
        scores = np.where(queries.user[:, None] >= 0, dense[queries.user], np.float32(np.nan))
        return scores if items is None else scores[:, items]


def people(users=40, items=70, ids="{kind}-{n:04d}".format) -> pt.Dataset:
    """Return planted data with ids that can be searched for in files."""
    ratings, table = planted_tables(noise=0.15, users=users, items=items)
    device = [("phone", "desk")[(u + i) % 2] for u, i in ratings.select("user", "item").rows()]
    ratings = ratings.with_columns(
        pl.Series("user", [ids(kind="person", n=n) for n in ratings["user"]]),
        pl.Series("item", [ids(kind="film", n=n) for n in ratings["item"]]),
        pl.Series("device", device),
    )
    titles = table.with_columns(pl.Series("item", [ids(kind="film", n=n) for n in table["item"]]))
    return pt.Dataset.of(ratings, items=titles, context=("device",))


@pytest.fixture(scope="module")
def few_people():
    return people()


@pytest.fixture(scope="module")
def few_films():
    return people(users=90, items=40)


PARTS = (pt.EASE(l2=20.0), pt.ContentBased(), pt.Popularity())
FACTORS = {"factors": 4, "epochs": 2}
SAMPLES = [
    pt.ALS(**FACTORS),
    pt.ALS(item_columns=("genres",), **FACTORS),
    Biases(),
    pt.BPR(**FACTORS),
    pt.BayesianFM(factors=2, sweeps=4, samples=4),
    pt.CoClustering(),
    pt.ContentBased(),
    pt.ContentBased(columns={"genres": 2.0}),
    pt.EASE(l2=20.0),
    pt.EASE(item_columns=("genres",)),
    pt.EASE(item_columns=("genres",), side="added"),
    pt.EASE(k=5),
    pt.Fallback(PARTS),
    pt.GraphFilter(rank=4),
    pt.ItemKNN(),
    pt.ItemKNN(target="rating"),
    pt.LogisticMF(**FACTORS),
    pt.MarkovChain(),
    pt.Mixed(list(PARTS[:2])),
    pt.NMF(**FACTORS),
    pt.Popularity(half_life="90d"),
    pt.Popularity(by="device"),
    pt.PopularityRecent(),
    pt.P3alpha(),
    pt.RP3beta(),
    pt.SLIM(),
    pt.SequentialRules(),
    pt.SlopeOne(),
    pt.SVD(**FACTORS),
    pt.SVDpp(**FACTORS),
    pt.Switching(PARTS[::-1], at=(1, 3)),
    pt.Switching([Biases(), pt.SVD(**FACTORS)]),
    pt.UserKNN(),
    pt.UserKNN(target="rating"),
    pt.WARP(**FACTORS),
    pt.Weighted(PARTS),
    pt.Weighted([*PARTS, pt.Fallback(PARTS)], weights=[0.5, 0, 0.25, 0.25], normalise="fit"),
    Remembers(parts=(Remembers(), pt.EASE(l2=20.0))),
]


def size(path: Path) -> int:
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def manifest(path: Path) -> dict[str, Any]:
    return json.loads((path / "manifest.json").read_text())


def contained(model: Recommender) -> list[Recommender]:
    """Return a model and all those within it, fitted or not."""
    found = [model]
    values = [getattr(model, f.name) for f in dataclasses.fields(model)]
    values += [value for _, value in model._learned()]
    for value in values:
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, Recommender):
                found += contained(one)
    return found


def asked_of(model: Recommender, data: pt.Dataset) -> list[pt.Queries]:
    items = list(data.items)
    devices = {"device": ["phone", "desk", None]}
    tastes = [{"genres:Drama": 1.0}, {}, {"genres:Comedy": 0.5, "genres:Action": 2}]
    asked = [
        data.queries(),
        data.queries(users=list(data.users)[5:8], context=devices),
        data.queries(likes=[items[3:6], [], items[9:10]], context=devices),
    ]
    return asked + ([data.queries(tastes=tastes)] if "tastes" in model.reads else [])


def assert_answers_alike(mine: Recommender, other: Recommender, data: pt.Dataset) -> None:
    some = list(data.items)[2:6]
    for asked in asked_of(mine, data):
        for codes in (None, np.array([3, -1, 0], np.int32)):
            a, b = mine.score(asked, codes), other.score(asked, codes)
            assert a.tobytes() == b.tobytes()
        recs, again = mine.recommend(asked[:3], k=5), other.recommend(asked[:3], k=5)
        assert recs.to_frame().equals(again.to_frame(), null_equal=True)
        if isinstance(mine, Explains) and recs.codes[0, 0] >= 0:
            item = recs.ids()[0][0]
            assert isinstance(other, Explains)
            a, b = (pt.explain(model, asked[:1], item) for model in (mine, other))
            assert (a.base, a.shares, a.score, str(a)) == (b.base, b.shares, b.score, str(b))
    if isinstance(mine, Similar):
        assert mine.similar(some).to_frame().equals(other.similar(some).to_frame())
    assert [mine.training_.title(i) for i in some] == [other.training_.title(i) for i in some]
    if mine.scores == "rating":
        pairs = [(u, i) for u in list(data.users)[:3] for i in some]
        assert pt.predict(mine, pairs, data).equals(pt.predict(other, pairs, data))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda model: model.name)
def test_every_model_comes_back_the_same(sample, few_people, tmp_path):
    assert_comes_back_the_same(sample, few_people, tmp_path)


@pytest.mark.parametrize("sample", [pt.EASE(l2=20.0), Remembers()], ids=lambda model: model.name)
def test_a_model_of_more_people_than_films_comes_back_the_same(sample, few_films, tmp_path):
    assert_comes_back_the_same(sample, few_films, tmp_path)


def assert_comes_back_the_same(sample: Recommender, data: pt.Dataset, tmp_path: Path) -> None:
    model = copy.deepcopy(sample).fit(data, rng=7)
    path = tmp_path / "a model [1] *?~%20é"  # a path, not a pattern or an address
    pt.save(model, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    for verify in (True, False):
        loaded = pt.load(path, known=(Remembers,), verify=verify)
        assert type(loaded) is type(model)
        assert repr(loaded) == repr(model)
        assert_answers_alike(model, loaded, data)
    known = dataclasses.asdict(model.training_)
    again = dataclasses.asdict(loaded.training_)
    for name in ("fitted", "feedback", "scale", "until", "events", "fingerprint", "seed"):
        assert again[name] == known[name]
    assert loaded.training_.seed == 7

    # Everything learned is mapped, cannot be written to even on purpose, and is of the type that
    # kernels were compiled for.
    for (_, fresh), (_, value) in zip(model._learned(), loaded._learned(), strict=True):
        for before, array in zip(arrays_in(fresh), arrays_in(value), strict=True):
            assert type(array) is np.ndarray
            assert numba.typeof(array) == numba.typeof(before)
            base = array
            while isinstance(base, np.ndarray):
                base = base.base
            assert isinstance(base, mmap.mmap)
            with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
                array.setflags(write=True)

    # Who was learned from is written nowhere unless the model needs to know them again.
    content = b"".join(f.read_bytes() for f in path.rglob("*") if f.is_file())
    assert (b"person-0007" in content) == ("user" in model.reads)
    assert b"film-0007" in content

    # Saving what was loaded writes the same again; in tables, polars may leave out empty bitmaps.
    pt.save(loaded, tmp_path / "again")
    mine, again = manifest(path), manifest(tmp_path / "again")
    assert again["models"] == mine["models"]
    assert {f: again["files"][f] for f in again["files"] if f.endswith(".npy")} == {
        f: mine["files"][f] for f in mine["files"] if f.endswith(".npy")
    }


def test_every_public_model_is_known_and_sampled():
    public = set()
    for _, name, _ in pkgutil.iter_modules(models.__path__):
        module = import_module(f"penchant.models.{name}")
        for short, cls in vars(module).items():
            own = isinstance(cls, type) and issubclass(cls, Recommender)
            own = own and not inspect.isabstract(cls) and not short.startswith("_")
            if own and cls.__module__ == module.__name__:
                public.add((module.__name__, short))
    assert set(artifact.CLASSES) == public
    assert {(type(m).__module__, type(m).__name__) for m in SAMPLES} >= public
    # docs/artifact.md says whose ids are kept, and by whom.
    knowing = {m.name for m in SAMPLES if "user" in m.reads and not isinstance(m, Remembers)}
    assert knowing == {"BayesianFM", "Biases", "CoClustering", "NMF", "SVD", "SVDpp", "Switching"}


KINDS = [
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip),
    st.uuids(),
]
ids_of_one_type = st.one_of(st.lists(k, min_size=2, max_size=6, unique=True) for k in KINDS)


@settings(max_examples=25, deadline=None)
@given(users=ids_of_one_type, items=ids_of_one_type, data=st.data())
def test_ids_come_back_as_they_were(users, items, data):
    pairs = data.draw(st.lists(st.tuples(*map(st.sampled_from, (users, items))), min_size=1))
    rows = {"user": [u for u, _ in pairs], "item": [i for _, i in pairs]}
    table = {"item": items, "title": [repr(i) for i in items]}
    dataset = pt.Dataset.of(rows, items=table)
    model = Remembers().fit(dataset)
    with TemporaryDirectory() as folder:
        pt.save(model, f"{folder}/m")
        loaded = pt.load(f"{folder}/m", known=[Remembers])
        for name in ("items", "users"):
            mine, other = getattr(model.training_, name), getattr(loaded.training_, name)
            assert list(mine) == list(other)
            assert {type(i) for i in other} == {type(i) for i in mine}
        assert loaded.training_.title(items[0]) == repr(items[0])
        asked = dataset.queries()
        assert model.score(asked).tobytes() == loaded.score(asked).tobytes()
        assert model.recommend(asked).ids() == loaded.recommend(asked).ids()


def test_a_model_that_reads_no_user_still_minds_their_type(tmp_path):
    data = people(ids=lambda kind, n: uuid.UUID(int=n) if kind == "film" else n)
    pt.save(pt.EASE(l2=20.0).fit(data), tmp_path / "m")
    loaded = pt.load(tmp_path / "m")
    assert len(loaded.training_.users) == 0
    assert loaded.training_.users.kind == "int"
    assert loaded.training_.items.kind == "uuid"


# Models that keep what each of 9 people met, and in how many rows or columns.
KEEPERS = [
    (pt.EASE(), 9),
    (pt.EASE(item_columns=("genres",)), 9 + 2),
    (pt.GraphFilter(rank=4), 9),
    (pt.UserKNN(), 9),
    (pt.UserKNN(target="rating"), 9),
]


@pytest.mark.parametrize(("model", "people"), KEEPERS, ids=lambda one: getattr(one, "name", ""))
def test_what_people_met_does_not_stand_in_the_order_of_their_ids(model, people):
    rng = np.random.default_rng(0)
    table = {"user": rng.integers(0, 9, 80), "item": rng.integers(0, 40, 80)}
    table |= {"rating": rng.integers(1, 6, 80)}
    genres = {"item": np.arange(40), "genres": [["Drama", "Comedy"][n % 2] for n in range(40)]}
    kept = []
    for users in (table["user"], -table["user"]):
        model.fit(pt.Dataset.of({**table, "user": users}, items=genres))
        learned = dict(model._learned())
        values = chain.from_iterable(v if isinstance(v, list) else [v] for v in learned.values())
        assert people in {n for v in values if isinstance(v, CSR) for n in v.shape}
        kept.append({name: list(arrays_in(value)) for name, value in learned.items()})
    np.testing.assert_equal(kept[1], kept[0])


def test_parts_share_what_they_shared(few_people, tmp_path):
    ease = pt.EASE(l2=20.0).fit(few_people)
    model = Remembers(parts=[ease, pt.Weighted(PARTS), ease, Remembers()]).fit(few_people)
    pt.save(model, tmp_path / "m")
    hashes = [about["sha256"] for about in manifest(tmp_path / "m")["files"].values()]
    assert len(set(hashes)) == len(hashes)

    loaded = pt.load(tmp_path / "m", known=(Remembers,))
    assert loaded.parts[0] is loaded.parts[2] is loaded.parts_[0]
    assert loaded.names_ is loaded.training_.items
    fitted = [m for m in contained(loaded) if "training_" in vars(m)]
    assert len(fitted) >= 8
    for part in fitted:
        assert part.training_.items is loaded.training_.items
        assert part.training_.users is loaded.training_.users  # for the sake of who reads them
        assert part.training_.shown is loaded.training_.shown


def test_parts_of_a_model_without_users_share_that_there_are_none(few_people, tmp_path):
    pt.save(pt.Fallback(PARTS).fit(few_people), tmp_path / "m")
    loaded = pt.load(tmp_path / "m")
    assert all(part.training_.users is loaded.training_.users for part in loaded.parts_)
    assert all("training_" not in vars(part) for part in loaded.parts)


def test_parts_fitted_on_other_data_keep_their_own_ids(few_people, few_films, tmp_path):
    part = Remembers().fit(few_films)
    model = Remembers().fit(few_people)
    model.parts_ = [part]
    pt.save(model, tmp_path / "m")
    loaded = pt.load(tmp_path / "m", known=(Remembers,))
    assert loaded.parts_[0].training_.users == part.training_.users
    assert loaded.parts_[0].training_.items == part.training_.items
    assert loaded.training_.items == model.training_.items


def test_a_model_born_fitted_is_saved(few_people, tmp_path):
    learned = pt.Popularity().fit(few_people)
    born = pt.Popularity()
    born.counts_ = np.array(learned.counts_)  # writable still
    born.training_ = dataclasses.replace(learned.training_, seed=None, shown=None, scale=None)
    pt.save(born, tmp_path / "m")
    loaded = pt.load(tmp_path / "m")
    assert (loaded.training_.seed, loaded.training_.shown, loaded.training_.scale) == (None,) * 3
    assert_answers_alike(born, loaded, few_people)


def test_feedback_comes_back(tmp_path):
    feedback = pt.Feedback(
        weights={"view": 0.5, "é": 3}, half_life="12h", liked=4, at_least={"play": 30},
        clip={"rating": (None, 5)}, by_value={"view": "log"}, take_back=("hide", "return"),
        repeats="last", cap=2.5, ids="folded",
    )  # fmt: skip
    data = pt.Dataset.of({"user": ["Ann", "Bo", "ann "], "item": [5, 5, 6]}, feedback=feedback)
    pt.save(pt.ItemKNN().fit(data), tmp_path / "m")
    training = pt.load(tmp_path / "m").training_
    assert training.feedback == feedback
    assert training.items.spelling == training.users.spelling == "folded"


def test_ids_are_compared_after_loading_as_before(tmp_path):
    table = {"user": ["Ann", "ann ", "Bo", "BO"], "item": ["X1", "y2", "x1", " Y2"]}
    data = pt.Dataset.of(table, feedback=pt.Feedback(ids="folded"))
    model = pt.ItemKNN().fit(data)
    pt.save(model, tmp_path / "m")
    loaded = pt.load(tmp_path / "m")
    assert loaded.training_.items == data.items
    asked = loaded.training_.items.encode(["X1 ", "Y2", "z"])
    assert asked.tolist() == [1, 0, -1]  # " Y2", of two alike the first in the alphabet, and "X1"
    exact = pt.Dataset.of({"user": ["ann"], "item": ["x1"]})  # asked with a map of another rule
    scores = [one.score(exact.queries()) for one in (model, loaded)]
    assert np.array_equal(*scores, equal_nan=True)


def test_a_class_of_ones_own_is_found_where_it_moved_to(few_people, tmp_path):
    pt.save(Remembers().fit(few_people), tmp_path / "m")
    moved = type("Remembers", (Remembers,), {"__module__": "elsewhere"})
    assert type(pt.load(tmp_path / "m", known=(pt.EASE, moved))) is moved
    assert type(pt.load(tmp_path / "m", known=(moved, Remembers))) is Remembers
    with pytest.raises(pt.BadArtifact, match=r"is a Remembers.*load\(path, known=\(Remembers,\)\)"):
        pt.load(tmp_path / "m")
    with pytest.raises(pt.BadArtifact, match="does not know"):
        pt.load(tmp_path / "m", known=(moved, type("Remembers", (Remembers,), {})))
    with pytest.raises(pt.BadParameter, match="subclasses of Recommender"):
        pt.load(tmp_path / "m", known=(dict,))


LEARNED = [
    (3.5, "Popularity.extra_ is 3.5"),
    (pl.Series([1]), "Popularity.extra_ is a polars.*Series"),
    ((np.zeros(1),), "Popularity.extra_ is a tuple"),
    ({"a": np.zeros(1)}, "Popularity.extra_ is a dict"),
    (np.array([None]), "Popularity.extra_ is an array of Python objects"),
    (np.ma.masked_array([1.0], [True]), "Popularity.extra_ is a numpy.ma"),
    ([np.zeros(1), [print]], r"Popularity.extra_\[1\]\[0\] is a builtin_function"),
    (pl.DataFrame({"a": [object()]}), "Popularity.extra_ cannot be saved as an Arrow table"),
]


@pytest.mark.parametrize(("value", "complaint"), LEARNED)
def test_what_cannot_be_saved_is_named(value, complaint, few_people, tmp_path):
    model = pt.Popularity().fit(few_people)
    model.extra_ = value
    with pytest.raises(pt.Incompatible, match=complaint):
        pt.save(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.inf, np.nan, b"x", {1: 2}, {1, 2}, [1, [print]], np.zeros(2)])
def test_a_hyper_parameter_that_cannot_be_saved_is_named(value, few_people, tmp_path):
    with pytest.raises(pt.Incompatible, match=r"Remembers.label.* cannot be saved"):
        pt.save(Remembers(label=value).fit(few_people), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_numbers(few_people, tmp_path):
    model = Remembers(label=np.float32(0.1), steps=(np.int64(3), np.bool_(True), np.str_("x")))
    pt.save(model.fit(few_people), tmp_path / "m")
    loaded = pt.load(tmp_path / "m", known=(Remembers,))
    assert (loaded.label, loaded.steps) == (float(np.float32(0.1)), (3, True, "x"))


def test_what_is_no_fitted_model_is_not_saved(few_people, tmp_path):
    with pytest.raises(pt.NotFitted, match="EASE has not been fitted"):
        pt.save(pt.EASE(), tmp_path / "m")
    with pytest.raises(pt.Incompatible, match="takes a Recommender, got a dict"):
        pt.save({}, tmp_path / "m")
    model = pt.Popularity().fit(few_people)
    with pytest.raises(pt.BadParameter, match="is not a folder"):
        pt.save(model, tmp_path / "no" / "m")
    for path in ("", "/", "..", tmp_path / ".."):
        with pytest.raises(pt.BadParameter, match="ends in a name"):
            pt.save(model, path)


def test_a_part_may_be_fitted_or_not(few_people, tmp_path):
    given = pt.Popularity().fit(few_people)
    model = pt.Weighted([given, pt.EASE(l2=20.0)], weights=[1, 1]).fit(few_people)
    pt.save(model, tmp_path / "m")
    loaded = pt.load(tmp_path / "m")
    assert_answers_alike(given, loaded.parts[0], few_people)
    with pytest.raises(pt.NotFitted):
        loaded.parts[1].score(few_people.queries())
    # A model that was loaded can be fitted anew.
    asked = few_people.queries()
    fresh = loaded.fit(few_people).score(asked)
    np.testing.assert_array_equal(fresh, model.score(asked))


def test_ease_on_movielens_is_small(movielens, tmp_path):
    pt.save(pt.EASE().fit(movielens), tmp_path / "m")
    assert size(tmp_path / "m") < 6e6  # 5 MB; the item-to-item weights would be 380 MB


@pytest.mark.parametrize("change", ["beyond", "negative", "backwards", "too few"])
def test_a_matrix_that_would_lead_compiled_code_astray_is_not_loaded(change, few_people, tmp_path):
    model = Remembers().fit(few_people)
    met = model.met_
    ends = met.indptr.copy()
    ends[1], ends[2] = ends[2], ends[1]
    model.met_ = {
        "beyond": dataclasses.replace(met, indices=met.indices + np.int32(1)),
        "negative": dataclasses.replace(met, indices=met.indices - np.int32(met.indices.max() + 1)),
        "backwards": dataclasses.replace(met, indptr=ends),
        "too few": dataclasses.replace(met, data=met.data[1:]),
    }[change]
    if change == "beyond":
        model.met_ = dataclasses.replace(model.met_, columns=int(met.indices.max()) + 1)
    pt.save(model, tmp_path / "m")
    with pytest.raises(pt.BadArtifact, match="no CSR matrix"):
        pt.load(tmp_path / "m", known=(Remembers,))
