"""``/schemas/`` describes the engine without a login, and shows nothing else."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

pytest.importorskip("salt")

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.functional.running import CHECKOUT, Engine
from tests.references import references

ORIGIN = "https://console.example.com"
SCHEMAS = CHECKOUT / "schemas"
DOCUMENTS = ["asyncapi.json", "openapi.json"]
FILES = sorted({path.relative_to(SCHEMAS).as_posix() for path in SCHEMAS.rglob("*.json")} - {*DOCUMENTS})


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Engine:
    """The engine of most of these tests."""
    return run_engine({"cors_origin": [ORIGIN]})


@pytest.fixture(scope="module")
def closed(run_engine: Callable[..., Engine]) -> Engine:
    """An engine that allows no address of this machine."""
    return run_engine({"allow_from": ["192.0.2.0/24"]})


def ask(
    engine: Engine, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send an HTTP request with the path unchanged."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read()


@pytest.mark.parametrize("name", FILES)
def test_a_schema_file_needs_no_token(engine: Engine, name: str) -> None:
    """It is served unchanged, with its content type and no sniffing."""
    response, body = ask(engine, f"/schemas/{name}")
    assert response.status == 200
    assert response.getheader("Content-Type") == "application/schema+json"
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert body == (CHECKOUT / "schemas" / name).read_bytes()


@pytest.mark.parametrize("name", ["", *DOCUMENTS])
def test_the_index_and_the_documents_are_json(engine: Engine, name: str) -> None:
    """The index names the files; the documents are generated from them."""
    response, body = ask(engine, f"/schemas/{name}")
    assert response.status == 200
    assert response.getheader("Content-Type") == "application/json"
    value = json.loads(body)
    assert sorted(value["files"]) == FILES if name == "" else value["info"]["version"]


def test_every_reference_of_a_served_file_leads_to_a_served_file(engine: Engine) -> None:
    """A tool that has one file's address finds the others by the rules of JSON Schema and RFC 3986."""
    base = f"http://127.0.0.1:{engine.port}/schemas/"

    def retrieve(address: str) -> Resource[Any]:
        response, body = ask(engine, urlsplit(address).path)
        assert response.status == 200, address
        return Resource.from_contents(json.loads(body))

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    for name in FILES:
        schema = retrieve(urljoin(base, name)).contents
        # A reference is relative to the file's $id, and that to the file's address.
        schema["$id"] = urljoin(urljoin(base, name), schema["$id"])
        for reference in references(schema):
            registry.resolver(schema["$id"]).lookup(reference)
    validator = Draft202012Validator({"$ref": urljoin(base, "operations/cmd.json")}, registry=registry)
    assert validator.is_valid({"type": "cmd", "fun": "test.ping", "tgt": "*"})
    assert not validator.is_valid({"type": "cmd", "fun": "test.ping", "tgt": "*", "tgt_type": "nothing"})


@pytest.mark.parametrize(
    "path",
    [
        "/schemas/VERSION",
        "/schemas/../VERSION",
        "/schemas/../schemas/VERSION",
        "/schemas/%2e%2e/VERSION",
        "/schemas/..%2fVERSION",
        "/schemas/operations/../common.json",
        "/schemas/operations/%2e%2e/%2e%2e/%2e%2e/master",
        "/schemas//etc/passwd",
        "/schemas/%00",
        "/schemas/common.json/",
        "/schemas/operations/",
        "/schemas/COMMON.json",
        "/schemas/" + "x" * 5000,
        "/schemas",
    ],
)
def test_other_paths_are_unknown(engine: Engine, path: str) -> None:
    """Every other path is an error that does not repeat the path."""
    response, body = ask(engine, path)
    assert response.status == 404
    assert response.getheader("Content-Type") == "application/json"
    told = json.loads(body)
    assert told.keys() == {"error", "message", "details"}
    assert told["error"] == "not_found"


@pytest.mark.parametrize("name", ["common.json", "", *DOCUMENTS])
def test_head_has_the_headers_only(engine: Engine, name: str) -> None:
    """They are those of GET, without a body."""
    got, body = ask(engine, f"/schemas/{name}")
    with socket.create_connection(("127.0.0.1", engine.port), timeout=30) as peer:
        peer.sendall(f"HEAD /schemas/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert rest == b""
    assert f"Content-Length: {len(body)}".encode() in head
    assert f"Etag: {got.getheader('Etag')}".encode() in head


@pytest.mark.parametrize("name", ["common.json", "", *DOCUMENTS])
def test_an_unchanged_document_is_not_sent_again(engine: Engine, name: str) -> None:
    """Clients may cache it, revalidate each time, and get 304 while the bytes are the same."""
    response, _ = ask(engine, f"/schemas/{name}")
    tag = response.getheader("Etag")
    assert tag
    assert response.getheader("Cache-Control") == "no-cache"
    same, body = ask(engine, f"/schemas/{name}", headers={"If-None-Match": f'"other", {tag}'})
    assert (same.status, body, same.getheader("Etag")) == (304, b"", tag)
    other, body = ask(engine, f"/schemas/{name}", headers={"If-None-Match": '"other"'})
    assert other.status == 200
    assert body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(engine: Engine, method: str) -> None:
    """The documents are read-only."""
    response, _ = ask(engine, "/schemas/common.json", method)
    assert response.status == 405


def test_pages_of_listed_origins_may_read_them(engine: Engine) -> None:
    """A listed Origin gets CORS headers, also for the preflight; others get none, but are answered."""
    for path in ("/schemas/", "/schemas/openapi.json", "/schemas/nothing"):
        response, _ = ask(engine, path, headers={"Origin": ORIGIN})
        assert response.getheader("Access-Control-Allow-Origin") == ORIGIN
        assert response.getheader("Vary") == "Origin"
        response, _ = ask(engine, path, headers={"Origin": "https://evil.example.com"})
        assert response.getheader("Access-Control-Allow-Origin") is None
    preflight, _ = ask(engine, "/schemas/openapi.json", "OPTIONS", {"Origin": ORIGIN})
    assert preflight.status == 204
    assert preflight.getheader("Access-Control-Allow-Origin") == ORIGIN


def test_a_wrong_token_is_ignored(engine: Engine) -> None:
    """Public documents stay readable after a session has ended."""
    for headers in ({}, {"X-Auth-Token": "0" * 40}, {"Cookie": "session_id=" + "0" * 40}):
        assert ask(engine, "/schemas/common.json", headers=headers)[0].status == 200


def test_addresses_that_may_not_connect_are_refused(closed: Engine) -> None:
    """The option ``allow_from`` holds here as in all protocols."""
    response, body = ask(closed, "/schemas/common.json")
    assert response.status == 403
    assert json.loads(body)["error"] == "forbidden"
