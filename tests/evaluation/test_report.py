"""The report: one page that needs nothing else, and says what the comparison says."""

from __future__ import annotations

import pytest

import penchant as pt
from penchant.evaluation.comparison import Comparison, compare
from penchant.evaluation.report import measured, report
from reading_html import Page, needs_nothing


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(pt.datasets.planted())


def test_it_needs_no_network_runs_nothing_fits_a_phone_and_follows_the_dark(
    found: Comparison,
) -> None:
    assert needs_nothing(report(found))


def test_it_says_what_the_comparison_says(found: Comparison) -> None:
    page = Page(report(found, ["ratings.csv: 7 rows"], "penchant fit ratings.csv --model ease"))
    for line in (*found.because, "ratings.csv: 7 rows", "penchant fit ratings.csv --model ease"):
        assert line in page.text
    for row in found.to_frame().iter_rows(named=True):
        assert row["model"] in page.text
        assert f"{row['ndcg']:.4f}" in page.text
    for one in found.examples:
        assert f"Person {one.who}" in page.text
        for title, reason in one.list.select("title", "reason").iter_rows():
            assert title in page.text
            assert reason in page.text
    for metric in found.evaluation.metrics:
        assert metric.definition in page.text
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(plots) == 3
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)


def test_text_from_the_data_is_not_markup() -> None:
    data = pt.datasets.planted()
    assert data.item_table is not None
    titles = [f"<script>alert({n})</script> & Co" for n in range(len(data.items))]
    table = {"item": list(range(len(data.items))), "title": titles}
    events = {"user": data.histories.person(), "item": data.histories.item}
    named = pt.Dataset.of(events, items=table, name="<b>films</b>")
    text = report(compare(named, models={"popularity": pt.Popularity(), "ease": pt.EASE()}))
    assert "<script>" not in text
    assert "<b>films</b>" not in text
    assert "<script>alert(0)</script> & Co" in Page(text).text


def test_one_model_without_items_makes_a_page_too() -> None:
    data = pt.Dataset.of({"user": [1, 1, 2, 2], "item": [1, 2, 2, 1], "timestamp": [1, 2, 3, 4]})
    page = Page(report(compare(data)))
    assert not page.open
    assert "hybrid is not here" in page.text


def test_values_are_shown_in_their_units() -> None:
    assert measured("Coverage@10", 0.1234) == "12.3%"
    assert measured("Recall@10", 0.07196) == "0.0720"
    assert measured("Novelty@10", 2.3456) == "2.35"
    assert measured("Novelty@10", None) == "–"
