"""Logs: one JSON object a line on standard error, or lines for people.

A line holds times, numbers, the route as it is written in the documentation, and ids of requests
and keys; no body, no query, no path with somebody's id in it. Whatever a field holds, it cannot
begin a line of its own: JSON escapes all that is not ASCII, text escapes what is not printable.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from typing import Any

LOG = logging.getLogger("penchant.serving")
"""The service's logger; what it is given under ``extra={"fields": {...}}`` stands in the line."""

LONGEST_ID = 64
"""Characters of a request id; what is longer is cut."""

_FOREIGN = re.compile(r"[^A-Za-z0-9._:-]")


def request_id(given: str | None) -> str:
    """Return the client's request id without what does not belong in one, or a new one."""
    cleaned = _FOREIGN.sub("", given or "")[:LONGEST_ID]
    return cleaned or secrets.token_hex(8)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger or message, and the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": _clock(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"), default=str)


class TextLines(logging.Formatter):
    """A line for people: time, level, message, fields; a traceback goes below, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines if there is a traceback."""
        fields = getattr(record, "fields", {})
        told = " ".join(f"{name}={_printable(value)}" for name, value in fields.items())
        message = _printable(record.getMessage())
        line = f"{_clock(record.created)} {record.levelname:<7} {message} {told}".rstrip()
        if record.exc_info:
            below = self.formatException(record.exc_info).splitlines()
            line += "".join(f"\n    {_printable(text)}" for text in below)
        return line


def configuration(style: str = "json", level: str = "INFO") -> dict[str, Any]:
    """Return a configuration for ``logging.config.dictConfig``; style: "json" or "text".

    It takes in the server's own lines and Python's warnings, so that all of standard error can be
    read by the same program.
    """
    lines = {"json": JsonLines, "text": TextLines}[style]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": lines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            name: {"level": level, "handlers": ["stderr"], "propagate": False}
            for name in ("penchant", "_granian")
        },
    }


def _clock(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
