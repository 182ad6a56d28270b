"""The form ``highstate``: the states of each minion, and their summary."""

from __future__ import annotations

import pprint
import textwrap
from typing import Any

from salt_live.cli.output.nested import nested
from salt_live.cli.output.style import Style, without_escapes

NO_ORDER = (
    "The State execution failed to record the order in which all states were executed. "
    "The state return missing data is:"
)
LABEL_WIDTH = 9  # of "Succeeded"


def highstate(data: Any, style: Style) -> str:
    """Return the states of each minion as text.

    :param data: ``{minion: {state: result}}``, also in the envelope of ``jobs.lookup_jid`` or of an orchestration
    """
    if isinstance(data, dict):
        data = data.get("return", data)
    if isinstance(data, dict):
        data = data.get("data", data)
    if data is None or isinstance(data, int | str):
        return str(data)
    if "retcode" in data and sum(key.endswith("_master") for key in data) == 1:
        data = {key: value for key, value in data.items() if key != "retcode"}
    return "\n".join(_host(minion, states, style) for minion, states in data.items())


def _host(minion: str, data: Any, style: Style) -> str:
    name, color = without_escapes(minion), "green"
    lines: list[str] = []
    if isinstance(data, int):
        lines, color = [style.paint("green", f"    {data}")], "cyan"
    elif isinstance(data, str):
        lines, color = [style.paint("green", f"    {line}") for line in data.splitlines()], "cyan"
    elif isinstance(data, list):
        color = "light_red"
        lines.append("    " + style.paint("light_red", "Data failed to compile:"))
        for fault in data:
            lines.append(style.paint("light_red", f"----------\n    {without_escapes(str(fault))}"))
    elif isinstance(data, dict):
        states, lines = _states(data)
        tally = Tally()
        for key in sorted(states, key=lambda key: states[key].get("__run_num__", 0)):
            state_color, text = _state(key, states[key], tally, style)
            color = state_color if state_color in ("red", "light_yellow") else color
            lines += text
        lines += tally.summary(minion, style)
    return "\n".join([style.paint(color, f"{name}:"), *lines])


def _states(data: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the entries that are states, and the lines about those that have no order."""
    lines: list[str] = []
    for key, state in data.items():
        if isinstance(state, dict) and key != "changes" and state and "__run_num__" not in state:
            lines = [
                NO_ORDER,
                pprint.pformat(state),
                *lines,
            ]
    return {key: state for key, state in data.items() if isinstance(state, dict) and "result" in state}, lines


class Tally:
    """The counts of one minion."""

    def __init__(self) -> None:
        self.results: dict[Any, int] = {}
        self.changed = 0
        self.warnings = 0
        self.serial_ms = 0.0
        self.parallel_ms = [0.0]

    def add(self, state: dict[str, Any], changed: bool) -> None:
        """Count one state."""
        self.results[state["result"]] = self.results.get(state["result"], 0) + 1
        self.changed += changed
        took = milliseconds(state.get("duration", 0))
        if "__parallel__" in state:
            self.parallel_ms.append(took)
        else:
            self.serial_ms += took

    def summary(self, minion: str, style: Style) -> list[str]:
        """Return the lines of the summary."""
        counts = [*self.results.values(), *([self.warnings] if self.warnings else [])]
        width = LABEL_WIDTH + 2 + max([len(str(count)) for count in counts] or [0])

        def line(label: str, count: Any) -> str:
            return f"{label}: {count:>{width - len(label) - 2}}"

        total, failed = sum(self.results.values()), self.results.get(False, 0)
        notes = []
        if self.results.get(None):
            notes.append(style.paint("light_yellow", f"unchanged={self.results[None]}"))
        if self.changed:
            notes.append(style.paint("green", f"changed={self.changed}"))
        good = self.results.get(True, 0) + self.results.get(None, 0)
        lines = [
            style.paint("cyan", f"\nSummary for {minion}\n{'-' * width}"),
            style.paint("green", line("Succeeded", good)) + (f" ({', '.join(notes)})" if notes else ""),
            style.paint("red" if failed else "cyan", line("Failed", failed)),
        ]
        if self.warnings:
            lines.append(style.paint("light_red", line("Warnings", self.warnings)))
        lines.append(style.paint("cyan", f"{'-' * width}\nTotal states run: {total:>{width - 7}}"))
        if style.state_output_profile:
            took, unit = self.serial_ms + max(self.parallel_ms), "ms"
            if took > 999:
                took, unit = took / 1000, "s"
            lines.append(style.paint("cyan", f"Total run time: {f'{took:.3f}'.rjust(width - 5)} {unit}"))
        return lines


def milliseconds(duration: Any) -> float:
    """Return a state's duration as a number; 0 if it has none."""
    try:
        return float(str(duration).partition(" ms")[0])
    except ValueError:
        return 0.0


def _state(key: str, state: dict[str, Any], tally: Tally, style: Style) -> tuple[str, list[str]]:
    """Return a state's colour and lines, and count it."""
    changed, changes = _changes(state.get("changes"), style)
    result = state["result"]
    tally.add(state, changed)
    if result and not changed and (style.state_output_diff or not style.state_verbose):
        return "green", []
    color = "cyan" if changed else "green"
    color = {False: "red", None: "light_yellow"}.get(result, color)
    parts = [*key.split("_|-"), "", "", ""][:4] if key.count("_|-") < 3 else key.split("_|-")
    module, identifier, name, function = parts[0], parts[1], parts[2], parts[-1]
    mode = style.state_output.lower()
    if mode.endswith("_id"):
        name = identifier
    if (
        mode.startswith("terse")
        or (mode.startswith("mixed") and result is not False)
        or (mode.startswith("changes") and result and not changed)
    ):
        return color, [_terse(color, (module, name, function), state, style)]
    comment = str(state.get("comment", "")).strip().replace("\n", "\n" + " " * 14)
    rows = [
        "----------",
        f"          ID: {identifier}",
        f"    Function: {module}.{function}",
        *([f"        Name: {name}"] if identifier != name else []),
        f"      Result: {result}",
        f"     Comment: {comment}",
    ]
    if style.state_output_profile and "start_time" in state:
        took = f"{state['duration']} ms" if state.get("duration", "") != "" else ""
        rows += [f"     Started: {state['start_time']}", f"    Duration: {took}"]
    lines = [_row(color, row, style) for row in rows]
    lines.append(style.paint(color, f"     Changes:   {changes}"))
    if "warnings" in state:
        tally.warnings += 1  # as Salt: only of states that are written in full
        pad = " " * 14
        filled = textwrap.fill("\n".join(state["warnings"]), 80, initial_indent=pad, subsequent_indent=pad).lstrip()
        lines.append("   " + style.paint("light_red", f" Warnings: {filled}"))
    return color, lines


def _row(color: str, row: str, style: Style) -> str:
    """Return a row of a state; Salt colours it from the fifth column."""
    return style.paint(color, row) if row.startswith("-") else "    " + style.paint(color, row[4:])


def _changes(changes: Any, style: Style) -> tuple[bool, str]:
    """Return whether there are changes, and their text."""
    if not changes:
        return False, ""
    if not isinstance(changes, dict):
        return True, f"Invalid Changes data: {changes}"
    inner = changes.get("ret")
    if isinstance(inner, dict) and changes.get("out") == "highstate":
        text = "".join("\n" + textwrap.indent(_host(host, states, style), " " * 14) for host, states in inner.items())
        return True, text
    return True, "\n" + nested(changes, style, indent=14).rstrip()


def _terse(color: str, names: tuple[str, str, str], state: dict[str, Any], style: Style) -> str:
    """Return a state as one line."""
    module, name, function = names
    word = "Changed" if state.get("changes") else "Clean"
    word = {False: "Failed", None: "Differs"}.get(state["result"], word)
    warnings = style.paint("light_red", "Warnings:\n" + "\n".join(state["warnings"])) if "warnings" in state else ""
    timed = style.state_output_profile and "start_time" in state
    if style.state_tabular:
        when = f"{state['start_time']} [{state.get('duration', '')!s:>7} ms] " if timed else ""
        line = style.paint(color, f"{when}{module:>10}.{function:<10} {word:7}   Name: {name}")
        return f"{warnings}\n{line}" if warnings else line
    when = f" - Started: {state['start_time']} - Duration: {state.get('duration', '')} ms" if timed else ""
    painted = style.paint(color, f" Name: {name} - Function: {module}.{function} - Result: {word}{when}")
    return f"{warnings} {painted}"
