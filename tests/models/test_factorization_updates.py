import numpy as np
import polars as pl
import pytest

import penchant as pt
from naive_als import improved
from penchant.errors import BadParameter, Incompatible
from penchant.evaluation.metrics import NDCG
from penchant.kernels.csr import CSR
from penchant.models import factor_updates
from penchant.recommender import Updates


@pytest.fixture(scope="module")
def stream():
    """Events in random order, a quarter of the items only after the first four fifths."""
    ratings, items = pt.datasets.planted_tables(noise=0.2, users=150, items=80, rng=2)
    rng = np.random.default_rng(0)
    late = (ratings["item"].to_numpy() % 4 == 1) & (rng.random(len(ratings)) < 0.9)
    order = np.argsort(rng.random(len(ratings)) + 0.7 * late)
    events = ratings.select("user", "item")[order].with_columns(time=pl.int_range(pl.len()))
    return [events[: int(len(events) * part)] for part in (0.8, 0.9, 1.0)], items


def dataset(events, items=None):
    return pt.Dataset.of(events, items=items)


def fresh_of(now, before):
    at = now.users.recoding(before.users)
    at = np.arange(len(now.users)) if at is None else at
    old = np.where(at >= 0, before.histories.lengths[at], 0)
    return now.histories.lengths - old


def test_an_update_is_better_than_nothing_and_near_a_refit(stream):
    (first, more, all_), _ = stream
    early, now, whole = dataset(first), dataset(more), dataset(all_)
    later = whole.histories.time >= np.sort(whole.histories.time)[len(more)]
    truth, asked = whole.histories.where(later), whole.where(~later).queries()
    stale = pt.ALS(factors=8).fit(early)
    updated = stale.updated(now, now.queries(), fresh_of(now, early))
    refit = pt.ALS(factors=8).fit(now)

    def ndcg(model):
        found = NDCG(10).per_query(model.recommend(asked, k=10).codes, truth)
        return float(np.nanmean(found))

    assert isinstance(stale, Updates)
    assert not stale.counts
    assert ndcg(updated) > ndcg(stale) + 0.02
    assert ndcg(updated) > ndcg(refit) - 0.02


def test_items_are_improved_by_recursive_least_squares():
    rng = np.random.default_rng(1)
    n, f, people = 5, 3, 12
    dense = np.where(rng.random((n, people)) < 0.4, rng.integers(1, 4, (n, people)), 0)
    r, c = np.nonzero(dense)
    events = CSR.from_pairs(r, c, dense[r, c], dense.shape)
    x = rng.standard_normal((people, f)).astype(np.float32)
    old = rng.standard_normal((n, f)).astype(np.float32)
    mass, ridge = np.array([0.0, 1, 5, 30, 200]), np.arange(1.0, 6.0)
    old[0] = 0
    root, other = rng.standard_normal((2, f, f))
    common, spread = root @ root.T, other @ other.T
    before = factor_updates.Before(old, mass, ridge, np.zeros((n, f)))
    got = factor_updates.improved(before, events, x, common, spread)
    for i in range(n):
        want = improved(old[i], mass[i], ridge[i], dense[i], x, common, spread)
        assert np.allclose(got[i], want, atol=1e-4)


def test_nothing_that_was_not_met_changes_and_the_old_model_stays(stream):
    (first, more, _), _ = stream
    early, now = dataset(first), dataset(more)
    stale = pt.ALS(factors=8).fit(early)
    before = stale.item_factors_.copy()
    who = now.queries()[:40]
    updated = stale.updated(now, who, fresh_of(now, early)[:40])
    assert np.array_equal(stale.item_factors_, before)
    assert updated.item_features_ is stale.item_features_
    place = np.arange(len(now.histories.item)) - np.repeat(
        now.histories.indptr[:-1], now.histories.lengths
    )
    new = place >= np.repeat(now.histories.lengths - fresh_of(now, early), now.histories.lengths)
    met = set(now.items.decode(now.histories.item[new & (now.histories.person() < 40)]))
    for item in early.items:
        code = stale.training_.items.code(item)
        same = np.array_equal(updated.item_factors_[code], before[code])
        assert same == (item not in met)
    assert set(updated.training_.items) == set(early.items) | set(now.items)
    assert updated.training_.events == len(early) + fresh_of(now, early)[:40].sum()
    assert not updated.item_factors_.flags.writeable
    again = updated.updated(now, who, np.zeros(40, int))
    assert np.array_equal(again.item_factors_, updated.item_factors_, equal_nan=True)


def test_new_items_are_known_by_their_features_at_once():
    ratings, items = pt.datasets.planted_tables(noise=0.1, users=80, items=40)
    known = ratings.filter(pl.col("item") >= 8)
    early = pt.Dataset.of(known, items=items.filter(pl.col("item") >= 8))
    now = pt.Dataset.of(known, items=items)
    model = pt.ALS(factors=8, item_columns=("genres",)).fit(early)
    updated = model.updated(now, now.queries(), np.zeros(len(now.users), int))
    rules = pt.Rules(only=list(range(8)))
    found = updated.recommend(now.queries(users=[20, 21]), 3, rules)
    genres = dict(items.select("item", "genres").rows())
    liked = updated.recommend(now.queries(users=[20, 21]), 3)
    for new, old in zip(found.ids(), liked.ids(), strict=True):
        assert genres[new[0]] == genres[old[0]]
    assert updated.training_.title(3) == dict(items.select("item", "title").rows())[3]
    scores = model.score(early.queries())
    at = [updated.training_.items.code(i) for i in early.items]
    assert np.allclose(updated.score(early.queries()), scores, atol=1e-6)
    assert at == list(range(len(early.items)))


def test_what_is_fresh_is_a_number_of_events_for_each_row(stream):
    early = dataset(stream[0][0])
    model = pt.ALS(factors=4, epochs=1).fit(early)
    with pytest.raises(BadParameter, match=r"fresh has shape \(2,\) for 150 queries"):
        model.updated(early, early.queries(), np.array([1, 1]))
    wrong = np.zeros(150, int)
    wrong[3] = 999
    with pytest.raises(BadParameter, match=r"fresh\[3\] is 999; row 3 has"):
        model.updated(early, early.queries(), wrong)
    with pytest.raises(BadParameter, match=r"fresh\[0\] is 0.5; row 0 has"):
        model.updated(early, early.queries(), np.full(150, 0.5))
    bare = pt.ALS.from_factors(np.ones((2, 3)), ["a", "b"], unobserved=0.1, l2=1.0)
    with pytest.raises(Incompatible, match="from_factors knows nothing of the people"):
        bare.updated(early, early.queries(), np.zeros(150, int))


def test_a_refit_from_where_the_model_was_is_near_at_once(stream):
    (first, more, _), items = stream
    early, now = dataset(first), dataset(more, items)
    model = pt.ALS(factors=8, epochs=20).fit(early)
    losses = {}
    for name, told in (("cold", []), ("warm", [])):
        if name == "warm":
            warm = model.refitted(now, epochs=1, on_epoch=told.append)
        else:
            pt.ALS(factors=8, epochs=1).fit(now, on_epoch=told.append)
        losses[name] = told[-1].loss
    assert losses["warm"] < losses["cold"]
    assert warm.epochs == 20
    assert warm.training_.items == now.items
    for wrong in (0, -1, 1.5, True, "3"):
        with pytest.raises(BadParameter, match="epochs must be a whole number of at least 1, got"):
            model.refitted(now, epochs=wrong)
    with pytest.raises(BadParameter, match="rng must be a seed"):
        model.refitted(now, rng="x")
