"""Errors of predicted ratings beside those of the library Surprise 1.1.5, on the same folds."""

import numpy as np
import polars as pl
import pytest

import penchant as pt
from data import find
from penchant.kernels.biases import fit_biases


def errors(model, train, test):
    """Return RMSE and MAE over all pairs, as Surprise counts them, which answers for every item.

    What nobody rated, where our models say NaN, gets what Surprise says: mean plus person's bias.
    """
    found = pt.predict(model.fit(train), test, train)["prediction"].to_numpy()
    assert np.isnan(found).mean() < 0.05
    mean, _, bias = fit_biases(train.ratings(), item_penalty=10, user_penalty=15, epochs=10)
    person = train.users.encode(test["user"])
    stood_in = mean + np.where(person >= 0, bias[person], 0)
    found = np.clip(np.where(np.isnan(found), stood_in, found), *train.scale)
    error = found - test["rating"].to_numpy()
    return [np.sqrt(np.mean(error**2)), np.mean(np.abs(error))]


@pytest.fixture(scope="module")
def small():
    """Five folds of the packaged data: rows shuffled by default_rng(42), cut into five."""
    import penchant_movielens

    rows = pl.read_csv(penchant_movielens.path() / "ratings.csv").select(
        user="userId", item="movieId", rating="rating"
    )
    folds = np.array_split(np.random.default_rng(42).permutation(len(rows)), 5)
    held = [np.isin(np.arange(len(rows)), fold) for fold in folds]
    return [(pt.Dataset.of(rows.filter(~h)), rows.filter(h)) for h in held]


@pytest.fixture(scope="module")
def hundred():
    """The canonical files u1 to u5."""
    folder = find("ml-100k")
    names = ["user", "item", "rating", "timestamp"]

    def read(name):
        rows = pl.read_csv(folder / name, separator="\t", has_header=False, new_columns=names)
        return rows.drop("timestamp")

    return [(pt.Dataset.of(read(f"u{n}.base")), read(f"u{n}.test")) for n in range(1, 6)]


MODELS = {
    "BaselineOnly": pt.Biases(),
    "BaselineOnly, sgd": pt.Biases(method="sgd"),
    "SlopeOne": pt.SlopeOne(),
    "CoClustering": pt.CoClustering(),
    "SVD": pt.SVD(),
    "SVDpp": pt.SVDpp(),
    "NMF": pt.NMF(),
    "KNNBaseline": pt.ItemKNN(target="rating", similarity="pearson_baseline"),
}


@pytest.mark.parametrize(
    ("theirs", "rmse", "mae"),
    [
        ("BaselineOnly", 0.8727, 0.6728), ("BaselineOnly, sgd", 0.8755, 0.6720),
        ("SVD", 0.8787, 0.6742), ("KNNBaseline", 0.8527, 0.6504),
        ("SVDpp", 0.8652, 0.6628), ("NMF", 0.9186, 0.7042),
    ],
)  # fmt: skip
def test_errors_on_the_packaged_data_are_no_worse_than_surprise(small, theirs, rmse, mae):
    found = np.mean([errors(MODELS[theirs], *fold) for fold in small], axis=0)
    assert found[0] <= rmse + 0.002
    assert found[1] <= mae + 0.002
    assert found[0] > rmse - 0.03  # far better is an error of the test


@pytest.mark.parametrize(
    ("theirs", "rmse", "mae"),
    [
        ("BaselineOnly", 0.9458, 0.7499), ("BaselineOnly, sgd", 0.9431, 0.7444),
        ("SVD", 0.9380, 0.7390), ("KNNBaseline", 0.9204, 0.7214),
        ("SVDpp", 0.9219, 0.7238), ("NMF", 0.9690, 0.7620),
        ("SlopeOne", 0.9470, 0.7439), ("CoClustering", 0.9660, 0.7560),  # the mean of ten seeds
    ],
)  # fmt: skip
def test_errors_on_ml_100k_are_no_worse_than_surprise(hundred, theirs, rmse, mae):
    found = np.mean([errors(MODELS[theirs], *fold) for fold in hundred], axis=0)
    assert found[0] <= rmse + 0.002
    assert found[1] <= mae + 0.002
    assert found[0] > rmse - 0.03


def test_biases_and_neighbours_are_those_of_surprise(hundred):
    # Both are without chance: on u1, where every neighbour is kept, only rounding is left.
    everything = pt.ItemKNN(target="rating", keep=10_000)
    assert errors(pt.Biases(), *hundred[0])[0] == pytest.approx(0.9599438, abs=1e-6)
    assert errors(everything, *hundred[0])[0] == pytest.approx(0.9358854, abs=1e-6)
