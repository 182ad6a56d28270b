"""Check every answer over HTTP against the published OpenAPI document."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from tests.integration.checked import SCHEMAS


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / "openapi.json").read_text(encoding="utf-8"))
    return document


def check_answer(method: str, target: str, status: int, kind: str, body: bytes) -> None:
    """Fail if a request is answered otherwise than the document says.

    :param target: path and query, as they were sent
    :param kind: the answer's Content-Type
    """
    if method in ("HEAD", "OPTIONS") or status == 302:
        return  # what these tell is described with the others; browsers are led to pages, which are no part of the API
    path = _path(urlsplit(target).path)
    responses = {} if path is None else _document()["paths"][path].get(method.lower(), {}).get("responses", {})
    if not responses:
        expected = 404 if path is None else 405
        assert status == expected, f"{method} {target} is not described, and was answered with {status}"
        responses = {str(status): _refusal()}
    assert str(status) in responses, f"{method} {path} is answered with {status}, which is not described"
    response = responses[str(status)]
    response = _found(response["$ref"]) if "$ref" in response else response
    if "content" not in response:
        assert (kind, body) == ("", b""), f"{method} {path} is answered with a body, which is not described"
        return
    kind = kind.partition(";")[0]
    assert kind in response["content"], f"{method} {path} is answered with {kind}, which is not described"
    if kind == "application/json":
        schema = _found(response["content"][kind]["schema"]["$ref"])
        faults = [f"{fault.json_path}: {fault.message[:300]}" for fault in _faults(schema, json.loads(body))]
        assert not faults, f"{method} {path} is answered with {body[:1000]!r}: {faults}"


def _path(sent: str) -> str | None:
    """Return the document's path that matches a request's path, preferably one without variable parts."""
    for path in sorted(_document()["paths"], key=lambda path: path.count("{")):
        form = re.sub(r"\\{(\w+)\\}", lambda part: ".+" if part[1] == "path" else "[^/]+", re.escape(path))
        if re.fullmatch(f"{form.rstrip('/')}/?", sent):
            return path
    return None


def _refusal() -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}


def _found(reference: str) -> Any:
    place: Any = _document()
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def _faults(schema: dict[str, Any], value: Any) -> list[Any]:
    return list(Draft202012Validator(schema).iter_errors(value))
