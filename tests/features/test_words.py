import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import naive_vectors
import penchant as pt
from penchant.errors import BadEvents, BadParameter, MissingExtra
from penchant.features import STOP_WORDS, skip_gram
from penchant.features.baskets import item2vec
from penchant.features.vectors import embed, matrix, normalised
from penchant.features.words import distilled, word2vec

pytest.importorskip("gensim", reason='vectors of words: pip install "penchant[text]"')

PLOTS = ["a robot in space", "The space robot, a robot", None, "love in Paris", "Paris in love", ""]


class Shapes:
    """Of "of" it can say nothing."""

    def encode(self, words):
        numbers = [[len(word), sum(letter in "aeiou" for letter in word)] for word in words]
        return np.where([[word == "love"] for word in words], np.nan, numbers)


def planted_texts(dose, seed=1):
    """300 texts of 8 words; each word is of its text's topic with probability ``dose``."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(3, size=300)
    made = np.where(rng.random((300, 8)) < dose, topics[:, None], rng.integers(3, size=(300, 8)))
    return [" ".join(f"{'abc'[m]}word{rng.integers(12)}" for m in row) for row in made], topics


@pytest.mark.parametrize("kind", ["trained", "distilled"])
def test_a_text_is_the_weighted_mean_of_its_words(kind):
    encoder = word2vec(PLOTS, dimensions=4) if kind == "trained" else distilled(PLOTS, Shapes())
    words = encoder.words.decode(np.arange(len(encoder.words)))
    assert words == (["love"] if kind == "trained" else []) + ["paris", "robot", "space"]
    vectors = dict(zip(words, encoder.vectors.astype(float), strict=True))
    told = [text for text in PLOTS if text]
    weights = naive_vectors.smooth_inverse_frequency(told, STOP_WORDS)
    if kind == "trained":
        np.testing.assert_allclose(encoder.weights, [weights[word] for word in words], rtol=1e-6)
    weights = dict(zip(words, encoder.weights.astype(float), strict=True))
    asked = [*told, "robot love", "Love love robot!", "nothing known", "the"]
    for text, row in zip(asked, encoder.encode(asked), strict=True):
        mean = naive_vectors.mean_of_words(text, vectors, weights, STOP_WORDS)
        expected = np.full(row.shape, np.nan) if mean is None else mean
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_distilled_vectors_are_the_encoders_less_their_common_part():
    encoder = distilled(PLOTS, Shapes())
    words = encoder.words.decode(np.arange(len(encoder.words)))
    said = Shapes().encode(words)
    apart = encoder.vectors - said
    np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-6)
    share = encoder.weights * [2, 3, 2]  # paris, robot, space
    np.testing.assert_allclose(share @ encoder.vectors, 0, atol=1e-6)


@pytest.mark.parametrize(("dose", "low", "high"), [(0, 0.28, 0.4), (0.3, 0.4, 0.7), (0.7, 0.95, 1)])
def test_trained_words_find_texts_of_the_same_topic_the_more_there_is_of_it(dose, low, high):
    texts, topics = planted_texts(dose)
    vectors = matrix(embed(texts, word2vec(texts, dimensions=16)))
    assert low <= naive_vectors.agreement(vectors[:100], topics[:100], 5) <= high


def test_the_same_texts_and_seed_give_the_same_vectors():
    first, again, other = (word2vec(PLOTS, dimensions=8, seed=s).vectors for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    told = []
    word2vec(PLOTS, epochs=3, on_epoch=lambda *now: told.append(now))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_vectors_do_not_depend_on_how_python_hashes_strings():
    code = (
        "import penchant as pt, hashlib\n"
        "from penchant.features.words import word2vec\n"
        "from penchant.features.baskets import item2vec\n"
        "v = word2vec(['a robot in space', 'space robot', 'love robot', 'love'], dimensions=8)\n"
        "i = item2vec(pt.datasets.planted(), dimensions=8, epochs=2)\n"
        "print(hashlib.sha256(v.vectors.tobytes() + str(i.to_list()).encode()).hexdigest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("texts", "more", "message"),
    [
        ("a text", {}, "a column of strings, or of lists of strings, got 'a text'"),
        ([1, 2], {}, "got a column of Int64"),
        ([None], {}, "got a column of Null"),
        (["robot", "space"], {}, "no word occurs 2 times in 2 texts; lower least"),
        (PLOTS, {"least": 0}, "least must be a whole number of at least 1, got 0"),
        (PLOTS, {"dimensions": 2.5}, "dimensions must be a whole number of at least 1, got 2.5"),
        (PLOTS, {"frequent": -1}, "frequent must be 0 or a positive share, got -1"),
    ],
)
def test_what_cannot_be_trained_on_is_named(texts, more, message):
    with pytest.raises(BadParameter, match=message):
        word2vec(texts, **more)


@pytest.mark.parametrize("call", [lambda: word2vec(PLOTS), lambda: item2vec(baskets(1.0)[0])])
def test_without_gensim_the_pip_line_is_named(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(MissingExtra, match=r'gensim: pip install "penchant\[text\]"'):
        call()


def test_long_sequences_are_cut_into_pieces_that_gensim_reads(monkeypatch):
    monkeypatch.setattr(skip_gram, "_LONGEST", 3)
    cut = skip_gram.cut(np.arange(9), np.array([0, 7, 7, 9]))
    assert cut == [[0, 1, 2], [3, 4, 5], [6], [7, 8]]


def baskets(dose, sessions=False, seed=2):
    """40 items in 4 groups, 500 baskets of 6, of one group with probability ``dose``."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(4), 10)
    shape, own = (500, 6), rng.integers(4, size=(500, 1))
    group = np.where(rng.random(shape) < dose, own, rng.integers(4, size=shape))
    events = {"item": (group * 10 + rng.integers(10, size=shape)).ravel()}
    basket = np.repeat(np.arange(500), 6)
    events |= {"user": basket // 50, "session": basket} if sessions else {"user": basket}
    return pt.Dataset.of({n: events[n].tolist() for n in sorted(events)}), groups


@pytest.mark.parametrize(("dose", "low", "high"), [(0, 0, 0.4), (0.4, 0.45, 0.95), (0.9, 0.99, 1)])
def test_items_of_the_same_group_are_nearest_the_more_they_are_taken_together(dose, low, high):
    data, groups = baskets(dose)
    vectors = matrix(item2vec(data, dimensions=8, epochs=10, frequent=0))
    assert low <= naive_vectors.agreement(vectors, groups[data.items.decode(range(40))], 5) <= high


def test_sessions_part_what_a_history_mixes():
    data, groups = baskets(1.0, sessions=True)
    groups = groups[data.items.decode(range(40))]
    few = {"dimensions": 8, "epochs": 10, "frequent": 0}
    apart = matrix(item2vec(data, within="session", **few))
    mixed = matrix(item2vec(data, within="history", **few))
    assert naive_vectors.agreement(apart, groups, 5) > 0.99
    assert naive_vectors.agreement(mixed, groups, 5) < 0.6


def test_order_counts_when_asked_for():
    chain = [n % 12 for n in range(600)]  # 0, 1, 2 ... again and again: neighbours are near in it
    data = pt.Dataset.of({"user": [1] * 600, "item": chain, "time": list(range(600))})
    few = {"dimensions": 8, "window": 1, "frequent": 0}

    def near(vectors):
        found = matrix(normalised(vectors))
        cosine = found @ found.T
        return np.mean([cosine[n, (n + 2) % 12] - cosine[n, (n + 5) % 12] for n in range(12)])

    # 0 and 2 both stand beside 1; in a shuffled basket all stand beside all.
    assert near(item2vec(data, ordered=True, **few)) > 0.3 > near(item2vec(data, **few))


def test_items_that_weigh_nothing_or_are_rare_have_no_vector():
    events = {
        "user": [1, 1, 1, 2, 2, 2, 3, 3, 3],
        "item": ["a", "b", "c", "a", "b", "d", "a", "b", "c"],
        "event": ["view", "view", "hide"] * 3,
    }
    items = {"item": ["a", "b", "c", "d", "e"]}
    found = item2vec(pt.Dataset.of(events, items=items), least=2, dimensions=4)
    assert found.dtype == pl.Array(pl.Float32, 4)
    assert found.is_null().to_list() == [False, False, True, True, True]
    data = pt.Dataset.of(events, items=items, feedback=pt.Feedback(weights={"hide": 1}))
    assert item2vec(data, least=2).is_null().to_list() == [False, False, False, True, True]


def test_what_holds_no_baskets_is_named():
    data = pt.Dataset.of({"user": [1, 2, 3], "item": ["a", "a", "a"]})
    with pytest.raises(BadEvents, match="no history holds two items that occur 3 times"):
        item2vec(data, least=3)
    with pytest.raises(BadEvents, match="no history holds two items that occur 5 times"):
        item2vec(replace(data, histories=data.histories.where(np.zeros(3, bool))))
    with pytest.raises(BadEvents, match="no sessions are recorded"):
        item2vec(data, within="session")
    with pytest.raises(BadParameter, match="within is 'history' or 'session', got 'basket'"):
        item2vec(data, within="basket")


def test_films_seen_together_share_genres_more_than_chance_has_it(movielens):
    vectors = item2vec(movielens, dimensions=32, epochs=15)
    table = movielens.item_table.with_columns(company=vectors)
    assert table.schema["company"] == pl.Array(pl.Float32, 32)
    genres = [set(g.split("|")) if g else set() for g in movielens.item_table["genres"]]
    met = np.bincount(movielens.histories.item, minlength=len(genres))
    films = np.flatnonzero(met >= 20)
    found = matrix(normalised(vectors))[films]
    nearest = np.argsort(-(found @ found.T), axis=1)[:, 1:11]
    pairs = [(films[n], films[m]) for n, row in enumerate(nearest) for m in row]
    share = np.mean([shared(genres, a, b) for a, b in pairs])
    any_two = np.random.default_rng(0).choice(films, size=(20_000, 2))
    chance = np.mean([shared(genres, a, b) for a, b in any_two])
    assert share > 1.6 * chance


@pytest.mark.slow
def test_films_seen_one_after_the_other_recommend_better_than_their_descriptions(last_fifth):
    train, scores = last_fifth.train, []
    for column in (None, item2vec(train), item2vec(train, ordered=True)):
        table = train.item_table if column is None else train.item_table.select(company=column)
        model = pt.ContentBased().fit(replace(train, item_table=table))
        scores.append(pt.evaluate(model, last_fifth, pt.NDCG(10))[pt.NDCG(10)])
    assert scores[0] + 0.02 < scores[1] < scores[2] - 0.02


def shared(genres, a, b):
    return len(genres[a] & genres[b]) / max(len(genres[a] | genres[b]), 1)
