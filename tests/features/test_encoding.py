from datetime import time

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from penchant.errors import BadParameter, UnknownId
from penchant.features import STOP_WORDS, tfidf

FILMS = pl.DataFrame(
    {
        "title": ["Toy Story (1995)", "The Toy and the toy (1982)", None, "Babe (1995)", None],
        "genres": ["Animation|Comedy", "Comedy", "Sci-Fi|Action", "", None],
        "tags": [["Pixar", "pixar", "fun"], ["fun"], [], None, None],
    }
)


def dense(features):
    return features.matrix.to_scipy().toarray()


def of(features, item):
    row = dense(features)[item]
    return {features.names[f]: row[f] for f in np.flatnonzero(row)}


def assert_equals_sklearn(features, column, vectorizer, documents, rows, share=1.0):
    expected = vectorizer.fit_transform(documents) * share
    number = {name: f for f, name in enumerate(features.names) if name.startswith(column + ":")}
    mine = [number.pop(f"{column}:{name}") for name in vectorizer.get_feature_names_out()]
    assert not number
    difference = features.matrix.to_scipy()[:, mine][rows] - expected
    assert abs(difference).max() < 1e-6


def test_words_weigh_what_scikit_learn_says():
    texts = [
        "A toy story about toys, and about a toy",
        "Les Misérables",
        "the story of the sea-wolf",
        "Se7en seas & other seas",
        "x y",
        "",
    ]
    features = tfidf(pl.DataFrame({"text": texts + [None]}))
    with_words = [0, 1, 2, 3]  # a row without words does not count as an item that lacks them
    assert_equals_sklearn(
        features,
        "text",
        TfidfVectorizer(stop_words=list(STOP_WORDS)),
        [texts[i] for i in with_words],
        with_words,
    )
    assert not dense(features)[4:].any()


def test_values_weigh_what_scikit_learn_says():
    features = tfidf(FILMS, ["genres"])
    assert_equals_sklearn(
        features,
        "genres",
        TfidfVectorizer(analyzer=lambda text: text.split("|")),
        FILMS["genres"].to_list()[:3],
        [0, 1, 2],
    )


def test_movielens_weighs_what_scikit_learn_says():
    movielens = pytest.importorskip("penchant_movielens", reason="needs penchant-movielens")
    movies = pl.read_csv(movielens.path() / "movies.csv")
    # Without years, which are ours, and ³ and ½, part of a word for Python and not for polars.
    titles = movies["title"].str.replace(r"\s*\(\d{4}.*?\)\s*$", "").str.replace_all("[³½]", "")
    features = tfidf(pl.DataFrame({"title": titles, "genres": movies["genres"]}))
    words = TfidfVectorizer(stop_words=list(STOP_WORDS)).fit(titles)
    described = np.flatnonzero(words.transform(titles).sum(1))
    assert_equals_sklearn(
        features,
        "title",
        TfidfVectorizer(stop_words=list(STOP_WORDS)),
        titles[described].to_list(),
        described,
        share=0.5**0.5,  # two columns that weigh alike
    )
    assert_equals_sklearn(
        features,
        "genres",
        TfidfVectorizer(analyzer=lambda text: text.split("|"), lowercase=False),
        movies["genres"].to_list(),
        np.arange(movies.height),
        share=0.5**0.5,
    )


def test_a_whole_value_is_one_feature_in_its_most_usual_spelling():
    features = tfidf(FILMS)
    assert set(of(features, 2)) == {"genres:Sci-Fi", "genres:Action"}
    assert set(of(features, 1)) == {
        *("title:toy", "title:1982", "title:1980s", "genres:Comedy", "tags:fun")
    }
    pixar = [name for name in features.names if name.lower() == "tags:pixar"]
    assert pixar == ["tags:Pixar"]  # one each: the smaller of the two
    # Counted twice, and rarer than "fun": (2 (1 + ln 3/2)) : (1 + ln 3/3).
    toy = of(features, 0)
    assert toy["tags:Pixar"] / toy["tags:fun"] == pytest.approx(2 * (1 + np.log(1.5)))


def test_a_year_is_a_word_and_its_decade_another():
    features = tfidf(pl.DataFrame({"title": ["Babe (1995)", "Files, The (2006–2007) ", "1984"]}))
    assert set(of(features, 0)) == {"title:babe", "title:1995", "title:1990s"}
    assert set(of(features, 1)) == {"title:files", "title:2006", "title:2000s"}


@pytest.mark.parametrize("weights", [{"title": 2.0, "genres": 0.5}, ["genres", "tags", "title"]])
def test_a_block_is_as_long_as_its_weight_says_and_a_full_row_is_1(weights):
    features = tfidf(FILMS, weights)
    given = weights if isinstance(weights, dict) else dict.fromkeys(weights, 1.0)
    for column, weight in given.items():
        mine = [f for f, name in enumerate(features.names) if name.startswith(column + ":")]
        lengths = np.linalg.norm(dense(features)[:, mine], axis=1)
        expected = weight / np.linalg.norm(list(given.values()))
        np.testing.assert_allclose(lengths[lengths > 0], expected, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(dense(features)[:2], axis=1), 1, rtol=1e-6)
    assert not dense(features)[4].any()
    assert features.matrix.shape == (5, len(features.names))
    assert features.matrix.data.dtype == np.float32


def test_strings_without_blanks_categories_and_lists_keep_their_values():
    table = pl.DataFrame(
        {
            "studio": ["A24", "Bron-Ko", None],
            "colour": pl.Series(["dark blue", "red", "red"], dtype=pl.Categorical),
            "cast": [["Ann Lee"], ["Bo Ek", "Ann Lee"], None],
            "year": [1990, 1991, 1992],
        }
    )
    assert sorted(tfidf(table).names) == [
        *("cast:Ann Lee", "cast:Bo Ek", "colour:dark blue", "colour:red"),
        *("studio:A24", "studio:Bron-Ko"),
    ]


def test_nothing_to_read_gives_no_features():
    for table in (pl.DataFrame({"year": [1, 2]}), pl.DataFrame({"title": [None, "  "]})):
        features = tfidf(table)
        assert features.names == ()
        assert features.matrix.shape == (2, 0)
    assert tfidf(FILMS.clear()).matrix.shape == (0, 0)


def test_same_table_same_bits():
    first, second = tfidf(FILMS), tfidf(FILMS)
    assert first.names == second.names
    assert first.matrix.data.tobytes() == second.matrix.data.tobytes()


def test_bad_columns_are_named():
    with pytest.raises(BadParameter, match="no column 'genre', only title, genres, tags"):
        tfidf(FILMS, ["genre"])
    with pytest.raises(BadParameter, match=r"'at' holds Time, which is neither"):
        tfidf(pl.DataFrame({"at": [time(12)]}), ["at"])
    with pytest.raises(BadParameter, match="weight of column 'tags' must be positive, got -1"):
        tfidf(FILMS, {"tags": -1})


def test_tastes_are_found_by_whole_name_or_value_in_any_case():
    features = tfidf(FILMS)
    numbers, weights = features.named({"genres:Comedy": 2, "sci-fi": 0.5, "PIXAR": -1})
    assert [features.names[n] for n in numbers] == ["genres:Comedy", "genres:Sci-Fi", "tags:Pixar"]
    assert weights.tolist() == [2, 0.5, -1]
    assert features.named(["fun"])[1].tolist() == [1]


def test_an_ambiguous_taste_means_what_most_items_have():
    features = tfidf(pl.DataFrame({"tags": ["war|x", "x"], "genres": ["War|Y", "War"]}))
    (number,), _ = features.named(["war"])
    assert features.names[number] == "genres:War"
    (number,), _ = features.named(["tags:war"])
    assert features.names[number] == "tags:war"


def test_of_equals_a_whole_value_comes_before_a_word():
    features = tfidf(pl.DataFrame({"title": ["A war", "No war yet"], "genres": ["War|X", "War"]}))
    (number,), _ = features.named(["war"])
    assert features.names[number] == "genres:War"


def test_an_unknown_taste_lists_near_ones():
    with pytest.raises(UnknownId, match=r"'Anmation'\. Did you mean .*animation"):
        tfidf(FILMS).named(["Anmation"])
