"""What somebody might try against a service; docs/service/security.md lists it all."""

from __future__ import annotations

import gzip
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from penchant.serving.moments import written
from penchant.store.store import Store
from small_shop import NOW

Asking = Callable[..., AbstractContextManager[Any]]
ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}

NASTY = [
    "'; DROP TABLE events; --", "' OR '1'='1", '" UNION SELECT hash FROM keys --', "%", "_", "\\",
    "%s", "?", ":1", "{{7*7}}", "${7*7}", "{% include '/etc/passwd' %}",
    "<script>alert(1)</script>",
    "\u202eevil", "A\u0301", "ﬀ", "x'y\"z`", "../../etc/passwd", "a" * 256, "𝕏", "null", "NaN", "0",
]  # fmt: skip


@pytest.fixture
def client(shop: Store, asking: Asking) -> Iterator[Any]:
    with asking(shop) as opened:
        yield opened


def event(client: Any, **told: Any) -> Any:
    return client.post("/v1/events", json=told).json()


def test_sql_in_ids_and_metadata_is_text(client: Any, shop: Store) -> None:
    for text in NASTY:
        clean = unicodedata.normalize("NFC", text)
        path = quote(text, safe="")
        facts = {text: [text, text]}
        item = client.put(
            f"/v1/items/{path}", json={"title": text, "categories": [text], "attributes": facts}
        )
        assert item.status_code == 200, item.text
        assert (item.json()["item_id"], item.json()["title"]) == (clean, text)
        assert item.json()["attributes"] == facts
        told = event(
            client, user_id=text, session_id=text, item_id=text, event_type=text[:64], context=facts
        )
        assert told["accepted"] == 1, told
        (one,) = client.get(f"/v1/users/{path}/events").json()["events"]
        assert (one["user_id"], one["item_id"], one["context"]) == (clean, clean, facts)
        asked = {"user_id": text, "exclude": [text], "filters": {"categories": [text]}}
        assert client.post("/v1/recommendations", json=asked).status_code == 200
        assert client.get("/v1/popular", params={"category": text}).status_code == 200
    assert shop.events.last() == 60 + len(NASTY)
    assert len(client.get("/v1/items", params={"limit": 1000}).json()["items"]) == 12 + len(NASTY)
    assert client.get("/v1/users/%27%20OR%20%271%27%3D%271/events").json()["cursor"] is None


def test_wildcards_of_sql_are_searched_as_they_stand(client: Any) -> None:
    client.put("/v1/items/odd", json={"title": "100% under_score"})
    for word, found in (("%", ["odd"]), ("_", ["odd"]), ("100%", ["odd"]), ("1%0", []), ("'", [])):
        rows = client.get("/v1/items", params={"search": word}).json()["items"]
        assert [row["item_id"] for row in rows] == found
    for word in ("%", "_", "u0_"):
        assert client.get("/v1/users", params={"search": word}).json()["users"] == []


def test_templates_and_markup_in_metadata_are_shown_as_text(client: Any) -> None:
    title = "{{7*7}}<script>alert(1)</script>\"'"
    client.put(
        "/v1/items/nasty",
        json={"title": title, "categories": ["<b>"], "attributes": {"<i>": "<u>"}},
    )
    for path in ("/data", "/data/items/nasty", "/try/search?q=script", "/data?search=script"):
        reply = client.get(path)
        if reply.status_code == 200:
            assert not re.search("<script>alert|<b>|<u>|49<", reply.text), path
            assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "{{7*7}}" in client.get("/data/items/nasty").text


VERSIONS = [
    "../../etc/passwd", "m00000001/../m00000002", "/etc", "..", "m00000001\x00", "m00000001 ",
    "M00000001", "m1", "file:///etc/passwd", "m00000001.partial",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/data/items/", "/data/users/"])
def test_a_page_of_no_possible_id_is_refused_before_a_database_sees_it(
    client: Any, path: str
) -> None:
    assert client.get(f"{path}%00").status_code == 422  # PostgreSQL would fail


def test_a_model_is_a_row_of_the_registry_and_not_a_path(client: Any) -> None:
    for version in VERSIONS:
        promoted = client.post("/v1/models/promote", json={"version": version})
        assert promoted.status_code in (404, 422), version
        asked = client.post("/v1/recommendations", json={"user_id": "u01", "model": version})
        assert asked.status_code in (404, 422), version
    assert client.get("/v1/models").json()["in_use"] == "m00000002"


def test_a_replayed_event_changes_nothing(client: Any, shop: Store) -> None:
    one = {"user_id": "u01", "item_id": "i03", "event_id": "once", "timestamp": written(NOW)}
    assert event(client, **one)["accepted"] == 1
    for _ in range(3):
        assert event(client, **one)["duplicates"] == 1
    (rejected,) = event(client, **{**one, "item_id": "i04"})["rejected"]
    assert rejected["code"] == "conflict"
    assert shop.events.last() == 61
    client.delete("/v1/users/u01")
    (rejected,) = event(client, **one)["rejected"]
    assert rejected["code"] == "erased"


def test_a_clock_that_is_wrong_cannot_write_the_future(client: Any) -> None:
    def posted(seconds: float) -> Any:
        return event(client, user_id="u", item_id="i", timestamp=NOW / 10**6 + seconds)

    assert posted(200)["accepted"] == 1
    assert posted(-10 * 365 * 86_400)["accepted"] == 1
    for wrong in (400, 10**9, 10**13, -NOW):
        assert posted(wrong)["rejected"], wrong


def test_a_forged_session_is_nobody_else(client: Any) -> None:
    """Sessions and users are apart, whatever they are called."""

    def fallback(**who: str) -> bool:
        return bool(client.post("/v1/recommendations", json=who).json()["fallback"])

    assert not fallback(user_id="u01")
    for forged in ("u01", "uu01", "su01", "01"):
        assert fallback(session_id=forged)
    for forged in ("uu01", "s1", "ss1", "U01", "u01 "):
        assert fallback(user_id=forged)


def test_whoever_may_send_events_can_neither_merge_nor_read(shop: Store, asking: Asking) -> None:
    secret = shop.keys.create("a browser", ["ingest"], now=NOW)[1]
    with asking(shop) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        body = {"session_id": "mine", "user_id": "u01"}
        assert client.post("/v1/users/merge", json=body).status_code == 403
        for path in ("/v1/users/u01/events", "/v1/users/u01/export", "/v1/items", "/metrics"):
            assert client.get(path).status_code == 403


def test_bombs_of_json_are_refused(client: Any) -> None:
    def post(path: str, body: bytes) -> Any:
        return client.post(path, content=body, headers=JSON)

    for opening in (b"[", b'{"a":', b'{"context":[', b'{"items":[[', b'{"events":['):
        for path in ("/v1/recommendations", "/v1/events", "/v1/items", "/v1/rules"):
            reply = post(path, opening * 50_000)
            rejected = path == "/v1/events" and reply.json().get("rejected")
            assert rejected or reply.status_code in (400, 422), (path, opening)
    deep = b'{"user_id":"a","item_id":"b","context":' + b'{"a":' * 40 + b"1" + b"}" * 41
    assert post("/v1/events", deep).json()["rejected"]
    deep = b'{"user_id":"u01","context":' + b'{"a":' * 900 + b"1" + b"}" * 901
    assert post("/v1/recommendations", deep).status_code < 500
    assert client.get("/v1/users/u01/export").status_code == 200
    huge = b'{"user_id":"a","item_id":"b","value":1' + b"0" * 100_000 + b"}"
    assert post("/v1/events", huge).status_code in (200, 400)
    zipped = gzip.compress(b" " * 10**7)
    packed = client.post("/v1/events", content=zipped, headers={**JSON, "Content-Encoding": "gzip"})
    assert packed.status_code == 400  # what is packed is not unpacked


def test_facts_that_are_too_large_are_refused(client: Any) -> None:
    large = {"a": "x" * 20_000}
    assert client.put("/v1/items/x", json={"attributes": large}).status_code == 422
    assert client.put("/v1/users/x", json={"attributes": large}).status_code == 422
    assert event(client, user_id="a", item_id="b", context=large)["rejected"]


# A real server.


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A service of one process."""
    store = tmp_path_factory.mktemp("threatened") / "shop.db"
    command = [sys.executable, "-m", "penchant", "serve", "--store", str(store), "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        yield int(found[1])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def sent(port: int, *parts: bytes) -> bytes:
    """Send bytes, the last of them all there will be if it is empty; return the answer's head."""
    found = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if not parts[-1]:
                connection.shutdown(socket.SHUT_WR)
            while b"\r\n\r\n" not in found and (piece := connection.recv(65_536)):
                found += piece
        except (ConnectionResetError, BrokenPipeError):
            return b"closed"
    return found or b"closed"


def lives(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/v1/items")
        return connection.getresponse().status == 200


HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNK = b"10000\r\n" + b" " * 65_536 + b"\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([b"\x16\x03\x01\x02\x00nonsense\r\n\r\n"], rb"closed|HTTP/1.1 400"),
        ([b"GET / HTTP/9.9\r\n\r\n"], rb"closed|HTTP/1.1 [45]"),
        ([b"GET /v1/items HTTP/1.1\r\n\r\n"], rb"closed|HTTP/1.1 40[03]"),
        ([b"GET /v1/items HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"],
         rb"HTTP/1.1 431"),
        ([b"GET /v1/items HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 500_000 + b"\r\n\r\n"],
         rb"closed|HTTP/1.1 431"),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *[CHUNK] * 140, b"0\r\n\r\n"],
         rb"closed|HTTP/1.1 413"),
        ([HEAD, b"Content-Length: 99999999999\r\n\r\n{}"], rb"HTTP/1.1 413"),
        ([HEAD, b"Content-Length: -1\r\n\r\n{}"], rb"closed|HTTP/1.1 400"),
        ([HEAD, b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], rb"closed|HTTP/1.1 400"),
        ([HEAD, b"Content-Length: 40\r\n\r\n{}", b""], rb"closed|HTTP/1.1 400"),
        ([b"GET /v1/items HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a\nX-Forged: b\r\n\r\n"],
         rb"closed|HTTP/1.1 [24]"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_request_end_with_a_refusal(
    port: int, parts: list[bytes], expected: bytes
) -> None:
    reply = sent(port, *parts)
    assert re.match(expected, reply), reply[:200]
    assert b"x-forged" not in reply.lower()
    assert lives(port)


@pytest.mark.slow
def test_slow_clients_hold_nobody_up_and_are_let_go(port: int) -> None:
    """A hundred clients send a byte a second: of headers, and of a body."""
    body = HEAD + b"Content-Length: 1000\r\n\r\n{"
    slow = []
    for n in range(100):
        slow.append(socket.create_connection(("127.0.0.1", port)))
        slow[-1].sendall(body if n % 2 else b"GET /v1/items HT")
    begun, worst, left = time.monotonic(), 0.0, list(slow)
    while left and time.monotonic() - begun < 40:
        for one in list(left):
            try:
                one.sendall(b" " if one in slow[1::2] else b"T")
                one.settimeout(0.001)
                if one.recv(1000) == b"":
                    left.remove(one)
            except TimeoutError:
                continue
            except OSError:
                left.remove(one)
        asked = time.monotonic()
        assert lives(port)
        worst = max(worst, time.monotonic() - asked)
        time.sleep(0.8)
    for one in slow:
        one.close()
    assert not left
    assert worst < 2.0


def test_the_page_names_tests_that_exist() -> None:
    text = (ROOT / "docs/service/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{path}::{name}"
    here = Path(__file__).read_text(encoding="utf-8")
    ours = set(re.findall(r"^def (test_\w+)", here, re.MULTILINE))
    assert ours - {"test_the_page_names_tests_that_exist"} <= {name for _, name in named}
