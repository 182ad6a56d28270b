"""Writes the own master's stream in the common log, in a thread. What waits for Redis is bounded."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import redis.exceptions

from .event_log_format import (
    MASTERS,
    STREAM,
    Chunk,
    Pace,
    Unusable,
    beat_of,
    check_keys,
    check_policy,
    chunk_of,
    connect,
    fields_of,
    number_of,
)

MAX_WAITING_BYTES = 32 << 20
"""Of own events that wait while Redis is away; older ones are dropped, and the others get a gap."""
MAX_KEPT_SECONDS = 10 * 365 * 86_400
"""The longest time after which a stream expires: Redis refuses longer ones."""
AT_ONCE_CHUNKS, AT_ONCE_BYTES = 256, 4 << 20
"""That are written in one round trip: enough for a Redis that takes seconds for an answer."""


class Writer:
    """Writes chunks in their order.

    A chunk may be written twice, if Redis answered too late: readers leave out numbers that they know.

    :param own: the own master's id
    :param seconds: how long chunks are kept
    :param works: is called after a success
    """

    def __init__(self, url: str, own: str, seconds: float, pace: Pace, works: Callable[[], None]) -> None:
        self._url = url
        self._own = own
        self._key = f"{STREAM}{own}"
        self._seconds = seconds
        self._pace = pace
        self._works = works
        self._waiting: deque[Chunk] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._begun = False
        self._newest = 0
        """Milliseconds of the newest entry, by the clock of Redis."""
        self._run = uuid.uuid4().hex[:12]
        """Tells this process from another engine with the same id."""
        self._announced = False
        self._beats = 0

    @property
    def is_idle(self) -> bool:
        """Whether everything is written."""
        return not self._waiting

    def put(self, chunk: Chunk) -> None:
        """Write a chunk soon. Drop the oldest ones that wait if they are too many."""
        with self._changed:
            self._waiting.append(chunk)
            self._waiting_bytes += _size(chunk)
            while self._waiting_bytes > MAX_WAITING_BYTES and len(self._waiting) > 1:
                self._waiting_bytes -= _size(self._waiting.popleft())
            self._changed.notify()

    def close(self) -> None:
        """End soon."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def run(self, begin: Callable[[str | None, int], None]) -> None:
        """Write until the end.

        :param begin: is called once with epoch and last number of the own stream's last chunk
        """
        client = connect(self._url, self._pace.answer)
        try:
            self._run_with(client, begin)
        except redis.exceptions.OutOfMemoryError:
            self._trim(client)
            raise
        except redis.exceptions.ResponseError:
            check_keys(client, self._own)
            raise

    def _run_with(self, client: Any, begin: Callable[[str | None, int], None]) -> None:
        beaten = None
        if not self._begun:
            last = next((chunk for _, one in client.xrevrange(self._key, count=1) if (chunk := chunk_of(one))), None)
            begin(*((None, 0) if last is None else (last[0], last[2])))
            self._begun = True
        while not self._closed:
            if beaten is None or time.monotonic() - beaten >= self._pace.beat:
                beaten = time.monotonic()
                self._beat(client)
                if self.is_idle:  # else it works only once the waiting chunks are written
                    self._works()
            with self._changed:
                if not self._waiting:
                    self._changed.wait(max(0.0, beaten + self._pace.beat - time.monotonic()))
                chunks = self._next_chunks()
            if chunks:
                self._write(client, chunks)
                self._works()

    def _next_chunks(self) -> list[Chunk]:
        size, chunks = 0, list[Chunk]()
        for chunk in islice(self._waiting, AT_ONCE_CHUNKS):
            size += _size(chunk)
            if chunks and size > AT_ONCE_BYTES:
                break
            chunks.append(chunk)
        return chunks

    def _write(self, client: Any, chunks: list[Chunk]) -> None:
        oldest = max(0, self._newest - int(self._seconds * 1000))
        target = client.pipeline(transaction=False) if len(chunks) > 1 else client  # one alone costs less
        for chunk in chunks:
            added = target.xadd(self._key, fields_of(chunk), minid=oldest, approximate=True)
        self._newest = number_of(target.execute()[-1] if target is not client else added)[0]
        with self._changed:
            for chunk in chunks:
                if self._waiting and self._waiting[0] is chunk:  # else it was dropped meanwhile
                    self._waiting_bytes -= _size(self._waiting.popleft())

    def _trim(self, client: Any) -> None:
        """Delete what is too old from a full Redis. Else a new chunk deletes it, but Redis refuses that now."""
        oldest = int((client.time()[0] - self._seconds) * 1000)
        client.xtrim(self._key, minid=max(0, oldest), approximate=False)

    def _beat(self, client: Any) -> None:
        """Write a heartbeat. The engine that started last keeps the id.

        :raises Unusable: another engine with this id has started since, or Redis may drop events now
        """
        check_policy(client.info("memory"))  # the client connects again by itself, to a Redis that may have restarted
        run = self._run.encode()
        if self._announced and not (client.hget(MASTERS, self._own) or run).startswith(run):
            raise Unusable(
                f"another engine with the id {self._own} writes to it: give each master its own id, then reload them"
            )
        self._beats += 1
        client.hset(MASTERS, self._own, beat_of(self._run, self._beats, client.time()[0]))
        if self._newest:
            client.expire(self._key, int(min(max(self._pace.gone, self._seconds), MAX_KEPT_SECONDS)))
        self._announced = True


def _size(chunk: Chunk) -> int:
    return len(chunk[3]) + len(chunk[4])
