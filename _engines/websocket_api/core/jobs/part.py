"""One minion's part of a job: its state and what it returned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from sys import getsizeof
from typing import Any

from ..events.encoding import MARK_BYTES, TEXT_BYTES, footprint

ENDED = frozenset({"returned", "failed", "missing", "canceled"})
RETURNED = frozenset({"returned", "failed"})
OUT_CHARACTERS = 64  # names of Salt's outputters are far shorter; what is longer is none
FIELDS = 12  # values of a part without its return, and some of its event that the size of that does not tell
PART_BYTES = 160  # of memory for a minion's part and its name, in addition to what it returned

_PLAIN = frozenset({str, int, float, bytes})
"""Types of values without others in them."""


@dataclass(slots=True)
class Part:
    """One minion's part of a job. States: pending, running, returned, failed, missing, canceled."""

    state: str = "pending"
    value: Any = None
    retcode: int | None = None
    success: bool | None = None
    out: str | None = None
    """The outputter that the minion names for its return, such as ``highstate``."""
    progress: float = 0.0
    message: str | None = None
    size: int = 0
    memory: int = 0
    """Bytes of memory that the return takes, about."""

    def to_dict(self) -> dict[str, Any]:
        """Return the part as clients get it."""
        value: dict[str, Any] = {
            "state": self.state,
            "return": self.value,
            "retcode": self.retcode,
            "success": self.success,
            "progress": round(self.progress, 1),
            "message": self.message,
        }
        if self.out:
            value["out"] = self.out
        return value

    @property
    def values(self) -> int:
        """At least as many values as :meth:`to_dict` has: an event with a return has more marks than the return."""
        return self.values_without_return + max(0, self.memory - self.size) // MARK_BYTES + self.size // TEXT_BYTES

    @property
    def values_without_return(self) -> int:
        """The same without the return."""
        return FIELDS + len(self.message or "") // TEXT_BYTES


def memory_of(data: Mapping[str, Any], encoded: bytes) -> int:
    """Return the bytes of memory that a return takes: exact for text and numbers, an upper estimate for others.

    :param data: what a minion returned, with the fields around it
    :param encoded: the same in JSON
    """
    value = data.get("return")
    if value is None or isinstance(value, bool):
        return 0
    if not value or type(value) in _PLAIN:
        return getsizeof(value)
    # The fields around the return are not kept.
    return footprint(encoded) - 2 * MARK_BYTES * len(data)


def state_of(states: Collection[str]) -> str:
    """Return the state of an ended job, or of its visible part, from the states of its parts."""
    if "pending" in states or "running" in states:
        return "running"
    if "canceled" in states:
        return "canceled"
    if "missing" in states:
        return "partial"
    return "failed" if "failed" in states else "complete"
