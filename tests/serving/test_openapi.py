"""The description of the routes: complete, true and of use to generated clients."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from litestar.routes import HTTPRoute

from penchant.serving.app import create_app
from penchant.serving.examples import EXAMPLES
from penchant.serving.failures import CODES
from penchant.serving.openapi import document
from penchant.store.store import Store
from small_shop import NOW

Asking = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with Store.open(str(tmp_path_factory.mktemp("described") / "shop.db")) as store:
        app = create_app(store, now=lambda: NOW)
        made = document(app)
        app.state.service.close()
        made["routes"] = {
            (route.path_format, str(method).lower())
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for handler in route.route_handlers
            for method in handler.http_methods
            if route.path_format.startswith(("/v1/", "/health", "/metrics")) and method != "OPTIONS"
        }
    return made


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def whole(schema: Any, described: dict[str, Any]) -> Any:
    return {**schema, "components": described["components"]}


def test_every_route_for_clients_is_in_it_and_no_page(described: dict[str, Any]) -> None:
    assert {(path, method) for path, method, _ in operations(described)} == described["routes"]
    assert not [path for path in described["paths"] if path.startswith(("/try", "/data", "/sign"))]


def test_names_are_unique_and_can_be_names_of_functions(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for *_, operation in operations(described)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][A-Za-z]+", name) for name in names)
    tags = {tag["name"] for tag in described["tags"]}
    for path, _, operation in operations(described):
        assert set(operation["tags"]) <= tags, path
        assert operation["summary"].endswith((".", "!")), path
        inside = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert inside == set(re.findall(r"{(\w+)}", path))


def test_every_example_is_what_its_schema_says(described: dict[str, Any]) -> None:
    seen = 0
    for path, method, operation in operations(described):
        contents = [operation.get("requestBody", {}).get("content", {})]
        for answer in operation["responses"].values():
            name = answer.get("$ref", "").rpartition("/")[2]
            contents.append(
                (described["components"]["responses"][name] if name else answer).get("content", {})
            )
        for content in contents:
            for kind, media in content.items():
                assert kind == "text/plain" or media["examples"], (path, method)
                for example in media.get("examples", {}).values():
                    jsonschema_rs.validate(whole(media["schema"], described), example["value"])
                    seen += 1
    assert seen > 200


def test_examples_are_read_by_the_shapes_and_schemas_refuse_what_they_refuse(
    described: dict[str, Any],
) -> None:
    for shape, example in EXAMPLES.items():
        msgspec.convert(example, shape, strict=True)
        schema = whole({"$ref": f"#/components/schemas/{shape.__name__}"}, described)
        jsonschema_rs.validate(schema, example)
        for wrong in (5, [], {**example, "nonsense": {}}):
            valid = jsonschema_rs.is_valid(schema, wrong)
            try:
                msgspec.convert(wrong, shape, strict=True)
            except msgspec.ValidationError:
                assert not valid, (shape, wrong)
            else:
                assert valid, (shape, wrong)


def test_every_error_has_the_one_shape(described: dict[str, Any]) -> None:
    statuses = {str(status) for status in CODES.values()}
    assert set(described["components"]["responses"]) == statuses
    for path, method, operation in operations(described):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path != "/health/ready":
                assert answer == {"$ref": f"#/components/responses/{status}"}, (path, method)
    for status in ("429", "503"):
        assert "Retry-After" in described["components"]["responses"][status]["headers"]


def test_a_key_is_asked_for_where_one_is_needed(
    described: dict[str, Any], empty: Store, asking: Asking
) -> None:
    secrets = {
        scope: empty.keys.create(scope, [scope], now=NOW)[1]
        for scope in ("ingest", "read", "admin")
    }
    with asking(empty) as client:
        for path, method, operation in operations(described):
            sent = client.build_request(
                method, path.replace("{", "").replace("}", ""),
                content=b"{}" if "requestBody" in operation else b"",
                headers={"Content-Type": "application/json"},
            )  # fmt: skip
            if not operation["security"]:
                assert client.send(sent).status_code < 400
                continue
            (needed,) = operation["security"][0]["key"]
            assert client.send(sent).status_code == 401, path
            for scope, secret in secrets.items():
                sent.headers["Authorization"] = f"Bearer {secret}"
                refused = client.send(sent).status_code == 403
                assert refused == (scope not in (needed, "admin")), (path, method, scope)


def test_schemathesis_takes_it_for_openapi(described: dict[str, Any]) -> None:
    given = {name: value for name, value in described.items() if name != "routes"}
    schemathesis.openapi.from_dict(json.loads(json.dumps(given))).validate()
    assert described["openapi"].startswith("3.1")
