"""The time of the event loop that each user takes, so that nobody takes it from the others.

What threads compute counts too: they and the loop share the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from ...fair_share import ENGINE, Askers, Share

T = TypeVar("T")

PART = 0.25  # of the loop's time that one user may take while others ask; a reply to them needs several of its turns
AT_ONCE_SECONDS = 0.02  # that a user may take at once: usual requests take less than a millisecond
MAX_DEBT_SECONDS = 0.5  # that is waited for later: what a user took alone was taken from nobody
MAX_DEBTS = 1000  # users whose debts are kept; who has none is forgotten


class LoopTime:
    """Counts what users take of the loop's time: reading their messages, and the operations that they ask for.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._askers = Askers(clock)
        self._debts: dict[Share, tuple[float, float]] = {}
        """Seconds that each user has taken and not waited for yet, and when that was counted."""

    def may(self, share: Share) -> bool:
        """Tell whether somebody may take time now: always, where nobody else asks."""
        return self._debt(share) <= AT_ONCE_SECONDS or not self._askers.others((share,))

    def note(self, share: Share) -> None:
        """Note that somebody asks."""
        self._askers.note(share)

    def charge(self, share: Share, seconds: float) -> None:
        """Count time that was taken."""
        if share == ENGINE:
            return
        if len(self._debts) >= MAX_DEBTS:
            self._debts = {one: debt for one, debt in self._debts.items() if self._debt(one) > 0}
        self._debts[share] = min(self._debt(share) + seconds, max(MAX_DEBT_SECONDS, seconds)), self._clock()

    async def charged(self, share: Share, work: Coroutine[Any, Any, T]) -> T:
        """Do some work, and count the time of its steps, not that of its waiting."""
        return await _Charged(self, share, work)

    def time(self) -> float:
        """Return the present time."""
        return self._clock()

    def _debt(self, share: Share) -> float:
        debt, counted = self._debts.get(share, (0.0, 0.0))
        return max(0.0, debt - PART * (self._clock() - counted))


class _Charged(Generic[T]):
    """A coroutine whose steps are timed."""

    def __init__(self, loop_time: LoopTime, share: Share, work: Coroutine[Any, Any, T]) -> None:
        self._loop_time = loop_time
        self._share = share
        self._work = work

    def __await__(self) -> Generator[Any, None, T]:
        fault: BaseException | None = None
        while True:
            began = self._loop_time.time()
            try:
                waits = self._work.send(None) if fault is None else self._work.throw(fault)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                fault = None  # or it and this frame would keep each other
                self._loop_time.charge(self._share, self._loop_time.time() - began)
            try:
                yield waits
            except BaseException as thrown:  # noqa: BLE001 - a cancellation, too, is the work's to handle
                fault = thrown
