import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive_vectors
import penchant as pt
from penchant.errors import BadParameter, Incompatible
from penchant.features.vectors import Principal, column, embed, matrix, normalised


class Letters:
    """How often a, b and c occur; of a text without letters it can say nothing."""

    def __init__(self, unknown=np.nan):
        self.unknown, self.asked = unknown, []

    def encode(self, texts):
        self.asked.append(list(texts))
        counts = np.array([[text.count(letter) for letter in "abc"] for text in texts], float)
        counts[[not any(c.isalpha() for c in text) for text in texts]] = self.unknown
        return counts


class Fixed:
    def __init__(self, answer):
        self.answer = answer

    def encode(self, texts):
        return self.answer


texts = st.lists(st.one_of(st.none(), st.text("abc 1", max_size=6)), max_size=12)


@given(texts, st.integers(1, 5), st.randoms())
def test_a_row_is_what_the_encoder_says_of_it_wherever_it_stands(values, batch, random):
    values = [*values, "abba"]
    random.shuffle(values)
    found = embed(values, Letters(), batch=batch).to_list()
    for value, row in zip(values, found, strict=True):
        known = value is not None and any(c.isalpha() for c in value)
        assert row == ([float(value.count(c)) for c in "abc"] if known else None)


def test_equal_texts_are_asked_once_in_batches_and_progress_is_told():
    encoder, told = Letters(), []
    embed(["a", "b", None, "a", " ", "c"], encoder, batch=2, on_batch=lambda *now: told.append(now))
    assert encoder.asked == [["a", "b"], ["c"]]
    assert told == [(2, 3), (3, 3)]


@pytest.mark.parametrize("unknown", [np.nan, 0.0])
def test_what_an_encoder_cannot_say_is_null(unknown):
    found = embed(pl.Series("t", ["ab", "?", None]), Letters(unknown))
    assert found.dtype == pl.Array(pl.Float32, 3)
    assert found.to_list() == [[1, 1, 0], None, None]


def test_what_is_no_text_goes_to_the_encoder_as_it_is():
    class Means:
        def encode(self, arrays):
            return [[float(array.mean()), 1.0] for array in arrays]

    images = [np.full((2, 2), 3), None, np.full((2, 2), 3), float("nan")]
    assert embed(images, Means()).to_list() == [[3, 1], None, [3, 1], None]


@pytest.mark.parametrize(
    ("values", "encoder", "message"),
    [
        (["a"], "all-MiniLM-L6-v2", "an encoder has a method encode.* got 'all-MiniLM-L6-v2'"),
        ("a text", Letters(), r"a column of texts, not one text: \['a text'\]"),
        ([None, " "], Letters(), "all of 2 values are missing"),
        (pl.Series("tags", [["a"]]), Letters(), r"'tags' holds lists; .*table\['tags'\].list.join"),
        (pl.Series("year", [1995]), Letters(), "column 'year' holds Int64, not texts or images"),
    ],
)
def test_what_cannot_be_encoded_is_named(values, encoder, message):
    with pytest.raises(BadParameter, match=message):
        embed(values, encoder)
    with pytest.raises(BadParameter, match="batch must be at least 1, got 0"):
        embed(["a"], Letters(), batch=0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1.0, 2.0], r"2 values with numbers of shape \(2,\), not \(2, d\)"),
        ([[1.0]], r"2 values with numbers of shape \(1, 1\), not \(2, d\)"),
        ([[1.0], [np.inf]], "vector of 'b' is not finite"),
        ([[np.nan, 1.0], [1.0, 1.0]], "vector of 'a' is not finite"),
    ],
)
def test_a_wrong_answer_of_an_encoder_is_an_error(answer, message):
    with pytest.raises(Incompatible, match=message):
        embed(["a", "b"], Fixed(answer))


def test_an_encoder_whose_vectors_change_their_length_is_an_error():
    class Growing:
        def encode(self, texts):
            return np.ones((1, len(texts[0])))

    with pytest.raises(Incompatible, match=r"shape \(1, 2\), not \(1, 1\)"):
        embed(["a", "bb"], Growing(), batch=1)


def test_normalised_vectors_have_length_one_and_nulls_stay():
    given_ = pl.Series("v", [[3.0, 4.0], None, [0.0, 0.0], [-2.0, 0.0]])
    assert normalised(given_).to_list() == [pytest.approx([0.6, 0.8]), None, None, [-1, 0]]


def test_columns_and_matrices_turn_into_each_other():
    rows = np.array([[1, 2], [np.nan, np.nan], [0, 0]])
    np.testing.assert_array_equal(matrix(column(rows)), rows)
    with pytest.raises(BadParameter, match="column 'title' holds String, not vectors"):
        matrix(pl.Series("title", ["a"]))


def test_principal_directions_are_those_of_power_iteration():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 5)) * [5, 3, 2, 1, 0.5] @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    found = Principal.of(column(rows), 3)
    rows = matrix(column(rows))
    axes = naive_vectors.principal_axes(rows, 3)
    np.testing.assert_allclose(np.abs((found.axes * axes.T).sum(axis=0)), 1, atol=1e-6)
    assert (found.axes[np.abs(found.axes).argmax(axis=0), range(3)] > 0).all()
    variances = ((rows - rows.mean(axis=0)) @ axes.T).var(axis=0)
    np.testing.assert_allclose(found.kept, variances / rows.var(axis=0).sum(), rtol=1e-6)
    reduced = matrix(found.reduce(column(rows)))
    np.testing.assert_allclose(reduced, (rows - rows.mean(axis=0)) @ found.axes, atol=1e-5)


def test_what_was_learned_from_some_vectors_reduces_others_and_keeps_nulls():
    learned = Principal.of(pl.Series([[0.0, 0.0], None, [2.0, 0.0], [4.0, 0.0]]), 1)
    new = pl.Series([[2.0, 7.0], None, [5.0, 0.0]])
    assert learned.reduce(new).to_list() == [[0.0], None, [3.0]]
    with pytest.raises(Incompatible, match="learned from vectors of 2 numbers, got 3"):
        learned.reduce(pl.Series([[1.0, 2.0, 3.0]]))
    with pytest.raises(BadParameter, match=r"3 vectors of 2 .* at most 2 .* asked for 3"):
        Principal.of(pl.Series([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]), 3)


def test_content_reads_given_vectors_and_answers_for_new_items_only_with_one():
    films = pl.DataFrame({"item": ["a", "b", "c", "d"], "text": ["aab", "aaab", "c", None]})
    films = films.select("item", look=embed(films["text"], Letters()))
    data = pt.Dataset.of({"user": [1], "item": ["a"]}, items=films)
    model = pt.ContentBased().fit(data)
    scores = model.score(data.queries(users=[1]))[0]
    cosines = [1, 7 / np.sqrt(5 * 10), np.nan, np.nan]
    assert scores[[0, 1, 3]] == pytest.approx(np.array(cosines)[[0, 1, 3]], nan_ok=True)
    assert scores[2] == 0
