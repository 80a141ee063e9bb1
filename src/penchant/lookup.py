"""From what a person types to an id: ids as text, and titles with typos, years and articles."""

from __future__ import annotations

import difflib
import re
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from penchant.errors import UnknownId
from penchant.ids import IdMap

SURE = 0.82
"""Likeness from which a near title may be taken without asking."""

AHEAD = 0.05
"""By how much it must beat the next title for that."""

NEAR = 0.6
"""Likeness from which a title is worth listing."""

_YEAR = r"\s*\((\d{4})[^()]*\)\s*$"
_ARTICLE = r"the|a|an|le|la|les|el|los|las|il|lo|gli|der|die|das"


def typed(text: str, ids: IdMap) -> Any:
    """Return the id that ``text`` writes, of the type the ids have.

    Raises
    ------
    UnknownId : it is not such an id, or none of these.
    """
    one = _read(text, ids)
    if one is None:
        example = ids.decode([0])[0] if len(ids) else None
        raise UnknownId(f"no such id: {text!r} (ids here are like {example!r})")
    ids.code(one)
    return one


def _read(text: str, ids: IdMap) -> Any:
    try:
        return {"int": int, "str": str, "uuid": uuid.UUID}[ids.kind](text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Found:
    """The item meant by what somebody typed.

    Parameters
    ----------
    asked : what was typed.
    item : its id.
    title : its title, or the id as text.
    exact : whether that is what was typed, but for case, accents, articles and the year.
    """

    asked: str
    item: Any
    title: str
    exact: bool


@dataclass(frozen=True, eq=False)
class Titles:
    """The titles of items, to be found by people who do not type them exactly.

    Parameters
    ----------
    items : the ids.
    names : the title of each code, null where there is none; or None without titles.

    Examples
    --------
    >>> films = Titles(IdMap([1, 2]), pl.Series(["Toy Story (1995)", "Matrix, The (1999)"]))
    >>> films.find("the matrix").item, films.find("Toy Stroy").title
    (2, 'Toy Story (1995)')
    """

    items: IdMap
    names: pl.Series | None

    def find(self, asked: str) -> Found:
        """Return the one item that ``asked`` can mean: its title, its id, or a near title.

        Raises
        ------
        UnknownId : nothing is like it, or several are; the message lists them.
        """
        if self.names is not None:
            same = self._same(asked)
            if len(same) > 1:
                raise UnknownId(
                    f"{asked!r} is the title of {len(same)}: {self._listed(same)}. Add the year, "
                    "or give the id"
                )
            if same:
                return self._found(asked, same[0], exact=True)
        one = _read(asked, self.items)
        if one is not None and one in self.items:
            return self._found(asked, self.items.code(one), exact=True)
        if self.names is None:
            typed(asked, self.items)
        near = self._near(asked)
        if not near:
            raise UnknownId(f"nothing here is called anything like {asked!r}")
        sure = near[0][0] >= SURE and (len(near) == 1 or near[0][0] - near[1][0] >= AHEAD)
        if not sure:
            could = self._listed([code for _, code in near[:6]])
            raise UnknownId(f"{asked!r} could mean {could}. Say which, in full or by its id")
        return self._found(asked, near[0][1], exact=False)

    def _found(self, asked: str, code: int, *, exact: bool) -> Found:
        item = self.items.decode([code])[0]
        name = None if self.names is None else self.names[code]
        return Found(asked, item, name or str(item), exact)

    def _listed(self, codes: list[int]) -> str:
        ids = self.items.decode(codes)
        names = self.names
        assert names is not None
        return ", ".join(f"{names[c]!r} (id {i})" for c, i in zip(codes, ids, strict=True))

    @cached_property
    def _keys(self) -> pl.DataFrame:
        assert self.names is not None
        return _keys(self.names)

    def _same(self, asked: str) -> list[int]:
        """Return the codes of titles that are what was asked for, in the strictest sense any is."""
        assert self.names is not None
        plain = asked.strip().lower()
        whole = (self.names.str.strip_chars().str.to_lowercase() == plain).arg_true()
        if len(whole):
            return whole.to_list()
        for text in (asked, re.sub(r"\s+(\d{4})\s*$", r" (\1)", asked)):  # "hamlet 1996"
            wanted = _wanted(text)
            for form in ("named", "key"):  # "Babe" is Babe rather than "Babe, The"
                found = self._keys.filter(pl.col(form) == wanted[form])
                if wanted["year"] is not None:
                    found = found.filter(pl.col("year") == wanted["year"])
                if len(found):
                    return found["code"].unique(maintain_order=True).to_list()
        return []

    def _near(self, asked: str) -> list[tuple[float, int]]:
        """Return (likeness, code) of titles worth naming, the best first."""
        wanted = _wanted(asked)
        key = wanted["key"]
        pairs = {f" {key} "[n : n + 2] for n in range(len(key) + 1)}
        padded = pl.concat_str(pl.lit(" "), "key", pl.lit(" "))
        shared = pl.sum_horizontal(padded.str.contains(p, literal=True) for p in sorted(pairs))
        # Shared pairs of letters pick a few hundred to compare letter by letter, which is slow.
        likely = (
            self._keys.with_columns(
                dice=2.0 * shared / (len(pairs) + 1 + pl.col("key").str.len_chars()),
                whole=padded.str.contains(f" {key} ", literal=True),
            )
            .sort(["whole", "dice"], descending=True, maintain_order=True)
            .head(300)
        )
        best: dict[int, float] = {}
        for row in likely.iter_rows(named=True):
            like = difflib.SequenceMatcher(None, key, row["key"], autojunk=False).ratio()
            if row["whole"]:  # all words asked for, in order; the better if it begins with them
                like = max(like, SURE + (0.01 if row["key"].startswith(key) else 0))
            elif _digits(key) != _digits(row["key"]):
                like = min(like, SURE - 0.01)  # Rocky 7 is not a typo of Rocky 3
            if wanted["year"] not in (None, row["year"]):
                like -= 0.1
            best[row["code"]] = max(like, best.get(row["code"], 0.0))
        return sorted(((like, c) for c, like in best.items() if like >= NEAR), key=lambda x: -x[0])


def _wanted(asked: str) -> dict[str, Any]:
    keys = _keys(pl.Series([asked]))
    if not len(keys):
        raise UnknownId(f"{asked!r} is not a title: it has no letters or digits")
    return keys.row(0, named=True)


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _keys(titles: pl.Series) -> pl.DataFrame:
    """Return code, year, name and key: each title as it is compared, and each name in brackets.

    ``named`` is plain letters with the article in front, ``key`` the same without the article.
    """
    name = pl.col("title").str.replace(_YEAR, "")
    brackets = name.str.extract_all(r"\(([^()]*)\)")
    long = (
        pl.DataFrame({"title": titles.cast(pl.String)})
        .with_row_index("code")
        .select(
            "code",
            year=pl.col("title").str.extract(_YEAR),
            key=pl.concat_list(name.str.replace_all(r"\([^()]*\)", " "), brackets),
        )
        .explode("key")
    )
    named = (
        pl.col("key")
        .str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.to_lowercase()
        .str.strip_chars(" ()")
        .str.replace(r"^a\.?k\.?a\.?\s+", "")
        .str.replace(rf"^(.*), ({_ARTICLE}|l')$", "${2} ${1}")
        .str.replace_all("&", " and ", literal=True)
        .str.replace_all(r"['’´`]", "")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )
    return (
        long.with_columns(named=named)
        .with_columns(key=pl.col("named").str.replace(rf"^(?:{_ARTICLE})\s+", ""))
        .filter(pl.col("key") != "")
    )
