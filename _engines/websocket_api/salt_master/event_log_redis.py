"""The common log of several masters in Redis: one stream for each master, written and read in two threads.

Keys, all below ``websocket_api:``:

    masters      hash: a master's id -> its engine's run, and a number that changes every few seconds
    log:MASTER   stream of chunks: ``v`` form, ``e`` epoch, ``a`` number before, ``l`` last number, ``d`` lines

A chunk may be written twice, if Redis answered too late: readers leave out numbers that they know. Nothing here decides
what is missing (core/sharing/following.py): a stream that was cut, emptied or written by others only lacks numbers.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.exceptions

from ..errors import ApiError

log = logging.getLogger(__name__)

MASTERS, STREAM = "websocket_api:masters", "websocket_api:log:"
MAX_WAITING_BYTES = 32 << 20
"""Of own events that wait while Redis is away; older ones are dropped, and the others get a gap."""
RETRY_SECONDS = 1.0
REFUSED_SECONDS = 30.0
"""Between two attempts if Redis must not be used as it is configured."""
BEAT_SECONDS = 5.0
STALE_SECONDS = 20.0
"""Without a beat after which a master's events are reported as missing."""
BLOCK_SECONDS = 1.0
SOCKET_SECONDS = 10.0
"""For an answer. A slow Redis delays the other masters' events, never the own ones."""
STOP_SECONDS = 0.01
"""Between two looks whether everything is written, at the end."""
READ_CHUNKS = 20
MAX_MASTERS = 64
AWAY = "the common log of the masters does not answer: events of other masters are missing until it is back"
REFUSED = "the common log of the masters is not used: its Redis is not set up for it"

FORM = 1
"""Form of chunks. Those of another form are not read, so their events are missing."""

Chunk = tuple[str, int, int, bytes]
"""Epoch, number before the first line, last number, and lines (core/sharing/records.py)."""
Deliver = Callable[[str, Any, float], Awaitable[None]]
Begin = Callable[[str | None, int], None]


class Unusable(Exception):
    """This Redis must not be used as it is: one sentence, with the remedy."""


def is_protected(url: str) -> bool:
    """Return whether a URL of Redis has a password, or names a unix socket."""
    parts = urlsplit(url)
    return parts.scheme == "unix" or bool(parts.password)


class RedisLog:
    """Writes the own master's stream and reads the others.

    :param url: ``redis://``, ``rediss://`` or ``unix://``
    :param master: the own master's id
    :param seconds: how long chunks are kept
    """

    def __init__(self, url: str, master: str, seconds: float) -> None:
        self._url = url
        self._own = master
        self._seconds = seconds
        self._on_fault: Callable[[str | None], None] = lambda fault: None
        self._waiting: deque[Chunk] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._begun = False
        self._run = uuid.uuid4().hex[:12]
        """Tells this process from another engine with the same id."""
        self._announced = False
        self._beat = 0
        self._places: dict[str, bytes] = {}
        """The newest entry that was read of each stream."""
        self._faults: dict[str, str | None] = {"writer": None, "reader": None}
        self._odd: set[str] = set()
        """Masters whose keys are no streams, which was logged."""
        self.stale: frozenset[str] = frozenset()
        """Masters whose engines have not written for a while."""

    def put(self, chunk: Chunk) -> None:
        """Write a chunk soon. Drop the oldest ones that wait if they are too many."""
        with self._changed:
            self._waiting.append(chunk)
            self._waiting_bytes += len(chunk[3])
            while self._waiting_bytes > MAX_WAITING_BYTES and len(self._waiting) > 1:
                self._waiting_bytes -= len(self._waiting.popleft()[3])
            self._changed.notify()

    def start(self, deliver: Deliver, begin: Begin, on_fault: Callable[[str | None], None]) -> None:
        """Start both threads.

        :param deliver: applies a chunk of an age in seconds on the running event loop
        :param begin: is called once on the loop, with epoch and last number of the own stream's last chunk
        :param on_fault: is called in a thread with what is wrong, or None
        """
        self._on_fault = on_fault
        if not is_protected(self._url):
            log.warning("the Redis of history.share has no password: everybody who reaches it reads all events")
        loop = asyncio.get_running_loop()
        self._spawn("writer", lambda: self._write(loop, begin))
        self._spawn("reader", lambda: self._read(loop, deliver))

    async def stop(self, seconds: float) -> None:
        """Write what waits, for at most this time, and end."""
        end = time.monotonic() + seconds
        while self._waiting and not any(self._faults.values()) and time.monotonic() < end:  # noqa: ASYNC110 - a thread
            await asyncio.sleep(STOP_SECONDS)
        self.close()

    def close(self) -> None:
        """End both threads soon."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        def repeat() -> None:
            while not self._closed:
                seconds = RETRY_SECONDS
                try:
                    run()
                except (redis.exceptions.RedisError, OSError, ApiError) as error:
                    self._fail(name, AWAY, str(error) or type(error).__name__)
                except Unusable as error:
                    self._fail(name, REFUSED, str(error))
                    seconds = REFUSED_SECONDS
                except Exception:
                    log.exception("the %s of the common log failed", name)
                self._sleep(seconds)

        threading.Thread(target=repeat, name=f"history-{name}", daemon=True).start()

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    def _fail(self, name: str, fault: str, reason: str) -> None:
        if self._closed:
            return
        if self._faults[name] is None:
            log.error("the common log of the masters cannot be used: %s; own events go on", reason)
        self._faults[name] = fault
        self._on_fault(fault)

    def _works(self, name: str) -> None:
        before, self._faults[name] = self._faults[name], None
        if not any(self._faults.values()):
            if before is not None:
                log.warning("the common log of the masters works again")
            self._on_fault(None)

    def _connect(self, seconds: float) -> Any:
        client = redis.Redis.from_url(self._url, socket_timeout=seconds, socket_connect_timeout=SOCKET_SECONDS)
        _check(client)
        return client

    # The writer

    def _write(self, loop: asyncio.AbstractEventLoop, begin: Begin) -> None:
        client, beaten = self._connect(SOCKET_SECONDS), -BEAT_SECONDS
        key, newest = f"{STREAM}{self._own}", 0
        if not self._begun:
            last = next((chunk for _, fields in client.xrevrange(key, count=1) if (chunk := _chunk(fields))), None)
            loop.call_soon_threadsafe(begin, *((None, 0) if last is None else (last[0], last[2])))
            self._begun = True
        while not self._closed:
            if time.monotonic() - beaten >= BEAT_SECONDS:
                beaten = time.monotonic()
                self._announce(client)
                if not self._waiting:
                    self._works("writer")
            with self._changed:
                if not self._waiting:
                    self._changed.wait(max(0.0, beaten + BEAT_SECONDS - time.monotonic()))
                chunk = self._waiting[0] if self._waiting else None
            if chunk is None:
                continue
            fields = dict(zip("veald", (FORM, *chunk), strict=True))
            oldest = max(0, newest - int(self._seconds * 1000))
            added = client.xadd(key, fields, minid=oldest, approximate=True)
            newest = int(added.partition(b"-")[0])
            if self._faults["writer"] is not None:
                self._works("writer")
            with self._changed:
                if self._waiting and self._waiting[0] is chunk:  # else it was dropped meanwhile
                    self._waiting.popleft()
                    self._waiting_bytes -= len(chunk[3])

    def _announce(self, client: Any) -> None:
        """Write the beat. The engine that started last has the name.

        :raises Unusable: another engine with this id has started since
        """
        run = self._run.encode()
        if self._announced and not (client.hget(MASTERS, self._own) or run).startswith(run):
            raise Unusable(
                f"another engine with the id {self._own} writes to it: give each master its own id, then reload them"
            )
        self._beat += 1
        client.hset(MASTERS, self._own, f"{self._run}-{self._beat}")
        self._announced = True

    # The reader

    def _read(self, loop: asyncio.AbstractEventLoop, deliver: Deliver) -> None:
        client = self._connect(BLOCK_SECONDS + SOCKET_SECONDS)
        places = self._places
        for name, place in list(places.items()):
            last = client.xrevrange(f"{STREAM}{name}", count=1)
            if last and _number(last[0][0]) < _number(place):
                del places[name]  # this Redis lost its data, and its clock was set back
        beats: dict[str, tuple[Any, float]] = {}
        looked = -BEAT_SECONDS
        ahead = 0.0
        while not self._closed:
            if time.monotonic() - looked >= min(BEAT_SECONDS, 1.0):
                looked = time.monotonic()
                seconds, micros = client.time()
                ahead = seconds + micros / 1e6 - time.monotonic()
                self._look(client, places, beats, b"%d" % ((seconds - self._seconds) * 1000))
                self._works("reader")
            keys = {f"{STREAM}{name}": place for name, place in places.items()}
            if not keys:
                self._sleep(0.2)
                continue
            for key, entries in client.xread(keys, count=READ_CHUNKS, block=int(BLOCK_SECONDS * 1000)) or ():
                master = key.decode("utf-8", "replace").removeprefix(STREAM)
                for place, fields in entries:
                    places[master] = place
                    chunk = _chunk(fields)
                    if chunk is not None:
                        age = time.monotonic() + ahead - _number(place)[0] / 1000
                        self._hand_over(loop, deliver, master, chunk, max(0.0, age))

    def _hand_over(
        self, loop: asyncio.AbstractEventLoop, deliver: Deliver, master: str, chunk: Chunk, age: float
    ) -> None:
        """Apply a chunk on the event loop, and wait until that is done: a reader must not be ahead of it."""
        done = threading.Event()

        def start() -> None:
            task = asyncio.ensure_future(deliver(master, chunk, age))
            task.add_done_callback(lambda _: done.set())

        try:
            loop.call_soon_threadsafe(start)
        except RuntimeError:
            self._closed = True  # the loop has ended
        while not self._closed and not done.wait(BLOCK_SECONDS):
            pass

    def _look(self, client: Any, places: dict[str, bytes], beats: dict[str, tuple[Any, float]], start: bytes) -> None:
        """Find masters that are new, and those whose engines do not run.

        :param start: where the streams of new masters are read from: what is older is beyond the history's limit
        """
        now = time.monotonic()
        for field, beat in sorted(client.hgetall(MASTERS).items()):
            name = field.decode("utf-8", "replace")
            if name not in places and len(places) >= MAX_MASTERS:
                continue
            if name not in places and client.type(f"{STREAM}{name}") not in (b"stream", b"none"):
                if name not in self._odd:
                    self._odd.add(name)
                    log.warning("%s%.64s in Redis is no stream, and is not read: delete that key", STREAM, name)
                continue
            places.setdefault(name, start)
            if name not in beats or beats[name][0] != beat:
                beats[name] = beat, now
        stale = (name for name, (_, since) in beats.items() if now - since > STALE_SECONDS and name != self._own)
        self.stale = frozenset(stale)


def _check(client: Any) -> None:
    """Refuse a Redis that loses events in silence.

    :raises Unusable: with the remedy
    """
    info = client.info()
    version = tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2] if part.isdigit())
    if version < (6, 2):
        raise Unusable(
            f"Redis {info.get('redis_version')} has no streams with a limit by time; it must be 6.2 or newer"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise Unusable(
            f"Redis may evict whole streams (maxmemory-policy is {policy}): "
            "run redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf"
        )


def _number(place: bytes) -> tuple[int, int]:
    """Return the id of an entry: milliseconds and a number."""
    first, _, second = place.partition(b"-")
    return int(first), int(second or 0)


def _chunk(fields: dict[bytes, bytes]) -> Chunk | None:
    """Return the chunk of an entry; None if it is of another form."""
    try:
        if int(fields[b"v"]) != FORM:
            return None
        epoch = fields[b"e"].decode()
        after, last = int(fields[b"a"]), int(fields[b"l"])
        if not (0 <= after <= last and 0 < len(epoch) <= 64):
            return None
        return epoch, after, last, fields[b"d"]
    except (KeyError, ValueError):
        return None
