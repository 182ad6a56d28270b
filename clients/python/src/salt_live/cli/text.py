"""Text of minions on a terminal: control characters are shown, never obeyed."""

from __future__ import annotations

import re
from typing import Any

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All control characters but tab and newline, and those that change the direction of text."""

LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def visible(text: str) -> str:
    """Return text with each control character as an escape, such as ``\\x1b``."""
    return CONTROL.sub(_escape, text)


def one_line(text: str) -> str:
    """Return text as one line, with each control character as an escape."""
    return visible(text).replace("\n", "\\n").replace("\t", " ")


def visible_data(value: Any) -> Any:
    """Return data with `visible` applied to all its text, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible_data(key): visible_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [visible_data(item) for item in value]
    return value


def encodable(text: str) -> str:
    """Return text that UTF-8 can hold: half a surrogate pair becomes an escape."""
    return LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plural(count: int, noun: str) -> str:
    """Return the count and the noun, in the plural if needed."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def clock(seconds: float) -> str:
    """Return a duration as ``mm:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
