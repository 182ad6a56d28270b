"""Subscriptions to events that outlive a connection, without I/O: what they keep, and where they resume."""

from __future__ import annotations

from collections import deque
from typing import Any

from salt_live.errors import ApiError, ConnectionFailed
from salt_live.models import Event, Gap, Position
from salt_live.vectors import Vector

MAX_EVENTS = 10_000
MAX_BYTES = 64 * 1024 * 1024
"""Events, and bytes of JSON, that one stream keeps for a consumer that reads too slowly."""


class Stream:
    """One subscription: its number on the present connection, and what has not been read yet.

    :param fields: those of the message ``subscribe``
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.number: int | None = None
        self.requested = False
        self.confirmed = False  # by the engine, on any connection
        self.error: ApiError | ConnectionFailed | None = None
        self.live = False
        self.place: dict[str, Any] | None = None
        """The position in the changes of jobs, minions or batches, as the engine sent it."""

    @property
    def full(self) -> bool:
        """Whether the subscription must end until its consumer has read more."""
        return False

    @property
    def message(self) -> dict[str, Any]:
        """The fields to subscribe with now."""
        return self.fields if self.place is None else {**self.fields, "since": self.place}

    def rebase(self, epoch: str, same_address: bool) -> None:
        """Prepare to subscribe on a run of the engine."""

    def subscribed(self, result: dict[str, Any]) -> None:
        """Apply the reply to ``subscribe``."""
        self.number, self.confirmed = result["subscription"], True

    def apply(self, frame: dict[str, Any], size: int) -> None:
        """Apply a frame of this many bytes."""
        if frame["type"] == "live":
            self.live = True
        self.place = frame.get("position", self.place)

    def lost(self) -> None:
        """Apply the loss of the connection."""
        self.number, self.requested, self.live = None, False, False

    def end(self, error: ApiError | ConnectionFailed) -> None:
        """End the stream: what was received before can still be read."""
        self.number, self.requested, self.error = None, False, error


class EventStream(Stream):
    """Events in order. At its limit the subscription pauses, and resumes at its position: the history bridges that.

    :param since: the position to start from; the present by default
    """

    def __init__(
        self,
        fields: dict[str, Any],
        since: Position | None = None,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__({"subscription": "event", "bundle": True, **fields})
        self.position = since
        self.vector = Vector()
        self.pauses = 0
        self.paused = False
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[tuple[Event | Gap, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many events and gaps wait to be read."""
        return len(self._items)

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._items) >= self._max_events or self._bytes >= self._max_bytes

    @property
    def drained(self) -> bool:
        """Whether a paused stream has room again: half of the limits."""
        return len(self._items) * 2 <= self._max_events and self._bytes * 2 <= self._max_bytes

    @property
    def message(self) -> dict[str, Any]:
        """The fields to subscribe with, from the last position."""
        if self.vector:
            return {**self.fields, "since": self.vector.message}
        if self.position is None:
            return self.fields
        return {**self.fields, "since": {"epoch": self.position.epoch, "seq": self.position.seq}}

    def pop(self) -> Event | Gap | None:
        """Return the next event or gap; None if there is none yet."""
        if not self._items:
            return None
        item, size = self._items.popleft()
        self._bytes -= size
        return item

    def rebase(self, epoch: str, same_address: bool) -> None:
        """Move to the start of another run of the engine.

        A new run at the same address is a restart: all its events are newer. Another address may have old ones, so
        there the stream continues with the present. Masters that share a stream know where it goes on.
        """
        if self.vector:
            return
        if self.position is not None and self.position.epoch != epoch and same_address:
            self._gap("epoch", self.position, Position(epoch, 0), None)

    def subscribed(self, result: dict[str, Any]) -> None:
        """Start at the reply's position, or replay what followed the own one."""
        super().subscribed(result)
        here, resumes = Position(result["epoch"], result["seq"]), bool(self.vector)
        self.vector.subscribed(result, whole=self.position is None)
        if self.position is None:
            self.position = here
        elif resumes and self.position.epoch != here.epoch:
            self.position = Position(here.epoch, 0)  # what follows is new, and a gap says what is not
        elif self.position.epoch != here.epoch:
            self._gap("epoch", self.position, here, None)
        self.live = True

    def apply(self, frame: dict[str, Any], size: int) -> None:
        """Keep the events of a frame."""
        kind = frame["type"]
        if kind == "event":
            self._append(frame, size)
        elif kind == "events":
            events = frame["events"]
            for event in events:
                self._append(event, size // len(events))
        elif kind == "bookmark":
            self._move(frame["seq"])
            self.vector.bookmark(frame)
        elif kind == "gap" and (frame["reason"] != "epoch" or "masters" in frame):  # subscribed() has added the other
            self._apply_gap(frame)

    def _append(self, event: dict[str, Any], size: int) -> None:
        epoch = self.position.epoch if self.position else ""
        if self.position and event["seq"] <= self.position.seq:
            return
        minion, master = event.get("minion"), event.get("master")
        self._items.append((Event(event["tag"], event["data"], event["seq"], epoch, minion, master), size))
        self._bytes += size
        self._move(event["seq"])
        self.vector.event(event, epoch)

    def _apply_gap(self, frame: dict[str, Any]) -> None:
        if self.position is None:
            return
        epoch, first, last = self.position.epoch, frame["from"], frame["to"]
        after = self.position if first is None else Position(epoch, first - 1)
        until = self.position if last is None else Position(epoch, max(last, self.position.seq))
        times = frame.get("from_time"), frame.get("to_time")
        masters = tuple(frame.get("masters", ()))
        self._append_gap(Gap(frame["reason"], after, until, frame["count"], *times, masters), until)
        self.vector.gap(frame, until)

    def _gap(self, reason: str, after: Position, until: Position, count: int | None) -> None:
        self._append_gap(Gap(reason, after, until, count), until)

    def _append_gap(self, gap: Gap, until: Position) -> None:
        self._items.append((gap, 0))
        self.position = until

    def _move(self, seq: int) -> None:
        if self.position is not None and seq > self.position.seq:
            self.position = Position(self.position.epoch, seq)
