"""Writes the history to the journal: every 50 ms what is new, in a thread, after redaction.

At most one write is under way. A slow disk makes writes larger, not more: what waits is in the history anyway, and what
the history drops before it is written was beyond its limits. A write that fails ends the journal, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..events.event import Event
from ..events.history import Gap, History
from ..health import Part
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from ..timing import Clock, Later
from .records import JobMark, encode_entry, encode_job, mark_of
from .restore import Continued, checksum

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.05
"""Between two writes: what a crash can lose, while the disk keeps up."""
LOOK_SECONDS = 0.005
"""Between two looks at the last write."""
FAULT = "the journal is off: events are delivered, but not kept over the next start"
CHUNK_BYTES = 256 * 1024
"""Of one row. A row is deleted when all its entries are beyond the limits of the history."""


@dataclass(frozen=True)
class Batch:
    """One write."""

    entries: Sequence[Event | Gap]
    """What is new, oldest first."""
    seq: int
    """The newest number that was given, also if its event is not here any more."""
    oldest: int
    """The oldest number of the history: what is older is deleted."""
    time: float
    """Seconds since the epoch."""
    jobs: Sequence[tuple[str, int, bytes]] = ()
    """Jid, newest number and record of jobs that are new or changed."""
    tidy: bool = False
    """Whether it is time to delete what is old."""
    forgotten: Sequence[str] = ()
    """Jids of jobs that no entry is about."""
    clean: bool = False
    """Whether no further number will be given."""

    def chunks(self) -> Iterator[tuple[int, float, float, int, bytes]]:
        """Yield the rows: newest number, its time, time of the write, checksum, lines. For the thread that writes."""
        lines: list[bytes] = []
        size = 0
        for entry in self.entries:
            line = encode_entry(entry)
            lines.append(line)
            size += len(line)
            if size >= CHUNK_BYTES or entry is self.entries[-1]:
                chunk = b"\n".join(lines)
                yield entry.seq, entry.time, self.time, checksum(chunk), chunk
                lines, size = [], 0


class Write(Protocol):
    """A write in another thread. It is looked at, instead of waking the event loop: that would cost as much again."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        ...

    @property
    def failure(self) -> str | None:
        """Why it failed, if it did."""
        ...


class JournalFile(Protocol):
    """Where the journal is written (salt_master/journal_file.py)."""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        ...

    def write(self, batch: Batch) -> Write:
        """Write a batch in a thread. The file is closed after a clean batch and after a failure."""
        ...


@dataclass
class _Row:
    """A job in the journal."""

    mark: JobMark | None
    """As it was written; None if it must be written again."""
    last: int
    """The newest number that is about it."""


class Journal:
    """Writes the history and what decides the visibility of its events.

    :param health: where the journal reports that it is off
    :param later: calls a function after some seconds
    :param wall: seconds since the epoch
    """

    def __init__(self, *, history: History, jobs: JobRegistry, health: Part, later: Later, wall: Clock) -> None:
        self.failed: str | None = None
        """Why the journal is off; None while it is written."""
        self._file: JournalFile | None = None
        self._history = history
        self._jobs = jobs
        self._health = health
        self._later = later
        self._wall = wall
        self._position = 0
        """The newest number that was written, or is being written."""
        self._written = 0
        self._rows: dict[str, _Row] = {}
        self._changed: dict[str, None] = {}
        """Jobs that must be written."""
        self._armed = False
        """Whether :meth:`_flush` is due."""
        self._tidy_due = False
        self._under_way: Write | None = None
        jobs.on_change(self._on_job)

    def begin(self, file: JournalFile, continued: Continued) -> None:
        """Continue what a file has, and write to it from now on. The history has the file's entries already."""
        history, self._file = self._history, file
        self._position = self._written = continued.history.seq
        for last, job in continued.jobs:
            self._rows[job.jid] = _Row(mark_of(job), last)
            if self._jobs.get(job.jid) is None:
                self._jobs.restore(job)
        self._rows.update((jid, _Row(None, 0)) for jid in continued.stale)
        if continued.last > history.seq:
            history.append_restart(continued.last, continued.since, self._wall())
        self._arm()

    def fail(self, reason: str) -> None:
        """Write no more."""
        self.failed, self._file = reason, None
        self._health.fault = FAULT
        self._rows.clear()
        self._changed.clear()
        log.error(
            "the journal of events is off: %s; events are still delivered, but not kept over the next start; "
            "fix the cause, then run salt-run websocket_api.reload",
            reason,
        )

    @property
    def waiting(self) -> int:
        """The number of entries that are not on disk yet."""
        return 0 if self.failed else self._history.count_after(self._written)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return 0 if self._file is None else self._file.size

    def tick(self) -> None:
        """Delete what is beyond the limits, and write the time; called every few seconds, also if nothing happens."""
        self._tidy_due = True
        self._arm()

    async def stop(self) -> None:
        """Write the rest and close the file. Call this when no further number is given."""
        await self._finish()
        file, self._file = self._file, None
        if file is not None:
            self._write(file, clean=True)
            await self._finish()

    async def _finish(self) -> None:
        while self._under_way is not None:
            if self._look():
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _on_job(self, job: Job, _minions: tuple[str, ...]) -> None:
        row = self._rows.get(job.jid)
        if not self.failed and job.fun is not None and (row is None or row.mark != mark_of(job)):
            self._changed[job.jid] = None
            self._arm()

    def _arm(self) -> None:
        if not self._armed and self._file is not None:
            self._armed = True
            self._later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        """Write what is new, if the last write has ended; look again later, until there is nothing new."""
        self._armed = False
        if not self._look():
            self._arm()
        elif self._file is not None and (self._tidy_due or self._changed or self._history.seq > self._position):
            self._write(self._file)
            self._arm()
        else:
            self._history.on_next(self._arm)

    def _look(self) -> bool:
        """Return whether no write is under way."""
        write = self._under_way
        if write is None:
            return True
        if not write.done:
            return False
        self._under_way = None
        if write.failure is not None:
            self.fail(write.failure)
        self._written = self._position
        return True

    def _write(self, file: JournalFile, *, clean: bool = False) -> None:
        history, tidy = self._history, self._tidy_due
        entries = list(history.after(self._position))
        for entry in entries:
            if isinstance(entry, Event) and (row := self._rows.get(entry.topic.jid or "")) is not None:
                row.last = entry.seq
        batch = Batch(
            entries=entries,
            seq=history.seq,
            oldest=history.oldest,
            time=self._wall(),
            jobs=list(self._changed_jobs()),
            tidy=tidy,
            forgotten=self._forget_jobs() if tidy else (),
            clean=clean,
        )
        self._position, self._tidy_due = history.seq, False
        self._under_way = file.write(batch)

    def _changed_jobs(self) -> Iterator[tuple[str, int, bytes]]:
        changed, self._changed = self._changed, {}
        for jid in changed:
            job = self._jobs.get(jid)
            record = None if job is None else encode_job(job)
            if job is not None and record is not None:
                self._rows[jid] = _Row(mark_of(job), self._history.seq)
                yield jid, self._history.seq, record

    def _forget_jobs(self) -> list[str]:
        oldest = self._history.oldest
        forgotten = [jid for jid, row in self._rows.items() if row.last < oldest]
        for jid in forgotten:
            del self._rows[jid]
        return forgotten
