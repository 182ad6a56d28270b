"""What a stream's frames are: of which kind, and about which job and minion of those that Bus.stir moves."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

MARK = "golden/one"
"""The tag of the event that is fired for the streams to tell."""

EVENT_KINDS = ("event", "job new", "job return")
FORMATTED_KINDS = ("minions", "job running", "job complete")


def kind_of(text: str) -> str | None:
    """Return which of the kinds a frame's text is, if any."""
    if text.startswith("retry:"):
        return "retry"
    value = _value(text)
    if value is None:
        return None
    if "minions" in value:
        return "minions" if "grains" in the_minion(value["minions"]) else None
    if "jobs" in value:
        states = [job.get("state") for job in value["jobs"].values() if is_the_ping(job)]
        return next((f"job {state}" for state in ("complete", "running") if state in states), None)
    tag, data = value.get("tag", ""), value.get("data", {})
    if tag == MARK:
        return "event"
    if re.fullmatch(r"salt/job/\d+/(new|ret/minion-1)", tag) and data.get("fun") == "test.ping":
        return "job new" if tag.endswith("/new") else "job return"
    return None


def is_the_ping(job: Mapping[str, Any]) -> bool:
    """Return whether a job of a formatted frame is the one that stirring starts."""
    return job.get("fun") == "test.ping" and job.get("tgt") == "minion-1"


def the_minion(minions: Any) -> dict[str, Any]:
    """Return minion-1 of a formatted frame: rest_tornado sends minions by id, rest_cherrypy's websocket a list."""
    listed = minions if isinstance(minions, list) else [{"id": name, **one} for name, one in minions.items()]
    return next((one for one in listed if one["id"] == "minion-1"), {})


def _value(text: str) -> Any:
    """Return the JSON of a frame: of its data line, or all of it."""
    found = re.search(r"^(?:data: )?(\{.*\})\s*$", text, re.MULTILINE)
    with contextlib.suppress(ValueError):
        return json.loads(found[1]) if found else None
    return None
