"""A client that checks every reply and frame against the published schemas."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from websocket_api.contract.schemas import DOCUMENTS

from tests.client import Client

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@cache
def _registry() -> Registry[Any]:
    found: Registry[Any] = Registry().with_resources(
        (path.relative_to(SCHEMAS).as_posix(), Resource.from_contents(json.loads(path.read_text())))
        for path in SCHEMAS.rglob("*.json")
        if path.name not in DOCUMENTS
    )
    return found


@cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference}, registry=_registry())


def check(reference: str, value: Any) -> None:
    """Fail with all faults if a value does not match a schema such as `operations/ping.json#/$defs/result`."""
    faults = [f"{fault.json_path}: {fault.message[:300]}" for fault in _validator(reference).iter_errors(value)]
    assert not faults, f"{reference} is broken by {str(value)[:1000]}: {faults}"


class CheckedClient(Client):
    """A client whose every reply to `ask`, every error and every frame must match its schema."""

    def ask(self, type: str, /, **fields: Any) -> Any:
        result = super().ask(type, **fields)
        check(f"operations/{type}.json#/$defs/result", result)
        return result

    def _receive(self, deadline: float) -> Any:
        message = super()._receive(deadline)
        if isinstance(message, dict) and message.get("type") == "error" and "id" in message:
            check("common.json#/$defs/error", message["error"])
        elif isinstance(message, dict) and "subscription" in message and "type" in message:
            check(f"frames.json#/$defs/{message['type']}", message)
        return message
