"""The README's ten lines run as printed, and its claims about them hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_ten_lines_run_and_beat_popularity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = blocks("python")[0]
    assert len(lines.strip().splitlines()) <= 12
    scope: dict[str, object] = {}
    exec(lines, scope)  # noqa: S102 - the README's own lines
    printed = capsys.readouterr().out
    assert (tmp_path / "movies.model" / "manifest.json").exists()
    assert "because you liked" in printed

    import penchant as pt

    evaluation = pt.evaluate(scope["model"], scope["split"], [pt.NDCG(10)])  # type: ignore[arg-type]
    assert evaluation.baseline == "Popularity"
    assert evaluation.difference(pt.NDCG(10)).low > 0
    assert pt.load(tmp_path / "movies.model").recommend(scope["asked"]).ids() == scope["recs"].ids()  # type: ignore[attr-defined,arg-type]


def test_the_readme_says_whose_data_it_is() -> None:
    text = " ".join(README.read_text().split())
    for words in ("GroupLens", "non-commercial", "not endorsed", "Harper and Konstan (2015)"):
        assert words in text
