"""Hyper-parameters: said once, as a typed dataclass field with its range and meaning."""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from penchant.errors import BadParameter, near


@dataclass(frozen=True)
class Hyper:
    """The range and meaning of one hyper-parameter.

    Parameters
    ----------
    doc : what it does, for help texts.
    above, at_least, at_most : bounds of a number.
    search : (low, high) worth searching; ``log`` says on which scale. A few named values, or true
        and false, need none; () says that they are not worth it either.
    when : another field, without which (empty, false or None) this one changes nothing and is not
        worth searching.
    """

    doc: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    search: tuple[float, float] | tuple[()] | None = None
    log: bool = False
    when: str | None = None

    def complaint(self, value: float) -> str | None:
        """Return what a number must be, or None if it is."""
        if self.above is not None and not value > self.above:
            return "a positive number" if self.above == 0 else f"above {self.above:g}"
        if self.at_least is not None and not value >= self.at_least:
            return f"at least {self.at_least:g}"
        if self.at_most is not None and not value <= self.at_most:
            return f"at most {self.at_most:g}"
        return None if value - value == 0 else "a finite number"


def hyper(
    default: Any,
    doc: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    search: tuple[float, float] | tuple[()] | None = None,
    log: bool = False,
    when: str | None = None,
) -> Any:
    """Declare a hyper-parameter as a dataclass field; see ``Hyper``."""
    about = Hyper(doc, above, at_least, at_most, search, log, when)
    return dataclasses.field(default=default, metadata={"hyper": about})


def hypers(cls: type) -> dict[str, tuple[Any, Hyper]]:
    """Return name to (type, Hyper) of every hyper-parameter of a dataclass."""
    hints = get_type_hints(cls)
    fields = dataclasses.fields(cls)
    return {f.name: (hints[f.name], f.metadata["hyper"]) for f in fields if "hyper" in f.metadata}


def check(owner: object) -> None:
    """Check each hyper-parameter of a dataclass instance against its type and range.

    numpy's numbers become Python's, which a manifest can hold.

    Raises
    ------
    BadParameter : names the class, the field, what it must be, and the value.
    """
    for name, (hint, about) in hypers(type(owner)).items():
        value = getattr(owner, name)
        if isinstance(value, np.generic):
            value = value.item()
            object.__setattr__(owner, name, value)  # also of a frozen one
        must = _mismatch(value, hint)
        if must is None and isinstance(value, (int, float)) and not isinstance(value, bool):
            must = about.complaint(value)
        if must is not None:
            raise BadParameter(f"{type(owner).__name__}.{name} must be {must}, got {value!r}")


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is type(None):
        return value is None
    return isinstance(value, get_origin(hint) or hint)


def _named(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple and get_args(hint) == (str, ...):
        return "a tuple of texts"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text",
             type(None): "None"}  # fmt: skip
    return names.get(hint, f"a {getattr(get_origin(hint) or hint, '__name__', hint)}")


def _mismatch(value: Any, hint: Any) -> str | None:
    options = _options(hint)
    return None if any(_fits(value, o) for o in options) else " or ".join(map(_named, options))


def parsed(cls: type, setting: str) -> tuple[str, Any]:
    """Read ``"factors=64"`` as a field of ``cls`` and a value of the field's type.

    Several texts are separated by commas, as in ``"item_columns=genres,year"``; nothing after the
    equals sign is none of them. ``written`` writes a value so that this reads it back.

    Raises
    ------
    BadParameter : not of that form, no such field, or text that its type cannot take.
    """
    name, equals, text = setting.partition("=")
    name, text = name.strip(), text.strip()
    known = hypers(cls)
    if not equals or not name:
        raise BadParameter(f"a setting is written NAME=VALUE, got {setting!r}")
    if name not in known:
        raise BadParameter(
            f"{cls.__name__} has no parameter {name!r}; it has {', '.join(known) or 'none'}."
            f"{near(name, known)}"
        )
    options = _options(known[name][0])
    for option in sorted(options, key=lambda o: o is str):  # "none" is None before it is a text
        done, value = _read(text, option)
        if done:
            return name, value
    raise BadParameter(
        f"{cls.__name__}.{name} must be {' or '.join(map(_named, options))}, got {text!r}"
    )


def _read(text: str, hint: Any) -> tuple[bool, Any]:
    lower = text.lower()
    if hint is type(None):
        return lower in ("none", "null"), None
    if hint is bool:
        return lower in ("true", "false", "yes", "no"), lower in ("true", "yes")
    if hint in (int, float):
        try:
            return True, hint(text)
        except ValueError:
            return False, None
    if get_origin(hint) is Literal:
        return text in get_args(hint), text
    if get_origin(hint) is tuple and get_args(hint) == (str, ...):
        words = [word.strip() for word in text.split(",")] if text else []
        return all(words), tuple(words)
    return hint is str, text


def written(value: Any) -> str:
    """Return a value as ``parsed`` reads it, after the equals sign."""
    return ",".join(value) if isinstance(value, tuple) else str(value)
