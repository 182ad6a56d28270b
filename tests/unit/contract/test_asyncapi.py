"""schemas/asyncapi.json: a valid and complete AsyncAPI document of the native protocol."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("msgpack")

from jsonschema import Draft7Validator, Draft202012Validator
from websocket_api.core.delivery.codecs import CODECS
from websocket_api.errors import CLOSE_CODES, ERRORS

from tests.references import references
from tests.support.schemas import SCHEMAS
from tests.unit.contract.test_schemas import FAULTY

pytestmark = pytest.mark.any_python

TESTS = pathlib.Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((TESTS.parent / "schemas" / "asyncapi.json").read_text(encoding="utf-8"))
MESSAGES: dict[str, Any] = DOCUMENT["channels"]["native"]["messages"]
OPERATIONS: dict[str, Any] = DOCUMENT["operations"]
NOT_DRAFT_7 = {
    "$defs",
    "$dynamicRef",
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
}


def published() -> Draft7Validator:
    """Return AsyncAPI's own schema of documents."""
    text = (TESTS / "unit" / "published" / f"asyncapi-{DOCUMENT['asyncapi']}.json").read_text(encoding="utf-8")
    return Draft7Validator(json.loads(text))


def payload(name: str) -> Draft7Validator:
    """Return a validator of a message, as AsyncAPI tools have it."""
    return Draft7Validator(MESSAGES[name]["payload"])


def keywords(schema: Any) -> Iterator[str]:
    """Yield the keywords of a schema and of those inside it."""
    if isinstance(schema, list):
        for item in schema:
            yield from keywords(item)
    elif isinstance(schema, dict):
        yield from schema
        for keyword, value in schema.items():
            if keyword == "properties":
                yield from keywords(list(value.values()))
            elif keyword not in ("examples", "default", "const", "enum"):
                yield from keywords(value)


def test_the_document_matches_the_published_schema() -> None:
    """So all tools of AsyncAPI accept it."""
    faults = [f"{error.json_path}: {error.message[:200]}" for error in published().iter_errors(DOCUMENT)]
    assert faults == []


def test_the_published_schema_would_find_a_fault() -> None:
    """It finds a missing part, a wrong part and an invalid schema."""
    for broken in (
        {key: value for key, value in DOCUMENT.items() if key != "info"},
        {**DOCUMENT, "operations": {"cmd": {**OPERATIONS["cmd"], "action": "publish"}}},
        {
            **DOCUMENT,
            "channels": {"native": {"address": "/", "messages": {"cmd": {"payload": {"type": "text"}}}}},
        },
    ):
        assert list(published().iter_errors(broken))


def test_every_reference_leads_somewhere() -> None:
    """The published schema checks only the form of references."""
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_operation_is_received_and_answered() -> None:
    """With a result or an error, with an id or bare. A new operation needs ``make docs``."""
    assert set(SCHEMAS.operations) == {name for name, one in OPERATIONS.items() if one["action"] == "receive"}
    for name in SCHEMAS.operations:
        assert [reference["$ref"].rpartition("/")[2] for reference in OPERATIONS[name]["reply"]["messages"]] == [
            f"{name}.result",
            f"{name}.bare",
            "error",
            "error.bare",
        ]


def test_every_frame_is_sent() -> None:
    """Frames have `subscription`; replies are not frames."""
    sent = {name for name, one in OPERATIONS.items() if one["action"] == "send"}
    assert sent == {f"frame.{name}" for name in SCHEMAS.frames if "reply" not in SCHEMAS.frames[name]["title"].lower()}
    assert {"frame.event", "frame.gap", "frame.ended"} <= sent


def test_every_message_is_of_some_operation() -> None:
    """No described message is unused."""
    named = {reference.rpartition("/")[2] for reference in references(OPERATIONS) if "/messages/" in reference}
    assert named == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_examples_of_messages_fit_their_payloads(name: str) -> None:
    """Also in draft 7."""
    assert MESSAGES[name]["examples"]
    for example in MESSAGES[name]["examples"]:
        assert list(payload(name).iter_errors(example["payload"])) == []


def refused() -> list[dict[str, Any]]:
    """Return messages that JSON Schema by itself refuses; the engine is stricter (contract/dialect.py)."""
    known = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.operations.items()}
    messages = [message for message, _ in FAULTY if isinstance(message, dict) and message.get("type") in known]
    return [message for message in messages if not known[message["type"]].is_valid(message)]


@pytest.mark.parametrize("message", refused())
def test_what_the_engine_refuses_does_not_fit_either(message: dict[str, Any]) -> None:
    """Nothing is lost on the way from draft 2020-12 to draft 7."""
    assert list(payload(message["type"]).iter_errors(message))


def test_unknown_fields_of_composed_schemas_are_refused() -> None:
    """Draft 7 would ignore `unevaluatedProperties`."""
    job = SCHEMAS.common["job"]["examples"][0]
    assert not list(payload("get_job.bare").iter_errors(job))
    assert list(payload("get_job.bare").iter_errors({**job, "surplus": 1}))
    assert list(payload("get_job.bare").iter_errors({key: value for key, value in job.items() if key != "jid"}))


def test_payloads_use_keywords_of_draft_7_only() -> None:
    """Tools ignore unknown keywords."""
    used = {keyword for message in MESSAGES.values() for keyword in keywords(message["payload"])}
    assert "properties" in used
    assert not used & NOT_DRAFT_7


def test_subprotocols_errors_and_close_codes_are_described() -> None:
    """From the engine's own tables."""
    channel = DOCUMENT["channels"]["native"]
    assert set(channel["x-subprotocols"]) == set(CODECS)
    assert channel["bindings"]["ws"]["headers"]["properties"]["Sec-WebSocket-Protocol"]["enum"] == list(CODECS)
    assert channel["x-errors"]["no_minions"]["status"] == 404
    assert set(channel["x-errors"]) == set(ERRORS)
    assert set(channel["x-close-codes"]) == {str(code) for code in CLOSE_CODES}
    assert MESSAGES["error"]["payload"]["properties"]["error"]["properties"]["code"]["enum"] == list(ERRORS)
    assert MESSAGES["error.bare"]["payload"]["properties"]["error"]["enum"] == list(ERRORS)


def test_it_is_of_the_release_of_its_schemas() -> None:
    """The document has the version."""
    assert DOCUMENT["info"]["version"] == SCHEMAS.version
