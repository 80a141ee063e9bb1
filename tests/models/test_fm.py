"""BayesianFM: laws, sessions, features, bounds, and myFM's accuracy on real ratings."""

import numpy as np
import polars as pl
import pytest

import penchant as pt
from data import find
from naive_fm import sessions as naively
from penchant.errors import BadEvents, BadParameter
from penchant.kernels.csr import CSR
from penchant.models.fm_evidence import Evidence, design, one_each, session_now, sessions_of
from penchant.testing import check_recommender

QUICK = {"sweeps": 60, "factors": 4, "samples": 40, "chains": 2}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"likelihood": "ordered", "sweeps": 30, "samples": 12},
        {"rated": False, "chains": 1},
        {
            "item_columns": ("genres",),
            "user_columns": ("age",),
            "context_columns": ("device",),
            "session_gap": "60d",
        },
    ],
)
def test_laws(options):
    check_recommender(pt.BayesianFM(**(QUICK | options)))


def errors(model, split):
    found = pt.evaluate(model, split, [pt.RMSE(), pt.MAE()], baseline=None)
    return found.value(model.name, "RMSE")


def rated(*, people=60, items=40, each=20, spread=0.5, rng=0, effect=0.0):
    """Ratings made of two biases, tastes of two kinds, noise, and how good each day was."""
    rng = np.random.default_rng(rng)
    user = np.repeat(np.arange(people), each)
    item = np.concatenate([rng.choice(items, each, replace=False) for _ in range(people)])
    taste = np.where(user % 2 == item % 2, 1.0, -1.0)
    day = rng.integers(0, 4, len(user))
    mood = effect * rng.standard_normal((people, 4))[user, day]
    value = 3 + 0.3 * rng.standard_normal(people)[user] + taste + mood
    value += spread * rng.standard_normal(len(user))
    return pl.DataFrame(
        {"user": user, "item": item, "rating": value.clip(0.5, 5.5),
         "timestamp": 1_600_000_000 + 86_400 * 7 * day + rng.integers(0, 3600, len(user))}
    )  # fmt: skip


def held_out(table, share=0.25, rng=1):
    held = np.random.default_rng(rng).random(len(table)) < share
    return table.filter(~held), table.filter(held)


def rmse(model, train, test, columns=("user", "item"), **tables):
    data = pt.Dataset.of(train, **tables)
    found = pt.predict(model.fit(data, rng=0), test.select(columns), data)["prediction"]
    return float(np.sqrt(((found.to_numpy() - test["rating"].to_numpy()) ** 2).mean()))


def test_noise_is_what_is_left():
    train, test = held_out(rated(spread=0.5, each=30))
    assert 0.48 < rmse(pt.BayesianFM(factors=3, sweeps=150), train, test) < 0.62


@pytest.mark.parametrize("points", [2.0**-9, 2.0**7])
@pytest.mark.parametrize("gap", [None, "1d"])
def test_what_a_star_is_worth_does_not_matter(points, gap):
    train, test = held_out(rated())
    model = pt.BayesianFM(**QUICK, session_gap=gap)
    told = []
    for worth in (1.0, points):
        data = pt.Dataset.of(train.with_columns(rating=pl.col("rating").cast(pl.Float32) * worth))
        found = pt.predict(model.fit(data, rng=0), test, data, level=0.8)
        told.append(found.select("prediction", "low", "high").to_numpy() / worth)
    np.testing.assert_array_equal(*told)


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_bounds_hold_as_many_ratings_as_they_say(spread):
    train, test = held_out(rated(spread=spread, each=30))
    data = pt.Dataset.of(train)
    model = pt.BayesianFM(factors=3, sweeps=150).fit(data, rng=0)
    for level in (0.5, 0.9):
        told = pt.predict(model, test, data, level=level)
        inside = (told["low"] <= test["rating"]) & (test["rating"] <= told["high"])
        assert level - 0.07 < inside.mean() < level + 0.06


def test_a_session_has_something_in_common():
    train, test = held_out(rated(effect=0.8, spread=0.3, each=30))
    timed = ("user", "item", "timestamp")
    without = rmse(pt.BayesianFM(factors=3, sweeps=100), train, test, timed)
    with_sessions = rmse(
        pt.BayesianFM(factors=3, sweeps=100, session_gap="12h"), train, test, timed
    )
    assert with_sessions < 0.75 * without


def test_what_is_known_of_an_item_answers_for_it_before_anyone_rated_it():
    table = rated(each=30)
    kinds = pl.DataFrame(
        {"item": range(40), "kind": ["even" if i % 2 == 0 else "odd" for i in range(40)]}
    )
    cold = table["item"].is_in([0, 1, 2, 3])
    model = pt.BayesianFM(factors=3, sweeps=100, item_columns=("kind",))
    found = rmse(model, table.filter(~cold), table.filter(cold), items=kinds)
    assert found < 0.85  # the spread is 0.5, and tastes alone are 1 up or down
    data = pt.Dataset.of(table.filter(~cold), items=kinds)
    blind = pt.BayesianFM(**QUICK).fit(data, rng=0)
    scores = blind.score(data.queries(users=[5]), data.items.encode([0, 1, 4, 5]))
    assert np.isnan(scores[0, :2]).all()
    assert not np.isnan(scores[0, 2:]).any()


def test_what_is_known_of_a_person_answers_for_them_before_they_rated():
    table = rated(each=30)
    people = pl.DataFrame({"user": range(60), "kind": ["even", "odd"] * 30})
    new = table["user"] < 10
    model = pt.BayesianFM(factors=3, sweeps=100, user_columns=("kind",))
    data = pt.Dataset.of(table.filter(~new), users=people)
    model.fit(data, rng=0)
    asked = data.queries(likes=[[], []], user_features=pl.DataFrame({"kind": ["even", "odd"]}))
    even, odd = model.score(asked, data.items.encode(list(range(40))))
    difference = even - odd
    assert difference[::2].min() > 0.7
    assert difference[1::2].max() < -0.7


@pytest.mark.slow
def test_ordered_levels_that_are_not_evenly_spaced_are_predicted_better_as_levels():
    table = rated(spread=0.4, each=30)
    cuts = [2.2, 2.5, 3.9, 4.3]
    value = table["rating"].to_numpy()
    level = np.searchsorted(cuts, value)
    names = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    train, test = held_out(table.with_columns(rating=pl.Series(names[level])))
    options = {"factors": 3, "sweeps": 150, "chains": 2}
    ordered = rmse(pt.BayesianFM(likelihood="ordered", **options), train, test)
    assert ordered < rmse(pt.BayesianFM(**options), train, test) - 0.02
    data = pt.Dataset.of(train)
    told = pt.predict(
        pt.BayesianFM(likelihood="ordered", **options).fit(data, rng=0), test, data, level=0.9
    )
    inside = (told["low"] <= test["rating"]) & (test["rating"] <= told["high"])
    assert inside.mean() > 0.88


def test_a_stranger_is_placed_as_the_known_person_with_the_same_ratings():
    train, _ = held_out(rated())
    data = pt.Dataset.of(train)
    model = pt.BayesianFM(**QUICK).fit(data, rng=0)
    known = data.queries(users=[7])
    stranger = data.queries(users=[7])
    stranger.user[:] = -1
    np.testing.assert_allclose(model.score(known), model.score(stranger), atol=1e-6)
    silent = data.queries(users=[7])
    silent = type(silent)(
        silent.items, silent.users, silent.histories.take([]).empty(1), known.user
    )
    np.testing.assert_allclose(model.score(silent), model.score(known), atol=1e-5)


def test_one_thread_or_two_give_the_same():
    from penchant.kernels import threads

    data = pt.Dataset.of(rated())
    with threads.limited(1):
        one = pt.BayesianFM(**QUICK).fit(data, rng=0)
    two = pt.BayesianFM(**QUICK).fit(data, rng=0)
    np.testing.assert_array_equal(one.items_, two.items_)
    np.testing.assert_array_equal(one.people_, two.people_)


def test_epochs_are_told_and_true_stops():
    data = pt.Dataset.of(rated())
    seen = []

    def stop(epoch):
        seen.append((epoch.number, epoch.total, epoch.loss))
        assert epoch.model.score(data.queries(users=[0])).shape == (1, 40)
        return epoch.number == 5

    pt.BayesianFM(sweeps=20, factors=2).fit(data, rng=0, on_epoch=stop)
    assert [n for n, *_ in seen] == [1, 2, 3, 4, 5]
    assert seen[-1][2] < seen[0][2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"item_columns": ("genres",)}, "'genres' of the item table, and the data has none"),
        ({"context_columns": ("device",)}, "'device' of the context"),
        ({"likelihood": "ordered"}, "from 2 to 50 levels"),
    ],
)
def test_data_that_cannot_be_learned_from(options, said):
    with pytest.raises(BadEvents, match=said):
        pt.BayesianFM(**QUICK, **options).fit(pt.Dataset.of(rated()))


def test_parameters_that_cannot_be():
    with pytest.raises(BadParameter, match=r"item_columns must be .*'genres'"):
        pt.BayesianFM(item_columns="genres")
    with pytest.raises(BadParameter, match="holds names of columns, got 3"):
        pt.BayesianFM(user_columns=(3,))
    with pytest.raises(BadParameter, match="a duration is written"):
        pt.BayesianFM(session_gap="soon")
    model = pt.BayesianFM(**QUICK).fit(pt.Dataset.of(rated()))
    with pytest.raises(BadParameter, match=r"between 0 and 1, got '0\.9'"):
        pt.predict(model, [(0, 0)], level="0.9")
    with pytest.raises(BadParameter, match="level must be between 0 and 1, got 90"):
        pt.predict(model, [(0, 1)], level=90)
    with pytest.raises(BadParameter, match="Biases has no bounds"):
        pt.predict(pt.Biases().fit(pt.Dataset.of(rated())), [(0, 1)], level=0.9)


def test_saved_and_loaded(tmp_path):
    table = rated()
    kinds = pl.DataFrame({"item": range(40), "kind": ["even", "odd"] * 20})
    data = pt.Dataset.of(table, items=kinds)
    model = pt.BayesianFM(**QUICK, item_columns=("kind",), session_gap="1h").fit(data, rng=0)
    pt.save(model, tmp_path / "m")
    again = pt.load(tmp_path / "m")
    assert again == model
    asked = data.queries(users=[1, 2])
    np.testing.assert_array_equal(again.score(asked), model.score(asked))


def evidence(person, item, times, gap):
    """What people told, from rows of person, item and time."""
    ratings = CSR.from_pairs(person, item, None, (3, 9))
    order = np.lexsort((item, person))
    when = np.array(times, np.int64)[order]
    session, first = sessions_of(ratings, when, gap)
    none = CSR.from_pairs([], [], [], (3, 0))
    return Evidence(ratings, ratings.data, when, session, first, none, none)


@pytest.mark.parametrize("seed", range(8))
def test_sessions_are_those_that_growing_from_each_rating_finds(seed):
    rng = np.random.default_rng(seed)
    person = np.sort(rng.permutation([0] * 6 + [1] * 1 + [2] * 7))
    item = np.concatenate([rng.choice(9, k, replace=False) for k in np.bincount(person)])
    times = rng.choice([-1, *range(0, 40_000_000, 1_000_000)], 14)
    told = evidence(person, item, times, 3_000_000)
    people = told.ratings.row_numbers()
    naive = naively(people, told.times.tolist(), 3_000_000)
    numbers = {}
    for number, name in zip(told.session.tolist(), naive):
        assert (number < 0) == (name is None)
        assert numbers.setdefault(number, name) == name
    assert len(set(numbers.values()) - {None}) == told.sessions[-1]
    for p in range(3):
        mine = told.session[(people == p) & (told.session >= 0)]
        assert ((mine >= told.sessions[p]) & (mine < told.sessions[p + 1])).all()
    whose, now = rng.integers(0, 3, 20), rng.integers(-1, 45, 20) * 1_000_000
    found = session_now(told, whose, now, 3_000_000)
    for p, when, got in zip(whose, now, found):
        apart = np.where(people == p, np.abs(told.times - when), 10**12)
        apart[told.times < 0] = 10**12
        if when < 0 or apart.min() > 3_000_000:
            assert got == -1
        else:
            assert got in told.session[apart == apart.min()]


def test_the_same_history_is_placed_once():
    data = pt.Dataset.of(rated())
    asked = data.queries(users=[3, 5, 3, 3, 8, 5])
    once, whose = one_each(asked)
    assert len(once) == 3
    for q, o in enumerate(whose):
        assert once.user[o] == asked.user[q]
        np.testing.assert_array_equal(once[int(o)].histories.item, asked[q].histories.item)
    strangers = data.queries(likes=[[1, 2], [1, 3], [1, 2]])
    assert len(one_each(strangers)[0]) == 2


def test_a_design_has_who_it_is_whom_they_met_and_what_they_are():
    ratings = CSR.from_pairs([0, 0, 1], [0, 2, 1], [5, 3, 4], (3, 4))
    features = CSR.from_pairs([0, 2], [1, 0], [2.0, 1.0], (3, 3))
    made = design(ratings, features, ("a", "b", "b"), rated=True)
    half = 1 / np.sqrt(2)
    expected = [
        [1, 0, 0, half, 0, half, 0, 0, 2, 0],
        [0, 1, 0, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 1, 0, 0],
    ]
    np.testing.assert_allclose(made.matrix.to_scipy().toarray(), expected, rtol=1e-6)
    assert made.group.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 3, 3]


@pytest.mark.slow
def test_myfm_is_no_more_accurate():
    """myFM 0.4.0, MyFMRegressor(rank=10), 300 sweeps, ids and rated sets, u1: RMSE 0.8907."""
    folder = find("ml-100k")
    train, test = (
        pl.read_csv(folder / f"u1.{part}", separator="\t", has_header=False,
                    new_columns=["user", "item", "rating", "timestamp"])
        for part in ("base", "test")
    )  # fmt: skip
    data = pt.Dataset.of(train)
    model = pt.BayesianFM(chains=2, sweeps=100).fit(data, rng=0)
    told = pt.predict(model, test.select("user", "item"), data, level=0.9)
    truth, found = test["rating"].to_numpy(), told["prediction"].to_numpy()
    known = ~np.isnan(found)
    assert np.sqrt(((found - truth)[known] ** 2).mean()) < 0.8907 + 0.001
    inside = (told["low"].to_numpy() <= truth) & (truth <= told["high"].to_numpy())
    assert 0.88 < inside[known].mean() < 0.92


@pytest.mark.parametrize("sweeps", [60, 300])
def test_a_stranger_without_ratings_is_average_however_long_the_chains(sweeps):
    """Sets of one size cannot be told from the intercept: a person without one is no empty set."""
    rng = np.random.default_rng(0)
    item = np.concatenate([rng.choice(30, 8, replace=False) for _ in range(100)])
    rating = rng.integers(1, 6, 800).astype(float)
    table = pl.DataFrame({"user": np.repeat(np.arange(100), 8), "item": item, "rating": rating})
    kinds = pl.DataFrame({"item": np.arange(32), "kind": ["a", "b"] * 16})
    data = pt.Dataset.of(table, items=kinds)
    model = pt.BayesianFM(sweeps=sweeps, chains=1, item_columns=("kind",)).fit(data, rng=0)
    found = model.score(data.queries(likes=[[]]))[0]  # two items of them nobody rated
    assert found.mean() == pytest.approx(rating.mean(), abs=0.3)
    np.testing.assert_allclose(found, rating.mean(), atol=1)
    known = model.score(data.queries())
    assert known[:, 30:].mean() == pytest.approx(rating.mean(), abs=0.3)
