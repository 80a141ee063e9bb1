"""What stands in cells: rows that cannot be read, repeats, stray values and times, spellings."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.frames import numbers, unsaid
from penchant.ids import IdMap, Spelling, cleaned
from penchant.inspection.finding import Finding, Severity, listed, percent, some
from penchant.inspection.rows import Rows, absent
from penchant.inspection.shape import FEW
from penchant.times import UNITS

NINETIES = 631_152_000_000_000
"""1990-01-01 in microseconds: nobody clicked before."""

RARE = 0.01
"""A value with this share of the ratings is part of their scale."""

STRAY = 0.05
"""If more ratings than this share are off the scale, it is not their scale."""

LONE = 3
"""A value further from all others than so many times their range is no part of the scale."""

STEEP = 20
"""A value this many times rarer than its neighbour towards the middle is no part of the scale."""

HEAVY = 0.3
"""Share of everything counted, held by one row in a thousand, from which few rows speak for all."""

Mask = NDArray[np.bool_]


def entries(rows: Rows, now: int, repeated: pl.DataFrame) -> Iterator[Finding]:
    """Yield what is odd about what stands in the cells.

    Parameters
    ----------
    now : microseconds since 1970 (UTC); what is later is in the future.
    repeated : the rows that share user, item and kind with others (``shape.repeated``).
    """
    yield from rejected(rows)
    yield from unrecorded(rows)
    yield from repeats(rows, repeated)
    yield from spellings(rows)
    yield from nobodies(rows)
    yield from strays(rows)
    yield from heavy(rows)
    yield from times(rows, now)
    yield from constants(rows)


def rejected(rows: Rows) -> Iterator[Finding]:
    """Find rows that reading leaves out, or stops at, by reason."""
    everything = len(rows) + sum(n for why, n in rows.rejected.items() if why != "without a time")
    for why, n in rows.rejected.items():
        share = n / max(everything, 1)
        severity: Severity = "high" if share > 0.05 else "medium"
        untimed = why == "without a time" and not rows.dated
        mend = (
            'Reading without times (--time-column "") keeps them.'
            if untimed
            else "The command line leaves them out, and stops at them with --strict."
        )
        kind = why.partition(" (")[0]
        about = "time" if "time" in kind else "value" if "value" in kind else ""
        yield Finding(
            name="rows that cannot be used",
            severity=severity,
            sentence=f"{some(n, 'row')} {why} ({percent(share)}). {mend}",
            about=rows.columns.get(about, ""),
            rows=n,
            mend=rows.reading(),
        )
    if rows.untimed:
        yield Finding(
            name="rows that cannot be used",
            severity="high",
            sentence=f"No time can be read: {rows.untimed}",
            about=rows.columns["time"],
            rows=len(rows),
            mend=rows.reading(),
        )


def unrecorded(rows: Rows) -> Iterator[Finding]:
    """Find values and sessions that only some rows have."""
    if "value" in rows.columns:
        for kind in rows.kind.unique().sort():
            mine = (rows.kind == kind).to_numpy()
            gone = mine & np.isnan(rows.value)
            share = np.count_nonzero(gone) / np.count_nonzero(mine)
            if 0 < share < 1:
                yield rows.where(
                    "values missing",
                    "medium" if share > RARE else "low",
                    gone,
                    f"{percent(share)} of the rows of kind {kind!r} record no value. They count as "
                    "interactions; models of ratings do not see them.",
                    about=rows.columns["value"],
                    mend='pt.prepare(events, [pt.DropMissing(columns=("value",), '
                    f"kind={json.dumps(kind)})])",
                )
    gone = rows.session.is_null().to_numpy()
    share = np.count_nonzero(gone) / len(rows)
    if "session" in rows.columns and share > 0:
        yield rows.where(
            "sessions missing",
            "medium" if 0.01 < share < 0.99 else "low",
            gone,
            f"{percent(share)} of rows belong to no session.",
            about=rows.columns["session"],
            mend='pt.prepare(events, [pt.DropMissing(columns=("session",))])'
            if share < 0.5
            else rows.reading(session=""),
        )


def repeats(rows: Rows, repeated: pl.DataFrame) -> Iterator[Finding]:
    """Find rows that were delivered twice, and people who rated an item several times."""
    copies = repeated.filter(pl.col("copy").is_duplicated())
    exact = _at(rows, copies)
    if exact.any():
        extra = len(copies) - copies["copy"].n_unique()
        share = extra / len(rows)
        # Without times, two views of one thing may well be two views.
        several = not rows.dated and not rows.rated[exact].any()
        yield rows.where(
            "exact duplicates",
            "low" if several or share < 0.001 else "medium",
            exact,
            f"{some(extra, 'row')} ({percent(share)}) "
            f"{'repeats' if extra == 1 else 'repeat'} another in everything"
            + (
                ". Without times, they may be several events; if so, nothing need be done."
                if several
                else ": delivered twice, most likely, and counted twice."
            )
            + f" Such as {_pairs(rows, copies)}.",
            mend=f'pt.prepare(events, [pt.Deduplicate(keep="{"all" if rows.dated else "last"}")])',
        )
    other = _at(rows, repeated.filter("other")) & rows.rated
    if other.any():
        again = repeated.filter("other")
        pairs = again.filter(pl.Series(rows.rated[again["row"].to_numpy()]))["pair"].n_unique()
        yield rows.where(
            "rated more than once",
            "medium" if np.count_nonzero(other) > RARE * len(rows) else "low",
            other,
            f"{some(pairs, 'pair')} of a user and an item have several ratings, and not the same. "
            f"Models of ratings take the last. Such as {_pairs(rows, again)}.",
            about=rows.columns.get("value", ""),
            mend='pt.prepare(events, [pt.Deduplicate(keep="last")])',
        )


def _at(rows: Rows, found: pl.DataFrame) -> Mask:
    mask = np.zeros(len(rows), np.bool_)
    mask[found["row"].to_numpy()] = True
    return mask


def _pairs(rows: Rows, found: pl.DataFrame) -> str:
    """Return the users and items of the first pairs, by code, so that the order is forgotten."""
    first = found.unique("pair").sort("pair").head(2)["row"].to_numpy()
    users, items = rows.users.decode(rows.user[first]), rows.items.decode(rows.item[first])
    return ", ".join(f"user {u!r} on item {i!r}" for u, i in zip(users, items, strict=True))


def spellings(rows: Rows) -> Iterator[Finding]:
    """Find text ids that differ only by blanks, the Unicode form, or upper and lower case."""
    for what, ids, code, number in (
        ("user", rows.users, rows.user, rows.per_user),
        ("item", rows.items, rows.item, rows.per_item),
    ):
        if ids.kind != "str":
            continue
        rest = np.zeros(len(ids), np.bool_)
        ways: tuple[tuple[Spelling, str], ...] = (
            ("trimmed", "by blanks around them or the Unicode form of a letter"),
            ("folded", "by upper and lower case"),
        )
        for spelling, why in ways:
            several = _several(ids, spelling) & ~rest
            if not several.any():
                continue
            rest |= several
            yield _spelt(rows, what, ids, code, number, several, spelling, why)


def _several(ids: IdMap, spelling: Spelling) -> Mask:
    found: Mask = cleaned(ids.values, spelling).is_duplicated().to_numpy()
    return found


def _spelt(
    rows: Rows,
    what: str,
    ids: IdMap,
    code: NDArray[np.int32],
    number: NDArray[np.int64],
    several: Mask,
    spelling: Spelling,
    why: str,
) -> Finding:
    form = cleaned(ids.values, spelling).filter(pl.Series(several))
    spelt = pl.DataFrame(
        {"id": ids.values.filter(pl.Series(several)), "form": form, "rows": number[several]}
    )
    first = spelt.sort("rows", "id", descending=[True, False])["form"][0]
    same = tuple(spelt.filter(pl.col("form") == first).sort("id")["id"].to_list())
    concerned = several[code]
    share = np.count_nonzero(concerned) / len(rows)
    return rows.where(
        f"{what} ids spelt differently",
        "medium" if share > 0.001 else "low",
        concerned,
        f"{some(len(spelt), f'{what} id')} differ from others only {why}, and would be "
        f"{spelt['form'].n_unique():,} if they are the same. Such as {listed(same)}.",
        about=rows.columns[what],
        examples=same,
        mend=f'pt.prepare(events, [pt.CleanIds(spelling="{spelling}", of="{what}")])',
    )


def nobodies(rows: Rows) -> Iterator[Finding]:
    """Find text ids that are words for nothing, such as NA: all strangers under one name."""
    for what, ids, code, number in (
        ("user", rows.users, rows.user, rows.per_user),
        ("item", rows.items, rows.item, rows.per_item),
    ):
        odd = unsaid(ids.values).to_numpy()
        if not odd.any():
            continue
        at = np.flatnonzero(odd)
        found = tuple(ids.decode(at[np.argsort(-number[at], kind="stable")]))
        share = float(number[odd].sum() / len(rows))
        yield rows.where(
            f"{what} ids that look like missing",
            "medium" if share > 0.001 else "low",
            odd[code],
            f"{percent(share)} of rows have {listed(found)} for the {what}: what is written where "
            f"nothing is known, read as {'an id' if len(found) == 1 else 'ids'} like any other.",
            about=rows.columns[what],
            examples=found[:5],
            mend=rows.dropping(what, found),
        )


def off_scale(rows: Rows) -> tuple[NDArray[np.float64], tuple[float, float, float]] | None:
    """Return the values off the scale that nearly all ratings are on, and its ends and step.

    None if there are no such values, or no such scale.
    """
    value = rows.value[rows.rated]
    values, count = np.unique(value, return_counts=True)
    frequent = count >= RARE * len(value)
    if np.count_nonzero(frequent) < 3 or count[frequent].sum() < (1 - STRAY) * len(value):
        return None
    scale = values[frequent]
    while len(scale) > 3 and scale[-1] - scale[-2] > LONE * (scale[-2] - scale[0]):
        scale = scale[:-1]  # a 99 among stars, however frequent
    while len(scale) > 3 and scale[1] - scale[0] > LONE * (scale[-1] - scale[1]):
        scale = scale[1:]
    step = float(np.diff(scale).min())
    if step <= 0 or len(scale) > FEW:
        return None
    size = dict(zip(values.tolist(), count.tolist(), strict=True))
    low, high = float(scale[0]), float(scale[-1])
    # A scale may end in values that are hardly used, if they thin out by degrees.
    while size.get(low - step, 0) * STEEP >= size[low]:
        low -= step
    while size.get(high + step, 0) * STEEP >= size[high]:
        high += step
    within = (values >= low) & (values <= high)
    on_grid = np.isclose((values - low) / step, np.round((values - low) / step), atol=1e-6)
    stray = values[~(within & on_grid)]
    if not len(stray) or count[~(within & on_grid)].sum() >= STRAY * len(value):
        return None
    return stray, (low, high, step)


def strays(rows: Rows) -> Iterator[Finding]:
    """Find ratings off the scale that nearly all others are on, such as 0, -1 or 99 among stars."""
    found = off_scale(rows)
    if found is None:
        return
    stray, (low, high, step) = found
    odd = rows.rated & np.isin(rows.value, stray)
    shown = tuple(float(v) for v in stray)
    drop = rows.dropping("value", shown, kind="rating")
    clip = f'pt.prepare(events, [pt.ClipValues(low={low:g}, high={high:g}, kind="rating")])'
    yield rows.where(
        "values off the scale",
        "medium",
        odd,
        f"Ratings run from {low:g} to {high:g} in steps of {step:g}, but "
        f"{some(np.count_nonzero(odd), 'row')} {'has' if odd.sum() == 1 else 'have'} "
        f"{', '.join(f'{v:g}' for v in shown[:5])}{', …' * (len(shown) > 5)}: a word for "
        "'not rated', or a slip.",
        about=rows.columns["value"],
        examples=shown[:5],
        mend=drop if len(shown) <= 5 else clip,
    )


def heavy(rows: Rows) -> Iterator[Finding]:
    """Find counts of which a few rows hold a large part."""
    counted = ~np.isnan(rows.value) & ~rows.rated
    value = rows.value[counted]
    if len(value) < 1000 or value.min() < 0 or not value.sum():
        return
    top = np.sort(value)[-max(1, len(value) // 1000) :]
    share = float(top.sum() / value.sum())
    if share < HEAVY / 3:
        return
    limit = float(np.quantile(value, 0.99))
    kinds = rows.kind.filter(pl.Series(counted)).unique().sort()
    kind = str(kinds[0])
    several = len(kinds) > 1 or bool(rows.rated.any())
    named = f", kind={json.dumps(kind, ensure_ascii=False)}" if several else ""
    yield rows.where(
        "a few heavy values",
        "medium" if share >= HEAVY else "low",
        counted & (rows.value > limit),
        f"One row in a thousand holds {percent(share)} of all that {rows.columns['value']} counts: "
        f"half have at most {np.median(value):g}, 99% at most {limit:g}, one has {value.max():g}. "
        f"Where values weigh, those few decide. Feedback(by_value={{{kind!r}: 'log'}}) damps them "
        "without changing the data.",
        about=rows.columns["value"],
        mend=f"pt.prepare(events, [pt.ClipValues(quantiles=(0, 0.99){named})])",
    )


def times(rows: Rows, now: int) -> Iterator[Finding]:
    """Find times that cannot be right: in the future, or before there was anything to click on."""
    if not rows.dated:
        return
    about = rows.columns["time"]
    yield from _units(rows, about)
    early = rows.timed & (rows.time < NINETIES)
    if early.any():
        first = np.datetime64(int(rows.time[early].min()), "us").astype("datetime64[s]")
        yield rows.where(
            "times before 1990",
            "high" if np.count_nonzero(early) > RARE * len(rows) else "medium",
            early,
            f"{some(np.count_nonzero(early), 'row')} would be from before 1990, the first from "
            f"{first}: zeros for an unknown time, or seconds in a column of milliseconds.",
            about=about,
            mend='pt.prepare(events, [pt.Between(start="1990-01-01")])',
        )
    late = rows.time > now
    if late.any():
        last = np.datetime64(int(rows.time[late].max()), "us").astype("datetime64[s]")
        today = np.datetime64(now, "us").astype("datetime64[s]")
        yield rows.where(
            "times in the future",
            "high" if np.count_nonzero(late) > RARE * len(rows) else "medium",
            late,
            f"{some(np.count_nonzero(late), 'row')} would be from after {today} (UTC), the last "
            f"from {last}: milliseconds in a column of seconds, a wrong zone, or a wrong clock. A "
            "split by time tests on little else.",
            about=about,
            mend=f'pt.prepare(events, [pt.Between(end="{today}")])',
        )


def _units(rows: Rows, about: str) -> Iterator[Finding]:
    """Find numbers in several units in one column of times; reading takes each in its own."""
    column = rows.table[about]
    if rows.read or not (column.dtype.is_numeric() or column.dtype == pl.String):
        return
    size = numbers(column).abs().fill_null(np.nan).to_numpy()
    unit = np.searchsorted([limit for limit, _, _ in UNITS[:-1]], size, side="right")
    unit = np.where(np.isnan(size) | (size == 0), -1, unit)
    count = np.bincount(unit[unit >= 0], minlength=len(UNITS))
    if np.count_nonzero(count) < 2:
        return
    most = int(np.argmax(count))
    other = (unit >= 0) & (unit != most)
    said = ", ".join(f"{n:,} in {UNITS[u][1]}" for u, n in enumerate(count.tolist()) if n)
    yield rows.where(
        "several units of time",
        "medium",
        other,
        f"By their size, times in {about} are in several units: {said}. Those that would not be "
        "between 1990 and 2100 otherwise are read in their own; look where they come from.",
        about=about,
        mend=rows.reading(),
    )


def constants(rows: Rows) -> Iterator[Finding]:
    """Find columns in which the same stands in every row, or nothing at all."""
    if len(rows) < 2:
        return
    roles = {column: role for role, column in rows.columns.items()}
    same = {
        column: _constant(rows.table[column])
        for column in rows.table.columns
        if roles.get(column) not in ("user", "item", "kind")
    }
    said = {column: what for column, what in same.items() if what is not None}
    others = [column for column in said if column not in roles]
    groups = [(column,) for column in said if column in roles] + ([tuple(others)] if others else [])
    for columns in groups:
        shown = ", ".join(f"{c} ({said[c]})" for c in columns[:5]) + ", …" * (len(columns) > 5)
        sentence = f"The same stands in every row of {shown}: it tells nothing apart."
        if roles.get(columns[0]) == "value":
            sentence += " There are no ratings to predict; the rows say who met what."
        yield Finding(
            name="constant columns",
            severity="low",
            sentence=sentence,
            about=", ".join(columns),
            rows=len(rows),
            users=len(rows.users),
            items=len(rows.items),
            examples=columns[:5],
            mend=rows.reading_without(*columns),
        )


def _constant(column: pl.Series) -> str | None:
    """Return what stands in every row of a column, or None if several things do."""
    if column.dtype == pl.Object or column.dtype.is_nested() or column.head(999).n_unique() > 2:
        return None
    filled = column.filter(pl.Series(~absent(column)))
    if not len(filled):
        return "nothing"
    return repr(filled[0]) if len(filled) == len(column) and filled.n_unique() == 1 else None
