"""docs/troubleshooting.md against the engine's code: its log reference has every log line."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.any_python

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TABLE = [line for line in TEXT.partition("\n## Log reference\n")[2].splitlines() if line[:2] == "| "]

LEVELS = {"warning": "WARNING", "error": "ERROR", "critical": "CRITICAL"}

SHORTEST = 12
"""Characters of a line that must be fixed, so that it can be recognised; what is shorter is found by its traceback."""


def lines() -> Iterator[tuple[str, str]]:
    """Yield level and longest fixed part of what the engine logs above INFO, but for what has a traceback."""
    for path in sorted((ROOT / "_engines").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            owner, first = node.func.value, node.args[0] if node.args else None
            if isinstance(owner, ast.Name) and owner.id == "log" and isinstance(first, ast.Constant):
                fixed = max((part.strip(" :;,()") for part in re.split(r"%[.\d]*[a-z]", str(first.value))), key=len)
                if len(fixed) >= SHORTEST and not any(keyword.arg == "exc_info" for keyword in node.keywords):
                    yield LEVELS[node.func.attr], fixed


@pytest.mark.parametrize(("level", "fixed"), sorted(set(lines())))
def test_every_warning_is_in_the_log_reference(level: str, fixed: str) -> None:
    """Each line at WARNING or above is listed with its level and what to do about it."""
    words = fixed.split(": ", maxsplit=1)[0][:40]
    found = [row for row in TABLE if words in row]
    assert found, f"docs/troubleshooting.md does not list: {fixed}"
    assert any(row.startswith(f"| {level} ") for row in found)
