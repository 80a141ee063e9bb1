"""Many texts in one piece, some of them taken out: no Python object for each of the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray


class Texts(NamedTuple):
    """Texts one after the other in UTF-8, and where each of them ends.

    Parameters
    ----------
    whole : all the texts.
    ends : (n + 2,) int64; text i is from place i to place i + 1, and the last one, -1, is empty.
    """

    whole: bytes
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, column: pl.Series) -> Texts:
        """Return the texts of a column; a null is an empty text.

        >>> Texts.of(pl.Series(["é", None, "b"])).at(np.array([2, 1, 0, -1]))
        ['b', '', 'é', '']
        """
        texts = column.fill_null("")
        ends = np.zeros(len(texts) + 2, np.int64)
        np.cumsum(texts.str.len_bytes().to_numpy(), out=ends[1:-1])
        ends[-1] = ends[-2]
        whole = texts.str.join("").item() if len(texts) else ""
        return cls(whole.encode(), ends)

    def at(self, codes: NDArray[np.integer]) -> list[str]:
        """Return some of the texts; of -1 an empty one."""
        places = np.where(codes < 0, len(self.ends) - 2, codes)
        whole = self.whole
        pairs = zip(self.ends[places].tolist(), self.ends[places + 1].tolist(), strict=True)
        return [whole[a:b].decode() for a, b in pairs]

    def one(self, code: int) -> str:
        """Return one of the texts."""
        return self.whole[self.ends[code] : self.ends[code + 1]].decode()
