"""One shape for every error; the codes and their page agree; nothing inside is told."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import exc

from penchant.errors import (
    BadArtifact,
    BadParameter,
    BadStore,
    Conflict,
    Incompatible,
    MissingExtra,
    NotFitted,
    UnknownId,
)
from penchant.serving.failures import CODES, DOCS, Refusal, refusal
from penchant.serving.shapes import Failure
from penchant.store.store import Store

Asking = Callable[..., AbstractContextManager[Any]]
PAGE = Path(__file__).parents[2] / DOCS
JSON = {"Content-Type": "application/json"}


def told(reply: Any, status: int) -> Any:
    """The error of a reply, which must have the one shape."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    problem = msgspec.json.decode(reply.content, type=Failure, strict=True).error
    assert CODES[problem.code] == status
    assert problem.docs == f"{DOCS}#{problem.code}"
    assert set(reply.json()["error"]) <= {"code", "message", "docs", "path"}
    return problem


def test_the_page_explains_every_code_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == sorted(CODES)
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.MULTILINE)
    table = {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    assert table == CODES


def from_sqlalchemy(kind: Any) -> Exception:
    return kind("SELECT secret", {"name": "ann"}, Exception("inside"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownId("no item 'x'"), "not_found"), (BadParameter("no"), "invalid"),
        (Incompatible("no"), "invalid"), (Conflict("no"), "conflict"),
        (NotFitted("no"), "no_model"), (BadArtifact("no"), "no_model"),
        (BadStore("no"), "store_down"), (sqlite3.OperationalError("no"), "store_down"),
        (psycopg.OperationalError("no"), "store_down"),
        (from_sqlalchemy(exc.OperationalError), "store_down"),
        (from_sqlalchemy(exc.InterfaceError), "store_down"), (exc.TimeoutError(), "store_down"),
        (from_sqlalchemy(exc.IntegrityError), "internal"),
        (MissingExtra("a", "b", "c"), "internal"),
        (ValueError("inside"), "internal"), (RecursionError(), "internal"),
        (Refusal("too_slow", "no"), "too_slow"),
    ],
)  # fmt: skip
def test_each_error_is_told_as_what_it_is(error: Exception, code: str) -> None:
    found = refusal(error, "the-id")
    assert found.code == code
    if found.status >= 500:
        assert not re.search("inside|secret|ann", found.message)
    assert ("Retry-After" in found.headers) == (found.status == 503)


def test_the_field_at_fault_is_named(shop: Store, asking: Asking) -> None:
    deep = {"items": [{"item_id": "a"}, {"item_id": "b", "attributes": {"x": {}}}]}
    late = {"items": [{"item_id": "a"}, {"item_id": "b", "available_from": "soon"}]}
    ask = ("POST", "/v1/recommendations")
    with asking(shop) as client:
        for (method, path), body, field in (
            (
                ask,
                {"pins": [{"item_id": "a", "rank": 0}]},
                "$.pins[0].rank",
            ),
            (ask, {"k": "5"}, "$.k"),
            (ask, {"nonsense": 5}, "$"),
            (("POST", "/v1/items"), deep, "$.items[1].attributes[...]"),
            (("POST", "/v1/items"), late, "$.items[1].available_from"),
            (("PUT", "/v1/items/a"), {"available_until": "soon"}, "$.available_until"),
            (("POST", "/v1/rules"), {"action": "pin", "item_id": "a"}, None),
            (("GET", "/v1/items?limit=0"), None, "query.limit"),
            (("GET", "/v1/items?limt=5"), None, "query.limt"),
            (("GET", "/v1/items?cursor=xyz"), None, "query.cursor"),
        ):
            problem = told(client.request(method, path, json=body), 422)
            assert problem.path == field, problem
            assert problem.code == "invalid"
        assert "limit" in client.get("/v1/items?limt=5").json()["error"]["message"]


def test_litestars_own_errors_have_the_shape_too(empty: Store, asking: Asking) -> None:
    with asking(empty) as client:
        assert told(client.get("/nowhere"), 404).code == "not_found"
        reply = client.put("/v1/items", content=b"{}", headers=JSON)
        assert told(reply, 405).code == "method_not_allowed"
        assert set(reply.headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}
        for body in (b"", b"{", b"nonsense", b'{"action": "\xff"}', b"\xff"):
            assert (
                told(client.post("/v1/rules", content=body, headers=JSON), 400).code == "bad_json"
            )
        assert told(client.get("/v1/items", headers={"Host": "a b"}), 400).code == "bad_request"


def test_an_error_of_ours_is_in_the_log_and_not_in_the_reply(
    empty: Store, asking: Asking, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("the secret of ann")

    monkeypatch.setattr(empty.items, "page", broken)
    with asking(empty) as client:
        reply = client.get("/v1/items", headers={"X-Request-ID": "find-me"})
    problem = told(reply, 500)
    assert "find-me" in problem.message
    assert "secret" not in reply.text
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.fields["request_id"] == "find-me"
    assert "the secret of ann" in caplog.text


def test_a_store_that_is_gone_is_told_and_may_come_back(
    empty: Store, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise from_sqlalchemy(exc.OperationalError)

    with asking(empty) as client:
        with monkeypatch.context() as gone:
            for name in ("numbers", "glance"):
                gone.setattr(empty, name, down)
            for reply in (client.get("/v1/items"), client.post("/v1/events", json={})):
                problem = told(reply, 503)
                assert (problem.code, problem.path) == ("store_down", "store")
                assert reply.headers["retry-after"] == "1"
            assert client.get("/health/live").status_code == 200
            assert client.get("/health/ready").status_code == 503
        assert client.get("/v1/items").status_code == 200
