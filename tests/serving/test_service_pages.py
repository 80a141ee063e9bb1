"""The pages about the service are held to their word: requests, Python and commands."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

import example_shop
from penchant.cli import app as command_line
from penchant.serving.meters import METERS
from penchant.store import daily
from penchant.store.store import Store
from serving.conftest import Asking

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
API = DOCS / "service" / "api.md"

REQUEST = re.compile(
    r"^```text\n(?P<method>GET|POST|PUT|DELETE) (?P<target>/\S+)\n(?P<body>(?:.+\n)*)"
    r"\n(?P<status>\d{3})\n(?P<reply>[\s\S]*?)^```$",
    re.MULTILINE,
)
"""A request with its body, an empty line, and the reply: status and body."""

PYTHON = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n+^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
ANYTHING = "…"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example shop's store."""
    path = tmp_path_factory.mktemp("pages") / "shop.db"
    with Store.open(str(path)) as store:
        example_shop.fill(store)
    return path


@pytest.fixture
def example(template: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it."""
    for path in template.parent.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(template.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    with Store.open(str(tmp_path / template.name)) as store:
        while daily.count_up(store):
            pass
        yield store


def fits(shown: Any, found: Any) -> bool:
    """Whether a reply is as shown: … is a value, the end of a text, or what follows."""
    if isinstance(shown, str) and shown.endswith(ANYTHING):
        return shown == ANYTHING or (isinstance(found, str) and found.startswith(shown[:-1]))
    if isinstance(shown, dict) and isinstance(found, dict):
        rest = ANYTHING in shown
        named = {key: value for key, value in shown.items() if key != ANYTHING}
        return (rest or named.keys() == found.keys()) and all(
            key in found and fits(value, found[key]) for key, value in named.items()
        )
    if isinstance(shown, list) and isinstance(found, list):
        if shown[-1:] == [ANYTHING]:
            shown, found = shown[:-1], found[: len(shown) - 1]
        return len(shown) == len(found) and all(map(fits, shown, found))
    return type(shown) is type(found) and bool(shown == found)


def test_what_fits_and_what_does_not() -> None:
    found = {"a": [1, 2, {"b": "text"}], "c": None}
    for shown in (
        {"a": [1, "…"], "c": None},
        {"a": "…", "…": "…"},
        {"a": [1, 2, {"b": "te…"}], "c": None},
    ):
        assert fits(shown, found), shown
    for shown in (
        {"a": [2, "…"], "c": None},
        {"a": "…"},
        {"a": [1, 2, {"b": "ta…"}], "c": None},
        {"a": [1], "c": None},
    ):
        assert not fits(shown, found), shown


def values(reply: Any, into: dict[str, str]) -> None:
    """Note the texts of a reply by their names."""
    for key, value in reply.items() if isinstance(reply, dict) else ():
        if isinstance(value, str):
            into[key] = value
        else:
            values(value, into)


def test_each_request_of_the_page_is_answered_as_shown(example: Store, asking: Asking) -> None:
    seen: dict[str, str] = {}
    met = set()
    with asking(example) as client:
        for found in REQUEST.finditer(API.read_text(encoding="utf-8")):

            def known(name: re.Match[str]) -> str:
                return seen[name[1]]

            target = re.sub(r"\{(\w+)\}", known, found["target"])
            body = re.sub(r"\{(\w+)\}", known, found["body"])
            headers = {"Content-Type": "application/json"} if body else {}
            reply = client.request(found["method"], target, content=body, headers=headers)
            where = f"{found['method']} {target} {body}"
            assert found["status"] == str(reply.status_code), f"{where}\n{reply.text}"
            if found["reply"].strip().startswith("{"):
                shown = json.loads(found["reply"])
                assert fits(shown, reply.json()), f"{where}\n{reply.text}"
                values(reply.json(), seen)
            else:
                for line in found["reply"].strip().splitlines():
                    assert line == ANYTHING or line in reply.text, where
            met.add((found["method"], found["target"].partition("?")[0]))
        described = client.get("/openapi.json").json()["paths"]
    headings = set(re.findall(r"^### `(\w+) (\S+)`$", API.read_text(), re.M))
    routes = {(method.upper(), path) for path, ways in described.items() for method in ways}
    assert headings == {*routes, ("GET", "/openapi.json")}
    for method, path in headings:
        like = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
        assert any(m == method and like.fullmatch(t) for m, t in met), f"{method} {path}"


class Inside(httpx.AsyncBaseTransport):
    """Asks what a waiting transport asks."""

    def __init__(self, waiting: Any) -> None:
        self.waiting = waiting

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        plain = httpx.Request(
            request.method, request.url, headers=request.headers, content=await request.aread()
        )
        reply = await asyncio.to_thread(self.waiting.handle_request, plain)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.read())


def test_the_python_of_the_first_page_does_what_it_shows(
    example: Store,
    asking: Asking,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (DOCS / "service" / "index.md").read_text(encoding="utf-8")
    waiting, awaited = httpx.Client, httpx.AsyncClient
    with asking(example) as client:
        monkeypatch.setattr(type(client._transport), "close", lambda self: None, raising=False)
        for name, real, transport in (
            ("Client", waiting, client._transport),
            ("AsyncClient", awaited, Inside(client._transport)),
        ):
            monkeypatch.setattr(httpx, name, partial(_opened, real, transport))
        names: dict[str, Any] = {}
        shown = []
        for found in PYTHON.finditer(page):
            exec(found["code"], names)  # noqa: S102 - our own page
            printed = capsys.readouterr().out
            assert found["output"] is None or printed.strip() == found["output"].strip()
            shown.append(printed)
    assert len(shown) == 2
    events = example.events.page("uann", None, 10)
    assert [(one.kind, one.rank) for one in events] == [("purchase", 1), ("view", None)]


def _opened(real: Callable[..., Any], inside: Any, **options: Any) -> Any:
    return real(**{**options, "transport": inside})


COMMAND = re.compile(r"^(?:\$ )?(?:sudo -u \w+ )?(?:\S+/bin/)?(penchant .*?)(?:  +#.*)?$", re.M)
"""A line of a block that calls penchant."""

SHELL = re.compile(r"^```(?:console|sh|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    found = []
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")]:
        for block in re.findall(
            r"^```(?:console|sh|bash)\n(.*?)^```$", page.read_text(), re.M | re.S
        ):
            found += COMMAND.findall(block.replace("\\\n", " "))
    for unit in (ROOT / "examples" / "deploy").glob("*"):
        text = unit.read_text().replace("\\\n", " ")
        found += re.findall(r"(?<=/bin/)penchant [^;|\n]*", text)
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_documentation_exists(line: str) -> None:
    command: Any = typer.main.get_command(command_line)
    words = shlex.split(line.replace("…", ""))[1:]
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert hasattr(command, "callback")
    assert asked <= {*known, "--help", "--version"}
    assert not hasattr(command, "commands") or asked or not words, f"no such command: {line}"


def test_every_meter_is_told_of() -> None:
    text = (DOCS / "service" / "operations.md").read_text()
    told = set(re.findall(r"^`(penchant_\w+)` \|", text, re.M))
    assert told == set(METERS)


def test_every_page_about_the_service_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text()
    for page in (DOCS / "service").glob("*.md"):
        assert f"service/{page.name}" in nav, page.name
