"""The native protocol as an AsyncAPI 3 document, made from the schema files and the tables of errors.

See https://www.asyncapi.com/docs/reference/specification/v3.0.0. AsyncAPI uses JSON Schema draft 7, and its ``$ref``
allows no other keywords in the same object. So references are inlined, and keywords of draft 2020-12 become those of
draft 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from websocket_api.contract.rules import Schema
from websocket_api.contract.schemas import Schemas
from websocket_api.core.delivery.codecs import CODECS
from websocket_api.errors import CLOSE_CODES, ERRORS

VERSION = "3.0.0"
CHANNEL = "native"
_SERVERS = {"plain": "ws", "tls": "wss"}
_CONTENT_TYPES = {"salt.v1.json": "application/json", "salt.v1.msgpack": "application/vnd.msgpack"}
_APART = frozenset({"$id", "$schema", "$defs", "examples", "title", "description"})
"""Keywords that do not belong into the payload of a message."""
_DATA = frozenset({"examples", "default", "const", "enum"})
"""Keywords whose values are not schemas."""
_CHANNEL_PROSE = (
    "A websocket on `/` or `/ws`, which are the same. The client offers one of the subprotocols under "
    "`x-subprotocols`; without an offer the first one is used. The payloads are the same objects in each. A client "
    "sends a message with an `id` of its choice, and gets a reply with that `id` (a message whose name here ends in "
    "`.result`, or `error`). The reply to a message without `id` is bare (`.bare`, or `error.bare`). Replies come in "
    "any order. A message with `subscription` is a frame of that subscription and not a reply. `x-errors` lists the "
    "codes of errors, `x-close-codes` the reasons why a connection is closed."
)


def document(schemas: Schemas) -> dict[str, Any]:
    """Return the AsyncAPI document of one release."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "websocket_api: the native protocol",
            "version": schemas.version,
            "description": "A live API for a Salt master over a websocket: run commands, follow jobs and events.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _CONTENT_TYPES[next(iter(CODECS))],
        "servers": {name: _server(protocol) for name, protocol in _SERVERS.items()},
        "channels": {CHANNEL: _channel(schemas)},
        "operations": {
            **{name: _request(name, schema) for name, schema in schemas.operations.items()},
            **{
                f"frame.{name}": {
                    "action": "send",
                    "title": frame["title"],
                    "channel": _reference("channels", CHANNEL),
                    "messages": _messages([f"frame.{name}"]),
                }
                for name, frame in _frames(schemas)
            },
        },
        "components": {"securitySchemes": _security()},
    }


def _server(protocol: str) -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": protocol,
        "description": "The Salt master, " + ("with TLS." if protocol == "wss" else "without TLS."),
        "variables": {
            "host": {
                "default": "127.0.0.1:8000",
                "description": "Address and port of the engine, or of the proxy in front of it.",
            }
        },
        "security": [_reference("components", "securitySchemes", name) for name in _security()],
    }


def _security() -> dict[str, Any]:
    return {
        "message": {
            "type": "userPassword",
            "description": "The message `auth`, as the first one on the connection. It accepts a token too.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "A Salt token with the handshake."},
        "header": {
            "type": "httpApiKey",
            "in": "header",
            "name": "X-Auth-Token",
            "description": "A Salt token with the handshake.",
        },
        "cookie": {
            "type": "httpApiKey",
            "in": "cookie",
            "name": "session_id",
            "description": "The same token. The page must come from the server itself or from a listed origin.",
        },
    }


def _channel(schemas: Schemas) -> dict[str, Any]:
    return {
        "address": "/",
        "title": "The native protocol",
        "description": _CHANNEL_PROSE,
        "messages": dict(_every_message(schemas)),
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {
                            "enum": list(CODECS),
                            "description": "The subprotocol. Without this header the first one is used.",
                        }
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-subprotocols": {
            name: {"contentType": _CONTENT_TYPES[name], "frames": "binary" if codec.binary else "text"}
            for name, codec in CODECS.items()
        },
        "x-errors": {
            code: {"status": kind.status, "retryable": kind.retryable, "meaning": kind.meaning}
            for code, kind in ERRORS.items()
        },
        "x-close-codes": {
            str(code): {"name": kind.name, "reconnect": kind.reconnect, "meaning": kind.meaning}
            for code, kind in CLOSE_CODES.items()
        },
    }


def _request(name: str, schema: Schema) -> dict[str, Any]:
    """Return an operation: the server receives a message and replies."""
    return {
        "action": "receive",
        "title": schema["title"],
        "description": schema["description"],
        "channel": _reference("channels", CHANNEL),
        "messages": _messages([name]),
        "reply": {
            "channel": _reference("channels", CHANNEL),
            "messages": _messages([f"{name}.result", f"{name}.bare", "error", "error.bare"]),
        },
    }


def _every_message(schemas: Schemas) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield each message of the channel with its name."""
    envelope, failed = schemas.frames["reply_result"], schemas.frames["reply_error"]
    correlated = {"correlationId": {"location": "$message.payload#/id", "description": "The `id` of the request."}}
    for name, schema in schemas.operations.items():
        yield name, {**_message(schema), **correlated}
        result = schema["$defs"]["result"]
        with_id = {
            **envelope,
            "title": f"{schema['title']}: the result",
            "description": result["description"],
            "properties": {**envelope["properties"], "result": result},
            "examples": [{**envelope["examples"][0], "result": example} for example in result["examples"]],
        }
        yield f"{name}.result", {**_message(with_id), **correlated}
        yield f"{name}.bare", _message({"title": f"{schema['title']}: the bare result", **result})
    yield "error", {**_message(_with_codes(failed, "error", "code")), **correlated}
    yield "error.bare", _message(_with_codes(schemas.frames["bare_error"], "error"))
    for name, frame in _frames(schemas):
        yield f"frame.{name}", _message(frame)


def _frames(schemas: Schemas) -> list[tuple[str, Schema]]:
    """Return the frames that are not replies."""
    return [(name, frame) for name, frame in schemas.frames.items() if "subscription" in frame["properties"]]


def _message(schema: Schema) -> dict[str, Any]:
    return {
        "title": schema["title"],
        "description": schema["description"],
        "payload": draft7({keyword: value for keyword, value in schema.items() if keyword not in _APART}),
        "examples": [{"payload": example} for example in schema["examples"]],
    }


def _with_codes(schema: Schema, *path: str) -> Schema:
    """Return the schema with all error codes listed.

    :param path: the properties that lead to the code
    """
    name, *rest = path
    inner = schema["properties"][name]
    inner = _with_codes(inner, *rest) if rest else {**inner, "enum": list(ERRORS)}
    return {**schema, "properties": {**schema["properties"], name: inner}}


def _messages(names: Iterable[str]) -> list[dict[str, str]]:
    return [_reference("channels", CHANNEL, "messages", name) for name in names]


def _reference(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def draft7(schema: Any) -> Any:
    """Return a schema of draft 2020-12 as one of draft 7. It must not contain references."""
    if isinstance(schema, list):
        return [draft7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("unevaluatedProperties") is False:
        schema = _closed(schema)
    renamed = {"dependentRequired": "dependencies"}
    return {
        renamed.get(keyword, keyword): value
        if keyword in _DATA
        else {name: draft7(item) for name, item in value.items()}
        if keyword == "properties"
        else draft7(value)
        for keyword, value in schema.items()
    }


def _closed(schema: Schema) -> Schema:
    """Return one schema with all properties, for one that adds properties to ``allOf`` and allows no others."""
    parts = [*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}]
    whole = {keyword: value for part in parts for keyword, value in part.items() if keyword != "unevaluatedProperties"}
    properties = {name: value for part in parts for name, value in part.get("properties", {}).items()}
    required = [name for part in parts for name in part.get("required", ())]
    return {**whole, "properties": properties, "required": required, "additionalProperties": False}
