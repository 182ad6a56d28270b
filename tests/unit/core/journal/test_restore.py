"""What the next process starts with."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from websocket_api.core.events.event import Event, make
from websocket_api.core.events.history import Gap
from websocket_api.core.jobs.job import Job
from websocket_api.core.journal.records import encode_entry, encode_job
from websocket_api.core.journal.restore import NUMBERS_PER_SECOND, SPARE_SECONDS, checksum, restore, take_over

NOW = 1000.0


@dataclass
class Kept:
    """The content of a file."""

    epoch: str = "e"
    seq: int = 4
    time: float = NOW
    clean: bool = False
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    jobs: list[tuple[int, bytes]] = field(default_factory=list)


def chunk(*seqs: int) -> tuple[int, bytes]:
    entries: list[Event | Gap] = [make(seq, f"salt/job/{jid(seq)}/ret/a", {}, NOW)[0] for seq in seqs]
    lines = b"\n".join(map(encode_entry, entries))
    return checksum(lines), lines


def jid(seq: int) -> str:
    return f"2026112312000000000{seq}"


def test_rows_are_read_in_order() -> None:
    """Epoch, newest number and entries go on."""
    found = restore(Kept(chunks=[chunk(1, 2), chunk(3, 4)]), NOW)
    assert (found.history.epoch, found.history.seq) == ("e", 4)
    assert [entry.seq for entry in found.history.entries] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("clean", "away", "used"),
    [
        (True, 3600, 1),
        (False, 0, NUMBERS_PER_SECOND * SPARE_SECONDS),
        (False, 10, NUMBERS_PER_SECOND * (10 + SPARE_SECONDS)),
        (False, -3600, NUMBERS_PER_SECOND * SPARE_SECONDS),
    ],
)
def test_numbers_after_the_last_write_are_skipped(clean: bool, away: float, used: float) -> None:
    """As many as may have been given until now; one, for the gap, if the process wrote everything at its end."""
    found = restore(Kept(clean=clean), NOW + away)
    assert (found.last, found.since) == (4 + used, NOW)


@pytest.mark.parametrize(
    ("chunks", "left"),
    [
        ([chunk(1), chunk(3, 4)], [3, 4]),
        ([chunk(1, 2)], []),
        ([], []),
    ],
)
def test_entries_before_a_missing_one_are_left_out(chunks: list[Any], left: list[int]) -> None:
    """What is missing was beyond the limits of the history before it was written; the rest is older."""
    found = restore(Kept(chunks=chunks), NOW)
    assert [entry.seq for entry in found.history.entries] == left


def test_jobs_of_older_entries_are_stale() -> None:
    """They are deleted; the others are restored."""
    records = [(seq, encode_job(Job(jid(seq), fun="test.ping")) or b"") for seq in range(1, 5)]
    found = restore(Kept(chunks=[chunk(3, 4)], jobs=records), NOW)
    assert [(last, job.jid) for last, job in found.jobs] == [(3, jid(3)), (4, jid(4))]
    assert found.stale == [jid(1), jid(2)]


def test_damage_is_found() -> None:
    """Each bit of a row is under its checksum."""
    crc, lines = chunk(1, 2, 3, 4)
    for place, bit in itertools.product(range(0, len(lines), 7), (1, 128)):
        damaged = lines[:place] + bytes([lines[place] ^ bit]) + lines[place + 1 :]
        with pytest.raises(ValueError, match="checksum"):
            restore(Kept(chunks=[(crc, damaged)]), NOW)
    with pytest.raises(ValueError, match="job"):
        restore(Kept(jobs=[(1, b"{}")]), NOW)


def test_a_process_that_has_the_history_continues_the_file() -> None:
    """Without a gap: it writes what the file lacks. A file of another numbering, or with newer events, does not fit."""
    found = take_over(Kept(), "e", 9)
    assert found is not None
    assert (found.history.seq, found.last, found.history.entries) == (4, 4, [])
    assert [take_over(Kept(), "other", 9), take_over(Kept(), "e", 3)] == [None, None]
