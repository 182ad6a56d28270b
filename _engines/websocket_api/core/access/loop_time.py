"""Account for the loop time of each user, so that no user starves the others.

CPU time in threads counts, too, because threads and the loop share the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from ...fair_share import ENGINE, RecentUsers, Share, as_one_user

T = TypeVar("T")

PART = 0.25  # of loop time for one user while others have requests; their replies need several turns of the loop
AT_ONCE_SECONDS = 0.02  # of debt that needs no waiting; usual requests take less than 0.001 s
MAX_DEBT_SECONDS = 0.5  # of debt that is kept, because time that a user took alone was taken from nobody
MAX_DEBTS = 1000  # users in memory; those without debt are dropped


class LoopTime:
    """Counts the loop time that users take, for reading their messages and running their operations.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent_users = RecentUsers(clock)
        self._debts: dict[Share, tuple[float, float]] = {}
        """The debt of each user in seconds, and the time when it was computed."""

    def may_run(self, share: Share) -> bool:
        """Return whether a user may take time now. True if no other user has requests."""
        share = as_one_user(share)
        return self._debt(share, self._clock()) <= AT_ONCE_SECONDS or not self._recent_users.others((share,))

    def note(self, share: Share) -> None:
        """Note that a user has a request."""
        self._recent_users.note(as_one_user(share))

    def charge(self, share: Share, seconds: float) -> None:
        """Add to the time that a user took."""
        share = as_one_user(share)
        if share == ENGINE:
            return
        now = self._clock()
        if len(self._debts) >= MAX_DEBTS:
            self._debts = {one: debt for one, debt in self._debts.items() if self._debt(one, now) > 0}
        self._debts[share] = min(self._debt(share, now) + seconds, max(MAX_DEBT_SECONDS, seconds)), now

    async def charged(self, share: Share, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and charge the time of its steps, but not the time that it waits."""
        return await _Charged(self, share, work)

    def time(self) -> float:
        """Return the present time."""
        return self._clock()

    def _debt(self, share: Share, now: float) -> float:
        debt, counted = self._debts.get(share, (0.0, 0.0))
        return max(0.0, debt - PART * (now - counted))


class _Charged(Generic[T]):
    """A coroutine whose steps are timed."""

    def __init__(self, loop_time: LoopTime, share: Share, work: Coroutine[Any, Any, T]) -> None:
        self._loop_time = loop_time
        self._share = share
        self._work = work

    def __await__(self) -> Generator[Any, None, T]:
        fault: BaseException | None = None
        while True:
            started = self._loop_time.time()
            try:
                waits = self._work.send(None) if fault is None else self._work.throw(fault)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                fault = None  # or the error and this frame would keep each other alive
                self._loop_time.charge(self._share, self._loop_time.time() - started)
            try:
                yield waits
            except BaseException as thrown:  # noqa: BLE001 - the coroutine must also handle a cancellation
                fault = thrown
