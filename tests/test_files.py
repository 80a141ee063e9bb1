"""Files are read as they stand, whatever shape the text has, or it is said why not."""

from __future__ import annotations

import contextlib
import gzip
import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import BadEvents
from penchant.files import read_table

TABLE = pl.DataFrame({"user": [1, 2], "item": ["x", "y"]})


@pytest.fixture
def write(tmp_path):
    """Write bytes or text to a file and return its path."""

    def written(content, name="file.csv"):
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(raw)
        return tmp_path / name

    return written


def packed(frame: pl.DataFrame, kind: str) -> bytes:
    buffer = io.BytesIO()
    {"parquet": frame.write_parquet, "ipc": frame.write_ipc}[kind](buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        "user,item\n1,x\n2,y\n",
        "user,item\n1,x\n2,y",
        "user,item\r\n1,x\r\n2,y\r\n",
        "user,item\r1,x\r2,y\r",
        "\n\nuser,item\n1,x\n2,y\n\n\n",
        "user\titem\n1\tx\n2\ty\n",
        "user;item\n1;x\n2;y\n",
        "user|item\n1|x\n2|y\n",
        "user::item\n1::x\n2::y\n",
        '"user","item"\n"1","x"\n"2","y"\n',
        "\ufeffuser,item\n1,x\n2,y\n",
        "user,item\n1,x\n2,y\n".encode("utf-16"),
        gzip.compress(b"user,item\n1,x\n2,y\n", mtime=0),
        packed(TABLE, "parquet"),
        packed(TABLE, "ipc"),
        gzip.compress(packed(TABLE, "parquet"), mtime=0),
    ],
    ids=lambda c: repr(c[:20]),
)
def test_every_shape_gives_the_same_table(write, content):
    table, _, notes = read_table(write(content))
    assert table.equals(TABLE)
    assert notes == ()


def test_the_content_decides_and_not_the_name(write):
    assert read_table(write(packed(TABLE, "parquet"), "table.csv"))[0].equals(TABLE)
    assert read_table(str(write("user,item\n1,x\n2,y\n", "table.parquet")))[0].equals(TABLE)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "20"], [1, 20]),
        (["0", "-5"], [0, -5]),
        (["1500000000000000001"], [1500000000000000001]),
        (["9223372036854775807"], [2**63 - 1]),
        (["9223372036854775808"], ["9223372036854775808"]),
        (["007", "8"], ["007", "8"]),
        (["1", "x"], ["1", "x"]),
        (["1", " 2"], ["1", " 2"]),
        (["+1"], ["+1"]),
        (["1.0"], ["1.0"]),
        (["-0"], ["-0"]),
        (["١"], ["١"]),
        (["1", '""'], ["1", ""]),
        (["1", ""], [1, None]),
    ],
    ids=str,
)
def test_only_plain_whole_numbers_become_integers(write, cells, expected):
    lines = "".join(f"{c},z\n" for c in cells)
    assert read_table(write("id,other\n" + lines))[0]["id"].to_list() == expected


def test_quotes_keep_separators_quotes_and_line_ends(write):
    table, first, _ = read_table(write('user,item\n"a,b","x ""y"""\n"c\nd",z\n'))
    assert table.rows() == [("a,b", 'x "y"'), ("c\nd", "z")]
    assert first == 0  # rows are no lines here, and must not be called so
    assert read_table(write('user::item\n"a"::b"c\n'))[0].rows() == [('"a"', 'b"c')]


def test_text_that_is_not_utf8_is_read_as_latin1_and_said(write):
    table, _, notes = read_table(write("user,item\nJosé,1\n".encode("latin-1")))
    assert table["user"].to_list() == ["José"]
    assert notes == ("the text is not UTF-8: it was read as Latin-1",)


@pytest.mark.parametrize(
    ("content", "first"), [("a,b\n1,2\n", 2), ("1,2\n3,4\n", 1), ("\n\na,b\n1,2\n", 4)]
)
def test_the_first_row_knows_its_line(write, content, first):
    assert read_table(write(content))[1] == first


def test_a_first_line_of_numbers_is_data(write):
    table, _, notes = read_table(write("1\t2\t5\t100\t7\n3\t4\t-2.5\t200\t8\n"))
    assert table.columns == ["user", "item", "rating", "timestamp", "column_5"]
    assert len(table) == 2
    assert notes == ("no header: columns are taken as user, item, rating, timestamp, column_5",)


def test_unnamed_columns_are_no_trouble(write):
    assert read_table(write(",user,item\n0,1,2\n"))[0]["user"].to_list() == [1]
    assert len(read_table(write(",,user\n0,1,2\n"))[0]) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n \n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(b"user,item\n1,2\n", mtime=0)[:-6], "is damaged"),
        ("1\n2\n", "one column of numbers and no header"),
        ("user,item\n1,2,3\n", "line 2 has 3 cells, and the first line 2"),
        ("\nuser,item\n1,2\n1,2,3\n", "line 4 has 3 cells"),
        ('user,item\n1,"abc\n2,def\n', "line 2 has a quote that is not closed"),
        ('user,item\n1,ab"c\n2,def\n', "line 2 has a quote that is not closed, or one within"),
        ('user,item\n1,"a" b\n', "cannot be read as a table: "),
        ("user,item,user\n1,2,3\n", "several columns are called 'user'"),
        ("user,item\n1\0,2\n", "neither text nor Parquet nor Arrow: line 2 holds a NUL"),
        ("user,item\n" + "1,2\n" * 3000 + "1,\0\n", "line 3002 holds a NUL"),
        (packed(TABLE, "parquet")[:-9], "is damaged: parquet"),
        (b"PAR1", "is damaged"),
        (packed(TABLE, "ipc")[:60], "is damaged"),
    ],
    ids=lambda x: repr(x[:24]),
)
def test_what_cannot_be_read_is_said(write, content, message):
    with pytest.raises(BadEvents, match=message):
        read_table(write(content))


def test_folders_and_missing_files_are_said(tmp_path):
    with pytest.raises(BadEvents, match=r"is a folder: name a file, or use penchant.datasets.read"):
        read_table(tmp_path)
    with pytest.raises(BadEvents, match=r"no such file: .*nothing.csv"):
        read_table(tmp_path / "nothing.csv")


@pytest.mark.parametrize("kind", ["parquet", "ipc"])
def test_damage_is_an_error_of_ours_or_harmless(write, kind):
    rng = np.random.default_rng(0)
    whole = packed(pl.concat([TABLE] * 40), kind)
    for round_ in range(60):
        raw = bytearray(whole)
        for _ in range(3):
            raw[rng.integers(8, len(raw))] = rng.integers(0, 256)
        end = rng.integers(8, len(raw)) if round_ % 4 == 0 else len(raw)
        with contextlib.suppress(BadEvents):
            table, first_line, _ = read_table(write(bytes(raw[:end])))
            assert (table.width > 0, first_line) == (True, 0)


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\x1f", exclude_categories=["Cs"]),
    min_size=1,
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1), st.sampled_from(",;\t|"))
def test_what_another_library_writes_comes_back(tmp_path_factory, rows, separator):
    path = tmp_path_factory.mktemp("t") / "table.csv"
    columns = list(zip(*rows, strict=True))
    written = pl.DataFrame({"first name": columns[0], "second": columns[1]})
    written.write_csv(path, separator=separator, quote_style="always")
    assert read_table(path)[0].select(pl.all().cast(pl.String)).equals(written)


def test_an_object_of_json_on_each_line(tmp_path):
    path = tmp_path / "clicks.jsonl"
    path.write_text('\n{"user": "a", "item": 7}\n{"item": 8, "user": null, "tags": ["x"]}\n')
    table, first_line, notes = read_table(path)
    assert table.rows(named=True) == [
        {"user": "a", "item": 7, "tags": None},
        {"user": None, "item": 8, "tags": ["x"]},
    ]
    assert (first_line, notes) == (2, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"a": 1}\n[2]\n', "line 2 is not an object"), ('{"a": 1}\n{"a"\n', "line 2 is not an")],
)
def test_lines_that_are_no_objects_of_json(tmp_path, text, said):
    path = tmp_path / "clicks.jsonl"
    path.write_text(text)
    with pytest.raises(BadEvents, match=said):
        read_table(path)
