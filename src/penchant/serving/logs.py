"""Logs: one JSON object a line on standard error, or lines for people.

A line holds times, numbers, the route as it is written in the documentation, and ids of requests
and keys; no body, no query, no path with somebody's id in it. Whatever a field holds, it cannot
begin a line of its own: JSON escapes all that is not ASCII, text escapes what is not printable.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
import secrets
import threading
import time
from typing import Any

LOG = logging.getLogger("penchant.serving")
"""The service's logger; what it is given under ``extra={"fields": {...}}`` stands in the line."""

LONGEST_ID = 64
"""Characters of a request id; what is longer is cut."""

EVERY = 0.2
"""Seconds between two writes of lines that can wait."""

_OWN = secrets.token_hex(4)
_NUMBERS = itertools.count()
"""What this process's own request ids are made of: asking the system for each would be a pause."""

_FOREIGN = re.compile(r"[^A-Za-z0-9._:-]")


def request_id(given: str | None) -> str:
    """Return the client's request id without what does not belong in one, or a new one."""
    cleaned = _FOREIGN.sub("", given or "")[:LONGEST_ID]
    return cleaned or f"{_OWN}{next(_NUMBERS):08x}"


def told(message: str, fields: dict[str, Any]) -> None:
    """Log a line of level info, without looking for the place in the sources that did."""
    if LOG.isEnabledFor(logging.INFO):
        record = logging.LogRecord(LOG.name, logging.INFO, "", 0, message, None, None)
        record.fields = fields
        LOG.handle(record)


class Together(logging.StreamHandler[Any]):
    """Writes lines on standard error several at a time, so that no request waits for it.

    What is no worse than information is written within ``EVERY`` seconds, all else at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[logging.LogRecord] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; the caller holds the lock."""
        self._waiting.append(record)
        if record.levelno > logging.INFO:
            self.flush()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="penchant-log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            records, self._waiting = self._waiting, []
            if records:
                self.stream.write("".join(f"{self.format(one)}\n" for one in records))
                self.stream.flush()
        except Exception:  # noqa: BLE001 - as every handler does: a log must not end the service
            self.handleError(records[-1])
        finally:
            self.release()

    def close(self) -> None:
        """Write what waits, for the last time."""
        self._closing.set()
        self.flush()
        super().close()

    def _run(self) -> None:
        while not self._closing.wait(EVERY):
            self.flush()


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
        "handlers": {"stderr": {"()": Together, "formatter": "lines"}},
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
