"""The golden files: JSON with a line for each request and one for its answer, so that a difference is a short one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def path(peer: str) -> Path:
    """Return where the answers of rest_cherrypy or rest_tornado are kept."""
    return FOLDER / f"{peer}.json"


def load(peer: str) -> dict[str, dict[str, Any]]:
    """Return ``{name: {"request": as Request.record gives it, "answer": as shape gives it}}`` of a server."""
    found: dict[str, dict[str, Any]] = json.loads(path(peer).read_text(encoding="utf-8"))["answers"]
    return found


def text(about: Mapping[str, str], answers: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of a golden file.

    :param about: whose answers these are, and the versions of its parts
    """
    head = "".join(f"{_line(name)}: {_line(word)},\n" for name, word in about.items())
    entries = [
        f'{_line(name)}: {{\n "request": {_line(one["request"])},\n "answer": {_line(one["answer"])}\n}}'
        for name, one in answers.items()
    ]
    return "{\n" + head + '"answers": {\n' + ",\n".join(entries) + "\n}\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
