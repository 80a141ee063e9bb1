"""Everything penchant raises on purpose.

::

    PenchantError
    ├── BadEvents     (ValueError)    rows, columns or files that cannot be read as interactions
    ├── BadParameter  (ValueError)    a hyper-parameter or argument outside its range
    ├── Incompatible  (ValueError)    two good things that do not belong together
    ├── Conflict      (RuntimeError)  something else happened first, or stands in the way
    ├── BadArtifact   (ValueError)    a saved model that is damaged, truncated or foreign
    ├── BadStore      (ValueError)    a store that is absent, foreign, newer or cannot be reached
    ├── NotFitted     (RuntimeError)  a model asked before ``fit``
    ├── UnknownId     (KeyError)      a user, item or feature nobody has heard of
    ├── ServiceError  (RuntimeError)  a service that refused, or does not answer
    └── MissingExtra  (ImportError)   an optional package that is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PenchantError(Exception):
    """Base of all errors raised on purpose; the message names the thing and says what to do."""


class BadEvents(PenchantError, ValueError):
    """Rows, columns or files that cannot be read as interactions."""


class BadParameter(PenchantError, ValueError):
    """A hyper-parameter or argument outside its range."""


class Incompatible(PenchantError, ValueError):
    """Two values that are fine alone and do not belong together."""


class BadArtifact(PenchantError, ValueError):
    """A saved model that is damaged, truncated, foreign or from another format."""


class Conflict(PenchantError, RuntimeError):
    """What was asked is fine by itself; something that happened before stands in its way."""


class BadStore(PenchantError, ValueError):
    """A store of events that is absent, foreign, made by a newer penchant, or out of reach."""


class NotFitted(PenchantError, RuntimeError):
    """A model was asked before it was fitted."""


class UnknownId(PenchantError, KeyError):
    """A user, item, column or feature that does not occur."""

    # KeyError shows repr(message); people should read the message itself.
    __str__ = Exception.__str__


class ServiceError(PenchantError, RuntimeError):
    """A service refused what it was asked, or does not answer.

    Parameters
    ----------
    status : of HTTP; None if there was no answer.
    code : the service's word for what was wrong.
    request_id : the line of the service's log that belongs to it.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class MissingExtra(PenchantError, ImportError):
    """An optional package is needed; the message holds the pip line."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f'{what} needs {package}: pip install "penchant[{extra}]"')


def near(asked: object, known: Iterable[object], n: int = 3) -> str:
    """Return " Did you mean …?" for a misspelt name, or an empty string if nothing is near."""
    close = difflib.get_close_matches(str(asked), [str(k) for k in known], n=n, cutoff=0.6)
    return f" Did you mean {', '.join(close)}?" if close else ""
