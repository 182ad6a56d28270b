"""The documents below `/schemas/`."""

from __future__ import annotations

import gzip
import json
import pathlib

import pytest

pytest.importorskip("msgpack")

from websocket_api.contract.published import Document, Published, compressed, document
from websocket_api.contract.schemas import DOCUMENTS, Schemas

from tests.support.schemas import SCHEMAS

DIRECTORY = pathlib.Path(__file__).parents[3] / "schemas"
FILES = sorted({path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*.json")} - {*DOCUMENTS})


def given(published: Published, path: str) -> Document:
    """Return an existing document."""
    document = published.get(path)
    assert document is not None
    return document


@pytest.mark.parametrize("name", FILES)
def test_a_schema_file_is_served_unchanged(name: str) -> None:
    """Byte for byte, as a schema."""
    document = given(Published(SCHEMAS), name)
    assert document.body == (DIRECTORY / name).read_bytes()
    assert document.type == "application/schema+json"


def test_the_index_names_everything_that_is_there() -> None:
    """With the titles of the files."""
    published = Published(SCHEMAS)
    index = json.loads(given(published, "").body)
    SCHEMAS.validate_http("schema_index", index)
    assert index["version"] == SCHEMAS.version
    assert sorted(index["files"]) == FILES
    assert index["files"]["operations/cmd.json"] == SCHEMAS.operations["cmd"]["title"]
    assert all(index["files"].values())
    assert json.loads(given(published, index["asyncapi"]).body)["asyncapi"].startswith("3.")
    assert json.loads(given(published, index["openapi"]).body)["openapi"].startswith("3.1.")


@pytest.mark.parametrize(
    "path",
    ["VERSION", "../VERSION", "operations", "operations/", "operations/../common.json", "/etc/passwd", "nothing"],
)
def test_nothing_else_is_there(path: str) -> None:
    """A path is a key, not a path to a file."""
    assert Published(SCHEMAS).get(path) is None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_served_as_it_was_written(name: str) -> None:
    """``make docs`` writes it; the engine does not make it again."""
    document = given(Published(SCHEMAS), name)
    assert document.body == (DIRECTORY / name).read_bytes()
    assert document.type == "application/json"


def test_an_entity_tag_changes_with_the_bytes_and_with_nothing_else(tmp_path: pathlib.Path) -> None:
    """So a client's copy stays valid over restarts, and is renewed with a release."""
    for name in [*FILES, *DOCUMENTS, "VERSION"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((DIRECTORY / name).read_bytes())
    (tmp_path / "VERSION").write_text("9.9.9\n", encoding="utf-8")
    one, other, newer = Published(SCHEMAS), Published(Schemas(DIRECTORY)), Published(Schemas(tmp_path))
    for path in ("common.json", "", "asyncapi.json", "openapi.json"):
        assert given(one, path).etag == given(other, path).etag
        assert (given(one, path).etag == given(newer, path).etag) is (path != "")


def test_a_document_is_compressed_only_where_that_is_smaller() -> None:
    """The same bytes give the same compressed bytes, and an entity tag of their own."""
    text = document(b"console " * 100, "text/plain")
    one, other = compressed(text), compressed(text)
    assert one.compressed is not None
    assert (gzip.decompress(one.compressed), one.compressed) == (text.body, other.compressed)
    assert (one.body, one.etag) == (text.body, text.etag)
    assert one.compressed_etag == f'{text.etag.rstrip(chr(34))}-gzip"'
    assert compressed(document(b"a", "text/plain")).compressed is None
