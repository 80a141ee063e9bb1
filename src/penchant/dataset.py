"""Dataset: what a model may learn from, and the queries that can be asked about it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant.errors import BadEvents, BadParameter, UnknownId, near
from penchant.events import NAMES, ROLES, Events, Reading, plain
from penchant.feedback import Feedback
from penchant.frames import Frame, to_polars
from penchant.histories import Histories
from penchant.ids import IdMap, Spelling, as_ids, cleaned, shown
from penchant.kernels.csr import CSR
from penchant.queries import Queries, Tastes

TITLES = ("title", "name", "item_name", "product_name", "track_name")
GENRES = ("genres", "genre", "categories", "category", "tags")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions with their vocabularies, feedback, and the tables that ride along.

    Parameters
    ----------
    items, users : ids to codes; items may include some that nobody has met yet.
    histories : row ``u`` holds the events of user code ``u``.
    feedback : what a row weighs as evidence.
    item_table, user_table : row ``i`` describes code ``i``, null where nothing is known; or None.
    name : what to call the data.
    reading : what was understood of the source, if it was read from one.

    Examples
    --------
    >>> data = Dataset.of({"user": [1, 1, 2], "item": ["a", "b", "a"], "rating": [5, 3, 4]})
    >>> data
    <Dataset dict: 3 events of 2 users on 2 items>
    """

    items: IdMap
    users: IdMap
    histories: Histories
    feedback: Feedback = field(default_factory=Feedback)
    item_table: pl.DataFrame | None = None
    user_table: pl.DataFrame | None = None
    name: str = "data"
    reading: Reading | None = None

    def __post_init__(self) -> None:
        self.feedback.check_ids(self.items, self.users)

    @classmethod
    def of(
        cls,
        frame: Frame,
        *,
        items: Frame | None = None,
        users: Frame | None = None,
        feedback: Feedback | None = None,
        name: str | None = None,
        **columns: Any,
    ) -> Dataset:
        """Read a table of interactions; see ``Events.from_frame`` for the column arguments."""
        events = Events.from_frame(frame, **columns)
        return cls.from_events(events, items=items, users=users, feedback=feedback, name=name)

    @classmethod
    def from_events(
        cls,
        events: Events,
        *,
        items: Frame | None = None,
        users: Frame | None = None,
        feedback: Feedback | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Give every id a code and every person a history.

        Parameters
        ----------
        items, users : tables that describe items and users, with their id in a column named as in
            the events, or as usual (see ``penchant.events.NAMES``), or else the first. Items that
            occur only here are part of the vocabulary, so that content can answer for them.
        feedback : what a row weighs; by default each row counts 1.

        Raises
        ------
        BadEvents : a table whose ids are of another type than the events', occur twice, are
            missing, or do not occur in the events at all.
        """
        frame = events.frame
        notes = list(events.reading.notes)
        feedback = feedback or Feedback()
        told = feedback.ids, events.reading, notes
        item_map, item_table = _vocabulary(frame["item"], items, "item", *told)
        user_map, user_table = _vocabulary(frame["user"], users, "user", *told)
        kinds = tuple(frame["kind"].unique().sort().to_list())
        if len(kinds) > np.iinfo(np.int16).max:
            raise BadEvents(
                f"{len(kinds):,} kinds of event, such as {kinds[0]!r}: is it the column?"
            )
        notes += [
            f"feedback names {kind!r}, which does not occur.{near(kind, kinds)}"
            for kind in sorted(feedback.kinds.difference(kinds))
        ]
        sessions = frame["session"]
        session = None
        if sessions.null_count() < len(sessions):
            session = sessions.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
        extra = [c for c in frame.columns if c not in ROLES]
        histories = Histories.of(
            user_map.encode(frame["user"]),
            item_map.encode(frame["item"]),
            people=len(user_map),
            kind=frame["kind"].cast(pl.Enum(kinds)).to_physical().to_numpy(),
            value=frame["value"].to_numpy(),
            time=frame["time"].to_numpy(),
            session=session,
            kinds=kinds,
            context=frame.select(extra) if extra else None,
        )
        return cls(
            item_map,
            user_map,
            histories,
            feedback,
            item_table,
            user_table,
            name or events.reading.source,
            replace(events.reading, notes=tuple(notes)),
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.histories.item)

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.name}: {len(self):,} events of {self.n_active_users:,} users "
            f"on {self.n_active_items:,} items>"
        )

    @property
    def n_active_users(self) -> int:
        """Number of users with at least one event."""
        return int(np.count_nonzero(self.histories.lengths))

    @property
    def n_active_items(self) -> int:
        """Number of items with at least one event."""
        item = self.histories.item
        return int(np.count_nonzero(np.bincount(item[item >= 0], minlength=len(self.items))))

    @property
    def scale(self) -> tuple[float, float] | None:
        """The lowest and the highest rating, clipped as they are learned; None without ratings."""
        values = self.feedback.clipped(self.histories)[self.histories.rated()]
        return (float(values.min()), float(values.max())) if len(values) else None

    @property
    def until(self) -> int:
        """Microseconds since 1970 (UTC) of the last event; -1 without times."""
        return int(self.histories.time.max(initial=-1))

    def now(self) -> NDArray[np.int64]:
        """(users,) the time of the last event, from which ages are counted in training."""
        return np.full(len(self.users), self.until, np.int64)

    def weights(self) -> CSR:
        """Return users x items: what each pair weighs (see ``Feedback.weigh``)."""
        return self.feedback.weigh(self.histories, len(self.items), self.now())

    def ratings(self) -> CSR:
        """Return users x items: the last rating of each pair."""
        return self.feedback.ratings(self.histories, len(self.items))

    def where(self, keep: NDArray[np.bool_]) -> Dataset:
        """Return the dataset with only some events; the vocabularies and tables stay."""
        return replace(self, histories=self.histories.where(keep))

    def events(self) -> Events:
        """Return the events by themselves, by person and time: to prepare a training part alone.

        Examples
        --------
        >>> data = Dataset.of({"user": [2, 1, 2], "item": ["a", "b", "c"]})
        >>> data.events().frame.select("user", "item").rows()
        [(1, 'b'), (2, 'a'), (2, 'c')]
        """
        h = self.histories
        frame = pl.DataFrame(
            {
                "user": self.users.values.gather(h.person()),
                "item": self.items.values.gather(h.item),
                "kind": pl.Series(h.kinds, dtype=pl.String).gather(h.kind),
                "value": h.value.astype(np.float64),
                "time": h.time,
                "session": pl.Series(h.session, dtype=pl.Int64).set(pl.Series(h.session < 0), None),
            }
        )
        held = {"value": ~np.isnan(h.value), "time": h.time >= 0, "session": h.session >= 0}
        columns = {role: role for role in ROLES if role not in held or held[role].any()}
        missing = 0 if "value" not in columns else int(np.count_nonzero(~held["value"]))
        repeats = len(frame) - frame.select("user", "item", "kind").n_unique()
        reading = Reading(self.name, columns, len(frame), missing_values=missing, repeats=repeats)
        return Events(frame if h.context is None else frame.hstack(h.context), reading)

    @property
    def shown(self) -> pl.DataFrame | None:
        """The columns of the item table a person recognises an item by: title and genres."""
        return None if self.item_table is None else recognised(self.item_table)

    def fingerprint(self) -> str:
        """Return a hash of the events and vocabularies: equal data, equal fingerprint."""
        digest = hashlib.sha256()
        h = self.histories
        for array in (h.indptr, h.item, h.kind, h.value, h.time):
            digest.update(np.ascontiguousarray(array).tobytes())
        for ids in (self.items, self.users):
            digest.update(ids.digest())
        return digest.hexdigest()[:16]

    def queries(
        self,
        users: Sequence[Any] | NDArray[Any] | pl.Series | None = None,
        *,
        likes: Sequence[Sequence[Any]] | None = None,
        tastes: Sequence[Tastes] | None = None,
        now: int | None = None,
        context: Frame | None = None,
        user_features: Frame | None = None,
    ) -> Queries:
        """Ask for known users, or for strangers by what they like.

        Parameters
        ----------
        users : ids of known users; by default, when nothing else is given, everyone.
        likes : for each stranger, ids of items they like, in the order they met them.
        tastes : for each asker, weights over item features, such as ``{"Sci-Fi": 1}``.
        now : microseconds since 1970 (UTC); by default the time of the last event in the data.
        context, user_features : tables with one row an asker.

        Raises
        ------
        UnknownId : a user or a liked item that does not occur.
        BadParameter : users together with likes, tables of another length, or one id where a list
            is needed.

        Examples
        --------
        >>> data = Dataset.of({"user": [1, 1, 2], "item": ["a", "b", "a"]})
        >>> len(data.queries()), data.queries(likes=[["b"]]).user
        (2, array([-1], dtype=int32))
        """
        if users is not None and likes is not None:
            raise BadParameter("queries are for known users or for strangers: not both at once")
        if now is not None and not isinstance(now, (int, np.integer)):
            raise BadParameter(f"now is a whole number of microseconds since 1970, got {now!r}")
        tastes = None if tastes is None else _tastes(tastes)
        if likes is not None:
            histories = self._liked(likes)
            user = np.full(len(histories), -1, np.int32)
        elif users is None and tastes is not None:
            user = np.full(len(tastes), -1, np.int32)
            histories = Histories.empty(len(tastes), self.histories.kinds)
        elif users is None:
            user = np.arange(len(self.users), dtype=np.int32)
            histories = self.histories
        else:
            user = self.users.encode(users)
            if (user < 0).any():
                self.users.code(list(users)[int(np.argmin(user))])  # raises UnknownId
            histories = self.histories.take(user)
        tables = {
            name: None if table is None else to_polars(table)
            for name, table in (("context", context), ("user_features", user_features))
        }
        for name, rows in [*tables.items(), ("tastes", tastes)]:
            if rows is not None and len(rows) != len(user):
                raise BadParameter(f"{name} has {len(rows)} rows for {len(user)} queries")
        described = tables["user_features"]
        if described is None and self.user_table is not None and (user >= 0).all():
            described = self.user_table[user]
        return Queries(
            items=self.items,
            users=self.users,
            histories=histories,
            user=user,
            now=np.full(len(user), self.until if now is None else now, np.int64),
            context=tables["context"],
            user_features=described,
            tastes=tastes,
        )

    def _liked(self, likes: Sequence[Sequence[Any]]) -> Histories:
        codes = []
        for row in likes if isinstance(likes, Iterable) else [likes]:
            if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
                raise BadParameter(f"likes is a list of lists, one for each stranger; got {row!r}")
            found = self.items.encode(row)
            if (found < 0).any():
                try:
                    self.items.code(list(row)[int(np.argmin(found))])
                except UnknownId as e:
                    raise UnknownId(f"likes: {e}") from None
            codes.append(found)
        people = np.repeat(np.arange(len(codes)), [len(c) for c in codes])
        item = np.concatenate([*codes, np.zeros(0, np.int32)])
        return Histories.of(people, item, people=len(codes), kinds=("like",))


def _tastes(tastes: Sequence[Tastes]) -> tuple[Tastes, ...]:
    if isinstance(tastes, Mapping) or not isinstance(tastes, Iterable):
        raise BadParameter(f"tastes is a list, one mapping for each asker: [{tastes!r}]")
    for one in tastes:
        if not isinstance(one, Mapping):
            raise BadParameter(f"tastes are weights by name, such as {{'Drama': 1}}, got {one!r}")
        for name, weight in one.items():
            if not isinstance(weight, (int, float, np.number)) or not math.isfinite(weight):
                raise BadParameter(f"the taste for {name!r} must be a number, got {weight!r}")
    return tuple(dict(one) for one in tastes)


def _vocabulary(
    met: pl.Series,
    table: Frame | None,
    role: str,
    spelling: Spelling,
    reading: Reading,
    notes: list[str],
) -> tuple[IdMap, pl.DataFrame | None]:
    """Return the map of the ids met and described, and the table with a row for each of them."""
    ids = IdMap.of(met, spelling=spelling)
    others = met.n_unique() - len(ids) if spelling != "exact" else 0
    if others:
        one = met.filter(~met.is_in(ids.values.implode()))[0]
        known = ids.decode(ids.encode([one]))[0]
        notes.append(
            f"{others:,} {role} ids are others, spelt differently, such as {one!r} for {known!r}"
        )
    if table is None:
        return ids, None
    rows, key, keys = described(table, role, ids, reading.columns.get(role))
    met_here = np.zeros(len(ids), bool)
    codes = ids.encode(keys)
    met_here[codes[codes >= 0]] = True
    if len(keys) and not met_here.any():
        raise BadEvents(
            f"the {role} table, column {key!r}: none of its ids, such as "
            f"{shown(ids.kind, keys[0])!r}, occurs in the events"
        )
    if not met_here.all():
        missing = len(ids) - int(met_here.sum())
        notes.append(f"{missing:,} of {len(ids):,} {role}s have no row in their table")
    # The table's spelling of an id before the events'.
    undescribed = ids.values.filter(pl.Series(~met_here))
    ids = IdMap.of(pl.concat([undescribed, keys.alias(undescribed.name)]), spelling=spelling)
    place = pl.DataFrame({"code": ids.encode(keys)}).with_row_index("row")
    order = pl.DataFrame({"code": np.arange(len(ids), dtype=np.int32)})
    order = order.join(place, on="code", how="left", maintain_order="left")
    rest = rows.drop(key).select(pl.all().gather(order["row"]))
    return ids, pl.DataFrame({key: ids.values}).hstack(rest)


def described(
    table: Frame, role: str, ids: IdMap, named: str | None = None
) -> tuple[pl.DataFrame, str, pl.Series]:
    """Return a table that describes items or users, the name of its column of ids, and the ids.

    Parameters
    ----------
    role : "item" or "user".
    ids : a map whose type the ids must have, and whose spelling says which of them are the same.
    named : what the column of ids is called; else one of the usual names is, or it comes first.

    Raises
    ------
    BadEvents : no columns; ids of another type, that are missing, or that occur twice.
    """
    rows = to_polars(table)
    if not rows.columns:
        raise BadEvents(f"the {role} table has no columns")
    usual = [c for n in NAMES[role] for c in rows.columns if plain(c) == n]
    key = named if named in rows.columns else next(iter([*usual, *rows.columns]))
    what = f"the {role} table, column {key!r}"
    try:
        kind, keys = as_ids(rows[key])
    except BadEvents as e:
        raise BadEvents(f"{what}: {e}") from None
    if not len(keys):
        return rows, key, ids.values.clear()
    if kind != ids.kind:
        raise BadEvents(
            f"{what} holds {kind} ids such as {shown(kind, keys[0])!r}, the events' {role} "
            f"column {ids.kind} ids such as {ids.decode([0])[0]!r}"
        )
    twice = keys.filter(cleaned(keys, ids.spelling).is_duplicated())
    if len(twice):
        raise BadEvents(f"{what} describes {shown(kind, twice[0])!r} more than once")
    return rows, key, keys


def recognised(table: pl.DataFrame) -> pl.DataFrame | None:
    """Return the columns a person recognises an item by, as title and genres; None if none does."""
    lower = {c.lower(): c for c in reversed(table.columns)}
    title = next((lower[t] for t in TITLES if t in lower), None)
    genres = next((lower[g] for g in GENRES if g in lower), None)
    columns = {"title": title, "genres": genres}
    made = [pl.col(c).alias(name) for name, c in columns.items() if c is not None]
    return table.select(made) if made else None


def describe(data: Dataset) -> Mapping[str, Any]:
    """Return counts of a dataset: events, users, items, density, ratings, first and last time."""
    users, items = data.n_active_users, data.n_active_items
    times = data.histories.time[data.histories.time >= 0]
    return {
        "events": len(data),
        "users": users,
        "items": items,
        "items without events": len(data.items) - items,
        "density": len(data) / max(users * items, 1),
        "scale": data.scale,
        "kinds": data.histories.kinds,
        "first": int(times.min()) if len(times) else None,
        "last": int(times.max()) if len(times) else None,
    }
