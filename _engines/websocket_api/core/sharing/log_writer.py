"""Writes the own master's events to the common log."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol

from ..events.history import History
from ..timing import Later
from .records import Chunk, encode_line

FLUSH_SECONDS = 0.02
"""Between two chunks: longer costs latency, shorter costs CPU (docs/decisions.md)."""
FLUSH_EVENTS = 2000
"""Entries that one flush looks at, so that the event loop goes on: after a start there may be a whole history."""
CHUNK_EVENTS = 500
"""Entries of a chunk at most, so that a reader takes other turns in between."""


class Log(Protocol):
    """The common log of all masters (salt_master/event_log_redis.py)."""

    def put(self, chunk: Chunk) -> None:
        """Write a chunk of the own master soon, without waiting."""
        ...

    def is_gone(self, master: str) -> bool:
        """Return whether a master is no longer read: its engine has not run for a long time."""
        ...


class LogWriter:
    """Puts what is new in the history into the log, in chunks.

    :param log: None without one: then nothing is written
    :param later: ``later(seconds, call)``; None without a log
    """

    def __init__(self, history: History, log: Log | None, later: Later | None) -> None:
        self._history = history
        self._log = log
        self._later = later
        self._written = history.seq
        """The newest number of the own master that was put into the log."""
        self._place = history.seq
        """The newest number of the history that was looked at."""
        self._armed = False
        """Whether :meth:`flush` is going to be called."""
        self._take_notes: Callable[[], bytes] = bytes
        self._begun = False
        """Whether it is known what the log has of the own master."""

    def begin(self, epoch: str | None, last: int) -> None:
        """Write what the log lacks, from now on.

        An empty chunk comes first: by it the others know that this master has started, and their clients a position.

        :param epoch: of the last chunk of the own master in the log; None if it has none
        :param last: the last number of that chunk
        """
        history = self._history
        known = epoch == history.epoch and last <= history.seq
        self._written = self._place = last if known else max(0, history.oldest - 1)
        self._begun = True
        if self._log is not None:
            self._log.put(Chunk(history.epoch, self._written, self._written, b""))
        self.flush()

    def on_flush(self, take_notes: Callable[[], bytes]) -> None:
        """Write what ``take_notes()`` returns with the next chunk."""
        self._take_notes = take_notes

    def touch(self) -> None:
        """Note that the history has a new entry, or that there are notes: they are written soon."""
        if not self._armed and self._later is not None:
            self._armed = True
            self._later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Put what is new of the own master into the log."""
        self._armed = False
        if not self._begun:
            return
        history, lines, last = self._history, list[bytes](), self._written
        if history.oldest > self._place + 1:
            # Dropped before it was written: readers notice that numbers are missing.
            self._written = last = self._place = history.oldest - 1
        for entry in islice(history.after(self._place), FLUSH_EVENTS):
            self._place = entry.seq
            if entry.origin is not None:
                continue
            lines.append(encode_line(entry))
            last = entry.seq
            if len(lines) >= CHUNK_EVENTS:
                self._put(lines, last)
                lines = []
        notes = self._take_notes()
        if lines or notes:
            self._put(lines, last, notes)
        if self._place < history.seq:
            self.touch()

    def _put(self, lines: list[bytes], last: int, notes: bytes = b"") -> None:
        if self._log is not None:
            self._log.put(Chunk(self._history.epoch, self._written, last, b"\n".join(lines), notes))
        self._written = last
