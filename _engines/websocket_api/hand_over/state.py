"""What the last process sends, and what the next one does with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from ..bus_line import Line
from ..core.events.encoding import decode, encode
from ..core.events.event import Event
from ..core.events.history import Gap, Restored
from ..core.jobs.job import Job
from ..core.journal.records import decode_entry, decode_job, encode_entry, encode_job
from ..core.minions.answers import Passed
from ..wiring import Parts
from .channel import (
    ANSWERS,
    ENTRIES,
    FINAL,
    FORMAT,
    GRAINS,
    HELLO,
    JOBS,
    OFFERED,
    REFUSED,
    TAKE,
    Channel,
    Refused,
)

CHUNK_ENTRIES = 500
"""Entries of one message: few, so that other threads compute in between."""

Grains = Mapping[str, Mapping[str, Any]]
"""Grains by minion."""


@dataclass
class Received:
    """What a process got from the last one."""

    entries: list[Event | Gap] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    grains: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: list[Passed] = field(default_factory=list)
    """Of minions, about their functions."""
    state: dict[str, Any] = field(default_factory=dict)
    """``epoch``, ``seq``, ``minions``, ``uncertain`` (jobs that may have ended without a return), ``positions`` at the
    masters that share a log, and what newer releases add: ``below``, ``failures``, ``presence``, ``expired``,
    ``changes`` (what clients resume from)."""
    line: Line | None = None
    """The connection to the event bus."""

    @property
    def restored(self) -> Restored:
        """The history."""
        entries = self.entries if self.entries and self.entries[-1].seq == self.state["seq"] else []
        return Restored(self.state["epoch"], self.state["seq"], entries, self.state.get("positions", {}))

    def add(self, entries: Iterable[Event | Gap]) -> None:
        """Add entries. If some are missing before them, these were dropped meanwhile, and what is older too."""
        for entry in entries:
            first = entry.first if isinstance(entry, Gap) else entry.seq
            if self.entries and first != self.entries[-1].seq + 1:
                self.entries.clear()
            self.entries.append(entry)


class Offered(NamedTuple):
    """What the next process has before this one stops."""

    position: int
    """The last number of the history."""
    grains: Grains


async def offer(channel: Channel, parts: Parts) -> Offered:
    """Send history and grains to the next process, once that has loaded; return them when it takes over.

    :raises HandOverError: it ended, or is of a release that speaks another format
    """
    await asyncio.to_thread(_await_hello, channel)
    await parts.master.bus.open_second()  # early, so that the publisher has accepted it when the first one is passed on
    # Copied on the event loop: the process serves on, and the position must belong to these entries.
    history = parts.services.history
    position, entries = history.seq, list(history.after(0))
    grains = _grains(parts)
    await asyncio.to_thread(_send_history, channel, entries, grains)
    return Offered(position, grains)


async def give(channel: Channel, parts: Parts, offered: Offered, line: Line | None) -> None:
    """Send the rest, when no event is read any more.

    :param offered: what was sent
    :raises HandOverError: the next process ended
    """
    services = parts.services
    history = services.history
    # All is read on the event loop: requests in flight go on, and may still add jobs.
    entries = list(history.after(offered.position))
    # Without them, all minions would change when they are read again, and every client would get them.
    grains = {name: value for name, value in _grains(parts).items() if offered.grains.get(name) is not value}
    named = {entry.topic.jid for entry in history.after(0) if isinstance(entry, Event)}
    jobs = [job for job in services.jobs.newest_first() if job.fun and (not job.ended or job.jid in named)]
    records = b"\n".join(record for record in map(encode_job, jobs) if record)
    known = (one for one in services.minions.all().values() if not (one.syndic or one.elsewhere))
    minions = {one.id: (one.key, one.connected, one.seen) for one in known}
    rest = b"" if line is None else line.rest
    uncertain = [job.jid for job in jobs if not job.certain]
    state = {"epoch": history.epoch, "seq": history.seq, "minions": minions, "uncertain": uncertain}
    state |= {"below": services.minions.states_below(), "failures": services.throttle.counted()}
    state |= {"presence": services.minions.presence.state, "expired": services.sessions.expired}
    for feed in services.feeds.values():
        feed.bookmark()  # the last ones: the next process numbers what follows
    feeds = {name: feed.pass_on() for name, feed in services.feeds.items()}
    state["changes"] = {**services.minion_feed.revisions.freeze(), "feeds": feeds}
    if parts.share is not None:
        state["positions"] = parts.share.positions
    final = json.dumps(state).encode() + b"\n" + rest
    answers = services.answers.pass_on()
    await asyncio.to_thread(_send_rest, channel, entries, grains, answers, records, final, line)


def take(channel: Channel) -> Received:
    """Return the state of the last process, which stops serving.

    :raises HandOverError: it ended, or refused
    """
    received = Received()
    channel.send(HELLO, b"%d" % FORMAT)
    while True:
        kind, payload = channel.receive()
        if kind == REFUSED:
            raise Refused("the running release cannot pass on its state to this one: restart the master")
        if kind == ENTRIES:
            received.add(map(decode_entry, payload.split(b"\n")))
        elif kind == GRAINS:
            received.grains.update(decode(payload))
        elif kind == ANSWERS:
            key, value, age = decode(payload)
            received.answers.append((tuple(key), value, age))
        elif kind == OFFERED:
            channel.send(TAKE)
        elif kind == JOBS:
            received.jobs = [decode_job(record) for record in payload.split(b"\n") if record]
        elif kind == FINAL:
            head, _, rest = payload.partition(b"\n")
            received.state = json.loads(head)
            received.line = channel.receive_line(rest)
            return received


def apply(received: Received, parts: Parts) -> None:
    """Give jobs, minions and the bus to the parts of this process."""
    services = parts.services
    uncertain = set(received.state["uncertain"])
    for job in reversed(received.jobs):
        job.certain = job.jid not in uncertain
        if services.jobs.get(job.jid) is None:
            services.jobs.restore(job)
    services.minions.restore(received.state["minions"], received.grains)
    services.minions.restore_below(received.state.get("below", {}))
    services.minions.presence.restore(received.state.get("presence", {}))
    services.answers.restore(received.answers)
    services.throttle.restore(received.state.get("failures", ()))
    services.sessions.restore_expired(received.state.get("expired", ()))
    if (changes := received.state.get("changes")) is not None:
        # After all that is restored above, which are no changes.
        services.minion_feed.revisions.restore(changes)
        for name, feed in services.feeds.items():
            feed.restore(changes["feeds"][name])
    if received.line is not None:
        parts.master.bus.adopt(received.line)


def _await_hello(channel: Channel) -> None:
    _, format_ = channel.receive()
    if format_ != b"%d" % FORMAT:
        channel.send(REFUSED)
        raise Refused("the next process is of a release that cannot read the state of this one")


def _grains(parts: Parts) -> Grains:
    known = parts.services.minions.all().values()
    return {minion.id: minion.grains for minion in known if minion.grains is not None}


def _send_history(channel: Channel, entries: list[Event | Gap], grains: Grains) -> None:
    _send_entries(channel, entries)
    _send_grains(channel, grains)
    channel.send(OFFERED)
    channel.receive()


def _send_rest(
    channel: Channel,
    entries: list[Event | Gap],
    grains: Grains,
    answers: list[Passed],
    jobs: bytes,
    final: bytes,
    line: Line | None,
) -> None:
    _send_entries(channel, entries)
    _send_grains(channel, grains)
    for answer in answers:
        channel.send(ANSWERS, encode(answer))
    channel.send(JOBS, jobs)
    channel.send(FINAL, final)
    channel.send_line(line)


def _send_entries(channel: Channel, entries: list[Event | Gap]) -> None:
    for part in _parts(entries):
        channel.send(ENTRIES, b"\n".join(map(encode_entry, part)))


def _send_grains(channel: Channel, grains: Grains) -> None:
    rest = iter(grains.items())
    while part := dict(islice(rest, CHUNK_ENTRIES)):
        channel.send(GRAINS, encode(part))


def _parts(entries: list[Event | Gap]) -> Iterator[list[Event | Gap]]:
    for start in range(0, len(entries), CHUNK_ENTRIES):
        yield entries[start : start + CHUNK_ENTRIES]
