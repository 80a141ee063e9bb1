"""examples/guide.py runs on the packaged data and on a folder in the layout of ml-100k."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import penchant as pt

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "guide.py"


@pytest.fixture(scope="module")
def guide():
    spec = importlib.util.spec_from_file_location("guide", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(text: str, number: int) -> str:
    return re.split(r"\n\d\. [^\n]+\n-+\n", text)[number]


def test_the_guide_runs_on_the_packaged_data(guide, capsys):
    guide.main([])
    said = capsys.readouterr().out
    for words in ("GroupLens", "non-commercial", "not endorsed", "Not yet there"):
        assert words in said
    assert float(re.search(r"SVD +(0\.\d+)", section(said, 3))[1]) < 0.88
    assert "Toy Story 2" in section(said, 4)
    assert section(said, 5).count("because you liked") >= 8
    assert "because you like Sci-Fi and Action" in section(said, 6)
    value = {
        name: float(re.search(rf"{re.escape(name)}.* (0\.\d+)\n", section(said, 7))[1])
        for name in ("0.7 SVD + 0.3 TF-IDF", "learned hybrid", "Popularity (baseline)")
    }
    guides, learned, popularity = value.values()
    assert guides < popularity < learned
    blend = re.search(r"SVD \+ item kNN +(0\.\d+)", section(said, 9))[1]
    assert float(blend) < float(re.search(r"SVD +(0\.\d+)", section(said, 9))[1])


def test_the_guide_runs_on_the_original_files(guide, tmp_path, capsys):
    data = pt.datasets.planted(noise=0.2, users=200)
    h = data.histories
    (tmp_path / "u.data").write_text(
        "".join(
            f"{user + 1}\t{item + 1}\t{round(float(value))}\t{time // 10**6}\n"
            for user, item, value, time in zip(h.person(), h.item, h.value, h.time, strict=True)
        )
    )
    flags = {"Action": 1, "Comedy": 5, "Drama": 8, "Sci-Fi": 15}
    (tmp_path / "u.item").write_text(
        "".join(
            f"{item + 1}|Café {title} (1995)|01-Jan-1995||http://example.org/{item}|"
            + "|".join("1" if n == flags[genre] else "0" for n in range(19))
            + "\n"
            for item, title, genre in data.item_table.select("item", "title", "genres").rows()
        ),
        encoding="latin-1",
    )
    guide.main(["--ml-100k", str(tmp_path), "--likes", "Drama"])
    said = capsys.readouterr().out
    assert "for user 196" in said
    assert section(said, 6).count("because you like Drama") == 5
    assert "Café" in section(said, 5)
