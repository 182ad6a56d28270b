"""Run Salt's blocking calls in a bounded number of threads, shared fairly between users."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import ApiError
from ..fair_share import FairShare, RecentUsers, Share, current_share

T = TypeVar("T")
_Job = tuple["Future[Any]", Callable[[], Any]]
Charge = Callable[[Share, float], None]


class Pool:
    """Runs blocking calls in at most ``threads`` threads, round robin between users.

    This is no ``ThreadPoolExecutor``, whose threads the process joins when it ends: one hanging PAM or LDAP call would
    hold the engine beyond the 5 s after which Salt kills it. These threads are daemons and die with the process.

    :param threads: maximum number of calls that run at once
    :param name: prefix of the threads' names in a stack dump
    :param queue: maximum number of calls that wait; further ones are refused
    :param recent_users: the users with recent requests to the master
    :param charge: counts the CPU seconds of each user's calls, because the loop shares the interpreter with them
    """

    def __init__(
        self,
        threads: int,
        name: str,
        queue: int = 1000,
        recent_users: RecentUsers | None = None,
        charge: Charge = lambda share, seconds: None,
    ) -> None:
        self._charge = charge
        self._name = name
        self.shares: FairShare[_Job] = FairShare(threads, queue, recent_users or RecentUsers(time.monotonic))
        # Guards the shares: the loop adds calls, and threads remove them.
        self._changed = threading.Condition()
        # The number of threads started so far, and how many of them wait for a call.
        self._threads = self._idle = 0
        self._closed = False

    async def run(self, fn: Callable[..., T], *args: Any, **kw: Any) -> T:
        """Run ``fn(*args, **kw)`` in a thread and return its result, or raise its exception.

        Canceling the caller removes a call that still waits. A running call continues to its end.

        :raises ApiError: ``too_many`` if the queue or the user's share of it is full; ``master_unavailable`` after
            :meth:`close`
        """
        share, future = current_share(), Future[T]()
        spent = [0.0]
        job = future, lambda: _timed(spent, fn, args, kw)
        with self._changed:
            if self._closed:
                raise ApiError("master_unavailable", "the engine is stopping; try again soon")
            if not self.shares.put(share, job):
                raise ApiError(
                    "too_many", "too many calls are waiting for the master; try again later", {"limit": "threads"}
                )
            if not self._idle and self._threads < self.shares.size:
                self._threads += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
            self._changed.notify()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            with self._changed:
                self.shares.waiting.remove(share, job)
            raise
        finally:
            self._charge(share, spent[0])

    def close(self) -> None:
        """Cancel waiting calls and refuse new ones. Return at once, even while calls run."""
        with self._changed:
            self._closed = True
            waiting = self.shares.waiting.clear()
            self._changed.notify_all()
        for future, _ in waiting:
            future.cancel()

    def _work(self) -> None:
        while True:
            with self._changed:
                while (taken := self.shares.assign()) is None:
                    if self._closed:
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                self._changed.notify()  # the end of one call may make room for two calls of different users
            share, (future, call) = taken
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001 - SystemExit too: some Salt modules call sys.exit
                    future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
                else:
                    future.set_result(result)
                    del result
            # Drop the result and the exception's frames, or they stay alive while this thread waits for the next call.
            del future, call, taken
            with self._changed:
                self.shares.leave(share)


def _timed(spent: list[float], fn: Callable[..., T], args: Any, kw: Any) -> T:
    started = time.thread_time()
    try:
        return fn(*args, **kw)
    finally:
        spent[0] = time.thread_time() - started
