"""Read what a minion reports of the progress of its part of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def read_progress(data: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """Return percent and message of a report, or None.

    It has one of two forms: ``websocket_api.progress`` of the minion, or Salt's own state events.

    :param data: the event's data, still wrapped as a minion sent it
    """
    report = data.get("data")
    if not isinstance(report, Mapping):
        return None, None
    percent, message = report.get("percent"), report.get("message")
    if percent is None:
        # State progress: the payload is wrapped once more, and has the state's index of ``len``.
        report = report.get("data", report)
        percent, message = _state_progress(str(data.get("tag", "")), report)
    shown = message if isinstance(message, str) else None
    return (float(percent), shown) if isinstance(percent, (int, float)) else (None, None)


def _state_progress(tag: str, report: Any) -> tuple[float | None, str | None]:
    if not isinstance(report, Mapping):
        return None, None
    number, total = tag.rsplit("/", 1)[-1], report.get("len")
    # A minion can send anything: "²" is a digit that int() refuses, and a long number does not fit into a float.
    if not (number.isascii() and number.isdigit() and len(number) < 10) or not isinstance(total, int) or total <= 0:
        return None, None
    state = report.get("ret")
    name = state.get("__id__") or state.get("name") if isinstance(state, Mapping) else None
    return 100.0 * (int(number) + 1) / total, name if isinstance(name, str) else None
