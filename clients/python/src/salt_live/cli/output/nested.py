"""The form ``nested``, Salt's default: indented text."""

from __future__ import annotations

from numbers import Number
from typing import Any

from salt_live.cli.output.style import Style, without_escapes


def nested(data: Any, style: Style, *, retcode: int = 0, indent: int = 0) -> str:
    """Return data as nested text.

    :param retcode: the exit code of the minion; not 0: keys are red
    :param indent: how many spaces to indent the whole
    """
    lines: list[str] = []
    _write(data, indent, "", lines, style, retcode)
    return "\n".join(lines)


def no_return(data: Any, style: Style, indent: int = 0) -> str:
    """Return the lines for minions without a return (Salt's form ``no_return``): text, and objects of it."""
    pad = " " * indent
    if isinstance(data, str):
        return "\n".join(style.paint("red", pad + line) for line in data.split("\n"))
    if not isinstance(data, dict):
        return ""
    lines = []
    for key in _sorted(data):
        lines.append(style.paint("cyan", f"{pad}{key}") + ":")
        lines += filter(None, [no_return(data[key], style, indent + 4)])
    return "\n".join(lines)


def _write(data: Any, indent: int, prefix: str, lines: list[str], style: Style, retcode: int) -> None:
    pad = " " * indent
    if data is None or data is True or data is False:
        lines.append(pad + style.paint("light_yellow", f"{prefix}{data}"))
    elif isinstance(data, Number):
        lines.append(pad + style.paint("light_yellow", f"{prefix}{data!r}"))
    elif isinstance(data, str):
        for number, line in enumerate(data.splitlines()):
            before = prefix if number == 0 else " " * len(prefix)
            lines.append(pad + style.paint("green", before + without_escapes(line)))
    elif isinstance(data, list | tuple):
        for item in data:
            if isinstance(item, list | tuple | dict):
                lines.append(pad + style.paint("red" if retcode else "green", "|_"))
                _write(item, indent + 2, "" if isinstance(item, dict) else "- ", lines, style, retcode)
            else:
                _write(item, indent, "- ", lines, style, retcode)
    elif isinstance(data, dict):
        color = "red" if retcode else "cyan"
        if indent:
            lines.append(pad + style.paint(color, "----------"))
        for key in _sorted(data):
            lines.append(pad + style.paint(color, f"{prefix}{key}") + ":")
            _write(data[key], indent + 4, "", lines, style, retcode)


def _sorted(data: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(data)
    except TypeError:
        return sorted(data, key=str)
