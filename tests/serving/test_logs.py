"""Lines of the log: what stands in them, and that nothing can begin a line of its own."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.serving.logs import JsonLines, TextLines, configuration, request_id
from penchant.store.store import Store

Asking = Callable[..., AbstractContextManager[Any]]
LINES = {"json": JsonLines, "text": TextLines}


def written(style: str, message: str, fields: dict[str, Any], error: Any = None) -> str:
    record = logging.LogRecord("penchant", logging.INFO, "", 0, message, (), error)
    record.fields = fields
    return LINES[style]().format(record)


@given(st.text(), st.text())
def test_no_text_begins_a_line_of_its_own(message: str, value: str) -> None:
    for style in LINES:
        assert len(written(style, message, {"route": value}).splitlines()) <= 1
    told = json.loads(written("json", message, {"route": value}))
    assert told["message"] == message
    assert told["route"] == value
    assert written("json", message, {"route": value}).isascii()


def test_a_traceback_is_a_field_or_indented() -> None:
    try:
        raise ValueError("one\n2026-05-04T00:00:00Z INFO forged")
    except ValueError as error:
        caught = (ValueError, error, error.__traceback__)
    (line,) = written("json", "failed", {}, caught).splitlines()
    assert "forged" in json.loads(line)["traceback"]
    first, *below = written("text", "failed", {}, caught).splitlines()
    assert "failed" in first
    assert below
    assert all(line.startswith("    ") for line in below)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2:3_4", "abc-1.2:3_4"), ("a\r\nb", "ab"), ("a" * 100, "a" * 64),
        ('"><script>', "script"), ("é", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_request_id_is_cleaned_or_made(given: str | None, kept: str | None) -> None:
    found = request_id(given)
    if kept is None:
        assert len(found) == 16
        assert found != request_id(given)
    else:
        assert found == kept


def test_the_configuration_takes_in_every_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        name: (logger.handlers[:], logger.level, logger.propagate)
        for name in ("", "penchant", "_granian")
        for logger in [logging.getLogger(name)]
    }
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    try:
        logging.config.dictConfig(configuration("json"))
        for name in ("penchant.serving", "_granian", "sqlalchemy"):
            logging.getLogger(name).warning("of %s", name)
    finally:
        for name, (handlers, level, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
    told = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert told == ["of penchant.serving", "of _granian", "of sqlalchemy"]


def test_a_line_says_what_was_asked_and_nothing_about_whom(
    shop: Store, asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "penchant.serving")
    with asking(shop) as client:
        reply = client.get(
            "/v1/users/u01/events?limit=3", headers={"X-Request-ID": "mine 1\x7f", "Cookie": "a=b"}
        )
        client.post("/v1/recommendations", json={"user_id": "u01", "context": {"secret": "tea"}})
        client.get("/nowhere/u01")
    assert reply.headers["x-request-id"] == "mine1"
    first, second, third = [record.fields for record in caplog.records]
    assert first["request_id"] == "mine1"
    assert first["route"] == "/v1/users/{user_id}/events"
    assert (first["method"], first["status"], first["key"]) == ("GET", 200, None)
    assert 0 < first["ms"] < 60_000
    assert second["route"] == "/v1/recommendations"
    assert third["route"] == "none"
    told = "".join(json.dumps(one) for one in (first, second, third))
    for private in ("u01", "limit", "tea", "a=b"):
        assert private not in told
