"""IdMap: external ids to int32 codes and back, append-only."""

from __future__ import annotations

import hashlib
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadEvents, BadParameter, Incompatible, UnknownId, near

Kind = Literal["int", "str", "uuid"]
Spelling = Literal["exact", "trimmed", "folded"]
Codes = NDArray[np.int32]

DENSE = 8
"""Codes of integers are looked up in a table with room for at most this many times as many."""

LISTED = 1000
"""At most so many ids at a time are looked up one by one."""

INDEXED = 1 << 17
"""At most so many ids are put into a dictionary, which is quickest and takes 100 bytes an id."""

NEAR = 20_000
"""Ids that a misspelt one is compared with, at most."""

_NAMES = {"int": "integers", "str": "strings", "uuid": "UUIDs"}


class IdMap:
    """Ids in the order they were met; the code of an id is its place.

    Ids are integers, strings or UUIDs, and keep their type. A map never forgets or renumbers: a
    longer map that begins with this one gives the same codes.

    Parameters
    ----------
    ids : distinct ids of one type: a sequence, numpy array or polars series.
    spelling : which texts are one id, see ``cleaned``. Of whatever is asked, only the cleaned form
        is compared; ids are given back as they stand in the map.

    Raises
    ------
    BadEvents : ids of several types, missing ids, floats, or an id that occurs twice.
    BadParameter : one id instead of a list of ids.

    Examples
    --------
    >>> films = IdMap(["Alien", "Babe"])
    >>> films.encode(["Babe", "Casablanca"])
    array([ 1, -1], dtype=int32)
    >>> films.decode([1])
    ['Babe']
    >>> IdMap(["Ann", "Bo"], spelling="folded").encode([" ANN "])
    array([0], dtype=int32)
    """

    def __init__(
        self, ids: Sequence[Any] | NDArray[Any] | pl.Series, *, spelling: Spelling = "exact"
    ) -> None:
        kind, values = as_ids(ids)
        self._set(kind, values, spelling)
        if self._keys.n_unique() != len(values):
            twice = values.filter(self._keys.is_duplicated())[0]
            raise BadEvents(f"id {shown(kind, twice)!r} occurs more than once")

    @classmethod
    def of(
        cls, ids: Sequence[Any] | NDArray[Any] | pl.Series, *, spelling: Spelling = "exact"
    ) -> IdMap:
        """Return the map of the distinct ids among ``ids``, in ascending order.

        Of several spellings of an id, the map shows the one met most often (the first in the
        alphabet of those).
        """
        kind, values = as_ids(ids)
        if kind == "str" and spelling != "exact":
            met = values.alias("id").to_frame().group_by("id").len()
            met = met.with_columns(key=cleaned(met["id"], spelling))
            met = met.sort("len", "id", descending=[True, False])
            values = met.unique("key", keep="first", maintain_order=True)["id"]
        return cls.from_arrow(kind, values.unique().sort(), spelling)

    @classmethod
    def from_arrow(cls, kind: Kind, values: pl.Series, spelling: Spelling = "exact") -> IdMap:
        """Return the map over a column as written by ``save``; nothing is copied or checked."""
        new = cls.__new__(cls)
        new._set(kind, values, spelling)
        return new

    def _set(self, kind: Kind, values: pl.Series, spelling: Spelling) -> None:
        self.kind, self.values, self.spelling = kind, values, spelling
        self._size = len(values)

    @cached_property
    def _keys(self) -> pl.Series:
        """The ids as they are compared."""
        return cleaned(self.values, self.spelling)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(self.decode(np.arange(len(self))))

    def __contains__(self, one: object) -> bool:
        try:
            return bool(self.encode([one])[0] >= 0)
        except (Incompatible, BadEvents):
            return False

    def __repr__(self) -> str:
        shown = ", ".join(repr(x) for x in self.decode(np.arange(min(3, len(self)))))
        return f"<IdMap of {len(self):,} {_NAMES[self.kind]}: {shown}{', …' * (len(self) > 3)}>"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, IdMap):
            return NotImplemented
        same = (self.kind, self.spelling) == (other.kind, other.spelling)
        return same and self.values.equals(other.values)

    __hash__ = object.__hash__  # by identity: hashing every id would make a map a slow key

    def encode(self, ids: Sequence[Any] | NDArray[Any] | pl.Series) -> Codes:
        """Return the codes of ``ids``, -1 for those that are not in the map.

        Raises
        ------
        Incompatible : the ids are of another type than the map's: 318 and "318" are two things.
        """
        exact = self.kind == "str" and self.spelling == "exact" and isinstance(ids, list)
        if exact and len(ids) <= LISTED and set(map(type, ids)) == {str}:  # as a service asks
            return self.places(list(ids))
        kind, asked = as_ids(ids)
        if not len(asked) or not len(self):
            return np.full(len(asked), -1, np.int32)
        if kind != self.kind:
            raise Incompatible(
                f"asked for {shown(kind, asked[0])!r}: these ids are {_NAMES[self.kind]}, "
                f"such as {self.decode([0])[0]!r}, not {_NAMES[kind]}"
            )
        if kind == "int":
            return self._encode_integers(asked.to_numpy())
        if len(asked) <= LISTED:
            texts = asked.to_list()
            exact = self.spelling == "exact" or kind != "str"
            return self.places(texts if exact else [clean(t, self.spelling) for t in texts])
        asked = cleaned(asked, self.spelling)
        known = pl.DataFrame({"id": self._keys}).with_row_index("code")
        found = pl.DataFrame({"id": asked}).join(known, on="id", how="left", maintain_order="left")
        return found["code"].cast(pl.Int32).fill_null(-1).to_numpy()

    def places(self, keys: Sequence[Any]) -> Codes:
        """Return what ``encode`` does, sooner, for texts that need no cleaning.

        Nothing is checked: of ids in another form, or of another type, none is found.
        """
        if len(self) > INDEXED:
            return self._hashed_places(pl.Series(keys, dtype=self.values.dtype))
        return np.fromiter(map(self._index.get, keys, repeat(-1)), np.int32, len(keys))

    def _hashed_places(self, asked: pl.Series) -> Codes:
        hashes, order = self._hashed
        wanted = asked.hash().to_numpy()
        found = np.full(len(asked), -1, np.int32)
        at, open_ = np.searchsorted(hashes, wanted), np.arange(len(asked))
        while len(open_):  # once, unless two ids have one hash
            inside = at[open_] < len(hashes)
            open_ = open_[inside]
            open_ = open_[hashes[at[open_]] == wanted[open_]]
            codes = order[at[open_]]
            same = (self._keys.gather(codes) == asked.gather(open_)).to_numpy()
            found[open_[same]] = codes[same]
            open_ = open_[~same]
            at[open_] += 1
        return found

    @cached_property
    def _index(self) -> dict[Any, int]:
        """The code of each id as it is compared."""
        return {v: n for n, v in enumerate(self._keys.to_list())}

    @cached_property
    def _hashed(self) -> tuple[NDArray[np.uint64], Codes]:
        """The hashes of the ids ascending, and their codes: 12 bytes an id."""
        hashes = self._keys.hash().to_numpy()
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        return hashes[order], order

    def _encode_integers(self, asked: NDArray[np.int64]) -> Codes:
        if self._numbered is not None:
            lowest, codes = self._numbered
            at = np.clip(asked, lowest, lowest + len(codes) - 1)
            return np.where(at == asked, codes[at - lowest], np.int32(-1))
        values, order = self._sorted
        at = np.minimum(np.searchsorted(values, asked), len(values) - 1)
        return np.where(values[at] == asked, order[at], np.int32(-1))

    @cached_property
    def _numbered(self) -> tuple[int, Codes] | None:
        """The lowest integer and the code of each from there on, None if they lie far apart."""
        values = self.values.to_numpy()
        lowest, highest = int(values.min()), int(values.max())
        if highest - lowest >= DENSE * len(values):
            return None
        codes = np.full(highest - lowest + 1, -1, np.int32)
        codes[values - lowest] = np.arange(len(values))
        return lowest, codes

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], Codes]:
        """The integers ascending, and their codes."""
        order = np.argsort(self.values.to_numpy(), kind="stable").astype(np.int32)
        return self.values.to_numpy()[order], order

    def code(self, one: Any) -> int:
        """Return the code of one id.

        Raises
        ------
        UnknownId : it is not in the map; the message lists near matches.
        """
        code = int(self.encode([one])[0])
        if code < 0:
            like = ", ".join(repr(known) for known in self.decode(np.arange(min(3, len(self)))))
            raise UnknownId(
                f"no such id: {one!r}; {len(self):,} are known, such as {like}.{self._near(one)}"
            )
        return code

    def _near(self, one: Any) -> str:
        """Strings like one that is not here; comparing takes long, so not with all of many."""
        if self.kind != "str":
            return ""
        many = len(self) > NEAR
        start = self.values.str.slice(0, 1).str.to_lowercase() == one[:1].lower() if many else None
        return near(one, self.values if start is None else self.values.filter(start)[:NEAR])

    def decode(self, codes: Sequence[int] | NDArray[Any]) -> list[Any]:
        """Return the ids at ``codes``, of the type they came in, None for -1.

        Raises
        ------
        Incompatible : a code that is not in the map.
        """
        at = np.asarray(codes, dtype=np.int64).ravel()
        if len(at) and (at.min() < -1 or at.max() >= len(self)):
            raise Incompatible(
                f"codes run from -1 to {len(self) - 1}, got {at.min()} to {at.max()}"
            )
        if len(at) <= 16:  # one list: reading a few rows is quicker than gathering a column
            raw = [self.values[int(c)] if c >= 0 else None for c in at]
        else:
            some = at if at.min() >= 0 else pl.Series(at).replace(-1, None)
            raw = self.values.gather(some).to_list()
        if self.kind == "uuid":
            return [None if r is None else uuid.UUID(bytes=r) for r in raw]
        return raw

    def extended(self, ids: Sequence[Any] | NDArray[Any] | pl.Series) -> IdMap:
        """Return a map that begins with this one and goes on with the new ids among ``ids``."""
        kind, values = as_ids(ids)
        if not len(values):
            return self
        fresh = values.filter(cleaned(values, self.spelling).is_first_distinct())
        if not len(self):
            return IdMap.from_arrow(kind, fresh, self.spelling)
        fresh = fresh.filter(pl.Series(self.encode(fresh) < 0))  # raises Incompatible
        if not len(fresh):
            return self
        longer = IdMap.from_arrow(kind, pl.concat([self.values, fresh]), self.spelling)
        if "_index" in self.__dict__:  # copied sooner than made
            keys = cleaned(fresh, self.spelling).to_list()
            longer.__dict__["_index"] = self._index | {
                key: n for n, key in enumerate(keys, len(self))
            }
        return longer

    def recoding(self, onto: IdMap) -> Codes | None:
        """Return, for each code here, the code of the same id in ``onto`` (-1: not there).

        None says that the codes are the same, so that nothing need be translated. The answer is
        kept, read-only, for as long as both maps are.
        """
        return None if self is onto else self._compared(onto).codes

    def leading(self, onto: IdMap) -> int | None:
        """Return how many codes, from 0 on, mean the same in both, if that is all they share.

        It is where one map begins with the other; otherwise the answer is None.
        """
        return len(self) if self is onto else self._compared(onto).leading

    def columns(self, values: NDArray[np.float32], of: IdMap) -> NDArray[np.float32]:
        """Return (q, len(self)) values by the codes here, from those by the codes of another map.

        What the other map does not know is NaN.
        """
        recoding, leading = self.recoding(of), self.leading(of)
        if recoding is None:
            return values
        out = np.full((len(values), len(self)), np.nan, np.float32)
        if leading is not None:
            out[:, :leading] = values[:, :leading]
        else:
            known = recoding >= 0
            out[:, known] = values[:, recoding[known]]
        return out

    def _compared(self, onto: IdMap) -> _Compared:
        found = self._others.get(onto)
        if found is None:
            found = self._others[onto] = self._compare(onto)
        return found

    @cached_property
    def _others(self) -> WeakKeyDictionary[IdMap, _Compared]:
        """The maps that this one was compared with, and how."""
        return WeakKeyDictionary()

    def _compare(self, onto: IdMap) -> _Compared:
        if self == onto:
            return _Compared(None, len(self))
        if len(self) and len(onto) and self.kind != onto.kind:
            raise Incompatible(
                f"ids are {_NAMES[self.kind]} on one side and {_NAMES[onto.kind]} on the other"
            )
        n = min(len(self), len(onto))
        if not n or (self.spelling == onto.spelling and self.values[:n].equals(onto.values[:n])):
            codes, leading = np.full(len(self), -1, np.int32), n
            codes[:n] = np.arange(n)
        else:
            codes, leading = onto.encode(self.values), None
        codes.setflags(write=False)
        return _Compared(codes, leading)

    def digest(self) -> bytes:
        """Return a hash of the ids in order; equal maps have equal digests on every machine."""
        rule = "" if self.spelling == "exact" else f" {self.spelling}"
        whole = hashlib.sha256(f"{self.kind}{rule}".encode())
        if self.kind == "int":
            whole.update(self.values.to_numpy().tobytes())
        else:
            for one in self.values:
                raw = one.encode() if self.kind == "str" else one
                whole.update(len(raw).to_bytes(8, "little") + raw)
        return whole.digest()


class _Compared(NamedTuple):
    """What ``recoding`` and ``leading`` answer."""

    codes: Codes | None
    leading: int | None


def clean(text: str, spelling: Spelling) -> str:
    """Return the form of a text id that is compared.

    Parameters
    ----------
    spelling : "exact": the text itself; "trimmed": without blanks around it, in Unicode's composed
        form (NFC), so that an accent is the same however it was typed; "folded": without a
        difference between upper and lower case either.
    """
    if spelling == "exact":
        return text
    if text.isascii():  # the same, sooner
        return text.strip().lower() if spelling == "folded" else text.strip()
    if spelling == "folded":  # Unicode 15, 3.13, D145
        text = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFC", text).strip()


def cleaned(ids: pl.Series, spelling: Spelling) -> pl.Series:
    """Return a column of ids with ``clean`` applied to each text; other ids are left alone."""
    if spelling == "exact" or ids.dtype != pl.String:
        return ids
    each = ids.unique()
    forms = pl.Series(ids.name, [clean(one, spelling) for one in each.to_list()], pl.String)
    return ids.replace_strict(each, forms)


def shown(kind: Kind, raw: Any) -> Any:
    """Return a stored id as a person gave it."""
    return uuid.UUID(bytes=raw) if kind == "uuid" else raw


def as_column(name: str, ids: Sequence[Any] | pl.Series, kind: Kind | None = None) -> pl.Series:
    """Return ids as a column of a table that leaves: integers or text, None as null.

    polars has no type for UUIDs, which become text.

    Parameters
    ----------
    kind : what the ids are, if that is known; without any id it decides the type.
    """
    if isinstance(ids, pl.Series) and ids.dtype in (pl.Int64, pl.String):
        return ids.alias(name)
    values = ids.to_list() if isinstance(ids, pl.Series) else list(ids)
    if kind == "uuid" or any(isinstance(one, (uuid.UUID, bytes)) for one in values):
        values = [uuid.UUID(bytes=one) if isinstance(one, bytes) else one for one in values]
        return pl.Series(name, [None if one is None else str(one) for one in values], pl.String)
    types: dict[Kind | None, Any] = {"int": pl.Int64, "str": pl.String}
    return pl.Series(name, values, types.get(kind))


def as_ids(ids: Sequence[Any] | NDArray[Any] | pl.Series) -> tuple[Kind, pl.Series]:
    """Return the kind of ``ids`` and a series of int64, strings, or the 16 bytes of UUIDs.

    Raises
    ------
    BadEvents : a missing id, an id that is neither integer, string nor UUID, or several types.
    BadParameter : one id instead of a list of ids.
    """
    if isinstance(ids, pl.Series):
        series = ids
    elif isinstance(ids, (str, bytes, Mapping)) or not isinstance(ids, Iterable):
        raise BadParameter(f"ids are given as a list, such as [{ids!r}], got {ids!r} by itself")
    elif isinstance(ids, np.ndarray) and ids.ndim != 1:
        raise BadParameter(f"ids are given as a list, got an array of shape {ids.shape}")
    elif isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        if ids.dtype == np.uint64 and len(ids) and ids.max() > np.iinfo(np.int64).max:
            raise BadEvents(f"id {ids.max()} does not fit into 64 bits with a sign")
        return "int", pl.Series(ids.astype(np.int64))  # a copy: polars shares what it is given
    else:
        return _from_objects(list(ids))
    if series.dtype.is_integer():
        try:
            series = series.cast(pl.Int64)
        except pl.exceptions.PolarsError as e:
            raise BadEvents(f"id {series.max()!r} does not fit into 64 bits with a sign") from e
        kind: Kind = "int"
    elif series.dtype in (pl.String, pl.Categorical, pl.Enum):
        kind, series = "str", series.cast(pl.String)
    elif series.dtype == pl.Null:
        kind, series = "int", series.cast(pl.Int64)
    elif series.dtype == pl.Object:
        return _from_objects(series.to_list())
    elif series.dtype == pl.Binary and (not len(series) or bool((series.bin.size() == 16).all())):
        kind = "uuid"
    else:
        raise BadEvents(
            f"ids must be integers, strings or UUIDs, not {series.dtype} "
            f"(such as {series.drop_nulls().head(1).to_list()}); cast the column first"
        )
    if series.null_count():
        raise BadEvents(f"row {series.is_null().arg_max()} has no id")
    return kind, series


def _from_objects(ids: list[Any]) -> tuple[Kind, pl.Series]:
    kinds: dict[type, int] = {}
    for row, one in enumerate(ids):
        kinds.setdefault(type(one), row)
    if not kinds:
        return "int", pl.Series([], dtype=pl.Int64)
    found: dict[Kind, int] = {}
    for cls, row in kinds.items():
        if issubclass(cls, str):
            found.setdefault("str", row)
        elif issubclass(cls, (int, np.integer)) and not issubclass(cls, bool):
            found.setdefault("int", row)
        elif issubclass(cls, uuid.UUID):
            found.setdefault("uuid", row)
        elif ids[row] is None or (cls is float and ids[row] != ids[row]):
            raise BadEvents(f"row {row} has no id")
        else:
            raise BadEvents(
                f"ids must be integers, strings or UUIDs, not {cls.__name__} "
                f"(row {row}: {ids[row]!r}); cast the column first"
            )
    if len(found) > 1:
        rows = sorted(found.values())[:2]
        raise BadEvents(
            f"ids of several types in one column: row {rows[0]} is {ids[rows[0]]!r}, "
            f"row {rows[1]} is {ids[rows[1]]!r}; 318 and '318' would be two things"
        )
    kind = next(iter(found))
    try:
        if kind == "int":
            return kind, pl.Series([int(x) for x in ids], dtype=pl.Int64)
        if kind == "uuid":
            return kind, pl.Series([x.bytes for x in ids], dtype=pl.Binary)
        return kind, pl.Series([str(x) for x in ids], dtype=pl.String)
    except (OverflowError, TypeError, pl.exceptions.PolarsError) as e:
        raise BadEvents("an integer id does not fit into 64 bits with a sign") from e
    except UnicodeError as e:
        raise BadEvents(f"an id is not valid text: {e}") from e
