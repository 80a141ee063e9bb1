"""Pages: round ticks, bins that double, text that is not markup."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.page import bars, bullets, doubling, histogram, page, ticks
from reading_html import Page, needs_nothing


@pytest.mark.parametrize("top", [1e-4, 0.0867, 0.143, 0.5, 1.0, 0.0, 7.3])
def testticks_are_few_and_reach_the_top(top: float) -> None:
    marks = ticks(top)
    assert marks[0] == 0
    assert marks[-1] >= top * (1 - 1e-9)
    assert 2 <= len(marks) <= 7


def test_bins_double_and_hold_everything() -> None:
    labels, heights = doubling(np.array([1, 1, 2, 3, 4, 7, 8, 1000]))
    assert labels[:4] == ["1", "2–3", "4–7", "8–15"]
    assert heights == [2, 2, 2, 1, 0, 0, 0, 0, 0, 1]
    assert doubling(np.array([0, 0, 5]))[0] == ["0", "1", "2–3", "4–7"]
    assert doubling(np.zeros(0, np.int64)) == (["0"], [0])


def test_a_page_is_whole_and_text_in_it_is_not_markup() -> None:
    text = page("<b>", [bullets(["<script>"]), bars([1, 2], ["<", "b"], ["<i>", "y"], "<u>")])
    assert needs_nothing(text)
    assert "<script>" in Page(text).text
    assert "half have at most 3" in histogram(np.array([0, 3, 3, 9]), "people", "events")
