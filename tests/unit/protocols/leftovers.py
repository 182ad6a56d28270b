"""Counts objects, bytes, timers and reference cycles that clients leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import logging
import sys
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

WARM, ROUNDS = 1, 3  # uncounted rounds, for what Python and tornado keep once, and counted rounds
COUNTS = 12  # at most, until one finds nothing: a leak grows each time, what Python caches does not
SPARE_BYTES = 6000  # allowed growth after these rounds, in which nine clients leave: the count itself needs half
PLAIN = ("builtins.tuple", "builtins.dict", "builtins.list", "weakref.ReferenceType")
"""Types that Python counts irregularly. They never leak alone: named objects or bytes leak with them."""


class Count:
    """The growth between :meth:`begin` and :meth:`end`: objects, and all bytes that Python allocates."""

    def begin(self) -> None:
        """Count the present objects and bytes."""
        _forget_cancelled()
        _clear_caches()
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
        _clear_caches()
        self.bytes = tracemalloc.get_traced_memory()[0] - self._bytes
        """Bytes that were not freed, after the cycles were."""


def _named(types: Counter[type]) -> dict[str, int]:
    return {f"{one.__module__}.{one.__qualname__}": count for one, count in types.items() if count > 0}


def _clear_caches() -> None:
    """Empty the caches of Python itself: its free lists, and its table of attributes, which keeps their names.

    The table holds up to 4,096 names. On Python 3.10 an equal name at another address is another entry, so that each
    request adds some.
    """
    gc.collect()
    clear: Callable[[], None] = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()


def _forget_cancelled() -> None:
    """Remove canceled timers from the loop, which keeps up to a hundred of them without their callbacks."""
    loop: Any = asyncio.get_running_loop()
    for timer in loop._scheduled:
        if timer.cancelled():
            timer._scheduled = False
    loop._scheduled[:] = [timer for timer in loop._scheduled if not timer.cancelled()]
    heapq.heapify(loop._scheduled)
    loop._timer_cancelled_count = 0


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """Count without the garbage collector, and ignore objects that exist already: they stay frozen."""
    gc.collect()
    gc.disable()
    gc.freeze()
    tracemalloc.start()
    logging.disable(logging.CRITICAL)  # pytest keeps log records
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        tracemalloc.stop()
        gc.enable()


def timers() -> int:
    """Return the number of timers of the loop."""
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
    return f"{sentence}, from {await _places(once)}"


async def _places(once: Callable[[], Awaitable[None]]) -> list[str]:
    """Return the lines that allocate most of what is left behind."""
    _forget_cancelled()
    _clear_caches()
    before = tracemalloc.take_snapshot()
    for _ in range(ROUNDS):
        await once()
    _forget_cancelled()
    _clear_caches()
    growth = tracemalloc.take_snapshot().compare_to(before, "lineno")
    return [str(line) for line in growth if "tracemalloc.py" not in str(line)][:5]
