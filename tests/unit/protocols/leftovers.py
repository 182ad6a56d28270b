"""A count of what clients leave behind: objects, bytes, timers, and cycles that only Python's collector finds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import logging
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

WARM, ROUNDS = 1, 3  # rounds before the count, for what Python and tornado keep once, and rounds that are counted
COUNTS = 4  # until one finds nothing: what is left behind is left each time, what a cache keeps is not
SPARE_BYTES = 6000  # that may be more after these rounds, in which nine clients leave: the count itself takes half
PLAIN = ("builtins.tuple", "builtins.dict", "builtins.list", "weakref.ReferenceType")
"""What Python counts in odd ways, and what nobody leaves alone: where it is held, so are named objects or bytes."""


class Count:
    """What there is more after :meth:`begin` than before: objects, and bytes of all that Python allocates."""

    def begin(self) -> None:
        """Count what there is."""
        _forget_cancelled()
        gc.collect()  # empties what Python itself keeps for later, too
        self._bytes = tracemalloc.get_traced_memory()[0]
        self._objects = Counter(map(type, gc.get_objects()))

    def end(self) -> None:
        """Count again."""
        _forget_cancelled()
        more = Counter(map(type, gc.get_objects()))
        more.subtract(self._objects)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        self.cycles = _named(Counter(map(type, gc.garbage)))
        """Objects that only the collector of cycles finds."""
        gc.garbage.clear()
        self.more = _named(more)
        """Objects that were not freed at once, those in cycles among them."""
        self._objects.clear()
        more.clear()
        gc.collect()
        self.bytes = tracemalloc.get_traced_memory()[0] - self._bytes
        """What has not come back, after the cycles were freed."""


def _named(types: Counter[type]) -> dict[str, int]:
    return {f"{one.__module__}.{one.__qualname__}": count for one, count in types.items() if count > 0}


def _forget_cancelled() -> None:
    """Take cancelled timers out of the loop, which keeps a hundred at most, and nothing of what they would call."""
    loop: Any = asyncio.get_running_loop()
    for timer in loop._scheduled:
        if timer.cancelled():
            timer._scheduled = False
    loop._scheduled[:] = [timer for timer in loop._scheduled if not timer.cancelled()]
    heapq.heapify(loop._scheduled)
    loop._timer_cancelled_count = 0


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """Count without the collector; what there is already is passed over."""
    gc.collect()
    gc.disable()
    gc.freeze()
    tracemalloc.start()
    logging.disable(logging.CRITICAL)  # pytest keeps what is logged
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        tracemalloc.stop()
        gc.unfreeze()
        gc.enable()


def timers() -> int:
    """Return how many calls the loop will make later."""
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


async def left_behind(
    once: Callable[[], Awaitable[None]], *, spare: int = SPARE_BYTES, kept: tuple[str, ...] = ()
) -> str:
    """Return what clients leave behind each time that they leave, as a sentence; nothing where that is nothing.

    :param spare: bytes that may be left
    :param kept: names of what the engine keeps for others to see
    """
    for _ in range(WARM):
        await once()
    sentence = ""
    for _ in range(COUNTS):
        found, before = Count(), timers()
        found.begin()
        for _ in range(ROUNDS):
            await once()
        found.end()
        assert not found.cycles, found.cycles
        more = {kind: n for kind, n in found.more.items() if n >= ROUNDS and not kind.startswith((*PLAIN, *kept))}
        waiting = timers() - before
        if not more and found.bytes < spare and waiting < ROUNDS:
            return ""
        sentence = f"{found.bytes} bytes, {waiting} timers, {more}"
    return sentence
