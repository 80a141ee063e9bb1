"""Ids that are spelt differently and mean the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from penchant.ids import IdMap, as_ids
from penchant.parameters import hyper
from penchant.preparation.step import Learned, Outcome, Role, Rows, Step, counted


@dataclass(frozen=True, kw_only=True)
class CleanIds(Step):
    """Make one id of several spellings, so that the steps after it count one user or item.

    The spelling that most rows have is kept (the first in the alphabet of those). Integers and
    UUIDs have one spelling. ``Feedback(ids="folded")`` does the same in a dataset, and for whoever
    asks later; give both the same spelling.

    Doing it twice is the same as doing it once. On replay, a new spelling of an id that is known
    becomes the one that was kept.

    Parameters
    ----------
    spelling : "trimmed": ids are the same but for blanks around them and the Unicode form;
        "folded": and for upper and lower case.
    of : "user", "item" or "both".

    Examples
    --------
    >>> import penchant as pt
    >>> table = {"user": ["ann", " Ann", "ann"], "item": ["a", "b", "c"]}
    >>> pt.prepare(table, [CleanIds()]).events.frame["user"].to_list()
    ['ann', 'ann', 'ann']
    """

    spelling: Literal["trimmed", "folded"] = hyper("folded", "which ids are the same")
    of: Literal["user", "item", "both"] = hyper("both", "whose ids")

    def run(self, rows: Rows, learned: Learned | None) -> Outcome:
        """Give all spellings of an id the code of the one that is kept."""
        kept: dict[str, pl.DataFrame] = {}
        said = []
        other = np.zeros(len(rows), bool)
        roles: tuple[Role, ...] = ("user", "item")
        for role in roles:
            if self.of not in (role, "both"):
                continue
            met = rows.ids(role).values.gather(rows.codes(role))
            ids = IdMap.of(met, spelling=self.spelling)
            if learned is not None:
                known = learned[role][role]
                ids = IdMap(known, spelling=self.spelling).extended(ids.values)
            code = ids.encode(met)
            changed = met != ids.values.gather(code)
            other |= changed.to_numpy()
            said.append(f"{counted(met.filter(changed).n_unique(), f'{role} id')} spelt otherwise")
            kept[role] = pl.DataFrame({role: ids.values})
            plain = IdMap.from_arrow(ids.kind, ids.values)
            if role == "user":
                rows = replace(rows, users=plain, user=code)
            else:
                rows = replace(rows, items=plain, item=code)
        return Outcome(rows, ", ".join(said), learned or kept, int(other.sum()))

    def spelt(self, ids: pl.Series, kept: pl.Series) -> pl.Series:
        """Return ids with the spelling that was kept; those that are not known stay.

        Raises
        ------
        Incompatible : ids of another type than those that were kept.
        """
        code = IdMap(kept, spelling=self.spelling).encode(ids)
        known = pl.Series(code >= 0)
        return kept.gather(np.maximum(code, 0)).zip_with(known, as_ids(ids)[1])
