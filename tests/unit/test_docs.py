"""The documents that are made from the schemas."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import re
import shutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from websocket_api.errors import CLOSE_CODES, ERRORS

from tests.support.schemas import SCHEMAS

pytestmark = pytest.mark.any_python

ROOT = pathlib.Path(__file__).parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCS = _tool()
PROTOCOL: str = DOCS.protocol(SCHEMAS)
OPTIONS: str = DOCS.options(SCHEMAS)


def test_the_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """After a change of a schema, run ``make docs``."""
    assert DOCS.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_page_is_named_and_fails_the_check(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` writes nothing; without it the page is written, and then it is up to date."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")  # the documents in it are written
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    monkeypatch.setattr(DOCS, "ROOT", tmp_path)
    assert DOCS.main(["--check"]) == 1
    assert "docs/protocol.md is not up to date: run make docs" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()
    assert DOCS.main([]) == 0
    assert DOCS.main(["--check"]) == 0


def test_every_operation_frame_error_and_close_code_is_described() -> None:
    """The page describes everything that a client can receive."""
    for name in SCHEMAS.operations:
        assert f"\n#### {name}\n" in PROTOCOL
    for name, frame in SCHEMAS.frames.items():
        assert f"\n### `{name}`: " in PROTOCOL or f"\n### {frame['title']}\n" in PROTOCOL
    for code in ERRORS:
        assert f"| `{code}` |" in PROTOCOL
    for number in CLOSE_CODES:
        assert f"| {number} |" in PROTOCOL


def test_every_field_of_every_operation_stands_in_a_table() -> None:
    """Common fields are in their own table."""
    for name, schema in SCHEMAS.operations.items():
        section = PROTOCOL.partition(f"\n#### {name}\n")[2].partition("\n#### ")[0]
        for field, value in schema["properties"].items():
            if field != "type" and value != SCHEMAS.common.get(field):
                assert f"| `{field}` |" in section, f"{name}: {field}"


def test_every_option_stands_in_a_table() -> None:
    """With its default, as it would be written in the configuration."""
    known = SCHEMAS.settings["properties"]
    for name, option in {**known, **known["history"]["properties"], **known["limits"]["properties"]}.items():
        if "properties" not in option:
            assert f"| `{name}` |" in OPTIONS
    assert "| `port` | integer, 0 to 65535 | `8000` |" in OPTIONS
    assert "| `message_bytes` | integer, at least 256 | `262144` | bytes |" in OPTIONS


@pytest.mark.parametrize("page", [PROTOCOL, OPTIONS], ids=["protocol", "options"])
def test_a_page_is_sound_markdown(page: str) -> None:
    """Tables have equal rows, links have targets, and no placeholder is left."""
    assert "{{" not in page
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
        assert len(counts) == 1, block[:200]
    headings = {DOCS.markdown.anchor(heading) for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    for target in re.findall(r"\]\(#([^)]*)\)", page):
        assert target in headings
    for file in re.findall(r"\]\((\w[\w-]*\.md)\)", page):
        assert file in ("configuration.md", "protocol.md", "batches.md")


def test_examples_on_the_page_are_json() -> None:
    """People copy examples, so they must parse."""
    blocks = re.findall(r"```json\n(.*?)\n```", PROTOCOL, re.DOTALL)
    assert len(blocks) > 2 * len(SCHEMAS.operations)
    decoder = json.JSONDecoder()
    for block in blocks:
        rest = block
        while rest:
            _, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()


def messages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the requests in JSON that stand in the text of a page."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for code in re.findall(r"`(\{\"type\".*?\})`|dumps\((\{'type'.*?\})\)", page.read_text(encoding="utf-8")):
            message = json.loads((code[0] or code[1]).replace("'", '"'))
            if message["type"] in SCHEMAS.operations:
                yield page.name, message


@pytest.mark.parametrize(("page", "message"), list(messages()))
def test_a_request_in_the_text_of_a_page_is_valid(page: str, message: dict[str, Any]) -> None:
    """As the engine checks it."""
    SCHEMAS.validate(message["type"], message)


def test_requests_are_found_in_texts() -> None:
    """On the page for newcomers and on the one for people who change the code."""
    assert {page for page, _ in messages()} >= {"README.md", "architecture.md"}
