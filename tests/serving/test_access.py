"""Keys, scopes, hosts, origins, limits: who is let in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from penchant.serving.access import COOKIE, Policy, local
from penchant.serving.app import create_app
from penchant.store.store import Store
from penchant.times import DAY
from small_shop import NOW

Asking = Callable[..., AbstractContextManager[Any]]
READ, WRITE, SEND = ("GET", "/v1/items"), ("PUT", "/v1/items/x"), ("POST", "/v1/events")
BODIES: dict[tuple[str, str], Any] = {WRITE: {}, SEND: {"user_id": "a", "item_id": "b"}}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def key(store: Store, *scopes: Any, **more: Any) -> str:
    return store.keys.create("a test", scopes, now=NOW, **more)[1]


def status(client: Any, what: tuple[str, str], headers: dict[str, str] | None = None) -> int:
    return int(client.request(*what, json=BODIES.get(what), headers=headers).status_code)


def code(reply: Any) -> str:
    return str(reply.json()["error"]["code"])


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("ingest", [SEND]), ("read", [READ]), ("admin", [READ, WRITE, SEND])],
)
def test_a_key_may_do_what_its_scopes_say(
    empty: Store, asking: Asking, scope: Any, allowed: list[tuple[str, str]]
) -> None:
    secret = key(empty, scope)
    with asking(empty) as client:
        for what in (READ, WRITE, SEND):
            assert status(client, what, bearer(secret)) == (200 if what in allowed else 403)


def test_without_a_key_and_with_a_wrong_one_nothing_is_told(empty: Store, asking: Asking) -> None:
    secret = key(empty, "admin")
    with asking(empty) as client:
        reply = client.get("/v1/items")
        assert (reply.status_code, code(reply)) == (401, "no_key")
        assert reply.headers["www-authenticate"].startswith("Bearer")
        for wrong in (secret[:-1], secret + "0", "pk__", "pk_", "x", secret.replace("pk_", "sk_")):
            reply = client.get("/v1/items", headers=bearer(wrong))
            assert (reply.status_code, code(reply)) == (401, "bad_key"), wrong
        for odd in ("Basic YTpi", "Bearer", f"bearer  {secret} x"):
            assert client.get("/v1/items", headers={"Authorization": odd}).status_code == 401
        assert (
            client.get("/v1/items", headers={"Authorization": f"bearer {secret}"}).status_code
            == 200
        )
        assert client.get("/health/live").status_code == 200
        assert client.get("/openapi.json").status_code == 200


def test_a_revoked_key_fails_from_the_next_request_on(empty: Store, asking: Asking) -> None:
    key_id, secret = empty.keys.create("a test", ["read"], now=NOW)
    with asking(empty) as client:
        assert status(client, READ, bearer(secret)) == 200
        empty.keys.revoke(key_id, now=NOW)
        assert status(client, READ, bearer(secret)) == 401
        assert client.get("/v1/items").status_code == 401  # the last key gone opens nothing


def test_a_key_that_is_made_later_closes_the_service(empty: Store, asking: Asking) -> None:
    with asking(empty) as client:
        assert status(client, READ) == 200
        secret = key(empty, "read")
        assert status(client, READ) == 401
        assert status(client, READ, bearer(secret)) == 200


def test_a_key_expires(empty: Store, asking: Asking) -> None:
    secret = key(empty, "read", expires=NOW + DAY)
    now = [NOW]
    with asking(empty, now=lambda: now[0]) as client:
        assert status(client, READ, bearer(secret)) == 200
        now[0] += DAY
        assert status(client, READ, bearer(secret)) == 401


def test_a_page_of_ours_keeps_the_key_in_a_cookie(empty: Store, asking: Asking) -> None:
    secret = key(empty, "read")
    with asking(empty) as client:
        assert status(client, READ, {"Cookie": f"a=b; {COOKIE}={secret}"}) == 200
        assert status(client, READ, {"Cookie": f"{COOKIE}=pk_x_y"}) == 401
        assert status(client, READ, {"Cookie": f"{COOKIE}"}) == 401


HOSTS = [
    ("localhost", True), ("localhost:8000", True), ("127.0.0.1:1", True), ("127.8.9.1", True),
    ("[::1]:80", True), ("shop.localhost", True), ("LOCALHOST.", True), ("evil.example", False),
    ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("10.0.0.1", False),
    ("", False), ("[::2]", False), ("[", False), ("0.0.0.0", False), ("inside:80", True),
]  # fmt: skip


def test_without_keys_only_this_machine_is_answered(empty: Store, asking: Asking) -> None:
    with asking(empty, policy=Policy(hosts=frozenset({"inside"}))) as client:
        for host, fine in HOSTS:
            assert local(host) == (fine and not host.startswith("inside")), host
            reply = client.get("/v1/items", headers={"Host": host})
            assert reply.status_code == (200 if fine else 403), host
            assert fine or code(reply) in ("foreign_host", "bad_request")


def test_without_keys_a_proxy_on_this_machine_opens_nothing(empty: Store, asking: Asking) -> None:
    with asking(empty, policy=Policy(hosts=frozenset({"inside"}))) as client:
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
            through = {header: "for=203.0.113.9"}
            assert code(client.get("/v1/items", headers=through)) == "foreign_host"
            told = client.get("/v1/items", headers={**through, "Host": "inside"})
            assert told.status_code == 200
        empty.keys.create("website", ["read"], now=NOW)
        assert code(client.get("/v1/items", headers=through)) == "no_key"


def test_bound_beyond_loopback_nothing_is_answered_without_a_key(
    empty: Store, asking: Asking
) -> None:
    with asking(empty, policy=Policy(loopback=False)) as client:
        assert code(client.get("/v1/items")) == "no_key"
        assert client.get("/health/live").status_code == 200


def test_pages_of_others_cannot_write(empty: Store, asking: Asking) -> None:
    shop = "https://shop.example"
    with asking(empty, policy=Policy(origins=frozenset({shop}))) as client:
        for origin, expected in (
            ("http://127.0.0.1:8000", 200), ("https://127.0.0.1:8000", 200), (shop, 200),
            ("null", 403), ("https://evil.example", 403), ("http://127.0.0.1:9000", 403),
            ("https://shop.example.evil.example", 403),
        ):  # fmt: skip
            assert status(client, WRITE, {"Origin": origin}) == expected, origin
            assert client.delete("/v1/items/x", headers={"Origin": origin}).status_code != 401
        reply = client.delete("/v1/items/x", headers={"Origin": "https://evil.example"})
        assert code(reply) == "foreign_origin"


def test_forms_of_others_are_no_bodies(empty: Store, asking: Asking) -> None:
    kinds = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
    with asking(empty) as client:
        for path in ("/v1/events", "/v1/models/rollback", "/v1/users/merge"):
            for kind in kinds:
                reply = client.post(path, content=b"{}", headers={"Content-Type": kind})
                assert (reply.status_code, code(reply)) == (415, "not_json"), kind
        fine = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert client.post("/v1/items", content=b'{"items":[]}', headers=fine).status_code == 200


def test_cors_is_off_unless_an_origin_is_allowed(empty: Store, asking: Asking) -> None:
    shop, other = {"Origin": "https://shop.example"}, {"Origin": "https://other.example"}
    before = {"Access-Control-Request-Method": "POST"}
    with asking(empty) as client:
        assert "access-control-allow-origin" not in client.get("/v1/items", headers=shop).headers
        reply = client.options("/v1/items", headers=shop | before)
        assert not [name for name in reply.headers if name.startswith("access-control")]
    with asking(empty, policy=Policy(origins=frozenset({shop["Origin"]}))) as client:
        reply = client.options("/v1/items", headers=shop | before)
        assert reply.status_code == 204
        assert reply.headers["access-control-allow-origin"] == shop["Origin"]
        assert "Authorization" in reply.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in reply.headers
        for path in ("/v1/items", "/v1/items/none"):  # errors can be read as well
            reply = client.get(path, headers=shop)
            assert reply.headers["access-control-allow-origin"] == shop["Origin"]
            assert reply.headers["vary"] == "Origin"
        assert "access-control-allow-origin" not in client.get("/v1/items", headers=other).headers


SLOW = Policy(per_second=0.002)
"""One request in eight minutes, so that no test takes long enough for another."""


def test_each_key_has_its_own_limit(empty: Store, asking: Asking) -> None:
    own, usual = key(empty, "read", per_second=0.004), key(empty, "read")
    with asking(empty, policy=SLOW) as client:
        for secret, seconds in ((own, 250), (usual, 500)):
            assert [status(client, READ, bearer(secret)) for _ in range(3)] == [200, 429, 429]
            reply = client.get("/v1/items", headers=bearer(secret))
            assert code(reply) == "too_many_requests"
            assert seconds / 2 < int(reply.headers["retry-after"]) <= seconds
        assert client.get("/health/live").status_code == 200


def test_addresses_without_a_key_share_a_limit_and_so_do_wrong_keys(
    empty: Store, asking: Asking
) -> None:
    with asking(empty, policy=SLOW) as client:
        assert [status(client, READ) for _ in range(3)] == [200, 429, 429]
    right = key(empty, "read")
    with asking(empty, policy=SLOW) as client:
        assert [status(client, READ, bearer(f"pk_{n}_x")) for n in range(3)] == [401, 429, 429]
        assert status(client, READ, bearer(right)) == 200  # who guesses locks nobody out


def test_workers_share_the_limit(empty: Store, asking: Asking) -> None:
    with asking(empty, policy=Policy(per_second=0.004, workers=2)) as client:
        assert [status(client, READ) for _ in range(2)] == [200, 429]
        assert int(client.get("/v1/items").headers["retry-after"]) > 250


def test_every_route_says_what_it_needs(empty: Store) -> None:
    app = create_app(empty, now=lambda: NOW)
    told = {
        f"{method} {route.path}": handler.opt["scope"]
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    }
    app.state.service.close()
    for_all = {route for route, scope in told.items() if scope is None}
    assert for_all == {
        "GET /health/live", "GET /health/ready", "GET /openapi.json",
        "GET /signin", "POST /signin", "POST /signout",
        "GET /static/{file_path:path}", "HEAD /static/{file_path:path}",
    }  # fmt: skip
    assert set(told.values()) == {None, "ingest", "read", "admin"}
    assert told["POST /v1/events"] == "ingest"
    for route, scope in told.items():
        if "/users" in route or "/rules" in route or "/erasures" in route:
            assert scope == "admin", route
