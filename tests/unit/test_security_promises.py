"""docs/security.md names a test for each promise: the tests exist, and every section has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_python

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
HEADING = "## Which test proves which promise"
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)
NO_PROMISE = {HEADING, "## What is left to you"}


def table() -> list[list[str]]:
    """The rows of the table, each as its cells."""
    rows = [line for line in TEXT.partition(HEADING)[2].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path: str, name: str) -> None:
    """With this name, in this file."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    assert name in functions


def test_every_row_names_a_promise_and_a_test() -> None:
    """No cell is empty."""
    for section, promise, tests in table():
        assert promise, (section, promise)
        assert re.fullmatch(r"`[\w/]+\.py::\w+`(, `[\w/]+\.py::\w+`)*", tests), promise


def test_every_section_has_a_test() -> None:
    """New sections need one too."""
    headings = {line for line in TEXT.splitlines() if line.startswith("## ")}
    assert {f"## {section}" for section, *_ in table() if section} == headings - NO_PROMISE
