"""When and what the journal writes, and what its failures change."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import pytest
from websocket_api.core.events.event import make
from websocket_api.core.events.history import Gap, History
from websocket_api.core.health import Part
from websocket_api.core.jobs.registry import JobRegistry
from websocket_api.core.journal.journal import CHUNK_BYTES, FLUSH_SECONDS, Batch, Journal
from websocket_api.core.journal.restore import Continued, checksum, start

from tests.support.waiting import until
from tests.unit.core.support import Time

JID = "20261123120000000001"


@dataclass
class Write:
    """A write that is under way."""

    done: bool = False
    failure: str | None = None


class File:
    """A journal file whose disk takes as long as a test wants; ``finish`` ends the write that is under way."""

    def __init__(self) -> None:
        self.size = 7
        self.batches: list[Batch] = []
        self._write: Write | None = None

    def write(self, batch: Batch) -> Write:
        assert self._write is None, "one at a time"
        self.batches.append(batch)
        self._write = Write()
        return self._write

    def finish(self, failure: str | None = None) -> None:
        assert self._write is not None
        self._write.failure, self._write.done = failure, True
        self._write = None


class World:
    """A journal with its history, jobs and file."""

    def __init__(self, *, events: int = 1000, continued: Continued | None = None) -> None:
        self.time, self.file = Time(), File()
        self.history = History("e", events=events, size=1 << 20, seconds=300)
        self.jobs = JobRegistry(max_jobs=100, clock=self.time)
        self.health = Part("journal")
        self.journal = Journal(
            history=self.history, jobs=self.jobs, health=self.health, later=self.time.later, wall=self.time
        )
        self.journal.begin(self.file, continued or start("e"))

    def event(self, tag: str = "t", **data: object) -> None:
        event, read = make(self.history.next_seq(), tag, data, self.time())
        self.history.append(event)
        self.jobs.apply(event, read)

    def flush(self, failure: str | None = None) -> None:
        """Let the journal write what is new, and notice the end of that."""
        self.time.pass_(FLUSH_SECONDS)
        self.file.finish(failure)
        self.time.pass_(FLUSH_SECONDS)

    @property
    def written(self) -> list[list[int]]:
        """The numbers of each write."""
        return [[entry.seq for entry in batch.entries] for batch in self.file.batches]


async def test_new_events_are_written_together() -> None:
    """50 ms after the first of them, and nothing is written while nothing happens."""
    world = World()
    world.time.pass_(60)
    world.event()
    world.time.pass_(FLUSH_SECONDS / 2)
    world.event()
    assert world.written == []
    world.time.pass_(FLUSH_SECONDS / 2)
    assert (world.written, world.file.batches[0].time) == ([[1, 2]], world.time())
    world.file.finish()
    world.time.pass_(60)
    assert world.written == [[1, 2]]
    world.event()
    world.time.pass_(FLUSH_SECONDS)
    assert world.written == [[1, 2], [3]]


async def test_a_slow_disk_gets_larger_writes() -> None:
    """One at a time; what is not written yet is counted."""
    world = World()
    world.event()
    world.time.pass_(FLUSH_SECONDS)
    for _ in range(5):
        world.event()
        world.time.pass_(1)
    assert (world.written, world.journal.waiting) == ([[1]], 6)
    world.file.finish()
    world.time.pass_(FLUSH_SECONDS)
    assert (world.written, world.journal.waiting) == ([[1], [2, 3, 4, 5, 6]], 5)
    world.file.finish()
    world.time.pass_(FLUSH_SECONDS)
    assert (world.journal.waiting, world.journal.size) == (0, 7)


async def test_what_the_history_drops_first_is_not_written() -> None:
    """It is beyond the limits. The newest number is written all the same."""
    world = World(events=2)
    for _ in range(5):
        world.event()
    world.time.pass_(FLUSH_SECONDS)
    (batch,) = world.file.batches
    assert (world.written, batch.seq, batch.oldest) == ([[4, 5]], 5, 4)


async def test_a_gap_is_written_like_an_event() -> None:
    """Also if nothing follows it."""
    world = World()
    world.history.append_gap(world.time())
    world.time.pass_(FLUSH_SECONDS)
    (batch,) = world.file.batches
    assert [type(entry) for entry in batch.entries] == [Gap]


async def test_rows_have_a_size() -> None:
    """So that a row of old events can be deleted soon; each has its checksum and the newest number in it."""
    world = World()
    for _ in range(10):
        world.event(value="x" * (CHUNK_BYTES // 4))
    world.time.pass_(FLUSH_SECONDS)
    rows = list(world.file.batches[0].chunks())
    assert [seq for seq, *_ in rows] == [4, 8, 10]
    assert [checksum(chunk) for *_, chunk in rows] == [crc for *_, crc, _ in rows]
    assert [chunk.count(b"\n") for *_, chunk in rows] == [3, 3, 1]


async def test_a_write_that_fails_ends_the_journal_only(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once; events are numbered and kept as before, and nothing is written any more."""
    world = World()
    world.event()
    with caplog.at_level(logging.WARNING):
        world.flush("database or disk is full")
        for _ in range(3):
            world.event(f"salt/job/{JID}/new", fun="test.ping", minions=["a"])
            world.journal.tick()
            world.time.pass_(60)
        await world.journal.stop()
    (line,) = [record.getMessage() for record in caplog.records if "journal" in record.name]
    assert line.startswith("the journal of events is off: database or disk is full; events are still delivered")
    assert (world.written, world.history.seq, len(world.history)) == ([[1]], 4, 4)
    assert (world.journal.failed, world.journal.waiting, world.journal.size) == ("database or disk is full", 0, 0)
    assert (world.health.status, "journal" in (world.health.fault or "")) == ("degraded", True)


async def test_jobs_are_written_when_their_visibility_changes() -> None:
    """An announcement is; returns are not. A job that its own events no longer name is deleted."""
    world = World(events=3)
    world.event(f"salt/job/{JID}/new", fun="test.ping", minions=["a", "b"], _stamp="2026-11-23T12:00:01")
    world.flush()
    for minion in "ab":
        world.event(f"salt/job/{JID}/ret/{minion}", cmd="_return", id=minion, **{"return": 1})
    world.flush()
    assert [[jid for jid, *_ in batch.jobs] for batch in world.file.batches] == [[JID], []]
    for number in range(3):
        world.journal.tick()
        world.flush()
        assert world.file.batches[-1].forgotten == []
        world.event(f"my/{number}")
        world.flush()
    world.journal.tick()
    world.flush()
    assert (world.file.batches[-1].tidy, world.file.batches[-1].forgotten) == (True, [JID])
    world.event(f"salt/job/{JID}/ret/a", cmd="_return", id="a", **{"return": 2})
    world.time.pass_(FLUSH_SECONDS)
    assert [jid for jid, *_ in world.file.batches[-1].jobs] == [JID], "a late return needs it again"


async def test_an_owner_is_written_when_it_becomes_known() -> None:
    """The reply of the master may come before the event or after it."""
    world = World()
    world.event(f"salt/job/{JID}/new", fun="test.ping", minions=["a"], user="ann", _stamp="2026-11-23T12:00:01")
    world.flush()
    world.jobs.add_started(JID, {"fun": "test.ping", "minions": ["a"]}, "ann", "ldap")
    world.time.pass_(FLUSH_SECONDS)
    (first,), (second,) = (batch.jobs for batch in world.file.batches)
    assert (b'"eauth":null' in first[2], b'"eauth":"ldap"' in second[2]) == (True, True)


async def test_arguments_are_written_when_they_become_known() -> None:
    """Those of a runner come with its event, maybe after the reply; who may see it can depend on them."""
    world = World()
    world.jobs.add_called("runner", JID, "state.sls", "ann", "pam")
    world.flush()
    world.event(f"salt/run/{JID}/new", fun="runner.state.sls", fun_args=["secret"], _stamp="2026-11-23T12:00:01")
    world.time.pass_(FLUSH_SECONDS)
    (first,), (second,) = (batch.jobs for batch in world.file.batches)
    assert (b'"arg":null' in first[2], b'"arg":["secret"]' in second[2]) == (True, True)


async def test_the_last_write_says_that_the_process_ended() -> None:
    """It waits for the one that is under way. Nothing is written after it, although a write was due."""
    world = World()
    world.event()
    world.time.pass_(FLUSH_SECONDS)
    world.event()
    stopping = asyncio.ensure_future(world.journal.stop())
    await asyncio.sleep(0)
    assert world.written == [[1]]
    world.file.finish()
    await until(lambda: len(world.written) == 2)
    assert (world.written, [batch.clean for batch in world.file.batches]) == ([[1], [2]], [False, True])
    world.file.finish()
    await stopping
    world.journal.tick()
    world.time.pass_(60)
    assert (len(world.written), world.journal.failed) == (2, None)


async def test_the_time_is_written_now_and_then() -> None:
    """It tells how long an absence was, and how many numbers may have been used since."""
    world = World()
    world.time.pass_(60)
    world.journal.tick()
    world.journal.tick()
    world.time.pass_(FLUSH_SECONDS)
    (batch,) = world.file.batches
    assert (batch.time, batch.entries, batch.seq) == (world.time(), [], 0)
