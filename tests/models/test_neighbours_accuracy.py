"""Errors of ratings from neighbours beside those of the library Surprise 1.1.5.

Measured with its defaults (k=40, min_k=1, min_support=1, and shrinkage=100 where it has one) and
``sim_options={"name": similarity, "user_based": side == "people"}``: RMSE and MAE of ``KNNBasic``,
``KNNWithMeans``, ``KNNWithZScore`` and ``KNNBaseline``.
"""

import numpy as np
import polars as pl
import pytest

import penchant as pt
from data import find
from penchant.kernels.biases import fit_biases

FORMS = ("basic", "means", "z_score", "baseline")

U1 = {
    ("people", "cosine"): [
        (1.0229217, 0.8127633), (0.9703127, 0.7653840),
        (0.9687196, 0.7613988), (0.9461779, 0.7465010),
    ],
    ("people", "msd"): [
        (0.9888625, 0.7833647), (0.9649112, 0.7593678),
        (0.9635184, 0.7553283), (0.9417996, 0.7414030),
    ],
    ("people", "pearson"): [
        (1.0205088, 0.8113987), (0.9647826, 0.7542951),
        (0.9626536, 0.7505413), (0.9439175, 0.7408757),
    ],
    ("people", "pearson_baseline"): [
        (1.0097580, 0.8014785), (0.9513772, 0.7404991),
        (0.9491954, 0.7363811), (0.9334734, 0.7302410),
    ],
    ("items", "cosine"): [
        (1.0490530, 0.8271407), (0.9540192, 0.7488484),
        (0.9558967, 0.7492817), (0.9578283, 0.7540340),
    ],
    ("items", "msd"): [
        (0.9974284, 0.7870360), (0.9488226, 0.7434753),
        (0.9509315, 0.7442842), (0.9492167, 0.7453542),
    ],
    ("items", "pearson"): [
        (1.0593618, 0.8466007), (0.9524961, 0.7470685),
        (0.9539680, 0.7478616), (0.9549456, 0.7530328),
    ],
    ("items", "pearson_baseline"): [
        (1.0183188, 0.8014984), (0.9361422, 0.7323796),
        (0.9390600, 0.7338639), (0.9358854, 0.7343048),
    ],
}  # fmt: skip
"""ml-100k, u1.base and u1.test."""

SMALL = {
    ("people", "msd"): [
        (0.9458251, 0.7251558), (0.8936672, 0.6857516),
        (0.8926909, 0.6796834), (0.8717414, 0.6679044),
    ],
    ("people", "pearson"): [
        (0.9729500, 0.7518914), (0.8927518, 0.6819637),
        (0.8897054, 0.6736329), (0.8742752, 0.6690927),
    ],
    ("people", "pearson_baseline"): [
        (0.9741611, 0.7525217), (0.8943384, 0.6787935),
        (0.8927756, 0.6719647), (0.8760945, 0.6675167),
    ],
}  # fmt: skip
"""The packaged data, of five folds of its rows, as default_rng(42) shuffles them, the first."""


def errors(model, train, test):
    """Return RMSE and MAE over all pairs; what we cannot say is what Surprise says."""
    found = pt.predict(model.fit(train), test, train)["prediction"].to_numpy()
    mean, _, bias = fit_biases(train.ratings(), item_penalty=10, user_penalty=15, epochs=10)
    person = train.users.encode(test["user"])
    own = np.where(person >= 0, bias[person], 0) if model.form == "baseline" else 0
    found = np.where(np.isnan(found), mean + own, found).clip(*train.scale)
    error = found - test["rating"].to_numpy()
    return np.sqrt(np.mean(error**2)), np.mean(np.abs(error))


def model_of(side, form, similarity):
    how = {"target": "rating", "form": form, "similarity": similarity}
    if similarity != "pearson_baseline":
        how["shrinkage"] = 0.0
    return pt.UserKNN(**how) if side == "people" else pt.ItemKNN(**how, keep=10_000)


@pytest.fixture(scope="module")
def first_of_hundred():
    names = ["user", "item", "rating", "timestamp"]
    rows, test = (
        pl.read_csv(path, separator="\t", has_header=False, new_columns=names).drop("timestamp")
        for path in (find("ml-100k") / "u1.base", find("ml-100k") / "u1.test")
    )
    return pt.Dataset.of(rows), test


@pytest.fixture(scope="module")
def first_of_small():
    import penchant_movielens

    rows = pl.read_csv(penchant_movielens.path() / "ratings.csv").select(
        user="userId", item="movieId", rating="rating"
    )
    held = np.array_split(np.random.default_rng(42).permutation(len(rows)), 5)[0]
    test = np.isin(np.arange(len(rows)), held)
    return pt.Dataset.of(rows.filter(~test)), rows.filter(test)


def ties(side, similarity):
    """How far equal similarities may lead: Surprise asks those first that its file names first.

    They are many where nothing is shrunk, and two people or items have a film or two in common.
    """
    return (
        1e-6 if similarity == "pearson_baseline" or (side, similarity) == ("items", "msd") else 5e-4
    )


@pytest.mark.parametrize(("side", "similarity"), U1)
def test_every_form_is_that_of_surprise_on_ml_100k(first_of_hundred, side, similarity):
    for form, golden in zip(FORMS, U1[side, similarity], strict=True):
        found = errors(model_of(side, form, similarity), *first_of_hundred)
        assert found == pytest.approx(golden, abs=ties(side, similarity))


@pytest.mark.parametrize(("side", "similarity"), SMALL)
def test_every_form_is_that_of_surprise_on_the_packaged_data(first_of_small, side, similarity):
    for form, golden in zip(FORMS, SMALL[side, similarity], strict=True):
        found = errors(model_of(side, form, similarity), *first_of_small)
        assert found == pytest.approx(golden, abs=ties(side, similarity))


def test_items_of_the_packaged_data_too(first_of_small):
    found = errors(model_of("items", "z_score", "msd"), *first_of_small)
    assert found == pytest.approx((0.8971915, 0.6863499), abs=5e-4)


@pytest.mark.parametrize(("similarity", "shrinkage"), [("pearson_baseline", None), ("msd", 0.0)])
def test_by_default_nothing_is_lost_of_all_the_neighbours(first_of_hundred, similarity, shrinkage):
    # 500 are kept where similarities are shrunk, and all where they are not.
    for form, golden in zip(FORMS, U1["items", similarity], strict=True):
        how = {"target": "rating", "form": form, "similarity": similarity, "shrinkage": shrinkage}
        assert errors(pt.ItemKNN(**how), *first_of_hundred) == pytest.approx(golden, abs=2e-4)


@pytest.mark.parametrize("model", [pt.ItemKNN, pt.UserKNN])
def test_msd_is_better_shrunk_as_it_is_by_default(first_of_hundred, model):
    side = "items" if model is pt.ItemKNN else "people"
    for form, golden in list(zip(FORMS, U1[side, "msd"], strict=True))[1:]:
        found = errors(model(target="rating", form=form, similarity="msd"), *first_of_hundred)
        assert found[0] < golden[0] - 0.001
        assert found[1] < golden[1] - 0.001
