"""Threads for Salt's blocking calls: bounded, and never in the way of stopping."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import ApiError

T = TypeVar("T")
_Job = tuple["Future[Any]", Callable[[], Any]]


class Pool:
    """Runs blocking calls in at most ``threads`` threads, first come first served.

    Not a ``ThreadPoolExecutor``: its threads are joined when the process ends, and one PAM or LDAP call that hangs
    would hold the engine beyond the 5 s after which Salt kills it. These threads are daemons and die with the process.

    :param threads: calls that run at once
    :param name: what the threads are called in a stack dump
    :param queue: calls that may wait; one more is refused
    """

    def __init__(self, threads: int, name: str, queue: int = 1000) -> None:
        self._limit = max(1, threads)
        self._name = name
        self._longest = queue
        self._jobs: _Queue = _new_queue()
        self._lock = threading.Lock()
        # Threads started so far, and how many calls are waiting or running: a thread is started only when all are busy.
        self._threads = 0
        self._pending = 0
        self._closed = False

    async def run(self, fn: Callable[..., T], *args: Any, **kw: Any) -> T:
        """What ``fn(*args, **kw)`` returns, or what it raises, without holding up the loop.

        A caller that is canceled while its call still waits takes it out of the queue; a running call runs to its end.

        :raises ApiError: ``too_many`` when more than ``queue`` calls wait, ``master_unavailable`` after :meth:`close`
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise ApiError("master_unavailable", "The engine is stopping.")
            if self._pending - self._limit >= self._longest:
                raise ApiError("too_many", "Too many calls are waiting for the master.", {"limit": "threads"})
            self._pending += 1
            if self._threads < min(self._pending, self._limit):
                self._threads += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
            # Under the lock, or close() could overtake it and nobody would ever answer this call.
            self._jobs.put((future, lambda: fn(*args, **kw)))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Cancel what waits and take nothing new; return at once, whatever still runs."""
        with self._lock:
            self._closed = True
            threads = self._threads
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                job[0].cancel()
        for _ in range(threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as exc:  # noqa: BLE001 - SystemExit too: some Salt modules call sys.exit
                    future.set_exception(exc if isinstance(exc, Exception) else RuntimeError(repr(exc)))
                else:
                    future.set_result(result)
                    del result
            # Nothing may keep a result or an exception's frames alive while this thread waits for the next call.
            del future, call, job
            with self._lock:
                self._pending -= 1


_Queue = queue.SimpleQueue["_Job | None"]


def _new_queue() -> _Queue:
    return queue.SimpleQueue()
