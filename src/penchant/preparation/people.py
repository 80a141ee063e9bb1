"""Rows that go because of what else their user or item did: robots, and those with too little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from penchant.feedback import duration
from penchant.parameters import hyper
from penchant.preparation.step import Learned, Mask, Outcome, Rows, Step, counted

DAY = "1d"


@dataclass(frozen=True, kw_only=True)
class DropRobots(Step):
    """Leave out everything by users that act as people do not, by three rules.

    On replay, the robots found in training go, and users who break a rule within the new rows.

    Parameters
    ----------
    burst : a user with more events than this less than ``window`` apart is a robot; None: no such
        rule.
    window : how long a burst may take: "60s", "10min", "1h".
    per_day : as ``burst``, within any 24 hours; None: no such rule.
    same_value : a user with at least this many values, all the same, is a robot, unless only one
        value occurs at all; None: no such rule.
    kind : the rules look at rows of this kind only (what goes are all rows of a robot); None: all.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 1, 1, 2], "item": [1, 2, 3, 1], "time": [100, 101, 102, 100]}
    >>> pt.prepare(table, [DropRobots(burst=2)]).events.frame["user"].to_list()
    [2]
    """

    burst: int | None = hyper(100, "events within the window that a person may have", at_least=1)
    window: str = hyper("60s", "how long a burst may take")
    per_day: int | None = hyper(1000, "events within 24 hours that a person may have", at_least=1)
    same_value: int | None = hyper(None, "values, all the same, that give a robot away", at_least=2)
    kind: str | None = hyper(None, "only rows of this kind are looked at")

    def __post_init__(self) -> None:
        """Check that there is a rule."""
        super().__post_init__()
        duration(self.window)
        if self.burst is None and self.per_day is None and self.same_value is None:
            raise self.wrong("burst", "be a number, or per_day, or same_value")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Find the robots by each rule, and leave out their rows."""
        looked = rows.of_kind(self.kind)
        said = []
        robot = np.zeros(len(rows.users), bool)
        for most, window in ((self.burst, self.window), (self.per_day, DAY)):
            if most is not None:
                found = _hasty(rows, looked, most, duration(window))
                said.append(f"{_users(found)} with more than {most:,} events within {window}")
                robot |= found
        if self.same_value is not None:
            found = _monotonous(rows, looked, self.same_value)
            said.append(f"{_users(found)} with {self.same_value:,} values or more, all the same")
            robot |= found
        if learned is not None:
            known = rows.users.encode(learned["robots"]["user"])
            found = np.zeros(len(rows.users), bool)
            found[known[known >= 0]] = True
            said.append(f"{_users(found)} known as robots")
            robot |= found
        kept = learned or {
            "robots": pl.DataFrame({"user": rows.users.values.filter(pl.Series(robot))})
        }
        return Outcome(rows.where(~robot[rows.user]), ", ".join(said), kept)


def _users(robot: Mask) -> str:
    return counted(int(robot.sum()), "user")


def _hasty(rows: Rows, looked: Mask, most: int, window: int) -> Mask:
    """Return (users,) whether some ``most + 1`` timed events lie less than ``window`` apart.

    Sorted by user and time, those are the events ``most`` places after one another.
    """
    looked = looked & (rows.time >= 0)
    often = np.bincount(rows.user[looked], minlength=len(rows.users)) > most
    looked &= often[rows.user]  # the few who can be meant at all
    suspects = np.flatnonzero(often)
    robot = np.zeros(len(rows.users), bool)
    if not len(suspects):
        return robot
    user, time = np.searchsorted(suspects, rows.user[looked]), rows.time[looked]
    since = time - time.min()
    apart = int(since.max()) + window  # between the numbers of two users, more than a window
    if len(suspects) * apart < 2**63:  # one number an event is sorted much faster than two
        key = np.sort(user * apart + since)
        hasty = key[most:][key[most:] - key[:-most] < window] // apart
    else:
        order = np.lexsort((since, user))
        user, since = user[order], since[order]
        soon = (user[most:] == user[:-most]) & (since[most:] - since[:-most] < window)
        hasty = user[most:][soon]
    robot[suspects[hasty]] = True
    return robot


def _monotonous(rows: Rows, looked: Mask, least: int) -> Mask:
    """Return (users,) whether they recorded ``least`` values or more, all of them the same."""
    looked = looked & ~np.isnan(rows.value)
    user, value = rows.user[looked], rows.value[looked]
    robot = np.zeros(len(rows.users), bool)
    if not len(value) or value.min() == value.max():
        return robot
    number = np.bincount(user, minlength=len(robot))
    any_one = np.zeros(len(robot))
    any_one[user] = value
    other = np.bincount(user[value != any_one[user]], minlength=len(robot))
    same: Mask = (number >= least) & (other == 0)
    return same


@dataclass(frozen=True, kw_only=True)
class KCore(Step):
    """Leave the core in which every user has enough items and every item enough users.

    Leaving out a user can bring an item below its number, and the other way round, so this goes on
    until nothing changes. The result is the largest such table, whatever the order; doing it twice
    is the same as doing it once. Different items (and users) count, not rows: ten plays of one
    song are one item.

    On replay a row stays if both its user and its item are in the core that was learned.

    Taking the core before a split makes the test easier than life is: see "From a raw file to a
    dataset" in the documentation.

    Parameters
    ----------
    users : a user stays with at least this many different items.
    items : an item stays with at least this many different users.

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": [1, 1, 2, 2, 3], "item": ["a", "b", "a", "b", "a"]}
    >>> pt.prepare(table, [KCore(users=2, items=2)]).events.frame["user"].to_list()
    [1, 1, 2, 2]
    """

    users: int = hyper(5, "items that a user must have", at_least=1)
    items: int = hyper(5, "users that an item must have", at_least=1)

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Peel the table, or leave what is in the core that was learned."""
        if learned is not None:
            user, item = (
                rows.looked_up(role, learned[f"{role}s"], "in", 0.0) > 0
                for role in ("user", "item")
            )
            said = f"{_rows(~user)} of users and {_rows(user & ~item)} of items outside of the core"
            return Outcome(rows.where(user & item), said, learned)
        user_in, item_in, rounds = _core(rows, self.users, self.items)
        kept = {
            "users": _inside("user", rows.users.values, user_in),
            "items": _inside("item", rows.items.values, item_in),
        }
        why = (
            f"of users with fewer than {counted(self.users, 'item')} and items with fewer than "
            f"{counted(self.items, 'user')}, in {counted(rounds, 'round')}"
        )
        keep = user_in[rows.user] & item_in[rows.item]
        return Outcome(rows.where(keep), f"{_rows(~keep)} {why}", kept)


def _rows(gone: Mask) -> str:
    return counted(int(gone.sum()), "row")


def _inside(role: str, ids: pl.Series, inside: Mask) -> pl.DataFrame:
    kept = ids.filter(pl.Series(inside))
    return pl.DataFrame({role: kept, "in": np.ones(len(kept))})


def _core(rows: Rows, least_items: int, least_users: int) -> tuple[Mask, Mask, int]:
    """Return (users,) and (items,) whether they are in the core, and how many rounds it took."""
    key = np.sort(rows.pairs())
    key = key[np.r_[True, key[1:] != key[:-1]][: len(key)]]
    user, item = (a.astype(np.int32) for a in np.divmod(key, max(len(rows.items), 1)))
    items_of = np.bincount(user, minlength=len(rows.users))
    users_of = np.bincount(item, minlength=len(rows.items))
    rounds = 0
    while True:
        goes = (items_of < least_items)[user] | (users_of < least_users)[item]
        if not goes.any():
            return items_of >= least_items, users_of >= least_users, rounds
        rounds += 1
        items_of -= np.bincount(user[goes], minlength=len(items_of))
        users_of -= np.bincount(item[goes], minlength=len(users_of))
        user, item = user[~goes], item[~goes]
