"""Successive halving: a budget of trials or minutes, shared by the searches of several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Self

import numpy as np

from penchant.errors import BadParameter
from penchant.evaluation.search import OnTrial, Search

TRIALS = 50
"""Trials if neither their number nor the time was said."""

HAIR = 1e-9
"""What sums of shares may be off by."""


@dataclass(frozen=True)
class Budget:
    """What may be spent: trials, seconds, or the one of both that ends first.

    Parameters
    ----------
    trials, seconds : how many at most; None is no limit.
    begun : when counting began, by the clock.
    """

    trials: int | None
    seconds: float | None
    begun: float

    @classmethod
    def of(cls, trials: int | None, minutes: float | None) -> Self:
        """Return the budget that was asked for.

        Raises
        ------
        BadParameter : no trial, or no time.
        """
        number = isinstance(trials, (int, np.integer)) and not isinstance(trials, bool)
        if trials is not None and (not number or trials < 1):
            raise BadParameter(f"trials must be a whole number of at least 1, got {trials!r}")
        real = isinstance(minutes, (int, float, np.number)) and not isinstance(minutes, bool)
        if minutes is not None and (not real or not 0 < minutes < float("inf")):
            raise BadParameter(f"minutes must be a positive number, or None, got {minutes!r}")
        if minutes is None:
            return cls(TRIALS if trials is None else int(trials), None, perf_counter())
        return cls(None if trials is None else int(trials), 60 * float(minutes), perf_counter())

    def spent(self, searches: Sequence[Search]) -> float:
        """Return which share was spent; above 1 if more than there was."""
        count = sum(len(search.trials) for search in searches)
        by_trials = 0.0 if self.trials is None else count / self.trials
        by_clock = 0.0 if self.seconds is None else (perf_counter() - self.begun) / self.seconds
        return max(by_trials, by_clock)

    def cost(self, search: Search) -> float:
        """Return which share another trial takes, if it takes as long as those before.

        The first may have compiled what later ones find ready: half of it is the guess after it.
        """
        by_trials = 0.0 if self.trials is None else 1 / self.trials
        if self.seconds is None or not search.trials:
            return by_trials
        first, *later = (trial.seconds for trial in search.trials)
        usual = float(np.mean(later)) if later else first / 2
        return max(by_trials, usual / self.seconds)


def halve(searches: Sequence[Search], budget: Budget, on_trial: OnTrial | None) -> None:
    """Spend a budget on searches, of which the better half goes on from each round to the next.

    The first trial of each is made whatever it costs. Rounds cost the same; in a round, searches
    get equal parts, of what is left when their turn comes.
    """
    left = list(searches)
    for search in left:
        if _turn(search, on_trial):
            return
    rounds = (len(left) - 1).bit_length() + 1
    for number in range(rounds, 0, -1):
        spent = budget.spent(searches)
        end = spent + (1 - spent) / number
        for place, search in enumerate(left):
            spent = budget.spent(searches)
            until = spent + (end - spent) / (len(left) - place) + HAIR
            while budget.spent(searches) + budget.cost(search) <= until:
                if _turn(search, on_trial):
                    return
                if search.exhausted:
                    break
        left = sorted(left, key=lambda search: search.loss)[: (len(left) + 1) // 2]


def _turn(search: Search, on_trial: OnTrial | None) -> bool:
    """Make a trial, if there is one to make, and return whether to stop."""
    done = search.next()
    return done is not None and on_trial is not None and bool(on_trial(done))
