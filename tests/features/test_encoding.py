import math
import re
from datetime import UTC, date, datetime, time
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

import naive_features
from penchant.errors import BadParameter
from penchant.features import STOP_WORDS, Encoder, Features, tfidf

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
            "pair": pl.Series([["x y", "z"], ["z", "z"], None], dtype=pl.Array(pl.String, 2)),
            "year": [1990, 1991, 1992],
        }
    )
    assert sorted(tfidf(table).names) == [
        *("cast:Ann Lee", "cast:Bo Ek", "colour:dark blue", "colour:red", "pair:x y", "pair:z"),
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


PEOPLE = pl.DataFrame(
    {
        "age": [20, 30, None, 40],
        "job": ["cook", "poet", "cook", None],
        "likes": ["Jazz|Tea|Rain|Sun", "Tea", None, "tea|Jazz"],
        "member": [True, False, None, True],
        "born": [date(1990, 1, 1), date(1990, 1, 5), date(1990, 1, 3), None],
        "face": pl.Series(
            [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], None], dtype=pl.Array(pl.Float32, 2)
        ),
    }
)


def values(encoder, table, row):
    found = encoder.encode(table).to_scipy().toarray()[row]
    return {encoder.names[f]: pytest.approx(found[f], abs=1e-6) for f in np.flatnonzero(found)}


@pytest.mark.parametrize("ngrams", [(1, 2), (2, 2), (1, 3)])
@pytest.mark.parametrize("min_df", [1, 2])
def test_runs_of_words_weigh_what_scikit_learn_says(ngrams, min_df):
    texts = [
        "the sea wolf and the sea wolf",
        "a sea wolf story",
        "old sea",
        "wolf",
        "the sea story",
    ]
    features = Encoder.learn(pl.DataFrame({"text": texts}), ngrams=ngrams, min_df=min_df).features(
        pl.DataFrame({"text": texts})
    )
    vectorizer = TfidfVectorizer(stop_words=list(STOP_WORDS), ngram_range=ngrams, min_df=min_df)
    if ngrams == (2, 2):  # a text of one word has no pair: it does not count as one that lacks them
        assert_equals_sklearn(
            features, "text", vectorizer, [t for t in texts if t != "wolf"], [0, 1, 2, 4]
        )
    else:
        assert_equals_sklearn(features, "text", vectorizer, texts, range(5))


def test_bm25_is_the_naive_one():
    texts = [
        "sea wolf sea story",
        "sea dog",
        "dog story story teller",
        "",
        "old sea dog dog dog dog",
    ]
    table = pl.DataFrame({"text": texts})
    for ngrams in ((1, 1), (1, 2)):
        features = Encoder.learn(table, weighting="bm25", ngrams=ngrams).features(table)
        documents = [naive_features.runs(text.split(), *ngrams) for text in texts]
        for row, expected in enumerate(naive_features.bm25(documents)):
            named = {f"text:{term}": w for term, w in expected.items()}
            assert of(features, row) == pytest.approx(naive_features.unit(named) if named else {})


def test_bm25_of_new_rows_uses_the_lengths_and_rarities_that_were_learned():
    table = pl.DataFrame({"text": ["sea wolf", "sea dog", "old dog story teller"]})
    encoder = Encoder.learn(table, weighting="bm25")
    together = naive_features.bm25([t.split() for t in table["text"]])
    new = Features(encoder.names, encoder.encode(pl.DataFrame({"text": ["old dog story teller"]})))
    expected = naive_features.unit({f"text:{t}": w for t, w in together[2].items()})
    assert of(new, 0) == pytest.approx(expected)


def test_counts_and_presence_weigh_as_they_say():
    tags = pl.DataFrame({"tags": [["a", "a", "b"], ["b"]]})
    count = Encoder.learn(tags, weighting="count").features(tags)
    assert of(count, 0) == pytest.approx({"tags:a": 2 / 5**0.5, "tags:b": 1 / 5**0.5})
    binary = Encoder.learn(tags, weighting="binary").features(tags)
    assert of(binary, 0) == pytest.approx({"tags:a": 0.5**0.5, "tags:b": 0.5**0.5})


def test_a_design_matrix_holds_plain_values():
    encoder = Encoder.learn(PEOPLE, scale="design")
    z = 10 / np.std([20, 30, 40])
    day = 2 / np.std([0, 4, 2])
    face = 1 / np.sqrt(2 / 3 + 2 / 3)  # both have mean 0 and squares that sum to 2, in three rows
    assert values(encoder, PEOPLE, 0) == {
        "age": -z, "job:cook": 1, "member:true": 1, "born": -day, "face[0]": face,
        **{f"likes:{v}": 0.5 for v in ("Jazz", "Tea", "Rain", "Sun")},
    }  # fmt: skip
    assert values(encoder, PEOPLE, 1) == {
        "job:poet": 1, "likes:Tea": 1, "member:false": 1, "born": day, "face[1]": face,
    }  # fmt: skip
    assert values(encoder, PEOPLE, 2) == {
        "age:missing": 1, "job:cook": 1, "face[0]": -face, "face[1]": -face
    }  # fmt: skip
    assert values(encoder, PEOPLE, 3) == {
        "age": z, "likes:Tea": 0.5**0.5, "likes:Jazz": 0.5**0.5, "member:true": 1,
        "born:missing": 1, "face:missing": 1,
    }  # fmt: skip
    assert encoder.groups == tuple(re.split(r"[:[]", name)[0] for name in encoder.names)


@pytest.mark.parametrize(("norm", "each"), [("l1", 0.25), ("none", 1.0)])
def test_several_values_may_weigh_otherwise(norm, each):
    encoder = Encoder.learn(PEOPLE, ["likes"], scale="design", norm=norm)
    row = values(encoder, PEOPLE, 0)
    assert row == dict.fromkeys([f"likes:{v}" for v in ("Jazz", "Rain", "Sun", "Tea")], each)


def test_weights_multiply_the_blocks_of_a_design():
    plain = (
        Encoder.learn(PEOPLE, ["age", "job"], scale="design").encode(PEOPLE).to_scipy().toarray()
    )
    weighed = Encoder.learn(PEOPLE, {"age": 1, "job": 3}, scale="design").encode(PEOPLE)
    np.testing.assert_allclose(weighed.to_scipy().toarray(), plain * [1, 1, 3, 3], rtol=1e-6)


def test_every_described_row_has_length_1_whatever_the_columns_hold():
    encoder = Encoder.learn(PEOPLE, list(PEOPLE.columns))
    lengths = np.linalg.norm(encoder.encode(PEOPLE).to_scipy().toarray(), axis=1)
    np.testing.assert_allclose(lengths**2, [1, 1, 3 / 6, 3 / 6], rtol=1e-6)
    assert not [name for name in encoder.names if name.endswith("missing")]


def test_near_numbers_are_alike():
    table = pl.DataFrame({"year": [1950, 1990, 1995, 2020]})
    encoder = Encoder.learn(table, ["year"])
    assert encoder.names == ("year:low", "year:high")
    x = encoder.encode(table).to_scipy().toarray()
    likeness = x @ x.T
    assert (np.diff(likeness[0]) < 0).all()
    assert likeness[1, 2] > max(likeness[0, 1], likeness[2, 3])
    middle = encoder.encode(pl.DataFrame({"year": [float(table["year"].mean())]})).data
    np.testing.assert_allclose(middle, 0.5**0.5, rtol=1e-6)


def test_vectors_keep_their_cosine():
    vectors = np.random.default_rng(0).normal(1, 1, (6, 4))
    x = Encoder.learn(pl.DataFrame({"v": vectors})).encode(pl.DataFrame({"v": vectors}))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(x.to_scipy().toarray(), unit, rtol=1e-6)


def test_lists_of_floats_are_vectors_and_what_is_not_finite_is_missing():
    table = pl.DataFrame({"v": [[1.0, 2.0], [np.nan, 1.0], None, [3.0, 2.0], [None, 1.0]]})
    encoder = Encoder.learn(table, scale="design")
    assert encoder.names == ("v[0]", "v[1]", "v:missing")
    expected = [[-1, 0, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(encoder.encode(table).to_scipy().toarray(), expected, atol=1e-6)


@settings(max_examples=40)
@given(
    values_=st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=30).filter(any),
    bins=st.integers(2, 6),
)
def test_classes_are_the_naive_ones(values_, bins):
    table = pl.DataFrame({"x": pl.Series(values_, dtype=pl.Int64)})
    encoder = Encoder.learn(table, scale="design", bins={"x": bins})
    expected = naive_features.classes(values_, bins)
    got = encoder.encode(table)
    assert got.nnz == len(values_)
    missing = len(encoder.names) - 1
    assert got.indices.tolist() == [missing if c is None else c for c in expected]


def test_classes_are_named_by_where_they_begin_and_end():
    ages = pl.DataFrame({"age": [10, 20, 30, 40]})
    encoder = Encoder.learn(ages, scale="design", bins=3)
    assert encoder.names == ("age:below 20", "age:20 to 30", "age:30 and above")
    outside = pl.DataFrame({"age": [-7, 99, 20]})
    assert encoder.encode(outside).indices.tolist() == [0, 2, 1]
    days = pl.DataFrame({"day": [date(2020, 1, 1), date(2020, 1, 3)]})
    names = Encoder.learn(days, ["day"], bins=2).names
    assert names == ("day:below 2020-01-02", "day:2020-01-02 and above")


def test_times_are_days():
    stamps = [datetime(1970, 1, 2, 12, tzinfo=UTC), datetime(1970, 1, 4, tzinfo=UTC)]
    encoder = Encoder.learn(pl.DataFrame({"at": stamps}), scale="design")
    assert encoder.table["start"].to_list() == [pytest.approx(2.25)]


def test_unseen_and_missing_values_and_columns_say_nothing():
    encoder = Encoder.learn(PEOPLE, scale="design")
    new = pl.DataFrame({"job": ["pope", "COOK"], "extra": [1, 2], "likes": ["Tea|Snow", None]})
    assert values(encoder, new, 0) == {
        "age:missing": 1, "born:missing": 1, "face:missing": 1, "likes:Tea": 1
    }  # fmt: skip
    assert values(encoder, new, 1) == {
        "age:missing": 1, "born:missing": 1, "face:missing": 1, "job:cook": 1
    }  # fmt: skip
    nulls = pl.DataFrame({"job": [None], "face": [None], "member": [None]})
    assert "job" not in {n.partition(":")[0] for n in values(encoder, nulls, 0)}


def test_what_was_never_missing_has_no_feature_for_it():
    encoder = Encoder.learn(pl.DataFrame({"age": [1, 2]}), scale="design")
    assert encoder.names == ("age",)
    assert encoder.encode(pl.DataFrame({"age": [None]})).nnz == 0


def test_a_column_that_does_not_vary_says_nothing():
    encoder = Encoder.learn(pl.DataFrame({"age": [3, 3], "none": [None, None]}), scale="design")
    assert encoder.names == ("age",)
    assert encoder.encode(pl.DataFrame({"age": [3, 4]})).nnz == 0


words = st.text(alphabet="abc |", max_size=8)
tables = st.lists(
    st.tuples(st.none() | words, st.none() | st.floats(-9, 9), st.lists(words, max_size=3)),
    min_size=1,
    max_size=8,
).map(
    lambda rows: pl.DataFrame(
        rows, {"w": pl.String, "x": pl.Float64, "l": pl.List(pl.String)}, orient="row"
    )
)


@settings(max_examples=40)
@given(learned=tables, new=tables, scale=st.sampled_from(["cosine", "design"]),
       weighting=st.sampled_from(["tfidf", "bm25", "count", "binary"]))  # fmt: skip
def test_a_row_is_encoded_alike_alone_among_others_and_by_a_saved_encoder(
    learned, new, scale, weighting
):
    encoder = Encoder.learn(learned, ["w", "x", "l"], scale=scale, weighting=weighting)
    stored = BytesIO()
    encoder.table.write_ipc(stored, compat_level=pl.CompatLevel.oldest())
    again = Encoder(pl.read_ipc(stored.getvalue()))
    assert (again.names, again.groups) == (encoder.names, encoder.groups)
    together = again.encode(new)
    assert together.shape == (new.height, len(encoder.names))
    assert np.isfinite(together.data).all()
    for row in range(new.height):
        alone = encoder.encode(new[row : row + 1])
        among = together.rows(row, row + 1)
        assert alone.indices.tolist() == among.indices.tolist()
        assert alone.data.tobytes() == among.data.tobytes()


@pytest.mark.parametrize("scale", ["cosine", "design"])
def test_rows_that_repeat_are_encoded_like_the_first(scale):
    few = pl.concat([PEOPLE, PEOPLE.select(pl.all().shift(1))]).with_columns(
        text=pl.Series(["a sea story", None, "the sea", "old wolf story"] * 2)
    )
    many = pl.concat([few] * 300).sample(fraction=1, shuffle=True, seed=1, with_replacement=False)
    place = pl.concat([pl.Series(range(8))] * 300).sample(fraction=1, shuffle=True, seed=1)
    assert many[:8].equals(few[place[:8].to_list()])
    encoder = Encoder.learn(few, few.columns, scale=scale)
    once = encoder.encode(few).to_scipy().toarray()
    np.testing.assert_array_equal(encoder.encode(many).to_scipy().toarray(), once[place])


def test_equal_numbers_do_not_vary_though_their_deviation_is_not_quite_0():
    table = pl.DataFrame({"x": [0.1] * 3, "v": [[0.1, 0.7]] * 3})
    assert np.std([0.1] * 3) > 0
    encoder = Encoder.learn(table, scale="design")
    assert encoder.encode(table).nnz == 0


def test_numbers_that_no_feature_can_hold():
    table = pl.DataFrame({"x": [1.0, 2.0, 1e39, math.inf], "v": [[1.0], [2.0], [1e39], [math.nan]]})
    encoder = Encoder.learn(table, scale="design")
    assert encoder.names == ("x", "x:missing", "v[0]", "v:missing")
    assert (
        values(encoder, table, 2) == values(encoder, table, 3) == {"x:missing": 1, "v:missing": 1}
    )
    far = pl.DataFrame({"x": [3e38], "v": [None]})
    assert values(encoder, far, 0) == {"x": 1e6, "v:missing": 1}
    nothing = Encoder.learn(pl.DataFrame(), ())
    assert nothing.encode(table).shape == (4, 0)
    assert nothing.names == nothing.groups == ()


def test_bad_options_and_rows_are_named():
    for option, message in [
        ({"scale": "unit"}, "scale is one of cosine, design, got 'unit'"),
        ({"weighting": "idf"}, "weighting is one of tfidf, bm25, count, binary"),
        ({"norm": 2}, "norm is one of l2, l1, none, got 2"),
        ({"ngrams": (2, 1)}, r"ngrams is the shortest and the longest .*, got \(2, 1\)"),
        ({"min_df": 0}, "min_df is a number of rows of at least 1, got 0"),
        ({"bins": 1}, "at least 2, got 1"),
        ({"bins": {"agee": 3}}, r"bins: column 'agee' is not read\. Did you mean age"),
    ]:
        with pytest.raises(BadParameter, match=message):
            Encoder.learn(PEOPLE, ["age", "job"], **option)
    encoder = Encoder.learn(PEOPLE, scale="design")
    with pytest.raises(BadParameter, match="'age' holds String, and numbers were learned from"):
        encoder.encode(pl.DataFrame({"age": ["20"]}))
    with pytest.raises(BadParameter, match=r"'face' holds vectors of 3 numbers, .* had 2"):
        encoder.encode(pl.DataFrame({"face": [[1.0, 2.0, 3.0]]}))
    with pytest.raises(BadParameter, match=r"'v' holds lists of 1 to 2 numbers; .* cast them"):
        Encoder.learn(pl.DataFrame({"v": [[1], [1, 2]]}), ["v"])
