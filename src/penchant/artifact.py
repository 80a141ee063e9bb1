"""save and load: a fitted model as a directory of arrays, ids and a manifest. Nothing executes.

docs/artifact.md describes the directory for readers in other languages.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import os
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

import penchant
from penchant import manifest
from penchant.directories import reading, replacing, sync
from penchant.errors import BadArtifact, BadParameter, Incompatible, NotFitted, PenchantError
from penchant.feedback import Feedback
from penchant.ids import IdMap, Kind, Spelling
from penchant.kernels.csr import CSR
from penchant.recommender import Recommender
from penchant.training import Training

CLASSES = (
    ("penchant.models.co_clustering", "CoClustering"),
    ("penchant.models.content", "ContentBased"),
    ("penchant.models.factorization", "ALS"),
    ("penchant.models.fm", "BayesianFM"),
    ("penchant.models.graph", "P3alpha"),
    ("penchant.models.graph", "RP3beta"),
    ("penchant.models.hybrid", "Fallback"),
    ("penchant.models.hybrid", "Mixed"),
    ("penchant.models.hybrid", "Switching"),
    ("penchant.models.hybrid", "Weighted"),
    ("penchant.models.linear", "EASE"),
    ("penchant.models.logistic", "LogisticMF"),
    ("penchant.models.markov", "MarkovChain"),
    ("penchant.models.markov", "SequentialRules"),
    ("penchant.models.neighbours", "ItemKNN"),
    ("penchant.models.neighbours", "UserKNN"),
    ("penchant.models.pairwise", "BPR"),
    ("penchant.models.pairwise", "WARP"),
    ("penchant.models.popularity", "Popularity"),
    ("penchant.models.popularity", "PopularityRecent"),
    ("penchant.models.ratings", "Biases"),
    ("penchant.models.rating_factors", "NMF"),
    ("penchant.models.rating_factors", "SVD"),
    ("penchant.models.rating_factors", "SVDpp"),
    ("penchant.models.slim", "SLIM"),
    ("penchant.models.slope_one", "SlopeOne"),
    ("penchant.models.spectral", "GraphFilter"),
)
"""The only classes that a file can name; others are handed to ``load`` as ``known``."""

_ID_TYPES: dict[Kind, pl.DataType] = {"int": pl.Int64(), "str": pl.String(), "uuid": pl.Binary()}

# What damaged bytes make the readers raise; reached with verify=False only.
_NOT_NPY = (ValueError, TypeError, EOFError, OverflowError, SyntaxError, tokenize.TokenError)
_NOT_ARROW = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)

Node = Any
"""A value as the manifest holds it: see "Values" in docs/artifact.md."""


def save(
    model: Recommender,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    position: int | None = None,
) -> None:
    """Write a fitted model to a directory: arrays, ids, item titles and a manifest.

    The model is written beside ``path`` and then renamed: if the process dies, ``load`` finds the
    model that was there before, whole, and the next ``save`` removes what was left behind.

    Users' ids are written only for a model that reads "user" (see docs/artifact.md).

    Parameters
    ----------
    path : the directory to make, in a folder that exists.
    overwrite : whether a model at ``path`` may be replaced. Nothing else ever is.
    position : in the log of a store, of the last event that the model could have learned from; it
        goes into the manifest. None: it learned from something else.

    Raises
    ------
    NotFitted : the model has not been fitted.
    Incompatible : an attribute of a type that cannot be saved; the message names it.
    BadParameter : ``path`` is taken, or its folder does not exist.

    Examples
    --------
    >>> import penchant as pt, tempfile
    >>> model = pt.EASE(l2=50.0).fit(pt.datasets.planted())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pt.save(model, f"{folder}/films.model")
    ...     pt.load(f"{folder}/films.model").l2
    50.0
    """
    if not isinstance(model, Recommender):
        raise Incompatible(f"save takes a Recommender, got {_typed(model)}")
    if "training_" not in vars(model):
        raise NotFitted(f"{model.name} has not been fitted: call fit(data) before save")
    path = Path(path)
    with replacing(path, lambda: manifest.replaceable(path, overwrite=overwrite)) as folder:
        _Writer(folder).write(model, position)


def load(
    path: str | os.PathLike[str], *, known: Sequence[type[Recommender]] = (), verify: bool = True
) -> Recommender:
    """Read a model that ``save`` wrote. Nothing in the files is executed or unpickled.

    Arrays are mapped into memory, read-only: a page is read when it is first needed, and processes
    that load the same model share it.

    Parameters
    ----------
    known : classes of your own that the manifest may name, besides those of penchant.
    verify : whether to hash every file and compare. False reads no array: for a model that has been
        verified on this disk before. The manifest, the names and the sizes are checked regardless.

    Raises
    ------
    BadArtifact : no model, a foreign directory, a newer format, an unknown class, or files that are
        damaged, truncated, missing or in excess; the message says which and what to do.

    Notes
    -----
    Hashes tell damage, not malice: whoever forges the files forges their hashes too. A forged model
    runs no code of its own, but its answers are its maker's.
    """
    path = Path(path)
    for cls in known:
        if not (isinstance(cls, type) and issubclass(cls, Recommender)):
            raise BadParameter(f"known holds subclasses of Recommender, got {cls!r}")

    def read(folder: Path) -> Recommender:
        return _Reader(folder, manifest.checked(folder, verify=verify), known, verify).read()

    try:
        return reading(path, read)
    except FileNotFoundError as e:
        there = f"{path} is a file" if path.exists() else f"there is nothing at {path}"
        raise BadArtifact(f"{there}; a penchant model is a directory that save made") from e


class _At(NamedTuple):
    """Where a value belongs: to a model, in a folder, below models whose users' ids are kept."""

    owner: Recommender
    folder: str
    kept: tuple[IdMap, ...]
    name: str = ""

    def item(self, n: int) -> _At:
        return self._replace(name=f"{self.name}/{n}")

    @property
    def file(self) -> str:
        return self.folder + self.name

    def __str__(self) -> str:
        attribute, *inner = self.name.split("/")
        return f"{type(self.owner).__name__}.{attribute}" + "".join(f"[{n}]" for n in inner)


class _Writer:
    """Writes a model, and those it contains, into a fresh folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, dict[str, Any]] = {}
        self.by_hash: dict[str, str] = {}
        self.models: list[dict[str, Any]] = []
        self.folders: dict[int, str] = {}

    def write(self, model: Recommender, position: int | None) -> None:
        self._model(model, "", ())
        content = {
            "format": manifest.FORMAT,
            "version": manifest.VERSION,
            "penchant": penchant.__version__,
            "position": position,
            "models": self.models,
            "files": self.files,
        }
        manifest.write(self.folder, content)

    def _model(self, model: Recommender, folder: str, kept: tuple[IdMap, ...]) -> Node:
        """Write a model into ``folder`` ("", or "parts/0/"), those it contains before it."""
        if id(model) not in self.folders:  # a part that stands in two places is written once
            cls, training = type(model), vars(model).get("training_")
            if training is not None and "user" in model.reads:
                kept = (*kept, training.users)
            at = _At(model, folder, kept)
            fields = [f.name for f in dataclasses.fields(model) if f.init]  # type: ignore[arg-type]
            learned = dict(model._learned())
            entry = {
                "folder": folder,
                "class": f"{cls.__module__}.{cls.__qualname__}",
                "fields": {n: self._field(getattr(model, n), at._replace(name=n)) for n in fields},
                "learned": {n: self._learned(v, at._replace(name=n)) for n, v in learned.items()},
                "training": None if training is None else self._training(training, at),
            }
            self.models.append(entry)
            self.folders[id(model)] = folder
        return {"model": self.folders[id(model)]}

    def _field(self, value: Any, at: _At) -> Node:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float) and np.isfinite(value):
            return value
        if isinstance(value, Recommender):
            return self._model(value, at.file + "/", at.kept)
        if isinstance(value, (list, tuple)):
            inner = [self._field(one, at.item(n)) for n, one in enumerate(value)]
            return {"tuple": inner} if isinstance(value, tuple) else inner
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            pairs = enumerate(value.items())
            return {"mapping": {key: self._field(one, at.item(n)) for n, (key, one) in pairs}}
        raise Incompatible(
            f"{at} is {_typed(value)}, which cannot be saved; a hyper-parameter is a finite "
            "number, text, truth value, None or Recommender, or a list, tuple or mapping of these"
        )

    def _learned(self, value: Any, at: _At) -> Node:
        if type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject:
            return self._array(value, at.file)
        if isinstance(value, CSR):
            arrays = {n: getattr(value, n) for n in ("indptr", "indices", "data")}
            nodes = {n: self._array(array, f"{at.file}.{n}") for n, array in arrays.items()}
            return {"csr": nodes, "columns": value.columns}
        if isinstance(value, IdMap):
            return self._ids(value, at.file)
        if isinstance(value, pl.DataFrame):
            try:
                return self._table(value, at.file)
            except pl.exceptions.PolarsError as e:
                raise Incompatible(f"{at} cannot be saved as an Arrow table: {e}") from e
        if isinstance(value, Recommender):
            return self._model(value, at.file + "/", at.kept)
        if isinstance(value, list):
            return [self._learned(one, at.item(n)) for n, one in enumerate(value)]
        raise Incompatible(
            f"{at} is {_typed(value)}, which cannot be saved; a learned attribute is a numpy "
            "array, CSR, IdMap, polars DataFrame or Recommender, or a list of these (for a single "
            "number: np.array(number))"
        )

    def _training(self, training: Training, at: _At) -> dict[str, Node]:
        names = ("fitted", "until", "events", "fingerprint", "seed")
        plain = {n: getattr(training, n) for n in names}
        known = any(training.users == users for users in at.kept)
        nobody = {"ids": None, "kind": training.users.kind, "spelling": training.users.spelling}
        shown = training.shown
        return plain | {
            "feedback": training.feedback.to_json(),
            "scale": training.scale,
            "items": self._ids(training.items, at.folder + "items"),
            "users": self._ids(training.users, at.folder + "users") if known else nobody,
            "shown": None if shown is None else self._table(shown, at.folder + "shown"),
        }

    def _array(self, array: NDArray[Any], name: str) -> Node:
        file = self._file(f"{name}.npy", lambda f: np.save(f, array, allow_pickle=False))
        return {"array": file, "dtype": array.dtype.str, "shape": list(array.shape)}

    def _ids(self, ids: IdMap, name: str) -> Node:
        table = self._table(pl.DataFrame({"id": ids.values}), name)
        return {"ids": table["table"], "kind": ids.kind, "spelling": ids.spelling}

    def _table(self, table: pl.DataFrame, name: str) -> Node:
        # Strings in the oldest layout, which every Arrow reader knows; all rows in one batch.
        oldest, rows = pl.CompatLevel.oldest(), max(table.height, 1)

        def write(file: IO[bytes]) -> None:
            table.write_ipc(
                file, compression="uncompressed", compat_level=oldest, record_batch_size=rows
            )

        return {"table": self._file(f"{name}.arrow", write)}

    def _file(self, name: str, write: Callable[[IO[bytes]], None]) -> str:
        """Write a file; return its name, or that of an earlier file with the same content."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x+b") as file:
            write(file)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest not in self.by_hash:
                sync(file)
        if digest in self.by_hash:
            path.unlink()
        else:
            self.by_hash[digest] = name
            self.files[name] = {"bytes": size, "sha256": digest}
        return self.by_hash[digest]


class _Reader:
    """Builds the models that a checked manifest describes."""

    def __init__(
        self,
        folder: Path,
        content: dict[str, Any],
        known: Sequence[type[Recommender]],
        verify: bool,
    ) -> None:
        self.folder, self.content, self.known, self.verify = folder, content, known, verify
        self.models: dict[str, Recommender] = {}
        self.shared: dict[tuple[str, ...], Any] = {}

    def read(self) -> Recommender:
        try:
            for entry in self.content["models"]:
                self.models[entry["folder"]] = self._model(entry)
            return self.models[""]
        except BadArtifact:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as e:
            raise BadArtifact(
                f"{self.folder / manifest.NAME} does not describe a model "
                f"({type(e).__name__}: {e}); {manifest.MEND}"
            ) from e

    def _model(self, entry: dict[str, Any]) -> Recommender:
        cls = _class(self.folder, entry["class"], self.known)
        fields = {name: self._value(node) for name, node in entry["fields"].items()}
        try:
            model = cls(**fields)
        except (TypeError, PenchantError) as e:
            raise BadArtifact(
                f"{self.folder}: {entry['class']} cannot be made from what was saved ({e}); "
                "load it with the version it was saved with, or fit it anew"
            ) from e
        for name, node in entry["learned"].items():
            if name == "training_" or not re.fullmatch(r"[^\W_]\w*_", name):
                raise ValueError(f"{name} is no learned attribute")
            setattr(model, name, self._value(node))
        if entry["training"] is not None:
            model.training_ = self._training(**entry["training"])
        return model

    def _training(
        self, *, items: Node, users: Node, shown: Node, feedback: Any, scale: Any, **plain: Any
    ) -> Training:
        training = Training(
            items=self._value(items),
            users=self._value(users),
            shown=self._value(shown),
            feedback=Feedback(**feedback),
            scale=None if scale is None else (scale[0], scale[1]),
            **plain,
        )
        if training.shown is not None and training.shown.height != len(training.items):
            raise ValueError(f"{training.shown.height} titles of {len(training.items)} items")
        return training

    def _value(self, node: Node) -> Any:
        match node:
            case None | bool() | int() | float() | str():
                return node
            case list():
                return [self._value(one) for one in node]
            case {"tuple": list(inner)}:
                return tuple(self._value(one) for one in inner)
            case {"mapping": dict(inner)}:
                return {name: self._value(one) for name, one in inner.items()}
            case {"model": str(folder)}:
                return self.models[folder]
            case {"array": str(file), "dtype": str(dtype), "shape": list(shape)}:
                return self._array(file, dtype, tuple(shape))
            case {"csr": dict(arrays), "columns": int(columns)}:
                named = {name: self._value(one) for name, one in arrays.items()}
                return self._csr(CSR(**named, columns=columns))
            case {
                "ids": (None | str()) as file,
                "kind": ("int" | "str" | "uuid") as kind,
                "spelling": ("exact" | "trimmed" | "folded") as spelling,
            }:
                key = file or "nobody", kind, spelling
                return self._once(lambda: self._ids(file, kind, spelling), *key)
            case {"table": str(file)}:
                return self._once(lambda: self._table(file), file)
        raise ValueError(f"{node!r} is no value that save writes")

    def _once(self, make: Callable[[], Any], *key: str) -> Any:
        """Make one object of what one file holds: models that shared a map share it again."""
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]

    def _path(self, file: str) -> Path:
        if file not in self.content["files"]:  # those listed were found inside the folder
            raise ValueError(f"{file} is not among its files")
        return self.folder / file

    def _array(self, file: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        path = self._path(file)
        try:
            array = np.asarray(np.lib.format.open_memmap(path, mode="r"))
        except _NOT_NPY as e:
            raise BadArtifact(f"{path} is not a whole .npy file ({e}); {manifest.MEND}") from e
        if (array.dtype.str, array.shape) != (dtype, shape):
            raise BadArtifact(
                f"{path} holds {array.dtype.str} of shape {array.shape}, and {manifest.NAME} says "
                f"{dtype} of shape {shape}; {manifest.MEND}"
            )
        return array

    def _csr(self, matrix: CSR) -> CSR:
        """Check what compiled code relies on: it reads where indices point, without asking."""
        indptr, indices, data = matrix.indptr, matrix.indices, matrix.data
        good = [a.dtype.str for a in (indptr, indices, data)] == ["<i8", "<i4", "<f4"]
        good = good and indices.shape == data.shape == (indptr[-1],) and indptr[0] == 0
        if good and self.verify and len(indices):
            good = indices.min() >= 0 and indices.max() < matrix.columns
            good = good and bool(np.all(indptr[1:] >= indptr[:-1]))
        if not good:
            raise ValueError(f"arrays of {len(indices)} entries that are no CSR matrix")
        return matrix

    def _ids(self, file: str | None, kind: Kind, spelling: Spelling) -> IdMap:
        if file is None:
            return IdMap.from_arrow(kind, pl.Series("id", [], _ID_TYPES[kind]), spelling)
        table = self._table(file)
        if table.schema != {"id": _ID_TYPES[kind]} or table["id"].null_count():
            raise BadArtifact(f"{self.folder / file} holds no ids of type {kind}; {manifest.MEND}")
        return IdMap.from_arrow(kind, table["id"], spelling)

    def _table(self, file: str) -> pl.DataFrame:
        path = self._path(file)
        with path.open("rb") as source:  # opened here: polars takes "[1]" in a path as a glob
            try:
                return pl.read_ipc(source)
            except _NOT_ARROW as e:
                raise BadArtifact(f"{path} is not a whole Arrow file ({e}); {manifest.MEND}") from e


def _class(folder: Path, name: str, known: Sequence[type[Recommender]]) -> type[Recommender]:
    module, _, short = name.rpartition(".")
    if (module, short) in CLASSES:
        found: type[Recommender] = getattr(importlib.import_module(module), short)
        return found
    same = [c for c in known if f"{c.__module__}.{c.__qualname__}" == name]
    # A class may have moved since, as one does that was saved from a script.
    same = same or [c for c in known if c.__qualname__.rpartition(".")[2] == short]
    if len(same) != 1:
        raise BadArtifact(
            f"{folder} is a {short}, a class of {module or 'nowhere'} that penchant does not know: "
            f"import it and pass load(path, known=({short},))"
        )
    return same[0]


def _typed(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return "an array of Python objects"
    if isinstance(value, float):
        return repr(value)
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")
