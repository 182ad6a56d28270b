"""The schema files: complete, consistent and described."""

from __future__ import annotations

import importlib
import json
import pathlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import pytest
import websocket_api
from websocket_api import operations
from websocket_api.contract import digest
from websocket_api.contract.dialect import Validator
from websocket_api.contract.schemas import DOCUMENTS
from websocket_api.errors import ERRORS
from websocket_api.operations.call import OPERATIONS

from tests.support.schemas import SCHEMAS

pytestmark = pytest.mark.any_python

DIRECTORY = pathlib.Path(__file__).parents[2] / "schemas"
FILES = sorted({path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*.json")} - {*DOCUMENTS})
WORDS = ("title", "description", "default", "examples", "$schema", "$id", "x-fault", "x-surplus", "x-unit")

FIRST_CLIENTS = [
    {"type": "auth", "username": "vagrant", "password": "vagrant"},
    {
        "type": "cmd",
        "method": "test.ping",
        "pattern": "*",
        "pattern_type": "glob",
        "token": "a2822c3247c15755c7e17fa5686d40c7",
    },
    {"type": "subscribe", "subscription": "event"},
    {"type": "get_job", "jid": "20141103073312975821"},
    {"type": "signature", "tgt": "vagrant", "token": "9d15eef4b4465bd352a32fc8eed22444", "module": "test.ping"},
    {"type": "event", "body": {"test": True}, "tag": "/test/noise"},
]
"""The messages of the documents that the first clients of this API were written by, as printed there."""

FIRST_LOGIN = {
    "username": "vagrant",
    "name": "vagrant",
    "perms": [".*", "@runner", "@wheel"],
    "start": 1414873954.974579,
    "token": "de7f428a61a8ab799d44e764067b0efd",
    "expire": 1414917154.974582,
    "user": "vagrant",
    "eauth": "pam",
}
"""The reply to a login that the same documents print."""


def read(name: str) -> dict[str, Any]:
    """Return a schema file as it is."""
    value: dict[str, Any] = json.loads((DIRECTORY / name).read_text(encoding="utf-8"))
    return value


def properties(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every property of a schema and of those inside it, with its place."""
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            yield from properties(item, f"{place}/{number}")
    elif isinstance(schema, dict):
        # Rules between fields ("not both") look like properties and describe nothing.
        is_rule = "/allOf" in place or "_rule" in place
        for name, value in schema.get("properties", {}).items() if not is_rule else ():
            yield f"{place}/{name}", value
        for keyword, value in schema.items():
            if keyword not in WORDS:
                yield from properties(value, f"{place}/{keyword}")


def every_property() -> list[tuple[str, Any]]:
    """Return every property of every message, reply, frame and option."""
    wholes = {**SCHEMAS.operations, **SCHEMAS.frames, "settings": SCHEMAS.settings, "common": SCHEMAS.common}
    wholes["http"] = SCHEMAS.http
    return [(f"{name}{place}", value) for name, whole in wholes.items() for place, value in properties(whole)]


def test_the_schemas_are_of_the_same_release_as_the_engine() -> None:
    """The engine refuses schemas of another release, so this checkout must not hold any."""
    assert SCHEMAS.version == websocket_api.__version__
    assert digest.changed(DIRECTORY) == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_by_its_own_id(name: str) -> None:
    """References are relative to ``$id``, which must match the file's address."""
    assert urljoin(f"http://master/schemas/{name}", read(name)["$id"]) == f"http://master/schemas/{name}"
    assert read(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_operation_has_a_schema_and_every_schema_an_operation() -> None:
    """One function and one file of the same name make an operation; one alone is a mistake."""
    for module in pkgutil.iter_modules(operations.__path__):
        importlib.import_module(f"{operations.__name__}.{module.name}")
    assert set(SCHEMAS.operations) == set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(SCHEMAS.operations))
def test_an_operation_is_described_completely(name: str) -> None:
    """Clients build forms from a schema, and pages are generated from it."""
    schema = SCHEMAS.operations[name]
    assert schema["title"]
    assert schema["description"].endswith(".")
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert "type" in schema["required"]
    assert schema["properties"]["type"]["const"] == name
    assert {"id", "token"} <= set(schema["properties"])
    assert schema["examples"]
    assert schema["$defs"]["result"]["description"]
    assert schema["$defs"]["result"]["examples"]


def test_every_property_is_described_in_a_sentence() -> None:
    """A property without a description, or with a fragment of one, leaves a client's author guessing."""
    poor = [
        place
        for place, value in every_property()
        if not isinstance(value, dict) or not re.search(r"[.:]$", value.get("description", "")[-1:])
    ]
    assert poor == []


def test_a_default_satisfies_its_own_schema() -> None:
    """A client may send a default, so it must be valid."""
    found = 0
    for place, value in every_property():
        if isinstance(value, dict) and "default" in value:
            found += 1
            only = {"type": "object", "properties": {"it": value}}
            assert not list(Validator(only).iter_errors({"it": value["default"]})), place
    assert found > 50


@pytest.mark.parametrize("name", sorted(SCHEMAS.operations))
def test_examples_of_messages_are_valid(name: str) -> None:
    """People copy examples."""
    for example in SCHEMAS.operations[name]["examples"]:
        SCHEMAS.validate(name, example)


@pytest.mark.parametrize("name", sorted(SCHEMAS.operations))
def test_examples_of_results_are_valid(name: str) -> None:
    """People trust examples."""
    for example in SCHEMAS.operations[name]["$defs"]["result"]["examples"]:
        SCHEMAS.validate_result(name, example)


@pytest.mark.parametrize("name", sorted(SCHEMAS.frames))
def test_a_frame_is_described_completely_with_valid_examples(name: str) -> None:
    """Frames and replies are described like operations."""
    frame = SCHEMAS.frames[name]
    assert frame["title"]
    assert frame["description"].endswith(".")
    assert frame["examples"]
    for example in frame["examples"]:
        SCHEMAS.validate_frame(name, example)


@pytest.mark.parametrize("name", sorted(SCHEMAS.http))
def test_http_bodies_are_described_and_their_examples_are_valid(name: str) -> None:
    """Bodies and replies over HTTP are described like messages, and their examples hold."""
    schema = SCHEMAS.http[name]
    assert re.search(r"[.:]$", schema["description"])
    if "examples" not in schema:
        assert schema in SCHEMAS.common.values(), "what this file alone defines has examples"
    for example in schema.get("examples", ()):
        SCHEMAS.validate_http(name, example)


@pytest.mark.parametrize("name", sorted(SCHEMAS.requests))
def test_http_requests_are_described_completely(name: str) -> None:
    """Titles and descriptions in prose, and no name of a schema or an error that does not exist."""
    request = SCHEMAS.requests[name]
    method, path = name.split(" ")
    assert method in ("GET", "POST", "DELETE")
    may = {"title", "description", "access", "headers", "query", "body", "takes", "replies", "errors"}
    assert request.keys() <= may
    assert request["title"]
    assert request["description"].endswith(".")
    assert request["access"] in ("anybody", "token", "either")
    assert set(request.get("errors", ())) <= set(ERRORS)
    named = {*re.findall(r"{(\w+)}", path), *request.get("headers", {}).values()}
    named |= {reply["schema"] for reply in request["replies"].values() if "schema" in reply}
    named |= {schema for reply in request["replies"].values() for schema in reply.get("content", {}).values()}
    named |= {request["body"]} if "body" in request else set()
    assert named <= set(SCHEMAS.http)
    for status, reply in request["replies"].items():
        assert status.isdigit()
        assert reply["description"].endswith(".")
        assert reply.keys() <= {"description", "schema", "types", "content", "headers"}


def test_every_http_definition_is_used() -> None:
    """A definition that no request refers to is a leftover."""
    text = json.dumps(read("http.json"))
    requests = json.dumps(SCHEMAS.requests)
    for name in SCHEMAS.http:
        assert f'"{name}"' in requests or f"{{{name}}}" in requests or f'"#/$defs/{name}"' in text, name


def test_a_message_is_a_reply_or_a_frame_but_never_both() -> None:
    """Clients tell the two apart by ``id`` and ``subscription``."""
    for name, frame in SCHEMAS.frames.items():
        assert not {"id", "subscription"} <= set(frame["properties"]), name


def test_examples_of_options_are_valid() -> None:
    """The examples in docs/configuration.md are generated from these."""
    for example in SCHEMAS.settings["examples"]:
        assert SCHEMAS.validate_settings(example) == []


@pytest.mark.parametrize("message", FIRST_CLIENTS, ids=lambda message: str(message["type"]))
def test_messages_of_the_first_documents_are_valid(message: dict[str, Any]) -> None:
    """Clients written for the first documents of this API need no change."""
    SCHEMAS.validate(message["type"], message)


def test_the_first_clients_get_the_reply_to_a_login_that_they_know() -> None:
    """The documented reply to ``auth`` matches this API's schema."""
    SCHEMAS.validate_result("auth", FIRST_LOGIN)


def test_schemas_have_no_references_to_other_files() -> None:
    """``describe`` returns schemas one by one, so each must be complete in itself."""
    assert '"$ref"' not in json.dumps([SCHEMAS.operations, SCHEMAS.frames, SCHEMAS.settings, SCHEMAS.http])
