"""How long to wait before the next attempt to connect, and where to."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 8.0
MAX_REQUESTED_SECONDS = 60.0


class Backoff:
    """Waits that double with each failed round over all addresses, with jitter so that clients do not come at once.

    :param addresses: tried in turn
    :param chance: returns a number from 0 to 1
    """

    def __init__(self, addresses: Sequence[str], chance: Callable[[], float] = random.random) -> None:
        self._addresses = addresses
        self._chance = chance
        self._place = 0
        self._failures = 0
        self._open = False

    @property
    def address(self) -> str:
        """The address to try now."""
        return self._addresses[self._place]

    def succeeded(self) -> None:
        """Report a login: the next loss begins with a short wait, at the same address."""
        self._failures, self._open = 0, True

    def failed(self, requested: float | None = None) -> float:
        """Report a failed attempt or a lost connection; return the seconds to wait.

        :param requested: seconds that the engine requested; with several addresses the next one is tried without them
        """
        rounds, self._failures = self._failures // len(self._addresses), self._failures + 1
        if len(self._addresses) > 1 and requested:
            self._open, requested = False, None  # it stops, so it is left for another one
        if not self._open:  # a lost connection is first tried at its own address
            self._place = (self._place + 1) % len(self._addresses)
        self._open = False
        step = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**rounds)
        wait = step * (0.5 + self._chance() / 2)
        return max(wait, min(requested or 0.0, MAX_REQUESTED_SECONDS))


def requested_seconds(reason: str) -> float | None:
    """Return the seconds that the reason of a close names; None if it names none."""
    found = re.search(r"\d+(\.\d+)?", reason)
    return float(found[0]) if found else None
