"""pt.inspect and penchant inspect: what goes in, and what comes out."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import penchant as pt
from data import find
from odd_data import clean, look, names
from penchant.cli import app
from penchant.inspection.report import report
from reading_html import Page, needs_nothing


def run(*words: object, code: int = 0) -> Result:
    found = CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "100"})
    assert found.exit_code == code, found.output
    assert "Traceback" not in found.output
    return found


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """A file with a bit of everything, and names that look like markup."""
    table = clean().with_columns(pl.format("<b>{}", pl.col("user")).alias("user"))
    other = table.head(40).with_columns(pl.format(" {}", pl.col("user")).alias("user"))
    lost = table.head(3).with_columns(item=pl.lit(None, pl.Int64))
    path = tmp_path / "messy.csv"
    pl.concat([table, other, lost]).write_csv(path)
    return path


def test_files_frames_events_and_datasets_are_looked_at_alike(tmp_path: Path) -> None:
    table = clean()
    path = tmp_path / "ratings.csv"
    table.write_csv(path)
    first = look(table)
    for other in (path, str(path), pt.Events.read(path), pt.Dataset.of(table), table.to_dict()):
        found = look(other)
        assert found.numbers() == first.numbers()
        assert found.findings == first.findings == ()
    assert look(path).reading == f"pt.Events.read({json.dumps(str(path))})"
    assert look(pt.Events.read(path)).reading == "events"


def test_columns_can_be_named_and_left_out() -> None:
    table = clean().rename({"user": "who", "item": "what", "rating": "how", "timestamp": "when"})
    found = look(table, user="who", item="what", value="how", time="when")
    assert found.values is not None
    assert found.times is not None
    call = 'pt.Events.from_frame(table, user="who", item="what", value="how", time="when")'
    assert found.reading == call
    assert look(table, user="who", item="what").times is None
    with pytest.raises(pt.BadParameter, match="user: the columns of Events are known"):
        look(pt.Events.from_frame(clean()), user="who")
    with pytest.raises(pt.BadEvents, match="no user column"):
        look(table)
    with pytest.raises(pt.BadParameter, match="at must be"):
        look(clean(), at=1.0)


def test_it_is_a_page_of_text_a_frame_and_json(messy: Path) -> None:
    found = look(messy)
    text = str(found)
    assert repr(found).startswith("<Inspection of messy.csv: 1,840 rows")
    for one in found.findings:
        assert f"[{one.severity}] {one.name}: {one.sentence}" in text
        assert one.mend is None or one.mend in text
    assert found.reading in text
    assert "Nothing odd" in str(look(clean()))
    frame = found.to_frame()
    assert frame["name"].to_list() == [f.name for f in found.findings]
    assert look(clean()).to_frame().is_empty()
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["rows"] == 1840
    assert [f["name"] for f in again["findings"]] == frame["name"].to_list()


def test_the_worst_comes_first() -> None:
    table = clean().with_columns(shop=1, seen=pl.when(pl.col("rating") > 3).then("item"))
    found = look(pl.concat([table, table.head(30)]))
    order = ["missing gives the value away", "exact duplicates", "constant columns"]
    assert [f.name for f in found.findings] == order
    assert [f.severity for f in found.findings] == ["high", "medium", "low"]


def test_the_page_needs_nothing_and_says_what_was_found(messy: Path) -> None:
    found = look(messy)
    text = report(found)
    assert needs_nothing(text)
    assert "<b>" not in text
    page = Page(text)
    for one in found.findings:
        assert one.sentence in page.text
        assert one.mend is None or one.mend in page.text
    for what, much in found.numbers():
        assert what in page.text
        assert much in page.text
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(plots) == 6
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    bare = report(look({"user": [1, 2], "item": [1, 1]}))
    assert needs_nothing(bare)
    assert len([tag for tag, _ in Page(bare).tags if tag == "svg"]) == 3


def test_the_command_shows_plots_findings_and_what_to_do(messy: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = run("inspect", messy, "--html", page).stdout
    for one in look(messy).findings:
        assert one.name in said
        assert one.sentence.split()[0] in said
    assert "█" in said
    assert "rows by week" in said
    assert needs_nothing(page.read_text(encoding="utf-8"))
    csv = run("inspect", messy, "--format", "csv").stdout
    assert csv.startswith("severity,name,about,rows,users,items,sentence,mend\n")
    assert json.loads(run("inspect", messy, "--format", "json").stdout)["rows"] == 1840


def test_the_command_names_the_option_that_keeps_rows_without_times(tmp_path: Path) -> None:
    path = tmp_path / "half.csv"
    half = pl.when(pl.col("user") % 2 == 0).then("timestamp")
    clean().with_columns(timestamp=half).write_csv(path)
    said = run("inspect", path).stdout
    assert re.search(r"compare\s+\S+half\.csv\s+--time-column ''", said)
    assert "Nothing odd was found." in run("inspect", path, "--time-column", "").stdout
    assert "Nothing odd was found." in run("inspect", "planted").stdout


def test_mistakes_end_in_one_line(tmp_path: Path) -> None:
    assert "no such file" in run("inspect", tmp_path / "none.csv", code=2).stderr
    page = tmp_path / "no" / "page.html"
    assert "there is no folder" in run("inspect", "planted", "--html", page, code=2).stderr
    path = tmp_path / "odd.csv"
    path.write_text("a,b\nx,y\n")
    assert "--user-column" in run("inspect", path, code=2).stderr


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("ml-100k/u.data", []),
        ("ml-latest-small", ["bursts", "items met once", "one rating for everything"]),
        ("amazon-toys-seq/sequences.parquet", []),
        ("douban-implicit/interactions.parquet", []),
        ("lastfm-2k/user_artists.dat", ["a few heavy values", "items met once"]),
    ],
)
def test_real_data_do_not_drown_in_warnings(file: str, expected: list[str]) -> None:
    folder, _, rest = file.partition("/")
    found = pt.inspect(find(folder) / rest)
    assert names(found) == expected
    assert all(f.severity == "low" for f in found.findings)


def test_a_table_without_rows_is_told_by_its_own_columns() -> None:
    with pytest.raises(pt.BadEvents, match=r"has columns \['user', 'item'\] but no rows"):
        pt.inspect(pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64}))


def planted(path: Path) -> pl.DataFrame:
    """A file with odd names of columns, and something for every step."""
    table = clean(1).select(
        pl.format("u{}", pl.col("user")).alias("who"), what="item", stars="rating", at="timestamp"
    )
    n = pl.int_range(pl.len())
    first, rating = table.head(60), pl.col("stars").cast(pl.String)
    hasty = pl.DataFrame({"what": [k % 40 for k in range(150)]}).select(
        pl.lit("bot").alias("who"), "what", stars=1.0 + n % 5, at=1_700_000_000 + n // 4
    )
    lone = pl.DataFrame({"who": [f"x{k}" for k in range(40)]}).select(
        "who", what=pl.col("who").rank("dense").cast(pl.Int64) % 40, stars=3.0,
        at=1_700_000_000 + 977 * n,
    )  # fmt: skip
    rows = pl.concat(
        [
            table.with_columns(stars=pl.when(n < 5).then(99.0).otherwise("stars")),
            first.with_columns(stars=6 - pl.col("stars").clip(1, 2.5), at=pl.col("at") + 1),
            first.head(9),
            table.tail(30).with_columns(pl.col("who").str.to_uppercase()),
            table.slice(99, 20).with_columns(who=pl.lit("NA")),
            hasty,
            lone,
        ]
    )
    words = pl.when(n % 97 == 50).then(pl.lit("N/A")).otherwise(rating)
    rows = rows.with_columns(stars=words, at=pl.when(n == 700).then(5).otherwise("at"))
    rows.write_csv(path)
    return rows


def test_the_last_line_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted(tmp_path / "my file.csv")
    columns = ["--user-column", "who", "--value-column", "stars", "--time-column", "at"]
    columns += ["--item-column", "what"]
    said = run("inspect", "my file.csv", *columns).stdout
    line = said.strip().splitlines()[-1]
    words = shlex.split(line)
    assert """'DropValues(column="user", among=("NA",))'""" in line
    assert words[words.index("prepare") :][:2] == ["prepare", "my file.csv"]
    done = [word.partition("(")[0] for before, word in pairwise(words) if before == "--step"]
    expected = ["CleanIds", "Deduplicate", "DropMissing", "DropValues", "DropValues", "Between",
                "DropRobots", "KCore"]  # fmt: skip
    assert done == expected
    run(*words[words.index("prepare") :])
    made = pt.Events.read("clean.parquet")
    left = names(look(made))
    assert not {"exact duplicates", "rated more than once", "user ids spelt differently",
                "values missing", "values off the scale", "user ids that look like missing",
                "times before 1990", "bursts", "users met once"} & set(left)  # fmt: skip
    assert "NA" not in made.frame["user"]


def test_without_steps_there_is_no_line_to_paste(tmp_path: Path) -> None:
    clean().write_csv(tmp_path / "fine.csv")
    assert "penchant prepare" not in run("inspect", tmp_path / "fine.csv").stdout


def test_a_core_that_leaves_nothing_is_no_step() -> None:
    pairs = [(u, u) for u in range(9)] + [(9, 100), (9, 101), (10, 102), (11, 102)]
    table = {"user": [u for u, _ in pairs], "item": [i for _, i in pairs]}
    found = look(table)
    assert {"users met once", "items met once"} <= set(names(found))
    assert found.steps == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"at": "x"}, "at must be a share of rows between 0 and 1, got 'x'"),
        ({"now": "x"}, "now is a whole number of microseconds since 1970, got 'x'"),
        ({"now": 1.5}, "now is a whole number"),
    ],
)
def test_shares_and_moments_that_are_none_are_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(pt.BadParameter, match=said):
        pt.inspect({"user": [1], "item": [2]}, **wrong)
