"""Rows without anything odd, and the call of a finding tried on the data that raised it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

import penchant as pt
from penchant.inspection.finding import Finding
from penchant.inspection.inspector import Inspection

NOW = 1_735_689_600_000_000
"""2025-01-01 in microseconds."""

START = 1_700_000_000
"""Seconds; in November 2023."""


def clean(seed: int = 0, users: int = 120, items: int = 40) -> pl.DataFrame:
    """Return ratings by people who like their own group's items, at times of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for item in rng.choice(items, 15, replace=False):
            stars = 3 + (user % 4 == item % 4) + rng.integers(-1, 2) - (user % 3 == 0)
            rows.append((user, int(item), float(np.clip(stars, 1, 5))))
    time = START + rng.choice(20_000_000, len(rows), replace=False)
    table = pl.DataFrame(rows, schema=["user", "item", "rating"], orient="row")
    return table.with_columns(timestamp=time).sample(fraction=1, shuffle=True, seed=seed)


def look(data: Any, **more: Any) -> Inspection:
    return pt.inspect(data, now=NOW, **more)


def names(found: Inspection) -> list[str]:
    return sorted({one.name for one in found.findings})


def one(found: Inspection, name: str) -> Finding:
    """Return the only finding of a name."""
    [it] = [f for f in found.findings if f.name == name]
    return it


def mended(found: Inspection, finding: Finding, **scope: Any) -> int:
    """Do what a finding says, and return how many rows it still concerns."""
    known: dict[str, Any] = {"pt": pt, **scope}
    if found.reading != "events":
        known["events"] = eval(found.reading, known)
    assert finding.mend is not None
    result = eval(finding.mend, known)
    assert isinstance(result, (pt.Events, pt.Prepared))
    again = look(result if isinstance(result, pt.Events) else result.events)
    return sum(f.rows for f in again.findings if f.name == finding.name)
