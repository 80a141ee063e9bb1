"""Nothing leaks, nothing is lost without being counted, and the order of rows plays no part."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penchant import split
from penchant.dataset import Dataset
from penchant.errors import BadParameter
from penchant.split import Part, Split

MICRO = 1_000_000

ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),  # user
        st.integers(0, 7),  # item
        st.integers(1, 9),  # time: many are equal
        st.sampled_from(["view", "view", "view", "buy", "hide"]),
    ),
    min_size=8,
    max_size=40,
)

SPLITS = {
    "random": lambda data, v: split.random(data, 0.3, validation=v, rng=1),
    "random by user": lambda data, v: split.random(data, 0.5, by="user", validation=v, rng=1),
    "random by item": lambda data, v: split.random(data, 0.5, by="item", validation=v, rng=1),
    "fold": lambda data, v: split.kfold(data, 3, validation=v, rng=1)[1],
    "last n": lambda data, v: split.last(data, n=2, validation=v and 1),
    "last fraction": lambda data, v: split.last(data, fraction=0.4, validation=v),
    "time": lambda data, v: split.time(data, fraction=0.3, validation=v),
    "users": lambda data, v: split.users(data, 0.4, hold=0.5, validation=v, rng=1),
    "cold items": lambda data, v: split.cold_items(data, 0.3, validation=v, rng=1),
    "given": lambda data, v: split.where(data, third(data), validation=v, rng=1),
}


def third(data: Dataset) -> np.ndarray:
    return np.arange(len(data)) % 3 == 1


def dataset(rows) -> Dataset:
    """Each event carries its number in the context, so that it can be followed."""
    table = pl.DataFrame(rows, schema=["user", "item", "time", "kind"], orient="row")
    return Dataset.of(table.with_row_index("row"), context=("row",))


def numbers(histories) -> list[int]:
    return histories.context["row"].to_list()


def left_out(notes, prefix="") -> int:
    """Return how many test events the notes say are left out."""
    found = [re.match(rf"{prefix}([\d,]+) test events .*left out$", note) for note in notes]
    return sum(int(m[1].replace(",", "")) for m in found if m)


def cut(name: str, rows, validation=None) -> tuple[Dataset, Split]:
    data = dataset(rows)
    try:
        return data, SPLITS[name](data, validation)
    except BadParameter:
        assume(False)
        raise


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_nothing_leaks_and_nothing_is_lost(name, rows):
    data, parts = cut(name, rows)
    train, asked, truth = parts.train, parts.test.queries, parts.test.truth
    learned, known, held = (Counter(numbers(h)) for h in (train.histories, asked.histories, truth))
    assert not learned & held
    assert not known & held
    # What is learned or held out, or (of people unknown in train) only known, is everything.
    apart = Counter(numbers(asked.histories)) - learned if name == "users" else Counter()
    everything = len(learned) + len(apart) + len(held) + left_out(parts.notes)
    if name == "users":  # people whose test events were all left out are not asked
        gone = re.findall(r"(\d+) people have no test event left", " ".join(parts.notes))
        assert everything == len(data) if not gone else everything < len(data)
    else:
        assert everything == len(data)
    assert max((learned + held).values()) == 1


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS)
def test_validation_is_held_out_of_train_alone(name, rows):
    _data, whole = cut(name, rows)
    _, parts = cut(name, rows, validation=0.3)
    learned = set(numbers(parts.train.histories))
    chosen = set(numbers(parts.validation.truth))
    asked_with = set(numbers(parts.validation.queries.histories))
    assert not learned & chosen
    assert not asked_with & chosen
    tested = set(numbers(whole.test.truth))
    assert not tested & (learned | chosen | asked_with)
    assert tested == set(numbers(parts.test.truth))
    assert learned | chosen | asked_with <= set(numbers(whole.train.histories))
    if name != "users":
        count = len(learned) + len(chosen) + left_out(parts.notes, "validation: ")
        assert count == len(whole.train)
    assert whole.validation is None


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS)
def test_maps_are_shared_and_rows_belong_together(name, rows):
    data, parts = cut(name, rows, validation=0.3)
    assert parts.train.items is data.items
    assert parts.train.users is data.users
    for part in (parts.test, parts.validation):
        queries, truth = part.queries, part.truth
        assert queries.items is data.items
        assert queries.users is data.users
        assert len(part) == len(queries) == len(truth)
        assert (truth.lengths > 0).all()
        assert len(set(queries.user.tolist())) == len(queries)
        for n, user in enumerate(queries.user):
            theirs = set(numbers(data.histories.take(slice(user, user + 1))))
            assert set(numbers(truth.take(slice(n, n + 1)))) <= theirs
            assert set(numbers(queries[n].histories)) <= theirs
            before = set(queries[n].histories.item.tolist())
            assert not before & set(truth.take(slice(n, n + 1)).item.tolist())
        first = [truth.take(slice(n, n + 1)).time.min() for n in range(len(truth))]
        assert queries.now.tolist() == first
        assert "hide" not in {truth.kinds[k] for k in truth.kind}


@settings(max_examples=30, deadline=None)
@given(ROWS, st.integers(1, 3))
def test_the_last_n_are_the_latest_and_equal_times_keep_their_order(rows, n):
    data = dataset([(u, 100 * m + i, t, "view") for m, (u, i, t, _) in enumerate(rows)])
    held = []
    for user in range(6):
        theirs = [(t, m) for m, (u, _, t, _) in enumerate(rows) if u == user]
        if len(theirs) > n:
            held += [m for _, m in sorted(theirs)[-n:]]
    assume(held)
    assert sorted(numbers(split.last(data, n=n).test.truth)) == sorted(held)


@pytest.mark.parametrize(
    ("length", "fraction", "held"),
    [(35, 0.2, 7), (4, 0.2, 1), (9, 0.2, 1), (10, 0.2, 2), (2, 0.9, 1), (10, 0.3, 3), (1, 0.5, 0)],
)
def test_a_fraction_of_each_person_is_rounded_down_and_at_least_one(length, fraction, held):
    rows = [(1, n, n, "view") for n in range(length)] + [(2, n, n, "view") for n in range(2)]
    parts = split.last(dataset(rows), fraction=fraction)
    of_one = parts.test.queries.user == 0
    assert parts.test.truth.lengths[of_one].sum() == held


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_histories_hold_only_what_came_before(rows):
    for name in ("last n", "last fraction", "time"):
        _data, parts = cut(name, rows)
        for n in range(len(parts.test)):
            before = parts.test.queries[n].histories.time
            after = parts.test.truth.take(slice(n, n + 1)).time
            assert before.max(initial=0) <= after.min()
            if name == "time":
                assert parts.train.histories.time.max() < after.min()


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(24)))
def test_the_order_of_rows_does_not_matter_when_times_differ(name, order):
    table = pl.DataFrame(
        {
            "user": [n % 5 for n in range(24)],
            "item": [(n + n // 6) % 6 for n in range(24)],
            "time": range(10, 34),
            "row": range(24),
        }
    )
    usual = SPLITS[name](Dataset.of(table, context=("row",)), 0.5)
    mixed = SPLITS[name](Dataset.of(table[list(order)], context=("row",)), 0.5)
    assert numbers(mixed.train.histories) == numbers(usual.train.histories)
    assert numbers(mixed.test.truth) == numbers(usual.test.truth)
    assert numbers(mixed.validation.truth) == numbers(usual.validation.truth)


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, k=st.integers(2, 5))
def test_folds_share_out_all_events(rows, k):
    data = dataset([(u, 100 * m + i, t, "view") for m, (u, i, t, _) in enumerate(rows)])
    folds = split.kfold(data, k, rng=3)
    tested = [n for fold in folds for n in numbers(fold.test.truth)]
    assert sorted(tested) == list(range(len(rows)))
    sizes = [len(fold.test.truth.item) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    assert [f.description for f in folds] == [f"fold {n} of {k}, shuffled" for n in range(1, k + 1)]


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_people_and_items_held_out_are_nowhere_in_train(rows):
    parts = cut("users", rows, validation=0.4)[1]
    active = np.flatnonzero(parts.train.histories.lengths)
    assert not set(active) & set(parts.test.queries.user)
    assert not set(active) & set(parts.validation.queries.user)
    assert not set(parts.test.queries.user) & set(parts.validation.queries.user)
    assert (parts.test.queries.histories.lengths > 0).all()
    parts = cut("cold items", rows, validation=0.4)[1]
    left = set(parts.train.histories.item)
    assert not left & set(parts.test.truth.item)
    assert not left & set(parts.validation.truth.item)


@pytest.fixture
def data() -> Dataset:
    orders = np.random.default_rng(5).permuted(np.tile(np.arange(8), (10, 1)), axis=1)
    rows = [(u, i, 10 + 8 * u + n, "view") for u in range(10) for n, i in enumerate(orders[u])]
    return dataset(rows)


@pytest.mark.parametrize("name", [n for n in SPLITS if not n.startswith(("last", "time", "given"))])
def test_seeds_and_generators_decide(data, name):
    call = {
        "random": lambda rng: split.random(data, rng=rng),
        "random by user": lambda rng: split.random(data, by="user", rng=rng),
        "random by item": lambda rng: split.random(data, by="item", rng=rng),
        "fold": lambda rng: split.kfold(data, rng=rng)[0],
        "users": lambda rng: split.users(data, rng=rng),
        "cold items": lambda rng: split.cold_items(data, 0.3, rng=rng),
    }[name]
    held = [numbers(call(rng).test.truth) for rng in (None, 0, np.random.default_rng(0), 1)]
    assert held[0] == held[1] == held[2] != held[3]


def test_a_given_test_set_is_taken_as_it_is():
    rows = {"user": [2, 1, 1, 2], "item": [7, 7, 8, 8], "fold": ["a", "b", "a", "b"]}
    data = Dataset.of(rows, context=("fold",))
    found = split.where(data, (data.histories.context["fold"] == "b").to_numpy())
    held = zip(found.test.queries.user[found.test.truth.person()], found.test.truth.item,
               strict=True)  # fmt: skip
    assert [(data.users.decode([u])[0], data.items.decode([i])[0]) for u, i in held] == [
        (1, 7), (2, 8),
    ]  # fmt: skip
    assert found.description == "2 given events"


def test_a_stratified_split_takes_its_share_of_each(data):
    by_user = split.random(data, 0.25, by="user")
    assert by_user.test.truth.lengths.tolist() == [2] * 10
    by_item = split.random(data, 0.25, by="item")
    assert np.bincount(by_item.test.truth.item).tolist() == [2] * 8  # 2.5 is rounded to even
    assert by_item.description == "a random 25% of each item's events"


@pytest.mark.parametrize(
    ("fraction", "said"), [(0.2, "20%"), (0.25, "25%"), (0.125, "12.5%"), (1 / 3, "33.3%")]
)
def test_fractions_are_said_as_they_are(data, fraction, said):
    assert split.random(data, fraction).description == f"a random {said} of events"


def test_time_cuts_where_asked_for(data):
    parts = split.time(data, at=50 * MICRO)
    assert parts.test.truth.time.min() == 50 * MICRO
    assert parts.train.histories.time.max() == 49 * MICRO
    assert "test from 1970-01-01T00:00:50 UTC" in parts.description
    assert parts.notes[0] == "5 of 5 people asked about have no history"
    parts = split.time(data, at=52 * MICRO)
    assert parts.notes[0] == "4 of 5 people asked about have no history"


def test_a_fraction_of_time_moves_on_from_a_crowded_first_moment():
    rows = [(n, n, 1, "view") for n in range(8)] + [(n, 9 + n, 5, "view") for n in range(2)]
    parts = split.time(dataset(rows), fraction=0.5)
    assert (len(parts.train), len(parts.test.truth.item)) == (8, 2)


# --- what was left out is said


def test_repeats_and_hides_in_the_test_are_left_out_and_counted():
    rows = [
        (1, 1, 1, "view"), (1, 2, 2, "view"), (1, 1, 3, "view"), (1, 3, 4, "hide"),
        (2, 1, 1, "view"), (2, 1, 2, "view"), (2, 1, 3, "view"),
        (3, 1, 1, "view"),
        (4, 1, 1, "view"), (4, 2, 2, "view"), (4, 7, 3, "view"), (4, 8, 4, "view"),
    ]  # fmt: skip
    parts = split.last(dataset(rows), n=2)
    assert parts.notes == (
        "1 people have too few events to be asked about; theirs all train",
        "3 test events repeat an item of the history, which is not recommended again; left out",
        "1 test events hide an item; left out",
        "2 people have no test event left and are not asked",
        "2 test events are on items nobody met in train; they stay, and count against a model "
        "that cannot name them",
    )
    assert parts.test.queries.user.tolist() == [3]
    assert repr(parts) == (
        "<Split by each person's last 2 events: train 6 events, test 1 askers with 2 events>"
    )


def test_notes_of_the_validation_say_so():
    rows = [(1, i, i, "view") for i in range(3)] + [(2, i, i, "view") for i in range(1, 3)]
    assert split.last(dataset(rows), n=1, validation=1).notes[-1] == (
        "validation: 1 people have too few events to be asked about; theirs all train"
    )


def test_items_only_the_validation_met_are_counted_as_cold():
    rows = [(1, 1, 1, "view"), (1, 2, 2, "view"), (1, 3, 3, "view"),
            (2, 1, 1, "view"), (2, 3, 2, "view"), (2, 2, 3, "view")]  # fmt: skip
    assert split.last(dataset(rows), n=1).notes == ()
    notes = split.last(dataset(rows), n=1, validation=1).notes
    assert [n.split(" on ")[0] for n in notes] == [
        "2 test events are",
        "validation: 2 test events are",
    ]


def test_people_with_one_event_cannot_be_held_out_and_are_counted():
    rows = [(u, i, i + 1, "view") for u in range(4) for i in range(1 if u == 3 else 3)]
    parts = split.users(dataset(rows), 0.5)
    assert "1 people have one event only and cannot be held out; they train" in parts.notes
    assert 3 not in parts.test.queries.user


def test_events_without_a_time_are_noted():
    data = Dataset.of({"user": [1, 1, 1], "item": [1, 2, 3], "row": [0, 1, 2]}, context=("row",))
    parts = split.last(data, n=1)
    assert numbers(parts.test.truth) == [2]
    assert parts.notes[0] == "some events have no time: order is the order of the rows there"
    assert parts.test.queries.now.tolist() == [-1]


def test_parts_can_be_narrowed(data):
    part = split.last(data, n=1).test
    some = part.where(part.queries.user % 2 == 1)
    assert isinstance(some, Part)
    assert some.queries.user.tolist() == [1, 3, 5, 7, 9]
    assert numbers(some.truth) == [numbers(part.truth)[n] for n in (1, 3, 5, 7, 9)]


# --- what cannot be done


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: split.random(d, 0), "fraction must be between 0 and 1, got 0"),
        (lambda d: split.random(d, 1.0), "fraction must be between 0 and 1"),
        (lambda d: split.random(d, True), "fraction must be between 0 and 1, got True"),
        (lambda d: split.random(d, "0.2"), "fraction must be between 0 and 1, got '0.2'"),
        (lambda d: split.random(d, by="group"), "by must be 'user', 'item' or None, got 'group'"),
        (lambda d: split.random(d, 0.001), "nothing is left to ask for: .* too small for a random"),
        (lambda d: split.random(d, 0.999), "nothing is left to learn from"),
        (lambda d: split.random(d, rng="seed"), "rng must be a seed of at least 0 or a numpy"),
        (lambda d: split.random(d, rng=-1), "rng must be a seed of at least 0"),
        (lambda d: split.random(d, validation=1.5), "fraction must be between 0 and 1, got 1.5"),
        (lambda d: split.kfold(d, 1), r"k must be from 2 to the number of events \(80\), got 1"),
        (lambda d: split.kfold(d, 81), "k must be from 2"),
        (lambda d: split.kfold(d, 2.5), "k must be from 2"),
        (lambda d: split.where(d, np.ones(3, bool)), "held must be true or false for each of 80"),
        (lambda d: split.where(d, np.ones(80)), r"got float64 of shape \(80,\)"),
        (lambda d: split.where(d, np.zeros(80, bool)), "nothing is left to ask for"),
        (lambda d: split.last(d), "needs either n= or fraction="),
        (lambda d: split.last(d, n=1, fraction=0.5), "needs either n= or fraction="),
        (lambda d: split.last(d, n=0), "n must be a whole number of at least 1, got 0"),
        (lambda d: split.last(d, n=1.5), "n must be a whole number of at least 1, got 1.5"),
        (lambda d: split.last(d, n=True), "n must be a whole number of at least 1, got True"),
        (lambda d: split.last(d, n=1, validation=0.2), "validation is a whole number of events"),
        (lambda d: split.last(d, n=8), "nothing is left to ask for: .*last 8 events"),
        (lambda d: split.last(d, fraction=2), "fraction must be between 0 and 1"),
        (lambda d: split.time(d), "needs either at= or fraction="),
        (lambda d: split.time(d, at=0), "at=0 leaves no events on one side; times run from"),
        (lambda d: split.time(d, at=10**18), "leaves no events on one side"),
        (lambda d: split.users(d, 0.99), "nothing is left to learn from"),
        (lambda d: split.users(d, hold=1), "hold must be between 0 and 1"),
        (lambda d: split.cold_items(d, 0.99), "would hold out all 8 items"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be_made_are_said(data, call, message):
    with pytest.raises(BadParameter, match=message):
        call(data)


def test_time_needs_times_that_differ():
    with pytest.raises(BadParameter, match=r"split.time needs a time for every event"):
        split.time(Dataset.of({"user": [1, 2], "item": [1, 2]}), fraction=0.5)
    with pytest.raises(BadParameter, match="leaves no events on one side"):
        split.time(Dataset.of({"user": [1, 2], "item": [1, 2], "time": [5, 5]}), fraction=0.5)


def test_one_user_or_one_item_cannot_be_held_out():
    alone = Dataset.of({"user": [1, 1], "item": [1, 1]})
    with pytest.raises(BadParameter, match="at least two people with two events or more"):
        split.users(alone)
    with pytest.raises(BadParameter, match="would hold out all 1 items"):
        split.cold_items(alone)
    assert len(split.last(Dataset.of({"user": [1, 1], "item": [1, 2]}), n=1).test) == 1


def test_movielens_splits_as_published(movielens, last_fifth):
    """28 of the 116 people a global cut asks about have a history (read off the data by hand)."""
    parts = split.time(movielens, fraction=0.2)
    asked = parts.test.queries
    assert (len(asked), int((asked.histories.lengths > 0).sum())) == (116, 28)
    assert "88 of 116 people asked about have no history" in parts.notes
    assert len(last_fifth.train) + len(last_fifth.test.truth.item) == len(movielens)
