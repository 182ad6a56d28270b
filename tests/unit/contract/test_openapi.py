"""schemas/openapi.json: a valid and complete OpenAPI document of the HTTP paths."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from websocket_api.errors import ERRORS

from tests.support.schemas import SCHEMAS

pytestmark = pytest.mark.any_python

DIRECTORY = pathlib.Path(__file__).parents[3] / "schemas"
DOCUMENT = json.loads((DIRECTORY / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS: dict[str, Any] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


@pytest.mark.with_salt
def test_the_document_matches_the_published_schema() -> None:
    """And so are its schemas, references, paths and names, which the validator also checks."""
    validator = pytest.importorskip("openapi_spec_validator").OpenAPIV31SpecValidator
    assert [error.message for error in validator(DOCUMENT).iter_errors()] == []
    broken = {**DOCUMENT, "paths": {"/jobs/{jid}": {"get": {"responses": {}}}}}
    assert [error.message for error in validator(broken).iter_errors()]


def test_every_request_is_there_under_a_name_of_its_own() -> None:
    """Generated clients call their functions by these names."""
    assert set(OPERATIONS) == set(SCHEMAS.requests)
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    assert OPERATIONS["GET /jobs/{jid}"]["operationId"] == "get_jobs_jid"


@pytest.mark.parametrize("name", sorted(SCHEMAS.requests))
def test_each_part_of_a_path_each_header_and_each_field_of_a_query_is_a_parameter(name: str) -> None:
    """Parts of a path are required, headers are not."""
    given = {(one["name"], one["in"], one["required"]) for one in OPERATIONS[name].get("parameters", ())}
    wanted = {(part, "path", True) for part in re.findall(r"{(\w+)}", name)}
    wanted |= {(header, "header", False) for header in SCHEMAS.requests[name].get("headers", ())}
    wanted |= {(field, "query", False) for field in SCHEMAS.requests[name].get("query", ())}
    assert given == wanted


def test_components_are_schemas_whose_examples_hold() -> None:
    """Each one is complete, without references."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            assert list(Draft202012Validator(schema).iter_errors(example)) == []


def test_a_token_is_required_where_the_engine_requires_one() -> None:
    """In one of three places. `/login` needs none, and commands and keys also accept a password in the body."""
    schemes = [{name: []} for name in DOCUMENT["components"]["securitySchemes"]]
    assert len(schemes) == 3
    assert OPERATIONS["GET /minions"]["security"] == schemes
    assert OPERATIONS["POST /login"]["security"] == []
    assert OPERATIONS["POST /keys"]["security"] == [{}, *schemes]
    assert OPERATIONS["POST /"]["security"] == [{}, *schemes]


def test_replies_are_json_or_yaml_unless_they_are_something_else() -> None:
    """According to Accept. A stream or an archive needs a matching Accept; a page does not."""
    minions, events = OPERATIONS["GET /minions"]["responses"], OPERATIONS["GET /events"]["responses"]
    assert list(minions["200"]["content"]) == ["application/json", "application/x-yaml"]
    assert "406" in minions
    assert list(events["200"]["content"]) == ["text/event-stream"]
    assert {"400", "406"} <= set(events)  # a query is refused, and who takes no stream
    assert "406" in OPERATIONS["POST /keys"]["responses"]
    assert "406" not in OPERATIONS["GET /healthz"]["responses"]
    assert "application/x-www-form-urlencoded" in OPERATIONS["POST /login"]["requestBody"]["content"]


def test_refusals_follow_from_the_table_of_errors() -> None:
    """Each status lists its codes. Requests without a token never get `token_expired`."""
    refusals = DOCUMENT["components"]["responses"]
    used = {reference["$ref"].rpartition("/")[2] for one in OPERATIONS.values() for reference in _refusals(one)}
    assert set(refusals) == used
    assert f"`token_expired`: {ERRORS['token_expired'].meaning}" in refusals["refused_401"]["description"]
    assert "Retry-After" in refusals["refused_429"]["headers"]
    assert "401" in OPERATIONS["GET /jobs"]["responses"]
    assert "401" not in OPERATIONS["GET /healthz"]["responses"]
    assert {"400", "413"} <= set(OPERATIONS["POST /run"]["responses"])
    assert "413" not in OPERATIONS["GET /jobs"]["responses"]
    assert DOCUMENT["components"]["schemas"]["error"]["properties"]["error"]["enum"] == list(ERRORS)


def test_it_is_of_the_release_of_its_schemas() -> None:
    """The document has the version."""
    assert DOCUMENT["info"]["version"] == SCHEMAS.version


def _refusals(operation: dict[str, Any]) -> list[dict[str, str]]:
    return [response for response in operation["responses"].values() if "$ref" in response]
