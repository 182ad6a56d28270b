"""Reads the streams of the other masters: applies their events as if they had been on the own bus."""

from __future__ import annotations

import asyncio
import logging

from ..events.history import HISTORY, RESTART
from ..events.origins import Origin as Where
from ..subscriptions.hub import Hub
from ..timing import Clock
from .notes import Notes
from .origin import Origin, Position
from .records import Chunk, Line, decode_lines
from .share import Share

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.005
"""Of work after which other tasks run: a stream that was missed may have thousands of events."""


class Following:
    """Applies chunks of other masters.

    :param clock: seconds, monotonic
    """

    def __init__(self, share: Share, hub: Hub, notes: Notes, clock: Clock) -> None:
        self._share = share
        self._hub = hub
        self._notes = notes
        self._clock = clock
        self._warned: set[str] = set()
        self._stopped = False

    def stop(self) -> None:
        """Apply nothing more: the next process goes on from here."""
        self._stopped = True

    def start(self) -> None:
        """Begin the present epoch: clients that know an earlier one get a gap before its first event."""
        if self._share.is_starting and not self._stopped:
            where = Where(self._share.own, self._hub.history.epoch, 0)
            self._share.start(self._hub.history.next_seq())
            self._hub.append_shared_gap(where, RESTART)

    async def deliver(self, master: str, read: tuple[str, int, int, bytes, bytes], age: float = 0.0) -> None:
        """Apply a chunk: what is known is left out, what is missing is reported.

        :param read: the fields of the chunk
        :param age: seconds since it was written
        """
        chunk = Chunk(*read)
        origin = None if self._stopped else self._share.origin(master)
        if origin is None or (master == self._share.own and chunk.epoch == self._hub.history.epoch):
            return
        if origin.is_new(Position(chunk.epoch, chunk.last)):  # else it was written twice, or read before
            await self._deliver_new(origin, chunk, age)
        if chunk.notes and master != self._share.own:
            self._notes.apply(master, chunk.notes)

    async def _deliver_new(self, origin: Origin, chunk: Chunk, age: float) -> None:
        first_place = self._hub.history.seq + 1
        origin.open_mark(first_place)
        self._enter(origin, chunk)
        end = self._clock() + SLICE_SECONDS
        try:
            # A chunk without lines tells that an engine has started.
            for line in decode_lines(chunk) if chunk.after < chunk.last else ():
                if origin.is_new(Position(chunk.epoch, line.seq)):
                    self._apply(origin, chunk.epoch, line, age)
                    if self._clock() >= end:
                        await asyncio.sleep(0)
                        if self._stopped:
                            break
                        end = self._clock() + SLICE_SECONDS
        except ValueError as error:
            self._skip(origin, chunk, error)
        origin.mark(first_place, self._hub.history.seq)
        origin.drop_before(self._hub.history.oldest)  # else marks would grow until a client resumes

    def note_end(self) -> None:
        """Note that the log was read to its end; called about once a second while it can be read."""
        if not self._stopped:
            self._share.note_end()
            self._hub.settle()
            for master in self._share.forget_gone():
                self._warned.discard(master)
                self._notes.minions.forget(master)

    def _enter(self, origin: Origin, chunk: Chunk) -> None:
        """Note where a chunk starts; report numbers that were never read."""
        before = origin.position
        if before is None:
            origin.begin_epoch(chunk.epoch)
            origin.lose(chunk.after)
            origin.advance(chunk.after)
            self._hub.bookmark_all()  # so that clients know the new master
        elif before.epoch != chunk.epoch:
            origin.begin_epoch(chunk.epoch)
            self._lose(origin, chunk.epoch, chunk.after, RESTART)
        elif chunk.after > before.seq:
            self._lose(origin, chunk.epoch, chunk.after, HISTORY)

    def _apply(self, origin: Origin, epoch: str, line: Line, age: float) -> None:
        if line.data is None:
            self._lose(origin, epoch, line.seq, line.reason)
        else:
            origin.advance(line.seq)
            where = Where(origin.master, epoch, line.seq)
            self._hub.publish_shared(where, line.tag, line.data, age)

    def _lose(self, origin: Origin, epoch: str, seq: int, reason: str) -> None:
        origin.lose(seq, is_reported=True)
        origin.advance(seq)
        self._hub.append_shared_gap(Where(origin.master, epoch, seq), reason)

    def _skip(self, origin: Origin, chunk: Chunk, error: ValueError) -> None:
        """Leave out the rest of a chunk that is not understood."""
        if origin.master not in self._warned:
            self._warned.add(origin.master)
            log.warning("events of master %.64r in the common log are not understood: %s", origin.master, error)
        self._lose(origin, chunk.epoch, chunk.last, HISTORY)
