"""The HTTP paths as an OpenAPI 3.1 document, made from ``schemas/http.json`` and the table of errors.

See https://spec.openapis.org/oas/v3.1.0. OpenAPI 3.1 uses JSON Schema draft 2020-12, as the schema files do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from websocket_api.contract.schemas import Schemas
from websocket_api.errors import ERRORS

VERSION = "3.1.0"
REPLY_TYPES = ("application/json", "application/x-yaml")
"""Types of a reply, chosen by the request's Accept; the first one without Accept."""
BODY_TYPES = ("application/json", "application/x-yaml", "application/x-www-form-urlencoded", "text/plain")
"""Types of a body. A body of type text/plain is read as JSON: old clients send it so."""

_AS_ACCEPTED = frozenset({"application/x-tar", "text/event-stream"})
"""Types of replies that are sent only if Accept names them, as :data:`REPLY_TYPES` are."""

_EVERYBODY = ("forbidden", "too_many", "internal", "master_unavailable")
"""Errors of every request."""
_KNOWN = ("unauthenticated", "token_expired")
"""Further errors of requests with a token."""
_WITH_BODY = ("bad_json", "bad_message", "too_large")
_NO_TYPE, _CODED = "406", "415"
_MEANINGS = {
    _NO_TYPE: "The request accepts no type that the reply can have, or the type of its body is not supported.",
    _CODED: "The body has a `Content-Encoding`, or a charset that is not supported.",
}
"""Meanings of the statuses that are not in the table of errors."""
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A Salt token."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Auth-Token",
        "description": "The same token; preferred.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session_id",
        "description": "A Salt token, for browsers. A request that changes something must then come from a page of the "
        "server itself, or of a listed origin.",
    },
}

_TOKEN = [{scheme: list[str]()} for scheme in _SECURITY]
_ACCESS = {"anybody": [], "token": _TOKEN, "either": [{}, *_TOKEN]}
"""Security by access: for anybody; with a token; with a token or a password, in the headers or in the body."""


def document(schemas: Schemas) -> dict[str, Any]:
    """Return the OpenAPI document of one release."""
    paths: dict[str, dict[str, Any]] = {}
    for name, request in schemas.requests.items():
        method, path = name.split(" ")
        paths.setdefault(path, {})[method.lower()] = _operation(name, request)
    # Without the schemas that no request refers to: clients would get types that they never use.
    named = {"error", *re.findall(r'"#/components/\w+/(\w+)"', json.dumps(paths))}
    components = {**schemas.http, "error": _with_codes(schemas.http["error"])}
    refusals = {_shared(status): _refusal(status) for status in (*_statuses(ERRORS), *_MEANINGS)}
    return {
        "openapi": VERSION,
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "websocket_api: the HTTP paths",
            "version": schemas.version,
            "description": "A Salt master over HTTP, for clients of salt-api. A `{path}` may contain slashes. If Salt "
            "does not permit a request, the error is `forbidden`: status 401 where salt-api answers 401, else 403.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that sent this document."}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name in named},
            "responses": {name: refusal for name, refusal in refusals.items() if name in named},
            "securitySchemes": _SECURITY,
        },
    }


def _operation(name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", name).strip("_").lower(),
        "summary": request["title"],
        "description": request["description"],
        "security": _ACCESS[request["access"]],
        "responses": _responses(request),
    }
    parameters = [_parameter(field, "path", field) for field in re.findall(r"{(\w+)}", name)]
    parameters += [_parameter(field, "header", schema) for field, schema in request.get("headers", {}).items()]
    parameters += [_parameter(field, "query", schema) for field, schema in request.get("query", {}).items()]
    if parameters:
        operation["parameters"] = parameters
    if "body" in request:
        content = _content(request.get("takes", BODY_TYPES), request["body"])
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(name: str, place: str, schema: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": _reference("schemas", schema)}


def _responses(request: Mapping[str, Any]) -> dict[str, Any]:
    replies = {status: _reply(reply) for status, reply in request["replies"].items()}
    codes = [*_EVERYBODY, *request.get("errors", ())]
    codes += _KNOWN if request["access"] != "anybody" else ()
    codes += _WITH_BODY if "body" in request else ()
    refusals = {status: _reference("responses", _shared(status)) for status in _statuses(codes)}
    if any(
        "schema" in reply and _AS_ACCEPTED & {*reply.get("types", _AS_ACCEPTED)}
        for reply in request["replies"].values()
    ):
        refusals[_NO_TYPE] = _reference("responses", _shared(_NO_TYPE))
    if "body" in request:
        refusals[_CODED] = _reference("responses", _shared(_CODED))
    return dict(sorted({**refusals, **replies}.items()))


def _reply(reply: Mapping[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": reply["description"]}
    if "headers" in reply:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in reply["headers"].items()
        }
    if "content" in reply:
        response["content"] = {kind: _content([kind], schema)[kind] for kind, schema in reply["content"].items()}
    elif "schema" in reply:
        response["content"] = _content(reply.get("types", REPLY_TYPES), reply["schema"])
    return response


def _refusal(status: str) -> dict[str, Any]:
    """Return the response that all requests refused with this status share."""
    kinds = [kind for kind in ERRORS.values() if str(kind.status) == status]
    meaning = "\n".join(f"* `{kind.code}`: {kind.meaning}" for kind in kinds)
    response: dict[str, Any] = {
        "description": meaning or _MEANINGS[status],
        "content": _content(REPLY_TYPES[:1], "error"),
    }
    if any(kind.code == "too_many" for kind in kinds):
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait, if known.", "schema": {"type": "string"}}
        }
    return response


def _statuses(codes: Iterable[str]) -> list[str]:
    return sorted({str(ERRORS[code].status) for code in codes})


def _shared(status: str) -> str:
    return f"refused_{status}"


def _content(types: Iterable[str], schema: str) -> dict[str, Any]:
    return {kind: {"schema": _reference("schemas", schema)} for kind in types}


def _with_codes(error: Mapping[str, Any]) -> dict[str, Any]:
    properties = error["properties"]
    return {**error, "properties": {**properties, "error": {**properties["error"], "enum": list(ERRORS)}}}


def _reference(*path: str) -> dict[str, str]:
    return {"$ref": "#/components/" + "/".join(path)}
