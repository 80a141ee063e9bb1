"""Every route of the OpenAPI document with made-up requests, good and bad: no 5xx, no surprise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import hypothesis
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi

from penchant.store.store import Store

Asked = TestClient[Litestar]
Asking = Callable[..., AbstractContextManager[Asked]]

HERE = "http://127.0.0.1:8000"
JSON = {"Content-Type": "application/json"}
ROWS = "POST /v1/events"
"""Takes or rejects each row by itself: what is wrong with a row is in its answer."""

# That the allowed is accepted is not among them: no schema can say that a pin needs a rank.
CHECKS = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]


def some(n: int) -> Any:
    return settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def ask_all(client: Asked, mode: GenerationMode, n: int) -> set[str]:
    """Send n requests of one mode to each operation; return the operations that were met."""
    described = client.get("/openapi.json").json()
    for operations in described["paths"].values():
        for operation in operations.values():
            del operation["security"]  # else every other request only lacks its key
    met = set()
    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        operation = found.ok()
        refused = mode is GenerationMode.NEGATIVE and operation.label != ROWS
        ask_one(client, operation, mode, n, [openapi.negative_data_rejection] * refused)
        met.add(operation.label)
    return met


def ask_one(client: Asked, operation: Any, mode: GenerationMode, n: int, more: list[Any]) -> None:
    @some(n)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        sent = requests.Request(**case.as_transport_kwargs(base_url=HERE)).prepare()
        reply = client.request(
            str(sent.method), str(sent.url), content=sent.body, headers=dict(sent.headers)
        )
        case.validate_response(reply, checks=[*CHECKS, *more])

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:  # nothing can be wrong with it
        assert not operation.body
        assert not operation.query


def test_what_the_description_allows_never_fails(shop: Store, asking: Asking) -> None:
    with asking(shop) as client:
        met = ask_all(client, GenerationMode.POSITIVE, 6)
    assert len(met) >= 25
    assert ROWS in met


def test_what_the_description_forbids_is_refused(shop: Store, asking: Asking) -> None:
    with asking(shop) as client:
        ask_all(client, GenerationMode.NEGATIVE, 6)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_route_at_length(shop: Store, asking: Asking, mode: GenerationMode) -> None:
    with asking(shop) as client:
        ask_all(client, mode, 300)


@pytest.fixture(scope="module")
def events() -> list[bytes]:
    """Bodies that are right, to be broken."""
    one = {"user_id": "ann", "item_id": "i01", "value": 1.5, "context": {"a": [1, {"b": None}]}}
    return [msgspec.json.encode(one), msgspec.json.encode({"events": [one, one | {"rank": 2}]})]


@st.composite
def broken(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """A body with a piece taken out and another put in."""
    body = draw(st.sampled_from(bodies))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 20)))
    return body[:start] + draw(st.binary(max_size=8)) + body[end:]


def fuzz(client: Asked, events: list[bytes], n: int) -> None:
    @some(n)
    @given(st.one_of(st.binary(max_size=200), broken(events)))
    def post(body: bytes) -> None:
        reply = client.post("/v1/events", content=body, headers=JSON)
        assert reply.status_code in (200, 400, 422), (body, reply.text)
        told = reply.json()
        if reply.status_code == 200:
            seen = told["accepted"] + told["duplicates"] + len(told["rejected"])
            assert len(told["event_ids"]) == seen
        else:
            assert set(told) == {"error"}

    post()


def test_events_of_any_bytes(asking: Asking, shop: Store, events: list[bytes]) -> None:
    with asking(shop) as client:
        fuzz(client, events, 200)


@pytest.mark.slow
def test_events_of_any_bytes_at_length(asking: Asking, shop: Store, events: list[bytes]) -> None:
    with asking(shop) as client:
        fuzz(client, events, 20_000)
