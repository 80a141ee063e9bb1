"""People and items that do not behave: bursts, histories of one instant, one value for all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.ids import IdMap
from penchant.inspection.finding import Finding, Severity, listed, percent, some
from penchant.inspection.rows import Rows
from penchant.inspection.shape import DAY

BURST = 100
"""Nobody rates more things than this within a minute; people who page through lists reach 40."""

SECOND = 1_000_000
MINUTE = 60 * SECOND

HISTORY = 5
"""Rows from which it is no chance that all of a user's stand at one instant."""

CROWD = 20
"""Find users who did something in the same second, from which it may be an import."""

ALIKE = 10
"""Ratings from which a user who gives only one value says nothing by it."""

ONCE = 0.1
"""Share of users, or items, that were met once, from which it is worth knowing."""

LION = 0.05
"""Share of all rows that is much for one user or one item."""

Mask = NDArray[np.bool_]


def habits(rows: Rows) -> Iterator[Finding]:
    """Yield what is odd about what users do and what items meet."""
    if rows.dated and (rows.time[rows.timed] % DAY == 0).all():
        yield from days(rows)
    elif rows.dated:
        yield from bursts(rows)
        yield from instants(rows)
        yield from crowds(rows)
    yield from alike(rows)
    yield from once(rows)
    yield from lions(rows)


def _heaviest(ids: IdMap, wanted: Mask, weight: NDArray[Any]) -> tuple[Any, ...]:
    """Return the ids that are wanted, five at most: the heaviest first, then the lowest."""
    found = np.flatnonzero(wanted)
    return tuple(ids.decode(found[np.argsort(-weight[found], kind="stable")][:5]))


def days(rows: Rows) -> Iterator[Finding]:
    """Find times of which only the day is known, so that the order within it is not."""
    day = rows.time // DAY
    key = rows.user.astype(np.int64) * (int(day.max()) + 2) + day
    order = np.argsort(key)
    same = key[order[1:]] == key[order[:-1]]
    tied = np.zeros(len(rows), np.bool_)
    tied[order[1:][same]] = tied[order[:-1][same]] = True
    share = np.count_nonzero(tied & rows.timed) / len(rows)
    if share < 0.1:
        return
    yield rows.where(
        "days only",
        "low",
        tied,
        f"Only the day of each row is known. {percent(share)} of rows share theirs with another of "
        "the same user, so that a split of each user's last rows, and models of sequences, depend "
        "on an order that nobody recorded. A split by time does not.",
        about=rows.columns.get("time", ""),
    )


def bursts(rows: Rows) -> Iterator[Finding]:
    """Find users with more than ``BURST`` rows within a minute: robots, or imported lists."""
    at = np.flatnonzero((rows.per_user > BURST)[rows.user] & rows.timed)
    at = at[np.lexsort((rows.time[at], rows.user[at]))]
    user, time = rows.user[at], rows.time[at]
    soon = (user[BURST:] == user[:-BURST]) & (time[BURST:] - time[:-BURST] < MINUTE)
    if not soon.any():
        return
    hasty = np.bincount(user[BURST:][soon], minlength=len(rows.users)) > 0
    theirs = hasty[rows.user]
    share = np.count_nonzero(theirs) / len(rows)
    severity: Severity = "medium" if share > 0.01 else "low"
    ids = _heaviest(rows.users, hasty, rows.per_user)
    yield rows.where(
        "bursts",
        severity,
        theirs,
        f"{some(np.count_nonzero(hasty), 'user')} had more than {BURST} rows within a minute, up "
        f"to {_most_within(user[hasty[user]], time[hasty[user]]):,}: robots, or lists that were "
        f"imported. {percent(share)} of all rows are theirs. Users: {listed(ids)}.",
        about=rows.columns["time"],
        examples=ids,
        mend=f"pt.prepare(events, [pt.DropRobots(burst={BURST}, per_day=None)])",
    )


def _most_within(user: NDArray[np.int32], time: NDArray[np.int64]) -> int:
    """Return the most rows that one of the users, sorted with their times, has within a minute."""
    second = (time - time.min()) // SECOND
    key = np.unique(user, return_inverse=True)[1] * (int(second.max()) + 61) + second
    return int((np.searchsorted(key, key + 60) - np.arange(len(key))).max())


def instants(rows: Rows) -> Iterator[Finding]:
    """Find users whose whole history stands at one instant, that of an import perhaps.

    Users with fewer than ``HISTORY`` rows are not looked at.
    """
    user, time = rows.user[rows.timed], rows.time[rows.timed]
    one = np.full(len(rows.users), -1, np.int64)
    one[user] = time
    other = np.bincount(user[time != one[user]], minlength=len(one))
    known = np.bincount(user, minlength=len(one))
    still = (known >= HISTORY) & (other == 0)
    if not still.any():
        return
    share = np.count_nonzero(still) / np.count_nonzero(known >= HISTORY)
    ids = _heaviest(rows.users, still, known)
    yield rows.where(
        "one instant",
        "high" if share > 0.5 else "medium" if share > 0.05 else "low",
        still[rows.user],
        f"All rows of {some(np.count_nonzero(still), 'user')} ({percent(share)} of those with at "
        f"least {HISTORY} rows) stand at one instant each: their order is not known, and the time "
        f"is that of an import or of a form. Splits of last rows and models of sequences make it "
        f"up. Users: {listed(ids)}.",
        about=rows.columns["time"],
        examples=ids,
        mend=rows.reading_without(rows.columns["time"]),
    )


def crowds(rows: Rows) -> Iterator[Finding]:
    """Find instants at which many users did something: a default, or the time of an import.

    At least ``CROWD`` users, and ten times as many rows as there are at an instant on average.
    """
    moments, count = np.unique(rows.time[rows.timed], return_counts=True)
    least = max(CROWD, 10 * int(count.sum()) // len(moments))
    moments = moments[count >= least]
    there = np.isin(rows.time, moments)
    at = np.searchsorted(moments, rows.time[there])
    pairs = np.unique(at * len(rows.users) + rows.user[there])
    users = np.bincount(pairs // len(rows.users), minlength=len(moments))
    moments = moments[users >= least]
    if not len(moments):
        return
    crowded = np.isin(rows.time, moments)
    size = np.unique(rows.time[crowded], return_counts=True)[1]
    times = [int(t) for t in moments[np.argsort(-size, kind="stable")]]
    exact = [str(np.datetime64(t, "us").item().isoformat()) for t in times[:5]]
    shown = tuple(text.partition(".")[0] for text in exact)
    share = np.count_nonzero(crowded) / len(rows)
    yield rows.where(
        "crowded instants",
        "high" if share > 0.2 else "medium",
        crowded,
        f"{percent(share)} of rows stand at {some(len(times), 'instant')} that at least {least:,} "
        f"users share each, such as {listed(shown)}: the time of an import, or what stands where "
        "none was known.",
        about=rows.columns["time"],
        examples=shown,
        mend=rows.dropping("time", exact)
        if len(times) <= 5
        else rows.reading_without(rows.columns["time"]),
    )


def alike(rows: Rows) -> Iterator[Finding]:
    """Find users who give one rating to everything: enough of them that it is no chance."""
    user, value = rows.user[rows.rated], rows.value[rows.rated]
    values, count = np.unique(value, return_counts=True)
    if len(values) < 2:
        return
    # So many that one in a thousand would by chance, if all drew from the same ratings.
    share = count / len(value)
    enough = next(n for n in range(ALIKE, 10**6) if (share**n).sum() < 1e-3)
    one = np.zeros(len(rows.users))
    one[user] = value
    other = np.bincount(user[value != one[user]], minlength=len(one))
    number = np.bincount(user, minlength=len(one))
    same = (number >= enough) & (other == 0)
    if not same.any():
        return
    part = np.count_nonzero(same) / np.count_nonzero(number >= enough)
    ids = _heaviest(rows.users, same, number)
    yield rows.where(
        "one rating for everything",
        "medium" if part > 0.01 else "low",
        same[rows.user] & rows.rated,
        f"{some(np.count_nonzero(same), 'user')} of {np.count_nonzero(number >= enough):,} with at "
        f"least {enough} ratings gave the same one every time: their ratings tell nothing about "
        f"the items, though what they chose does. Users: {listed(ids)}.",
        about=rows.columns["value"],
        examples=ids,
        mend="pt.prepare(events, [pt.DropRobots(burst=None, per_day=None, "
        f'same_value={enough}, kind="rating")])',
    )


def once(rows: Rows) -> Iterator[Finding]:
    """Find users with one item, and items with one user: their company teaches nothing."""
    user, item = np.divmod(rows.pairs, len(rows.items))
    for what, code, mine, ids, other in (
        ("user", user, rows.user, rows.users, "item"),
        ("item", item, rows.item, rows.items, "user"),
    ):
        single = np.bincount(code, minlength=len(ids)) == 1
        share = np.count_nonzero(single) / len(ids)
        if share < ONCE or len(ids) < 2:
            continue
        least = ", ".join(f"{w}s={2 if w == what else 1}" for w in ("user", "item"))
        lost = np.count_nonzero(single[mine]) / len(rows)
        yield rows.where(
            f"{what}s met once",
            "low",
            single[mine],
            f"{np.count_nonzero(single):,} of {some(len(ids), what)} ({percent(share)}) have one "
            f"{other}; {percent(lost)} of rows are theirs. Collaborative models learn little or "
            f"nothing about them, and a random split puts that one row on either side.",
            mend=None if single.all() else f"pt.prepare(events, [pt.KCore({least})])",
        )


def lions(rows: Rows) -> Iterator[Finding]:
    """Find users or items that have a large share of all rows, and many times the average."""
    for what, number, code, ids in (
        ("user", rows.per_user, rows.user, rows.users),
        ("item", rows.per_item, rows.item, rows.items),
    ):
        large = (number > LION * len(rows)) & (number > 20 * len(rows) / len(ids))
        if not large.any():
            continue
        found = _heaviest(ids, large, number)
        yield rows.where(
            f"one {what} dominates",
            "medium",
            large[code],
            f"{some(np.count_nonzero(large), what)} of {len(ids):,} "
            f"{'has' if large.sum() == 1 else 'have'} {percent(number[large].sum() / len(rows))} "
            f"of all rows: {listed(found)}. "
            + (
                "A shared account, a test or a robot?"
                if what == "user"
                else "A default, or a page that everyone passes? What everyone met tells nobody's "
                "taste."
            ),
            examples=found,
            mend=None if ids.kind == "uuid" else rows.dropping(what, found),
        )
