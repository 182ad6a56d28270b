"""Bounds the memory that one user takes over all connections. Other users have memory of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ...errors import ApiError

LIMIT = "memory_per_user"
OUTBOXES, REQUESTS = "outboxes", "requests"
"""Kinds."""
SMALL_BYTES = 4096
"""Bytes of a message or frame that are not counted: connections and requests have limits of their own."""
VALUE_BYTES = 64
"""Bytes of memory for each value in a list or object, beside its text."""
MSGPACK_FACTOR = 16
"""Bytes of memory for a byte of msgpack, at most about: an empty list takes 64."""


class Holder(Protocol):
    """A connection for which frames wait."""

    @property
    def held(self) -> int:
        """Return the bytes that wait for it."""
        ...

    def shed(self) -> None:
        """Release some of these bytes: drop events if the client prefers that, else close the connection."""
        ...


class Memory:
    """What one user takes, by kind: ``outboxes``, ``requests``, ``replies``.

    :param max_bytes: the maximum of all kinds together; None for no limit
    :param totals: the bytes of all users by kind, for metrics
    """

    def __init__(self, max_bytes: int | None = None, totals: Counter[str] | None = None) -> None:
        self._max_bytes = max_bytes
        self._totals: Counter[str] = Counter() if totals is None else totals
        self.bytes = 0
        self._holders: dict[Holder, None] = {}
        """The user's connections."""

    def join(self, holder: Holder) -> None:
        """Note a connection that may have to release what waits for it."""
        if self._max_bytes is not None:
            self._holders[holder] = None

    def leave(self, holder: Holder) -> None:
        """Forget a connection."""
        self._holders.pop(holder, None)

    def make_room(self, more: int, holder: Holder) -> bool:
        """Let the connections that hold the most release bytes until more bytes fit for one that holds less.

        :param more: the number of bytes
        :param holder: the connection that needs them
        :return: whether they fit
        """
        own = holder.held + more
        while not self.fits(more):
            # A search each time: it takes less than to close the connection that it finds.
            largest = max(self._holders, key=_held, default=holder)
            if largest is holder or largest.held <= own:
                return False
            largest.shed()
        return True

    def fits(self, more: int) -> bool:
        """Return whether this number of bytes more is within the user's limit."""
        return self._max_bytes is None or self.bytes + more <= self._max_bytes

    def add(self, kind: str, number: int) -> None:
        """Count bytes; a negative number releases them."""
        self.bytes += number
        self._totals[kind] += number

    def reserve(self, kind: str, number: int) -> None:
        """Count bytes. Zero bytes always fit: a user at the limit can still cancel what runs.

        :raises ApiError: too_many, if they do not fit
        """
        if number and not self.fits(number):
            raise self.refusal()
        self.add(kind, number)

    def check(self) -> None:
        """Check that the user does not take too much already.

        :raises ApiError: too_many
        """
        if not self.fits(0):
            raise self.refusal()

    def refusal(self) -> ApiError:
        """Return the error for what does not fit."""
        sentence = f"you take {self.bytes} of at most {self._max_bytes} bytes of memory; read what was sent to you"
        return ApiError("too_many", sentence, {"limit": LIMIT})

    @contextmanager
    def holding(self, kind: str, number: int) -> Iterator[None]:
        """Count bytes during a block.

        :raises ApiError: too_many, if they do not fit
        """
        self.reserve(kind, number)
        try:
            yield
        finally:
            self.add(kind, -number)


def _held(holder: Holder) -> int:
    return holder.held


UNLIMITED = Memory()
"""The memory of all that no user has to answer for."""


class Taken:
    """What one request or subscription takes while it grows. :meth:`release` must be called in the end.

    :param memory: its user's
    """

    def __init__(self, memory: Memory = UNLIMITED, kind: str = REQUESTS) -> None:
        self._memory = memory
        self._kind = kind
        self._bytes = 0

    @property
    def taken(self) -> bool:
        """Whether anything is counted."""
        return self._bytes > 0

    def grow_to(self, number: int) -> None:
        """Count this number of bytes in all, unless they are few.

        :raises ApiError: too_many, if they do not fit
        """
        if number > max(self._bytes, SMALL_BYTES):
            self._memory.reserve(self._kind, number - self._bytes)
            self._bytes = number

    def add(self, number: int) -> None:
        """Count more bytes, even if they do not fit: they are there already."""
        self._memory.add(self._kind, number)
        self._bytes += number

    def release(self) -> None:
        """Count nothing any longer. Further calls do nothing."""
        number, self._bytes = self._bytes, 0
        if number:
            self._memory.add(self._kind, -number)


def message_bytes(data: str | bytes) -> int:
    """Return about how much memory a message takes while it runs; 0 for a small one."""
    if len(data) <= SMALL_BYTES:
        return 0
    if isinstance(data, bytes):
        return MSGPACK_FACTOR * len(data)
    return len(data) + VALUE_BYTES * sum(map(data.count, "[{:,"))


def body_bytes(body: bytes) -> int:
    """Return about how much memory the value of a body takes, in JSON, YAML or a form; 0 for a small one."""
    if len(body) <= SMALL_BYTES:
        return 0
    return len(body) + VALUE_BYTES * sum(map(body.count, (b"[", b"{", b":", b",", b"\n", b"&", b"%")))
