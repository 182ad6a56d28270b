"""Run long work for clients in slices. Between two slices everything else runs, and users take turns.

The time of replays, snapshots and long lists depends on the request. All of them share one :class:`Turns`, which limits
their time together: one slice in a turn of the loop, then a rest. The rest is as long as the slice, so that others have
half of loop time. It is short if nothing else in the process works then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...fair_share import FairQueue, Share
from ..timing import Clock, Later

TURN_SECONDS = 0.005  # of long work; then everything else runs
MIN_SECONDS = TURN_SECONDS / 5  # of a slice at least, so that work continues even if little time is left
EARNED = 1.0  # seconds of work for a second of rest, so that long work takes at most half of loop time
LOOK_SECONDS = 0.001  # of rest in which others show whether they have work: a request takes several turns of the loop
IDLE_SECONDS = LOOK_SECONDS / 5  # of CPU time of the process in it, below which nothing else works

Work = Callable[[], None]


class Waiting(Protocol):
    """A caller with a waiting request."""

    def waiting(self, future: asyncio.Future[Any]) -> AbstractContextManager[None]:
        """Fail the future if the caller is gone or goes away."""
        ...


class Turns:
    """Shares the loop between long work of several clients. Each is called repeatedly, once for each slice.

    Work that has not ended when :attr:`is_over` is true calls :meth:`again`. The next slice is that of another user,
    where another one waits.

    :param later: calls in a later turn of the loop
    :param clock: seconds, monotonic
    :param cpu: CPU seconds of the process, threads included; by default the clock, as if others always worked
    """

    def __init__(self, later: Later, clock: Clock, cpu: Clock | None = None) -> None:
        self._later = later
        self._clock = clock
        self._cpu = cpu or clock
        self._waiting: FairQueue[Work] = FairQueue()
        self._credit = TURN_SECONDS
        self._settled = clock()
        """The time of the last update of the credit."""
        self._over = 0.0
        self._working = self._planned = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether the current slice is used up."""
        return self._clock() > self._over

    def soon(self, share: Share, work: Work) -> None:
        """Start work now if no other waits and time is left, else at the user's turn."""
        if self._working:
            work()  # it shares the slice of the work that calls this
        elif len(self._waiting) or self._earned() <= 0:
            self.again(share, work)
        else:
            self._work(work)
            self._plan()

    def again(self, share: Share, work: Work) -> None:
        """Continue work at the user's next turn."""
        self._waiting.put(share, work)
        self._plan()

    def drop(self, share: Share, work: Work) -> None:
        """Drop waiting work, because its client is gone."""
        self._waiting.remove(share, work)

    async def finish(self, share: Share, steps: Iterable[None], caller: Waiting) -> None:
        """Run all steps of some work, and return at its end.

        :param steps: each is short
        :param caller: the client; the work ends with it
        :raises ApiError: the connection is gone
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        work = _Steps(self, share, iter(steps), done)
        with caller.waiting(done):
            try:
                self.soon(share, work)
                await done
            finally:
                self.drop(share, work)

    def _plan(self) -> None:
        if len(self._waiting) and not (self._planned or self._working):
            self._planned = True
            self._wait()

    def _wait(self) -> None:
        rest = self._rest()
        if rest <= LOOK_SECONDS:
            self._later(rest, self._next)
        else:
            before = self._cpu()
            self._later(LOOK_SECONDS, lambda: self._look(before))

    def _look(self, before: float) -> None:
        """Earn a slice at once if nothing else works, else rest to the end.

        :param before: CPU seconds of the process at the start of the rest
        """
        if self._cpu() - before >= IDLE_SECONDS:
            self._later(self._rest(), self._next)
            return
        self._credit += TURN_SECONDS
        if self._rest():
            self._wait()  # a step took longer than a slice
        else:
            self._next()

    def _rest(self) -> float:
        """Return the seconds until a whole slice is earned. With shorter ones the same work needs more turns."""
        return max(0.0, (TURN_SECONDS - self._earned()) / EARNED)

    def _next(self) -> None:
        """Run waiting work, user after user, until the slice is used up."""
        self._planned = False
        self._earned()
        try:
            for _ in range(len(self._waiting)):
                taken = self._waiting.pop()
                if taken is None:
                    break
                self._work(taken[1])
                if self._credit <= 0:
                    break
        finally:
            self._plan()  # a fault in one work must not leave the others waiting

    def _work(self, work: Work) -> None:
        self._working = True
        started = self._clock()
        self._over = started + max(MIN_SECONDS, self._credit)
        try:
            work()
        finally:
            self._settled = self._clock()
            self._credit -= self._settled - started
            self._working = False

    def _earned(self) -> float:
        """Update and return the credit: the seconds of work that may run now."""
        now = self._clock()
        self._credit = min(TURN_SECONDS, self._credit + EARNED * (now - self._settled))
        self._settled = now
        return self._credit


class _Steps:
    """Work of many short steps. Its end or its exception is set on ``done``."""

    def __init__(self, turns: Turns, share: Share, steps: Iterator[None], done: asyncio.Future[None]) -> None:
        self._turns = turns
        self._share = share
        self._steps = steps
        self._done = done

    def __call__(self) -> None:
        turns, done = self._turns, self._done
        try:
            for _ in self._steps:
                if done.done():
                    return  # the client is gone
                if turns.is_over:
                    turns.again(self._share, self)
                    return
        except Exception as error:  # noqa: BLE001 - the waiting task raises it
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)
