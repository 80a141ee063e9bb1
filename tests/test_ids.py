"""Ids keep their type, codes their place, and what is not known is -1."""

from __future__ import annotations

import unicodedata
import uuid

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant import ids as ids_module
from penchant.errors import BadEvents, BadParameter, Incompatible, UnknownId
from penchant.ids import IdMap, as_column, as_ids, clean

INTEGERS = st.integers(-(2**63), 2**63 - 1)
LISTS = st.one_of(
    st.lists(INTEGERS, unique=True),
    st.lists(st.text(), unique=True),
    st.lists(st.uuids(), unique=True),
)
FIVE = uuid.UUID(int=5)
SIX = uuid.UUID(int=6)


@given(LISTS)
def test_codes_are_places_and_ids_come_back_as_they_were(ids):
    known = IdMap(ids)
    codes = known.encode(ids)
    assert codes.dtype == np.int32
    assert codes.tolist() == list(range(len(ids)))
    assert known.decode(codes) == ids
    assert [type(x) for x in known] == [type(x) for x in ids]
    assert known.decode(codes.tolist() + [-1]) == [*ids, None]
    assert len(known) == len(ids)
    assert all(one in known for one in ids)


@given(LISTS, st.data())
def test_unknown_ids_are_minus_one_wherever_they_stand(ids, data):
    keep = [data.draw(st.booleans()) for _ in ids]
    known = IdMap([one for one, k in zip(ids, keep, strict=True) if k])
    codes = known.encode(ids)
    assert ((codes >= 0) == keep).all()
    assert known.decode(codes) == [one if k else None for one, k in zip(ids, keep, strict=True)]


@given(LISTS, st.randoms())
def test_of_orders_the_distinct_ids(ids, random):
    repeated = ids + ids
    random.shuffle(repeated)
    assert list(IdMap.of(repeated)) == sorted(ids)
    assert IdMap.of(repeated) == IdMap(sorted(ids))


@given(st.lists(INTEGERS, unique=True), st.lists(INTEGERS))
def test_an_extended_map_begins_with_the_old_one(old, new):
    before = IdMap(old)
    after = before.extended(new)
    assert list(after) == old + [x for x in dict.fromkeys(new) if x not in old]
    assert after.encode(old).tolist() == before.encode(old).tolist()
    assert list(before) == old


@given(st.lists(st.uuids(), unique=True), st.lists(st.uuids(), unique=True))
def test_recoding_translates_codes(left, right):
    ours, theirs = IdMap(left), IdMap(right)
    recoding = ours.recoding(theirs)
    if recoding is None:
        assert left == right
    else:
        assert recoding.tolist() == [right.index(x) if x in right else -1 for x in left]


def test_a_map_and_its_extension_share_their_leading_codes():
    known = IdMap(["a", "b", "c"])
    longer = known.extended(["d", "b", "e"])
    assert known.recoding(longer).tolist() == [0, 1, 2]
    assert longer.recoding(known).tolist() == [0, 1, 2, -1, -1]
    assert [known.leading(longer), longer.leading(known), known.leading(known)] == [3, 3, 3]
    assert known.leading(IdMap(["a", "b", "c"])) == 3
    assert known.leading(IdMap(["b", "a", "c", "d"])) is None
    assert known.extended(["c"]) is known
    # Two extensions by other ids begin alike, and yet neither begins with the other.
    assert longer.leading(known.extended(["e", "d"])) is None
    assert longer.recoding(known.extended(["e"])).tolist() == [0, 1, 2, -1, 3]
    # By another rule what follows may be one of the ids that lead.
    assert IdMap(["a", "A"]).recoding(IdMap(["a"], spelling="folded")).tolist() == [0, 0]
    assert IdMap([], spelling="folded").leading(known) == 0


def test_maps_are_compared_once_and_forgotten_with_the_other():
    known, other = IdMap(["a", "b"]), IdMap(["b", "a"])
    codes = known.recoding(other)
    assert known.recoding(other) is codes
    assert not codes.flags.writeable
    assert len(known._others) == 1
    del other
    assert len(known._others) == 0


@pytest.mark.parametrize("spelling", ["exact", "folded"])
def test_an_extension_takes_over_what_was_looked_up_before(spelling):
    known = IdMap(["a", "b"], spelling=spelling)
    known.encode(["a"])
    longer = known.extended(["C", "d", "C"])
    assert longer.__dict__["_index"] is not None
    assert longer.encode(["C", "d", "b", "e"]).tolist() == [2, 3, 1, -1]
    assert known.encode(["C"]).tolist() == [-1]


def test_recoding_says_nothing_if_the_codes_are_the_same():
    assert IdMap([1, 2]).recoding(IdMap([1, 2])) is None
    assert IdMap(["a"]).recoding(IdMap([])).tolist() == [-1]
    assert IdMap([]).recoding(IdMap(["a"])).tolist() == []


@pytest.mark.parametrize("n", [10, 1_001, 5_000])  # beyond 1,000 strings are joined, not looked up
@pytest.mark.parametrize("make", [int, str, lambda n: uuid.UUID(int=n)])
def test_long_and_short_questions_have_the_same_answers(n, make):
    known = IdMap([make(2 * x) for x in range(3_000)])
    codes = known.encode([make(x) for x in range(n)])
    assert codes.tolist() == [x // 2 if x % 2 == 0 and x < 6_000 else -1 for x in range(n)]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([7, 8], dtype=pl.UInt8),
        pl.Series([7, 8], dtype=pl.Int128),
        np.array([7, 8], np.uint64),
        np.array([7, 8], ">i4"),
        np.array([7, 8], object),
        [np.int16(7), 8],
    ],
    ids=str,
)
def test_integers_of_any_width_are_integers(column):
    assert list(IdMap(column)) == [7, 8]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["a", "b"], dtype=pl.Categorical),
        pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
        np.array(["a", "b"]),
        ("a", np.str_("b")),
    ],
    ids=str,
)
def test_text_of_any_make_is_text(column):
    assert list(IdMap(column)) == ["a", "b"]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([FIVE, SIX], dtype=pl.Object),
        pl.Series([FIVE.bytes, SIX.bytes]),
        np.array([FIVE, SIX], object),
    ],
    ids=["objects", "bytes", "array"],
)
def test_uuids_of_any_make_are_uuids(column):
    assert list(IdMap(column)) == [FIVE, SIX]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, "1"], r"several types.*row 0 is 1, row 1 is '1'"),
        ([1, FIVE], "several types"),
        ([1, None], "row 1 has no id"),
        ([1, float("nan")], "row 1 has no id"),
        (pl.Series([1, None]), "row 1 has no id"),
        (pl.Series([None, None]), "row 0 has no id"),
        ([True, False], "not bool"),
        (np.array([True]), "not bool"),
        (pl.Series([True]), r"not Boolean \(such as \[True\]\)"),
        ([1, True], "not bool"),
        ([1.0], r"not float \(row 0: 1.0\)"),
        (np.array([1.5]), "not float"),
        (pl.Series([1.5]), "not Float64"),
        (pl.Series([b"short"]), "not Binary"),
        ([(1, 2)], "not tuple"),
        (np.array([2**63], np.uint64), "9223372036854775808 does not fit"),
        (pl.Series([2**63], dtype=pl.UInt64), "9223372036854775808 does not fit"),
        ([2**70], "does not fit into 64 bits"),
        (["\ud800"], "not valid text"),
        ([3, 4, 3], "id 3 occurs more than once"),
        (["a", "a"], "id 'a' occurs more than once"),
        ([FIVE, FIVE], "id UUID"),
    ],
    ids=str,
)
def test_what_is_no_id_is_named(ids, message):
    with pytest.raises(BadEvents, match=message):
        IdMap(ids)


@pytest.mark.parametrize(
    "one", ["Babe", 7, FIVE, b"Babe", {1: 2}, np.array(3), np.eye(2, dtype=int)]
)
def test_one_id_is_not_a_list_of_ids(one):
    with pytest.raises(BadParameter, match="ids are given as a list"):
        IdMap([1, 2]).encode(one)


@pytest.mark.parametrize(
    ("known", "asked"), [([318], "318"), (["318"], 318), ([FIVE], str(FIVE)), ([5], FIVE)]
)
def test_another_type_is_an_error_and_not_a_stranger(known, asked):
    with pytest.raises(Incompatible, match=r"asked for .*such as"):
        IdMap(known).encode([asked])
    with pytest.raises(Incompatible, match="on one side"):
        IdMap(known).recoding(IdMap([asked]))
    with pytest.raises(Incompatible):
        IdMap(known).extended([asked])
    assert asked not in IdMap(known)


def test_a_map_without_ids_takes_any():
    nobody = IdMap([])
    assert nobody.encode(["a"]).tolist() == [-1]
    assert list(nobody.extended(["a", "b", "a"])) == ["a", "b"]
    assert nobody.extended([]) is nobody
    assert list(nobody) == nobody.decode([]) == []
    assert nobody.decode([-1]) == [None]


def test_none_and_floats_are_in_no_map():
    assert None not in IdMap([1])
    assert 1.0 not in IdMap([1])
    assert 2 not in IdMap([1])


def test_unknown_ids_are_told_with_near_ones():
    films = IdMap(["Toy Story", "Babe"])
    like = r"such as 'Toy Story', 'Babe'\."
    with pytest.raises(
        UnknownId, match=rf"no such id: 'Toy Stroy'; 2 are known, {like} Did you mean"
    ):
        films.code("Toy Stroy")
    with pytest.raises(UnknownId, match=r"no such id: 7; 2 are known, such as 70, 77\.$"):
        IdMap([70, 77]).code(7)
    assert films.code("Babe") == 1
    with pytest.raises(UnknownId) as told:
        films.code("x")
    assert str(told.value) == "no such id: 'x'; 2 are known, such as 'Toy Story', 'Babe'."


def test_near_ids_among_many_share_the_first_letter(monkeypatch):
    monkeypatch.setattr(ids_module, "NEAR", 3)
    with pytest.raises(UnknownId, match="Did you mean Babe"):
        IdMap(["Aliens", "Alien", "Antz", "Heat", "Babe"]).code("babe")


@pytest.mark.parametrize("codes", [[2], [-2], [0] * 99 + [7]])
def test_codes_that_no_map_gave_are_an_error(codes):
    with pytest.raises(Incompatible, match="codes run from -1 to 1"):
        IdMap([5, 6]).decode(codes)


def test_many_codes_come_back_as_a_few_do():
    known = IdMap([FIVE, SIX])
    assert known.decode([0, -1, 1] * 40) == [FIVE, None, SIX] * 40


def test_the_callers_array_may_change():
    array = np.array([5, 6])
    known = IdMap(array)
    array[0] = 9
    assert list(known) == [5, 6]


def test_digests_tell_maps_apart():
    same = IdMap(["a", "bc"]).digest()
    assert IdMap(["a", "bc"]).digest() == same
    others = [["bc", "a"], ["ab", "c"], ["a"], [1, 2], [FIVE, SIX], []]
    digests = {IdMap(ids).digest() for ids in others}
    assert len(digests) == len(others)
    assert same not in digests


def test_maps_compare_by_content_and_show_themselves():
    assert IdMap([1, 2]) == IdMap([1, 2]) != IdMap([2, 1])
    assert IdMap([1]) != IdMap(["1"])
    assert IdMap([1]) != [1]
    assert repr(IdMap(range(4))) == "<IdMap of 4 integers: 0, 1, 2, …>"
    assert repr(IdMap(["a"])) == "<IdMap of 1 strings: 'a'>"


def test_a_saved_column_is_a_map_again():
    for ids in ([3, 1], ["b", "a"], [SIX, FIVE]):
        known = IdMap(ids)
        assert IdMap.from_arrow(known.kind, known.values) == known
        assert list(IdMap.from_arrow(known.kind, known.values)) == ids


def test_ids_leave_as_columns():
    assert as_column("user", [1, None]).to_list() == [1, None]
    assert as_column("user", [None, FIVE]).to_list() == [None, str(FIVE)]
    assert as_column("user", pl.Series([FIVE.bytes])).to_list() == [str(FIVE)]
    assert [as_column("x", [], kind).dtype for kind in ("int", "str", "uuid", None)] == [
        pl.Int64, pl.String, pl.String, pl.Null,
    ]  # fmt: skip


def test_no_ids_at_all_are_integers():
    assert as_ids([])[0] == as_ids(pl.Series([], dtype=pl.Null))[0] == "int"


# --- spellings

TEXTS = st.text(max_size=6)
NASTY = st.lists(
    st.sampled_from([" ", "\t", "\u00a0", "a", "A", "ß", "ẞ", "é", "e\u0301", "ſ", "İ", "ı", "Σ",
                     "ς", "\u0345", "\u03b1", "가", "\u1100\u1161", "ﬁ", "\u200b", "ǰ"]),
    max_size=5,
).map("".join)  # fmt: skip


@given(st.one_of(TEXTS, NASTY), st.sampled_from(["exact", "trimmed", "folded"]))
def test_a_clean_id_stays_as_it_is(text, spelling):
    once = clean(text, spelling)
    assert clean(once, spelling) == once
    if spelling != "exact":
        assert once == once.strip()
        assert unicodedata.is_normalized("NFC", once)


@given(st.one_of(TEXTS, NASTY))
def test_folding_forgets_case_and_composition(text):
    for other in (text.upper(), text.lower(), f"\t{text} ", unicodedata.normalize("NFD", text)):
        if other.casefold() == text.casefold() or other.strip() == text.strip():
            assert clean(other, "folded") == clean(text, "folded")
    assert clean(unicodedata.normalize("NFD", text), "trimmed") == clean(text, "trimmed")


@given(
    st.lists(st.one_of(TEXTS, NASTY), min_size=1, max_size=12),
    st.sampled_from(["exact", "trimmed", "folded"]),
)
def test_a_column_and_a_single_id_are_compared_alike(texts, spelling):
    many = -(-1001 // len(texts))  # more than are looked up one by one
    known = IdMap.of(texts, spelling=spelling)
    alone = [known.encode([one])[0] for one in texts]
    assert known.encode(pl.Series(texts * many)).tolist() == alone * many
    assert min(alone) >= 0
    assert len(known) == len({clean(one, spelling) for one in texts})
    assert set(known) <= set(texts), "an id is shown as it was written"
    assert known.extended(texts) == known
    assert known.recoding(IdMap(list(known), spelling=spelling)) is None


def test_the_spelling_met_most_often_is_shown():
    known = IdMap.of(["ANN", "Ann", "ann ", "Ann", "Bob", "bob"], spelling="folded")
    assert list(known) == ["Ann", "Bob"]
    assert known.encode([" aNN", "BOB", "cy"]).tolist() == [0, 1, -1]
    assert list(IdMap.of(["Ann ", "Ann", "ann"], spelling="trimmed")) == ["Ann", "ann"]
    assert list(known.extended(["cy", "CY", "ann"])) == ["Ann", "Bob", "cy"]


def test_two_spellings_of_one_id_occur_twice():
    assert len(IdMap(["a", "A"])) == 2
    with pytest.raises(BadEvents, match="id 'a' occurs more than once"):
        IdMap(["a", "A"], spelling="folded")


def test_maps_that_compare_otherwise_are_others():
    exact, folded = IdMap(["a", "b"]), IdMap(["a", "b"], spelling="folded")
    assert exact != folded
    assert exact.digest() != folded.digest()
    assert exact.recoding(folded).tolist() == [0, 1]
    assert IdMap(["A", "c"]).recoding(folded).tolist() == [0, -1]


@pytest.mark.parametrize("ids", [[1, 2], [FIVE, SIX]])
def test_numbers_and_uuids_have_one_spelling(ids):
    known = IdMap.of(ids, spelling="folded")
    assert list(known) == ids
    assert known.encode(ids * 600).tolist() == [0, 1] * 600


def test_many_ids_are_found_without_a_dictionary(monkeypatch):
    monkeypatch.setattr(ids_module, "INDEXED", 3)
    names = [f"Item {n}" for n in range(50)]
    films = IdMap(names, spelling="folded")
    asked = ["ITEM 7", "nowhere", "Item 49", " item 0"]
    assert films.encode(asked).tolist() == [7, -1, 49, 0]
    # Two ids of one hash: both are looked at.
    own = films.values.hash().to_numpy()
    films.__dict__["_hashed"] = np.zeros(50, own.dtype), np.arange(50, dtype=np.int32)
    monkeypatch.setattr(pl.Series, "hash", lambda self: pl.Series([0] * len(self), dtype=pl.UInt64))
    assert films.encode(asked).tolist() == [7, -1, 49, 0]
    uuids = [uuid.UUID(int=n) for n in range(9)]
    monkeypatch.undo()
    monkeypatch.setattr(ids_module, "INDEXED", 3)
    assert IdMap(uuids).encode([uuids[4], uuid.UUID(int=99)]).tolist() == [4, -1]
