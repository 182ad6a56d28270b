"""Threads for Salt's blocking calls: bounded, shared fairly, and never in the way of stopping."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import ApiError
from ..fair_share import Askers, FairShare, Share, asker

T = TypeVar("T")
_Job = tuple["Future[Any]", Callable[[], Any]]
Charge = Callable[[Share, float], None]


class Pool:
    """Runs blocking calls in at most ``threads`` threads, round robin between the users for whom they are.

    Not a ``ThreadPoolExecutor``: its threads are joined when the process ends, and one PAM or LDAP call that hangs
    would hold the engine beyond the 5 s after which Salt kills it. These threads are daemons and die with the process.

    :param threads: calls that run at once
    :param name: what the threads are called in a stack dump
    :param queue: calls that may wait; one more is refused
    :param askers: who asks the master, in whatever way
    :param charge: takes the seconds that each user's calls compute: time of the interpreter, which the loop lacks
    """

    def __init__(
        self,
        threads: int,
        name: str,
        queue: int = 1000,
        askers: Askers | None = None,
        charge: Charge = lambda share, seconds: None,
    ) -> None:
        self._charge = charge
        self._name = name
        self.shares: FairShare[_Job] = FairShare(threads, queue, askers or Askers(time.monotonic))
        # Held while the shares change: the loop puts calls in, threads take them out.
        self._changed = threading.Condition()
        # Threads started so far, and how many of them wait for a call.
        self._threads = self._idle = 0
        self._closed = False

    async def run(self, fn: Callable[..., T], *args: Any, **kw: Any) -> T:
        """What ``fn(*args, **kw)`` returns, or what it raises, without holding up the loop.

        A caller that is canceled while its call still waits takes it out of the queue; a running call runs to its end.

        :raises ApiError: ``too_many`` when more than ``queue`` calls wait, or more than the user's part of them,
            ``master_unavailable`` after :meth:`close`
        """
        share, future = asker(), Future[T]()
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
        """Cancel what waits and take nothing new; return at once, whatever still runs."""
        with self._changed:
            self._closed = True
            waiting = self.shares.waiting.clear()
            self._changed.notify_all()
        for future, _ in waiting:
            future.cancel()

    def _work(self) -> None:
        while True:
            with self._changed:
                while (taken := self.shares.take()) is None:
                    if self._closed:
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                self._changed.notify()  # one call that ended may make room for two, of different users
            share, (future, call) = taken
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as exc:  # noqa: BLE001 - SystemExit too: some Salt modules call sys.exit
                    future.set_exception(exc if isinstance(exc, Exception) else RuntimeError(repr(exc)))
                else:
                    future.set_result(result)
                    del result
            # Nothing may keep a result or an exception's frames alive while this thread waits for the next call.
            del future, call, taken
            with self._changed:
                self.shares.leave(share)


def _timed(spent: list[float], fn: Callable[..., T], args: Any, kw: Any) -> T:
    began = time.thread_time()
    try:
        return fn(*args, **kw)
    finally:
        spent[0] = time.thread_time() - began
