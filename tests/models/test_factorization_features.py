import numpy as np
import polars as pl
import pytest

import penchant as pt
from naive_als import described, feature_vectors, from_features, penalties, start
from penchant.errors import BadEvents, BadParameter
from penchant.evaluation.metrics import NDCG
from penchant.features import Encoder
from penchant.testing import check_recommender

COLUMNS = {"item_columns": ("genres",), "user_columns": ("age", "likes")}
HOW = {"factors": 4, "unobserved": 0.3, "l2": 0.2, "nu": 0.4, "feature_weight": 2.0, "epochs": 2}


@pytest.fixture(scope="module")
def data():
    """Planted ratings with tables of both sides; items -7 and -8 and user -1 met nothing."""
    ratings, items = pt.datasets.planted_tables(noise=0.2, users=60, items=30)
    more = pl.DataFrame({"item": [-7, -8], "title": ["a", "b"], "genres": ["Drama", None]})
    genre = ratings.join(items, on="item").group_by("user").agg(pl.col("genres").mode().first())
    likes = dict(genre.iter_rows())
    people = pl.DataFrame(
        {
            "user": [*range(60), -1, -2],
            "age": [20.0 + u % 40 for u in range(60)] + [30.0, None],
            "likes": [likes[u] for u in range(60)] + ["Drama", None],
        }
    )
    return pt.Dataset.of(
        ratings.select("user", "item", "rating"),
        items=pl.concat([items, more], how="vertical_relaxed"),
        users=people,
    )


@pytest.fixture(scope="module")
def twin(data):
    """Users, items and what their features are, learned the slow way."""
    table = data.weights().to_scipy().toarray()
    sides = table, table.T
    told = [
        Encoder.learn(t, COLUMNS[c], scale="design").encode(t).to_scipy().toarray()
        for t, c in ((data.user_table, "user_columns"), (data.item_table, "item_columns"))
    ]
    drawn = np.random.default_rng(3).standard_normal((table.shape[1], 4), np.float32)
    vectors = [np.zeros((len(table), 4)), start(table, drawn)]
    for _ in range(2):
        for a, b in ((0, 1), (1, 0)):
            features = feature_vectors(vectors[a], told[a], 2.0, 0.2, 0.4)
            penalty = penalties(sides[a], 0.3, 0.2, 0.4)
            vectors[a] = np.array(
                [
                    described(w, vectors[b], 0.3, p, f, features, 2.0) if w.any() else np.zeros(4)
                    for w, p, f in zip(sides[a], penalty, told[a], strict=True)
                ]
            )
    features = [feature_vectors(v, f, 2.0, 0.2, 0.4) for v, f in zip(vectors, told, strict=True)]
    return table, told, vectors[1], features


@pytest.fixture(scope="module")
def model(data):
    return pt.ALS(**HOW, **COLUMNS, solver="cholesky").fit(data, rng=3)


@pytest.mark.parametrize("columns", [{"item_columns": ("genres",)}, {"user_columns": ("age",)}])
def test_keeps_the_contract(columns):
    check_recommender(pt.ALS(**columns))


def test_items_and_people_are_drawn_to_their_features(data, model, twin):
    table, told, items, features = twin
    known = items.copy()
    cold = data.items.code(-7)
    known[cold] = from_features(told[1][cold], features[1], 2.0, 0.2, 0.4)
    penalty = penalties(table, 0.3, 0.2, 0.4)
    scores = model.score(data.queries())
    described_items = np.arange(len(items)) != data.items.code(-8)
    worst = []
    for u in np.flatnonzero(table.any(axis=1)):
        x = described(table[u], items, 0.3, penalty[u], told[0][u], features[0], 2.0)
        worst.append(np.abs(scores[u, described_items] - known[described_items] @ x).max())
    assert max(worst) < 1e-3
    assert np.isnan(scores[:, ~described_items]).all()
    stranger = data.users.code(-1)
    x = from_features(told[0][stranger], features[0], 2.0, 0.2, 0.4)
    assert np.allclose(scores[stranger, described_items], known[described_items] @ x, atol=1e-3)
    assert np.isnan(model.score(data.queries(likes=[[]]))).all()


def test_a_stranger_is_answered_from_features_and_told_so(data, model):
    asked = data.queries(likes=[[]], user_features={"age": [33.0], "likes": ["Drama"]})
    genres = model.recommend(asked, k=3).to_frame()["genres"]
    assert set(genres) == {"Drama"}
    told = pt.explain(model, asked, model.recommend(asked, k=1).ids()[0][0])
    assert {s.kind for s in told.shares} == {"feature"}
    assert {s.id for s in told.shares} == {"age", "likes:Drama"}
    assert sum(s.amount for s in told.shares) == pytest.approx(told.score, rel=1e-5)
    both = pt.explain(model, data.queries(users=[5]), 3)
    assert {s.kind for s in both.shares} == {"feature", "history"}


def test_cold_items_of_a_genre_go_to_those_who_like_it():
    ratings, items = pt.datasets.planted_tables(noise=0.1, users=120, items=60, rng=1)
    cold = np.arange(0, 60, 5)
    data = pt.Dataset.of(ratings, items=items)
    here = ~np.isin(data.histories.item, data.items.encode(cold))
    truth = data.histories.where(~here)
    rules = pt.Rules(only=cold.tolist())
    found = {}
    for columns in ((), ("genres",)):
        model = pt.ALS(factors=8, item_columns=columns).fit(data.where(here))
        codes = model.recommend(data.where(here).queries(), 5, rules).codes
        found[columns] = np.nanmean(NDCG(5).per_query(codes, truth))
    assert found[()] == 0
    assert found["genres",] > 0.5


def test_what_cannot_be_read_is_an_error(data):
    bare = pt.Dataset.of({"user": [1, 2], "item": ["a", "b"]})
    with pytest.raises(BadEvents, match=r"ALS is to read 'genres' of the item table, and the data"):
        pt.ALS(item_columns=("genres",)).fit(bare)
    with pytest.raises(BadParameter, match="no column"):
        pt.ALS(item_columns=("colour",)).fit(data)
