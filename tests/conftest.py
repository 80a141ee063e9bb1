"""Data that many tests share, read once."""

from __future__ import annotations

import pytest

import penchant as pt


@pytest.fixture(scope="session")
def movielens() -> pt.Dataset:
    """MovieLens latest-small, as packaged."""
    return pt.datasets.movielens()


@pytest.fixture(scope="session")
def last_fifth(movielens: pt.Dataset):
    """Each person's latest fifth held out."""
    return pt.split.last(movielens, fraction=0.2)
