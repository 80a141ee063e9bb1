"""The findings' calls that are steps of a preparation, in the order in which they do most good."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from penchant.inspection.finding import Finding
from penchant.inspection.rows import Rows
from penchant.preparation.people import KCore
from penchant.preparation.step import Rows as Prepared

BEFORE, AFTER = "pt.prepare(events, [pt.", "])"

ORDER = ("CleanIds", "Deduplicate", "DropMissing", "DropValues", "Between", "ClipValues",
         "DropRobots", "KCore")  # fmt: skip
"""One spelling first, so that all others count one user; the core last, of what is left."""


def steps(findings: Sequence[Finding], rows: Rows) -> tuple[str, ...]:
    """Return the steps that the findings' calls name, as text, in the order to do them.

    Of several that do the same, one is left: the ``Deduplicate`` that leaves the fewest rows, and
    one ``KCore`` for users and items, if it leaves any rows.
    """
    mends = [f.mend for f in findings if f.mend is not None and f.mend.startswith(BEFORE)]
    found = list(dict.fromkeys(m.removeprefix(BEFORE).removesuffix(AFTER) for m in mends))
    if 'Deduplicate(keep="last")' in found and 'Deduplicate(keep="all")' in found:
        found.remove('Deduplicate(keep="all")')
    cores = [step for step in found if step.startswith("KCore(")]
    found = [step for step in found if step not in cores]
    if cores:
        least = {w: max(_number(core, w) for core in cores) for w in ("users", "items")}
        if _left(rows, KCore(**least)):
            found.append(f"KCore(users={least['users']}, items={least['items']})")
    return tuple(sorted(found, key=lambda step: ORDER.index(step.partition("(")[0])))


def _number(core: str, name: str) -> int:
    return int(re.findall(rf"{name}=(\d+)", core)[0])


def _left(rows: Rows, core: KCore) -> int:
    """Return how many rows a core leaves."""
    codes = {"user": rows.user, "item": rows.item, "value": rows.value, "time": rows.time}
    table = pl.DataFrame(codes).with_columns(pl.lit("row").alias("kind"))
    return len(core.run(Prepared.of(table), None).rows)
