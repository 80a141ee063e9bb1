"""The description of all routes in OpenAPI 3.1, made from the routes themselves.

Shapes come from msgspec, which also checks them: the document says what is checked, no more and no
less. What a route may answer with follows from what it is: every route with a body can find it too
large, every route with a scope can miss a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from inspect import cleandoc
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

import penchant
from penchant.serving.examples import EXAMPLES
from penchant.serving.failures import CODES
from penchant.serving.shapes import Failure

REF = "#/components/schemas/{name}"
BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "pattern": "pattern",
}
"""Litestar's words for limits, and JSON Schema's."""

TAGS = {
    "events": "What people do comes in.",
    "recommendations": "What they may like goes out, and why.",
    "items": "The catalogue.",
    "users": "People: what is known, exported, merged and erased.",
    "models": "Versions of the model, and which is in use.",
    "rules": "Boosts, pins and buries that hold for everyone.",
    "service": "The service itself.",
}
ABOUT = (
    "Events in, recommendations out. A key is needed once the store has any; without, the service "
    "answers this machine only. Every error has the shape Failure; docs/service/errors.md explains "
    "each code. Every reply carries X-Request-ID."
)
WAITS = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}


def document(app: Litestar) -> dict[str, Any]:
    """Return the document of an application's routes, without those that are not for clients."""
    operations = list(_operations(app))
    shapes: dict[Any, None] = {Failure: None}
    for _, _, handler in operations:
        for shape in (_body(handler), *_answers(handler).values()):
            shapes.update(dict.fromkeys(_kinds(shape)))
    used = [shape for shape in shapes if shape is not None and shape is not str]
    schemas, components = msgspec.json.schema_components(used, ref_template=REF)
    names = dict(zip(used, schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, method, handler in operations:
        paths.setdefault(path, {})[method] = _operation(handler, path, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "penchant", "version": penchant.__version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": told} for name, told in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "responses": {str(status): _failure(status) for status in sorted(set(CODES.values()))},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    for method in sorted(handler.http_methods):
                        yield route.path_format, str(method).lower(), handler


def _operation(handler: HTTPRouteHandler, path: str, names: Mapping[Any, Any]) -> dict[str, Any]:
    told = cleandoc(handler.fn.__doc__ or "").replace("``", "`")
    summary, _, more = told.partition("\n")
    scope = handler.opt.get("scope", "admin")
    body = _body(handler)
    answers = {str(s): _answer(s, shape, names) for s, shape in _answers(handler).items()}
    failures = {str(s): {"$ref": f"#/components/responses/{s}"} for s in _failing(handler, path)}
    made: dict[str, Any] = {
        "operationId": handler.operation_id or _camel(handler.fn.__name__),
        "tags": sorted(handler.resolve_tags()),
        "summary": summary,
        "description": more.strip(),
        "security": [{"key": [scope]}] if scope else [],
        "parameters": list(_parameters(handler, path)),
        "responses": answers | failures,
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": _content(body, names)}
    return made


def _body(handler: HTTPRouteHandler) -> Any:
    """Return the type of the body: of ``data``, or as the route declares (``body=...``)."""
    data = handler.parsed_fn_signature.parameters.get("data")
    return handler.opt.get("body") if data is None else data.annotation


def _answers(handler: HTTPRouteHandler) -> dict[int, Any]:
    """Return the types of what a route answers with when it succeeds, and declares (``also=``)."""
    returned = handler.opt.get("returns", handler.parsed_fn_signature.return_type.annotation)
    if get_origin(returned) is Response:
        (returned,) = get_args(returned)
    nothing = returned is None or returned is type(None)
    return {handler.status_code: None if nothing else returned, **handler.opt.get("also", {})}


def _answer(status: int, shape: Any, names: Mapping[Any, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if shape is str:
        made["content"] = {"text/plain": {"schema": {"type": "string"}}}
    elif shape is not None:
        made["content"] = _content(shape, names)
    return made


def _content(shape: Any, names: Mapping[Any, Any]) -> dict[str, Any]:
    kinds = _kinds(shape)
    examples = {kind.__name__: {"value": EXAMPLES[kind]} for kind in kinds}
    either = [names[kind] for kind in kinds]
    schema = either[0] if len(either) == 1 else {"anyOf": either}
    return {"application/json": {"schema": schema, "examples": examples}}


def _kinds(shape: Any) -> tuple[Any, ...]:
    """Return the shapes that one of several is; msgspec has no unions of them."""
    return get_args(shape) if isinstance(shape, UnionType) else (shape,)


def _parameters(handler: HTTPRouteHandler, path: str) -> Iterator[dict[str, Any]]:
    inside = set(re.findall(r"{(\w+)}", path))
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name not in ("data", "request", "state", "scope"):
            yield _parameter(name, field, name in inside)


def _parameter(name: str, field: FieldDefinition, inside: bool) -> dict[str, Any]:
    schema = dict(msgspec.json.schema(field.annotation))
    limits = field.kwarg_definition
    told = None
    if isinstance(limits, ParameterKwarg):
        found = {ours: getattr(limits, theirs) for theirs, ours in BOUNDS.items()}
        # Null is how a parameter is left out, and cannot be written in a query.
        schema = _without_null(schema) | {k: v for k, v in found.items() if v is not None}
        schema |= limits.schema_extra or {}
        told = limits.description
        name = limits.name or name
    if field.has_default and field.default is not None:
        schema["default"] = field.default
    made = {
        "name": name,
        "in": "path" if inside else "query",
        "required": inside or not (field.has_default or field.is_optional),
        "schema": schema,
    }
    return made if told is None else made | {"description": told}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return dict(kinds[0])
    return {"anyOf": kinds} if kinds else schema


def _failing(handler: HTTPRouteHandler, path: str) -> list[int]:
    """Return the statuses of all that can go wrong."""
    found = {400, 431, 500, *handler.opt.get("fails", ())}
    if handler.opt.get("scope", "admin"):
        found |= {401, 403, 429, 503}
    if _body(handler) is not None:
        found |= {403, 408, 413, 415, 422}
    if "{" in path:
        found |= {404}
    if list(_parameters(handler, path)):
        found |= {422}
    return sorted(found - set(_answers(handler)))


def _failure(status: int) -> dict[str, Any]:
    codes = [code for code, its in CODES.items() if its == status]
    example = {"error": {"code": codes[0], "message": "What is wrong, and what to do.",
                         "docs": f"docs/service/errors.md#{codes[0]}"}}  # fmt: skip
    made: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "content": {
            "application/json": {
                "schema": {"$ref": REF.format(name="Failure")},
                "examples": {"Failure": {"value": example}},
            }
        },
    }
    return made | {"headers": WAITS} if status in (429, 503) else made


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
