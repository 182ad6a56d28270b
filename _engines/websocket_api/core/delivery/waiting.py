"""What waits in an outbox: who gets it, and what may be dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Transport(Protocol):
    """Where frames are written. It calls :meth:`Outbox.pump` when all that it held has been written."""

    def busy(self) -> bool:
        """Return whether bytes of the outbox still wait in the transport."""
        ...

    def write(self, data: bytes) -> None:
        """Write bytes now, or as soon as the peer reads."""
        ...

    def unsent(self) -> bool:
        """Return whether the system holds written bytes back, because the peer does not read."""
        ...


class Droppable(Protocol):
    """A subscription that prefers to lose events over losing the connection (``overflow: drop``)."""

    def count_lost(self, first: int, last: int, count: int) -> None:
        """Count events that were dropped, with their first and last number."""
        ...

    def gap_frame(self) -> bytes | None:
        """Return a frame that reports what was dropped since the last call; None if nothing was."""
        ...


class Place(Droppable):
    """A place among what waits, without a frame.

    :param reach: called when all that waited before it is being handed over
    """

    def __init__(self, reach: Callable[[], None]) -> None:
        self._reach = reach

    def count_lost(self, first: int, last: int, count: int) -> None:
        """Do nothing: it holds no events."""

    def gap_frame(self) -> bytes | None:
        """Return no frame."""
        self._reach()
        return None


class Waiting(NamedTuple):
    """Frames that wait: one, or those of several writes. With an ``owner`` they may be dropped, and hold these events.

    An owner's empty frame stands where events were dropped, until they are reported there.
    """

    frame: bytes
    owner: Droppable | None
    first: int
    last: int
    events: int
    writes: int


def drop_events(
    waiting: deque[Waiting],
    unreported: dict[Droppable, None],
    count: Callable[[int, int], None],
    goes_on: Callable[[], bool],
) -> deque[Waiting]:
    """Drop droppable frames, the oldest first, and return what still waits.

    :param waiting: what waits
    :param unreported: subscriptions for whose dropped events an empty frame waits; others are added
    :param count: ``count(bytes, frames)`` counts what is dropped, as negative numbers
    :param goes_on: asked before each frame
    """
    kept: deque[Waiting] = deque()
    while waiting and goes_on():
        one = waiting.popleft()
        owner = one.owner
        if owner is None or not one.frame:
            kept.append(one)
            continue
        count(-len(one.frame), -one.writes)
        owner.count_lost(one.first, one.last, one.events)
        if owner not in unreported:
            # Here, so that neither a position nor the end of the subscription overtakes the gap.
            unreported[owner] = None
            kept.append(Waiting(b"", owner, 0, 0, 0, 0))
    kept.extend(waiting)
    return kept
