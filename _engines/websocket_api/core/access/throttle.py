"""Limit what clients may do without a valid token: failed logins and webhooks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from ...errors import ApiError

WINDOW_SECONDS = 60.0
DELAY_STEP = 0.1  # seconds that each failure of a name beyond the limit adds to its next login
MAX_DELAY = 3.0
ANYWHERE = "*"
MAX_KEYS = 10_000  # counters in memory; the oldest are dropped, so that a flood cannot fill the memory


class LoginThrottle:
    """Refuses logins after too many failures within a minute.

    There is no limit per name alone, or anybody could lock ``admin`` out.

    :param per_name: failures a minute per (address, name)
    :param per_address: failures a minute per address
    :param clock: seconds, monotonic
    :param at_once: the maximum of logins that Salt checks at the same time
    """

    def __init__(self, *, per_name: int, per_address: int, clock: Callable[[], float], at_once: int = 4) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._each = max(1, at_once // 2)
        self._address_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.suspects = asyncio.Semaphore(1)
        """Held while Salt checks a token from an address that sent too many invalid ones."""
        self._limits = {2: per_name, 1: per_address}
        self._per_name = per_name
        self._clock = clock
        self._failures: dict[tuple[str, ...], deque[float]] = {}

    def check(self, address: str, name: str) -> None:
        """Refuse a login after too many failures.

        :raises ApiError: ``too_many``, with the seconds to wait in ``retry_after``
        """
        fault = self.fault(address, name)
        if fault is not None:
            raise fault

    def fault(self, address: str, name: str) -> ApiError | None:
        """Return the error that :meth:`check` raises, or None."""
        now = self._clock()
        for key in ((address, name), (address,)):
            failures = self._recent(key, now)
            if len(failures) >= self._limits[len(key)]:
                wait = round(failures[0] + WINDOW_SECONDS - now, 1)
                limit = "login_failures_per_minute" if len(key) == 2 else "login_failures_per_address_per_minute"
                return ApiError("too_many", "too many failed logins", {"limit": limit, "retry_after": wait})
        return None

    @asynccontextmanager
    async def slot(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn to check a password.

        Call :meth:`check` again inside the turn. Otherwise hundreds of guesses sent together would all pass before the
        first of them fails.

        One address gets at most half of the turns, and has its own queue. PAM takes seconds to refuse a password, so
        a client that keeps guessing would block all other logins.
        """
        slot = self._address_slots.get(address)
        if slot is None:
            slot = self._address_slots[address] = asyncio.Semaphore(self._each)
        async with slot, self._at_once:
            yield

    def delay(self, name: str) -> float:
        """Return the seconds that a login of this name has to wait, from any address.

        This slows down guessing from many addresses, and the owner can still log in.
        """
        failures = len(self._recent((ANYWHERE, name, ""), self._clock()))
        return min(MAX_DELAY, DELAY_STEP * max(0, failures - self._per_name))

    def failed(self, address: str, name: str) -> None:
        """Count a failure."""
        now = self._clock()
        for key in ((address, name), (address,), (ANYWHERE, name, "")):
            self._failures[key] = self._recent(key, now)
            self._failures[key].append(now)
        while len(self._failures) > MAX_KEYS:
            self._failures.pop(next(iter(self._failures)))

    def counted(self) -> list[tuple[list[str], list[float]]]:
        """Return the failures that still count, for :meth:`restore` in another process of this machine."""
        now = self._clock()
        return [(list(key), list(found)) for key in list(self._failures) if (found := self._recent(key, now))]

    def restore(self, counted: Iterable[tuple[Iterable[str], Iterable[float]]]) -> None:
        """Count the failures of an earlier process: its end gives nobody new tries."""
        for key, times in counted:
            self._failures[tuple(key)] = deque(times)

    def _recent(self, key: tuple[str, ...], now: float) -> deque[float]:
        # This stores nothing, so names from a refused address cannot fill the memory.
        failures = self._failures.get(key, deque())
        while failures and failures[0] <= now - WINDOW_SECONDS:
            failures.popleft()
        return failures


class Pace:
    """Spaces actions: a number per second on average, and a burst after a pause.

    :param per_second: the average number of actions
    :param burst: the number of actions that need not wait after a pause
    :param clock: seconds, monotonic
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float]) -> None:
        self._step = 1 / per_second
        self._burst_seconds = burst / per_second
        self._clock = clock
        self._next = float("-inf")

    def wait(self) -> float:
        """Count an action, and return the seconds until the next one may happen."""
        now = self._clock()
        self._next = max(self._next, now - self._burst_seconds) + self._step
        return max(0.0, self._next - now)


class Rate:
    """Refuses more than a number of actions per second and address.

    :param per_second: the maximum
    :param clock: seconds, monotonic
    """

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._recent: dict[str, deque[float]] = {}

    def acquire(self, address: str) -> None:
        """Count an action.

        :raises ApiError: ``too_many``, with the seconds to wait in ``retry_after``
        """
        now = self._clock()
        recent = self._recent.setdefault(address, deque())
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self._per_second:
            wait = round(recent[0] + 1.0 - now, 2)
            raise ApiError(
                "too_many", f"more than {self._per_second} a second", {"limit": "hooks", "retry_after": wait}
            )
        recent.append(now)
        while len(self._recent) > MAX_KEYS:
            self._recent.pop(next(iter(self._recent)))
