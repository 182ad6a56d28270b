"""The recording of the command line: how a terminal's bytes become lines and pictures."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("recording_svg", ROOT / "tools" / "recording_svg.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def shown(tool: Any, text: str, columns: int = 20, rows: int = 4) -> list[str]:
    screen = tool.Screen(columns, rows)
    screen.write(text)
    return ["".join(letter for letter, _ in line) for line in screen.shown]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("one\rtwo", ["two"]),
        ("one\rt", ["tne"]),
        ("bar\r\x1b[2Kreturn\r\nbar", ["return", "bar"]),
        ("a\r\nb\r\x1b[2K\x1b[1A\x1b[2Kc", ["c", ""]),
        ("1\r\n2\r\n3\r\n4\r\n5", ["2", "3", "4", "5"]),
        ("x" * 25, ["x" * 20, "x" * 5]),
        ("ab\bc", ["ac"]),
        ("\x1b[?25lhidden", ["hidden"]),
    ],
)
def test_a_terminal_shows_what_was_written(tool: Any, text: str, lines: list[str]) -> None:
    assert shown(tool, text) == lines


def test_an_unknown_control_sequence_is_an_error(tool: Any) -> None:
    """A picture that is silently wrong would be worse."""
    with pytest.raises(ValueError, match="5;5H"):
        shown(tool, "\x1b[5;5Hx")


def test_colours_are_classes_of_the_text(tool: Any) -> None:
    screen = tool.Screen(20, 4)
    screen.write("\x1b[0;1;31mred\x1b[0;0m \x1b[0;32mgreen\x1b[0;0m")
    assert tool._text(screen.shown[0]) == (
        '<text x="0" y="14" textLength="25.2" class="bold red">red</text>'
        '<text x="33.6" y="14" textLength="42" class="green">green</text>'
    )


def test_changes_that_follow_at_once_share_a_frame(tool: Any) -> None:
    events = [[0.0, "o", "a"], [0.05, "o", "b"], [1.0, "o", "c"], [1.05, "o", "d"]]
    cast = "\n".join(map(json.dumps, [{"width": 9, "height": 2, "title": "<t>"}, *events]))
    assert [at for at, _ in tool.frames(cast)] == [0.0, 1.0]
    svg = ElementTree.fromstring(tool.draw(cast))
    assert svg.get("aria-label") == "<t>"


def test_the_picture_is_made_from_the_recording(tool: Any) -> None:
    """`make recording` writes both."""
    cast = (IMAGES / "salt-live.cast").read_text("utf-8")
    assert (IMAGES / "salt-live.svg").read_text("utf-8") == tool.draw(cast)


def test_the_recording_shows_what_its_text_says() -> None:
    """The bar moves, Ctrl-C detaches, `job JID -w` comes back, and a table ends the highstate; no path is shown."""
    cast = (IMAGES / "salt-live.cast").read_text("utf-8")
    head, *events = map(json.loads, cast.splitlines())
    assert (head["version"], head["width"]) == (2, 80)
    text = "".join(text for _, _, text in events)
    for words in ("0 of 4 returned", "2 of 4 returned", "come back with: salt-live job", "3 of 4 returned"):
        assert words in text
    assert re.search(r"minion +succeeded +changed +failed", text)
    assert "failed on 1 minion: " in text
    assert str(ROOT) not in text
    assert "Traceback" not in text
