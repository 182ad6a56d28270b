"""Wait for a condition with a deadline: in a thread, or in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

SECONDS = 90.0  # limit for what takes a second on an idle machine; only a failing test waits this long
LOOP_SECONDS = 30.0  # limit for what takes milliseconds inside one process


def wait_until(condition: Callable[[], Any], what: str, timeout: float = SECONDS, every: float = 0.03) -> Any:
    """Return the first true value of ``condition()``.

    :param what: the condition in words, for the error
    :param every: seconds between two calls
    :raises AssertionError: the deadline has passed
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every)
    raise AssertionError(f"{what} did not happen within {timeout:.0f} s")


async def until(condition: Callable[[], object], seconds: float = LOOP_SECONDS) -> None:
    """Return when ``condition()`` is true.

    :raises TimeoutError: the deadline has passed
    """

    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 - the condition sets no event
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), seconds)


async def until_returned(look: Callable[[], Awaitable[Any]], what: str, seconds: float = SECONDS) -> Any:
    """Return the first true value that ``look()`` returns.

    :raises AssertionError: the deadline has passed
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := await look():
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def is_open(port: int, address: str = "127.0.0.1") -> bool:
    """Return whether something accepts connections on this port."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
