"""The common log of several masters in Redis: one stream for each master, written and read in two threads.

Nothing here decides what is missing (core/sharing/following.py): a stream that was cut, emptied or written by others
only lacks numbers. The keys are described in event_log_format.py.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis.exceptions

from .event_log_format import Chunk, Pace, Unusable, check_url, is_protected
from .event_log_reader import Aged, Reader
from .event_log_writer import Writer

log = logging.getLogger(__name__)

AWAY = "the common log of the masters fails: events of other masters are missing until it works again"
REFUSED = "the common log of the masters is not used: its Redis is not set up for it"
STOP_SECONDS = 0.01
"""Between two looks whether everything is written, at the end."""
AWAY_ERRORS = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
"""Redis cannot be reached. Classes derived from these are answers of Redis, such as a wrong password."""
MAX_REASONS = 20
"""Reasons of one failure that are logged."""
SLEEP_SECONDS = 0.1
"""Between two looks whether the end has come."""

Deliver = Callable[[str, Chunk, float], Awaitable[None]]
Begin = Callable[[str | None, int], None]


class RedisLog:
    """Writes the own master's stream and reads the others.

    :param url: ``redis://``, ``rediss://`` or ``unix://``
    :param master: the own master's id
    :param seconds: how long chunks are kept
    :raises CannotRun: the URL is not understood
    """

    def __init__(self, url: str, master: str, seconds: float, pace: Pace | None = None) -> None:
        check_url(url)
        self._pace = pace or Pace()
        self._protected = is_protected(url)
        self._writer = Writer(url, master, seconds, self._pace, lambda: self._set_fault("writer", None))
        self._reader = Reader(url, master, seconds, self._pace, lambda: self._set_fault("reader", None))
        self._on_fault: Callable[[str | None], None] = lambda fault: None
        self._closed = False
        self._faults: dict[str, str | None] = {"writer": None, "reader": None}
        self._logged: set[str] = set()
        """Reasons that were logged since the log worked."""
        self._lock = threading.Lock()

    def put(self, chunk: Chunk) -> None:
        """Write a chunk soon. Drop the oldest ones that wait if they are too many."""
        self._writer.put(chunk)

    def is_stale(self, master: str) -> bool:
        """Return whether a master's events may be missing now: its engine does not write, or Redis does not answer."""
        return self._faults["reader"] is not None or master in self._reader.stale

    def last_seen(self, master: str) -> float | None:
        """Return when a master last wrote, in seconds since the epoch; None if it writes or was never read."""
        return self._reader.stale.get(master)

    def is_gone(self, master: str) -> bool:
        """Return whether a master is no longer read: its engine has not run for a long time."""
        return self._reader.is_gone(master)

    def start(
        self,
        deliver: Deliver,
        begin: Begin,
        on_fault: Callable[[str | None], None],
        on_end: Callable[[], None] = lambda: None,
        on_own_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Start both threads.

        :param deliver: applies a chunk of an age in seconds on the running event loop
        :param begin: is called once on the loop, with epoch and last number of the own stream's last chunk
        :param on_fault: is called in a thread with what is wrong, or None
        :param on_end: is called on the loop about once a second, when all that the log had is applied
        :param on_own_end: is called on the loop, when all that the log had of the own master is applied; it comes first
        """
        self._on_fault = on_fault
        if not self._protected:
            log.warning("the Redis of history.share has no password: everybody who reaches it reads all events")
        loop = asyncio.get_running_loop()

        def apply(master: str, chunks: list[Aged]) -> None:
            self._apply(loop, deliver, master, chunks)

        def read() -> None:
            self._reader.run(apply, lambda: self._call(loop, on_end), lambda: self._call(loop, on_own_end))

        self._spawn("writer", lambda: self._writer.run(lambda *last: self._call(loop, begin, *last)))
        self._spawn("reader", read)

    async def stop(self, seconds: float) -> None:
        """Write what waits, for at most this time, and end."""
        end = time.monotonic() + seconds
        while not self._writer.is_idle and self._faults["writer"] is None and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(STOP_SECONDS)
        self.close()

    def close(self) -> None:
        """End both threads soon."""
        self._closed = True
        self._writer.close()
        self._reader.close()

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        def repeat() -> None:
            while not self._closed:
                seconds = self._pace.retry
                try:
                    run()
                except Unusable as error:
                    self._set_fault(name, REFUSED, str(error))
                    seconds = self._pace.refused
                except (redis.exceptions.RedisError, OSError) as error:
                    self._set_fault(name, AWAY, str(error) or type(error).__name__, is_away=_is_away(error))
                except Exception as error:
                    if self._faults[name] is None:
                        log.exception("the %s of the common log failed", name)
                    self._set_fault(name, AWAY, type(error).__name__)
                end = time.monotonic() + seconds
                while not self._closed and time.monotonic() < end:
                    time.sleep(min(seconds, SLEEP_SECONDS))

        threading.Thread(target=repeat, name=f"history-{name}", daemon=True).start()

    def _set_fault(self, name: str, fault: str | None, reason: str = "", *, is_away: bool = False) -> None:
        """Report what is wrong, and log each reason once until all works again.

        :param is_away: whether Redis cannot be reached: that has many reasons, and one remedy
        """
        if self._closed or (fault is None and self._faults[name] is None):
            return
        with self._lock:
            self._faults[name] = fault
            faults = [one for one in self._faults.values() if one is not None]
            kind = AWAY if is_away else reason
            if fault is not None and kind not in self._logged and len(self._logged) < MAX_REASONS:
                self._logged.add(kind)
                log.error("the common log of the masters cannot be used: %s; own events go on", reason.rstrip(". "))
            elif not faults:
                self._logged.clear()
                log.warning("the common log of the masters works again")
            self._on_fault(faults[0] if faults else None)

    def _call(self, loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
        try:
            loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            self.close()  # the loop has ended

    def _apply(self, loop: asyncio.AbstractEventLoop, deliver: Deliver, master: str, chunks: list[Aged]) -> None:
        """Apply chunks on the event loop, and wait until that is done: the reader must not be ahead of it."""
        done = threading.Event()

        async def apply() -> None:
            for chunk, age in chunks:
                await deliver(master, chunk, age)

        def start() -> None:
            task = asyncio.ensure_future(apply())
            task.add_done_callback(lambda _: done.set())

        try:
            loop.call_soon_threadsafe(start)
        except RuntimeError:
            self.close()
        while not self._closed and not done.wait(self._pace.block):
            pass


def _is_away(error: Exception) -> bool:
    """Return whether an error says only that Redis cannot be reached."""
    return isinstance(error, OSError) or type(error) in AWAY_ERRORS
