"""docs/install.md as an admin follows it: the commands and files of a section, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tests.integration.conftest import CHECKOUT

ADDRESS = "https://git.example.com/websocket_api.git"
"""Where the page says the repository is."""

PAGE = CHECKOUT / "docs" / "install.md"
STEP = re.compile(
    r"^ {3}```yaml\n(?P<file>.*?)^ {3}```$|^ {4}(?: {3})?(?P<command>\S[^\n]*)$", re.MULTILINE | re.DOTALL
)


class Step(NamedTuple):
    """A block of the page: the content of a file, or a command."""

    file: dict[str, Any] | None
    command: str
    text: str = ""
    """The file as it is printed."""


def section(title: str) -> str:
    """Return the text below a heading of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert text, f"docs/install.md has no section {title}"
    return text


def steps(title: str) -> Iterator[Step]:
    """Yield the blocks of a section in their order."""
    for block in STEP.finditer(section(title)):
        if block["file"] is not None:
            text = "".join(line.removeprefix("   ") for line in block["file"].splitlines(keepends=True))
            yield Step(yaml.safe_load(text), "", text)
        else:
            yield Step(None, block["command"])
