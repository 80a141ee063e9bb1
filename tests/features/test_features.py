import numpy as np
import polars as pl
import pytest

from penchant.errors import BadParameter, Incompatible, UnknownId
from penchant.features import Encoder, tfidf

FILMS = pl.DataFrame(
    {
        "title": ["Toy Story (1995)", "The Toy and the toy (1982)", None, "Babe (1995)", None],
        "genres": ["Animation|Comedy", "Comedy", "Sci-Fi|Action", "", None],
        "tags": [["Pixar", "pixar", "fun"], ["fun"], [], None, None],
    }
)


def dense(features):
    return features.matrix.to_scipy().toarray()


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


def test_features_stand_beside_each_other():
    genres, tags = tfidf(FILMS, ["genres"]), tfidf(FILMS, ["tags"])
    both = genres.beside(tags)
    np.testing.assert_array_equal(dense(both), np.hstack([dense(genres), dense(tags)]))
    assert both.names == genres.names + tags.names
    weighed = genres.beside(tags, weights=[2, 0.5])
    at_once = Encoder.learn(FILMS, {"genres": 2, "tags": 0.5}).features(FILMS)
    np.testing.assert_allclose(dense(weighed), dense(at_once), rtol=1e-6)
    with pytest.raises(Incompatible, match=r"'genres:Action' occurs in more than one"):
        genres.beside(genres)
    with pytest.raises(Incompatible, match=r"for the same items, got \[5, 0\]"):
        genres.beside(tfidf(FILMS.clear()))
    with pytest.raises(BadParameter, match="2 blocks need a positive weight each"):
        genres.beside(tags, weights=[1, -1])


def test_an_entry_of_a_vector_or_a_number_goes_by_its_whole_name():
    table = pl.DataFrame({"age": [1.0, 2.0], "v": [[1.0, 0.0], [0.0, 1.0]]})
    features = Encoder.learn(table, scale="design").features(table)
    numbers, _ = features.named(["v[1]", "age"])
    assert [features.names[n] for n in numbers] == ["v[1]", "age"]
    with pytest.raises(UnknownId):
        features.named([""])
