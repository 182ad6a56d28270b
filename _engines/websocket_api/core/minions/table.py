"""The minions by id, and the listeners that are called when one changes."""

from __future__ import annotations

from collections.abc import Callable

from .minion import Minion


class MinionTable:
    """Minions by id. Code that changes a minion calls :meth:`notify` or :meth:`change`."""

    def __init__(self) -> None:
        self.minions: dict[str, Minion] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._target_listeners: list[Callable[[], None]] = []

    def on_change(self, call: Callable[[str], None]) -> None:
        """Call ``call(id)`` after each change that clients can see."""
        self._listeners.append(call)

    def on_target_change(self, call: Callable[[], None]) -> None:
        """Call ``call()`` after keys or the known minions changed: a target may match others now."""
        self._target_listeners.append(call)

    def remove(self, name: str) -> None:
        """Remove a minion, if there is one."""
        if self.minions.pop(name, None) is not None:
            self.change(name)

    def change(self, name: str) -> None:
        """Report that a minion was added or removed, or has another key: a target may match others now."""
        self.notify(name)
        for call in self._target_listeners:
            call()

    def notify(self, name: str) -> None:
        """Report that clients can see a change of a minion."""
        for call in self._listeners:
            call(name)
