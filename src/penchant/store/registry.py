"""The versions of the model: which there are, how good they are, and which is in use."""

from __future__ import annotations

import builtins
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from penchant import manifest
from penchant.errors import BadArtifact, BadParameter, Conflict, UnknownId, near
from penchant.store.numbers import bump
from penchant.store.schema import erasures, models, promotions

if TYPE_CHECKING:
    from penchant.store.store import Store


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the model.

    Parameters
    ----------
    version : "m" and eight digits.
    path : its directory, below the folder of the registry.
    name : what it is, for people.
    state : "accepted"; "refused" by the gate; "retired": its files are deleted; "saving": they are
        being written.
    position, erasures : of the last event it could have learned from, and how many erasures there
        had been before it read the log.
    events : how many it learned from.
    created : microseconds since 1970.
    metrics : by name, such as ``{"NDCG@10": {"mean": 0.31, "low": 0.30, "high": 0.32}}``.
    gate : ``[{"check": ..., "passed": ..., "reason": ...}, ...]``.
    """

    version: str
    path: str
    name: str
    state: str
    position: int
    erasures: int
    events: int
    created: int
    metrics: dict[str, Any]
    gate: list[dict[str, Any]]


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A move of the pointer: to which version, when, by whom, and why ("promote", "rollback")."""

    version: str
    time: int
    by: str
    why: str


class Registry:
    """The models of a store: rows in its tables, and directories in a folder.

    Parameters
    ----------
    folder : where the directories are; made when the first model is added. Workers on other
        machines need to see the same folder.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self.folder = folder

    def add(
        self,
        save: Callable[[Path], None],
        *,
        name: str,
        position: int,
        erasures: int,
        events: int,
        metrics: Mapping[str, Any],
        gate: Sequence[Mapping[str, Any]],
        accepted: bool,
        now: int,
    ) -> Model:
        """Write a model and register it; it is not in use yet.

        Parameters
        ----------
        save : writes the model to a path, as ``penchant.save(model, path)`` does.
        position, events : of the last event it could have learned from, and how many they are.
        erasures : ``store.numbers().get("erasures", 0)``, read before the events were.
        accepted : whether it passed the gate; one that did not can never be promoted.
        now : microseconds since 1970.

        Raises
        ------
        BadArtifact : what was saved is not whole; it is deleted.
        Conflict : it learned from someone whose erasure is complete, or was retired meanwhile; it
            is deleted.
        """
        row = {
            "name": name,
            "state": "saving",
            "position": position,
            "erasures": erasures,
            "events": events,
            "created": now,
            "metrics": _json(dict(metrics)),
            "gate": _json([dict(check) for check in gate]),
        }
        with self._store.writing() as connection:
            version = f"m{bump(connection, 'models'):08d}"
            _refuse_erased(connection, position, erasures)
            row |= {"version": version, "path": version}
            connection.execute(insert(models).values(row))
        self.folder.mkdir(parents=True, exist_ok=True)
        saving = (models.c.version == version) & (models.c.state == "saving")
        try:
            save(self.folder / version)
            manifest.checked(self.folder / version, verify=True)
        except BaseException:
            self._delete(version)
            with self._store.writing() as connection:
                connection.execute(delete(models).where(saving))
            raise
        ready = update(models).where(saving).values(state="accepted" if accepted else "refused")
        with self._store.writing() as connection:
            if not connection.execute(ready).rowcount:
                raise Conflict(f"{version} was retired while it was being saved.")
        return self.get(version)

    def list(self) -> list[Model]:
        """Return all versions, newest first, retired ones too."""
        asked = select(models).where(models.c.state != "saving").order_by(models.c.version.desc())
        with self._store.reading() as connection:
            return [_model(row) for row in connection.execute(asked)]

    def get(self, version: str) -> Model:
        """Return a version.

        Raises
        ------
        UnknownId : there is none of this name.
        """
        with self._store.reading() as connection:
            return _get(connection, version)

    def path(self, version: str) -> Path:
        """Return the directory of a version.

        Raises
        ------
        UnknownId : there is no such version, whatever the folder holds.
        Conflict : its files are deleted.
        BadArtifact : the directory is missing or not in the folder of the registry.
        """
        model = self.get(version)
        if model.state == "retired":
            raise Conflict(f"{version} is retired: its files are deleted. Train again.")
        path = self.folder / model.path
        if path.resolve().parent != self.folder.resolve() or not path.is_dir():
            raise BadArtifact(
                f"{version} should be at {path}, and is not. Is {self.folder} the folder that "
                "models of this store are saved to?"
            )
        return path

    def in_use(self) -> Model | None:
        """Return the version that answers requests; None: none does yet."""
        with self._store.reading() as connection:
            version = _pointer(connection)
            return None if version is None else _get(connection, version)

    def history(self) -> builtins.list[Promotion]:
        """Return the moves of the pointer, oldest first."""
        with self._store.reading() as connection:
            return _history(connection)

    def line(self) -> builtins.list[str]:
        """Return the versions that rollbacks lead through, the one in use last."""
        return _stack(self.history())

    def promote(self, version: str, *, by: str, now: int, expected: str | None = None) -> None:
        """Make a version the one in use; workers swap before their next request.

        Nothing happens to one that is in use already.

        Parameters
        ----------
        by : who does, for the history.
        expected : the version that is thought to be in use; "": none is. Of several who expect
            the same, one succeeds. None: whichever it is.

        Raises
        ------
        UnknownId : there is no such version.
        Conflict : another one than ``expected`` is in use; or the version was refused, or is
            retired. Nothing is changed.
        BadArtifact : its files are missing.
        """
        with self._store.writing() as connection:
            bump(connection, "promotions")  # from here on nobody else moves the pointer
            current = _pointer(connection)
            if expected is not None and expected != (current or ""):
                raise Conflict(
                    f"{current or 'no model'} is in use, not {expected or 'none'}; someone else "
                    "was first. Look again, then decide"
                )
            model = _get(connection, version)
            if model.state != "accepted":
                raise Conflict(f"{version} cannot be used: {_why_not(model)}")
            if not (self.folder / model.path).is_dir():
                raise BadArtifact(
                    f"{version} cannot be used: {self.folder / model.path} is missing"
                )
            if version != current:
                _point(connection, version, by, now, "promote")

    def roll_back(self, *, by: str, now: int) -> Model:
        """Go back to the version that was in use before the one that is; return it.

        Doing so again goes back further. What was rolled back from does not count as in use
        before: after promotions of 1, 2, a rollback and a promotion of 3, a rollback leads to 1.
        Retired versions are passed over.

        Raises
        ------
        Conflict : there is none before it.
        """
        with self._store.writing() as connection:
            bump(connection, "promotions")
            for version in reversed(_stack(_history(connection))[:-1]):
                model = _get(connection, version)
                if model.state == "accepted" and (self.folder / model.path).is_dir():
                    _point(connection, version, by, now, "rollback")
                    return model
        raise Conflict("There is no earlier version to go back to whose files are still there.")

    def retire(self, version: str) -> None:
        """Delete the files of a version; its row stays. One that is retired is left alone.

        Processes that have it open go on with it until they close it.

        Raises
        ------
        UnknownId : there is no such version.
        Conflict : it is in use.
        """
        with self._store.writing() as connection:
            # As promote does, so that it is not promoted meanwhile.
            bump(connection, "promotions")
            _get(connection, version)
            if version == _pointer(connection):
                raise Conflict(f"{version} is in use. Promote another one first, then retire it.")
            retired = update(models).where(models.c.version == version).values(state="retired")
            connection.execute(retired)
        self._delete(version)

    def _delete(self, version: str) -> None:
        """Delete a directory and what a dead process may have left of it."""
        path = self.folder / version
        if path.is_dir() and not path.is_symlink():
            aside = path.with_name(f".{version}.{os.urandom(4).hex()}")
            with suppress(FileNotFoundError):  # someone else was first
                os.rename(path, aside)  # at once, so that nobody finds half of it
        for left in self.folder.glob(f".{version}.*"):
            with suppress(FileNotFoundError):  # someone else is at it; what is left shows in gone
                shutil.rmtree(left)

    def gone(self, version: str) -> bool:
        """Return whether nothing of a retired version is left in the folder."""
        return not any(self.folder.glob(f"*{version}*"))


def _refuse_erased(connection: Connection, position: int, seen: int) -> None:
    """Raise Conflict for a model that learned from someone who is said to be erased."""
    late = (erasures.c.number > seen) & (erasures.c.position <= position)
    done = select(erasures.c.erasure_id).where(late & erasures.c.completed.is_not(None))
    if connection.execute(done.limit(1)).first() is not None:
        raise Conflict(
            "The model learned from someone who has been erased since it read the log. It is not "
            "registered; train again."
        )


def _get(connection: Connection, version: str) -> Model:
    row = connection.execute(select(models).where(models.c.version == version)).first()
    if row is None:
        known = connection.execute(select(models.c.version)).scalars().all()
        raise UnknownId(f"there is no model {version!r:.80}.{near(version, known)}")
    return _model(row)


def _history(connection: Connection) -> list[Promotion]:
    asked = select(promotions).order_by(promotions.c.number)
    return [
        Promotion(version=row.version, time=row.time, by=row.by, why=row.why)
        for row in connection.execute(asked)
    ]


def _pointer(connection: Connection) -> str | None:
    asked = select(promotions.c.version).order_by(promotions.c.number.desc()).limit(1)
    return connection.execute(asked).scalar()


def _point(connection: Connection, version: str, by: str, now: int, why: str) -> None:
    row = {"version": version, "time": now, "by": by, "why": why}
    connection.execute(insert(promotions).values(row))


def _stack(history: Sequence[Promotion]) -> list[str]:
    """Return which versions a rollback goes through, the one in use last."""
    stack: list[str] = []
    for move in history:
        if move.why == "rollback":
            while stack[-1] != move.version:
                stack.pop()
        else:
            stack.append(move.version)
    return stack


def _why_not(model: Model) -> str:
    if model.state == "retired":
        return "it is retired, its files are deleted"
    if model.state == "saving":
        return "it is still being saved"
    failed = [f"{c.get('check')}: {c.get('reason')}" for c in model.gate if not c.get("passed")]
    return f"the gate refused it ({'; '.join(failed) or 'no reason was given'})"


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError) as error:
        raise BadParameter(f"metrics and gate hold what JSON can: {error}") from error


def _model(row: Any) -> Model:
    return Model(
        version=row.version,
        path=row.path,
        name=row.name,
        state=row.state,
        position=row.position,
        erasures=row.erasures,
        events=row.events,
        created=row.created,
        metrics=msgspec.json.decode(row.metrics),
        gate=msgspec.json.decode(row.gate),
    )
