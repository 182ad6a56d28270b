"""What the engine depends on, and what of it fails now: for ``/healthz``, ``/metrics`` and ``websocket_api.status``.

Each part that can fail is registered once, by its name. Whoever uses the part keeps :attr:`Part.fault` up to date, or
registers a check. The engine is *down* if a vital part fails, *degraded* if another one does, else *ok*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OK, DEGRADED, DOWN = "ok", "degraded", "down"


@dataclass
class Part:
    """Something that the engine depends on."""

    name: str
    """One word, such as ``disk``: clients and alerts look for it."""
    vital: bool = False
    """Whether the engine is of no use without it."""
    fault: str | None = None
    """What is wrong now, in one sentence; None if it works. Any thread may set it.

    Everybody can read it: no path, no address, no user, no text of an exception.
    """

    @property
    def status(self) -> str:
        """What the part makes of the engine."""
        return OK if self.fault is None else DOWN if self.vital else DEGRADED


class Health:
    """The state of all parts, in the order of their registration."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[Part, Callable[[], str | None] | None]] = {}

    def register(self, name: str, *, vital: bool = False, check: Callable[[], str | None] | None = None) -> Part:
        """Add a part that works until its fault is set.

        :param check: returns the fault at the moment of a request; without it the fault is what was set last
        :return: the part; a name that is registered already returns the same one
        """
        part, _ = self._parts.setdefault(name, (Part(name, vital), check))
        return part

    def parts(self) -> list[Part]:
        """Return all parts, as they are now."""
        for part, check in self._parts.values():
            if check is not None:
                part.fault = check()
        return [part for part, _ in self._parts.values()]

    def report(self) -> dict[str, Any]:
        """Return ``{status, parts: {NAME: {status, fault}}}``; ``fault`` is there only for a part that fails."""
        parts = self.parts()
        found = {part.status for part in parts}
        status = DOWN if DOWN in found else DEGRADED if DEGRADED in found else OK
        return {"status": status, "parts": {part.name: _described(part) for part in parts}}


def _described(part: Part) -> dict[str, str]:
    return {"status": part.status} if part.fault is None else {"status": part.status, "fault": part.fault}
