"""The history that clients resume from: numbered events, limited by count, bytes and age."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from .event import Event
from .origins import Origin

SLACK = 1024
"""Empty places at the start of the list before it is shortened: that moves all that follow."""

BUS = "bus"
RESTART = "restart"
HISTORY = "history"
"""Reasons of gaps: the engine lost the bus, or it did not run; events of another master are not in the common log."""

_SEQ = attrgetter("seq")


@dataclass(slots=True)
class Gap:
    """Numbers without events, because the engine did not read the bus. Times are in seconds since the epoch."""

    seq: int
    """The last of the numbers."""
    time: float
    """When the engine read the bus again."""
    reason: str = BUS
    """:data:`BUS` or :data:`RESTART`."""
    first: int = 0
    """The first of the numbers; ``seq`` by default."""
    since: float | None = None
    """When the engine stopped reading the bus; None if unknown."""
    origin: Origin | None = None
    """The position after it at another master, if that master's events are missing."""

    def __post_init__(self) -> None:
        """Make it one number long by default."""
        self.first = self.first or self.seq

    @property
    def size(self) -> int:
        """Bytes that the history counts for it."""
        return 0

    @property
    def times(self) -> tuple[float, float] | None:
        """When the engine stopped reading the bus, and when it read it again; None if unknown."""
        return None if self.since is None else (self.since, self.time)


@dataclass(frozen=True)
class Restored:
    """What an earlier process kept of the history, for :meth:`History.restore`."""

    epoch: str
    seq: int
    """The newest number that was given to an event or a gap."""
    entries: list[Event | Gap]
    """Oldest first, without a missing number; the last one has ``seq``."""
    positions: dict[str, Any] = field(default_factory=dict)
    """What was read of the masters that share a log (core/sharing/share.py)."""


class History:
    """Events numbered 1, 2, 3 … within one ``epoch``; the oldest are dropped first.

    :param epoch: names this numbering, so that a number of another one is never taken for one of this
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
        self._gaps: deque[Gap] = deque()
        """The gaps among the entries, and maybe dropped ones before them."""
        self._last_own_gap = 0
        self._dropped_own = 0
        """The newest number of the own master that was dropped. Without a common log every number is."""
        self._max_events = events
        self._max_bytes = size
        self._max_seconds = seconds
        self._entries: list[Event | Gap | None] = []
        """Entries after empty places of dropped ones: unlike in a deque, an index costs the same anywhere."""
        self._start = 0
        """Index of the oldest entry."""
        self._on_next: Callable[[], None] | None = None
        self._restart: Gap | None = None
        """The gap of the absence that ends when the bus is read."""

    def next_seq(self) -> int:
        """Return the number of the next entry. It is used only when that is appended, so no number is left out."""
        return self.seq + 1

    def on_next(self, call: Callable[[], None]) -> None:
        """Call ``call()`` once, when the next entry is appended: cheaper than a call for each one."""
        self._on_next = call

    def append(self, event: Event) -> None:
        """Add an event whose number came from :meth:`next_seq`."""
        self.seq = event.seq
        self._entries.append(event)
        self.bytes += event.size
        self.drop_old(event.time)
        if self._on_next is not None:
            self._report_next()

    def append_gap(self, now: float) -> Gap:
        """Add a gap: events may be missing here. Return it."""
        return self._append_gap(Gap(self.next_seq(), now))

    def append_gap_of(self, origin: Origin, reason: str, now: float) -> Gap:
        """Add a gap in the events of another master. Return it."""
        return self._append_gap(Gap(self.next_seq(), now, reason, origin=origin))

    def restore(self, restored: Restored, now: float) -> None:
        """Continue what an earlier process kept in the same epoch. Call this before anything is appended.

        Entries beyond the limits are dropped: they count by their own time.

        :raises ValueError: numbers are missing, or it is of another epoch
        """
        entries, expected = restored.entries, None
        for entry in entries:
            first = entry.first if isinstance(entry, Gap) else entry.seq
            if expected is not None and first != expected:
                raise ValueError(f"number {expected} is missing")
            expected = entry.seq + 1
        if restored.epoch != self.epoch or self._entries or expected not in (None, restored.seq + 1):
            raise ValueError("the entries do not continue this history")
        self.seq = restored.seq
        self._entries.extend(entries)
        self._dropped_own = self.oldest - 1
        self.bytes = sum(entry.size for entry in entries)
        self._gaps.extend(entry for entry in entries if isinstance(entry, Gap))
        self.last_gap = max((gap.seq for gap in self._gaps), default=0)
        self._last_own_gap = max((gap.seq for gap in self._gaps if gap.origin is None), default=0)
        self.drop_old(now)

    def append_restart(self, last: int, since: float, now: float) -> Gap:
        """Add the gap of an absence: the engine did not run, and the numbers up to ``last`` may have been used.

        :param since: when the absence began, in seconds since the epoch
        """
        self._restart = self._append_gap(Gap(last, now, RESTART, self.next_seq(), since))
        return self._restart

    def end_absence(self, now: float) -> None:
        """Record that the bus is read now. The engine may start long before the bus is there."""
        gap, self._restart = self._restart, None
        if gap is not None:
            first = next(self.after(gap.seq), None)
            gap.time = now if first is None else max(gap.time, first.time)

    def _append_gap(self, gap: Gap) -> Gap:
        self.seq = self.last_gap = gap.seq
        if gap.origin is None:
            self._last_own_gap = gap.seq
        self._entries.append(gap)
        self._gaps.append(gap)
        self.drop_old(gap.time)
        while self._gaps and self._gaps[0].seq < self.oldest:
            self._gaps.popleft()
        self._report_next()
        return gap

    def _report_next(self) -> None:
        call, self._on_next = self._on_next, None
        if call is not None:
            call()

    def drop_old(self, now: float) -> None:
        """Drop what exceeds a limit. Called for each event, and periodically if there are none."""
        entries, oldest = self._entries, now - self._max_seconds
        while self._start < len(entries):
            first = entries[self._start]
            within = len(entries) - self._start <= self._max_events and self.bytes <= self._max_bytes
            if first is None or (within and first.time >= oldest):
                break
            self.bytes -= first.size
            if first.origin is None:
                self._dropped_own = first.seq
            entries[self._start] = None
            self._start += 1
        if self._start >= SLACK and self._start * 2 >= len(entries):
            del entries[: self._start]
            self._start = 0

    @property
    def oldest(self) -> int:
        """The oldest number in the history; ``seq + 1`` if it is empty."""
        if self._start == len(self._entries):
            return self.seq + 1
        first = self._entries[self._start]
        return first.first if isinstance(first, Gap) else _SEQ(first)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries) - self._start

    @property
    def oldest_time(self) -> float | None:
        """When the oldest event was read, in seconds since the epoch; None if there is none."""
        return next((entry.time for entry in self.after(0) if isinstance(entry, Event)), None)

    def has_all_after(self, seq: int) -> bool:
        """Return whether everything after ``seq`` that was ever read is still here."""
        return self.oldest <= seq + 1

    def is_whole_after(self, seq: int, counts: Callable[[Gap], bool] = lambda gap: True) -> bool:
        """Return whether nothing after ``seq`` is missing: neither dropped here nor never read from the bus.

        :param counts: returns whether a gap counts
        """
        if not self.has_all_after(seq):
            return False
        return self.last_gap <= seq or not any(gap.seq > seq and counts(gap) for gap in self._gaps)

    def is_own_whole_after(self, seq: int) -> bool:
        """Return whether nothing of the own master is missing after ``seq``."""
        return self.is_own_kept_after(seq) and self._last_own_gap <= seq

    def is_own_kept_after(self, seq: int) -> bool:
        """Return whether everything of the own master after ``seq`` that was ever read is still here, gaps included."""
        return self._dropped_own <= seq

    def count_after(self, seq: int) -> int:
        """Return the number of entries after ``seq``."""
        return len(self._entries) - self._index(seq)

    def after(self, seq: int) -> Iterator[Event | Gap]:
        """Yield the entries after ``seq``, oldest first."""
        index = self._index(seq)
        while index < len(self._entries):
            entry = self._entries[index]
            if entry is not None:
                yield entry
            index += 1

    def _index(self, seq: int) -> int:
        """Return the index of the first entry after ``seq``. A gap can have many numbers, so it is searched."""
        return bisect_right(self._entries, seq, self._start, key=_SEQ)
