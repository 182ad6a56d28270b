"""What strangers may do is counted: guessing passwords is slow, and so is handing over webhooks without a token."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from ...errors import ApiError

WINDOW_SECONDS = 60.0
DELAY_STEP = 0.1  # seconds that each failure of a name over the bound adds to its next login
MOST_DELAY = 3.0
ANYWHERE = "*"
MOST_KEYS = 10_000  # counters kept; beyond that the oldest are dropped, so that a flood cannot fill the memory


class LoginThrottle:
    """Refuses logins of who failed too often within a minute.

    There is no bound per name alone: a stranger must not be able to lock ``admin`` out.

    :param per_name: failures a minute per (address, name)
    :param per_address: failures a minute per address
    :param clock: seconds, monotonic
    :param at_once: logins that Salt checks at the same time
    """

    def __init__(self, *, per_name: int, per_address: int, clock: Callable[[], float], at_once: int = 4) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._each = max(1, at_once // 2)
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.suspects = asyncio.Semaphore(1)
        """Held while Salt is asked about a token from where too many wrong ones came."""
        self._most = {2: per_name, 1: per_address}
        self._per_name = per_name
        self._clock = clock
        self._failures: dict[tuple[str, ...], deque[float]] = {}

    def check(self, address: str, name: str) -> None:
        """Raise ``too_many``, with the seconds to wait, for who failed too often."""
        fault = self.fault(address, name)
        if fault is not None:
            raise fault

    def fault(self, address: str, name: str) -> ApiError | None:
        """Return what :meth:`check` raises."""
        now = self._clock()
        for key in ((address, name), (address,)):
            failures = self._recent(key, now)
            if len(failures) >= self._most[len(key)]:
                wait = round(failures[0] + WINDOW_SECONDS - now, 1)
                limit = "login_failures_per_minute" if len(key) == 2 else "login_failures_per_address_per_minute"
                return ApiError("too_many", "too many failed logins", {"limit": limit, "retry_after": wait})
        return None

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn to have a password checked; :meth:`check` is to be asked again once it is had. Otherwise
        hundreds of guesses sent at once would all be let through before the first of them has failed.

        One address has half of all turns at most, and waits for them apart: PAM takes seconds to refuse a password, and
        a stranger who goes on guessing would keep everybody from logging in.
        """
        place = self._places.get(address)
        if place is None:
            place = self._places[address] = asyncio.Semaphore(self._each)
        async with place, self._at_once:
            yield

    def delay(self, name: str) -> float:
        """Return how many seconds a login of this name has to wait, wherever it comes from: guessing from many
        addresses is slowed down, and its owner can still log in."""
        failures = len(self._recent((ANYWHERE, name, ""), self._clock()))
        return min(MOST_DELAY, DELAY_STEP * max(0, failures - self._per_name))

    def failed(self, address: str, name: str) -> None:
        """Count a failure."""
        now = self._clock()
        for key in ((address, name), (address,), (ANYWHERE, name, "")):
            self._failures[key] = self._recent(key, now)
            self._failures[key].append(now)
        while len(self._failures) > MOST_KEYS:
            self._failures.pop(next(iter(self._failures)))

    def _recent(self, key: tuple[str, ...], now: float) -> deque[float]:
        # Asking keeps nothing: names that are refused for their address must not fill the memory.
        failures = self._failures.get(key, deque())
        while failures and failures[0] <= now - WINDOW_SECONDS:
            failures.popleft()
        return failures


class Pace:
    """So many acts a second on average, and some more at once: what is beyond waits for its turn.

    :param per_second: acts
    :param burst: acts that need not wait after a pause
    :param clock: seconds, monotonic
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float]) -> None:
        self._step = 1 / per_second
        self._burst_seconds = burst / per_second
        self._clock = clock
        self._next = float("-inf")

    def wait(self) -> float:
        """Count an act, and return the seconds after which the next one has its turn."""
        now = self._clock()
        self._next = max(self._next, now - self._burst_seconds) + self._step
        return max(0.0, self._next - now)


class Rate:
    """So many acts a second for each address, and not more at once.

    :param per_second: acts
    :param clock: seconds, monotonic
    """

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._most = per_second
        self._clock = clock
        self._acts: dict[str, deque[float]] = {}

    def take(self, address: str) -> None:
        """Count an act; raise ``too_many``, with the seconds to wait, where it is one too many."""
        now = self._clock()
        acts = self._acts.setdefault(address, deque())
        while acts and acts[0] <= now - 1.0:
            acts.popleft()
        if len(acts) >= self._most:
            wait = round(acts[0] + 1.0 - now, 2)
            raise ApiError("too_many", f"more than {self._most} a second", {"limit": "hooks", "retry_after": wait})
        acts.append(now)
        while len(self._acts) > MOST_KEYS:
            self._acts.pop(next(iter(self._acts)))
