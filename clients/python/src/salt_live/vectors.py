"""The position of one stream at each master, where several masters share it, without I/O."""

from __future__ import annotations

from typing import Any

from salt_live.models import Position


class Vector:
    """A position at each master. Empty while it is not known whether masters share the stream, or not exactly."""

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        self._own: str | None = None

    def __bool__(self) -> bool:
        """Return whether the stream can go on at any of the masters."""
        return bool(self.positions)

    @property
    def message(self) -> dict[str, dict[str, Any]]:
        """The field ``since`` of ``subscribe``."""
        return {name: {"epoch": place.epoch, "seq": place.seq} for name, place in self.positions.items()}

    def subscribed(self, result: dict[str, Any], *, whole: bool) -> None:
        """Apply the reply to ``subscribe``.

        :param whole: whether the stream starts at the positions of the reply, and replays nothing
        """
        newest = _read(result.get("since"))
        own = [name for name, place in newest.items() if place.epoch == result["epoch"]]
        self._own = own[0] if own else None
        if not newest:
            self.positions.clear()  # this server shares its stream with none
        elif whole or self.positions:
            # The stream of a master that was not named starts now.
            self.positions = {**newest, **self.positions}

    def event(self, event: dict[str, Any], epoch: str) -> None:
        """Apply an event.

        :param epoch: of the present server
        """
        if self.positions and "master" in event:
            origin = event.get("origin") or {"epoch": epoch, "seq": event["seq"]}
            if not self._is_passed(event["master"], origin["epoch"], epoch):
                self.positions[event["master"]] = Position(origin["epoch"], origin["seq"])

    def bookmark(self, frame: dict[str, Any]) -> None:
        """Apply a bookmark, which has all positions."""
        self.positions = _read(frame.get("since"))

    def gap(self, frame: dict[str, Any], here: Position | None) -> None:
        """Apply a gap.

        :param here: the position after it at the present server
        """
        if not self.positions:
            return
        for name, lost in frame.get("masters", {}).items():
            if here is not None and self._is_passed(name, lost.get("epoch", here.epoch), here.epoch):
                continue
            self.positions.pop(name, None)
            if "epoch" in lost:
                self.positions[name] = Position(lost["epoch"], lost["seq"])
        if "masters" not in frame and self._own is not None and here is not None:
            self.positions[self._own] = here

    def _is_passed(self, master: str, epoch: str, present: str) -> bool:
        """Return whether something is from before a restart of the server that the position has passed."""
        place = self.positions.get(master)
        return master == self._own and epoch != present and place is not None and place.epoch == present


def _read(value: dict[str, Any] | None) -> dict[str, Position]:
    return {name: Position(place["epoch"], place["seq"]) for name, place in (value or {}).items()}
