"""Tables of every library enter alike."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant.dataset import Dataset
from penchant.errors import BadEvents
from penchant.events import Events
from penchant.frames import to_polars

ROWS = {
    "user": ["u1", "u2", "u1"],
    "item": [10, 20, 20],
    "rating": [4.5, None, 1.0],
    "timestamp": [dt.datetime(2020, 1, 1, 10), dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 3)],
    "device": ["tv", None, "phone"],
}
FIVE, SIX = uuid.UUID(int=5), uuid.UUID(int=6)


def pandas():
    return pytest.importorskip("pandas").DataFrame(ROWS)


def pyarrow():
    return pytest.importorskip("pyarrow").table(ROWS)


def batch():
    return pytest.importorskip("pyarrow").RecordBatch.from_pydict(ROWS)


DUCKDB = """
    from (values ('u1', 10::bigint, 4.5::double, timestamp '2020-01-01 10:00:00', 'tv'),
                 ('u2', 20, null, timestamp '2020-01-02', null),
                 ('u1', 20, 1, timestamp '2020-01-03', 'phone'))
         t("user", item, rating, timestamp, device)
"""


def duckdb():
    return pytest.importorskip("duckdb").connect().sql(DUCKDB)


def executed():
    """Return a DuckDB connection with a result, which speaks numpy alone."""
    return pytest.importorskip("duckdb").connect().execute(DUCKDB)


SOURCES = {
    "polars": lambda: pl.DataFrame(ROWS),
    "lazy": lambda: pl.LazyFrame(ROWS),
    "mapping": lambda: ROWS,
    "arrays": lambda: {
        "user": np.array(ROWS["user"]),
        "item": np.array(ROWS["item"], np.int32),
        "rating": np.array([4.5, np.nan, 1.0], np.float32),
        "timestamp": np.array(ROWS["timestamp"], "datetime64[s]"),
        "device": np.array(ROWS["device"], object),
    },
    "records": lambda: [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values())],
    "pandas": pandas,
    "pyarrow": pyarrow,
    "record batch": batch,
    "stream": lambda: pyarrow().to_reader(),
    "duckdb": duckdb,
    "duckdb connection": executed,
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_library_gives_the_same_events(source):
    events = Events.from_frame(SOURCES[source](), context=("device",))
    expected = Events.from_frame(pl.DataFrame(ROWS), context=("device",))
    assert events.frame.equals(expected.frame)
    assert events.frame.schema == expected.frame.schema
    assert events.reading.missing_values == 1
    assert events.reading.time_unit == "datetime"
    assert list(Dataset.from_events(events).users) == ["u1", "u2"]


WITHOUT_PYARROW = """
    import sys

    class Hidden:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "pyarrow":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    HIDE
    import json, uuid
    import numpy as np, pandas as pd
    from penchant.errors import BadEvents
    from penchant.events import Events
    from penchant.frames import to_polars

    def shown(frame, **options):
        try:
            return [list(map(str, row)) for row in Events.from_frame(frame, **options).frame.rows()]
        except BadEvents as e:
            return str(e)

    day = pd.Series(pd.to_datetime(["2020-01-01T10:00", "2020-01-02T00:00"]))
    plain = pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "rating": [5.0, np.nan],
                          "timestamp": day})
    late = pd.Series([pd.NaT, day[1]])
    cases = {
        "plain": shown(plain),
        "zone": shown(plain.assign(timestamp=day.dt.tz_localize("Europe/Paris"))),
        "NaT": shown(plain.assign(timestamp=late)),
        "NaT with zone": shown(plain.assign(timestamp=late.dt.tz_localize("UTC")), bad="drop"),
        **{unit: shown(plain.assign(timestamp=day.astype(f"datetime64[{unit}]")))
           for unit in ("s", "ms", "us", "ns")},
        "Int64": shown(plain.assign(item=pd.array([7, 8], dtype="Int64"))),
        "Int64 with NA": shown(plain.assign(item=pd.array([7, None], dtype="Int64")), bad="drop"),
        "float ids": shown(plain.assign(item=[1.0, 2.0])),
        "float ids with NaN": shown(plain.assign(item=[7, np.nan]), bad="drop"),
        "Float64": shown(plain.assign(rating=pd.array([7, None], dtype="Float64"))),
        "boolean": shown(plain.assign(rating=pd.array([True, None], dtype="boolean"))),
        "string": shown(plain.assign(user=pd.array(["a", None], dtype="string")), bad="drop"),
        "object": shown(plain.assign(user=pd.Series(["a", "b"], dtype=object))),
        "category": shown(plain.assign(user=pd.Categorical(["a", "b"]))),
        "category of numbers": shown(plain.assign(item=pd.Categorical([7, 8]))),
        "category of values": shown(plain.assign(rating=pd.Categorical(["4", "5"]))),
        "uuid": shown(plain.assign(user=[uuid.UUID(int=5), uuid.UUID(int=6)])),
        "dates": shown(plain.assign(timestamp=day.dt.date)),
        "text": shown(plain.assign(timestamp=day.astype(str))),
        "mixed": shown(plain.assign(user=[1, "a"])),
        "bool": shown(plain.assign(user=[True, False])),
        "index": shown(plain.set_index("user")),
        "filtered": shown(plain.iloc[[1]]),
        "uint64": shown(plain.assign(item=np.array([1, 2**64 - 1], np.uint64))),
        "twice": shown(pd.DataFrame([[1, 2, 3]], columns=["user", "item", "user"])),
        "nulls": [str(v) for v in to_polars(plain)["rating"].to_list()],
        "pyarrow": "pyarrow" in sys.modules and sys.modules["pyarrow"] is not None,
    }
    print(json.dumps(cases))
"""


def pandas_cases(hide):
    script = textwrap.dedent(WITHOUT_PYARROW).replace("HIDE", hide)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_pandas_enters_alike_with_and_without_pyarrow():
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    usual = pandas_cases("import pyarrow")
    hidden = pandas_cases("sys.meta_path.insert(0, Hidden())")
    blocked = pandas_cases("sys.modules['pyarrow'] = None")
    assert usual.pop("pyarrow")
    assert not hidden.pop("pyarrow")
    assert not blocked.pop("pyarrow")
    assert hidden == usual
    assert blocked == usual
    assert usual["plain"][0] == ["a", "1", "rating", "5.0", "1577872800000000", "None"]
    assert usual["zone"][0][4] == "1577869200000000"
    assert "1 without a time (row 0). Mend them, or" in usual["NaT"]
    assert len(usual["NaT with zone"]) == len(usual["Int64 with NA"]) == 1
    assert usual["float ids with NaN"][0][1] == usual["Int64 with NA"][0][1] == "7"
    assert "not Float64" in usual["float ids"]
    assert usual["nulls"] == ["5.0", "None"]
    assert all(usual[unit] == usual["plain"] for unit in ("s", "ms", "us", "ns", "text", "index"))
    assert usual["uuid"][0][0] == str(uuid.UUID(int=5).bytes)
    assert [usual[c][0][3] for c in ("boolean", "category of values")] == ["1.0", "4.0"]
    assert "several types" in usual["mixed"]
    assert "not Boolean" in usual["bool"]
    assert "18446744073709551615 does not fit" in usual["uint64"]


def test_uuids_of_every_library_are_uuids():
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    duck = (
        pytest.importorskip("duckdb")
        .connect()
        .sql(
            "select ('00000000-0000-0000-0000-00000000000' || i)::uuid as \"user\", i as item "
            "from range(5, 7) t(i)"
        )
    )
    raw = [FIVE.bytes, SIX.bytes]
    frames = [
        {"user": [FIVE, SIX], "item": [5, 6]},
        pl.DataFrame({"user": raw, "item": [5, 6]}),
        pl.DataFrame({"user": pl.Series([FIVE, SIX], dtype=pl.Object), "item": [5, 6]}),
        pd.DataFrame({"user": [FIVE, SIX], "item": [5, 6]}),
        pa.table({"user": pa.array(raw, pa.uuid()), "item": [5, 6]}),
        pa.table({"user": pa.array(raw, pa.binary(16)), "item": [5, 6]}),
        duck,
        {"user": duck.fetchnumpy()["user"], "item": [5, 6]},
    ]
    for frame in frames:
        assert list(Dataset.of(frame).users) == [FIVE, SIX]


def test_missing_entries_of_numpy_and_lists_are_null():
    frame = to_polars({"a": np.array([1.0, np.nan]), "b": [1.5, float("nan")], "c": [None, "x"]})
    assert frame.null_count().row(0) == (1, 1, 1)
    times = to_polars({"t": np.array(["2020-01-01", "NaT"], "datetime64[D]")})["t"]
    assert times.to_list() == [dt.datetime(2020, 1, 1), None]


def test_masked_arrays_are_null_where_masked():
    masked = np.ma.MaskedArray(np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]"), [0, 1])
    frame = to_polars({"t": masked, "n": np.ma.MaskedArray([7, 8], [True, False])})
    assert frame.rows() == [(dt.datetime(2020, 1, 1), None), (None, 8)]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2.5], pl.Float64),
        ([1, True], pl.Object),
        (["a", 1], pl.Object),
        ([1, 2**70], pl.Object),
        (["\ud800"], pl.Object),
        ([], pl.Null),
    ],
    ids=str,
)
def test_lists_of_several_types_are_not_bent_into_one(values, dtype):
    assert to_polars({"a": values})["a"].dtype == dtype


def test_the_callers_arrays_may_change():
    items, ratings = np.array([10, 20]), np.array([1.0, 2.0])
    data = Dataset.of({"user": np.array([1, 1]), "item": items, "rating": ratings})
    table = to_polars({"item": items})
    items[:], ratings[:] = 7, 7
    assert list(data.items) == table["item"].to_list() == [10, 20]
    assert data.histories.value.tolist() == [1, 2]


def test_records_may_lack_columns():
    assert to_polars([{"a": 1}, {"b": 2}]).rows() == [(1, None), (None, 2)]
    assert to_polars([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "NoneType is not a table: pass a pandas"),
        ("user,item", "str is not a table"),
        (np.eye(2), "ndarray is not a table"),
        pytest.param((x for x in ()), "generator is not a table", id="a generator"),
        ([{"a": 1}, 3], "row 1 is not a mapping of column names to values: 3"),
        ({"a": [1], "b": [1, 2]}, "columns of different lengths: {'a': 1, 'b': 2}"),
        ({"a": [1], "b": 5}, "column 'b' is no list of values, but 5"),
        ({"a": "abc"}, "column 'a' is no list"),
        ({"a": {1, 2}}, "column 'a' is no list"),
        ({"a": np.eye(2)}, "column 'a' has 2 dimensions"),
        ({1: [1], "1": [2]}, "several columns are called '1'"),
    ],
    ids=str,
)
def test_what_is_no_table_is_said(frame, message):
    with pytest.raises(BadEvents, match=message):
        to_polars(frame)


def test_column_names_occur_once_in_every_library():
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    names = ["user", "item", "user"]
    frames = [
        pd.DataFrame([[1, 2, 3]], columns=names),
        pa.table([[1], [2], [3]], names=names),
        pa.table([[1], [2], [3]], names=names).to_batches()[0],
        pa.table([[1], [2], [3]], names=names).to_reader(),
    ]
    for frame in frames:
        with pytest.raises(BadEvents, match="several columns are called 'user'"):
            to_polars(frame)


def test_a_column_alone_is_no_table():
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    for column in (pa.chunked_array([[1, 2]]), pd.Series([1, 2])):
        with pytest.raises(BadEvents, match="is not a table that can be read"):
            to_polars(column)


def test_a_named_index_of_pandas_is_a_column():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"title": ["a", "b"]}, index=pd.Index([10, 20], name="item"))
    assert to_polars(frame).rows() == [(10, "a"), (20, "b")]
    both = pd.DataFrame({"item": [10, 20]}).set_index("item", drop=False)
    assert to_polars(both).rows() == [(10,), (20,)]
    assert to_polars(pd.DataFrame({"item": [10, 20]}, index=[5, 6])).columns == ["item"]


@pytest.mark.parametrize("path", ["ratings.csv", Path("ratings.csv")], ids=repr)
def test_a_path_says_what_reads_it(path):
    table = {"user": [1], "item": [1]}
    for call in (
        lambda: Dataset.of(path),
        lambda: Events.from_frame(path),
        lambda: Dataset.from_events(Events.from_frame(table), items=path),
        lambda: Dataset.of(table, users=path),
    ):
        with pytest.raises(
            BadEvents, match=r"if 'ratings.csv' is a file, .*datasets\.read.*Events\.read"
        ):
            call()
