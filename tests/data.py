"""Where the data sets that may not be shipped are, if they are anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ENABLE = "PENCHANT_DATA"
"""The environment variable that names the folder of the data sets."""


def find(name: str) -> Path:
    """Return the folder of a data set, or skip the test with the line that would enable it.

    ``PENCHANT_DATA`` names the folder that holds the data sets; else ``shared/data`` beside or
    above the checkout is tried.
    """
    roots = [Path(p) / "shared" / "data" for p in Path(__file__).resolve().parents]
    asked = os.environ.get(ENABLE)
    for root in [Path(asked)] if asked else roots:
        if (root / name).is_dir():
            return root / name
    pytest.skip(f"tests on {name}. Put its folder into FOLDER: {ENABLE}=FOLDER make test")
