"""Tables of items and users: whom they describe, and whom not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadEvents
from penchant.events import NAMES, plain
from penchant.ids import as_ids
from penchant.inspection.finding import Finding, Severity, listed, percent, some
from penchant.inspection.rows import Rows, absent

MUCH = 0.05
"""Share of rows whose item is not described, from which it should be looked at."""

FEW = 20
"""So many users or items without a description are named one by one."""


def undescribed(
    rows: Rows, table: pl.DataFrame | None, role: Literal["item", "user"]
) -> Iterator[Finding]:
    """Yield what is wrong between the rows and the table that describes their items, or users."""
    if table is None or not table.columns:
        return
    usual = [c for name in NAMES[role] for c in table.columns if plain(c) == name]
    named = rows.columns[role]
    key = named if named in table.columns else next(iter([*usual, *table.columns]))
    ids = rows.items if role == "item" else rows.users
    code, number = (rows.item, rows.per_item) if role == "item" else (rows.user, rows.per_user)
    said = [absent(table[c]) for c in table.columns if c != key]
    blank = np.all(said, axis=0) if said else np.zeros(len(table), np.bool_)
    about = f"{role}s"
    try:
        kind, keys = as_ids(table[key].filter(pl.Series(~absent(table[key]) & ~blank)))
    except BadEvents as e:
        yield Finding(
            name=f"{role} table unreadable",
            severity="high",
            about=about,
            sentence=f"The table of {role}s, column {key!r}: {e}",
        )
        return
    if kind != ids.kind and len(keys):
        yield Finding(
            name=f"{role} table of other ids",
            severity="high",
            about=about,
            rows=len(rows),
            users=len(rows.users),
            items=len(rows.items),
            sentence=f"The table of {role}s has ids such as {keys[0]!r}, the rows such as "
            f"{ids.decode([0])[0]!r}: 318 and '318' are two things, so nothing is described. Cast "
            "one of the columns.",
        )
        return
    twice = keys.filter(keys.is_duplicated()).unique().sort()
    if len(twice):
        yield Finding(
            name=f"{role}s described twice",
            severity="high",
            about=about,
            sentence=f"The table of {role}s has several rows for {some(len(twice), 'id')}, such as "
            f"{listed(twice.to_list())}; a dataset cannot be made with it.",
            examples=tuple(twice.head(5).to_list()),
            mend=f'pt.Dataset.from_events(events, {role}s={role}s.unique("{key}", keep="first"))',
        )
    known = np.zeros(len(ids), np.bool_)
    at = ids.encode(keys.unique())
    known[at[at >= 0]] = True
    if known.all():
        return
    share = np.count_nonzero(~known[code]) / len(rows)
    severity: Severity = "medium" if share > MUCH else "low"
    codes = np.flatnonzero(~known)
    found = tuple(ids.decode(codes[np.argsort(-number[codes], kind="stable")][:5]))
    does = (
        "Models of content say nothing about them; a hybrid falls back on what others did."
        if role == "item"
        else "Models that read features of users know nothing of them."
    )
    yield rows.where(
        f"{role}s without a description",
        severity,
        ~known[code],
        f"{np.count_nonzero(~known):,} of {some(len(ids), role)} have no row in the table of "
        f"{role}s, or an empty one; {percent(share)} of rows are theirs. {does} Most often met: "
        f"{listed(found)}.",
        about=about,
        examples=found,
        mend=_mend(rows, role, key, codes) if ids.kind != "uuid" and known.any() else None,
    )


def _mend(rows: Rows, role: Literal["item", "user"], key: str, codes: NDArray[np.intp]) -> str:
    """Return the call that leaves out some users or items: by name if they are few."""
    if len(codes) <= FEW:
        ids = rows.items if role == "item" else rows.users
        return rows.dropping(role, ids.decode(codes))
    return rows.kept(f'events.frame["{role}"].is_in(list({role}s["{key}"]))')
