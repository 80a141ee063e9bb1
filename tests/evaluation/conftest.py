"""Data that several tests of tuning share."""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pt
from known_optimum import BEST
from penchant.split import Part, Split


@pytest.fixture(scope="package")
def flat():
    """Ratings of 3.7 in validation, of 9 in a test that nothing may look at."""
    people, item = np.repeat(np.arange(20), 12), np.tile(np.arange(12), 20)
    rating = np.select([item == 0, item == 1, item < 9], [0.0, 10.0, BEST], 9.0)
    table = {"user": people, "item": item, "rating": rating, "part": item}
    data = pt.Dataset.of(table, context=("part",))
    part = data.histories.context["part"].to_numpy()
    learned = data.where(part < 6)
    asked = learned.queries()
    return Split(
        learned, Part(asked, data.histories.where(part >= 9)),
        Part(asked, data.histories.where((part >= 6) & (part < 9))), "hand",
    )  # fmt: skip


@pytest.fixture(scope="package")
def noisy():
    data = pt.datasets.planted(noise=0.3, users=80, items=40)
    return pt.split.last(data, fraction=0.2, validation=0.2)
