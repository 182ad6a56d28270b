"""Text of other machines on the command line: what could act on a terminal, or hide in it, is an escape."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

regex = pytest.importorskip("regex")
pytest.importorskip("salt")

ROOT = Path(__file__).parents[2]
PLACES = {
    "_runners/websocket_api.py": "_visible",
    "_modules/websocket_api_master.py": "_visible",
    "tools/demo_root.py": "visible",
}
HIDDEN = regex.compile(r"(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]")
"""What the console escapes, but for the line breaks of Windows: a lone carriage return hides a line of a terminal."""


def load(path: str) -> Callable[[str], str]:
    spec = importlib.util.spec_from_file_location("place_" + Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[str], str] = getattr(module, PLACES[path])
    return function


@pytest.mark.parametrize("path", PLACES)
def test_no_hidden_character_reaches_the_terminal(path: str) -> None:
    """Of all that Unicode has, in the version that is assigned for both libraries."""
    visible = load(path)
    hidden = [chr(point) for point in range(sys.maxunicode + 1) if HIDDEN.match(chr(point))]
    assert len(hidden) > 1000
    assert [ascii(one) for one in hidden if one in visible(one)] == []
    assert visible("a\x1b[31mb\u202ec\rd") == "a\\x1b[31mb\\u202ec\\rd"


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("text", ["plain", "two\nlines\tand a tab", "äß 漢字 🚀 e\u0301"])
def test_what_can_be_seen_is_printed_as_it_is(path: str, text: str) -> None:
    """Whatever its script."""
    assert load(path)(text) == text
