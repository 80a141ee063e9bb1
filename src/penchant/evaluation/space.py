"""What is worth trying: the search space of a model's hyper-parameters, from its fields."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from penchant.errors import BadParameter, near
from penchant.parameters import hypers
from penchant.recommender import Recommender


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high : the ends.
    log : whether to try as many from 1 to 10 as from 10 to 100.
    whole : whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def holds(self, value: Any) -> bool:
        """Return whether a value is in the range."""
        number = isinstance(value, int if self.whole else (int, float))
        return number and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + " (log)" * self.log


@dataclass(frozen=True)
class Choice:
    """A few values."""

    options: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of them."""
        return value in self.options

    def __str__(self) -> str:
        return ", ".join(map(repr, self.options))


Space = dict[str, Range | Choice]
Asked = Mapping[str, Any] | Sequence[str]


def declared(model: Recommender) -> Space:
    """Return what the fields of a model, and of its parts, say is worth trying.

    A field with a ``search`` range is searched there; one with a few named values, or true and
    false, among those; not one that says it is not worth it, or that changes nothing beside the
    model's other settings. Values that the model refuses beside its other settings, or that change
    what its scores mean, are left out, and so is a field that has one value left. Names of a part's
    fields begin with its number: "0.l2".
    """
    found: Space = {}
    for name, (hint, about) in hypers(type(model)).items():
        options = _options(hint)
        if about.search == () or (about.when and not getattr(model, about.when)):
            continue
        if about.search:
            whole = int in options and float not in options
            found[name] = Range(*about.search, about.log, whole)
        else:
            values = [v for v in _values(options) if _accepted(model, name, v)]
            if len(values) > 1:
                found[name] = Choice(tuple(values))
    for n, part in enumerate(parts_of(model)):
        found |= {f"{n}.{name}": one for name, one in declared(part).items()}
    return found


def space_of(model: Recommender, asked: Asked | None) -> Space:
    """Return the space that was asked for.

    Parameters
    ----------
    asked : None: all that is ``declared``. Names: only those. A mapping: for each name (low, high),
        (low, high, "log"), a list of values, or ``...`` for what is declared.

    Raises
    ------
    BadParameter : a name the model does not have, or values it cannot take; each is named.
    """
    known = declared(model)
    if asked is None:
        if not known:
            raise BadParameter(f"{model.name} has nothing to tune: no field says what to try")
        return known
    if isinstance(asked, str):
        raise BadParameter(f"space holds names: write space=[{asked!r}]")
    wanted = dict(asked) if isinstance(asked, Mapping) else dict.fromkeys(asked, ...)
    if not wanted:
        raise BadParameter("space is empty: name a parameter, or pass None for all")
    return {name: _one(model, name, value, known) for name, value in wanted.items()}


def changed(model: Recommender, settings: Mapping[str, Any]) -> Recommender:
    """Return an unfitted copy with other settings; "0.l2" is the ``l2`` of the first part.

    Raises
    ------
    BadParameter : no such field, or a value it cannot take.
    """
    own = {name: value for name, value in settings.items() if "." not in name}
    inner: dict[int, dict[str, Any]] = {}
    for name, value in settings.items():
        number, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(int(number), {})[rest] = value
    if inner:
        parts = enumerate(parts_of(model))
        own["parts"] = [changed(p, inner[n]) if n in inner else p for n, p in parts]
    return replace(model, **own)  # type: ignore[type-var]


def parts_of(model: Recommender) -> Sequence[Recommender]:
    """Return the models that a composite is made of."""
    parts = getattr(model, "parts", ())
    return parts if isinstance(parts, Sequence) else ()


def _owner(model: Recommender, name: str) -> tuple[Recommender, str]:
    """Return the model or part that a name is of, and the field's own name."""
    number, dot, rest = name.partition(".")
    parts = parts_of(model)
    if dot and number.isdigit() and int(number) < len(parts):
        return _owner(parts[int(number)], rest)
    own = hypers(type(model))
    if dot or name not in own:
        also = f", and those of its parts from 0. to {len(parts) - 1}." if parts else ""
        raise BadParameter(
            f"space: {model.name} has no parameter {name!r}; it has {', '.join(own) or 'none'}"
            f"{also}.{near(name, own)}"
        )
    return model, name


def _one(model: Recommender, name: str, asked: Any, known: Space) -> Range | Choice:
    owner, field = _owner(model, name)
    hint, about = hypers(type(owner))[field]
    if asked is ...:
        if name not in known:
            raise BadParameter(
                f"space: {name!r} does not say what is worth trying; give (low, high) or a list"
            )
        return known[name]
    found: Range | Choice
    if isinstance(asked, tuple):
        found = _range(name, asked, about.log, whole=float not in _options(hint))
        ends: Sequence[Any] = (found.low, found.high)
    elif isinstance(asked, list) and asked:
        found, ends = Choice(tuple(asked)), asked
    else:
        raise BadParameter(
            f"space[{name!r}] must be (low, high), (low, high, 'log'), a list of values or ..., "
            f"got {asked!r}"
        )
    for value in ends:
        try:
            changed(model, {name: value})
        except BadParameter as e:
            raise BadParameter(f"space[{name!r}]: {e}") from None
    return found


def _range(name: str, asked: tuple[Any, ...], log: bool, *, whole: bool) -> Range:
    form = f"space[{name!r}] must be (low, high) or (low, high, 'log')"
    if len(asked) not in (2, 3) or asked[2:] not in ((), ("log",)):
        raise BadParameter(f"{form}, got {asked!r}; a list is for single values")
    low, high = (end.item() if isinstance(end, np.generic) else end for end in asked[:2])
    for end in (low, high):
        if not isinstance(end, (int, float)) or isinstance(end, bool) or not math.isfinite(end):
            raise BadParameter(f"{form}, got {asked!r}")
    if not low < high:
        raise BadParameter(f"{form} with low below high, got {asked!r}")
    if asked[2:] and low <= 0:
        raise BadParameter(f"{form}; on a logarithmic scale low is above 0, got {asked!r}")
    return Range(low, high, bool(asked[2:]) or (log and low > 0), whole)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _values(options: tuple[Any, ...]) -> list[Any]:
    """Return the values of types that have few; nothing if another type is among them."""
    values: list[Any] = []
    for one in options:
        if get_origin(one) is Literal:
            values += get_args(one)
        elif one is bool:
            values += [False, True]
        elif one is type(None):
            values.append(None)
        else:
            return []
    return values


def _accepted(model: Recommender, name: str, value: Any) -> bool:
    try:
        return changed(model, {name: value}).scores == model.scores
    except BadParameter:
        return False
