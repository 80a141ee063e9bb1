"""Dataset to Split: what to learn from, and what to be asked about. Nothing leaks back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penchant.dataset import Dataset
from penchant.errors import BadParameter
from penchant.histories import Histories
from penchant.queries import Queries

Mask = NDArray[np.bool_]
Rng = int | np.random.Generator | None


@dataclass(frozen=True, eq=False)
class Part:
    """Questions with their answers.

    Parameters
    ----------
    queries : who asks. Their histories hold none of the truth; in a split by time (``last``,
        ``time``) only what came before it, in the others what was not drawn for the test.
    truth : row ``r`` holds the events that query ``r`` is to be judged by.
    """

    queries: Queries
    truth: Histories

    def __len__(self) -> int:
        return len(self.queries)

    def where(self, keep: Mask) -> Part:
        """Return only some of the queries, with their truth."""
        which = np.flatnonzero(keep)
        return Part(self.queries[which], self.truth.take(which))


@dataclass(frozen=True, eq=False)
class Split:
    """A dataset cut into what is learned from and what is asked.

    Parameters
    ----------
    train : what a model may see. Its maps are those of the queries and the truth.
    test : the questions of the final score.
    validation : questions to choose hyper-parameters by, or None.
    description : how it was cut, in words.
    notes : what was left out, and how much.
    """

    train: Dataset
    test: Part
    validation: Part | None
    description: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        validation = "" if self.validation is None else f", validation {len(self.validation):,}"
        return (
            f"<Split by {self.description}: train {len(self.train):,} events{validation}, "
            f"test {len(self.test):,} askers with {len(self.test.truth.item):,} events>"
        )


def random(
    data: Dataset,
    fraction: float = 0.2,
    *,
    by: Literal["user", "item"] | None = None,
    validation: float | None = None,
    rng: Rng = None,
) -> Split:
    """Hold out a random fraction of all events, or of each user's or each item's.

    It mixes past and future: use it to compare with published numbers, not to foretell how a model
    will do.

    Parameters
    ----------
    by : "user" or "item" takes the fraction (rounded) of each one's events (a stratified split).
    validation : the fraction of what is left that is held out the same way.
    rng : a seed or generator; None is the seed 0.
    """
    _check_fraction("fraction", fraction)
    if by not in (None, "user", "item"):
        raise BadParameter(f"by must be 'user', 'item' or None, got {by!r}")
    generator = seeded(rng)
    held = np.zeros(len(data), bool)
    if by is None:
        held[generator.permutation(len(data))[: round(len(data) * fraction)]] = True
        what = f"a random {_percent(fraction)} of events"
    else:
        owner = data.histories.person() if by == "user" else data.histories.item
        order = np.lexsort((generator.random(len(data)), owner))
        counts = np.bincount(owner)
        place = np.arange(len(data)) - np.repeat(np.cumsum(counts) - counts, counts)
        held[order] = place < np.repeat(np.round(counts * fraction), counts)
        what = f"a random {_percent(fraction)} of each {by}'s events"
    return _cut(
        data, held, what, validation,
        lambda rest, share: random(rest, share, by=by, rng=generator),
    )  # fmt: skip


def kfold(
    data: Dataset, k: int = 5, *, validation: float | None = None, rng: Rng = None
) -> list[Split]:
    """Cut the shuffled events into k parts; each is the test of one split.

    Parameters
    ----------
    validation : the random fraction of each train that is held out.
    rng : a seed or generator; None is the seed 0.
    """
    if not _whole(k) or not 2 <= k <= len(data):
        raise BadParameter(f"k must be from 2 to the number of events ({len(data):,}), got {k!r}")
    generator = seeded(rng)
    order = generator.permutation(len(data))
    splits = []
    for number, chosen in enumerate(np.array_split(order, k), 1):
        held = np.zeros(len(data), bool)
        held[chosen] = True
        what = f"fold {number} of {k}, shuffled"
        splits.append(
            _cut(
                data, held, what, validation,
                lambda rest, share: random(rest, share, rng=generator),
            )
        )  # fmt: skip
    return splits


def last(
    data: Dataset,
    *,
    n: int | None = None,
    fraction: float | None = None,
    validation: float | int | None = None,
) -> Split:
    """Hold out each person's latest n events, or their latest fraction (rounded down, at least 1).

    Everyone keeps at least one event to be known by; equal times keep the order recorded.

    Parameters
    ----------
    validation : a fraction (or with ``n`` a number) of what is left, cut off the same way.
    """
    if (n is None) == (fraction is None):
        raise BadParameter("split.last needs either n= or fraction=")
    lengths = data.histories.lengths
    if n is not None:
        if not _whole(n) or n < 1:
            raise BadParameter(f"n must be a whole number of at least 1, got {n!r}")
        if validation is not None and (not _whole(validation) or validation < 1):
            raise BadParameter(
                f"with n=, validation is a whole number of events too, got {validation!r}"
            )
        count = np.full(len(lengths), n)
        what = "each person's last event" if n == 1 else f"each person's last {n} events"
    else:
        assert fraction is not None
        _check_fraction("fraction", fraction)
        # A hair above, so that a fifth of 35 is 7 and not 6.999….
        count = np.maximum(1, np.floor(lengths * fraction + 1e-9).astype(np.int64))
        what = f"each person's latest {_percent(fraction)}"
    enough = lengths > count
    count = np.where(enough, count, 0)
    place = np.arange(len(data)) - np.repeat(data.histories.indptr[:-1], lengths)
    held = place >= np.repeat(lengths - count, lengths)
    few = int(np.count_nonzero(~enough & (lengths > 0)))
    notes = [f"{few:,} people have too few events to be asked about; theirs all train"] * (few > 0)
    if (data.histories.time < 0).any():
        notes.append("some events have no time: order is the order of the rows there")

    def again(rest: Dataset, share: float) -> Split:
        if n is not None:
            return last(rest, n=int(share))
        return last(rest, fraction=share)

    return _cut(data, held, what, validation, again, notes)


def time(
    data: Dataset,
    *,
    at: int | None = None,
    fraction: float | None = None,
    validation: float | None = None,
) -> Split:
    """Cut at one moment for everybody: events from then on are the test.

    Parameters
    ----------
    at : microseconds since 1970 (UTC).
    fraction : cut so that about this fraction of events comes after.
    validation : the fraction of the earlier events that is cut off the same way.
    """
    if (at is None) == (fraction is None):
        raise BadParameter("split.time needs either at= or fraction=")
    times = data.histories.time
    if (times < 0).any():
        raise BadParameter("split.time needs a time for every event; use split.last or random")
    if at is None:
        assert fraction is not None
        _check_fraction("fraction", fraction)
        at = int(np.quantile(times, 1 - fraction, method="higher"))
        if at == times.min() < times.max():  # many at the first moment: they all train
            at = int(times[times > at].min())
    held = times >= at
    if held.all() or not held.any():
        raise BadParameter(f"at={at} leaves no events on one side; times run from "
                           f"{times.min()} to {times.max()}")  # fmt: skip
    moment = str(np.datetime64(at, "us").astype("datetime64[s]"))
    return _cut(
        data, held, f"time, test from {moment} UTC", validation,
        lambda rest, share: time(rest, fraction=share),
    )  # fmt: skip


def users(
    data: Dataset,
    fraction: float = 0.2,
    *,
    hold: float = 0.2,
    validation: float | None = None,
    rng: Rng = None,
) -> Split:
    """Hold out whole people (strong generalisation): none of their events are in train.

    They are asked about with a random 1 - ``hold`` of their events as history (Liang et al. 2018).

    Parameters
    ----------
    fraction : of the people with at least two events, how many are held out.
    hold : how much of what each of them did is the truth (rounded, at least 1 event).
    validation : the fraction of the people left that is held out the same way.
    rng : a seed or generator; None is the seed 0.
    """
    _check_fraction("fraction", fraction)
    _check_fraction("hold", hold)
    generator = seeded(rng)
    able = np.flatnonzero(data.histories.lengths >= 2)
    count = max(1, round(len(able) * fraction))
    if len(able) < 2:
        raise BadParameter("split.users needs at least two people with two events or more")
    chosen = np.zeros(len(data.users), bool)
    chosen[generator.permutation(able)[:count]] = True
    theirs = np.repeat(chosen, data.histories.lengths)
    lengths = data.histories.lengths
    shuffled = np.lexsort((generator.random(len(data)), data.histories.person()))
    place = np.empty(len(data), np.int64)
    place[shuffled] = np.arange(len(data)) - np.repeat(data.histories.indptr[:-1], lengths)
    wanted = np.clip(np.round(lengths * hold).astype(np.int64), 1, np.maximum(lengths - 1, 1))
    held = theirs & (place < np.repeat(wanted, lengths))
    few = int(np.count_nonzero(lengths == 1))
    notes = [f"{few:,} people have one event only and cannot be held out; they train"] * (few > 0)
    return _cut(
        data, held, f"people, {_percent(fraction)} of them unknown in train", validation,
        lambda rest, share: users(rest, share, hold=hold, rng=generator),
        notes, train=~theirs,
    )  # fmt: skip


def cold_items(
    data: Dataset, fraction: float = 0.1, *, validation: float | None = None, rng: Rng = None
) -> Split:
    """Hold out whole items: no event on them is in train, and the test asks for them alone.

    Histories are what people did with the other items, before or after.

    Parameters
    ----------
    fraction : of the items met, how many are held out (rounded, at least 1).
    validation : the fraction of the items left that is held out the same way.
    rng : a seed or generator; None is the seed 0.
    """
    _check_fraction("fraction", fraction)
    generator = seeded(rng)
    met = np.unique(data.histories.item)
    count = max(1, round(len(met) * fraction))
    if count >= len(met):
        raise BadParameter(f"fraction={fraction} would hold out all {len(met)} items")
    cold = np.zeros(len(data.items), bool)
    cold[generator.permutation(met)[:count]] = True
    return _cut(
        data, cold[data.histories.item], f"items, {_percent(fraction)} of them unknown in train",
        validation, lambda rest, share: cold_items(rest, share, rng=generator),
    )  # fmt: skip


def where(data: Dataset, held: Mask, *, validation: float | None = None, rng: Rng = None) -> Split:
    """Hold out the events that somebody else chose, such as a published test set.

    Parameters
    ----------
    held : (events,) which events are the test, in the order of ``data.histories``: read the file
        with ``context=("fold",)``, and pass ``data.histories.context["fold"] == 1``.
    validation : the random fraction of what is left that is held out.
    rng : a seed or generator, of the validation; None is the seed 0.
    """
    mask = np.asarray(held)
    if mask.shape != (len(data),) or mask.dtype != bool:
        raise BadParameter(
            f"held must be true or false for each of {len(data):,} events, got {mask.dtype} of "
            f"shape {mask.shape}"
        )
    generator = seeded(rng)
    return _cut(
        data, mask, f"{np.count_nonzero(mask):,} given events", validation,
        lambda rest, share: random(rest, share, rng=generator),
    )  # fmt: skip


def _check_fraction(name: str, value: float) -> None:
    if isinstance(value, bool) or not (isinstance(value, (int, float)) and 0 < value < 1):
        raise BadParameter(f"{name} must be between 0 and 1, got {value!r}")


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g}%"


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def seeded(rng: Rng) -> np.random.Generator:
    """Return a generator: the one given, or one of the seed; None is the seed 0.

    Raises
    ------
    BadParameter : neither a generator nor a seed.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    seed: object = 0 if rng is None else rng
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise BadParameter(f"rng must be a seed of at least 0 or a numpy Generator, got {rng!r}")
    return np.random.default_rng(int(seed))


def _cut(
    data: Dataset,
    held: Mask,
    description: str,
    validation: float | int | None,
    again: Callable[[Dataset, float], Split],
    notes: list[str] | tuple[str, ...] = (),
    train: Mask | None = None,
) -> Split:
    """Ask for ``held``, knowing the rest; learn from ``train`` (the rest, by default)."""
    if not held.any():
        raise BadParameter(f"nothing is left to ask for: {data!r} is too small for {description}")
    rest = data.where(~held)
    learned = rest if train is None else data.where(train)
    if not len(learned):
        raise BadParameter(f"nothing is left to learn from: {data!r} cut by {description}")
    inner = None if validation is None else again(learned, validation)
    final = learned if inner is None else inner.train
    test, more = _part(data, rest, held, final)
    said = [*notes, *more]
    if inner is None:
        return Split(final, test, None, description, tuple(said))
    said += [f"validation: {note}" for note in inner.notes]
    return Split(final, test, inner.test, description, tuple(said))


def _part(data: Dataset, rest: Dataset, held: Mask, train: Dataset) -> tuple[Part, list[str]]:
    """Ask for ``held`` with ``rest`` as histories, and say what of it was left out or is odd."""
    asked = data.histories.where(held)
    whoever = int(np.count_nonzero(asked.lengths))
    keys, known = (h.person() * len(data.items) + h.item for h in (asked, rest.histories))
    known = np.append(np.sort(known), -1)  # np.isin takes seven times as long
    again = known[np.searchsorted(known[:-1], keys)] == keys
    notes = []
    if again.any():
        notes.append(
            f"{np.count_nonzero(again):,} test events repeat an item of the history, which is not "
            "recommended again; left out"
        )
        asked = asked.where(~again)
    hidden = asked.hidden()
    if hidden.any():
        notes.append(f"{np.count_nonzero(hidden):,} test events hide an item; left out")
        asked = asked.where(~hidden)
    who = np.flatnonzero(asked.lengths > 0)
    if len(who) < whoever:
        notes.append(f"{whoever - len(who):,} people have no test event left and are not asked")
    everyone = rest.queries()
    queries = everyone[who]
    truth = asked.take(who)
    first = np.minimum.reduceat(truth.time, truth.indptr[:-1]) if len(who) else truth.indptr[:0]
    queries = replace(queries, now=np.where(first >= 0, first, data.until))
    silent = int(np.count_nonzero(queries.histories.lengths == 0))
    if silent:
        notes.append(f"{silent:,} of {len(who):,} people asked about have no history")
    cold = ~np.isin(truth.item, train.histories.item)
    if cold.any():
        notes.append(
            f"{np.count_nonzero(cold):,} test events are on items nobody met in train; they stay, "
            "and count against a model that cannot name them"
        )
    return Part(queries, truth), notes
