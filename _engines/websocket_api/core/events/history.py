"""What can be resumed from: a numbered ring of events, bounded by count, bytes and age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .event import Event

SLACK = 1024  # forgotten places before the list is cut: cutting moves all that follow


@dataclass(frozen=True)
class Hole:
    """A number that no event has, because the bus was not heard meanwhile. ``time`` is in seconds since the epoch."""

    seq: int
    time: float
    reason: str = "bus"

    @property
    def size(self) -> int:
        """Bytes that it is counted with in the history."""
        return 0


class History:
    """Events numbered 1, 2, 3 … within one ``epoch``, the oldest forgotten first.

    :param epoch: names this run of the engine, so that a number of another run is never mistaken for one of ours
    :param events: at most so many events are kept
    :param size: at most so many bytes are kept, as :attr:`Event.size` counts them
    :param seconds: at most so old they grow
    """

    def __init__(self, epoch: str, *, events: int, size: int, seconds: float) -> None:
        self.epoch = epoch
        self.seq = 0  # the newest number given out
        self.bytes = 0
        self.last_hole = 0
        """The newest number that is a hole; 0 while there was none."""
        self._most_events = events
        self._most_bytes = size
        self._most_seconds = seconds
        self._kept: list[Event | Hole | None] = []
        """What is kept, behind places that were forgotten: unlike in a deque, any place is found at once."""
        self._start = 0
        """Where the oldest one is."""

    def next_seq(self) -> int:
        """Return the number of the next event or hole; it counts once that is kept, so that no number is left out."""
        return self.seq + 1

    def append(self, event: Event) -> None:
        """Keep an event whose number came from :meth:`next_seq`."""
        self.seq = event.seq
        self._kept.append(event)
        self.bytes += event.size
        self.forget(event.time)

    def append_hole(self, now: float) -> Hole:
        """Mark that events may be missing here, and return the mark."""
        hole = Hole(self.next_seq(), now)
        self.seq = self.last_hole = hole.seq
        self._kept.append(hole)
        self.forget(now)
        return hole

    def forget(self, now: float) -> None:
        """Drop what is over a bound. Called at each event, and from time to time while there are none."""
        kept, oldest = self._kept, now - self._most_seconds
        while self._start < len(kept):
            first = kept[self._start]
            within = len(kept) - self._start <= self._most_events and self.bytes <= self._most_bytes
            if first is None or (within and first.time >= oldest):
                break
            self.bytes -= first.size
            kept[self._start] = None
            self._start += 1
        if self._start >= SLACK and self._start * 2 >= len(kept):
            del kept[: self._start]
            self._start = 0

    @property
    def oldest(self) -> int:
        """The oldest number that can still be had; ``seq + 1`` when there is none."""
        return self.seq + 1 - (len(self._kept) - self._start)

    @property
    def oldest_time(self) -> float | None:
        """When the oldest event came, in seconds since the epoch; None when there is none."""
        return next((entry.time for entry in self.after(0) if isinstance(entry, Event)), None)

    def has_all_after(self, seq: int) -> bool:
        """Tell whether everything after ``seq`` that was ever read is still here."""
        return self.oldest <= seq + 1

    def is_whole_after(self, seq: int) -> bool:
        """Tell whether nothing after ``seq`` is missing: neither forgotten nor lost with the bus."""
        return self.has_all_after(seq) and self.last_hole <= seq

    def count_after(self, seq: int) -> int:
        """Return how much is kept of everything after ``seq``."""
        return self.seq - max(seq, self.oldest - 1)

    def after(self, seq: int) -> Iterator[Event | Hole]:
        """Yield what is kept of everything after ``seq``, oldest first."""
        # Numbers are consecutive, so a place is a subtraction and not a search.
        place = self._start + max(0, seq + 1 - self.oldest)
        while place < len(self._kept):
            entry = self._kept[place]
            if entry is not None:
                yield entry
            place += 1
