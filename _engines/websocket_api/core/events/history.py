"""The history that clients resume from: numbered events, limited by count, bytes and age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .event import Event

SLACK = 1024
"""Empty places at the start of the list before it is shortened: that moves all that follow."""


@dataclass(frozen=True)
class Gap:
    """A number without an event, because the engine did not read the bus. ``time`` is in seconds since the epoch."""

    seq: int
    time: float
    reason: str = "bus"

    @property
    def size(self) -> int:
        """Bytes that the history counts for it."""
        return 0


class History:
    """Events numbered 1, 2, 3 … within one ``epoch``; the oldest are dropped first.

    :param epoch: names this run of the engine, so that a number of another run is never taken for one of this run
    :param events: maximum number of events
    :param size: maximum of bytes, as :attr:`Event.size` counts them
    :param seconds: maximum age of an event
    """

    def __init__(self, epoch: str, *, events: int, size: int, seconds: float) -> None:
        self.epoch = epoch
        self.seq = 0
        """The newest number that was given to an event or a gap."""
        self.bytes = 0
        self.last_gap = 0
        """The newest number that is a gap; 0 if there was none."""
        self._max_events = events
        self._max_bytes = size
        self._max_seconds = seconds
        self._entries: list[Event | Gap | None] = []
        """Entries after empty places of dropped ones: unlike in a deque, an index costs the same anywhere."""
        self._start = 0
        """Index of the oldest entry."""

    def next_seq(self) -> int:
        """Return the number of the next entry. It is used only when that is appended, so no number is left out."""
        return self.seq + 1

    def append(self, event: Event) -> None:
        """Add an event whose number came from :meth:`next_seq`."""
        self.seq = event.seq
        self._entries.append(event)
        self.bytes += event.size
        self.drop_old(event.time)

    def append_gap(self, now: float) -> Gap:
        """Add a gap: events may be missing here. Return it."""
        gap = Gap(self.next_seq(), now)
        self.seq = self.last_gap = gap.seq
        self._entries.append(gap)
        self.drop_old(now)
        return gap

    def drop_old(self, now: float) -> None:
        """Drop what exceeds a limit. Called for each event, and periodically if there are none."""
        entries, oldest = self._entries, now - self._max_seconds
        while self._start < len(entries):
            first = entries[self._start]
            within = len(entries) - self._start <= self._max_events and self.bytes <= self._max_bytes
            if first is None or (within and first.time >= oldest):
                break
            self.bytes -= first.size
            entries[self._start] = None
            self._start += 1
        if self._start >= SLACK and self._start * 2 >= len(entries):
            del entries[: self._start]
            self._start = 0

    @property
    def oldest(self) -> int:
        """The oldest number in the history; ``seq + 1`` if it is empty."""
        return self.seq + 1 - (len(self._entries) - self._start)

    @property
    def oldest_time(self) -> float | None:
        """When the oldest event was read, in seconds since the epoch; None if there is none."""
        return next((entry.time for entry in self.after(0) if isinstance(entry, Event)), None)

    def has_all_after(self, seq: int) -> bool:
        """Return whether everything after ``seq`` that was ever read is still here."""
        return self.oldest <= seq + 1

    def is_whole_after(self, seq: int) -> bool:
        """Return whether nothing after ``seq`` is missing: neither dropped here nor never read from the bus."""
        return self.has_all_after(seq) and self.last_gap <= seq

    def count_after(self, seq: int) -> int:
        """Return the number of entries after ``seq``."""
        return self.seq - max(seq, self.oldest - 1)

    def after(self, seq: int) -> Iterator[Event | Gap]:
        """Yield the entries after ``seq``, oldest first."""
        # Numbers are consecutive, so an index is computed and not searched.
        index = self._start + max(0, seq + 1 - self.oldest)
        while index < len(self._entries):
            entry = self._entries[index]
            if entry is not None:
                yield entry
            index += 1
