"""A large reply that is being encoded, counted as its user's memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..access.memory import Memory

REPLIES = "replies"


class Collected:
    """Parts of a reply. :meth:`release` must be called in the end."""

    def __init__(self, memory: Memory) -> None:
        self.parts: list[bytes] = []
        self._memory = memory
        self._bytes = 0

    def collect(self, steps: Iterable[bytes]) -> Iterator[None]:
        """Keep what the steps yield, one in each step.

        :raises ApiError: too_many, as soon as the user takes too much memory
        """
        for part in steps:
            self._memory.reserve(REPLIES, len(part))
            self._bytes += len(part)
            self.parts.append(part)
            yield

    def release(self) -> None:
        """Count the reply no longer. Further calls do nothing."""
        number, self._bytes = self._bytes, 0
        self.parts = []
        self._memory.add(REPLIES, -number)
