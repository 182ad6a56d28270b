"""What a journal kept, for the history and the jobs of the next process."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..events.event import Event
from ..events.history import Gap, Restored
from ..jobs.job import Job
from .records import decode_entry, decode_job

NUMBERS_PER_SECOND = 20_000
"""Events that no engine reads in a second: how many numbers may have been used since the last write."""
SPARE_SECONDS = 5.0
"""Added to that time, in case the clock was set back."""
MAX_EPOCH = 64
"""Characters of an epoch in a client's position."""
MAX_NUMBER = 2**52
"""A numbering ends there: clients read numbers up to 2**53 exactly. A clock that was wrong for decades uses many."""


class Kept(Protocol):
    """The content of a journal file (salt_master/journal_database.py)."""

    @property
    def epoch(self) -> str:
        """The name of the numbering."""
        ...

    @property
    def seq(self) -> int:
        """The newest number that was written."""
        ...

    @property
    def time(self) -> float:
        """When that was, in seconds since the epoch."""
        ...

    @property
    def clean(self) -> bool:
        """Whether the process ended with this write."""
        ...

    @property
    def chunks(self) -> Sequence[tuple[int, bytes]]:
        """Lines of entries with their checksums, oldest first."""
        ...

    @property
    def jobs(self) -> Sequence[tuple[int, bytes]]:
        """Records of jobs, with the newest number that is about each."""
        ...


@dataclass(frozen=True)
class Continued:
    """What the next process starts with."""

    history: Restored
    """Numbers and entries."""
    last: int
    """The last number that may have been used."""
    since: float
    """When the journal was last written, in seconds since the epoch."""
    jobs: list[tuple[int, Job]] = field(default_factory=list)
    """The jobs that entries are about, with the newest number that is about each."""
    stale: list[str] = field(default_factory=list)
    """Jids of the other jobs of the file."""


def start(epoch: str) -> Continued:
    """Return what a process starts with that has a new file."""
    return Continued(Restored(epoch, 0, []), last=0, since=0.0)


def take_over(kept: Kept, epoch: str, seq: int) -> Continued | None:
    """Return what a file lacks of a history that this process got from the last one; None if it is of another one.

    :param seq: the newest number that was given
    :raises ValueError: the file is damaged
    """
    _check_position(kept)
    if kept.epoch != epoch or kept.seq > seq:
        return None
    return Continued(Restored(epoch, kept.seq, []), last=kept.seq, since=kept.time, jobs=_jobs(kept))


def checksum(chunk: bytes) -> int:
    """Return the checksum of a chunk."""
    return zlib.crc32(chunk)


def restore(kept: Kept, now: float) -> Continued:
    """Return what the next process starts with.

    :param now: seconds since the epoch
    :raises ValueError: the file is damaged
    """
    entries: list[Event | Gap] = []
    for crc, chunk in kept.chunks:
        if checksum(chunk) != crc:
            raise ValueError("a checksum is wrong")
        _add(entries, map(decode_entry, chunk.split(b"\n")))
    if entries and entries[-1].seq != kept.seq:
        # Entries that were too old before they were written; the others are older still.
        entries = []
    oldest = entries[0].seq if entries else kept.seq + 1
    jobs = _jobs(kept)
    _check_position(kept)
    seconds = max(0.0, now - kept.time) + SPARE_SECONDS
    used = 1 if kept.clean else math.ceil(min(NUMBERS_PER_SECOND * seconds, MAX_NUMBER))
    if kept.seq + used > MAX_NUMBER:
        raise ValueError("no numbers are left after its last one")
    return Continued(
        history=Restored(kept.epoch, kept.seq, entries),
        last=kept.seq + used,
        since=kept.time,
        jobs=[(last, job) for last, job in jobs if last >= oldest],
        stale=[job.jid for last, job in jobs if last < oldest],
    )


def _check_position(kept: Kept) -> None:
    """Refuse a position that clients could not send back: no checksum protects it."""
    known = isinstance(kept.epoch, str) and 0 < len(kept.epoch) <= MAX_EPOCH and kept.epoch.isascii()
    if not (known and isinstance(kept.seq, int) and kept.seq >= 0):
        raise ValueError("its position is not understood")


def _jobs(kept: Kept) -> list[tuple[int, Job]]:
    return [(last, decode_job(record)) for last, record in kept.jobs]


def _add(entries: list[Event | Gap], new: Iterable[Event | Gap]) -> None:
    for entry in new:
        first = entry.first if isinstance(entry, Gap) else entry.seq
        if entries and first != entries[-1].seq + 1:
            entries.clear()  # those between were beyond the limits before they were written
        entries.append(entry)
