"""Paths, headers and what every reply carries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from penchant.identity import clean_id
from penchant.serving.access import Policy
from penchant.serving.door import routed
from penchant.store.store import Store

Asking = Callable[..., AbstractContextManager[Any]]

ids = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20
).filter(lambda text: text not in (".", ".."))


def test_only_a_slash_that_parts_segments_parts_segments() -> None:
    assert routed(b"/v1/items/a%2Fb%20c/similar") == "/v1/items/a%2Fb c/similar"
    assert routed(b"/v1/items/100%25") == "/v1/items/100%25"
    assert routed(b"/v1/items/100%") == "/v1/items/100%25"
    assert routed(b"/v1/%69tems") == "/v1/items"
    with pytest.raises(UnicodeDecodeError):
        routed(b"/v1/items/%FF")


@pytest.fixture
def client(empty: Store, asking: Asking) -> Any:
    with asking(empty) as opened:
        yield opened


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(ids)
@example("a/b")
@example("a/similar")
@example("similar")
@example("100%")
@example("%2F")
@example("../../etc/passwd")
@example("?limit=1#x")
@example("a;b,c")
def test_whatever_id_is_put_is_found_under_its_path(client: Any, item_id: str) -> None:
    path = f"/v1/items/{quote(item_id, safe='')}"
    put = client.put(path, json={"title": "T"})
    assert put.status_code == 200, put.text
    assert put.json()["item_id"] == clean_id(item_id)
    assert client.get(path).json() == put.json()
    assert client.get(f"{path}/similar").status_code in (200, 404, 503)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_user_may_be_called_like_a_route(client: Any) -> None:
    for user_id in ("merge", "events", "export", "a/export"):
        path = f"/v1/users/{quote(user_id, safe='')}"
        assert client.put(path, json={}).json()["user_id"] == user_id
        assert client.get(path).json()["user_id"] == user_id
        assert client.get(f"{path}/export").json()["user_id"] == user_id
        assert client.get(f"{path}/events").json()["events"] == []
        assert client.delete(path).status_code == 202


PATHS = [
    ("/v1/items/%ff", 400), ("/v1/items/%00", 422), ("/v1/items/%0a", 422),
    ("/v1/items//similar", 404), ("/v1/items/" + "a" * 257, 422), ("//v1/items", 404),
    ("/v1/items/a/b", 404), ("/v1/items/", 200), ("/static/../app.py", 404),
    ("/static/..%2f..%2fapp.py", 404), ("/static/%2e%2e/%2e%2e/app.py", 404),
    ("/v1/items/%E2%80%A8", 422),
]  # fmt: skip


def test_odd_paths(empty: Store, asking: Asking) -> None:
    with asking(empty) as client:
        for path, status in PATHS:
            assert client.get(path).status_code == status, path


def test_every_reply_says_what_was_asked_and_is_kept_by_nobody(
    empty: Store, asking: Asking
) -> None:
    with asking(empty) as client:
        for path in ("/v1/items", "/v1/items/none", "/nowhere", "/health/live", "/v1/items/%ff"):
            headers = client.get(path, headers={"X-Request-ID": "me"}).headers
            assert headers["x-request-id"] == "me"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
        made = {client.get("/health/live").headers["x-request-id"] for _ in range(5)}
        assert len(made) == 5


def test_headers_have_an_end(empty: Store, asking: Asking) -> None:
    with asking(empty, policy=Policy(headers=2000)) as client:
        assert client.get("/v1/items", headers={"X-Long": "a" * 1000}).status_code == 200
        reply = client.get("/v1/items", headers={"X-Long": "a" * 2000})
        assert reply.status_code == 431
        assert reply.json()["error"]["code"] == "headers_too_large"
