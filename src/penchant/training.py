"""Training: what a model remembers of the data it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import polars as pl

from penchant.dataset import Dataset
from penchant.feedback import Feedback
from penchant.ids import IdMap


@dataclass(frozen=True, eq=False)
class Training:
    """What a model remembers of the data it was fitted on: names and meanings, no person's history.

    Parameters
    ----------
    items, users : the maps of the codes the model speaks.
    fitted : how many of the items the fit knew; those after them were taken up since.
    feedback : what a row weighs, applied to a query as it was to the training table.
    scale : lowest and highest rating, or None.
    shown : title and genres by item code, or None.
    until : microseconds since 1970 (UTC) of the last event learned from; -1 without times.
    events : number of events learned from.
    fingerprint : hash of the data.
    seed : the seed the fit was given; None if it was given a generator.
    """

    items: IdMap
    users: IdMap
    fitted: int
    feedback: Feedback
    scale: tuple[float, float] | None
    shown: pl.DataFrame | None
    until: int
    events: int
    fingerprint: str
    seed: int | None

    def __post_init__(self) -> None:
        self.feedback.check_ids(self.items, self.users)

    @classmethod
    def of(cls, data: Dataset, seed: int | None) -> Self:
        """Return what is to be remembered of ``data``."""
        return cls(
            items=data.items,
            users=data.users,
            fitted=len(data.items),
            feedback=data.feedback,
            scale=data.scale,
            shown=data.shown,
            until=data.until,
            events=len(data),
            fingerprint=data.fingerprint(),
            seed=seed,
        )

    @cached_property
    def _titles(self) -> pl.Series | None:
        """The titles by item code."""
        return None if self.shown is None else dict(self.shown.to_dict()).get("title")

    def title(self, item: Any) -> str:
        """Return what a person calls the item: its title if there is one, else its id."""
        code = -1 if self._titles is None else int(self.items.encode([item])[0])
        return self.called(code) if code >= 0 else str(item)

    def called(self, code: int) -> str:
        """Return what a person calls the item of a code."""
        name = None if self._titles is None else self._titles[code]
        return str(name or self.items.decode([code])[0])
