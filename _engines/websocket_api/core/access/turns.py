"""Long work for clients, in slices: between two slices everybody else is served, and users take turns.

Look-backs through the history, snapshots and long lists take as long as one client asked for. All of them share one
:class:`Turns`, so that what they take together is bounded: a slice in a turn of the loop, then a rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...fair_share import FairQueue, Share
from ..timing import Later

TURN_SECONDS = 0.005  # of long work, after which everybody else is served
LEAST_SECONDS = TURN_SECONDS / 5  # of a slice, so that work goes on even if little time was left
EARNED = 1.0  # seconds of work that a second of rest allows: long work takes at most half of the loop's time

Work = Callable[[], None]


class Waiting(Protocol):
    """A caller for whom a request waits."""

    def waiting(self, future: asyncio.Future[Any]) -> AbstractContextManager[None]:
        """Fail the future if the caller goes meanwhile, or has gone already."""
        ...


class Turns:
    """Shares the loop between long works. One work is called again and again, each time for a slice.

    Work that has not ended when :attr:`is_over` is true calls :meth:`again`. The next slice is that of another user,
    where another one waits.

    :param later: calls in a later turn of the loop
    :param clock: seconds, monotonic
    """

    def __init__(self, later: Later, clock: Callable[[], float]) -> None:
        self._later = later
        self._clock = clock
        self._waiting: FairQueue[Work] = FairQueue()
        self._credit = TURN_SECONDS
        self._settled = clock()
        """When the credit was last brought up to date."""
        self._over = 0.0
        self._working = self._planned = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether the slice of the work that runs is used up."""
        return self._clock() > self._over

    def soon(self, share: Share, work: Work) -> None:
        """Begin some work: at once where nobody waits and there is time left, else when it is the user's turn."""
        if self._working:
            work()  # as a part of what runs, whose slice it shares
        elif len(self._waiting) or self._earned() <= 0:
            self.again(share, work)
        else:
            self._work(work)
            self._plan()

    def again(self, share: Share, work: Work) -> None:
        """Go on with some work when it is the user's turn again."""
        self._waiting.put(share, work)
        self._plan()

    def drop(self, share: Share, work: Work) -> None:
        """Forget work that waits: whoever asked for it has gone."""
        self._waiting.remove(share, work)

    async def finish(self, share: Share, steps: Iterable[None], caller: Waiting) -> None:
        """Do all steps of some work, and return when it is done.

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
            # A whole slice at a time: shorter ones cost more turns of the loop for the same work.
            self._later(max(0.0, (TURN_SECONDS - self._earned()) / EARNED), self._next)

    def _next(self) -> None:
        """Call who waits, user after user, until the slice is used up."""
        self._planned = False
        self._earned()
        for _ in range(len(self._waiting)):
            taken = self._waiting.take()
            if taken is None:
                break
            self._work(taken[1])
            if self._credit <= 0:
                break
        self._plan()

    def _work(self, work: Work) -> None:
        self._working = True
        began = self._clock()
        self._over = began + max(LEAST_SECONDS, self._credit)
        try:
            work()
        finally:
            self._settled = self._clock()
            self._credit -= self._settled - began
            self._working = False

    def _earned(self) -> float:
        """Bring the credit up to date, and return it: seconds of work that may be done now."""
        now = self._clock()
        self._credit = min(TURN_SECONDS, self._credit + EARNED * (now - self._settled))
        self._settled = now
        return self._credit


class _Steps:
    """Work that is many short steps; ``done`` gets the end of it, or its fault."""

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
                    return  # the client has gone
                if turns.is_over:
                    turns.again(self._share, self)
                    return
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)
